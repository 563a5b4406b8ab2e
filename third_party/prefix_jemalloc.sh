#!/bin/sh
# Make one relocatable object of jemalloc's PIC archive whose only global symbols are those of
# plx_jemalloc.symbols, prefixed with plx_je_ and hidden. Nothing in it is called malloc, so nothing
# that links it has its malloc replaced.
#
# usage: prefix_jemalloc.sh ARCHIVE SYMBOLS OUTPUT-OBJECT
# environment: AR NM OBJCOPY LD CC, the tools of the target
set -eu

archive=$1
symbols=$2
output=$3
scratch=$output.work
here=$(cd "$(dirname "$0")" && pwd)

# The archive's own functions: what it merely uses (mmap, memcpy, ...) must keep its name. The C++
# member is left out: it defines operator new and delete.
rename_definitions()
{
	"$NM" -g --defined-only *.o | awk 'NF == 3 { print $3 }' | sort -u |
		sed 's/^\(je_\)\{0,1\}\(.*\)$/& plx_je_\2/' > renames
	if [ -n "$(awk '{ print $2 }' renames | sort | uniq -d)" ]; then
		echo "prefix_jemalloc: two symbols would get one name" >&2
		exit 1
	fi
	cat >> renames << 'EOF'
secure_getenv plx_je_no_environment
readlink plx_je_no_link
EOF
	for object in *.o; do
		"$OBJCOPY" --redefine-syms=renames "$object"
	done
}

# An undefined hidden reference makes the merged symbol hidden.
write_hiding_object()
{
	{
		sed 's/.*/\t.hidden plx_je_&\n\t.globl plx_je_&/' "$symbols"
		printf '\t.section .note.GNU-stack,"",%%progbits\n'
	} > hide.s
	"$CC" -c -x assembler hide.s -o hide.o
}

rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch"
"$AR" x "$archive"
rm -f jemalloc_cpp*.o
rename_definitions
write_hiding_object
"$CC" -std=gnu11 -O2 -fPIC -c "$here/plx_jemalloc_private.c" -o private.o
sed 's/^/plx_je_/' "$symbols" > keep
"$LD" -r -o merged.o *.o
"$OBJCOPY" --keep-global-symbols=keep merged.o
for symbol in $(cat keep); do
	if ! "$NM" -g --defined-only merged.o | grep -q " $symbol\$"; then
		echo "prefix_jemalloc: $archive does not define $symbol" >&2
		exit 1
	fi
done
if "$NM" -g --defined-only merged.o | awk 'NF == 3 { print $3 }' | grep -vx -f keep; then
	echo "prefix_jemalloc: the symbols above escaped" >&2
	exit 1
fi
mv merged.o "$output"
cd /
rm -rf "$scratch"
