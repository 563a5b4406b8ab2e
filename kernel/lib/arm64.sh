# shellcheck shell=bash
# arm64.sh: what differs for aarch64: the cross build, the initramfs, the emulator, the report.

cross_tools=/usr/aarch64-linux-gnu

cross_build()
{
	say "building arm64"
	(cd "$top" && PLX_ARM64_SYSROOT="$work/sysroot" cmake --preset arm64) > "$work/configure.log" 2>&1 || {
		tail -n 30 "$work/configure.log" >&2
		fail "cannot configure for aarch64"
	}
	cmake --build "$build" --parallel "${JOBS:-$(nproc)}" --target test/all runtime/all \
		kernel/tests/all gc_pause postcopy
}

# Where a library is: the fetched ones, then the compiler's.
cross_library()
{
	local folder

	for folder in "$work/sysroot/usr/lib/aarch64-linux-gnu" "$cross_tools/lib"; do
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
	find "$build/test/unit" "$build/test/system" "$build/runtime/tools" -maxdepth 1 -type f -perm -u+x
	printf '%s\n' "$build/bench/gc_pause" "$build/bench/postcopy" "$build/kernel/tests/page_tests"
	find "$build/test/litmus" -maxdepth 1 -type f -perm -u+x
}

arm64_jobs()
{
	all_arm64_jobs | grep -E "^(${PLX_KERNEL_JOBS:-.*})[|]"
}

all_arm64_jobs()
{
	{
		cat "$kernel_dir/guest/jobs"
		grep -v '^#' "$kernel_dir/guest/jobs-collector" | cut -d '|' -f 2-
	} | grep -v '^#' | awk -F '|' -v OFS='|' -v most="$suite_seconds" '{ $2 = most; print }'
	echo "litmus|$suite_seconds|litmus --rounds 50000 /litmus/*.litmus"
	suite_jobs "$build"
}

make_arm64_initramfs()
{
	local root program

	root="$results/root"
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,lib,proc,sys,tmp}
	cp "$work/sysroot/bin/busybox" "$root/bin/busybox"
	cp -L "$cross_tools/lib/ld-linux-aarch64.so.1" "$root/lib/"
	arm64_programs | while read -r program; do
		[ ! -f "$program" ] || { cp "$program" "$root/bin/" && add_cross_program "$program"; }
	done
	# Debug information is what is largest, and nobody looks at it there.
	aarch64-linux-gnu-strip --strip-debug "$root"/bin/* "$root"/lib/* 2> /dev/null || true
	mkdir "$root/litmus"
	cp "$top/test/litmus/tests"/*.litmus "$root/litmus/"
	[ ! -e "$image/brd.ko" ] || cp "$image/brd.ko" "$root/brd.ko"
	# The first serial line is the machine's own, the second the only one of its kind.
	sed 's,/dev/ttyS1,/dev/ttyS0,g' "$kernel_dir/guest/init" > "$root/init"
	chmod +x "$root/init"
	sed -i "2i export PLX_TEST_SHARE=${PLX_TEST_SHARE:-5} PLX_TEST_REQUIRE=minor,sigbus,thread" "$root/init"
	arm64_jobs > "$root/jobs"
	guest_key=$({
		cat "$image/.key"
		(cd "$root" && find . -type f | sort | xargs sha256sum)
	} | digest_of)
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$results/initramfs.gz"
	rm -rf "$root"
}

# In place of boot.sh's. Pointer authentication by the architected algorithm is slow to emulate.
emulate()
{
	timeout -s KILL "$guest_seconds" qemu-system-aarch64 -machine virt -accel "$accelerator" \
		-cpu max,pauth-impdef=on -smp "$cpus" -m "$memory" -nodefaults -display none -no-reboot \
		-serial "file:$results/console.log" -chardev "file,id=jobs,path=$results/jobs.log" \
		-device pci-serial,chardev=jobs -kernel "$image/bzImage" -initrd "$results/initramfs.gz" \
		-append 'console=ttyAMA0 panic=-1 quiet loglevel=5 mitigations=off nokaslr' \
		> "$results/emulator.log" 2>&1 < /dev/null
}

page_bytes()
{
	job_output info | sed -n 's/^page size in bytes *//p'
}

write_arm64_table()
{
	local name version plan image results id kernel page="$top/docs/aarch64.md"

	{
		sed '/^<!-- table -->$/q' "$page"
		echo '| name | release | page size | plan taken | unit and system tests passed | shadow model and `gc_pause` passed | page-level tests passed |'
		echo '|---|---|---|---|---|---|---|'
		for kernel in $(kernel_names); do
			read_kernel "$kernel"
			[ -e "$results/.passed" ] || fail "$kernel has not passed: run ./dev kernel $kernel"
			printf '| `%s` | %s | %s | %s | %s | %s | %s |\n' "$name" "$(release_of)" "$(page_bytes)" \
				"$(plan_taken)" "$(suite_passed)" "$(jobs_passed 'shadow-|gc_pause|postcopy')" "$(page_tests_passed)"
		done
		sed -n '/^<!-- end of table -->$/,$p' "$page"
	} > "$page.new"
	mv "$page.new" "$page"
	say "wrote docs/aarch64.md"
}

# passed/all of everything else; skipped ones are counted apart.
suite_passed()
{
	job_results | grep -Ev '^(shadow-|gc_pause|postcopy|page_tests)' | awk '
		$2 == 0 { passed++ } $2 == 77 { skipped++ } { all++ }
		END { printf "%d of %d, %d skipped", passed, all - skipped, skipped }'
}
