/* gc/heap/table.c: see table.h. The kernel's zero pages serve until something is written. */
#include "gc/heap/table.h"

#include <sys/mman.h>
#include <unistd.h>

#include "gc/heap/reserve.h"
#include "gc/os/sys.h"

static uint64_t table_bytes(size_t bytes, uint64_t page_bytes)
{
	return gc_round_up(bytes ? bytes : 1, page_bytes);
}

void *gc_table_alloc(size_t bytes)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	intptr_t start = gc_reserve(table_bytes(bytes, page_bytes), page_bytes);

	if (start < 0 && start > -4096)
		return NULL;
	if (gc_sys->mprotect((void *)start, table_bytes(bytes, page_bytes),
			     PROT_READ | PROT_WRITE) == 0)
		return (void *)start;
	gc_table_free((void *)start, bytes);
	return NULL;
}

void gc_table_free(void *table, size_t bytes)
{
	if (table)
		gc_unreserve(table, table_bytes(bytes, (uint64_t)sysconf(_SC_PAGESIZE)));
}
