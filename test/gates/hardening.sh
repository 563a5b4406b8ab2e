#!/bin/sh
# usage: hardening.sh FILE..., libraries and programs
# Each is built as docs/security.md says: position-independent, relro, bound at start, no executable stack, no
# segment that can be written and run; stack protector and fortified functions in use.
. "$(dirname "$0")/common.sh"
need_tool readelf

for file; do
	name=$(basename "$file")
	readelf -hW "$file" | grep -q 'Type:.*DYN' || violation "$name is not position-independent"
	readelf -dW "$file" | grep -q 'BIND_NOW\|FLAGS_1.*NOW' || violation "$name is bound lazily"
	readelf -lW "$file" | grep -q 'GNU_RELRO' || violation "$name has no relro"
	readelf -lW "$file" | grep 'GNU_STACK' | grep -q 'RW ' || violation "$name has an executable stack"
	readelf -lW "$file" | grep -q 'LOAD.*RWE' && violation "$name has memory that can be written and run"
	readelf -sW "$file" | grep -q '__stack_chk_fail' || violation "$name has no stack protector"
	readelf -sW "$file" | grep -q '__[a-z]*_chk' || violation "$name has no fortified functions"
done
finish
