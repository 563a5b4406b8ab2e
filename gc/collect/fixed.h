/* gc/collect/fixed.h: the fixed space: objects that never move. See fixed.c and fixed_extent.c. */
#ifndef GC_COLLECT_FIXED_H
#define GC_COLLECT_FIXED_H

#include "gc/heap/heap.h"

struct gc_fixed_arena;

struct gc_fixed {
	/* Atomic: where allocated objects start [FX-1]. */
	struct gc_markbits starts;
	/* Under lock, which comes before regions.lock; set once each. */
	pthread_mutex_t lock;
	struct gc_fixed_arena *arenas[GC_RANGE_COUNT]; /* atomic; NULL: nothing was asked for yet */
	/* Under regions.lock. */
	uint64_t *used_pages;		/* bit: the page belongs to an extent */
	uint64_t *purged_pages;		/* bit: unused, and given back to the kernel */
	uint32_t first[GC_RANGE_COUNT]; /* chains of fixed regions, by region.next */
	uint64_t freed_regions;		/* ever */
};

bool gc_fixed_create(struct gc_heap *heap);
void gc_fixed_destroy(struct gc_heap *heap);

/* A mutator, running: a zeroed object with its header, that the cycle under way will not free. `bytes`
 * is at most large_bytes. NULL: no memory. */
void *gc_fixed_alloc(struct gc_heap *heap, struct gc_mutator *mutator, const struct gc_type *type,
		     uint64_t header, uint64_t bytes);

/* The cycle, after marking: free what is unmarked. Bytes that stay. */
uint64_t gc_fixed_sweep(struct gc_heap *heap);

/* The cycle's thread, between cycles: give unused pages of fixed regions back to the kernel. */
void gc_fixed_purge(struct gc_heap *heap);

/* The object of a fixed region that a word means: it points to it, into it or just behind it. 0: none. */
uintptr_t gc_fixed_object_at(const struct gc_heap *heap, uintptr_t word);

/* True if an object starts here, which the caller may then read. */
static inline bool gc_fixed_is_start(const struct gc_heap *heap, struct gc_haddr object)
{
	const struct gc_markbits *starts = &heap->fixed->starts;
	uint64_t index = gc_markbits_index(starts, object);

	return gc_load_acquire(&starts->words[index >> 6]) >> (index & 63) & 1; /* [MO-FIXED] */
}

/* fixed_extent.c: what gc_fixed_alloc and the sweep stand on. */
struct gc_fixed_arena *gc_fixed_arena_create(struct gc_heap *heap, enum gc_range range);
void gc_fixed_arena_destroy(struct gc_fixed_arena *arena);
void *gc_fixed_arena_take(const struct gc_fixed_arena *arena, uint64_t bytes);
void gc_fixed_arena_give(const struct gc_fixed_arena *arena, void *object);

#endif
