/* test/system/hostile_life.c: heaps come and go, thousands of times in one process, of every plan and with
 * every delivery: no byte of metadata, no descriptor, no mapping, no thread stays behind, and memory does not
 * grow.
 *
 *	hostile_life COUNT	COUNT heaps (PLX_TEST_SHARE percent of them) */
#include <string.h>
#include <unistd.h>

#include "gc/base/meta.h"
#include "test/support/hostile.h"
#include "test/support/process.h"
#include "test/support/share.h"

#define KIB UINT64_C(1024)

static uint64_t resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	HOSTILE_CHECK(file != NULL && fscanf(file, "%*u %lu", &pages) == 1);
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE) / KIB;
}

/* Those that the kernel has, as they come by turns. */
static bool heap_once(unsigned turn)
{
	static const char *const kinds[][2] = {
		{"minor", "thread"}, {"minor", "sigbus"}, {"copy", "thread"}, {"stw", NULL}};
	static bool missing[4];
	struct plx_error error = {0};
	struct plx_thread *thread;
	struct plx_heap_config config;
	struct plx_heap *heap;
	unsigned kind = turn % 4;

	if (missing[kind])
		return false;
	plx_config_init(&config);
	HOSTILE_CHECK(plx_config_set(&config, "GC_HEAP_MAX", "4M", &error) == PLX_OK);
	HOSTILE_CHECK(plx_config_set(&config, "GC_PLAN", kinds[kind][0], &error) == PLX_OK);
	if (kinds[kind][1] != NULL)
		HOSTILE_CHECK(plx_config_set(&config, "GC_UFFD_DELIVERY", kinds[kind][1], &error) ==
			      PLX_OK);
	if (plx_heap_create(&config, &heap, &error) != PLX_OK) {
		HOSTILE_CHECK(error.status == PLX_ERROR_CAPABILITY);
		missing[kind] = true;
		return false;
	}
	HOSTILE_CHECK(plx_thread_attach(heap, &thread, &error) == PLX_OK);
	HOSTILE_CHECK(plx_alloc_array(thread, plx_layout_bytes(heap, &error), 1000) != NULL);
	if (turn % 16 < 4)
		plx_collect(thread);
	plx_thread_detach(thread);
	HOSTILE_CHECK(plx_heap_destroy(heap) == PLX_OK);
	return true;
}

int main(int argc, char **argv)
{
	uint64_t count = argc == 2 ? share_of(strtoull(argv[1], NULL, 10), 1) : 400;
	uint64_t metadata, resident, made = 0;
	struct process_holdings first, last;

	for (unsigned i = 0; i < 100; i++) /* what libc and jemalloc keep fills */
		heap_once(i);
	process_holdings_read(&first);
	metadata = gc_meta_reserved_bytes();
	resident = resident_kib();
	for (uint64_t i = 0; i < count; i++)
		made += heap_once((unsigned)i);
	process_holdings_read(&last);
	printf("%lu heaps: metadata %lu -> %lu bytes, %u -> %u descriptors, %u -> %u mappings, "
	       "%u -> %u threads, resident %lu -> %lu KiB\n",
	       made, metadata, gc_meta_reserved_bytes(), first.fds, last.fds, first.mappings,
	       last.mappings, first.threads, last.threads, resident, resident_kib());
	HOSTILE_CHECK(gc_meta_reserved_bytes() == metadata);
	HOSTILE_CHECK(last.fds == first.fds && last.threads == first.threads);
	HOSTILE_CHECK(last.file_mappings == first.file_mappings);
	if (!HOSTILE_SANITIZED) { /* a sanitizer keeps what was freed */
		HOSTILE_CHECK(last.mappings <= first.mappings + 16);
		HOSTILE_CHECK(resident_kib() <= resident + 4096);
	}
	return 0;
}
