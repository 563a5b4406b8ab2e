/* gc/collect/plan.c: what to evacuate, and where everything in it goes.
 *
 * Candidate regions of the classes that are worth it (worth.c) are taken in order of live bytes, the
 * emptiest first, as long as the copying stays within the budget and targets can be had. For each chosen region the forwarding entries are
 * filled and, for each target page, the first object that will overlap it is recorded, so that any
 * page of a target can be built on its own.
 *
 * [P-1] Here, and only here, a collection can run out of memory: a region without a target is not
 *       chosen; nothing has to be undone.
 * [P-2] A region needs at most one new target, since its live bytes fit into one region: so a target
 *       is secured before the region is started.
 * [P-3] Objects that start in one forwarding entry go to one target, back to back.
 *
 * Who runs here: the cycle's thread, mutators running. */
#include <stdlib.h>

#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "gc/collect/oracle.h"
#include "gc/collect/worth.h"

struct plan {
	struct gc_heap *heap;
	enum gc_range range;
	uint32_t target, spare;	     /* region numbers or GC_REGION_NONE */
	struct gc_haddr cursor, end; /* in the current target */
	uint32_t last_evacuated;     /* tail of the chain */
	uint64_t budget_bytes;
	uint64_t left_bytes; /* live bytes of the region under way that have no place yet */
};

struct plan_candidate {
	uint32_t region, live_bytes;
};

static int plan_compare(const void *a, const void *b)
{
	const struct plan_candidate *left = a, *right = b;

	if (left->live_bytes != right->live_bytes)
		return left->live_bytes < right->live_bytes ? -1 : 1;
	return left->region < right->region ? -1 : 1;
}

/* A free region whose pages exist and which nobody can fault on a hole in; GC_REGION_NONE if the
 * limit or the kernel says no. */
static uint32_t plan_take_target(struct plan *plan)
{
	struct gc_heap *heap = plan->heap;
	struct gc_regions *regions = &heap->regions;
	struct gc_haddr start;
	uint32_t number;
	int error;

	pthread_mutex_lock(&regions->lock);
	number = gc_region_take_locked(regions, plan->range, GC_REGION_SMALL, GC_FOR_COLLECTOR);
	pthread_mutex_unlock(&regions->lock);
	if (number == GC_REGION_NONE)
		return GC_REGION_NONE;
	start = gc_region_start(regions, number);
	gc_supply_region(heap, number); /* else the first copies would fault, page by page */
	error = gc_view_commit(&heap->view, start, regions->region_bytes);
	if (error < 0) {
		gc_degrade_note(heap, GC_DEGRADE_TARGET, error);
		pthread_mutex_lock(&regions->lock);
		gc_region_free_locked(regions, number);
		pthread_mutex_unlock(&regions->lock);
		return GC_REGION_NONE;
	}
	regions->table[number].fresh = false;
	gc_store_relaxed(&regions->bits[number],
			 GC_REGION_TARGET); /* nobody reaches it yet */
	memset(&heap->target_source[gc_heap_page(heap, start).n], 0,
	       gc_heap_pages_per_region(heap) * sizeof(uintptr_t));
	heap->cycle.targets[heap->cycle.target_count++] = number;
	gc_history_add(regions->history, number, GC_REGION_TARGETED, 0);
	return number;
}

static void plan_close_target(struct plan *plan)
{
	struct gc_region *region;

	if (plan->target == GC_REGION_NONE)
		return;
	region = &plan->heap->regions.table[plan->target];
	region->allocated_bytes =
		plan->cursor.at - gc_region_start(&plan->heap->regions, plan->target).at;
	region->live_bytes = region->allocated_bytes;
}

static void plan_next_target(struct plan *plan)
{
	plan_close_target(plan);
	plan->target = plan->spare;
	plan->spare = GC_REGION_NONE;
	plan->cursor = gc_region_start(&plan->heap->regions, plan->target);
	plan->end = (struct gc_haddr){plan->cursor.at + plan->heap->regions.region_bytes};
}

