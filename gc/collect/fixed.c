/* gc/collect/fixed.c: the fixed space: objects that keep their address for life.
 *
 * Up to half a region they lie in fixed regions, placed by jemalloc (fixed_extent.c); what is larger is a
 * large object, which never moves anyhow. Fixed regions are no candidates and never black: colour is the
 * object's, by its mark bit. Slots are updated in place, as in any region that stays.
 *
 *              header; black: mark bit, page flags; start bit     unmarked: start bit cleared, freed
 *      (free) -------------------------------------------------> ALLOCATED -------------------------> (free)
 *              mutator, between two safepoints                     sweep
 *
 * [FX-1] A start bit says that a whole object is there: header, and if black its mark bit, come first
 *        [MO-FIXED]. It is cleared before the memory goes back.
 * [FX-2] Who allocates black sets the object's mark bit: it is live in this cycle, and is not scanned
 *        [CY-3]. Its plain stores follow until the thread's next safepoint, so its pages count as dirty
 *        from the start, like those of a black large object. What is allocated white is scanned when
 *        it is reached.
 * [FX-3] Sweeping frees start bits without mark bits. It comes when every mutator has its snapshot and
 *        before the flip or the end: whoever allocates meanwhile does so black.
 * [FX-4] What is dead is freed by the first sweep after its death, and its memory used again: an object that
 *        a start bit names was alive then, or is younger. So a word of a native stack may mean it [AM-2].
 *
 * Who runs here: mutators (allocation); the cycle's thread (sweep); both at once. */
#include "gc/collect/fixed.h"

#include <string.h>

#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"

static size_t fixed_page_bitmap_bytes(const struct gc_heap *heap)
{
	return gc_round_up(heap->pages.count, 64) / 8;
}

bool gc_fixed_create(struct gc_heap *heap)
{
	struct gc_fixed *fixed = gc_meta_alloc(sizeof(*fixed));

	heap->fixed = fixed;
	if (!fixed)
		return false;
	pthread_mutex_init(&fixed->lock, NULL);
	fixed->first[GC_RANGE_OBJECTS] = fixed->first[GC_RANGE_LEAVES] = GC_REGION_NONE;
	fixed->starts = (struct gc_markbits){gc_meta_alloc(heap->view.total_bytes / 64),
					     heap->markbits.base};
	fixed->used_pages = gc_meta_alloc(fixed_page_bitmap_bytes(heap));
	fixed->purged_pages = gc_meta_alloc(fixed_page_bitmap_bytes(heap));
	return fixed->starts.words && fixed->used_pages && fixed->purged_pages;
}

void gc_fixed_destroy(struct gc_heap *heap)
{
	struct gc_fixed *fixed = heap->fixed;

	if (!fixed)
		return;
	for (int range = 0; range < GC_RANGE_COUNT; range++)
		gc_fixed_arena_destroy(fixed->arenas[range]);
	gc_meta_free(fixed->starts.words, heap->view.total_bytes / 64);
	gc_meta_free(fixed->used_pages, fixed_page_bitmap_bytes(heap));
	gc_meta_free(fixed->purged_pages, fixed_page_bitmap_bytes(heap));
	pthread_mutex_destroy(&fixed->lock);
	gc_meta_free(fixed, sizeof(*fixed));
	heap->fixed = NULL;
}

/* Made at first use: most heaps need none. NULL: no memory. */
static const struct gc_fixed_arena *fixed_arena(struct gc_heap *heap, enum gc_range range)
{
	struct gc_fixed *fixed = heap->fixed;
	struct gc_fixed_arena *arena = gc_load_acquire(&fixed->arenas[range]); /* [MO-FIXED] */

	if (arena)
		return arena;
	pthread_mutex_lock(&fixed->lock);
	arena = gc_load_relaxed(&fixed->arenas[range]); /* under the lock */
	if (!arena) {
		arena = gc_fixed_arena_create(heap, range);
		gc_store_release(&fixed->arenas[range], arena); /* [MO-FIXED] */
	}
	pthread_mutex_unlock(&fixed->lock);
	return arena;
}

/* [FX-2] */
static void fixed_blacken(struct gc_heap *heap, const struct gc_type *type, struct gc_haddr object,
			  uint64_t bytes)
{
	uintptr_t page = gc_round_down(object.at, heap->view.page_bytes);

	gc_markbits_try_set(&heap->markbits, object);
	for (; gc_type_has_slots(type) && page < object.at + bytes; page += heap->view.page_bytes)
		gc_barrier_flag_page(heap, gc_heap_page(heap, (struct gc_haddr){page}),
				     GC_PAGE_ANY);
}

static void fixed_set_start(struct gc_heap *heap, struct gc_haddr object)
{
	uint64_t index = gc_markbits_index(&heap->fixed->starts, object);
	uint64_t *word = &heap->fixed->starts.words[index >> 6];

	GC_CHECK(FX_1, !gc_fixed_is_start(heap, object));
	gc_or_release(word, UINT64_C(1) << (index & 63)); /* [MO-FIXED] */
}

