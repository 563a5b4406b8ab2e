#!/usr/bin/env bash
# Do the workloads compute the same under every plan and delivery? Fixed work, many seeds, 1, 2 and 8
# threads; a cycle for every megabyte allocated. gc_pause itself compares the runs of one call and
# fails when their checksums differ.
#
# usage: bench/checksums.sh PATH-OF-gc_pause [SEEDS]     (default: 20, or PLX_TEST_SHARE percent of them)
set -u
program=$1
seeds=${2:-$((20 * ${PLX_TEST_SHARE:-100} / 100))}
[ "$seeds" -gt 0 ] || seeds=1
source_dir=$(cd "$(dirname "$0")/.." && pwd)
passed=0
failed=0

for seed in $(seq 1 "$seeds"); do
	for threads in 1 2 8; do
		if GC_CYCLE_EVERY=1M "$program" --quiet --workload cache,index --plan minor,copy,stw,none \
			--delivery all --threads "$threads" --seed "$seed" --operations 200000 \
			--heap 64M --live 16M --dir "$source_dir/gc"; then
			passed=$((passed + 1))
		else
			echo "seed $seed, $threads threads: checksums differ, or a run failed"
			failed=$((failed + 1))
		fi
	done
done
echo "checksums: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
