#!/bin/sh
# Nothing in the tree names a place that exists only on somebody's machine: neither this checkout's
# own path, nor an absolute path outside of what every Linux has.
. "$(dirname "$0")/common.sh"

list=$(mktemp)
own=$(mktemp)
trap 'rm -f "$list" "$own"' EXIT
everywhere='bin|boot|dev|etc|lib|lib64|opt|proc|run|sbin|sys|tmp|usr|var'

# "file:path" of each absolute path of two or more parts; one grep for all files.
tree_files | tr '\n' '\0' |
	xargs -0 grep -IHoE "(^|[[:space:]\"'\`=(])/[a-z0-9_]+/[A-Za-z0-9_.]+" > "$list" || true
tree_files | tr '\n' '\0' | xargs -0 grep -IlF "$top/" > "$own" || true
while read -r file; do
	violation "$file names this checkout's path"
done < "$own"
sed 's,^\([^:]*\):[^/]*/,\1 /,' "$list" | sort -u | grep -Ev " /($everywhere)/" > "$own" || true
while read -r file path; do
	violation "$file names $path"
done < "$own"
finish
