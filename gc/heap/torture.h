/* gc/heap/torture.h: GC_TORTURE: making rare things common. What each word of the option does:
 *
 *   sites, safepoints, bytes       when to collect                          runtime/torture.c
 *   gaps                           where moved objects go                   gc/collect/plan.c
 *   mutator-, collector-, any-first  who comes first to a page after a flip   gc/collect/torture.c
 *   page-extents, small-regions    how the heap is divided                  heap.c, runtime/choose.c
 *   few-workers                    how many do a task                       gc/collect/workers.c
 *
 * [TO-1] Each asks for something that may happen anyway, only oftener: with any of them the collector is
 *        right, and every test has to pass.
 * [TO-2] Random choices come from one generator, whose seed is the option's number. Threads draw from it in
 *        the order in which they come, so a seed repeats what one thread draws, not a whole run.
 *
 * Heaps without it pay a load and a branch per fault, per cycle and per slow allocation. */
#ifndef GC_HEAP_TORTURE_H
#define GC_HEAP_TORTURE_H

#include "gc/base/atomic.h"
#include "gc/base/types.h"

/* In the order of the option's words. */
enum gc_torture_flag {
	GC_TORTURE_SITES = 1 << 0,
	GC_TORTURE_SAFEPOINTS = 1 << 1,
	GC_TORTURE_BYTES = 1 << 2,
	GC_TORTURE_GAPS = 1 << 3,
	GC_TORTURE_MUTATOR_FIRST = 1 << 4,
	GC_TORTURE_COLLECTOR_FIRST = 1 << 5,
	GC_TORTURE_ANY_FIRST = 1 << 6,
	GC_TORTURE_PAGE_EXTENTS = 1 << 7,
	GC_TORTURE_SMALL_REGIONS = 1 << 8,
	GC_TORTURE_FEW_WORKERS = 1 << 9,
};

struct gc_torture {
	uint32_t flags; /* immutable after creation */
	/* Relaxed atomics. */
	uint64_t state;	    /* of the generator */
	uint64_t sites;	    /* backtraces that were new */
	uint64_t collected; /* cycles that a thread waited for */
	uint64_t gaps, gap_bytes;
	uint64_t let_first; /* faults that the collector let come first */
	uint64_t waited;    /* pages that a fault left to the collector */
	uint64_t crews[65]; /* how often so many workers were there */
};

static inline bool gc_torture_is(const struct gc_torture *torture, uint32_t flags)
{
	return __builtin_expect((torture->flags & flags) != 0, 0);
}

static inline uint64_t gc_torture_random(struct gc_torture *torture)
{
	/* Relaxed: racing updates only lose or repeat a random number. */
	uint64_t state = gc_load_relaxed(&torture->state);

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	gc_store_relaxed(&torture->state, state ? state : 1);
	return state >> 16;
}

#endif
