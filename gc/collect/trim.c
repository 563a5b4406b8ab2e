/* gc/collect/trim.c: giving memory back to the kernel: the pages of free regions, and of the side tables what
 * nobody needs until they are used again.
 *
 * A heap that has shrunk, or was compacted, would else keep the tables of its largest size: some 5 % of that.
 *
 * [TM-1] A free region whose mark bits were given back (`unmarked`) has none: the kernel's zero pages. Nobody
 *        sets any in a free region, so the next cycle need not clear them, which would make the pages anew.
 * [TM-2] Forwarding entries are of use from a cycle's plan until its finish: between cycles all may go.
 *
 * Who runs here: the cycle's thread, between cycles. */
#include <sys/mman.h>

#include "gc/collect/collect.h"
#include "gc/os/sys.h"

/* The whole pages of a table among [from, to) bytes. A refusal costs the memory, and no more. */
static bool trim_table(const struct gc_heap *heap, void *table, uint64_t from, uint64_t to)
{
	uint64_t page = heap->view.page_bytes;
	uint64_t first = gc_round_up(from, page), end = gc_round_down(to, page);

	return first >= end ||
	       gc_sys->madvise((char *)table + first, end - first, MADV_DONTNEED) == 0;
}

/* [TM-1] A region that is in nobody's list just now. True if its mark bits are gone, all of them. */
static bool trim_marks(void *context, uint32_t number)
{
	struct gc_heap *heap = context;
	uint64_t bytes = heap->regions.region_bytes >> 6, from = number * bytes;

	return bytes % heap->view.page_bytes == 0 &&
	       trim_table(heap, heap->markbits.words, from, from + bytes);
}

/* [TM-2] */
static void trim_forwarding(struct gc_heap *heap)
{
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &heap->regions.ranges[i];
		uint64_t entry = sizeof(struct gc_forward_entry);
		uint64_t each = (heap->regions.region_bytes >> GC_FORWARD_SHIFT) * entry;

		trim_table(heap, heap->forward.entries, range->first * each,
			   (range->first + gc_range_high_water(range)) * each);
	}
}

void gc_trim(struct gc_heap *heap, uint32_t target_regions)
{
	gc_regions_trim(&heap->regions, target_regions, trim_marks, heap);
	trim_forwarding(heap);
}
