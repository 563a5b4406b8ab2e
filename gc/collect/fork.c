/* gc/collect/fork.c: a heap when the process forks: its locks, its memory, and its child. The order of things
 * is runtime/fork.c's.
 *
 * [FK-1] Between cycles, with every mutator stopped or blocked, a heap is data at rest: pages attached, the
 *        alias empty, no barrier on, no log, helpers parked. What may still be going on is short: threads
 *        that are not attached ask for statistics, register layouts, make guardians. The locks keep
 *        these out, in the order of gc_fork_locks, which is that of world.h [TH-3].
 * [FK-2] Of shared memory, what regions in use hold is copied. Free regions have no pages in the copy: they
 *        become empty ones.
 *
 * Who runs here: the thread that forks; its copy in the child. */
#include "gc/collect/fork.h"

#include "gc/collect/collect.h"
#include "gc/collect/fixed.h"
#include "gc/collect/reference.h"
#include "gc/collect/rootstack.h"

void gc_fork_locks(struct gc_heap *heap, enum gc_fork_step step)
{
	gc_supply_fork(heap, step);
	gc_guardians_fork(heap, step);
	gc_identities_fork(heap, step);
	gc_fork_mutex(&heap->references->lock, step);
	if (heap->ambiguous)
		gc_fork_mutex(&heap->ambiguous->lock, step);
	gc_fork_mutex(&heap->fixed->lock, step);
	gc_fork_mutex(&heap->types_lock, step);
	gc_fork_mutex(&heap->pins.lock, step);
	gc_fork_mutex(&heap->regions.lock, step);
	gc_fork_mutex(&heap->satb_lock, step);
	if (heap->events.level)
		gc_fork_mutex(&heap->events.lock, step);
}

/* Whole pages from the region's start that hold something; of a large object and a root stack all, at their heads. */
static uint64_t fork_used_bytes(const struct gc_heap *heap, uint32_t number)
{
	const struct gc_region *region = &heap->regions.table[number];
	uintptr_t start = gc_region_start(&heap->regions, number).at;

	switch (region->kind) {
	case GC_REGION_SMALL:
	case GC_REGION_LARGE:
	case GC_REGION_ROOTS:
		return gc_round_up(region->allocated_bytes, heap->view.page_bytes);
	case GC_REGION_STACK: /* what is above the top is nobody's */
		return gc_round_up((uintptr_t)region->stack->pub.top - start,
				   heap->view.page_bytes);
	default:
		return 0;
	}
}

static bool fork_page_is_used(const struct gc_heap *heap, uint32_t page)
{
	return heap->fixed->used_pages[page / 64] >> (page % 64) & 1;
}

/* The extents of a fixed region. */
static int fork_copy_fixed(const struct gc_heap *heap, const struct gc_view_fork *fork,
			   uint32_t number)
{
	uint32_t pages = gc_heap_pages_per_region(heap), first = number * pages, count = 0;
	int error = 0;

	for (uint32_t i = 0; i <= pages && error == 0; i++) {
		if (i < pages && fork_page_is_used(heap, first + i)) {
			count++;
			continue;
		}
		error = gc_view_fork_copy(&heap->view, fork,
					  gc_view_page_start(&heap->view,
							     (struct gc_page){first + i - count}),
					  (uint64_t)count << heap->view.page_shift);
		count = 0;
	}
	return error;
}

static int fork_copy_region(const struct gc_heap *heap, const struct gc_view_fork *fork,
			    uint32_t number)
{
	if (heap->regions.table[number].kind == GC_REGION_FIXED)
		return fork_copy_fixed(heap, fork, number);
	return gc_view_fork_copy(&heap->view, fork, gc_region_start(&heap->regions, number),
				 fork_used_bytes(heap, number));
}

int gc_fork_copy_stw(struct gc_heap *heap, struct gc_view_fork *fork, const char **step)
{
	int error = gc_view_fork_begin(&heap->view, fork, step);

	if (error < 0)
		return error;
	*step = "fallocate (pages of the copy)";
	for (int i = 0; fork->at && i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &heap->regions.ranges[i];
		uint32_t end = range->first + gc_range_high_water(range);

		for (uint32_t r = range->first; r < end && error == 0; r++)
			error = fork_copy_region(heap, fork, r);
	}
	gc_view_fork_filled(&heap->view, fork);
	return error;
}

void gc_fork_settle_child(struct gc_heap *heap)
{
	if (heap->view.backing == GC_BACKING_SHARED)
		gc_regions_forget_free(&heap->regions); /* [FK-2] */
	gc_store_relaxed(&heap->stalled, 0); /* who waited is no more; nobody else is here */
	heap->stopped = false;
}
