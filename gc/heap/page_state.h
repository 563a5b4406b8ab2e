/* gc/heap/page_state.h: the state of every page of the heap view: the only place that changes it.
 *
 *                 flip (before it, by the cycle)
 *   ATTACHED ------------------------------------------> DETACHED
 *      ^  ^                                                |   |
 *      |  |  hand out a free region (mutator or cycle)     |   | claim: CAS, one winner
 *      |  +------------------------------------------------+   | (worker, fault thread, mutator)
 *      |                                                       v
 *      |                                                    CLAIMED
 *      |            attach (anybody)                           | built: release store, by the
 *      +------------------------------- READY <----------------+ claimant alone
 *
 * [PS-1] A unit is built exactly once per cycle: CLAIMED is entered from DETACHED by CAS only.  [I2]
 * [PS-2] Only the claimant writes an unfinished unit, through the alias.                        [I3]
 * [PS-3] READY is a release store; whoever attaches a READY page read it with acquire [MO-READY].
 * [PS-4] A page is attached only when it is READY, or clean: nothing in it refers to anything that
 *        moves and nothing moves into it. Clean pages stay DETACHED until finish; that they are
 *        clean is fixed by the flags before the flip.
 * [PS-5] READY or ATTACHED pages may fault again (reclaim, khugepaged): attaching again is harmless.
 *
 * Flags, one byte per page: the classes of candidate regions (gc_region_bit) that a slot in the
 * page refers to, and GC_PAGE_ANY for "may refer to any". Set by markers and by the store barrier;
 * frozen at the flip; cleared before the next marking.
 *
 * Who runs here: any context, faults included: no lock, no allocation. */
#ifndef GC_HEAP_PAGE_STATE_H
#define GC_HEAP_PAGE_STATE_H

#include <string.h>

#include "gc/base/atomic.h"
#include "gc/base/check.h"
#include "gc/base/types.h"

enum gc_page_state { GC_PAGE_ATTACHED, GC_PAGE_DETACHED, GC_PAGE_CLAIMED, GC_PAGE_READY };

#define GC_PAGE_ANY 0x80

struct gc_pages {
	uint8_t *states;
	uint8_t *flags;
	uint64_t count;
};

static inline enum gc_page_state gc_page_state(const struct gc_pages *pages, struct gc_page page)
{
	return gc_load_acquire(&pages->states[page.n]); /* [MO-READY] */
}

/* The diagram above as a table: to which states a state may change. */
static inline bool gc_page_edge_exists(enum gc_page_state from, enum gc_page_state to)
{
	static const uint8_t edges[] = {
		[GC_PAGE_ATTACHED] = 1 << GC_PAGE_DETACHED,
		[GC_PAGE_DETACHED] = 1 << GC_PAGE_CLAIMED | 1 << GC_PAGE_ATTACHED,
		[GC_PAGE_CLAIMED] = 1 << GC_PAGE_READY,
		[GC_PAGE_READY] = 1 << GC_PAGE_ATTACHED,
	};

	return edges[from] >> to & 1;
}

/* Debug builds: a bulk change takes every page along an edge, or leaves it where it is. */
static inline void gc_pages_check_edges(const struct gc_pages *pages, struct gc_page first,
					uint64_t count, enum gc_page_state to)
{
#ifdef PLX_DEBUG
	for (uint64_t i = 0; i < count; i++) {
		enum gc_page_state from =
			gc_page_state(pages, (struct gc_page){first.n + (uint32_t)i});

		GC_CHECK(PS_1, from == to || gc_page_edge_exists(from, to));
	}
#else
	(void)pages, (void)first, (void)count, (void)to;
#endif
}

/* Before the flip, by the cycle. */
static inline void gc_pages_set_detached(const struct gc_pages *pages, struct gc_page first,
					 uint64_t count)
{
	gc_pages_check_edges(pages, first, count, GC_PAGE_DETACHED);
	memset(&pages->states[first.n], GC_PAGE_DETACHED, count);
}

/* At finish, by the cycle, when nothing is armed any more. [I4]: nobody builds a page by now. */
static inline void gc_pages_set_attached(const struct gc_pages *pages, struct gc_page first,
					 uint64_t count)
{
	gc_pages_check_edges(pages, first, count, GC_PAGE_ATTACHED);
	memset(&pages->states[first.n], GC_PAGE_ATTACHED, count);
}

static inline bool gc_page_try_claim(const struct gc_pages *pages, struct gc_page page)
{
	uint8_t expected = GC_PAGE_DETACHED;

	return gc_cas_acq_rel(&pages->states[page.n], &expected, GC_PAGE_CLAIMED); /* [PS-1] */
}

static inline void gc_page_set_ready(const struct gc_pages *pages, struct gc_page page)
{
	GC_CHECK(PS_2, gc_load_relaxed(&pages->states[page.n]) == GC_PAGE_CLAIMED);
	gc_store_release(&pages->states[page.n], GC_PAGE_READY); /* [MO-READY] [PS-3] */
}

/* A free page that is handed out while the view is armed: nobody will build it from now on. False
 * while somebody is building it (its flags were stale): ask again. */
static inline bool gc_page_try_hand_out(const struct gc_pages *pages, struct gc_page page)
{
	uint8_t expected = GC_PAGE_DETACHED;

	return gc_cas_acq_rel(&pages->states[page.n], &expected, GC_PAGE_ATTACHED) ||
	       expected != GC_PAGE_CLAIMED;
}

static inline uint8_t gc_page_flags(const struct gc_pages *pages, struct gc_page page)
{
	/* Relaxed: the flip's stop ordered every flag that matters. */
	return gc_load_relaxed(&pages->flags[page.n]);
}

/* Add flags; true if this call added one. */
static inline bool gc_page_add_flags(const struct gc_pages *pages, struct gc_page page, uint8_t add)
{
	uint8_t *flags = &pages->flags[page.n];

	/* Relaxed: flags are read after a stop or a join that orders them. */
	if ((gc_load_relaxed(flags) & add) == add)
		return false;
	return (gc_or_relaxed(flags, add) & add) != add;
}

#endif