/* [P-2] */
static bool plan_secure(struct plan *plan, uint64_t live_bytes)
{
	bool fits = plan->target != GC_REGION_NONE && plan->end.at - plan->cursor.at >= live_bytes;

	/* Gaps take what a spare one leaves over. */
	if (fits && !gc_torture_is(&plan->heap->torture, GC_TORTURE_GAPS))
		return true;
	if (plan->spare == GC_REGION_NONE)
		plan->spare = plan_take_target(plan);
	return fits || plan->spare != GC_REGION_NONE;
}

/* Mark the granules of one object as live. */
static void plan_set_live(struct gc_heap *heap, struct gc_haddr object, uint64_t bytes)
{
	uint64_t granule = (object.at - heap->forward.base) >> GC_GRANULE_SHIFT;
	uint64_t end = granule + (bytes >> GC_GRANULE_SHIFT);

	while (granule < end) {
		uint64_t stop = gc_min((granule | 63) + 1, end), count = stop - granule;
		uint64_t ones = count == 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;

		heap->forward.entries[granule >> 6].live |= ones << (granule & 63);
		granule = stop;
	}
}

/* Remember for each page of the target which object overlaps its beginning first. */
static void plan_note_sources(struct plan *plan, struct gc_haddr object, struct gc_haddr target,
			      uint64_t bytes)
{
	struct gc_heap *heap = plan->heap;
	uint32_t first = gc_heap_page(heap, target).n;
	uint32_t last = gc_heap_page(heap, (struct gc_haddr){target.at + bytes - 1}).n;

	for (uint32_t page = first; page <= last; page++)
		if (heap->target_source[page] == 0)
			heap->target_source[page] = object.at;
}

struct plan_group {
	struct gc_haddr object[64];
	uint64_t bytes[64];
	uint32_t count;
	uint64_t total_bytes;
};

/* GC_TORTURE=gaps: bytes to leave in front of a group. What is left of the region has to find room all the
 * same, in this target or in one that is secured. [P-2] */
static uint64_t plan_gap(struct plan *plan, const struct plan_group *group)
{
	struct gc_torture *torture = &plan->heap->torture;
	uint64_t room = plan->end.at - plan->cursor.at, bytes, chance;
	uint64_t needed = plan->spare != GC_REGION_NONE ? group->total_bytes : plan->left_bytes;

	if (!gc_torture_is(torture, GC_TORTURE_GAPS) || room <= needed)
		return 0;
	chance = gc_torture_random(torture);
	/* Mostly a few granules, now and then more than a page. */
	bytes = chance % 64 == 0 ? chance / 64 % (3 * plan->heap->view.page_bytes)
				 : chance / 64 % (8 * PLX_GRANULE_BYTES);
	bytes = gc_round_down(gc_min(bytes, room - needed), PLX_GRANULE_BYTES);
	gc_add_relaxed(&torture->gaps, bytes != 0); /* figures */
	gc_add_relaxed(&torture->gap_bytes, bytes);
	plan->heap->cycle.gap_bytes += bytes;
	return bytes;
}

/* [P-3] Place the objects that start in one entry. Granules before the first of them belong to an
 * object that started earlier and went elsewhere; the target is set back by as much. */
static void plan_place_group(struct plan *plan, const struct plan_group *group)
{
	struct gc_forward_entry *entry;
	uint64_t granule, before;

	if (group->count == 0)
		return;
	if (plan->target == GC_REGION_NONE || plan->end.at - plan->cursor.at < group->total_bytes)
		plan_next_target(plan);
	plan->cursor.at += plan_gap(plan, group);
	plan->left_bytes -= group->total_bytes;
	entry = gc_forward_entry(&plan->heap->forward, group->object[0]);
	granule = (group->object[0].at - plan->heap->forward.base) >> GC_GRANULE_SHIFT & 63;
	before = (uint64_t)__builtin_popcountll(entry->live & ((UINT64_C(1) << granule) - 1));
	entry->target = plan->cursor.at - (before << GC_GRANULE_SHIFT);
	for (uint32_t i = 0; i < group->count; i++) {
		plan_note_sources(plan, group->object[i], plan->cursor, group->bytes[i]);
		gc_oracle_move(plan->heap, group->object[i], plan->cursor);
		plan->cursor.at += group->bytes[i];
	}
}

