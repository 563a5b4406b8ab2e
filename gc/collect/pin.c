/* gc/collect/pin.c: regions that something keeps from being evacuated, although their emptiness would
 * have them: pinned objects, and words of native stacks.
 *
 *   before marking   a region with pins gets no candidate class
 *   plan             a region that was pinned since is not chosen; pins.lock decides who comes first
 *   plan to flip     a pin in a chosen region is noted: the region is un-chosen in the pause
 *   after the flip   nothing moves any more: a pin concerns the next cycle
 *
 * To un-choose is to clear the bit EVACUATED, in the flip's pause, before anything is taken away or
 * forwarded. What follows from it:
 *
 * [PN-1] References into the region are forwarded by nobody, since everybody asks that bit first; the
 *        pages that hold such references are built all the same, with nothing to change.
 * [PN-2] Its own pages stay, and are updated in place by their flags, which the marker and the barrier
 *        have kept for them as for any others. The lists of dirty pages that zap needs were made without
 *        them, so the flip detaches.
 * [PN-3] Its place in the targets stays empty: units of targets pass over the region's objects, and
 *        clear what they do not fill, so that a target can be walked object by object.
 * [PN-4] It stays in the chain of chosen regions, whose order tells target pages what comes next; finish
 *        frees only those that still have the bit.
 *
 * [PN-5] The bit UNCHOSEN stays until the next cycle chooses candidates: tables that the plan had carried
 *        along find by it what has to go back (identity.c, guardian.c).
 *
 * Who runs here: attached threads (pin, unpin); the cycle's thread. */
#include "gc/base/yield.h"
#include "gc/collect/collect.h"

/* Chosen already: the flip will see to it. */
static void pin_note_late_locked(struct gc_heap *heap, uint32_t number)
{
	struct gc_pins *pins = &heap->pins;

	if (pins->late_count < GC_PINS_LATE_MAX)
		pins->late[pins->late_count] = number;
	pins->late_count++;
}

void gc_pin_region(struct gc_heap *heap, struct gc_haddr object)
{
	struct gc_pins *pins = &heap->pins;
	uint32_t number = gc_region_of(&heap->regions, object);
	/* Relaxed: phases change while this thread stands at a safepoint. */
	bool moving = gc_load_relaxed(&heap->phase) == GC_PHASE_MOVING;

	pthread_mutex_lock(&pins->lock);
	if (pins->counts[number]++ == 0)
		pins->regions++;
	/* set and asked under the lock */
	if (gc_load_relaxed(&heap->regions.bits[number]) & GC_REGION_EVACUATED) {
		GC_REQUIRE(!moving,
			   "plx_pin: %#lx has moved: it was not reloaded after a safepoint",
			   object.at);
		pin_note_late_locked(heap, number);
	}
	pthread_mutex_unlock(&pins->lock);
	gc_yield_point();
}

void gc_unpin_region(struct gc_heap *heap, struct gc_haddr object)
{
	struct gc_pins *pins = &heap->pins;
	uint32_t number = gc_region_of(&heap->regions, object);

	pthread_mutex_lock(&pins->lock);
	GC_CHECK(PN_1, pins->counts[number] > 0);
	if (--pins->counts[number] == 0)
		pins->regions--;
	pthread_mutex_unlock(&pins->lock);
}

bool gc_pin_holds(struct gc_heap *heap, uint32_t number)
{
	bool held;

	pthread_mutex_lock(&heap->pins.lock);
	held = heap->pins.counts[number] != 0;
	pthread_mutex_unlock(&heap->pins.lock);
	return held;
}

/* The plan wants this region: mark it as chosen, unless a pin came first, or a parked stack holds it. */
bool gc_pin_try_choose(struct gc_heap *heap, uint32_t number)
{
	struct gc_pins *pins = &heap->pins;
	bool chosen;

	gc_yield_point();
	if (gc_ambiguous_holds(heap, number)) {
		heap->cycle.held_by_stacks++;
		return false;
	}
	pthread_mutex_lock(&pins->lock);
	chosen = pins->counts[number] == 0;
	if (chosen)
		gc_store_relaxed(&heap->regions.bits[number], /* and the lock */
				 gc_load_relaxed(&heap->regions.bits[number]) |
					 GC_REGION_EVACUATED);
	else
		heap->cycle.held_by_pins++;
	pthread_mutex_unlock(&pins->lock);
	return chosen;
}

/* Before the plan: no pin is late yet. */
void gc_pins_begin_plan(struct gc_heap *heap)
{
	pthread_mutex_lock(&heap->pins.lock);
	heap->pins.late_count = 0;
	pthread_mutex_unlock(&heap->pins.lock);
}

/* True if the region was chosen until now. */
bool gc_unchoose_stw(struct gc_heap *heap, uint32_t number)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint8_t bits = gc_load_relaxed(&heap->regions.bits[number]); /* */

	if (!(bits & GC_REGION_EVACUATED))
		return false;
	gc_store_relaxed(&heap->regions.bits[number],
			 (uint8_t)((bits & ~GC_REGION_EVACUATED) | GC_REGION_UNCHOSEN));
	cycle->unchosen_count++;
	cycle->evacuated_bytes -= heap->regions.table[number].live_bytes;
	if (cycle->mode == GC_FLIP_ZAP) /* [PN-2] */
		cycle->mode = GC_FLIP_DETACH;
	return true;
}

/* More late pins than are listed: look at everything that was chosen. */
static void pin_unchoose_all_stw(struct gc_heap *heap)
{
	for (int range = 0; range < GC_RANGE_COUNT; range++)
		for (uint32_t r = heap->cycle.evacuated_first[range]; r != GC_REGION_NONE;
		     r = heap->regions.table[r].next)
			if (heap->pins.counts[r])
				heap->cycle.held_by_pins += gc_unchoose_stw(heap, r);
}

/* Every mutator stands at a safepoint or is blocked, and does not hold pins.lock. */
void gc_pins_flip_stw(struct gc_heap *heap)
{
	const struct gc_pins *pins = &heap->pins;

	if (pins->late_count > GC_PINS_LATE_MAX) {
		pin_unchoose_all_stw(heap);
		return;
	}
	for (uint32_t i = 0; i < pins->late_count; i++)
		if (pins->counts[pins->late[i]])
			heap->cycle.held_by_pins += gc_unchoose_stw(heap, pins->late[i]);
}
