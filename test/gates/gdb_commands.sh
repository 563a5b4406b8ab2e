#!/bin/sh
# usage: gdb_commands.sh BUILD-FOLDER
# The gdb commands show a live heap, and refuse what is not an object.
. "$(dirname "$0")/common.sh"
need_tool gdb
build=$1
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Stopped where a program that has built a list and collected is about to detach.
gdb -nx -q -batch -ex 'set confirm off' -ex 'set debuginfod enabled off' \
	-ex 'handle SIGBUS nostop noprint pass' -ex 'source runtime/gdb/parallax-gdb.py' \
	-ex 'break plx_root_visitor_remove' -ex run -ex up \
	-ex 'plx heap thread' -ex 'plx object thread all.head' -ex 'plx region heap all.head' \
	-ex 'plx page heap all.head' -ex 'plx forward heap all.head' \
	-ex 'plx object heap "(char *)all.head + 8"' -ex 'plx page heap 4096' -ex 'plx what' \
	"$build/examples/linked_list" > "$out" 2>&1 || true

expect()
{
	grep -Eq "$1" "$out" || violation "no \"$1\" in what gdb printed"
}
expect 'heap at 0x[0-9a-f]+, alias at 0x[0-9a-f]+: [0-9]+ of [0-9]+ regions'
expect 'gc_phase_idle, 1 cycles ended'
expect 'regions ever used: .*gc_region_small'
expect 'object: layout [0-9]+ \(gc_type_plain\), length 0, 24 bytes'
expect 'region [0-9]+: gc_region_small, bits:'
expect 'page [0-9]+: gc_page_attached, flags 0x'
expect 'stays'
expect 'no object starts there'
expect "0x1000 is not in the heap's view"
expect 'usage: plx heap'
# And words with tags.
gdb -nx -q -batch -ex 'set confirm off' -ex 'set debuginfod enabled off' \
	-ex 'handle SIGBUS nostop noprint pass' -ex 'source runtime/gdb/parallax-gdb.py' \
	-ex 'break plx_root_stack_destroy' -ex run -ex 'plx object thread stack->base[0]' \
	"$build/examples/operand_stack" > "$out" 2>&1 || true
expect 'object: layout [0-9]+ \(gc_type_plain\), length 0, 24 bytes'
[ "$found" -eq 0 ] || cat "$out"
finish
