/* gc/collect/fixed_extent.c: memory of the fixed space: a jemalloc arena for each range of the heap, whose
 * extents are pages of fixed regions.
 *
 *      jemalloc (private)                       this file                            regions
 *      size classes, slabs  -- alloc hook --->  pages of a fixed region  -- take --> of kind FIXED
 *                           -- dalloc hook -->  free again; the last     -- free --> free, resident
 *
 * [FE-1] An extent lies in one region, so what is in it can be read wherever its page can.
 * [FE-2] jemalloc keeps its own data elsewhere: the arena is made with the usual hooks, which serve its
 *        metadata for good, and gets these afterwards. It neither reads nor writes an extent.
 * [FE-3] The pages of an extent exist when it is handed out: the kernel having none is the hook's failure,
 *        and so no memory for one allocation. Given back, they stay with their region until the heap has
 *        been idle; a region without extents is free at once, and trimmed like any other.
 * [FE-4] A region that is taken while pages come back is attached first, as everywhere [RA-2]. Regions that
 *        were fixed at the flip are not freed before finish: only sweeping frees objects.
 *
 * [FE-5] jemalloc's pages may be larger than the kernel's, and the slabs of odd sizes then larger than a region
 *        (Debian's for arm64: pages of 64 KiB, slabs of up to 448). Such a heap asks for powers of two, whose
 *        slabs are as large as a page or the object.
 *
 * jemalloc's decay is off, so nothing lies about unused in between. Who runs here: mutators that allocate,
 * the cycle's thread that sweeps, inside of jemalloc; no heap memory is touched. */
#include <stdio.h>
#include <string.h>

#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/fixed.h"
#include "third_party/plx_jemalloc.h"

struct gc_fixed_arena {
	extent_hooks_t hooks; /* first: what jemalloc hands back is this */
	struct gc_heap *heap;
	enum gc_range range;
	unsigned index;
	int flags;
	bool powers_of_two; /* [FE-5] */
};

/* --- pages of regions --------------------------------------------------------------------------- */

static bool page_is_used(const struct gc_fixed *fixed, uint32_t page)
{
	return fixed->used_pages[page / 64] >> (page % 64) & 1;
}

static bool page_is_purged(const struct gc_fixed *fixed, uint32_t page)
{
	return fixed->purged_pages[page / 64] >> (page % 64) & 1;
}

static void pages_note_purged_locked(struct gc_fixed *fixed, uint32_t first, uint32_t count,
				     bool purged)
{
	for (uint32_t page = first; page < first + count; page++) {
		uint64_t bit = UINT64_C(1) << (page % 64), *word = &fixed->purged_pages[page / 64];

		*word = purged ? *word | bit : *word & ~bit;
	}
}

static void pages_assign_locked(struct gc_fixed *fixed, uint32_t first, uint32_t count, bool used)
{
	for (uint32_t page = first; page < first + count; page++) {
		uint64_t bit = UINT64_C(1) << (page % 64), *word = &fixed->used_pages[page / 64];

		GC_CHECK(FE_1, page_is_used(fixed, page) != used);
		*word = used ? *word | bit : *word & ~bit;
	}
}

/* The first page of `count` unused ones in a region, on a multiple of `step`; UINT32_MAX if none. */
static uint32_t pages_find_locked(const struct gc_heap *heap, uint32_t number, uint32_t count,
				  uint32_t step)
{
	uint32_t per_region = gc_heap_pages_per_region(heap), first = number * per_region;

	for (uint32_t at = 0; at + count <= per_region; at += step) {
		uint32_t run = 0;

		while (run < count && !page_is_used(heap->fixed, first + at + run))
			run++;
		if (run == count)
			return first + at;
	}
	return UINT32_MAX;
}

/* One more fixed region, at the head of the chain. [FE-4] */
static uint32_t region_take_locked(struct gc_heap *heap, enum gc_range range)
{
	uint32_t number =
		gc_region_take_locked(&heap->regions, range, GC_REGION_FIXED, GC_FOR_MUTATOR);

	if (number == GC_REGION_NONE)
		return GC_REGION_NONE;
	if (gc_load_relaxed(&heap->phase) == GC_PHASE_MOVING) /* [CY-1] */
		gc_reattach_region(heap, number, 1);
	pages_note_purged_locked(heap->fixed, number * gc_heap_pages_per_region(heap),
				 gc_heap_pages_per_region(heap), false);
	heap->regions.table[number].next = heap->fixed->first[range];
	heap->fixed->first[range] = number;
	return number;
}

static void region_free_locked(struct gc_heap *heap, enum gc_range range, uint32_t number)
{
	uint32_t *link = &heap->fixed->first[range];
	struct gc_page page = gc_heap_page(heap, gc_region_start(&heap->regions, number));

	while (*link != number)
		link = &heap->regions.table[*link].next;
	*link = heap->regions.table[number].next;
	/* As in sweep.c; flags do not change while pages come back [RA-1]. */
	if (gc_load_relaxed(&heap->phase) == GC_PHASE_PLANNING)
		memset(&heap->pages.flags[page.n], 0, gc_heap_pages_per_region(heap));
	gc_region_free_locked(&heap->regions, number);
	heap->fixed->freed_regions++;
}

