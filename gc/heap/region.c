/* gc/heap/region.c: taking, freeing and giving back regions. See region.h. */
#include "gc/heap/region.h"

#include <errno.h>

#include "gc/base/check.h"
#include "gc/base/meta.h"

#define RESERVE_DIVISOR 16

static size_t range_bitmap_bytes(const struct gc_region_range *range)
{
	return gc_round_up(range->count, 64) / 8;
}

static bool range_create(struct gc_region_range *range, uint32_t first, uint32_t count)
{
	range->first = first;
	range->count = count;
	range->free_resident = gc_meta_alloc(range_bitmap_bytes(range));
	range->free_empty = gc_meta_alloc(range_bitmap_bytes(range));
	if (!range->free_resident || !range->free_empty)
		return false;
	for (uint32_t i = 0; i < count; i++)
		range->free_empty[i / 64] |= UINT64_C(1) << (i % 64);
	return true;
}

int gc_regions_create(struct gc_regions *regions, const struct gc_view *view, uint32_t region_bytes,
		      uint64_t heap_max_bytes)
{
	uint32_t per_range = (uint32_t)(view->range_bytes / region_bytes);

	*regions = (struct gc_regions){.view = view, .region_bytes = region_bytes};
	regions->decommit_allowed = true;
	regions->region_shift = (uint32_t)__builtin_ctz(region_bytes);
	regions->count = GC_RANGE_COUNT * per_range;
	regions->max_regions = (uint32_t)(heap_max_bytes / region_bytes);
	regions->reserve_regions = (uint32_t)gc_max(2, regions->max_regions / RESERVE_DIVISOR);
	pthread_mutex_init(&regions->lock, NULL);
	regions->table = gc_meta_alloc(regions->count * sizeof(*regions->table));
	regions->bits = gc_meta_alloc(regions->count);
	regions->history = gc_meta_alloc(sizeof(*regions->history));
	if (!regions->table || !regions->bits || !regions->history || !gc_traps_create(regions))
		return -ENOMEM;
	for (uint32_t i = 0; i < GC_RANGE_COUNT; i++) /* but the last part: see heap_range_bytes */
		if (!range_create(&regions->ranges[i], i * per_range,
				  per_range - (uint32_t)(GC_VIEW_ALIGN / region_bytes)))
			return -ENOMEM;
	return 0;
}

void gc_regions_destroy(struct gc_regions *regions)
{
	for (uint32_t i = 0; i < GC_RANGE_COUNT; i++) {
		struct gc_region_range *range = &regions->ranges[i];

		gc_meta_free(range->free_resident, range_bitmap_bytes(range));
		gc_meta_free(range->free_empty, range_bitmap_bytes(range));
	}
	gc_meta_free(regions->table, regions->count * sizeof(*regions->table));
	gc_meta_free(regions->bits, regions->count);
	gc_meta_free(regions->history, sizeof(*regions->history));
	gc_traps_destroy(regions);
	pthread_mutex_destroy(&regions->lock);
}

/* Lowest set bit of a bitmap, as an index; count if none. */
static uint32_t bitmap_first(const uint64_t *bitmap, uint32_t count)
{
	for (uint32_t word = 0; word * 64 < count; word++)
		if (bitmap[word])
			return word * 64 + (uint32_t)__builtin_ctzll(bitmap[word]);
	return count;
}

static void bitmap_assign(uint64_t *bitmap, uint32_t index, bool value)
{
	uint64_t bit = UINT64_C(1) << (index % 64);

	bitmap[index / 64] = value ? bitmap[index / 64] | bit : bitmap[index / 64] & ~bit;
}

static bool bitmap_test(const uint64_t *bitmap, uint32_t index)
{
	return bitmap[index / 64] >> (index % 64) & 1;
}

