# shellcheck shell=bash
# count.sh: what userfaultfd costs in instructions: a second, short run of a kernel, with one CPU and
# a clock that advances by one for each instruction. The figures repeat almost exactly, however busy
# the host is; kernel/config/counts holds them against limits.

count_program=build/release/kernel/tests/count

# Busybox, the program and one job.
make_count_initramfs()
{
	local root="$counts/root"

	[ -x "$top/$count_program" ] || fail "$count_program is not built: ./dev build release"
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys,tmp}
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$top/$count_program" "$root/bin/"
	cp "$kernel_dir/guest/init" "$root/init"
	chmod +x "$root/init"
	# Waiting costs nothing there, and lets the kernel finish what it does after booting.
	echo 'count|300|sleep 5; count' > "$root/jobs"
	pack_root "$counts"
}

# What the last run said of one thing, or nothing.
counted()
{
	tr -d '\r' < "$counts/jobs.log" | sed -n "s/^count $1 \([0-9]*\)\$/\1/p"
}

judge_counts()
{
	local kernel what most value bad=0

	grep -qE '^@done count (0|77)$' <(tr -d '\r' < "$counts/jobs.log") || {
		say "$id: no instruction counts"
		tail -n 15 "$counts/jobs.log"
		return 1
	}
	while read -r kernel what most; do
		[ "$kernel" = "$name" ] || continue
		value=$(counted "$what")
		if [ "${value:-$((most + 1))}" -gt "$most" ]; then
			say "$id: $what takes ${value:-unknown} instructions, more than $most"
			bad=1
		fi
	done < <(grep -v '^#' "$kernel_dir/config/counts")
	return "$bad"
}

# The limits are looked at whether or not it has to be counted again.
count_guest()
{
	local accelerator=tcg cpus=1 memory=512 counts="$results/count" key

	mkdir -p "$counts"
	key=$(cat "$image/.key" "$top/$count_program" "$kernel_dir/guest/init" | digest_of)
	if [ "$again" = yes ] || [ "$(cat "$counts/.counted" 2> /dev/null)" != "$key" ]; then
		rm -f "$counts/.counted"
		make_count_initramfs
		say "$id: counting instructions"
		(results=$counts icount='-icount shift=0,sleep=off' boot_guest)
		judge_counts || return 1
		echo "$key" > "$counts/.counted"
		return 0
	fi
	say "$id: counted before, nothing changed"
	judge_counts
}

counted_things='page range mapped skip huge pmd'

# Those of config/kernels, and 6.12 after each of its patches where that was counted.
counted_kernels()
{
	local kernel partial

	grep -v '^#' "$kernel_dir/config/kernels" | sed 's/ .*//' | while read -r kernel; do
		for partial in "$work/results/$kernel@"*/count/.counted; do
			[ ! -e "$partial" ] || basename "${partial%/count/.counted}"
		done
		echo "$kernel"
	done
}

count_rows()
{
	local kernel what value counts name version flavour plan first_patches id tree out image results

	printf '| |%s\n|---|' "$(printf ' `%s` |' $counted_things)"
	printf -- '---|%.0s' $counted_things
	printf '\n'
	for kernel in $(counted_kernels); do
		read_kernel "$kernel"
		counts="$results/count"
		[ -e "$counts/.counted" ] || fail "$kernel was not counted: run ./dev kernel --count $kernel"
		printf '| `%s` |' "$name"
		for what in $counted_things; do
			value=$(counted "$what")
			printf ' %s |' "${value:--}"
		done
		printf '\n'
	done
}

# Between the marks of kernel/README.md.
write_counts()
{
	local page="$kernel_dir/README.md"

	{
		sed '/^<!-- counts:/q' "$page"
		count_rows
		sed -n '/^<!-- end of counts/,$p' "$page"
	} > "$page.new"
	mv "$page.new" "$page"
	say "wrote the counts in kernel/README.md"
}
