/* gc/cycle.c: one collection, as a recipe: the only caller of whole phases.
 *
 *   1 prepare    candidates chosen, last cycle's bits cleared               mutators run
 *   2 start      TLABs dropped, barriers on, embedder's roots marked        pause
 *   3 mark       root pages, then everything reachable                      mutators run
 *   4 terminate  barrier buffers empty? logging off : back to 3             pause
 *   5 sweep      dead weak references cleared, dead regions free            mutators run
 *   6 plan       what moves where, targets reserved                         mutators run
 *   7 flip       pages taken away, roots forwarded, barriers off            pause
 *   8 move       pages come back: clean, updated, copied                    mutators run
 *   9 finish     evacuated regions are free, with their pages               mutators run
 *
 * With nothing worth moving, 7 only switches the barriers off and 8-9 vanish. With `stop_the_world`
 * all of it is one pause.
 *
 * [CY-1] Phases change while every mutator is stopped, except at finish, where the change is under
 *        regions.lock and no mutator holds a decision made on it.
 *
 * Who runs here: the runtime's collector thread, one cycle at a time. */
#include <stdio.h>

#include "gc/base/clock.h"
#include "gc/collect/collect.h"
#include "gc/collect/reference.h"
#include "gc/collect/resolver.h"

const char gc_cause_pacing[] = "pacing";

static void cycle_pause_begin(struct gc_heap *heap, enum gc_stop kind)
{
	if (heap->stopped)
		return;
	heap->pause_started_ns = gc_clock_ns();
	heap->world->stop(heap, kind);
	heap->stopped = true;
}

static void cycle_pause_end(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint64_t pause_ns;

	if (cycle->stop_the_world)
		return; /* one long pause: cycle_run ends it */
	heap->world->resume(heap);
	heap->stopped = false;
	pause_ns = gc_clock_ns() - heap->pause_started_ns;
	plx_histogram_record_shared(&heap->distributions[PLX_DISTRIBUTION_PAUSE_NS], pause_ns);
	gc_add_relaxed(&heap->stats.pause_ns, pause_ns); /* a statistic */
	cycle->pause_count++;
	cycle->pause_total_ns += pause_ns;
	cycle->pause_max_ns = gc_max(cycle->pause_max_ns, pause_ns);
}

static void cycle_mutator_start(struct gc_heap *heap, struct gc_mutator *mutator)
{
	gc_tlab_drop_all(heap, mutator);
	mutator->satb_count = 0;
	gc_store_relaxed(&mutator->pub.barrier, GC_BARRIER_LOG | GC_BARRIER_FLAG); /* stopped */
}

static void cycle_mutator_unlog(struct gc_heap *heap, struct gc_mutator *mutator)
{
	(void)heap;
	gc_store_relaxed(&mutator->pub.barrier, GC_BARRIER_FLAG); /* its thread is stopped */
}

static void cycle_mutator_quiet(struct gc_heap *heap, struct gc_mutator *mutator)
{
	gc_tlab_drop_all(heap, mutator);
	gc_store_relaxed(&mutator->pub.barrier, 0); /* its thread is stopped */
}

/* Regions that TLABs are cut from hold old objects from here on; new ones go to black regions. */
static void cycle_close_current_stw(struct gc_heap *heap)
{
	for (int range = 0; range < GC_RANGE_COUNT; range++) {
		uint32_t number = heap->current[range];

		if (number != GC_REGION_NONE)
			heap->regions.table[number].current = false;
		heap->current[range] = GC_REGION_NONE;
	}
}

static void cycle_start(struct gc_heap *heap)
{
	gc_references_begin(heap);
	cycle_pause_begin(heap, GC_STOP_BRIEF);
	heap->world->each_mutator(heap, cycle_mutator_start);
	cycle_close_current_stw(heap);
	gc_store_relaxed(&heap->phase, GC_PHASE_MARKING); /* [CY-1] resume orders it */
	gc_store_relaxed(&heap->allocated_at_cycle_start,
			 heap->allocated_bytes); /* a hint for pacing */
	heap->world->each_root(heap, gc_mark_root, NULL);
	cycle_pause_end(heap);
	gc_pace_marking(heap);
}

/* [CY-1] True when marking is complete; barriers then stop logging. */
static bool cycle_try_terminate(struct gc_heap *heap)
{
	bool done;

	cycle_pause_begin(heap, GC_STOP_BRIEF);
	heap->world->each_mutator(heap, gc_satb_flush);
	done = gc_mark_done(heap) && gc_references_settle(heap);
	if (done) {
		heap->world->each_mutator(heap, cycle_mutator_unlog);
		gc_store_relaxed(&heap->phase, GC_PHASE_PLANNING); /* resume orders it */
	}
	cycle_pause_end(heap);
	return done;
}

static void cycle_mark(struct gc_heap *heap)
{
	uint64_t start_ns = gc_clock_ns();

	gc_mark_root_pages(heap);
	do
		gc_mark_drain(heap);
	while (!cycle_try_terminate(heap));
	heap->cycle.mark_ns = gc_clock_ns() - start_ns;
}

