/* gc/collect/pace.c: when to start the next cycle: early enough that allocation need not wait for it
 * to end, late enough that most of what was allocated is dead.
 *
 * What was allocated while the last cycle ran predicts the next one: it starts when
 * what remains free would just last for one and a half such cycles and their targets. Bounds on both sides
 * keep a single odd cycle from upsetting it.
 *
 * Who runs here: mutators ask at refill; the cycle's thread sets the trigger. */
#include "gc/collect/collect.h"

static uint32_t pace_limit(const struct gc_heap *heap)
{
	return heap->regions.max_regions - heap->regions.reserve_regions;
}

void gc_pace_init(struct gc_heap *heap)
{
	gc_store_relaxed(&heap->trigger_regions, pace_limit(heap) / 2); /* a hint */
}

bool gc_pace_wants_cycle(struct gc_heap *heap)
{
	uint64_t every = heap->config.cycle_every_bytes;

	/* Relaxed: a request that comes one TLAB late changes nothing. */
	if (every && gc_load_relaxed(&heap->allocated_bytes) -
				     gc_load_relaxed(&heap->allocated_at_cycle_start) >=
			     every)
		return true;
	return gc_load_relaxed(&heap->regions.used) >= gc_load_relaxed(&heap->trigger_regions);
}

void gc_pace_after_cycle(struct gc_heap *heap)
{
	uint32_t limit = pace_limit(heap), used = gc_load_relaxed(&heap->regions.used); /* hints */
	uint32_t room = limit > used ? limit - used : 0;
	uint64_t allocated = gc_load_relaxed(&heap->allocated_bytes) -
			     gc_load_relaxed(&heap->allocated_at_cycle_start);
	uint64_t targets = (uint64_t)heap->cycle.target_count << heap->regions.region_shift;
	/* Allocated while the cycle ran, half as much again, what it copied to, and a little. */
	uint64_t lead = allocated + allocated / 2 + targets + heap->config.heap_max_bytes / 64;
	uint64_t lead_regions = lead >> heap->regions.region_shift;
	uint64_t latest = used + room - room / 8, earliest = used + room / 16;
	uint64_t trigger = limit > lead_regions ? limit - lead_regions : 0;

	trigger = gc_min(gc_max(trigger, earliest), latest);
	gc_store_relaxed(&heap->trigger_regions, (uint32_t)trigger);
}
