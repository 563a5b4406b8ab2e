/* gc/collect/resolver_copy.c: the comparison, and kernels without minor faults: private anonymous
 * memory, missing faults, UFFDIO_COPY.
 *
 * Page tables are moved away and clean extents move back as in the minor plan. But a page of an
 * extent that holds units, or evacuated regions, cannot be updated where it lies and then mapped: it
 * is built in a buffer and copied into a page that the kernel allocates; the old page is freed at
 * finish.
 *
 * [C-1] Every used page of an extent that is not clean is a unit, itself clean or not.
 * [C-2] Such an extent never moves back: it would drop the copied pages, and the pages of free
 *       regions that were handed out meanwhile.
 * [C-3] A unit is copied by its claimant alone, so an answer that it is there already, or not armed, is not
 *       believed: READY must not follow it. Only a region that is handed out just now gets its pages from
 *       somebody else, after it looked like one with units.
 *
 * Who runs here: any context, faults included. */
#include <errno.h>

#include "gc/collect/collect.h"
#include "gc/collect/resolver.h"

static uint32_t copy_extent(const struct gc_heap *heap, struct gc_page page)
{
	return page.n >> (heap->view.extent_shift - heap->view.page_shift);
}

/* [C-1] */
static bool copy_is_unit(const struct gc_heap *heap, struct gc_page page)
{
	uint32_t number = gc_heap_page_region(heap, page);
	uint8_t bits = gc_load_relaxed(&heap->regions.bits[number]); /* */

	if (bits & GC_REGION_TARGET)
		return true;
	if (heap->regions.table[number].kind == GC_REGION_FREE || bits & GC_REGION_EVACUATED)
		return false;
	if (heap->cycle.mode == GC_FLIP_IN_PAUSE)
		return gc_unit_is_dirty(heap, page);
	return gc_extent_classify(heap, copy_extent(heap, page)) != GC_EXTENT_CLEAN;
}

static char *copy_build_at(const struct gc_heap *heap, struct gc_page page, char *scratch)
{
	struct gc_haddr start = gc_view_page_start(&heap->view, page);
	bool leaf = start.at - (uintptr_t)heap->view.heap >= heap->view.range_bytes;

	if (leaf ? !heap->cycle.leaves_armed : heap->cycle.mode == GC_FLIP_IN_PAUSE)
		return (char *)start.at;
	return scratch;
}

static int copy_publish(struct gc_heap *heap, struct gc_page page, const char *built)
{
	struct gc_haddr start = gc_view_page_start(&heap->view, page);
	size_t copied = 0;
	int error;

	if (built == (const char *)start.at)
		return 0;
	error = gc_uffd_copy(&heap->uffd, (void *)start.at, built, heap->view.page_bytes, &copied);
	gc_add_relaxed(&heap->stats.copied_pages,
		       copied >> heap->view.page_shift); /* a statistic */
	if (error == 0 && copied == 0 &&
	    !gc_region_is_late(&heap->regions, gc_heap_page_region(heap, page)))
		return -EAGAIN; /* [C-3] */
	return error;
}

/* READY pages are there already; a clean page comes back with its whole extent. */
static int copy_attach(struct gc_heap *heap, struct gc_page first, uint64_t pages)
{
	struct gc_haddr start = gc_view_page_start(&heap->view, first);
	uint32_t extent = copy_extent(heap, first);

	if (gc_extent_state(&heap->extents, extent) != GC_EXTENT_ATTACHED &&
	    gc_extent_classify(heap, extent) == GC_EXTENT_CLEAN)
		gc_reattach_extents(heap, extent, 1);
	return gc_uffd_wake(&heap->uffd, (void *)start.at, pages << heap->view.page_shift);
}

/* Zero pages, one by one: disarming part of an extent would cut its mapping for good [V-4]. */
static int copy_attach_free(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes)
{
	static const char zeroes[65536];
	uint64_t step = gc_min(heap->view.page_bytes, sizeof(zeroes));
	int error = 0;

	for (uint64_t at = 0; at < bytes && error == 0; at += step)
		error = gc_uffd_copy(&heap->uffd, (void *)(start.at + at), zeroes, step, NULL);
	return error;
}

const struct gc_resolver gc_resolver_copy = {
	.plan = PLX_PLAN_COPY,
	.backing = GC_BACKING_PRIVATE,
	.uffd_mode = GC_UFFD_MISSING,
	.concurrent = true,
	.may_zap = false,
	.is_unit = copy_is_unit,
	.build_at = copy_build_at,
	.publish = copy_publish,
	.attach = copy_attach,
	.attach_free = copy_attach_free,
};
