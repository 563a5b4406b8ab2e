/* test/gates/dlopen_library.c: the shared library can be opened late, makes a heap, leaves malloc
 * alone, and can be closed and opened again. Run with GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096, since jemalloc's
 * per-thread state is initial-exec TLS; see third_party/plx_jemalloc.h. */
#include <dlfcn.h>
#include <stdio.h>

#include <parallax/heap.h>

typedef enum plx_status (*create_function)(const struct plx_heap_config *config,
					   struct plx_heap **heap, struct plx_error *error);
typedef enum plx_status (*destroy_function)(struct plx_heap *heap);
typedef void (*collect_function)(struct plx_heap *heap);

static int open_use_close(const char *path)
{
	struct plx_heap *heap = NULL;
	struct plx_error error;
	create_function create;
	destroy_function destroy;
	collect_function collect;
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		printf("%s\n", dlerror());
		return 1;
	}
	create = (create_function)dlsym(library, "plx_heap_create");
	destroy = (destroy_function)dlsym(library, "plx_heap_destroy");
	collect = (collect_function)dlsym(library, "plx_heap_collect");
	if (!create || !destroy || !collect || dlsym(library, "plx_je_mallocx") ||
	    dlsym(library, "malloc") != dlsym(RTLD_DEFAULT, "malloc")) {
		printf("wrong set of symbols\n");
		return 1;
	}
	if (create(NULL, &heap, &error) != PLX_OK) {
		printf("no heap: %s\n", error.message);
		return 1;
	}
	collect(heap);
	return destroy(heap) == PLX_OK && dlclose(library) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	int status = argc == 2 ? 0 : 2;

	for (int i = 0; i < 20 && status == 0; i++)
		status = open_use_close(argv[1]);
	return status;
}
