# shellcheck shell=bash
# sysroot.sh: the libraries of another architecture, Debian's packages unpacked into $work/sysroot. The
# compiler brings its own C library (libc6-dev-arm64-cross).

sysroot_packages=(libjansson-dev libjansson4 libjemalloc-dev libunwind-dev libunwind8 liblzma-dev liblzma5 zlib1g libcmocka-dev
	libcmocka0 busybox-static)

make_sysroot()
{
	local root="$work/sysroot" deb

	[ ! -e "$root/.done" ] || return 0
	update_suite debian bookworm
	say "fetching libraries for $package_architecture"
	rm -rf "$root" "$work/libraries"
	mkdir -p "$root" "$work/libraries"
	(cd "$work/libraries" && private_apt debian bookworm apt-get download "${sysroot_packages[@]}") \
		> "$work/libraries.log" 2>&1 || {
		cat "$work/libraries.log" >&2
		fail "cannot fetch libraries"
	}
	for deb in "$work/libraries"/*.deb; do
		dpkg-deb -x "$deb" "$root"
	done
	# As in a system whose /lib is /usr/lib.
	cp -a "$root/lib/." "$root/usr/lib/"
	rm -rf "$root/lib"
	touch "$root/.done"
}
