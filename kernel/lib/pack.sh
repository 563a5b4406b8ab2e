# shellcheck shell=bash
# pack.sh: a folder, $root, as an initramfs, and what it is known by.

# The kernel and the files of $root, or those that find(1) takes by these arguments.
root_digest()
{
	{
		cat "$image/.key"
		(cd "$root" && find . -type f "$@" | sort | xargs sha256sum)
	} | digest_of
}

# $root becomes initramfs.gz in a folder. A console before devtmpfs is mounted is the kernel's to make.
pack_root()
{
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$1/initramfs.gz"
	rm -rf "$root"
}
