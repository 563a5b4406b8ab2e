/* gc/collect/verify_plan.c: is the evacuation planned rightly? [VF-5], at the flip.
 *
 * Every reachable object of an evacuated region is asked where it goes; all objects that are marked
 * there, reachable or not, are then laid out in a bitmap of the targets: none over another, none out of
 * its target, none missing. */
#include "gc/collect/verify.h"

/* Where an object goes has to be inside of a target. */
static uintptr_t plan_place(struct gc_verify *verify, uintptr_t object, uint64_t bytes)
{
	struct gc_heap *heap = verify->heap;
	uintptr_t to = gc_forward_address(&heap->forward, (struct gc_haddr){object}).at;
	uint32_t number;

	if (!gc_heap_contains(heap, to) || to % PLX_GRANULE_BYTES != 0)
		gc_verify_fail(verify, 0, object, "[VF-5] %#lx would move to %#lx", object, to);
	number = gc_region_of(&heap->regions, (struct gc_haddr){to});
	if (!(gc_heap_region_bits(heap, to) & GC_REGION_TARGET) ||
	    to + bytes > gc_region_start(&heap->regions, number).at +
				 heap->regions.table[number].allocated_bytes)
		gc_verify_fail(verify, 0, object,
			       "[VF-5] %#lx would move to %#lx, which is not inside of a target",
			       object, to);
	return to;
}

void gc_verify_forward(struct gc_verify *verify, uintptr_t object, uint64_t bytes)
{
	if (gc_heap_region_bits(verify->heap, object) & GC_REGION_EVACUATED)
		plan_place(verify, object, bytes);
}

static void plan_fill(struct gc_verify *verify, uintptr_t object, uintptr_t to, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += PLX_GRANULE_BYTES)
		if (!gc_markbits_try_set(&verify->filled, (struct gc_haddr){to + at}))
			gc_verify_fail(verify, 0, object,
				       "[VF-5] %#lx would move to %#lx, over another object",
				       object, to);
}

static void plan_fill_region(struct gc_verify *verify, uint32_t number)
{
	struct gc_heap *heap = verify->heap;
	struct gc_haddr start = gc_region_start(&heap->regions, number);
	uint64_t from = gc_markbits_index(&heap->markbits, start);
	uint64_t to = from + (heap->regions.region_bytes >> GC_GRANULE_SHIFT);

	for (uint64_t i = gc_markbits_next(&heap->markbits, from, to); i < to;
	     i = gc_markbits_next(&heap->markbits, i + 1, to)) {
		uintptr_t object = gc_markbits_address(&heap->markbits, i).at;
		uint64_t header = gc_header_at((const char *)object);
		uint64_t bytes = gc_type_size(gc_type_of(&heap->types, header), header);

		plan_fill(verify, object, plan_place(verify, object, bytes), bytes);
	}
}

/* `gap_bytes` counts what may have been left out (GC_TORTURE=gaps). */
static void plan_check_filled(struct gc_verify *verify, uint32_t number, uint64_t *gap_bytes)
{
	struct gc_heap *heap = verify->heap;
	uintptr_t start = gc_region_start(&heap->regions, number).at;

	for (uint64_t at = 0; at < heap->regions.table[number].allocated_bytes;
	     at += PLX_GRANULE_BYTES)
		if (gc_markbits_test(&verify->filled, (struct gc_haddr){start + at}))
			continue;
		else if (*gap_bytes >= PLX_GRANULE_BYTES)
			*gap_bytes -= PLX_GRANULE_BYTES;
		else
			gc_verify_fail_region(verify, number,
					      "[VF-5] nothing moves to %#lx of target region %u",
					      start + at, number);
}

void gc_verify_targets(struct gc_verify *verify)
{
	struct gc_heap *heap = verify->heap;
	uint64_t gap_bytes = heap->cycle.gap_bytes;

	for (int range = 0; range < GC_RANGE_COUNT; range++)
		for (uint32_t r = heap->cycle.evacuated_first[range]; r != GC_REGION_NONE;
		     r = heap->regions.table[r].next)
			plan_fill_region(verify, r);
	for (uint32_t i = 0; i < heap->cycle.target_count; i++)
		plan_check_filled(verify, heap->cycle.targets[i], &gap_bytes);
	if (gap_bytes)
		gc_verify_fail(verify, 0, 0, "[VF-5] %lu bytes of gaps have been filled",
			       gap_bytes);
}
