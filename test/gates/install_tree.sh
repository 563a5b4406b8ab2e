#!/bin/sh
# usage: install_tree.sh BUILD-FOLDER
# What `cmake --install` leaves is enough to embed the collector: a program builds from the installed
# tree alone, found by pkg-config and as a CMake package, and runs.
. "$(dirname "$0")/common.sh"
need_tool cmake
need_tool pkg-config
need_tool "${CC:=cc}"
build=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cat > "$scratch/embed.c" << 'EOF'
#include <parallax/parallax.h>

struct node {
	struct plx_header header;
	struct node *next;
};

int main(void)
{
	struct plx_heap *heap;
	struct plx_thread *thread;
	struct plx_handle *list;
	const struct plx_layout *layout;
	size_t count = 0;

	if (plx_heap_create(NULL, &heap, NULL) != PLX_OK ||
	    plx_thread_attach(heap, &thread, NULL) != PLX_OK)
		return 1;
	layout = plx_layout_fixed(heap, sizeof(struct node),
				  (size_t[]){offsetof(struct node, next)}, 1, NULL);
	list = plx_handle_create(thread, NULL);
	for (int i = 0; i < 1000; i++) {
		struct node *node = plx_alloc(thread, layout);

		node->next = list->ref;
		plx_handle_set(thread, list, node);
	}
	plx_collect(thread);
	for (struct node *node = list->ref; node; node = node->next)
		count += plx_object_layout(heap, node) == layout;
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK || count != 1000;
}
EOF
cat > "$scratch/CMakeLists.txt" << 'EOF'
cmake_minimum_required(VERSION 3.21)
project(embed LANGUAGES C)
find_package(Parallax REQUIRED)
add_executable(embed_shared embed.c)
target_link_libraries(embed_shared PRIVATE Parallax::parallax)
add_executable(embed_static embed.c)
target_link_libraries(embed_static PRIVATE Parallax::parallax_static)
EOF

cmake --install "$build" --prefix "$scratch/root" > /dev/null
folder=$(dirname "$(find "$scratch/root" -name libparallax.so)")
export PKG_CONFIG_PATH="$folder/pkgconfig"
# Unquoted: flags are several words.
"$CC" "$scratch/embed.c" -o "$scratch/embed" $(pkg-config --cflags --libs parallax) \
	-Wl,-rpath,"$folder" || violation "does not build with pkg-config"
"$scratch/embed" || violation "does not run when built with pkg-config"

cmake -S "$scratch" -B "$scratch/out" -DCMAKE_C_COMPILER="$CC" \
	-DCMAKE_PREFIX_PATH="$scratch/root" > /dev/null || violation "CMake does not find it"
cmake --build "$scratch/out" > /dev/null || violation "does not build with CMake"
for linkage in shared static; do
	"$scratch/out/embed_$linkage" || violation "embed_$linkage does not run"
done
finish