/* Book a region whose pages are gone as empty. */
static void region_note_empty_locked(struct gc_regions *regions, struct gc_region_range *range,
				     uint32_t index)
{
	bitmap_assign(range->free_resident, index, false);
	bitmap_assign(range->free_empty, index, true);
	regions->table[range->first + index].fresh = true;
	regions->table[range->first + index].made_bytes = 0;
	regions->resident_free--;
	regions->returned_bytes += regions->region_bytes;
	gc_history_add(regions->history, range->first + index, GC_REGION_EMPTIED, 0);
}

static bool region_decommit(const struct gc_regions *regions, const struct gc_region_range *range,
			    uint32_t index)
{
	struct gc_haddr start = gc_region_start(regions, range->first + index);

	return gc_view_decommit(regions->view, start, regions->region_bytes) == 0;
}

/* Return the pages of one free resident region. The kernel refusing leaves it resident. */
static bool region_decommit_locked(struct gc_regions *regions, struct gc_region_range *range,
				   uint32_t index)
{
	if (!regions->decommit_allowed || !region_decommit(regions, range, index))
		return false;
	region_note_empty_locked(regions, range, index);
	return true;
}

/* Make room for `wanted` more regions that are not resident yet, at the cost of resident
 * free ones. */
static bool regions_make_room_locked(struct gc_regions *regions, uint32_t wanted)
{
	while (regions->used + regions->resident_free + wanted > regions->max_regions) {
		bool done = false;

		for (uint32_t i = 0; i < GC_RANGE_COUNT && !done; i++) {
			struct gc_region_range *range = &regions->ranges[i];
			uint32_t index = bitmap_first(range->free_resident, range->count);

			done = index < range->count &&
			       region_decommit_locked(regions, range, index);
		}
		if (!done)
			return false;
	}
	return true;
}

static void region_claim_locked(struct gc_regions *regions, struct gc_region_range *range,
				uint32_t index, enum gc_region_kind kind)
{
	struct gc_region *region = &regions->table[range->first + index];
	bool resident = bitmap_test(range->free_resident, index);
	bool touched = index < range->high_water;
	bool fresh = region->fresh || !(resident || touched);

	gc_trap_open_locked(regions, range->first + index); /* [TR-1] */
	bitmap_assign(resident ? range->free_resident : range->free_empty, index, false);
	regions->resident_free -= resident;
	gc_store_relaxed(&regions->used, regions->used + 1); /* hints are read unlocked */
	*region =
		(struct gc_region){.kind = (uint8_t)kind,
				   .fresh = fresh,
				   .made_bytes = fresh ? region->made_bytes : regions->region_bytes,
				   .next = GC_REGION_NONE};
	if (index >= range->high_water)
		gc_store_relaxed(&range->high_water, index + 1); /* read unlocked */
	gc_history_add(regions->history, range->first + index, GC_REGION_TAKEN, (uint8_t)kind);
}

static uint32_t regions_allowed(const struct gc_regions *regions, enum gc_region_purpose purpose)
{
	return purpose == GC_FOR_MUTATOR ? gc_regions_limit(regions) : regions->max_regions;
}

enum gc_region_kind gc_region_kind_now(struct gc_regions *regions, uint32_t number)
{
	enum gc_region_kind kind;

	pthread_mutex_lock(&regions->lock);
	kind = regions->table[number].kind;
	pthread_mutex_unlock(&regions->lock);
	return kind;
}

void gc_regions_end_reserve(struct gc_regions *regions)
{
	pthread_mutex_lock(&regions->lock);
	gc_store_relaxed(&regions->reserve_spent, 0); /* read as a hint without the lock */
	pthread_mutex_unlock(&regions->lock);
}

uint32_t gc_region_take_locked(struct gc_regions *regions, enum gc_range which,
			       enum gc_region_kind kind, enum gc_region_purpose purpose)
{
	struct gc_region_range *range = &regions->ranges[which];
	uint32_t index = bitmap_first(range->free_resident, range->count);

