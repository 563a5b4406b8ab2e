/* gc/collect/reattach.c: extents: what class they are, and moving them back to the heap view.
 *
 * [RA-1] The class of an extent is fixed at the flip: flags and region bits do not change until
 *        finish, except for free regions that are handed out, and those are attached first.
 * [RA-2] A free region is attached whole before its first use, and its pages are marked as handed
 *        out, so that nobody builds them any more.
 *
 * [RA-3] While a mutator moves an extent it takes no signals: a handler that touches the heap might wait for
 *        that extent, and so for the code it interrupted.
 *
 * [RA-4] A kernel that refuses to move pages back is asked again, for a minute or so [I7]. Nothing is lost meanwhile: private
 *        memory stays in the alias, and whoever touches it waits. Of shared memory each page that is touched is attached by
 *        itself; and its extents are mapped anew and moved in turns, since the kernel may allow the one and not the other.
 *        Then the process ends: to go on would lose objects.
 *
 * Who runs here: the cycle's thread; mutators that take a free region while pages come back (under
 * regions.lock); under the copy plan also faults, for clean extents. */
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/resolver.h"
#include "gc/os/signals.h"
#include "gc/os/sys.h"

static bool region_has_dirty_page(const struct gc_heap *heap, struct gc_page first, uint32_t count)
{
	uint8_t matters = heap->cycle.evacuated_classes | GC_PAGE_ANY;
	uint64_t wide = matters * UINT64_C(0x0101010101010101), word;
	const uint8_t *flags = &heap->pages.flags[first.n];
	uint32_t i = 0;

	for (; i + 8 <= count; i += 8) {
		memcpy(&word, flags + i, sizeof(word));
		if (word & wide)
			return true;
	}
	for (; i < count; i++)
		if (flags[i] & matters)
			return true;
	return false;
}

enum gc_extent_class gc_extent_classify(const struct gc_heap *heap, uint32_t extent)
{
	const struct gc_regions *regions = &heap->regions;
	struct gc_haddr start =
		gc_haddr(heap->view.heap + ((uint64_t)extent << heap->view.extent_shift));
	uint64_t step = gc_min(regions->region_bytes, heap->view.extent_bytes);
	enum gc_extent_class class = GC_EXTENT_CLEAN;

	for (uint64_t at = 0; at < heap->view.extent_bytes; at += step) {
		struct gc_haddr address = {start.at + at};
		uint32_t number = gc_region_of(regions, address);
		uint8_t bits = gc_load_relaxed(&regions->bits[number]); /* [RA-1] */

		if (bits & GC_REGION_TARGET)
			return GC_EXTENT_DIRTY;
		if (bits & GC_REGION_EVACUATED)
			class = GC_EXTENT_SOURCE;
		else if (region_has_dirty_page(heap, gc_heap_page(heap, address),
					       (uint32_t)(step >> heap->view.page_shift)))
			return GC_EXTENT_DIRTY;
	}
	return class;
}

/* Shared memory may be mapped anew: every unit in it is READY, so ordinary faults may fetch its pages. */
static int reattach_otherwise(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes,
			      uint64_t *moved, unsigned round)
{
	*moved = 0;
	if (heap->view.backing == GC_BACKING_SHARED && round % 2 == 0)
		return gc_view_attach_anew(&heap->view, start, bytes);
	return gc_view_attach(&heap->view, start, bytes, moved);
}

/* [RA-4] */
void gc_reattach_range(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes)
{
	uint64_t moved = 0;
	unsigned round = 0;
	int error = gc_view_attach(&heap->view, start, bytes, &moved);

	if (error < 0)
		gc_degrade_note_fault(heap, error);
	while (error < 0) {
		GC_REQUIRE(round < 1000000, "pages cannot be moved back to the heap view (%s)",
			   strerrordesc_np(-error)); /* in faults, too: this one takes no lock */
		start.at += moved;
		bytes -= moved;
		error = reattach_otherwise(heap, start, bytes, &moved, round);
		gc_backoff(&round);
	}
}

