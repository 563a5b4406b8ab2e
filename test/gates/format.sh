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

bad=$(c_files | xargs "$format" --dry-run --Werror 2>&1 | sed -n 's/^\([^:]*\):.*error: code.*/\1/p' | sort -u)
for file in $bad; do
	violation "$file is not formatted; run ./dev format"
done
finish
