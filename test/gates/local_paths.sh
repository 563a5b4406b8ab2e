#!/bin/sh
# Nothing in the tree names a place that exists only on somebody's machine: neither this checkout's
# own path, nor an absolute path outside of what every Linux has.
. "$(dirname "$0")/common.sh"

everywhere='bin|boot|dev|etc|lib|lib64|opt|proc|run|sbin|sys|tmp|usr|var'

list=$(mktemp)
trap 'rm -f "$list"' EXIT
tree_files > "$list"
while read -r file; do
	if grep -IqF "$top/" "$file"; then
		violation "$file names this checkout's path"
	fi
	paths=$(grep -IoE "(^|[[:space:]\"'\`=(])/[a-z0-9_]+/[A-Za-z0-9_.]+" "$file" |
		sed 's/^[^/]*//' | grep -Ev "^/($everywhere)/" | sort -u || true)
	for path in $paths; do
		violation "$file names $path"
	done
done < "$list"
finish
