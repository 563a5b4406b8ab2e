/* gc/collect/verify.c: when the verifier runs, and in what order it looks. See verify.h.
 *
 * `GC_VERIFY` holds a number N (every Nth cycle) in its low half and places in its high half; places
 * without a number mean every cycle, a number without places all of them.
 *
 * The pauses are the verifier's own, apart from the flip's: so how a cycle begins and ends its phases
 * does not matter here, and nothing of it shows in the statistics of pauses. */
#include "gc/collect/verify.h"

void (*gc_verify_tamper)(struct gc_heap *heap, enum gc_verify_place place);

static bool verify_is_wanted(const struct gc_heap *heap, enum gc_verify_place place)
{
	uint64_t every = heap->config.verify & UINT32_MAX, places = heap->config.verify >> 32;
	/* Relaxed: written by this thread. */
	uint64_t cycle = gc_load_relaxed(&heap->stats.cycles);

	if (heap->config.verify == 0 || (places && !(places & place)))
		return false;
	return cycle % gc_max(every, 1) == 0;
}

const char *gc_verify_place_name(enum gc_verify_place place)
{
	switch (place) {
	case GC_VERIFY_BEFORE:
		return "before marking";
	case GC_VERIFY_MARK:
		return "after marking";
	case GC_VERIFY_FLIP:
		return "at the flip";
	case GC_VERIFY_AFTER:
		return "after moving";
	}
	return "nowhere";
}

void gc_verify_at_stw(struct gc_heap *heap, enum gc_verify_place place)
{
	struct gc_verify verify = {.heap = heap, .place = place};

	if (!verify_is_wanted(heap, place))
		return;
	gc_supply_hold(heap); /* the one thread that changes the table of regions now [SU-2] */
	if (gc_verify_tamper)
		gc_verify_tamper(heap, place);
	gc_verify_regions(&verify);
	gc_verify_tables(&verify);
	GC_REQUIRE(gc_verify_walk(&verify), "no memory to verify the heap (GC_VERIFY)");
	if (place == GC_VERIFY_FLIP)
		gc_verify_targets(&verify);
	gc_verify_walk_free(&verify);
	gc_supply_let_go(heap);
}

void gc_verify_at(struct gc_heap *heap, enum gc_verify_place place)
{
	if (!verify_is_wanted(heap, place))
		return;
	if (heap->stopped) {
		gc_verify_at_stw(heap, place);
		return;
	}
	heap->world->stop(heap, GC_STOP_BRIEF);
	gc_verify_at_stw(heap, place);
	heap->world->resume(heap);
}
