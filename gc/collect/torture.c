/* gc/collect/torture.c: GC_TORTURE: who comes first to the pages that a flip has taken away. See
 * gc/heap/torture.h.
 *
 * Who runs here: the cycle's thread; faults (no allocation, no lock). */
#include <time.h>

#include "gc/base/yield.h"
#include "gc/collect/collect.h"

#define HOLD_BACK_NAP_NS 500000
#define HOLD_BACK_NAPS 40 /* 20 ms and a little */
#define LEAVE_ROUNDS 5000 /* of gc_backoff: about a third of a second */

static bool torture_coin(struct gc_heap *heap)
{
	return gc_torture_random(&heap->torture) & 1;
}

/* The flip is over: keep away from its pages as long as threads go on faulting. */
void gc_torture_hold_back(struct gc_heap *heap)
{
	static const struct timespec nap = {.tv_nsec = HOLD_BACK_NAP_NS};
	uint64_t first, last, now;

	if (!gc_torture_is(&heap->torture, GC_TORTURE_MUTATOR_FIRST) &&
	    !(gc_torture_is(&heap->torture, GC_TORTURE_ANY_FIRST) && torture_coin(heap)))
		return;
	first = now = gc_load_relaxed(&heap->stats.faults); /* a statistic, as below */
	for (int i = 0; i < HOLD_BACK_NAPS; i++) {
		last = now;
		nanosleep(&nap, NULL);
		now = gc_load_relaxed(&heap->stats.faults);
		if (i > 2 && now == last)
			break;
	}
	gc_add_relaxed(&heap->torture.let_first, now - first); /* a figure */
}

/* A fault wants this page, which nobody has claimed: give the collector time to build it. Workers wait for
 * no fault before they claim; so it comes, or is long in coming, and then the fault goes on. */
void gc_torture_leave_fault(struct gc_heap *heap, struct gc_page page)
{
	unsigned round = 0;

	if (!gc_torture_is(&heap->torture, GC_TORTURE_COLLECTOR_FIRST) &&
	    !(gc_torture_is(&heap->torture, GC_TORTURE_ANY_FIRST) && torture_coin(heap)))
		return;
	while (round < LEAVE_ROUNDS && gc_page_state(&heap->pages, page) == GC_PAGE_DETACHED)
		gc_backoff(&round);
	gc_add_relaxed(&heap->torture.waited, round < LEAVE_ROUNDS); /* a figure */
}
