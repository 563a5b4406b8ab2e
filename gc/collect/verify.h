/* gc/collect/verify.h: the heap verifier (GC_VERIFY): places, and what its files share.
 *
 * It stops the world at up to four places of a cycle, enumerates every root anew, walks everything
 * reachable, and compares the side tables with what it found and with each other:
 *
 *   before  marking begins            the last cycle left everything clean
 *   mark    marking is complete       everything reachable is marked, sums and flags are right
 *   flip    in the flip's pause, before pages are taken away: what will move is planned rightly, and
 *           every page that has to be updated is known
 *   after   every page is back, evacuated regions not yet reused: nothing refers into them
 *
 * [VF-1] A reference is the start of an object: of those that its region, read from its beginning, is
 *        made of; the header is of a known layout and the size fits.
 * [VF-2] When marking is done, everything reachable is marked or in a black region.            [I5]
 * [VF-3] No reachable reference leads into a region that is free, being filled by the evacuation, or
 *        was evacuated.                                                                        [I1]
 * [VF-4] A page with a slot that refers into a candidate is flagged; at the flip, dirty.       [I1]
 * [VF-5] At the flip each live object of an evacuated region has a place of its own, whole in one target.
 * [VF-6] Marked objects add up to their region's live bytes.
 * [VF-7] Page states, extents, flags and mark bits are what they have to be in this phase.
 * [VF-8] Regions: kinds, runs, free maps, counts and the limit agree.                         
 * [VF-9] Mutators: barrier, log and TLABs are what they have to be in this phase.        [A-2] [B-1]
 * [VF-10] Fixed regions: start bits name whole objects, one behind the other, inside of extents; pages of
 *        extents add up; each region is in the chain.                                     [FX-1] [FE-1]
 *
 * Who runs here: the cycle's thread, with every mutator stopped. */
#ifndef GC_COLLECT_VERIFY_H
#define GC_COLLECT_VERIFY_H

#include "gc/collect/collect.h"

/* Who referred to an object first: for the path of a failure. */
struct gc_verify_edge {
	uintptr_t object; /* 0: empty */
	uintptr_t slot;	  /* in `from`, or a root */
	uintptr_t from;	  /* 0: a root */
};

struct gc_verify {
	struct gc_heap *heap;
	enum gc_verify_place place;
	struct gc_markbits visited; /* reached already */
	struct gc_markbits starts; /* objects of small and fixed regions, live or dead, begin here */
	struct gc_markbits filled; /* at the flip: granules that something moves to */
	size_t bitmap_bytes;
	uintptr_t *stack;
	size_t count, capacity;
	uintptr_t object; /* being scanned; 0: a root */
	uint64_t objects;
	/* The second walk, after something was found: it remembers how it came. */
	struct gc_verify_edge *edges;
	size_t edge_count, edge_capacity;
};

/* verify_walk.c */
bool gc_verify_walk(struct gc_verify *verify);
void gc_verify_walk_free(struct gc_verify *verify);
const struct gc_verify_edge *gc_verify_edge_of(const struct gc_verify *verify, uintptr_t object);

/* verify_plan.c: an object of an evacuated region, at the flip. */
void gc_verify_forward(struct gc_verify *verify, uintptr_t object, uint64_t bytes);
void gc_verify_targets(struct gc_verify *verify);

/* verify_region.c, verify_table.c: everything that can be checked without walking. */
void gc_verify_regions(struct gc_verify *verify);
void gc_verify_tables(struct gc_verify *verify);

/* verify_fixed.c: a fixed region; notes where its objects start. */
void gc_verify_fixed(struct gc_verify *verify, uint32_t number);

/* verify_report.c: say what is wrong, and end. `slot` (0: none) holds `value`. */
__attribute__((noreturn, cold, format(printf, 4, 5))) void
gc_verify_fail(struct gc_verify *verify, uintptr_t slot, uintptr_t value, const char *format, ...);

/* The same about a region. */
#define gc_verify_fail_region(verify, number, ...)                                        \
	gc_verify_fail(verify, 0, gc_region_start(&(verify)->heap->regions, (number)).at, \
		       __VA_ARGS__)

const char *gc_verify_place_name(enum gc_verify_place place);

/* verify_dump.c: the heap as a file. False with a message on standard error. */
bool gc_verify_dump(struct gc_heap *heap, const char *path, const char *text);

#endif