/* The first page of an extent in some region of the range; UINT32_MAX if there is no room. */
static uint32_t extent_take_locked(struct gc_heap *heap, enum gc_range range, uint32_t count,
				   uint32_t step)
{
	uint64_t bytes = (uint64_t)count << heap->view.page_shift;
	uint32_t number = heap->fixed->first[range], page = UINT32_MAX;

	for (; number != GC_REGION_NONE; number = heap->regions.table[number].next) {
		if (heap->regions.table[number].allocated_bytes + bytes >
		    heap->regions.region_bytes)
			continue;
		page = pages_find_locked(heap, number, count, step);
		if (page != UINT32_MAX)
			break;
	}
	if (page == UINT32_MAX) {
		number = region_take_locked(heap, range);
		if (number == GC_REGION_NONE)
			return UINT32_MAX;
		page = number * gc_heap_pages_per_region(heap);
	}
	pages_assign_locked(heap->fixed, page, count, true);
	pages_note_purged_locked(heap->fixed, page, count, false);
	heap->regions.table[number].allocated_bytes += bytes;
	return page;
}

static void extent_give_back(struct gc_heap *heap, enum gc_range range, uint32_t page,
			     uint32_t count)
{
	uint32_t number = page / gc_heap_pages_per_region(heap);
	struct gc_region *region = &heap->regions.table[number];

	pthread_mutex_lock(&heap->regions.lock);
	GC_CHECK(FE_1, region->kind == GC_REGION_FIXED);
	pages_assign_locked(heap->fixed, page, count, false);
	region->allocated_bytes -= (uint64_t)count << heap->view.page_shift;
	if (region->allocated_bytes == 0)
		region_free_locked(heap, range, number);
	pthread_mutex_unlock(&heap->regions.lock);
}

/* --- hooks -------------------------------------------------------------------------------------- */

static void *hook_alloc(extent_hooks_t *hooks, void *at, size_t bytes, size_t alignment, bool *zero,
			bool *commit, unsigned index)
{
	const struct gc_fixed_arena *arena = (const struct gc_fixed_arena *)hooks;
	struct gc_heap *heap = arena->heap;
	uint32_t count = (uint32_t)(bytes >> heap->view.page_shift), page;
	uint32_t step = (uint32_t)gc_max(1, alignment >> heap->view.page_shift);
	struct gc_haddr start;
	int error;

	(void)index;
	/* Growth in place is a wish; growth in advance, or zeroes, nobody asked for. */
	if (at || *zero || bytes > heap->regions.region_bytes ||
	    alignment > heap->regions.region_bytes)
		return NULL;
	pthread_mutex_lock(&heap->regions.lock);
	page = extent_take_locked(heap, arena->range, count, step);
	pthread_mutex_unlock(&heap->regions.lock);
	if (page == UINT32_MAX)
		return NULL;
	gc_yield_point();
	start = gc_view_page_start(&heap->view, (struct gc_page){page});
	error = gc_view_commit(&heap->view, start, bytes); /* [FE-3] */
	if (error < 0) {
		gc_degrade_note(heap, GC_DEGRADE_FIXED, error);
		extent_give_back(heap, arena->range, page, count);
		return NULL;
	}
	*commit = true;
	return (void *)start.at;
}

static bool hook_dalloc(extent_hooks_t *hooks, void *at, size_t bytes, bool committed,
			unsigned index)
{
	const struct gc_fixed_arena *arena = (const struct gc_fixed_arena *)hooks;
	struct gc_heap *heap = arena->heap;

	(void)committed, (void)index;
	extent_give_back(heap, arena->range, gc_heap_page(heap, gc_haddr(at)).n,
			 (uint32_t)(bytes >> heap->view.page_shift));
	return false;
}

static void hook_destroy(extent_hooks_t *hooks, void *at, size_t bytes, bool committed,
			 unsigned index)
{
	hook_dalloc(hooks, at, bytes, committed, index);
}

/* Pages are booked one by one, so an extent may be given back in parts. */
static bool hook_split(extent_hooks_t *hooks, void *at, size_t bytes, size_t first, size_t second,
		       bool committed, unsigned index)
{
	(void)hooks, (void)at, (void)bytes, (void)first, (void)second, (void)committed, (void)index;
	return false;
}

/* --- purging ------------------------------------------------------------------------------------- */

/* The first run of pages at or behind `*page` of a region that are unused and may exist, booked like an
 * extent, so that nobody takes them meanwhile: its length, or 0. */
static uint32_t purge_claim_locked(struct gc_heap *heap, uint32_t number, uint32_t *page)
{
	struct gc_fixed *fixed = heap->fixed;
	uint32_t end = (number + 1) * gc_heap_pages_per_region(heap), count = 0;

	if (heap->regions.table[number].kind != GC_REGION_FIXED)
		return 0;
	while (*page < end && (page_is_used(fixed, *page) || page_is_purged(fixed, *page)))
		++*page;
	while (*page + count < end && !page_is_used(fixed, *page + count) &&
	       !page_is_purged(fixed, *page + count))
		count++;
	pages_assign_locked(fixed, *page, count, true);
	heap->regions.table[number].allocated_bytes += (uint64_t)count << heap->view.page_shift;
	return count;
}