static void plan_region(struct plan *plan, uint32_t number)
{
	struct gc_heap *heap = plan->heap;
	struct gc_haddr start = gc_region_start(&heap->regions, number);
	uint64_t from = gc_markbits_index(&heap->markbits, start);
	uint64_t to = from + (heap->regions.region_bytes >> GC_GRANULE_SHIFT);
	struct plan_group group = {.count = 0};
	uint64_t entry = UINT64_MAX;

	plan->left_bytes = heap->regions.table[number].live_bytes;
	gc_oracle_region(heap, number);
	gc_supply_forwarding(heap, number);
	memset(gc_forward_entry(&heap->forward, start), 0,
	       (heap->regions.region_bytes >> GC_FORWARD_SHIFT) * sizeof(struct gc_forward_entry));
	for (uint64_t i = gc_markbits_next(&heap->markbits, from, to); i < to;
	     i = gc_markbits_next(&heap->markbits, i + 1, to)) {
		struct gc_haddr object = gc_markbits_address(&heap->markbits, i);
		uint64_t header = gc_header_at((const char *)object.at);
		uint64_t bytes = gc_type_size(gc_type_of(&heap->types, header), header);

		if (i >> 6 != entry) {
			plan_place_group(plan, &group);
			group.count = 0;
			group.total_bytes = 0;
			entry = i >> 6;
		}
		plan_set_live(heap, object, bytes);
		group.object[group.count] = object;
		group.bytes[group.count++] = bytes;
		group.total_bytes += bytes;
	}
	plan_place_group(plan, &group);
}

/* Put a region into the plan; its objects' addresses are final afterwards. */
static void plan_choose(struct plan *plan, uint32_t number)
{
	struct gc_heap *heap = plan->heap;
	struct gc_cycle *cycle = &heap->cycle;
	uint8_t bits = gc_load_relaxed(&heap->regions.bits[number]); /* */

	if (!gc_pin_try_choose(heap, number))
		return;
	plan_region(plan, number);
	cycle->evacuated_classes |= bits & GC_REGION_CLASS_MASK;
	cycle->evacuated_bytes += heap->regions.table[number].live_bytes;
	cycle->evacuated_count++;
	heap->regions.table[number].next = GC_REGION_NONE;
	gc_history_add(heap->regions.history, number, GC_REGION_CHOSEN,
		       bits & GC_REGION_CLASS_MASK);
	if (plan->last_evacuated == GC_REGION_NONE)
		cycle->evacuated_first[plan->range] = number;
	else
		heap->regions.table[plan->last_evacuated].next = number;
	plan->last_evacuated = number;
}

struct plan_candidates {
	struct plan_candidate *list;
	uint32_t count;
};

static void plan_collect_candidates(struct gc_heap *heap, enum gc_range which,
				    struct plan_candidates *into, struct gc_worth *by_class)
{
	const struct gc_region_range *range = &heap->regions.ranges[which];

	for (uint32_t r = range->first; r < range->first + gc_range_high_water(range); r++) {
		const struct gc_region *region = &heap->regions.table[r];
		uint8_t class = gc_load_relaxed(&heap->regions.bits[r]) &
				GC_REGION_CLASS_MASK; /* */

		/* The class first: a region that has one is nobody else's. */
		if (!class || region->kind != GC_REGION_SMALL ||
		    region->live_bytes > gc_region_densest(heap))
			continue;
		into->list[into->count++] =
			(struct plan_candidate){r, (uint32_t)region->live_bytes};
		by_class[class].regions++;
		by_class[class].live_bytes += region->live_bytes;
	}
	qsort(into->list, into->count, sizeof(*into->list), plan_compare);
}

/* Too dense for what it would win? [W-1] */
static bool plan_is_dear(const struct gc_heap *heap, uint32_t live_bytes, double byte_ns)
{
	double won = (double)heap->regions.region_bytes - live_bytes;
	double copied = (double)live_bytes / heap->view.page_bytes;

	return byte_ns > 0 && byte_ns * won < gc_worth_unit_ns(heap) * copied;
}

