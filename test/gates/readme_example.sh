#!/bin/sh
# usage: readme_example.sh LIBRARY-FOLDER
# README.md's embedding example (the first ```c block after `<!-- example -->`) compiles against the
# shared library as an embedder would, and runs.
. "$(dirname "$0")/common.sh"
need_tool "${CC:=cc}"
folder=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

[ -f README.md ] || violation "README.md does not exist"
awk '
	/^<!-- example -->/ { armed = 1; next }
	armed && /^```c$/ { inside = 1; armed = 0; next }
	inside && /^```/ { exit }
	inside { print }
' README.md > "$scratch/example.c" 2> /dev/null || true
if [ ! -s "$scratch/example.c" ]; then
	violation "README.md has no example after <!-- example -->"
	finish
fi
if ! "$CC" -std=gnu11 -O2 -Wall -Wextra -Werror -Iruntime/include "$scratch/example.c" \
	-o "$scratch/example" -L"$folder" -Wl,-rpath,"$folder" -lparallax -pthread; then
	violation "the example does not compile"
elif ! "$scratch/example"; then
	violation "the example does not run"
fi
finish
