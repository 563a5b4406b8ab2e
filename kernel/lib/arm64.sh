# shellcheck shell=bash
# arm64.sh: what differs for aarch64: the cross build, the initramfs, the emulator.

cross_tools=/usr/aarch64-linux-gnu

cross_build()
{
	say "building arm64"
	(cd "$top" && PLX_ARM64_SYSROOT="$work/sysroot" cmake --preset arm64) > "$work/configure.log" 2>&1 || {
		tail -n 30 "$work/configure.log" >&2
		fail "cannot configure for aarch64"
	}
	cmake --build "$build" --parallel "${JOBS:-$(nproc)}" --target test/all runtime/all \
		kernel/tests/all examples/all gc_pause postcopy
}

# Where a library is: the fetched ones, then the compiler's.
cross_library()
{
	local folder

	for folder in "$build" "$work/sysroot/usr/lib/aarch64-linux-gnu" "$cross_tools/lib"; do
		[ ! -e "$folder/$1" ] || { echo "$folder/$1" && return 0; }
	done
	fail "no library $1 for aarch64"
}

# A program or library, and what it needs in turn.
add_cross_program()
{
	local library

	aarch64-linux-gnu-readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r library; do
		[ ! -e "$root/lib/$library" ] || continue
		cp -L "$(cross_library "$library")" "$root/lib/$library"
		add_cross_program "$root/lib/$library"
	done
}

arm64_programs()
{
	find "$build"/test/{unit,system,fuzz,litmus} "$build"/{runtime/tools,examples} -maxdepth 1 -type f -perm -u+x
	printf '%s\n' "$build/bench/gc_pause" "$build/bench/postcopy" "$build/kernel/tests/page_tests"
}

# All that a whole run has.
arm64_jobs()
{
	{
		cat "$kernel_dir/guest/jobs"
		grep -v '^#' "$kernel_dir/guest/jobs-collector" | cut -d '|' -f 2-
	} | grep -v '^#' | awk -F '|' -v OFS='|' -v most="$suite_seconds" '{ $2 = most; print }'
	echo "litmus|$suite_seconds|litmus --rounds 50000 /litmus/*.litmus"
	suite_jobs "$build"
}

# What every job sees, but for the programs.
make_arm64_root()
{
	local program copy

	rm -rf "$root"
	mkdir -p "$root"/{bin,corpus,dev,lib,litmus,proc,sys,tmp}
	cp "$work/sysroot/bin/busybox" "$root/bin/busybox"
	cp -L "$cross_tools/lib/ld-linux-aarch64.so.1" "$root/lib/"
	arm64_programs | while read -r program; do
		copy=${program/$build\/examples\//example_}
		[ ! -f "$program" ] || { cp "$program" "$root/bin/${copy##*/}" && add_cross_program "$program"; }
	done
	# Debug information is what is largest, and nobody looks at it there.
	aarch64-linux-gnu-strip --strip-debug "$root"/bin/* "$root"/lib/* 2> /dev/null || true
	cp "$top/test/litmus/tests"/*.litmus "$root/litmus/"
	cp -R "$top/test/fuzz/corpus/." "$root/corpus/"
	[ ! -e "$image/brd.ko" ] || cp "$image/brd.ko" "$root/brd.ko"
	# The first serial line is the machine's own, the second the only one of its kind.
	sed 's,/dev/ttyS1,/dev/ttyS0,g' "$kernel_dir/guest/init" > "$root/init"
	chmod +x "$root/init"
	sed -i "2r /dev/stdin" "$root/init" << END
export PLX_TEST_SHARE=${PLX_TEST_SHARE:-5} PLX_TEST_REQUIRE=minor,sigbus,thread PLX_TEST_MACHINE=1 PLX_TEST_PATIENCE=20
END
}

# Run what has not passed yet, of the jobs that are wanted; true if all of it went well.
run_suite()
{
	local root="$results/root" accelerator=tcg,thread=multi cpus=2 memory=2048 begin=$SECONDS common

	make_arm64_root
	common=$(root_digest '(' -path ./bin/busybox -o ! -path './bin/*' ')')
	arm64_jobs | job_keys "$common" > "$results/keys"
	arm64_jobs | grep -E "^(${PLX_KERNEL_JOBS:-.*})[|]" | jobs_to_run > "$root/jobs"
	if [ ! -s "$root/jobs" ]; then
		say "$name: passed before, nothing changed"
		rm -rf "$root"
		return 0
	fi
	say "$name: booting, $(wc -l < "$root/jobs") jobs"
	pack_root "$results"
	boot_guest
	complaints || store_results
	judge || return 1
	say "$name: passed: $(job_results | grep -c ' 0$') jobs, $(job_results | grep -c ' 77$' || true) skipped, $((SECONDS - begin)) s"
}

# In place of boot.sh's. Pointer authentication by the architected algorithm is slow to emulate. A guest whose host
# stood still, or was busy, is not locked up: the kernel's watchdogs would call it that; the jobs' own time limits
# find one that really is.
emulate()
{
	timeout -s KILL "$guest_seconds" qemu-system-aarch64 -machine virt -accel "$accelerator" \
		-cpu max,pauth-impdef=on -smp "$cpus" -m "$memory" -nodefaults -display none -no-reboot \
		-serial "file:$results/console.log" -chardev "file,id=jobs,path=$results/jobs.log" \
		-device pci-serial,chardev=jobs -kernel "$image/bzImage" -initrd "$results/initramfs.gz" \
		-append 'console=ttyAMA0 panic=-1 quiet loglevel=5 mitigations=off nokaslr watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120' \
		> "$results/emulator.log" 2>&1 < /dev/null
}
