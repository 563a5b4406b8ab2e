#!/bin/sh
# usage: amalgamation.sh BUILD-FOLDER
# The collector in one C file and one header compiles without warnings, and the README's example runs on
# it, as C and, the header alone, as C++.
. "$(dirname "$0")/common.sh"
need_tool "${CC:=cc}"
need_tool pkg-config
build=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake/amalgamate.sh "$scratch"
sed -n '/<!-- example -->/,/^```$/p' README.md | sed '1,2d;$d' |
	sed 's,<parallax/parallax.h>,"parallax.h",' > "$scratch/example.c"
[ -s "$scratch/example.c" ] || violation "README.md has no example"

# jemalloc's declarations come from the tree, its object from the build.
"$CC" -std=gnu11 -O1 -Wall -Wextra -Werror -I. -c "$scratch/parallax.c" -o "$scratch/parallax.o" ||
	violation "parallax.c does not compile cleanly"
# Unquoted: flags are several words.
"$CC" -std=gnu11 -I"$scratch" "$scratch/example.c" "$scratch/parallax.o" \
	"$build/third_party/plx_jemalloc.o" -o "$scratch/example" \
	$(pkg-config --libs libunwind) -lm -pthread || violation "the example does not link"
"$scratch/example" || violation "the example does not run"

if command -v "${CXX:=c++}" > /dev/null; then
	echo '#include "parallax.h"' > "$scratch/one.cc"
	"$CXX" -std=gnu++17 -Wall -Wextra -Werror -I"$scratch" -fsyntax-only "$scratch/one.cc" ||
		violation "parallax.h is no C++"
fi
finish
