#!/bin/sh
# usage: amalgamate.sh OUTPUT-FOLDER
# Write the whole collector as one C file and one header: parallax.c and parallax.h, and jemalloc's
# prefixed object beside them where a build made it. Every header is put in once, where it is first
# included; #line keeps messages and debuggers pointing at the true sources.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
out=$1
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$top"

# Copies its inputs to standard output, with each include of the tree replaced by the file, once.
# -v public=1: public headers only; -v public=0: internal ones, and public ones become "parallax.h".
expand()
{
	awk -v public="$1" '
	function resolve(line, path) {
		path = line
		sub(/^[ \t]*#[ \t]*include[ \t]*["<]/, "", path)
		sub(/[">].*$/, "", path)
		if (path ~ /^parallax\//)
			return "runtime/include/" path
		return line ~ /"/ ? path : ""
	}
	function copy(file, line, number, inner) {
		if (file in seen)
			return
		seen[file] = 1
		number = 0
		printf "#line 1 \"%s\"\n", file
		while ((getline line < file) > 0) {
			number++
			inner = line ~ /^[ \t]*#[ \t]*include/ ? resolve(line) : ""
			if (inner == "") {
				print line
				continue
			}
			if (public || inner !~ /^runtime\/include/)
				copy(inner)
			printf "#line %d \"%s\"\n", number + 1, file
		}
		close(file)
	}
	BEGIN {
		if (!public)
			print "#ifndef _GNU_SOURCE\n#define _GNU_SOURCE 1\n#endif\n#include \"parallax.h\""
		for (i = 1; i < ARGC; i++)
			copy(ARGV[i])
	}' $2
}

version=$(sed -n 's/^#define PLX_VERSION_[MP][A-Z]* \([0-9]*\)$/\1/p' runtime/include/parallax/base.h |
	paste -sd.)
{
	echo "/* Parallax $version: all public headers in one. Made by cmake/amalgamate.sh. */"
	expand 1 "$(echo runtime/include/parallax/*.h)"
} > "$out/parallax.h"
{
	echo "/* Parallax $version: the collector in one file. Made by cmake/amalgamate.sh."
	echo " * Link with the prefixed jemalloc object, -lunwind, -lm and -pthread. */"
	expand 0 "$(find gc runtime -name '*.c' ! -path 'runtime/tools/*' | sort)"
} > "$out/parallax.c"
