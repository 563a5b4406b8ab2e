/* gc/collect/move.c: after the flip: bring every page back, in the order that keeps mutators from
 * noticing: clean extents first, then pages updated in place, then evacuation targets, and the
 * emptied regions last.
 *
 * [MV-1] When this returns every unit is READY and every extent is attached; only then may the
 *        evacuated regions be reused.                                                      [I4]
 *
 * Who runs here: workers, each with a share of the extents and of the targets, in address order;
 * mutators that fault race them for units, page by page. */
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/resolver.h"
#include "gc/collect/telemetry.h"
#include "gc/collect/workers.h"

/* Extents that move back in one call: mutators cannot fault pages in meanwhile, and each extent costs
 * an interruption of every CPU that runs the process (some 13 us). A whole, aligned gigabyte that is
 * clean moves as one table and costs one. */
#define MOVE_RUN_EXTENTS 8

/* Extents that can move back, gathered so that one call moves many. */
struct move_run {
	struct gc_heap *heap;
	uint32_t first, count, limit;
};

static uint32_t move_run_limit(const struct gc_heap *heap)
{
	/* Extents of one page: as many bytes. */
	return gc_torture_is(&heap->torture, GC_TORTURE_PAGE_EXTENTS) ? 512 * MOVE_RUN_EXTENTS
								      : MOVE_RUN_EXTENTS;
}

static void move_run_flush(struct move_run *run)
{
	if (run->count)
		gc_reattach_extents(run->heap, run->first, run->count);
	run->count = 0;
}

static void move_run_add(struct move_run *run, uint32_t extent)
{
	if (run->count && (run->first + run->count != extent || run->count == run->limit))
		move_run_flush(run);
	if (run->count == 0)
		run->first = extent;
	run->count++;
}

static uint32_t move_extent_count(const struct gc_heap *heap)
{
	return (uint32_t)(heap->cycle.detach_bytes >> heap->view.extent_shift);
}

static bool move_is_clean(const struct gc_heap *heap, uint32_t extent)
{
	return gc_extent_state(&heap->extents, extent) != GC_EXTENT_ATTACHED &&
	       gc_extent_classify(heap, extent) == GC_EXTENT_CLEAN;
}

static void move_clean_extents(struct gc_heap *heap)
{
	struct move_run run = {.heap = heap, .limit = move_run_limit(heap)};
	uint32_t whole = (uint32_t)(GC_VIEW_ALIGN >> heap->view.extent_shift);
	uint32_t count = move_extent_count(heap);

	for (uint32_t first = 0; first < count; first += whole) {
		uint32_t clean = 0;

		while (clean < whole && move_is_clean(heap, first + clean))
			clean++;
		if (clean == whole) {
			gc_reattach_extents(heap, first, whole);
			continue;
		}
		for (uint32_t extent = first; extent < first + whole; extent++)
			if (move_is_clean(heap, extent))
				move_run_add(&run, extent);
	}
	move_run_flush(&run);
}

/* Build one page, or wait for whoever is building it. */
static void move_unit(struct gc_worker *worker, struct gc_page page)
{
	struct gc_heap *heap = worker->heap;
	unsigned round = 0;

	if (gc_page_state(&heap->pages, page) == GC_PAGE_DETACHED &&
	    heap->resolver->is_unit(heap, page) && gc_page_try_claim(&heap->pages, page)) {
		gc_unit_finish_fault(heap, page, worker->scratch);
		return;
	}
	while (gc_page_state(&heap->pages, page) == GC_PAGE_CLAIMED)
		gc_backoff(&round);
}

static uint32_t move_pages_per_extent(const struct gc_heap *heap)
{
	return heap->view.extent_bytes >> heap->view.page_shift;
}

/* The units of one extent that are updated in place (and, under copy, all others but targets). */
static void move_update_extent(struct gc_worker *worker, uint32_t extent)
{
	struct gc_heap *heap = worker->heap;
	uint32_t pages = move_pages_per_extent(heap), first = extent * pages;

	for (uint32_t n = first; n < first + pages; n++) {
		struct gc_page page = {n};

		if (!gc_unit_is_target(heap, page))
			move_unit(worker, page);
	}
}

static bool extent_is_settled(const struct gc_heap *heap, uint32_t extent)
{
	uint32_t per_extent =
		(uint32_t)gc_max(1, heap->view.extent_bytes / heap->regions.region_bytes);
	struct gc_haddr start =
		gc_haddr(heap->view.heap + ((uint64_t)extent << heap->view.extent_shift));
	uint32_t number = gc_region_of(&heap->regions, start);

	for (uint32_t i = 0; i < per_extent; i++)
		if (gc_load_relaxed(&heap->regions.bits[number + i]) & /* [RA-1] */
		    (GC_REGION_TARGET | GC_REGION_EVACUATED))
			return false;
	return true;
}

/* What workers take from, piece by piece. */
struct move_job {
	uint32_t next, count;
	bool in_pause;
};

/* The next piece, of up to `step`; false when none is left. */
static bool move_take(struct move_job *job, uint32_t step, uint32_t *first, uint32_t *end)
{
	*first = gc_add_relaxed(&job->next, step); /* only hands out numbers */
	*end = gc_min(*first + step, job->count);
	return *first < job->count;
}