/* One run, its pages given back without the lock. False when there is none. */
static bool purge_run(struct gc_heap *heap, enum gc_range range, uint32_t number, uint32_t *page)
{
	uint32_t count;
	bool done;

	pthread_mutex_lock(&heap->regions.lock);
	count = purge_claim_locked(heap, number, page);
	pthread_mutex_unlock(&heap->regions.lock);
	if (count == 0)
		return false;
	gc_yield_point();
	done = gc_view_decommit(&heap->view,
				gc_view_page_start(&heap->view, (struct gc_page){*page}),
				(uint64_t)count << heap->view.page_shift) == 0;
	pthread_mutex_lock(&heap->regions.lock);
	pages_note_purged_locked(heap->fixed, *page, count, done);
	heap->regions.returned_bytes += done ? (uint64_t)count << heap->view.page_shift : 0;
	pthread_mutex_unlock(&heap->regions.lock);
	extent_give_back(heap, range, *page, count);
	*page += count;
	return true;
}

void gc_fixed_purge(struct gc_heap *heap)
{
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &heap->regions.ranges[i];

		if (!gc_load_acquire(&heap->fixed->arenas[i])) /* [MO-FIXED] */
			continue;
		for (uint32_t r = range->first; r < range->first + gc_range_high_water(range);
		     r++) {
			uint32_t page = r * gc_heap_pages_per_region(heap);

			while (purge_run(heap, (enum gc_range)i, r, &page))
				continue;
		}
	}
}

/* --- arenas ------------------------------------------------------------------------------------- */

static bool arena_set(unsigned index, const char *what, void *value, size_t bytes)
{
	char name[64];

	snprintf(name, sizeof(name), "arena.%u.%s", index, what);
	return plx_je_mallctl(name, NULL, NULL, value, bytes) == 0;
}

/* The most that jemalloc asks of us at once for small objects. */
static uint64_t arena_largest_slab(void)
{
	unsigned bins = 0;
	size_t bytes = sizeof(bins), slab, largest = 0;

	plx_je_mallctl("arenas.nbins", &bins, &bytes, NULL, 0);
	for (unsigned i = 0; i < bins; i++) {
		char name[64];

		snprintf(name, sizeof(name), "arenas.bin.%u.slab_size", i);
		bytes = sizeof(slab);
		if (plx_je_mallctl(name, &slab, &bytes, NULL, 0) == 0)
			largest = gc_max(largest, slab);
	}
	return largest;
}

/* [FE-2] */
static bool arena_open(struct gc_fixed_arena *arena)
{
	extent_hooks_t *hooks = &arena->hooks;
	size_t bytes = sizeof(arena->index);
	ssize_t at_once = 0;

	if (plx_je_mallctl("arenas.create", &arena->index, &bytes, NULL, 0) != 0)
		return false;
	arena->flags = MALLOCX_ARENA(arena->index) | MALLOCX_TCACHE_NONE;
	return arena_set(arena->index, "extent_hooks", &hooks, sizeof(hooks)) &&
	       arena_set(arena->index, "dirty_decay_ms", &at_once, sizeof(at_once)) &&
	       arena_set(arena->index, "muzzy_decay_ms", &at_once, sizeof(at_once));
}

struct gc_fixed_arena *gc_fixed_arena_create(struct gc_heap *heap, enum gc_range range)
{
	struct gc_fixed_arena *arena = gc_meta_alloc(sizeof(*arena));

	if (!arena)
		return NULL;
	*arena = (struct gc_fixed_arena){.hooks = {.alloc = hook_alloc,
						   .dalloc = hook_dalloc,
						   .destroy = hook_destroy,
						   .split = hook_split},
					 .heap = heap,
					 .range = range,
					 .powers_of_two = arena_largest_slab() >
							  heap->regions.region_bytes};
	if (arena_open(arena))
		return arena;
	gc_fixed_arena_destroy(arena);
	return NULL;
}

/* Nobody uses it any more. */
void gc_fixed_arena_destroy(struct gc_fixed_arena *arena)
{
	if (!arena)
		return;
	if (arena->flags)
		arena_set(arena->index, "destroy", NULL, 0);
	gc_meta_free(arena, sizeof(*arena));
}

void *gc_fixed_arena_take(const struct gc_fixed_arena *arena, uint64_t bytes)
{
	if (arena->powers_of_two && (bytes & (bytes - 1)) != 0)
		bytes = UINT64_C(1) << (64 - __builtin_clzll(bytes)); /* [FE-5] */
	return plx_je_mallocx(bytes, arena->flags);
}

void gc_fixed_arena_give(const struct gc_fixed_arena *arena, void *object)
{
	plx_je_dallocx(object, arena->flags);
}
