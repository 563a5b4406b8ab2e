# shellcheck shell=bash
# image.sh: from a package to $image: bzImage, and brd.ko where the ram disk, for swap, is a module.

unpack_kernel()
{
	local deb key module vmlinuz

	deb=$(fetch_package "$version" image)
	key=$(basename "$deb")
	[ "$(cat "$image/.key" 2> /dev/null)" != "$key" ] || return 0
	rm -rf "$image"
	mkdir -p "$image/files"
	# A package need not have both; what is missing is found out below.
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$image/files" --wildcards '*/vmlinu*' \
		'*/block/brd.ko*' > /dev/null 2>&1 || true
	vmlinuz=$(find "$image/files" -type f -name 'vmlinuz*' | head -n 1)
	[ -n "$vmlinuz" ] || fail "no kernel in $key"
	mv "$vmlinuz" "$image/bzImage"
	module=$(find "$image/files" -name 'brd.ko*' | head -n 1)
	case $module in
	*.xz) xz -dc "$module" > "$image/brd.ko" ;;
	*.ko) cp "$module" "$image/brd.ko" ;;
	esac
	rm -rf "$image/files"
	echo "$key" > "$image/.key"
}
