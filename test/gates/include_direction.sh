#!/bin/sh
# Lower layers do not know higher ones. From the bottom: gc/base, gc/os, gc/heap, gc/collect with
# gc/*.c, runtime, and then tests and benchmarks, with what they share. Anybody may include public headers.
. "$(dirname "$0")/common.sh"

# May file $1 include $2, a path from the top?
may_include()
{
	case $1 in
	examples/lisp/*) case $2 in examples/lisp/*) ;; *) return 1 ;; esac ;;
	runtime/include/parallax/* | third_party/* | examples/* | test/gates/*) return 1 ;;
	gc/base/*) case $2 in gc/base/* | third_party/*) ;; *) return 1 ;; esac ;;
	gc/os/*) case $2 in gc/base/* | gc/os/*) ;; *) return 1 ;; esac ;;
	gc/heap/*) case $2 in gc/base/* | gc/os/* | gc/heap/* | third_party/*) ;; *) return 1 ;; esac ;;
	gc/*) case $2 in gc/* | third_party/*) ;; *) return 1 ;; esac ;;
	runtime/*) case $2 in gc/* | runtime/*) ;; *) return 1 ;; esac ;;
	bench/common/*) case $2 in bench/common/*) ;; *) return 1 ;; esac ;;
	test/*) case $2 in gc/* | runtime/* | bench/common/* | test/* | third_party/*) ;; *) return 1 ;; esac ;;
	bench/*) case $2 in gc/* | runtime/* | bench/* | examples/lisp/lisp.h) ;; *) return 1 ;; esac ;;
	esac
}

# "file path" of each include of all files, of the form $1: " or <.
includes()
{
	c_files | xargs grep -HE "^[[:space:]]*#[[:space:]]*include[[:space:]]*$1" |
		sed -n "s/^\\([^:]*\\):[^\"<]*[\"<]\\([^>\"]*\\).*/\\1 \\2/p"
}

quoted=$(includes '"')
angled=$(includes '<')
while read -r file path; do
	if ! may_include "$file" "$path"; then
		violation "$file must not include \"$path\""
	elif [ ! -f "$path" ]; then
		violation "$file includes \"$path\", which is not a path from the top"
	fi
done << EOF
$quoted
EOF
while read -r file path; do
	case $file:$path in
	*:parallax/*)
		[ -f "runtime/include/$path" ] || violation "$file includes missing <$path>"
		;;
	runtime/include/*:sys/*) ;;
	runtime/include/*:*/*) violation "$file (public) must not include <$path>" ;;
	third_party/*:jemalloc/*) ;;
	*:jemalloc/*) violation "$file must use third_party/plx_jemalloc.h" ;;
	bench/common/json.h:jansson.h) ;;
	*:jansson.h) violation "$file must use bench/common/json.h, for the library does without jansson" ;;
	esac
done << EOF
$angled
EOF
finish
