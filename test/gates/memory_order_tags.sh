#!/bin/sh
# A memory-order tag names one argument in docs/memory-order.md and both sides of the pair in code.
. "$(dirname "$0")/common.sh"

form='\[MO-[A-Z0-9][A-Z0-9-]*\]'
argued=docs/memory-order.md
[ -f "$argued" ] || violation "$argued does not exist"

sites=$(c_files | grep -E '^(gc|runtime)/' | xargs grep -ohE "$form" | sort | uniq -c |
	sed 's/^ *//; s/ /:/')
for site in $sites; do
	count=${site%%:*}
	tag=${site#*:}
	[ "$count" -ge 2 ] || violation "$tag stands at one place only: where is the other side?"
	grep -qF "$tag" "$argued" 2> /dev/null || violation "$tag is not argued in $argued"
done
for tag in $(grep -oE "$form" "$argued" 2> /dev/null | sort -u); do
	echo "$sites" | grep -qF ":$tag" || violation "$tag is argued in $argued but used nowhere"
done
finish
