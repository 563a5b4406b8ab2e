#!/bin/sh
# Each public header compiles alone, in C and in C++, without warnings and without _GNU_SOURCE.
. "$(dirname "$0")/common.sh"
need_tool "${CC:=cc}"

cxx=
for candidate in "${CXX:-}" c++ g++ clang++; do
	if [ -n "$candidate" ] && command -v "$candidate" > /dev/null; then
		cxx=$candidate
		break
	fi
done
[ -n "$cxx" ] || cannot_run "no C++ compiler is installed"

for header in runtime/include/parallax/*.h; do
	name=${header#runtime/include/}
	echo "#include <$name>" | "$CC" -std=gnu11 -Wall -Wextra -Wshadow -Werror -Iruntime/include \
		-fsyntax-only -x c - || violation "$name does not compile alone in C"
	echo "#include <$name>" | "$cxx" -std=gnu++17 -Wall -Wextra -Werror -Iruntime/include \
		-fsyntax-only -x c++ - || violation "$name does not compile alone in C++"
done
finish
