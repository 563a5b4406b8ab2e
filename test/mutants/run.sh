#!/bin/bash
# usage: run.sh [--all | --some N | NAME...]
# Seeded bugs, test/mutants/NAME.patch: each is put into a scratch copy of the sources, built against what
# lies in build/debug and build/release (which have to be up to date), and shown to the checks that its
# line `Caught by:` names. At least two are named, and each has to fail within three tries.
# A patch changes .c files only: they are compiled and linked in front of the library.
#
# Without names all of them; --some N: that many, others every day, for continuous integration.
# Ends with 0, or 1 and the names of those that got away.
set -euo pipefail
unset PLX_TEST_SHARE # a mutant needs all of its cycles
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$top"

# What can catch a mutant. $1 is the number of the try.
check_verify() # the heap verifier, in a debug build
{
	GC_VERIFY=1 GC_EVACUATE=all GC_WORKERS=2 GC_YIELD=$1 run debug system shadow --plan minor \
		--delivery sigbus --cycles 60 --seed "$1" --threads 4 --objects 8000
}
check_shadow() # the shadow model alone, in a release build: contents and shape
{
	GC_EVACUATE=all GC_WORKERS=2 GC_YIELD=$1 run release system shadow --plan minor --delivery thread \
		--cycles 300 --seed "$1" --threads 4 --objects 8000
}
check_assert() # what a debug build checks by itself
{
	GC_EVACUATE=all GC_YIELD=$1 run debug system shadow --plan minor --delivery sigbus --cycles 60 \
		--seed "$1" --threads 4 --objects 8000
}
check_stack_unit() { run debug unit test_stack; }
check_locals() # objects that only registers hold
{
	GC_EVACUATE=all GC_VERIFY=mark run debug system shadow --plan minor --delivery sigbus --cycles 60 \
		--seed "$1" --threads 3 --locals
}
check_weak_unit() { run debug unit test_weak; }
check_weak() { run release system weak; }
check_rootstack_unit() { run debug unit test_rootstack; }
check_ragged() { run debug system ragged; }
check_stacks() # as check_verify, with roots on root stacks
{
	GC_VERIFY=1 GC_EVACUATE=all GC_YIELD=$1 run debug system shadow --plan minor --delivery sigbus \
		--cycles 80 --seed "$1" --threads 4 --objects 8000 --stacks
}
check_tag_unit() { run debug unit test_tag; }
check_tags() # as check_shadow, with tagged references
{
	GC_EVACUATE=all run release system shadow --plan minor --delivery thread --cycles 100 --seed "$1" \
		--threads 4 --objects 8000 --tags
}
# One thread at a time; each try takes other seeds, and what fails has to replay.
check_schedule_store() { schedule store "$1"; }
check_schedule_weak() { schedule weak "$1"; }
schedule()
{
	run debug schedule schedule --scenario "$1" --seed $(($2 * 100)) --seeds 100 ||
		grep -q 'DOES NOT REPEAT' "$scratch/log" # that is not caught
}

# usage: link PRESET KIND TEST: the test with the changed files, once.
link_test()
{
	local preset=$1 program=test/$2/$3 objects="" file command object library=libparallax.a

	[ ! -x "$scratch/$preset/$program" ] || return 0
	mkdir -p "$scratch/$preset/test/$2"
	# It has a library of its own.
	[ "$2" != schedule ] || library=test/schedule/libschedule_parallax.a
	for file in $changed; do
		object=$scratch/$preset/${library//\//_}_${file//\//_}.o
		objects="$objects $object"
		[ ! -f "$object" ] || continue
		command=$(ninja -C "build/$preset" -t commands "$library" | grep -F -- "-c $top/$file" | head -n 1)
		command=${command//"$top/gc/"/"$scratch/source/gc/"}
		command=${command//"$top/runtime/"/"$scratch/source/runtime/"}
		command=${command//"-I$top "/"-I$scratch/source -I$top "}
		command=$(echo "$command" | sed "s| -MD.* -c | -o $object -c |")
		(cd "build/$preset" && eval "$command") > "$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
	done
	command=$(ninja -C "build/$preset" -t commands "$program" | tail -n 1)
	command=${command/"-o $program"/"$objects -o $scratch/$preset/$program"}
	(cd "build/$preset" && eval "$command") > "$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
}

run()
{
	local preset=$1 kind=$2 program=$3

	shift 3
	link_test "$preset" "$kind" "$program" || exit 0 # not caught: not even built
	# A timeout proves nothing: the machine may be busy.
	{ timeout 60 "$scratch/$preset/test/$kind/$program" "$@" > "$scratch/log" 2>&1; } 2> /dev/null ||
		[ $? -eq 124 ]
}

caught_by()
{
	local check=$1 try

	for try in 1 2 3; do
		(ulimit -c 0; "check_$check" "$try") 2> /dev/null || return 0
	done
	return 1
}

try_mutant()
{
	local name=$1 patch="test/mutants/$1.patch" checks check bad=0

	checks=$(sed -n 's/^Caught by: //p' "$patch")
	[ "$(wc -w <<< "$checks")" -ge 2 ] || { echo "mutant $name: fewer than two checks"; return 1; }
	rm -rf "$scratch/source" "$scratch/debug" "$scratch/release"
	mkdir -p "$scratch/source"
	cp -r gc runtime "$scratch/source/"
	patch --quiet -d "$scratch/source" -p1 < "$patch" || { echo "mutant $name: no longer applies"; return 1; }
	changed=$(sed -n 's|^+++ b/||p' "$patch")
	for check in $checks; do
		if caught_by "$check"; then
			echo "mutant $name: caught by $check: $(grep -aE 'parallax: fatal|shadow:|ERROR|FAILED' "$scratch/log" | tail -n 1 | cut -c1-110)"
		else
			echo "mutant $name: GOT AWAY from $check"
			bad=1
		fi
	done
	return $bad
}

mapfile -t names < <(for patch in test/mutants/*.patch; do basename "$patch" .patch; done)
case ${1---all} in
--all) ;;
--some)
	# Others every day; all of them within days.
	first=$(($(date +%s) / 86400 * $2 % ${#names[@]}))
	names=("${names[@]:first}" "${names[@]:0:first}")
	names=("${names[@]:0:$2}")
	;;
*) names=("$@") ;;
esac
# A check that fails without any mutant proves nothing.
mapfile -t checks < <(for name in "${names[@]}"; do
	sed -n 's/^Caught by: //p' "test/mutants/$name.patch" | tr ' ' '\n'
done | sort -u)
changed=""
for check in "${checks[@]}"; do
	(ulimit -c 0; "check_$check" 1) || { tail -n 5 "$scratch/log"; echo "$check fails by itself"; exit 1; }
done

failed=""
for name in "${names[@]}"; do
	try_mutant "$name" || failed="$failed $name"
done
[ -z "$failed" ] || { echo "mutants that got away:$failed"; exit 1; }
echo "${#names[@]} mutants, each caught by all that should catch it"
