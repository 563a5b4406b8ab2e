# shellcheck shell=bash
# tree.sh: unpacked sources, with the series of a kernel applied or not.
#
# There is one tree for each version, and one build directory: a series is applied in place, and
# taken back, so that make only compiles what the series touches. The originals of touched files
# are kept in .pristine; a file that is put back is newer than its objects, which is all that make
# needs to know.

# Parts nobody compiles here, and big.
unpack_without=('*/drivers/gpu/drm/amd/include/asic_reg/*' '*/arch/arm*/boot/dts/*')

unpack_stock()
{
	local deb from

	deb=$(fetch_package "$version" source)
	from=$(basename "$deb")
	[ "$(cat "$tree/.unpacked" 2> /dev/null)" != "$from" ] || return 0
	say "unpacking $from"
	rm -rf "$tree" "$tree.new"
	mkdir -p "$tree.new"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/linux-source-$version.tar.xz" |
		tar -xJ -C "$tree.new" --strip-components=1 "${unpack_without[@]/#/--exclude=}"
	echo "$from" > "$tree.new/.unpacked"
	mv "$tree.new" "$tree"
}

# The series of this kernel, in order, or its first few; nothing for a stock one.
list_series()
{
	[ "$flavour" != patched ] ||
		find "$kernel_dir/$version" -name '*.patch' | sort | awk -v most="${first_patches:-9999}" 'NR <= most'
}

series_digest()
{
	list_series | xargs -r cat | digest_of
}

# The files a series touches.
series_files()
{
	list_series | xargs -r sed -n 's,^+++ b/\([^[:space:]]*\).*,\1,p; s,^--- a/\([^[:space:]]*\).*,\1,p' |
		sort -u
}

# Put back what the last series changed.
restore_files()
{
	local file

	[ ! -e "$tree/.series-files" ] || while read -r file; do
		rm -f "$tree/$file"
		[ ! -e "$tree/.pristine/$file" ] || cp "$tree/.pristine/$file" "$tree/$file"
	done < "$tree/.series-files"
	rm -rf "$tree/.pristine" "$tree/.series-files"
}

keep_files()
{
	local file

	series_files > "$tree/.series-files.new"
	while read -r file; do
		[ ! -e "$tree/$file" ] || install -D -m 644 "$tree/$file" "$tree/.pristine/$file"
	done < "$tree/.series-files.new"
	mv "$tree/.series-files.new" "$tree/.series-files"
}

# What the kernel's own tool says of the style; a series may name types of complaint to ignore, with a reason each.
check_series()
{
	local reasons="$kernel_dir/$version/checkpatch" ignored=''

	[ ! -e "$reasons" ] || ignored=$(grep -v '^#' "$reasons" | cut -d ' ' -f 1 | paste -sd ,)
	list_series | xargs -r perl "$tree/scripts/checkpatch.pl" --root="$tree" --quiet --no-summary \
		--show-types ${ignored:+--ignore "$ignored"} > "$work/checkpatch-$version.log" 2>&1 || {
		cat "$work/checkpatch-$version.log" >&2
		fail "$id: checkpatch complains"
	}
}

# What both series make the same keeps its time: nothing that includes it has to be compiled.
keep_times()
{
	local file

	(cd "$tree/.previous" && find . -type f) | while read -r file; do
		! cmp -s "$tree/.previous/$file" "$tree/$file" || cp -p "$tree/.previous/$file" "$tree/$file"
	done
	rm -rf "$tree/.previous"
}

remember_times()
{
	local file

	rm -rf "$tree/.previous"
	mkdir "$tree/.previous"
	[ ! -e "$tree/.series-files" ] || while read -r file; do
		[ ! -e "$tree/$file" ] || (cd "$tree" && cp -p --parents "$file" .previous/)
	done < "$tree/.series-files"
}

apply_series()
{
	local patch log="$work/apply-$version.log"

	: > "$log"
	while read -r patch; do
		patch -d "$tree" -p1 -F0 -N --batch --no-backup-if-mismatch < "$patch" >> "$log" 2>&1 || {
			tail -n 20 "$log" >&2
			fail "$(basename "$patch") does not apply to $version"
		}
	done < <(list_series)
}

# $tree holds the sources of this kernel when this returns.
prepare_tree()
{
	local stamp

	unpack_stock
	stamp=$(series_digest)
	[ "$(cat "$tree/.series" 2> /dev/null || digest_of < /dev/null)" != "$stamp" ] || return 0
	say "$id: applying $(list_series | wc -l) patches to $version"
	echo changing > "$tree/.series"
	remember_times
	restore_files
	check_series
	keep_files
	apply_series
	keep_times
	echo "$stamp" > "$tree/.series"
}
