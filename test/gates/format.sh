#!/bin/sh
# Every C file is as clang-format 14 leaves it. Other versions differ in details, so they are no judge.
. "$(dirname "$0")/common.sh"

format=
for candidate in clang-format-14 clang-format; do
	if command -v "$candidate" > /dev/null &&
		"$candidate" --version | grep -q 'version 14\.'; then
		format=$candidate
		break
	fi
done
[ -n "$format" ] || cannot_run "clang-format 14 is not installed"

for file in $(c_files); do
	"$format" --dry-run --Werror "$file" > /dev/null 2>&1 ||
		violation "$file is not formatted; run ./dev format"
done
finish
