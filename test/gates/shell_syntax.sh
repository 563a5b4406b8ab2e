#!/bin/sh
# Every shell script of the tree can be parsed, by the shell its first line names.
. "$(dirname "$0")/common.sh"

need_tool bash
list=$(mktemp)
trap 'rm -f "$list"' EXIT
tree_files > "$list"
while read -r file; do
	IFS= read -r first < "$file" || true # a process for each of a thousand files would take a minute
	case $first in
	'#!/bin/sh'* | '#!/bin/busybox sh'*) shell=sh ;;
	'#!/usr/bin/env bash'* | '# shellcheck shell=bash'*) shell=bash ;;
	*) continue ;;
	esac
	"$shell" -n "$file" 2>&1 || violation "$file cannot be parsed"
done < "$list"
finish
