# shellcheck shell=bash
# build.sh: from sources to $image: bzImage, and the kernel's own tests of userfaultfd.

fragments()
{
	echo "$kernel_dir/config/fragment"
	[ -z "$debug" ] || echo "$kernel_dir/config/debug"
}

demanded_options()
{
	grep -v '^#' "$kernel_dir/config/demanded"
	[ -z "$debug" ] || grep -v '^#' "$kernel_dir/config/demanded-debug"
}

# A compiler cache where there is one: a kernel built again after a change of its configuration takes
# seconds then.
compiler=()
if command -v ccache > /dev/null; then
	compiler=('CC=ccache gcc')
	# make keeps track of headers; a miss need not preprocess first.
	export CCACHE_DEPEND=1
fi

kernel_make()
{
	nice -n 5 make -C "$tree" O="$out" ARCH=x86_64 "${compiler[@]}" "$@"
}

# What the configuration depends on; make is not bothered when it is the same.
configuration_key()
{
	{
		cat "$tree/.unpacked"
		grep -l '^+++ b/.*Kconfig' $(list_series) /dev/null | xargs -r cat
		fragments | xargs cat
	} | digest_of
}

# One pass: everything off but what the fragments name; the kernel's own of tinyconfig come first.
# Configuring asks the compiler some hundred questions, which no cache makes faster.
configure_kernel()
{
	local compiler=()

	{
		cat "$tree/kernel/configs/tiny.config" "$tree/kernel/configs/tiny-base.config" \
			"$tree/arch/x86/configs/tiny.config" 2> /dev/null || true
		fragments | xargs cat
	} > "$out/all.config"
	kernel_make KCONFIG_ALLCONFIG="$out/all.config" allnoconfig
}

check_configuration()
{
	local line

	while read -r line; do
		grep -qxF "$line" "$out/.config" || fail "$id: the configuration lost $line"
	done < <(demanded_options)
}

# What an image depends on.
image_key()
{
	{
		basename "$(fetch_package "$version" source)"
		series_digest
		fragments | xargs cat
		gcc --version | head -n 1
	} | digest_of
}

compile_kernel()
{
	mkdir -p "$out"
	if [ "$(cat "$out/.configured" 2> /dev/null)" != "$(configuration_key)" ]; then
		configure_kernel > "$out/configure.log" 2>&1 || {
			tail -n 20 "$out/configure.log" >&2
			fail "$id: cannot be configured"
		}
		check_configuration
		configuration_key > "$out/.configured"
	fi
	kernel_make -j"$jobs" bzImage > "$out/build.log" 2>&1 || {
		grep -E 'error|Error|warning' -A5 "$out/build.log" | head -n 60 >&2
		fail "$id: does not build, see $out/build.log"
	}
	cp "$out/arch/x86/boot/bzImage" "$image/bzImage"
}

# --- the kernel's own tests of userfaultfd ------------------------------------------------------

# One test program, static: name, folder, sources.
compile_selftest()
{
	local program=$1 folder=$2

	shift 2
	(cd "$folder" && nice -n 15 gcc -O2 -std=gnu11 -D_GNU_SOURCE= -D__SANE_USERSPACE_TYPES__ -w -static \
		-isystem "$out/usr/include" -I .. -I ../../../../tools/include \
		-o "$image/$program" "$@" -lpthread -lrt)
}

compile_selftests()
{
	local folder="$tree/tools/testing/selftests"

	kernel_make -j"$jobs" headers || return 1
	if [ -e "$folder/mm/uffd-unit-tests.c" ]; then
		folder="$folder/mm"
		compile_selftest uffd-unit-tests "$folder" uffd-unit-tests.c uffd-common.c vm_util.c &&
			compile_selftest uffd-stress "$folder" uffd-stress.c uffd-common.c vm_util.c
	elif [ -e "$folder/vm/vm_util.c" ]; then
		compile_selftest userfaultfd "$folder/vm" userfaultfd.c vm_util.c
	else
		compile_selftest userfaultfd "$folder/vm" userfaultfd.c
	fi
}

# $image holds this kernel when this returns.
build_kernel()
{
	local key

	if [ "$flavour" = debian ]; then
		[ -z "$debug" ] || fail "$name is Debian's binary: it has no debug flavour"
		unpack_kernel
		return 0
	fi
	key=$(image_key)
	[ "$(cat "$image/.key" 2> /dev/null)" != "$key" ] || return 0
	rm -rf "$image"
	mkdir -p "$image"
	prepare_tree
	say "$id: building"
	compile_kernel
	compile_selftests > "$out/selftests.log" 2>&1 || {
		tail -n 20 "$out/selftests.log" >&2
		fail "$id: the kernel's own tests do not build"
	}
	echo "$key" > "$image/.key"
}