/* One extent: its units, and then itself, if nothing in it has to wait for copying. */
static void move_update_one(struct gc_worker *worker, struct move_run *run, uint32_t extent)
{
	struct gc_heap *heap = worker->heap;
	bool moves = heap->resolver->may_zap; /* [C-2] */
	enum gc_extent_class class = gc_extent_classify(heap, extent);

	if (class == GC_EXTENT_CLEAN || (moves && class == GC_EXTENT_SOURCE))
		return;
	move_update_extent(worker, extent);
	if (moves && extent_is_settled(heap, extent) &&
	    gc_extent_state(&heap->extents, extent) != GC_EXTENT_ATTACHED)
		move_run_add(run, extent);
}

static void move_update_work(struct gc_worker *worker, void *context)
{
	struct move_job *job = context;
	struct move_run run = {.heap = worker->heap, .limit = move_run_limit(worker->heap)};
	uint32_t extent, end;

	while (move_take(job, MOVE_RUN_EXTENTS, &extent, &end))
		for (; extent < end; extent++)
			if (!job->in_pause)
				move_update_one(worker, &run, extent);
			else if (gc_extent_classify(worker->heap, extent) == GC_EXTENT_DIRTY)
				move_update_extent(worker, extent);
	move_run_flush(&run);
}

static void move_target_work(struct gc_worker *worker, void *context)
{
	struct gc_heap *heap = worker->heap;
	uint32_t i, end;

	while (move_take(context, 1, &i, &end)) {
		uint32_t number = heap->cycle.targets[i];
		struct gc_page first = gc_heap_page(heap, gc_region_start(&heap->regions, number));
		uint64_t pages = gc_round_up(heap->regions.table[number].allocated_bytes,
					     heap->view.page_bytes) >>
				 heap->view.page_shift;

		for (uint64_t k = 0; k < pages; k++)
			move_unit(worker, (struct gc_page){first.n + (uint32_t)k});
	}
}

static void move_build_units(struct gc_heap *heap, bool in_pause)
{
	struct move_job update = {.count = move_extent_count(heap), .in_pause = in_pause};
	struct move_job targets = {.count = heap->cycle.target_count};
	uint64_t from_ns = gc_clock_ns();

	gc_workers_run(heap, move_update_work, &update);
	GC_PART_END(heap, update, from_ns);
	gc_workers_run(heap, move_target_work, &targets);
	GC_PART_END(heap, copy, from_ns);
}

/* Extents that held targets or sources, in both ranges. */
static void move_remaining_extents(struct gc_heap *heap)
{
	struct move_run run = {.heap = heap, .limit = move_run_limit(heap)};
	uint32_t count = move_extent_count(heap);

	for (uint32_t extent = 0; extent < heap->extents.count; extent++) {
		if (extent == count) /* on to the leaf range, where only targets were detached */
			extent = (uint32_t)(heap->view.range_bytes >> heap->view.extent_shift);
		if (gc_extent_state(&heap->extents, extent) == GC_EXTENT_ATTACHED)
			continue;
		move_run_add(&run, extent);
	}
	move_run_flush(&run);
}

/* Pages that were dropped singly are attached singly: the dirty ones here, in runs. */
static void move_attach_pages(struct gc_heap *heap, struct gc_page first, uint64_t pages)
{
	unsigned round = 0;

	while (heap->resolver->attach(heap, first, pages) < 0) {
		GC_REQUIRE(round < 1000000, "no memory to attach pages of the heap");
		gc_backoff(&round);
	}
}

static void move_attach_zapped(struct gc_heap *heap)
{
	const struct gc_cycle *cycle = &heap->cycle;
	uint32_t late = gc_load_acquire(&heap->late.count); /* [MO-LATE] */

	for (uint32_t i = 0; i < cycle->dirty_run_count; i++)
		move_attach_pages(heap, (struct gc_page){cycle->dirty_runs[i].first},
				  cycle->dirty_runs[i].count);
	for (uint32_t i = 0; i < late; i++)
		move_attach_pages(heap, (struct gc_page){heap->late.pages[i]}, 1);
}

/* Targets that were armed one by one, and whose extents did not move. */
static void move_attach_targets(struct gc_heap *heap)
{
	for (uint32_t i = 0; i < heap->cycle.target_count; i++) {
		uint32_t number = heap->cycle.targets[i];
		struct gc_haddr start = gc_region_start(&heap->regions, number);
		bool leaf = gc_region_range(&heap->regions, number) == GC_RANGE_LEAVES;
		bool moves = leaf ? heap->regions.region_bytes >= heap->view.extent_bytes
				  : heap->cycle.mode != GC_FLIP_ZAP;

		if (!moves && (!leaf || heap->cycle.leaves_armed))
			move_attach_pages(heap, gc_heap_page(heap, start),
					  gc_heap_pages_per_region(heap));
	}
}

void gc_move_concurrently(struct gc_heap *heap)
{
	uint64_t from_ns = gc_clock_ns();

	gc_torture_hold_back(heap);
	if (heap->cycle.mode == GC_FLIP_DETACH)
		move_clean_extents(heap);
	GC_PART_END(heap, reattach, from_ns);
	if (heap->cycle.mode != GC_FLIP_IN_PAUSE)
		move_build_units(heap, false);
	from_ns = gc_clock_ns();
	if (heap->cycle.mode == GC_FLIP_ZAP)
		move_attach_zapped(heap);
	if (!heap->resolver->may_zap) /* [C-2] */
		return;
	move_attach_targets(heap);
	move_remaining_extents(heap);
	GC_PART_END(heap, bring_back, from_ns);
}

/* The same units, inside the pause; what was armed before it is attached by gc_move_concurrently. */
void gc_move_stw(struct gc_heap *heap)
{
	move_build_units(heap, true);
}
