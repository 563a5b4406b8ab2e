#!/bin/sh
# Every seeded bug fits the sources as they are: without that, ./dev mutants proves nothing.
. "$(dirname "$0")/common.sh"
need_tool patch

for file in test/mutants/*.patch; do
	patch --dry-run --quiet --fuzz=0 -p1 < "$file" > /dev/null 2>&1 ||
		violation "$file does not apply any more: make it fit"
done
finish
