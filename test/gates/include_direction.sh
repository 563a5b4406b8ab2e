#!/bin/sh
# Lower layers do not know higher ones. From the bottom: gc/base, gc/os, gc/heap, gc/collect with
# gc/*.c, runtime, and then tests and benchmarks. Anybody may include public headers.
. "$(dirname "$0")/common.sh"

# Prints what a file may include by path from the top, as a regular expression.
allowed_for()
{
	case $1 in
	runtime/include/parallax/*) echo '^$' ;;
	third_party/*) echo '^$' ;;
	gc/base/*) echo '^(gc/base|third_party)/' ;;
	gc/os/*) echo '^gc/(base|os)/' ;;
	gc/heap/*) echo '^(gc/(base|os|heap)|third_party)/' ;;
	gc/*) echo '^gc/' ;;
	runtime/*) echo '^(gc|runtime)/' ;;
	examples/*) echo '^$' ;;
	test/gates/*) echo '^$' ;;
	test/*) echo '^(gc|runtime|test|third_party)/' ;;
	bench/*) echo '^(gc|runtime|bench)/' ;;
	*) echo '^' ;;
	esac
}

# Prints the path of each include in a file, of the "" or the <> form.
includes_of()
{
	sed -n "s/^[ 	]*#[ 	]*include[ 	]*$2\\([^>\"]*\\)[>\"].*/\\1/p" "$1"
}

for file in $(c_files); do
	allowed=$(allowed_for "$file")
	for path in $(includes_of "$file" '"'); do
		if ! echo "$path" | grep -Eq "$allowed"; then
			violation "$file must not include \"$path\""
		elif [ ! -f "$path" ]; then
			violation "$file includes \"$path\", which is not a path from the top"
		fi
	done
	for path in $(includes_of "$file" '<'); do
		case $file:$path in
		*:parallax/*)
			[ -f "runtime/include/$path" ] || violation "$file includes missing <$path>"
			;;
		runtime/include/*:sys/*) ;;
		runtime/include/*:*/*) violation "$file (public) must not include <$path>" ;;
		third_party/*:jemalloc/*) ;;
		*:jemalloc/*) violation "$file must use third_party/plx_jemalloc.h" ;;
		esac
	done
done
finish