/* Take candidates of the chosen classes, the emptiest first. */
static void plan_range(struct gc_heap *heap, enum gc_range which,
		       const struct plan_candidates *candidates, uint8_t classes, double byte_ns,
		       uint64_t *budget_bytes)
{
	struct plan plan = {.heap = heap,
			    .range = which,
			    .target = GC_REGION_NONE,
			    .spare = GC_REGION_NONE,
			    .last_evacuated = GC_REGION_NONE};

	for (uint32_t i = 0; i < candidates->count; i++) {
		const struct plan_candidate *candidate = &candidates->list[i];

		if (!(gc_load_relaxed(&heap->regions.bits[candidate->region]) &
		      classes)) /* */
			continue;
		if (candidate->live_bytes > *budget_bytes ||
		    plan_is_dear(heap, candidate->live_bytes, byte_ns) ||
		    !plan_secure(&plan, candidate->live_bytes))
			break;
		*budget_bytes -= candidate->live_bytes;
		plan_choose(&plan, candidate->region);
	}
	plan_close_target(&plan);
	if (plan.spare != GC_REGION_NONE) { /* secured, but not needed */
		struct gc_region *spare = &heap->regions.table[plan.spare];

		spare->allocated_bytes = 0;
		spare->live_bytes = 0;
	}
}

/* Free the targets that nothing goes to. */
static void plan_free_empty_targets(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint32_t kept = 0;

	pthread_mutex_lock(&heap->regions.lock);
	for (uint32_t i = 0; i < cycle->target_count; i++) {
		uint32_t number = cycle->targets[i];

		if (heap->regions.table[number].allocated_bytes == 0)
			gc_region_free_locked(&heap->regions, number);
		else
			cycle->targets[kept++] = number;
	}
	cycle->target_count = kept;
	pthread_mutex_unlock(&heap->regions.lock);
}

/* Bytes this cycle may copy. Targets come out of what mutators could allocate from until the cycle
 * ends, so it leaves a part of that, see pace.c; unless mutators wait for memory already: then none. */
static uint64_t plan_budget_bytes(const struct gc_heap *heap)
{
	const struct gc_regions *regions = &heap->regions;
	uint64_t budget = heap->config.heap_max_bytes / 100 * heap->config.compact_budget_percent;
	uint64_t used = gc_load_relaxed(&regions->used); /* moves on anyway */

	if (heap->config.evacuate == 1 || heap->cycle.stop_the_world)
		return UINT64_MAX;
	if (gc_load_relaxed(&heap->stalled)) /* a hint */
		return (regions->max_regions - gc_min(used, regions->max_regions))
		       << regions->region_shift;
	return gc_min(budget, gc_pace_target_bytes(heap));
}

void gc_plan(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint64_t budget = plan_budget_bytes(heap);
	struct plan_candidates candidates[GC_RANGE_COUNT] = {{NULL, 0}};
	struct gc_worth by_class[GC_REGION_CLASS_MASK + 1] = {{0, 0}};
	struct plan_candidate *list;
	size_t bytes = GC_RANGE_COUNT * heap->regions.ranges[0].count * sizeof(*list);
	uint8_t classes = GC_REGION_CLASS_MASK;
	double byte_ns = 0;

	cycle->evacuated_first[GC_RANGE_OBJECTS] = GC_REGION_NONE;
	cycle->evacuated_first[GC_RANGE_LEAVES] = GC_REGION_NONE;
	gc_pins_begin_plan(heap);
	gc_oracle_begin(heap);
	if (heap->config.evacuate == 2) /* none */
		return;
	list = gc_meta_alloc(bytes);
	if (!list)
		return; /* [P-1] */
	for (int range = 0; range < GC_RANGE_COUNT; range++) {
		candidates[range].list = list + range * heap->regions.ranges[0].count;
		plan_collect_candidates(heap, (enum gc_range)range, &candidates[range], by_class);
	}
	if (heap->config.evacuate != 1 && !cycle->stop_the_world)
		classes = gc_worth_classes(heap, by_class, budget, &byte_ns);
	for (int range = 0; range < GC_RANGE_COUNT; range++)
		plan_range(heap, (enum gc_range)range, &candidates[range], classes, byte_ns,
			   &budget);
	gc_meta_free(list, bytes);
	plan_free_empty_targets(heap);
}
