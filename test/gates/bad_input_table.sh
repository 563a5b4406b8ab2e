#!/bin/sh
# usage: bad_input_table.sh LIBRARY
# Every function that the shared library exports has rows in test/system/bad_input.h, and no row is of one that
# it does not export.
. "$(dirname "$0")/common.sh"
need_tool "${NM:=nm}"
table=test/system/bad_input.h
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$NM" -D --defined-only "$1" | awk '$2 == "T" { sub(/@.*/, "", $NF); print $NF }' | sort -u > "$scratch/exported"
sed -n 's/^\(BAD\|FINE\|THREADS\|HEAPS\)(\(plx_[a-z0-9_]*\),.*/\2/p' "$table" | sort -u > "$scratch/rows"
[ -s "$scratch/exported" ] || violation "no function is exported: this gate is broken"
for function in $(comm -23 "$scratch/exported" "$scratch/rows"); do
	violation "$function is exported but has no row in $table: add one for each way to call it wrongly" \
		"(THREADS(...) and HEAPS(...) make those of a thread or heap argument; FINE(...) if there is none)," \
		"and RT_USE_... of runtime/misuse.h to the function"
done
for function in $(comm -13 "$scratch/exported" "$scratch/rows"); do
	violation "$table has rows of $function, which is not exported"
done
finish
