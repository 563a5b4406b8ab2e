#!/bin/bash
# usage: replay.sh PROGRAM
# What a seed chooses is the same in every process, and what fails is found and repeated: by its seed, and by its
# list of choices. The bugs are those of test/schedule/seeded.c.
set -euo pipefail
program=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail()
{
	echo "replay: $*" >&2
	exit 1
}

# usage: field NAME FILE: the word after NAME, where a line of a failure has it.
field()
{
	sed -n "s/^.*$1 \([^ ,]*\).*/\1/p" "$2" | head -n 1
}

# usage: same_failure ARGUMENT...: it fails, with the log of the first time.
same_failure()
{
	! "$program" "$@" > "$scratch/again" || fail "$* does not fail"
	grep -q "$log" "$scratch/again" || fail "$* has another log than $log: $(cat "$scratch/again")"
}

code=0
"$program" --hashes --seeds 2 > "$scratch/one" || code=$?
[ $code -ne 77 ] || exit 77
[ $code -eq 0 ] && [ -s "$scratch/one" ] || fail "a scenario fails: $(cat "$scratch/one")"
"$program" --hashes --seeds 2 > "$scratch/other"
cmp "$scratch/one" "$scratch/other" || fail "the same seeds, other logs"

for bug in race deadlock; do
	for how in "--seeds 50" "--deviations 2"; do
		! "$program" --scenario $bug $how > "$scratch/first" || fail "$bug is not found with $how"
		log=$(field log "$scratch/first") choices=$(sed -n 's/^ *choices //p' "$scratch/first")
		seed=$(field --seed "$scratch/first")
		[ -n "$log" ] && [ -n "$choices" ] || fail "$bug: $(cat "$scratch/first")"
		same_failure --scenario $bug --choices "$choices"
		[ -z "$seed" ] || same_failure --scenario $bug --seeds 1 --seed "$seed"
	done
done
