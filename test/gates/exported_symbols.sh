#!/bin/sh
# usage: exported_symbols.sh LIBRARY
# The shared library exports exactly what the public headers declare as PLX_EXPORT, all of it plx_*, each
# under the version of cmake/parallax.map.
. "$(dirname "$0")/common.sh"
need_tool "${NM:=nm}"
need_tool "${CC:=cc}"
library=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for header in runtime/include/parallax/*.h; do
	echo "#include \"$header\""
done > "$scratch/all.c"
# After preprocessing, PLX_EXPORT is the attribute; the name is the word before the first
# parenthesis (a function) or before the semicolon (data).
"$CC" -E -P -D_GNU_SOURCE -I. -Iruntime/include "$scratch/all.c" | tr '\n' ' ' |
	grep -o '__attribute__((visibility("default")))[^;]*;' |
	sed 's/^__attribute__((visibility("default"))) *//; s/ *[(;].*//; s/.*[ *]//' |
	sort -u > "$scratch/declared"
"$NM" -D --defined-only "$library" | awk '$2 != "A" { print $NF }' | sort -u > "$scratch/versioned"
sed 's/@.*//' "$scratch/versioned" > "$scratch/exported"
minor=$(sed -n 's/^#define PLX_VERSION_M[AI][JN]OR \([0-9]*\)$/\1/p' runtime/include/parallax/base.h |
	paste -sd.)

[ -s "$scratch/declared" ] || violation "no PLX_EXPORT found: this gate is broken"
for symbol in $(comm -13 "$scratch/declared" "$scratch/exported"); do
	violation "$symbol is exported but not declared PLX_EXPORT in a public header"
done
for symbol in $(comm -23 "$scratch/declared" "$scratch/exported"); do
	violation "$symbol is declared PLX_EXPORT but not exported"
done
for symbol in $(grep -v "@@PARALLAX_$minor\$" "$scratch/versioned"); do
	violation "$symbol has no version, or not PARALLAX_$minor: see cmake/parallax.map"
done
for symbol in $(grep -v '^plx_' "$scratch/exported"; grep '^plx_je_' "$scratch/exported"); do
	violation "$symbol must not be exported"
done
finish
