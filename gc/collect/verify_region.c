/* gc/collect/verify_region.c: does the table of regions agree with itself? [VF-8], see verify.h.
 *
 * Every region is looked at, also those that were never used; counts and maps are made anew. */
#include "gc/collect/rootstack.h"
#include "gc/collect/verify.h"

struct region_sums {
	uint32_t used, resident_free;
};

static bool region_map_test(const uint64_t *map, uint32_t index)
{
	return map[index / 64] >> (index % 64) & 1;
}

static void region_check_free(struct gc_verify *verify, const struct gc_region_range *range,
			      uint32_t index)
{
	uint32_t number = range->first + index;
	const struct gc_region *region = &verify->heap->regions.table[number];
	bool resident = region_map_test(range->free_resident, index);
	bool empty = region_map_test(range->free_empty, index);

	if ((region->kind == GC_REGION_FREE) != (resident || empty) || (resident && empty))
		gc_verify_fail_region(verify, number,
				      "[VF-8] region %u is of kind %u, but in the free maps %d, %d",
				      number, region->kind, resident, empty);
	if (index >= range->high_water && !empty)
		gc_verify_fail_region(verify, number,
				      "[VF-8] region %u lies above the high water, but was used",
				      number);
	if (region->kind == GC_REGION_FREE &&
	    gc_load_relaxed(&verify->heap->regions.bits[number]) != 0) /* stopped */
		gc_verify_fail_region(verify, number, "[VF-8] free region %u has bits %#x", number,
				      verify->heap->regions.bits[number]);
}

static void region_check_large(struct gc_verify *verify, uint32_t number)
{
	const struct gc_heap *heap = verify->heap;
	const struct gc_region *head = &heap->regions.table[number];
	uint64_t bytes = (uint64_t)head->run << heap->regions.region_shift;

	if (head->run == 0 || head->allocated_bytes > bytes ||
	    head->allocated_bytes + heap->regions.region_bytes <= bytes)
		gc_verify_fail_region(verify, number,
				      "[VF-8] large region %u: %lu bytes in a run of %u", number,
				      head->allocated_bytes, head->run);
	for (uint32_t i = 1; i < head->run; i++)
		if (head[i].kind != GC_REGION_LARGE_TAIL || head[i].run != i)
			gc_verify_fail_region(verify, number + i,
					      "[VF-8] region %u is no tail of large region %u",
					      number + i, number);
	if (!head->current && gc_type_size(gc_type_of(&heap->types, head->header), head->header) !=
				      head->allocated_bytes) /* */
		gc_verify_fail_region(
			verify, number,
			"[VF-8] large region %u: its header %#lx does not say %lu bytes", number,
			head->header, head->allocated_bytes);
}

static void region_check_stack(struct gc_verify *verify, uint32_t number)
{
	const struct gc_region *head = &verify->heap->regions.table[number];

	for (uint32_t i = 1; i < head->run; i++)
		if (head[i].kind != GC_REGION_STACK_TAIL || head[i].run != i)
			gc_verify_fail_region(verify, number + i,
					      "[VF-8] region %u is no tail of the stack at %u",
					      number + i, number);
	if (head->run == 0 || !head->stack || head->stack->head != number ||
	    head->stack->pub.top < head->stack->pub.base ||
	    head->stack->pub.top > head->stack->pub.limit)
		gc_verify_fail_region(verify, number,
				      "[VF-8] region %u does not begin a root stack", number);
}

static void region_check_kind(struct gc_verify *verify, uint32_t number)
{
	const struct gc_heap *heap = verify->heap;
	const struct gc_region *region = &heap->regions.table[number];
	enum gc_range range = gc_region_range(&heap->regions, number);

	switch (region->kind) {
	case GC_REGION_LARGE:
		region_check_large(verify, number);
		break;
	case GC_REGION_STACK:
		region_check_stack(verify, number);
		break;
	case GC_REGION_STACK_TAIL:
		if (region->run > number || region[-(ptrdiff_t)region->run].kind != GC_REGION_STACK)
			gc_verify_fail_region(verify, number,
					      "[VF-8] region %u is a tail without a head", number);
		break;
	case GC_REGION_LARGE_TAIL:
		if (region->run > number || region[-(ptrdiff_t)region->run].kind != GC_REGION_LARGE)
			gc_verify_fail_region(verify, number,
					      "[VF-8] region %u is a tail without a head", number);
		break;
	case GC_REGION_SMALL:
		if (region->current != (heap->current[GC_WHITE][range] == number ||
					heap->current[GC_BLACK][range] == number))
			gc_verify_fail_region(verify, number,
					      "[VF-8] region %u: is it the current one? %d", number,
					      region->current);
		/* fall through */
	case GC_REGION_ROOTS:
	case GC_REGION_FIXED:
		if (region->allocated_bytes > heap->regions.region_bytes)
			gc_verify_fail_region(verify, number, "[VF-8] region %u is filled to %lu",
					      number, region->allocated_bytes);
		break;
	default:
		break;
	}
}

static void region_check_bits(struct gc_verify *verify, uint32_t number)
{
	const struct gc_regions *regions = &verify->heap->regions;
	uint8_t bits = gc_load_relaxed(&regions->bits[number]); /* stopped */
	bool moves = bits & (GC_REGION_TARGET | GC_REGION_EVACUATED);
	uint8_t allowed = GC_REGION_CLASS_MASK;

	if (verify->place != GC_VERIFY_BEFORE)
		allowed |= GC_REGION_BLACK;
	if (verify->place == GC_VERIFY_FLIP)
		allowed |= GC_REGION_TARGET | GC_REGION_EVACUATED;
	if (verify->place == GC_VERIFY_AFTER)
		allowed |= GC_REGION_EVACUATED | GC_REGION_UNCHOSEN;
	if (verify->place == GC_VERIFY_BEFORE)
		allowed |= GC_REGION_UNCHOSEN;
	if (bits & ~allowed || (moves && regions->table[number].kind != GC_REGION_SMALL) ||
	    (bits & GC_REGION_EVACUATED && bits & (GC_REGION_TARGET | GC_REGION_BLACK)))
		gc_verify_fail_region(verify, number, "[VF-8] region %u has bits %#x", number,
				      bits);
}

static void region_check_range(struct gc_verify *verify, const struct gc_region_range *range,
			       struct region_sums *sums)
{
	for (uint32_t i = 0; i < range->count; i++) {
		uint32_t number = range->first + i;
		bool used = verify->heap->regions.table[number].kind != GC_REGION_FREE;

		region_check_free(verify, range, i);
		sums->used += used;
		sums->resident_free += region_map_test(range->free_resident, i);
		if (!used)
			continue;
		region_check_kind(verify, number);
		region_check_bits(verify, number);
	}
}

void gc_verify_regions(struct gc_verify *verify)
{
	const struct gc_regions *regions = &verify->heap->regions;
	struct region_sums sums = {0, 0};

	for (int i = 0; i < GC_RANGE_COUNT; i++)
		region_check_range(verify, &regions->ranges[i], &sums);
	if (sums.used != regions->used || sums.resident_free != regions->resident_free)
		gc_verify_fail(verify, 0, 0,
			       "[VF-8] %u regions are used and %u free and resident, but %u and %u "
			       "are counted",
			       sums.used, sums.resident_free, regions->used,
			       regions->resident_free);
	if (regions->used + regions->resident_free > regions->max_regions)
		gc_verify_fail(verify, 0, 0,
			       "[VF-8] %u + %u regions have pages, more than the limit of %u [R-1]",
			       regions->used, regions->resident_free, regions->max_regions);
}
