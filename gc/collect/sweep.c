/* gc/collect/sweep.c: before marking, which regions may be evacuated; after it, which are empty.
 *
 * [S-1] Candidates are fixed before marking, because marking flags pages by them. Young regions
 *       (filled since the last cycle) are mostly dead; of old ones the last known live bytes are an
 *       upper bound, since a closed region never gains any. Even those that were dense are: much may have
 *       died at once. Nearly every page refers to one, so they have a class of their own, which is
 *       chosen from only if that is worth it (worth.c).
 * [S-2] A region that mutators still allocate in, or took since marking began, is neither a
 *       candidate nor swept.
 *
 * Who runs here: the cycle's thread, mutators running. */
#include "gc/collect/collect.h"
#include "gc/collect/fixed.h"

/* Live bytes above which moving a region wins too little; in an emergency any gap will do, since what is
 * free lies in them. */
uint64_t gc_region_densest(const struct gc_heap *heap)
{
	uint64_t whole = heap->regions.region_bytes;

	if (heap->config.evacuate == 1)
		return whole;
	return heap->cycle.stop_the_world ? whole - whole / 32 : whole - whole / 4;
}

static uint8_t candidate_class(const struct gc_heap *heap, const struct gc_region *region)
{
	uint64_t live = region->live_bytes, whole = heap->regions.region_bytes;

	if (heap->config.evacuate == 1) /* all */
		return GC_REGION_CLASS_YOUNG;
	if (heap->config.evacuate == 2) /* none */
		return 0;
	if (region->young)
		return GC_REGION_CLASS_YOUNG;
	if (live < whole / 3)
		return GC_REGION_CLASS_SPARSE;
	return live <= gc_region_densest(heap) ? GC_REGION_CLASS_HALF : GC_REGION_CLASS_DENSE;
}

void gc_candidates_choose(struct gc_heap *heap)
{
	struct gc_regions *regions = &heap->regions;

	pthread_mutex_lock(&regions->lock);
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &regions->ranges[i];

		for (uint32_t r = range->first; r < range->first + gc_range_high_water(range);
		     r++) {
			struct gc_region *region = &regions->table[r];
			uint8_t class = 0;

			if (region->kind == GC_REGION_SMALL && !region->current)
				class = candidate_class(heap, region);
			if (class && gc_pin_holds(heap, r)) {
				class = 0;
				heap->cycle.held_by_pins++;
			}
			gc_store_relaxed(&regions->bits[r], class); /* */
			if (!region->current)
				region->young = false;
		}
	}
	pthread_mutex_unlock(&regions->lock);
}

static bool sweep_is_dead(const struct gc_heap *heap, uint32_t number)
{
	const struct gc_region *region = &heap->regions.table[number];

	if (gc_load_relaxed(&heap->regions.bits[number]) & GC_REGION_BLACK) /* */
		return false;
	if (region->kind == GC_REGION_LARGE) /* */
		return !region->current &&
		       !gc_markbits_test(&heap->markbits, gc_region_start(&heap->regions, number));
	return region->kind == GC_REGION_SMALL && !region->current && region->live_bytes == 0;
}

/* Did this marking decide about the objects of a region, one by one? */
static bool sweep_is_judged(const struct gc_heap *heap, uint32_t number)
{
	return heap->regions.table[number].kind == GC_REGION_SMALL &&
	       !sweep_is_dead(heap, number) &&
	       !(gc_load_relaxed(&heap->regions.bits[number]) & GC_REGION_BLACK); /* */
}

/* What a black region holds is live as far as this cycle knows. */
static uint64_t sweep_live_bytes(const struct gc_heap *heap, uint32_t number)
{
	struct gc_region *region = &heap->regions.table[number];

	if (gc_load_relaxed(&heap->regions.bits[number]) & GC_REGION_BLACK) /* */
		region->live_bytes = region->allocated_bytes;
	return region->live_bytes;
}

/* Root stacks count whole, as they do in what is used: else a heap with large ones would seem full. */
static bool sweep_is_stack(uint8_t kind)
{
	return kind == GC_REGION_STACK || kind == GC_REGION_STACK_TAIL;
}

void gc_sweep(struct gc_heap *heap)
{
	struct gc_regions *regions = &heap->regions;
	uint32_t pages = gc_heap_pages_per_region(heap);

	heap->cycle.live_bytes = 0;
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &regions->ranges[i];

		for (uint32_t r = range->first; r < range->first + gc_range_high_water(range);
		     r++) {
			pthread_mutex_lock(&regions->lock);
			gc_ambiguous_judge(heap, r, sweep_is_judged(heap, r));
			if (sweep_is_dead(heap, r)) {
				uint32_t run = regions->table[r].kind == GC_REGION_LARGE
						       ? regions->table[r].run
						       : 1;
				struct gc_page page =
					gc_heap_page(heap, gc_region_start(regions, r));

				memset(&heap->pages.flags[page.n], 0, (uint64_t)run * pages);
				gc_region_free_locked(regions, r);
				heap->cycle.freed_regions += run;
			} else if (regions->table[r].kind == GC_REGION_SMALL ||
				   regions->table[r].kind == GC_REGION_LARGE) {
				heap->cycle.live_bytes += sweep_live_bytes(heap, r);
			} else if (sweep_is_stack(regions->table[r].kind)) {
				heap->cycle.live_bytes += regions->region_bytes;
			}
			pthread_mutex_unlock(&regions->lock);
		}
	}
	heap->cycle.live_bytes += gc_fixed_sweep(heap);
	gc_store_relaxed(&heap->stats.live_bytes, heap->cycle.live_bytes); /* a statistic */
}
