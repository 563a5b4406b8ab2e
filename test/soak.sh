#!/usr/bin/env bash
# usage: test/soak.sh [--minutes N] [--seed S] [--rounds N]
# The tests that work at random, one after the other, each round with other options drawn from the seed: the
# shadow model in its modes, weak objects, failing system calls, the benchmark's workloads with checksums;
# plans, deliveries, GC_TORTURE, GC_VERIFY, GC_YIELD; debug and release builds, which have to be up to date.
# Prints a running tally (from the programs' `tally:` lines, test/support/tally.h). Ends with status 0 when the
# time is over (or with that many --rounds), and with 1 at the first failure: the log stays in build/soak, and the
# command that repeats the round is printed.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
unset PLX_TEST_SHARE

minutes=60
seed=$(($(date +%s) % 30000))
rounds=0
while [ $# -gt 0 ]; do
	case $1 in
	--minutes | --seed | --rounds)
		[[ ${2-} =~ ^[0-9]+$ ]] || { echo "soak: $1 wants a number" >&2; exit 2; }
		printf -v "${1#--}" %s "$2"
		shift 2
		;;
	*) echo "soak: no such option: $1" >&2; exit 2 ;;
	esac
done

round=0
total_cycles=0 total_objects=0 total_faults=0 total_injected=0
started=$SECONDS
logs=build/soak
mkdir -p "$logs"

# One of its arguments. Bash's generator, seeded for each round, so that a round does not depend on those
# before it. Not in a subshell, which would not carry the generator on.
pick()
{
	local choices=("$@")

	picked=${choices[RANDOM % $#]}
}

# True so often in a hundred.
chance()
{
	[ $((RANDOM % 100)) -lt "$1" ]
}

draw_build()
{
	build=debug
	! chance 35 || build=release
}

# Options of the heap, into `environment`.
draw_environment()
{
	local words="" word

	environment=()
	! chance 60 || environment+=(GC_EVACUATE=all)
	! chance 40 || environment+=("GC_YIELD=$((RANDOM + 1))")
	! chance 20 || environment+=(GC_TLAB_BYTES=0)
	if chance 50; then
		pick 1 2 3 4
		environment+=("GC_WORKERS=$picked")
	fi
	if chance 40; then
		pick 1 2 flip after,flip before,mark
		environment+=("GC_VERIFY=$picked")
	fi
	if chance 30; then
		pick detach zap
		environment+=("GC_FLIP=$picked")
	fi
	if chance 60; then
		for word in gaps small-regions few-workers "$@"; do
			! chance 50 || words=$words$word,
		done
		pick "" "" mutator-first, collector-first, any-first,
		environment+=("GC_TORTURE=$words$picked$RANDOM")
	fi
}

draw_plan()
{
	pick minor minor minor copy stw
	plan=$picked
	pick thread sigbus
	arguments=(--plan "$plan" --delivery "$picked")
}

draw_shadow()
{
	program=test/system/shadow
	draw_environment page-extents sites
	draw_plan
	pick 20 40 60 100
	arguments+=(--cycles "$picked" --seed "$RANDOM$RANDOM")
	pick 1 2 3 3 4 6
	arguments+=(--threads "$picked")
	pick 4000 8000 20000
	arguments+=(--objects "$picked")
	pick "" "" --churn --churn --locals --stacks "--heap 26M" "--roots all" "--roots handles"
	[ -z "$picked" ] || read -ra more <<< "$picked"
	[ -z "$picked" ] || arguments+=("${more[@]}")
	if chance 35; then
		pick 20 50 200 1000
		arguments+=(--inject "$picked")
	fi
}

draw_safepoints()
{
	program=test/system/shadow
	draw_plan
	environment=(GC_EVACUATE=all "GC_TORTURE=safepoints,gaps,small-regions,$RANDOM")
	arguments+=(--cycles 300 --threads 2 --objects 400 --seed "$RANDOM$RANDOM")
}

draw_weak()
{
	program=test/system/weak
	draw_environment
	draw_plan
	pick 5 10 20
	arguments+=(--rounds "$picked" --threads 3 --seed "$RANDOM$RANDOM")
}

draw_faults()
{
	program=test/system/syscall_faults
	environment=()
	! chance 50 || environment+=(GC_WORKERS=3)
	draw_plan
	arguments+=(--random 20 --seed "$RANDOM$RANDOM")
}

draw_pause()
{
	build=release
	program=bench/gc_pause
	draw_environment
	environment+=(GC_CYCLE_EVERY=1M)
	pick cache trees gcbench index fragment
	arguments=(--quiet --workload "$picked" --plan minor,copy,stw --delivery all)
	pick 1 2 4
	# A tree of gcbench's first round has 2^(depth + 3) objects, and all threads build theirs at once.
	arguments+=(--threads "$picked" --operations 20000 --heap 64M --live 12M --depth 14 --seed "$RANDOM"
		--dir gc --json "$logs/pause.json")
}

# What gc_pause did, from its file.
pause_tally()
{
	local cycles faults

	cycles=$(grep -o '"cycles":[0-9]*' "$logs/pause.json" | awk -F: '{ n += $2 } END { print n + 0 }')
	faults=$(grep -o '"fault_us":{"count":[0-9]*' "$logs/pause.json" | awk -F: '{ n += $3 } END { print n + 0 }')
	echo "tally: gc_pause cycles=$cycles objects=0 faults=$faults injected=0"
}

add_tally()
{
	local name value

	for word in $(sed -n 's/^tally: [a-z_]* //p' "$1" | tail -n 1); do
		name=total_${word%%=*}
		value=${word#*=}
		printf -v "$name" %s $((${!name} + value))
	done
}

say_tally()
{
	printf 'soak: seed %s, %d rounds, %d:%02d: %d cycles, %d objects compared, %d faults, %d injected errors%s\n' \
		"$seed" "$round" $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$total_cycles" \
		"$total_objects" "$total_faults" "$total_injected" "$1"
}

run_round()
{
	local command log="$logs/round.log" code=0

	RANDOM=$(((seed * 1009 + round * 7919) % 32768))
	RANDOM=$((RANDOM ^ (round % 32768)))
	environment=()
	arguments=()
	draw_build
	pick shadow shadow shadow shadow shadow shadow safepoints weak weak faults pause pause
	"draw_$picked"
	[ -x "build/$build/$program" ] || { echo "soak: build/$build/$program is not built" >&2; exit 2; }
	command="env ${environment[*]} build/$build/$program ${arguments[*]}"
	say_tally "; now $command"
	timeout --kill-after=10 600 env "${environment[@]}" "build/$build/$program" "${arguments[@]}" > "$log" 2>&1 || code=$?
	if [ $code -eq 77 ]; then
		return 0 # this kernel cannot do it
	fi
	if [ $code -ne 0 ]; then
		mv "$log" "$logs/failed-$seed-$round.log"
		tail -n 30 "$logs/failed-$seed-$round.log"
		echo "soak: FAILED in round $round of seed $seed (status $code; 124 is a hang)"
		echo "soak: the log is $logs/failed-$seed-$round.log; to repeat this round:"
		echo "  $command"
		exit 1
	fi
	[ "$program" != bench/gc_pause ] || pause_tally >> "$log"
	add_tally "$log"
}

while [ $((SECONDS - started)) -lt $((minutes * 60)) ]; do
	run_round
	round=$((round + 1))
	[ "$rounds" -eq 0 ] || [ "$round" -lt "$rounds" ] || break
done
say_tally ": no failure"
