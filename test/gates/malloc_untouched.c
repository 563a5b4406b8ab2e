/* test/gates/malloc_untouched.c: a program that embeds the collector keeps libc's malloc.
 *
 * Linked once with each library. The collector's jemalloc is really used first, so that a library
 * that replaced malloc would have had its chance. */
#include <dlfcn.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <parallax/heap.h>

/* Is the definition of `name` that this program's calls reach the C library's own? */
static int belongs_to_libc(const char *name)
{
	void *address = dlsym(RTLD_DEFAULT, name);
	const char *file;
	Dl_info info;

	if (!address || !dladdr(address, &info) || !info.dli_fname) {
		printf("%s: not found\n", name);
		return 0;
	}
	file = strrchr(info.dli_fname, '/');
	file = file ? file + 1 : info.dli_fname;
	if (strncmp(file, "libc.so", strlen("libc.so")) != 0) {
		printf("%s: comes from %s\n", name, info.dli_fname);
		return 0;
	}
	return 1;
}

/* Does a block from malloc show up in libc's own accounting? */
static int malloc_is_accounted_by_libc(void)
{
	const size_t block_bytes = 8 << 20;
	struct mallinfo2 before = mallinfo2(), after;
	void *volatile block = malloc(block_bytes);

	after = mallinfo2();
	free(block);
	if (after.uordblks + after.hblkhd >= before.uordblks + before.hblkhd + block_bytes)
		return 1;
	printf("libc does not know of a block from malloc\n");
	return 0;
}

int main(void)
{
	static const char *const names[] = {"malloc",	"calloc",	  "realloc",	  "free",
					    "memalign", "posix_memalign", "aligned_alloc"};
	struct plx_heap *heap = NULL;
	struct plx_error error;
	int good = 1;

	if (plx_heap_create(NULL, &heap, &error) != PLX_OK) {
		printf("no heap: %s\n", error.message);
		return 1;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		good &= belongs_to_libc(names[i]);
	good &= malloc_is_accounted_by_libc();
	if (plx_heap_destroy(heap) != PLX_OK)
		good = 0;
	return good ? 0 : 1;
}
