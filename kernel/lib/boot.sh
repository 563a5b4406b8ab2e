# shellcheck shell=bash
# boot.sh: run a guest, read its serial lines, judge them.
#
# The emulator translates code (no hardware virtualisation is needed, none is used). The kernel's
# log comes over the first serial line, what the jobs say over the second.

guest_seconds=1500
boot_seconds=180

# Lines in a kernel's log that no healthy run prints.
splats='BUG:|WARNING:|Oops|general protection|Call Trace|Kernel panic|bad page|Bad rss|KASAN|UBSAN|possible (recursive|circular|irq)|suspicious RCU|rcu.*stall|blocked for more than|soft lockup|Unable to handle|page_table_check'
# What the emulator, not the kernel, gives rise to.
harmless='clocksource: |Speculative|Spectre|RETBleed|MDS|MMIO Stale'

emulate()
{
	# shellcheck disable=SC2086 # icount is empty or two words
	timeout -s KILL "$guest_seconds" qemu-system-x86_64 -machine q35 -accel "$accelerator" -cpu max \
		-smp "$cpus" -m "$memory" -nodefaults -display none -no-reboot ${icount:-} \
		-serial "file:$results/console.log" -serial "file:$results/jobs.log" \
		-kernel "$image/bzImage" -initrd "$results/initramfs.gz" \
		-append 'console=ttyS0 panic=-1 quiet loglevel=5 mitigations=off nokaslr no_timer_check' \
		> "$results/emulator.log" 2>&1 < /dev/null
}

# A guest whose first process has not spoken by then never will: on a busy host a kernel may find
# its timers too slow to be real and wait for ever. Started again, and said so.
boot_guest()
{
	local attempt emulator waited

	for attempt in 1 2 3; do
		rm -f "$results"/{console,jobs}.log
		emulate &
		emulator=$!
		waited=0
		until [ "$waited" -ge "$boot_seconds" ] || grep -qs '^@guest' "$results/jobs.log" ||
			! kill -0 "$emulator" 2> /dev/null; do
			sleep 1
			waited=$((waited + 1))
		done
		if grep -qs '^@guest' "$results/jobs.log"; then
			wait "$emulator" || true
			return 0
		fi
		say "$id: did not come up in $waited s (attempt $attempt)"
		pkill -P "$emulator" 2> /dev/null || true
		wait "$emulator" 2> /dev/null || true
		! grep -E "$splats" "$results/console.log" || return 0
	done
}

# name and exit status of each job, one a line.
job_results()
{
	tr -d '\r' < "$results/jobs.log" | sed -n 's/^.*@done \([^ ]*\) \([0-9]*\)$/\1 \2/p'
}

# What one job printed.
job_output()
{
	tr -d '\r' < "$results/jobs.log" | sed -n "/^@job $1\$/,/@done $1 /p" | sed '1d;$d'
}

plan_taken()
{
	job_output shadow-auto | sed -n 's/^.*, plan \([a-z]*\), delivery \([a-z]*\)$/\1/p'
}

# What no healthy kernel prints; false if it printed nothing of it.
complaints()
{
	grep -E "$splats" "$results/console.log" | grep -Ev "$harmless" > "$results/splats.log"
}

# Say what went wrong in the last run; true if nothing did.
judge()
{
	local wanted job code bad=0 taken

	if ! grep -q '^@end' "$results/jobs.log"; then
		say "$id: the guest did not reach its end"
		tail -n 15 "$results/console.log" "$results/jobs.log"
		bad=1
	fi
	while read -r job code; do
		case $code in
		0 | 77) ;;
		*)
			say "$id: FAILED $job (exit $code)"
			job_output "$job" | tail -n 15
			bad=1
			;;
		esac
	done < <(job_results)
	wanted=$(grep -c '^@job' "$results/jobs.log" || true)
	[ "$wanted" = "$(job_results | wc -l)" ] || bad=1
	if complaints; then
		say "$id: the kernel complained"
		head -n 20 "$results/splats.log"
		bad=1
	fi
	taken=$(plan_taken)
	if grep -q '^@job shadow-auto' "$results/jobs.log" && [ "$taken" != "$plan" ]; then
		say "$id: a heap took the plan '$taken', not $plan"
		bad=1
	fi
	return "$bad"
}

run_guest()
{
	local accelerator=tcg,thread=multi cpus=2 memory=2048 begin

	[ -z "$debug" ] || local guest_seconds=7200 boot_seconds=600 memory=3072
	if [ "$again" = no ] && [ "$(cat "$results/.passed" 2> /dev/null)" = "$guest_key" ]; then
		say "$id: passed before, nothing changed"
		return 0
	fi
	rm -f "$results/.passed"
	say "$id: booting"
	begin=$SECONDS
	boot_guest
	judge || return 1
	echo "$guest_key" > "$results/.passed"
	say "$id: passed: $(job_results | grep -c ' 0$') jobs, $(job_results | grep -c ' 77$' || true) skipped, $((SECONDS - begin)) s"
}