	if (regions->used + 1 > regions_allowed(regions, purpose))
		return GC_REGION_NONE;
	if (index == range->count) {
		index = bitmap_first(range->free_empty, range->count);
		if (index == range->count || !regions_make_room_locked(regions, 1))
			return GC_REGION_NONE;
	}
	region_claim_locked(regions, range, index, kind);
	if (purpose == GC_FOR_COLLECTOR && regions->reserve_spent < regions->reserve_regions)
		gc_store_relaxed(&regions->reserve_spent, regions->reserve_spent + 1); /* */
	return range->first + index;
}

/* How many bits are set, or `most` if there are more. */
static uint32_t bitmap_count(const uint64_t *bitmap, uint32_t count, uint32_t most)
{
	uint32_t found = 0;

	for (uint32_t word = 0; word * 64 < count && found < most; word++)
		found += (uint32_t)__builtin_popcountll(bitmap[word]);
	return gc_min(found, most);
}

bool gc_region_lacks_supply_locked(const struct gc_regions *regions, enum gc_range which,
				   uint32_t ahead)
{
	const struct gc_region_range *range = &regions->ranges[which];

	return gc_range_high_water(range) > 0 &&
	       regions->used + regions->resident_free < gc_regions_limit(regions) &&
	       bitmap_count(range->free_resident, range->count, ahead) < ahead;
}

uint32_t gc_region_supply_locked(struct gc_regions *regions, enum gc_range which, uint32_t ahead)
{
	struct gc_region_range *range = &regions->ranges[which];
	uint32_t index = bitmap_first(range->free_empty, range->count);

	if (index == range->count || !gc_region_lacks_supply_locked(regions, which, ahead))
		return GC_REGION_NONE;
	gc_trap_open_locked(regions, range->first + index); /* [TR-1] */
	bitmap_assign(range->free_empty, index, false);
	bitmap_assign(range->free_resident, index, true);
	regions->resident_free++;
	regions->table[range->first + index].fresh = true;
	regions->table[range->first + index].made_bytes = 0;
	if (index >= range->high_water)
		gc_store_relaxed(&range->high_water, index + 1); /* read unlocked */
	return range->first + index;
}

void gc_region_made_locked(struct gc_regions *regions, uint32_t number)
{
	struct gc_region *region = &regions->table[number];

	if (region->kind == GC_REGION_FREE && region->fresh)
		region->made_bytes = regions->region_bytes;
}

static uint32_t range_find_run(const struct gc_region_range *range, uint32_t run)
{
	uint32_t length = 0;

	for (uint32_t i = 0; i < range->count; i++) {
		bool is_free = bitmap_test(range->free_resident, i) ||
			       bitmap_test(range->free_empty, i);

		length = is_free ? length + 1 : 0;
		if (length == run)
			return i + 1 - run;
	}
	return range->count;
}

uint32_t gc_region_take_run_locked(struct gc_regions *regions, enum gc_range which, uint32_t run,
				   enum gc_region_kind kind)
{
	struct gc_region_range *range = &regions->ranges[which];
	uint32_t first = range_find_run(range, run), resident = 0;

	if (run > regions->max_regions || first == range->count ||
	    regions->used + run > regions_allowed(regions, GC_FOR_MUTATOR))
		return GC_REGION_NONE;
	for (uint32_t i = first; i < first + run; i++)
		resident += bitmap_test(range->free_resident, i);
	/* Making room may take resident regions of the run itself: they are empty then, and the
	 * count of what has to be made only falls behind, so ask again. */
	while (!(regions->used + regions->resident_free + (run - resident) <=
		 regions->max_regions)) {
		if (!regions_make_room_locked(regions, run - resident))
			return GC_REGION_NONE;
		resident = 0;
		for (uint32_t i = first; i < first + run; i++)
			resident += bitmap_test(range->free_resident, i);
	}
	for (uint32_t i = first; i < first + run; i++) {
		/* A tail's kind follows its head's. */
		region_claim_locked(regions, range, i,
				    i == first ? kind : (enum gc_region_kind)(kind + 1));
		regions->table[range->first + i].run = i == first ? run : i - first;
	}
	return range->first + first;
}