/* The part of a range that was ever used: the rest moves too, but has no pages. */
static uint64_t reattach_used_bytes(const struct gc_heap *heap, struct gc_haddr start,
				    uint64_t bytes)
{
	enum gc_range which = gc_region_range(&heap->regions, gc_region_of(&heap->regions, start));
	const struct gc_region_range *range = &heap->regions.ranges[which];
	uintptr_t end =
		gc_region_start(&heap->regions, range->first + gc_range_high_water(range)).at;

	return start.at < end ? gc_min(bytes, end - start.at) : 0;
}

static void reattach_run(struct gc_heap *heap, uint32_t first, uint32_t count)
{
	struct gc_haddr start =
		gc_haddr(heap->view.heap + ((uint64_t)first << heap->view.extent_shift));
	uint64_t bytes = (uint64_t)count << heap->view.extent_shift;

	gc_reattach_range(heap, start, bytes);
	gc_add_relaxed(&heap->stats.moved_back_bytes,
		       reattach_used_bytes(heap, start, bytes)); /* statistic */
	for (uint32_t i = 0; i < count; i++)
		gc_extent_end(&heap->extents, first + i, true);
}

/* Move back those of the extents that are still detached and that nobody else is moving. Returns
 * when they are all attached. True if this call moved any. */
bool gc_reattach_extents(struct gc_heap *heap, uint32_t first, uint32_t count)
{
	uint32_t begun = 0;
	bool any = false;

	for (uint32_t i = 0; i <= count; i++) {
		if (i < count && gc_extent_try_begin(&heap->extents, first + i)) {
			begun++;
			continue;
		}
		if (begun) {
			gc_yield_point();
			reattach_run(heap, first + i - begun, begun);
			any = true;
		}
		begun = 0;
		if (i < count)
			gc_extent_wait(&heap->extents, first + i);
	}
	return any;
}

/* The part of [start, start+bytes) in one extent that cannot move back yet. */
static void reattach_free_part(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes,
			       uint32_t extent)
{
	uintptr_t base = (uintptr_t)heap->view.heap + ((uint64_t)extent << heap->view.extent_shift);
	uintptr_t from = gc_max(start.at, base);
	uintptr_t to = gc_min(start.at + bytes, base + heap->view.extent_bytes);
	unsigned round = 0;

	while (heap->resolver->attach_free(heap, (struct gc_haddr){from}, to - from) < 0) {
		GC_REQUIRE(round < 1000000, "a free region cannot be attached");
		gc_backoff(&round);
	}
}

static void reattach_region(struct gc_heap *heap, uint32_t first, uint32_t count)
{
	struct gc_haddr start = gc_region_start(&heap->regions, first);
	uint64_t bytes = (uint64_t)count << heap->regions.region_shift;
	uint32_t extent = gc_heap_extent(heap, start);
	uint32_t last = gc_heap_extent(heap, (struct gc_haddr){start.at + bytes - 1});
	struct gc_page page = gc_heap_page(heap, start);
	uint64_t pages = bytes >> heap->view.page_shift;

	for (uint32_t i = 0; i < count; i++)
		gc_region_set_late(&heap->regions, first + i);
	for (; extent <= last; extent++) {
		gc_extent_wait(&heap->extents, extent);
		if (gc_extent_state(&heap->extents, extent) == GC_EXTENT_ATTACHED)
			continue;
		if (gc_extent_classify(heap, extent) == GC_EXTENT_CLEAN)
			gc_reattach_extents(heap, extent, 1);
		else
			reattach_free_part(heap, start, bytes, extent);
	}
	for (uint64_t i = 0; i < pages; i++) {
		unsigned round = 0;

		while (!gc_page_try_hand_out(&heap->pages, (struct gc_page){page.n + (uint32_t)i}))
			gc_backoff(&round);
	}
}

/* [RA-2] [RA-3] */
void gc_reattach_region(struct gc_heap *heap, uint32_t first, uint32_t count)
{
	sigset_t all, before;
	int error;

	gc_signals_fill(&all);
	error = gc_sys->thread_mask(SIG_BLOCK, &all, &before); /* refused: a risk, and no more */
	reattach_region(heap, first, count);
	if (error == 0)
		gc_sys->thread_mask(SIG_SETMASK, &before, NULL);
}
