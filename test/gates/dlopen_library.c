/* test/gates/dlopen_library.c: the shared library can be opened late, makes a heap, and leaves
 * malloc alone. Run with GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096, since jemalloc's
 * per-thread state is initial-exec TLS; see third_party/plx_jemalloc.h. */
#include <dlfcn.h>
#include <stdio.h>

#include <parallax/heap.h>

typedef enum plx_status (*create_function)(const struct plx_heap_config *config,
					   struct plx_heap **heap, struct plx_error *error);
typedef enum plx_status (*destroy_function)(struct plx_heap *heap);

int main(int argc, char **argv)
{
	struct plx_heap *heap = NULL;
	struct plx_error error;
	create_function create;
	destroy_function destroy;
	void *library;

	if (argc != 2)
		return 2;
	library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		printf("%s\n", dlerror());
		return 1;
	}
	create = (create_function)dlsym(library, "plx_heap_create");
	destroy = (destroy_function)dlsym(library, "plx_heap_destroy");
	if (!create || !destroy || dlsym(library, "plx_je_mallocx") ||
	    dlsym(library, "malloc") != dlsym(RTLD_DEFAULT, "malloc")) {
		printf("wrong set of symbols\n");
		return 1;
	}
	if (create(NULL, &heap, &error) != PLX_OK) {
		printf("no heap: %s\n", error.message);
		return 1;
	}
	return destroy(heap) == PLX_OK && dlclose(library) == 0 ? 0 : 1;
}