/* Pacing goes by what is handed out. */
static void fixed_account(struct gc_heap *heap, struct gc_mutator *mutator, uint64_t bytes)
{
	pthread_mutex_lock(&heap->regions.lock);
	gc_store_relaxed(&heap->allocated_bytes,
			 heap->allocated_bytes + bytes); /* read unlocked as a hint */
	pthread_mutex_unlock(&heap->regions.lock);
	mutator->allocated_bytes += bytes;
	gc_add_relaxed(&heap->stats.fixed_objects, 1); /* statistics */
	gc_add_relaxed(&heap->stats.fixed_bytes, bytes);
}

void *gc_fixed_alloc(struct gc_heap *heap, struct gc_mutator *mutator, const struct gc_type *type,
		     uint64_t header, uint64_t bytes)
{
	enum gc_range range = type->pub.space == PLX_SPACE_LEAVES ? GC_RANGE_LEAVES
								  : GC_RANGE_OBJECTS;
	const struct gc_fixed_arena *arena = fixed_arena(heap, range);
	char *object = arena ? gc_fixed_arena_take(arena, bytes) : NULL;

	if (!object)
		return NULL;
	memset(object, 0, bytes);
	*(uint64_t *)(void *)object = header;
	if (gc_mutator_colour(mutator) == GC_BLACK)
		fixed_blacken(heap, type, gc_haddr(object), bytes);
	gc_yield_point();
	fixed_set_start(heap, gc_haddr(object));
	fixed_account(heap, mutator, bytes);
	return object;
}

/* --- sweeping ----------------------------------------------------------------------------------- */

static void fixed_free(struct gc_heap *heap, enum gc_range range, uintptr_t object)
{
	uint64_t header = gc_header_at((const char *)object);
	uint64_t bytes = gc_type_size(gc_type_of(&heap->types, header), header);

	gc_sub_relaxed(&heap->stats.fixed_objects, 1); /* statistics */
	gc_sub_relaxed(&heap->stats.fixed_bytes, bytes);
	/* The arena is there, since it gave the object. */
	gc_fixed_arena_give(heap->fixed->arenas[range], (void *)object);
}

/* The dead among 64 granules. [FX-3] */
static void fixed_sweep_word(struct gc_heap *heap, enum gc_range range, uint64_t word)
{
	struct gc_fixed *fixed = heap->fixed;
	uint64_t starts = gc_load_acquire(&fixed->starts.words[word]); /* [MO-FIXED] */
	uint64_t dead = starts ? starts & ~gc_load_relaxed(&heap->markbits.words[word]) : 0;

	if (!dead)
		return;
	/* Relaxed: the allocator's lock orders it before the next use [FX-1]. */
	gc_and_relaxed(&fixed->starts.words[word], ~dead);
	for (; dead; dead &= dead - 1) {
		uint64_t index = word * 64 + (uint64_t)__builtin_ctzll(dead);

		fixed_free(heap, range, gc_markbits_address(&fixed->starts, index).at);
	}
}

static uint64_t fixed_freed_regions(struct gc_heap *heap)
{
	uint64_t freed;

	pthread_mutex_lock(&heap->regions.lock);
	freed = heap->fixed->freed_regions;
	pthread_mutex_unlock(&heap->regions.lock);
	return freed;
}

static void fixed_sweep_range(struct gc_heap *heap, enum gc_range which)
{
	const struct gc_region_range *range = &heap->regions.ranges[which];
	uint64_t words = heap->regions.region_bytes >> (GC_GRANULE_SHIFT + 6);

	for (uint32_t r = range->first; r < range->first + gc_range_high_water(range); r++) {
		/* One that is fixed after this look has black objects only. */
		if (gc_region_kind_now(&heap->regions, r) != GC_REGION_FIXED)
			continue;
		gc_yield_point();
		for (uint64_t i = 0; i < words; i++)
			fixed_sweep_word(heap, which, r * words + i);
	}
}

uint64_t gc_fixed_sweep(struct gc_heap *heap)
{
	uint64_t freed = fixed_freed_regions(heap);

	for (int range = 0; range < GC_RANGE_COUNT; range++)
		if (gc_load_acquire(&heap->fixed->arenas[range])) /* [MO-FIXED] */
			fixed_sweep_range(heap, (enum gc_range)range);
	heap->cycle.freed_regions += fixed_freed_regions(heap) - freed;
	return gc_load_relaxed(&heap->stats.fixed_bytes); /* a statistic */
}

/* --- words of native stacks --------------------------------------------------------------------- */

uintptr_t gc_fixed_object_at(const struct gc_heap *heap, uintptr_t word)
{
	const struct gc_markbits *starts = &heap->fixed->starts;
	uint64_t low = gc_round_down(word - starts->base, heap->regions.region_bytes);
	struct gc_haddr object;
	uint64_t index, header;

	index = gc_markbits_previous(starts, gc_markbits_index(starts, (struct gc_haddr){word}),
				     low >> GC_GRANULE_SHIFT);
	if (index == UINT64_MAX)
		return 0;
	object = gc_markbits_address(starts, index);
	if (!gc_fixed_is_start(heap, object))
		return 0; /* freed this moment */
	header = gc_header_at((const char *)object.at);
	return word <= object.at + gc_type_size(gc_type_of(&heap->types, header), header)
		       ? object.at
		       : 0;
}
