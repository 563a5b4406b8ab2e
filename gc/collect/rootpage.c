/* gc/collect/rootpage.c: root pages: heap memory whose every word is a root.
 *
 * [RP-1] Each word of a root page is NULL, a live reference, or a value that is none: whoever
 *        drops a root clears the word (and logs it while marking).
 * [RP-2] Root pages always count as dirty: after a flip they are detached like any dirty page and
 *        brought up to date by whoever touches them first, never in the pause [I6].
 *
 * Root regions stay root regions until the heap is destroyed; pages that the runtime gives up are
 * kept by it for reuse. Who runs here: attached threads, outside of pauses. */
#include <string.h>

#include "gc/collect/collect.h"

/* The last root region taken, if it has a page left. */
static uint32_t rootpage_region_with_room_locked(struct gc_heap *heap)
{
	const struct gc_region_range *range = &heap->regions.ranges[GC_RANGE_OBJECTS];

	for (uint32_t i = range->first; i < range->first + gc_range_high_water(range); i++) {
		const struct gc_region *region = &heap->regions.table[i];

		if (region->kind == GC_REGION_ROOTS &&
		    region->allocated_bytes + heap->view.page_bytes <= heap->regions.region_bytes)
			return i;
	}
	return GC_REGION_NONE;
}

static uint32_t rootpage_region_take_locked(struct gc_heap *heap)
{
	uint32_t number = gc_region_take_locked(&heap->regions, GC_RANGE_OBJECTS, GC_REGION_ROOTS,
						GC_FOR_COLLECTOR);

	if (number == GC_REGION_NONE)
		return GC_REGION_NONE;
	if (gc_load_relaxed(&heap->phase) == GC_PHASE_MOVING)
		gc_reattach_region(heap, number, 1);
	gc_supply_region(heap, number);
	memset((void *)gc_region_start(&heap->regions, number).at, 0, heap->regions.region_bytes);
	/* After the pages were handed out: from here on they count as dirty [RP-2]. */
	memset(&heap->pages.flags[gc_heap_page(heap, gc_region_start(&heap->regions, number)).n],
	       GC_PAGE_ANY, gc_heap_pages_per_region(heap));
	/* Too many new dirty pages to list one by one [B-3]. */
	gc_add_acq_rel(&heap->late.count, GC_LATE_DIRTY_MAX + 1); /* [MO-LATE] */
	return number;
}

char *gc_rootpage_alloc(struct gc_heap *heap)
{
	struct gc_region *region;
	uint32_t number;
	char *page = NULL;

	pthread_mutex_lock(&heap->regions.lock);
	number = rootpage_region_with_room_locked(heap);
	if (number == GC_REGION_NONE)
		number = rootpage_region_take_locked(heap);
	if (number != GC_REGION_NONE) {
		region = &heap->regions.table[number];
		page = (char *)gc_region_start(&heap->regions, number).at + region->allocated_bytes;
		/* Release: pairs with the marker, which reads the pages below it [MO-ROOTPAGE]. */
		gc_store_release(&region->allocated_bytes,
				 region->allocated_bytes + heap->view.page_bytes);
	}
	pthread_mutex_unlock(&heap->regions.lock);
	return page;
}
