/* gc/heap/region.h: the table of regions: who is what, who is free, how many there may be.
 *
 * A region is the unit of allocation and of evacuation. States, and who may change them:
 *
 *            take (mutator, plan)                     evacuated and finished (cycle)
 *   FREE ------------------------> SMALL ------------------------------------------> FREE
 *    |  \------ take run --------> LARGE + LARGE_TAIL ... --- found dead (cycle) ---> FREE
 *    |  \------ take ------------> ROOTS            (until the heap is destroyed)
 *    |  \------ take run --------> STACK + STACK_TAIL ... --- destroyed (collect/rootstack.c) ---> FREE
 *    |  \------ take ------------> FIXED ------- its last extent given back --------> FREE
 *
 * A free region is `resident` (its pages exist, and are reused) or empty.
 *
 * used + resident free regions <= max_regions: the hard limit of the heap.
 * Mutators leave `reserve_regions` for the evacuation of the cycle that will help them. What that
 *       has taken (`reserve_spent`) they need not leave a second time; it counts again when the
 *       cycle has freed what it evacuated.
 * Region bits (gc_region_bit) are written in pauses or under the lock, read anywhere.
 * Trimming punches its holes without the lock: a mutator at refill must not wait for the kernel.
 *       Only the cycle's thread trims, between cycles, so no flip can come in between.
 *
 * Who runs here: mutators in allocation's slow path, the plan, the cycle; all under `lock`. */
#ifndef GC_HEAP_REGION_H
#define GC_HEAP_REGION_H

#include <pthread.h>

#include "gc/base/atomic.h"
#include "gc/base/types.h"
#include "gc/heap/history.h"
#include "gc/heap/trap.h"
#include "gc/heap/view.h"

enum gc_region_kind {
	GC_REGION_FREE,
	GC_REGION_SMALL,
	GC_REGION_LARGE,
	GC_REGION_LARGE_TAIL,
	GC_REGION_ROOTS,
	GC_REGION_STACK,
	GC_REGION_STACK_TAIL,
	GC_REGION_FIXED, /* extents of the fixed space: gc/collect/fixed_extent.c */
};

/* One byte per region, apart from the struct: marking and updating look at it for every edge. */
enum gc_region_bit {
	GC_REGION_CLASS_MASK = 0x0f, /* candidate classes; the page flags use the same bits */
	GC_REGION_CLASS_YOUNG = 0x01,
	GC_REGION_CLASS_SPARSE = 0x02,
	GC_REGION_CLASS_HALF = 0x04,
	GC_REGION_CLASS_DENSE = 0x08,
	GC_REGION_UNCHOSEN = 0x10,  /* was chosen, but did not move: see pin.c */
	GC_REGION_TARGET = 0x20,    /* destination of an evacuation */
	GC_REGION_EVACUATED = 0x40, /* chosen: its objects move in this cycle */
	GC_REGION_BLACK = 0x80,	    /* allocated since marking began: all of it is live */
};

#define GC_REGION_NONE UINT32_MAX

struct gc_region {
	/* Under the lock. */
	uint8_t kind;
	bool fresh;    /* its pages read as zero: never written since they were made */
	bool current;  /* mutators still allocate in it */
	bool young;    /* filled since the last marking */
	bool unmarked; /* FREE: it has no mark bits, and no memory for any, see collect/trim.c */
	uint32_t run;  /* LARGE, STACK: regions in the run; their tails: distance to the head */
	uint32_t next; /* evacuation order of chosen regions; the chain of fixed ones */
	uint64_t allocated_bytes;   /* FIXED: in extents, wherever they lie */
	struct gc_rootstack *stack; /* STACK: what lies here */
	uint64_t made_bytes; /* up to here its pages exist, or are just being made, see supply.c */
	uint64_t header;     /* LARGE: a copy of the object's header word, readable in any phase */
	/* Atomic while marking. */
	uint64_t live_bytes;
	/* Atomic: the cycle that was moving when it was handed out, plus 1. See gc_region_set_late. */
	uint32_t late;
};

struct gc_region_range {
	uint32_t first, count;	 /* region numbers of the range */
	uint32_t high_water;	 /* regions below it (from first) were used at some time */
	uint64_t *free_resident; /* bit i: region first+i is free and its pages exist */
	uint64_t *free_empty;
};

struct gc_regions {
	/* Immutable after creation. */
	uint32_t region_bytes, region_shift;
	uint32_t count, max_regions, reserve_regions;
	struct gc_region *table;
	uint8_t *bits; /* enum gc_region_bit, one byte each */
	struct gc_region_range ranges[GC_RANGE_COUNT];
	const struct gc_view *view;
	struct gc_history *history;
	/* Under lock. */
	pthread_mutex_t lock;
	uint32_t used, resident_free, reserve_spent;
	bool decommit_allowed; /* false while private pages lie in the alias, out of reach */
	uint64_t returned_bytes;
	struct gc_traps traps; /* debug builds */
};

