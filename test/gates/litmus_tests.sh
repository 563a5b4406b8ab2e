#!/bin/sh
# Every memory-order tag has a litmus test, or a reason to have none; and what the tests cite is in the code.
. "$(dirname "$0")/common.sh"

tests=test/litmus/tests
argued=docs/memory-order.md

for tag in $(grep -oE '^## \[MO-[A-Z0-9-]+\]' "$argued" | tr -d '#[] '); do
	grep -qx "tag $tag" "$tests"/*.litmus || grep -q "^$tag ." test/litmus/without ||
		violation "$tag has neither a test in $tests nor a line in test/litmus/without"
done
for tag in $(sed -n 's/^tag //p' "$tests"/*.litmus | sort -u) $(grep -v '^#' test/litmus/without | cut -d ' ' -f 1); do
	grep -qF "## [$tag]" "$argued" || violation "$tag is not argued in $argued"
done
cited=$(mktemp)
sed -n 's/^.*@ //p' "$tests"/*.litmus | sort -u > "$cited"
while IFS= read -r line; do
	grep -qsF -e "${line#*: }" "${line%%: *}" || violation "a litmus test stands for what is not in ${line%%: *}: ${line#*: }"
done < "$cited"
rm -f "$cited"
finish