/* Nothing to move: back to idle. */
static void cycle_end_without_flip(struct gc_heap *heap)
{
	cycle_pause_begin(heap, GC_STOP_BRIEF);
	heap->world->each_mutator(heap, cycle_mutator_quiet);
	cycle_close_current_stw(heap);
	gc_store_relaxed(&heap->phase, GC_PHASE_IDLE); /* [CY-1] resume orders it */
	cycle_pause_end(heap);
	gc_verify_at(heap, GC_VERIFY_AFTER);
}

static void cycle_flip(struct gc_heap *heap)
{
	gc_flip_prepare(heap);
	cycle_pause_begin(heap, GC_STOP_FLIP);
	gc_flip_stw(heap);
	heap->world->armed(heap, gc_load_acquire(&heap->armed)); /* [MO-ARMED] */
	cycle_pause_end(heap);
	gc_move_concurrently(heap);
	gc_finish(heap);
	heap->world->armed(heap, false);
}

static void cycle_record(struct gc_heap *heap)
{
	const struct gc_cycle *cycle = &heap->cycle;
	struct plx_stats *stats = &heap->stats;
	bool flipped = cycle->evacuated_count != 0;

	/* Relaxed: statistics. */
	gc_add_relaxed(&stats->flips, flipped);
	gc_add_relaxed(&stats->flips_zapped, flipped && cycle->mode == GC_FLIP_ZAP);
	gc_add_relaxed(&stats->emergency_cycles,
		       cycle->stop_the_world && heap->resolver->concurrent);
	gc_add_relaxed(&stats->evacuated_bytes, cycle->evacuated_bytes);
	gc_add_relaxed(&stats->evacuated_regions, cycle->evacuated_count);
	gc_add_relaxed(&stats->dirty_pages, cycle->dirty_pages);
	gc_add_relaxed(&stats->updated_in_place_bytes, cycle->dirty_pages << heap->view.page_shift);
	gc_add_relaxed(&stats->cycle_ns, gc_clock_ns() - cycle->start_ns);
	gc_add_relaxed(&stats->cycles, 1);
}

static void cycle_log(const struct gc_heap *heap)
{
	static const char *const modes[] = {"detach", "zap", "in pause"};
	const struct gc_cycle *cycle = &heap->cycle;

	if (!heap->config.log)
		return;
	fprintf(stderr,
		"parallax: cycle %lu (%s): %.1f ms, marked in %.1f ms; live %.1f MiB, %lu regions freed; "
		"moved %u regions, %.1f MiB into %u (%s), %lu dirty pages; %lu pauses, %.0f us in all, "
		"longest %.0f us; next at %.1f MiB of %.1f\n",
		gc_load_relaxed(&heap->stats.cycles), cycle->cause,
		(double)(gc_clock_ns() - cycle->start_ns) / 1e6, (double)cycle->mark_ns / 1e6,
		(double)cycle->live_bytes / 1048576.0, cycle->freed_regions, cycle->evacuated_count,
		(double)cycle->evacuated_bytes / 1048576.0, cycle->target_count,
		cycle->evacuated_count ? modes[cycle->mode] : "no flip", cycle->dirty_pages,
		cycle->pause_count, (double)cycle->pause_total_ns / 1e3,
		(double)cycle->pause_max_ns / 1e3,
		(double)gc_load_relaxed(&heap->trigger_regions) * heap->regions.region_bytes /
			1048576.0,
		(double)heap->config.heap_max_bytes / 1048576.0);
}

static void cycle_begin(struct gc_heap *heap, const char *cause, bool stop_the_world)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint32_t *targets = cycle->targets, capacity = cycle->targets_capacity;

	*cycle = (struct gc_cycle){.cause = cause,
				   .stop_the_world = stop_the_world,
				   .thrifty = cause == gc_cause_pacing,
				   .targets = targets,
				   .targets_capacity = capacity,
				   .start_ns = gc_clock_ns()};
	/* Relaxed: a label, see history.h; written by this thread. */
	gc_store_relaxed(&heap->regions.history->cycle,
			 (uint32_t)gc_load_relaxed(&heap->stats.cycles));
	if (stop_the_world)
		cycle_pause_begin(heap, GC_STOP_FLIP);
}

static void cycle_end(struct gc_heap *heap)
{
	if (heap->cycle.stop_the_world) {
		heap->cycle.stop_the_world = false;
		cycle_pause_end(heap);
		heap->cycle.stop_the_world = true;
	}
	gc_regions_end_reserve(&heap->regions);
	gc_pace_after_cycle(heap);
	cycle_record(heap);
	cycle_log(heap);
}

void gc_cycle_run(struct gc_heap *heap, const char *cause, bool stop_the_world)
{
	cycle_begin(heap, cause, stop_the_world);
	gc_candidates_choose(heap);
	gc_mark_prepare(heap);
	gc_verify_at(heap, GC_VERIFY_BEFORE);
	cycle_start(heap);
	cycle_mark(heap);
	gc_references_clear(heap);
	gc_verify_at(heap, GC_VERIFY_MARK);
	gc_sweep(heap);
	gc_plan(heap);
	gc_pace_moving(heap);
	if (heap->cycle.evacuated_count == 0)
		cycle_end_without_flip(heap);
	else
		cycle_flip(heap);
	cycle_end(heap);
}