static void region_free_one_locked(struct gc_regions *regions, uint32_t number)
{
	struct gc_region_range *range = &regions->ranges[gc_region_range(regions, number)];
	struct gc_region *region = &regions->table[number];

	GC_CHECK(R_1, region->kind != GC_REGION_FREE);
	gc_history_add(regions->history, number, GC_REGION_FREED, region->kind);
	*region = (struct gc_region){.kind = GC_REGION_FREE, .next = GC_REGION_NONE};
	regions->bits[number] = 0;
	bitmap_assign(range->free_resident, number - range->first, true);
	gc_store_relaxed(&regions->used, regions->used - 1); /* as in claim */
	regions->resident_free++;
}

void gc_region_free_locked(struct gc_regions *regions, uint32_t number)
{
	const struct gc_region *region = &regions->table[number];
	bool heads = region->kind == GC_REGION_LARGE || region->kind == GC_REGION_STACK;
	uint32_t run = heads ? region->run : 1;

	for (uint32_t i = 0; i < run; i++)
		region_free_one_locked(regions, number + i);
}

struct regions_trim {
	uint32_t target_regions;
	gc_region_forget forget;
	void *context;
};

/* One region, its pages returned without the lock: nobody else finds it meanwhile, and it counts
 * as resident until it is not. False when there is nothing left to do. */
static bool regions_trim_one(struct gc_regions *regions, struct gc_region_range *range,
			     uint32_t index, const struct regions_trim *trim)
{
	bool free_here, enough, done, unmarked;

	pthread_mutex_lock(&regions->lock);
	enough = !regions->decommit_allowed ||
		 regions->used + regions->resident_free <= trim->target_regions;
	free_here = !enough && bitmap_test(range->free_resident, index);
	if (free_here)
		bitmap_assign(range->free_resident, index, false);
	pthread_mutex_unlock(&regions->lock);
	if (!free_here)
		return !enough;
	done = region_decommit(regions, range, index);
	unmarked = done && trim->forget(trim->context, range->first + index);
	pthread_mutex_lock(&regions->lock);
	if (done)
		region_note_empty_locked(regions, range, index);
	else
		bitmap_assign(range->free_resident, index, true);
	regions->table[range->first + index].unmarked = unmarked;
	pthread_mutex_unlock(&regions->lock);
	return done;
}

void gc_regions_trim(struct gc_regions *regions, uint32_t target_regions, gc_region_forget forget,
		     void *context)
{
	struct regions_trim trim = {target_regions, forget, context};

	for (uint32_t i = 0; i < GC_RANGE_COUNT; i++) {
		struct gc_region_range *range = &regions->ranges[i];

		/* From the top down: low addresses are reused first. */
		for (uint32_t index = gc_range_high_water(range); index-- > 0;)
			if (!regions_trim_one(regions, range, index, &trim))
				return;
	}
}

void gc_regions_forget_free(struct gc_regions *regions)
{
	pthread_mutex_lock(&regions->lock);
	for (uint32_t i = 0; i < GC_RANGE_COUNT; i++) {
		struct gc_region_range *range = &regions->ranges[i];

		for (uint32_t index = 0; index < gc_range_high_water(range); index++)
			if (bitmap_test(range->free_resident, index))
				region_note_empty_locked(regions, range, index);
	}
	pthread_mutex_unlock(&regions->lock);
}

uint64_t gc_regions_resident_bytes(struct gc_regions *regions)
{
	uint64_t resident;

	pthread_mutex_lock(&regions->lock);
	resident = (uint64_t)regions->used + regions->resident_free;
	pthread_mutex_unlock(&regions->lock);
	return resident << regions->region_shift;
}