enum gc_region_purpose { GC_FOR_MUTATOR, GC_FOR_COLLECTOR };

int gc_regions_create(struct gc_regions *regions, const struct gc_view *view, uint32_t region_bytes,
		      uint64_t heap_max_bytes);
void gc_regions_destroy(struct gc_regions *regions);

/* Take one region, resident ones first. GC_REGION_NONE when the limit is reached. */
uint32_t gc_region_take_locked(struct gc_regions *regions, enum gc_range range,
			       enum gc_region_kind kind, enum gc_region_purpose purpose);

/* Take a run of `run` regions for one large object or one stack; the head's number. */
uint32_t gc_region_take_run_locked(struct gc_regions *regions, enum gc_range range, uint32_t run,
				   enum gc_region_kind kind);

/* Regions of a range below which all that were ever used lie. A region that comes to it later is black,
 * or handed out in a phase that does not look. */
static inline uint32_t gc_range_high_water(const struct gc_region_range *range)
{
	return gc_load_relaxed(&range->high_water);
}

/* What a region is used for, while mutators may be taking it. */
enum gc_region_kind gc_region_kind_now(struct gc_regions *regions, uint32_t number);

/* Are fewer than `ahead` free regions of a range resident, although it is in use and there may be more? */
bool gc_region_lacks_supply_locked(const struct gc_regions *regions, enum gc_range which,
				   uint32_t ahead);

/* Book the next empty region of a range that lacks some as resident, its pages still to be made;
 * GC_REGION_NONE if it lacks none. See supply.c. */
uint32_t gc_region_supply_locked(struct gc_regions *regions, enum gc_range which, uint32_t ahead);

/* All pages of a region that was supplied exist now; if it was taken meanwhile, nothing is changed. */
void gc_region_made_locked(struct gc_regions *regions, uint32_t number);

/* The cycle's targets are ordinary regions from now on. */
void gc_regions_end_reserve(struct gc_regions *regions);

/* Regions that mutators may use. Exact under the lock, else a hint. */
static inline uint32_t gc_regions_limit(const struct gc_regions *regions)
{
	return regions->max_regions -
	       (regions->reserve_regions - gc_load_relaxed(&regions->reserve_spent));
}

/* Free a region (with its tails, for LARGE and STACK); its pages stay. */
void gc_region_free_locked(struct gc_regions *regions, uint32_t number);

/* Of regions whose pages exist, used or free. Takes the lock. */
uint64_t gc_regions_resident_bytes(struct gc_regions *regions);

/* Give free resident regions back to the kernel until at most `target_regions` regions are
 * resident; `forget` is called for each and does the same for its mark bits. Between cycles, by the
 * cycle's thread. */
typedef bool (*gc_region_forget)(void *context, uint32_t number);
void gc_regions_trim(struct gc_regions *regions, uint32_t target_regions, gc_region_forget forget,
		     void *context);

/* Has it no mark bits to be cleared? [TM-1] */
static inline bool gc_region_is_unmarked_locked(const struct gc_regions *regions, uint32_t number)
{
	return regions->table[number].unmarked && regions->table[number].kind == GC_REGION_FREE;
}

/* The pages of all free regions are gone: in a copy of the memory that holds what is in use. */
void gc_regions_forget_free(struct gc_regions *regions);

static inline uint32_t gc_region_of(const struct gc_regions *regions, struct gc_haddr address)
{
	return (uint32_t)((address.at - (uintptr_t)regions->view->heap) >> regions->region_shift);
}

static inline struct gc_haddr gc_region_start(const struct gc_regions *regions, uint32_t number)
{
	return gc_haddr(regions->view->heap + ((uint64_t)number << regions->region_shift));
}

/* Was it free when this cycle's pages were taken away, and handed out before they were all back? Such a region
 * has no units, see reattach.c. Stale is harmless: who reads false asks the kernel and here again; and nobody
 * looks with the number of an earlier cycle, since it was stored before this cycle's flip stopped the world. */
static inline bool gc_region_is_late(const struct gc_regions *regions, uint32_t number)
{
	return gc_load_relaxed(&regions->table[number].late) ==
	       gc_load_relaxed(&regions->history->cycle) + 1;
}

static inline void gc_region_set_late(struct gc_regions *regions, uint32_t number)
{
	/* Relaxed: as above; under regions.lock. */
	gc_store_relaxed(&regions->table[number].late,
			 gc_load_relaxed(&regions->history->cycle) + 1);
}

static inline enum gc_range gc_region_range(const struct gc_regions *regions, uint32_t number)
{
	return number < regions->ranges[GC_RANGE_LEAVES].first ? GC_RANGE_OBJECTS : GC_RANGE_LEAVES;
}

static inline uint32_t gc_region_head(const struct gc_regions *regions, uint32_t number)
{
	const struct gc_region *region = &regions->table[number];
	bool tail = region->kind == GC_REGION_LARGE_TAIL || region->kind == GC_REGION_STACK_TAIL;

	return tail ? number - region->run : number;
}

#endif
