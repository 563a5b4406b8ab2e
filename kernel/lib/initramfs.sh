# shellcheck shell=bash
# initramfs.sh: what the guest boots into: busybox, the collector's programs with the libraries they
# need, our page-level tests and the kernel's own.

collector_programs=(build/release/runtime/tools/plx_info build/release/test/unit/test_probe
	build/release/test/unit/test_uffd build/release/test/unit/test_view build/release/test/unit/test_skip
	build/release/test/system/shadow build/release/bench/gc_pause build/release/bench/postcopy
	build/release/kernel/tests/page_tests)

# A program and every library the loader would bring, at the paths it looks for them.
add_program()
{
	local program=$1 library

	cp -L "$program" "$root/bin/"
	ldd "$program" 2> /dev/null | grep -oE '/[^ ]+' | sort -u | while read -r library; do
		[ -e "$root$library" ] || install -D "$library" "$root$library"
	done
}

# The jobs for this kernel: plans it cannot serve are checked to be refused with a reason.
write_jobs()
{
	local needs rest

	cat "$kernel_dir/guest/jobs"
	grep -v '^#' "$kernel_dir/guest/jobs-collector" | while IFS='|' read -r needs rest; do
		[ "$needs" = minor ] && [ "$plan" != minor ] && continue
		echo "$rest"
	done
	[ "$plan" = minor ] || cat << 'END'
refusal|60|! GC_USE_UFFD_MINOR=1 shadow --cycles 1 > /tmp/refusal 2>&1 && cat /tmp/refusal && grep -q 'the minor plan cannot be served here' /tmp/refusal
END
	[ -x "$image/uffd-unit-tests" ] && cat << 'END'
uffd-unit-tests|900|echo 100 > /proc/sys/vm/nr_hugepages; uffd-unit-tests
uffd-stress-anon|120|uffd-stress anon 8 4
uffd-stress-shmem|120|uffd-stress shmem 8 4
uffd-stress-hugetlb|120|uffd-stress hugetlb 8 2
END
	[ -x "$image/userfaultfd" ] && cat << 'END'
userfaultfd-anon|200|userfaultfd anon 8 4
userfaultfd-shmem|200|userfaultfd shmem 8 4
userfaultfd-hugetlb|200|mkdir -p huge && mount -t hugetlbfs huge huge && userfaultfd hugetlb 8 4 huge/private
userfaultfd-hugetlb_shared|200|rm -f huge/*; userfaultfd hugetlb_shared 8 4 huge/shared; code=$?; umount huge; exit $code
END
	return 0
}

# A kernel with all its checks takes several times as long.
lengthen_jobs()
{
	awk -F '|' -v OFS='|' -v times="${debug:+4}" '!/^#/ { $2 *= times ? times : 1 } { print }'
}

write_environment()
{
	local require=''

	[ "$plan" != minor ] || require=minor,sigbus,thread
	! list_series | xargs -r cat | grep UFFD_FEATURE_CONTINUE_SKIP > /dev/null || require=$require,skip
	sed -i "2i export PLX_TEST_REQUIRE=$require${fixed:+ PAGE_FIXED=1}" "$root/init"
}

make_initramfs()
{
	local root program fixed=''

	[ "$flavour" != patched ] || fixed=yes
	root="$results/root"
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys,tmp}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for program in "${collector_programs[@]}"; do
		[ -x "$top/$program" ] || fail "$program is not built: ./dev build release"
		add_program "$top/$program"
	done
	for program in "$image"/u*; do
		[ ! -x "$program" ] || cp "$program" "$root/bin/"
	done
	[ ! -e "$image/brd.ko" ] || cp "$image/brd.ko" "$root/brd.ko"
	cp "$kernel_dir/guest/init" "$root/init"
	chmod +x "$root/init"
	write_environment
	# What only this series claims: see hole_of_a_huge_page in kernel/tests/page_huge.c.
	[ "$flavour $version" != 'patched 5.10' ] || sed -i '2i export PAGE_FAULT_ONE=1' "$root/init"
	write_jobs | lengthen_jobs > "$root/jobs"
	guest_key=$(root_digest)
	pack_root "$results"
}
