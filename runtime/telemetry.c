/* runtime/telemetry.c: what a cycle did, summed up when it has ended: for the log, for whoever asks, and
 * for listeners.
 *
 * Who runs here: the collector thread, after a cycle; any thread that asks. */
#include <parallax/cycle.h>

#include <string.h>

#include "gc/collect/telemetry.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

/* What was counted since the last call. */
static uint64_t telemetry_since(uint64_t *before, const uint64_t *counter)
{
	uint64_t now = gc_load_relaxed(counter), since = now - *before; /* a statistic */

	*before = now;
	return since;
}

static void summary_fill_waits(struct plx_heap *heap, struct plx_cycle_summary *summary)
{
	struct rt_telemetry *telemetry = &heap->telemetry;
	const struct plx_stats *stats = &heap->gc.stats;

	summary->allocated_bytes =
		telemetry_since(&telemetry->allocated_bytes, &heap->gc.allocated_bytes);
	summary->stalls = telemetry_since(&telemetry->stalls, &stats->stalls);
	summary->stall_ns = telemetry_since(&telemetry->stall_ns, &stats->stall_ns);
	summary->paced = telemetry_since(&telemetry->paced, &stats->paced);
	summary->paced_ns = telemetry_since(&telemetry->paced_ns, &stats->paced_ns);
	summary->faults = telemetry_since(&telemetry->faults, &stats->faults);
}

static void summary_fill(struct plx_heap *heap, struct plx_cycle_summary *summary)
{
	const struct gc_cycle *cycle = &heap->gc.cycle;
	const struct gc_regions *regions = &heap->gc.regions;
	bool moved = cycle->evacuated_count != 0;
	uint64_t freed = cycle->freed_regions - gc_min(cycle->target_count, cycle->freed_regions);

	*summary = (struct plx_cycle_summary){
		.number = cycle->number,
		.cause = cycle->cause,
		.flip = moved ? gc_flip_mode_name(cycle->mode) : "none",
		.stop_the_world = cycle->stop_the_world,
		.start_ns = cycle->start_ns,
		.duration_ns = cycle->end_ns - cycle->start_ns,
		.mark_ns = cycle->mark_ns,
		.move_ns = cycle->phase_ns[GC_EVENT_move] + cycle->phase_ns[GC_EVENT_finish],
		.heap_max_bytes = heap->gc.config.heap_max_bytes,
		.used_before_bytes = cycle->used_before_bytes,
		.used_after_bytes = (uint64_t)gc_load_relaxed(&regions->used) /* a sample */
				    << regions->region_shift,
		.live_bytes = cycle->live_bytes,
		.freed_bytes = freed << regions->region_shift,
		.evacuated_bytes = cycle->evacuated_bytes,
		.evacuated_regions = cycle->evacuated_count,
		.target_regions = cycle->target_count,
		.dirty_pages = cycle->dirty_pages,
		.pauses = cycle->pause_count,
		.pause_ns = cycle->pause_total_ns,
		.pause_max_ns = cycle->pause_max_ns,
		.handshakes = cycle->handshake_count,
		.handshake_ns = cycle->handshake_total_ns,
		.handshake_max_ns = cycle->handshake_max_ns,
		.next_bytes = (uint64_t)gc_load_relaxed(&heap->gc.trigger_regions) /* a sample */
			      << regions->region_shift,
	};
	summary_fill_waits(heap, summary);
}

void rt_telemetry_cycle(struct plx_heap *heap)
{
	struct rt_telemetry *telemetry = &heap->telemetry;
	struct plx_cycle_summary summary;

	summary_fill(heap, &summary);
	pthread_mutex_lock(&telemetry->lock);
	telemetry->recent[telemetry->ended++ % PLX_CYCLES_KEPT] = summary;
	pthread_mutex_unlock(&telemetry->lock);
	gc_add_relaxed(&heap->gc.stats.freed_bytes, summary.freed_bytes); /* a statistic */
	rt_log_cycle(heap, &summary);
	rt_pins_log(&heap->gc);
	rt_listeners_cycle_end(heap, &summary);
}

uint32_t plx_heap_recent_cycles(struct plx_heap *heap, struct plx_cycle_summary *into,
				uint32_t count)
{
	RT_USE_HEAP(heap);
	RT_USE(into || count == 0, "`into` is NULL");
	struct rt_telemetry *telemetry = &heap->telemetry;
	uint64_t there;

	pthread_mutex_lock(&telemetry->lock);
	there = gc_min(gc_min(count, PLX_CYCLES_KEPT), telemetry->ended);
	for (uint64_t i = 0; i < there; i++)
		into[i] = telemetry->recent[(telemetry->ended - 1 - i) % PLX_CYCLES_KEPT];
	pthread_mutex_unlock(&telemetry->lock);
	return (uint32_t)there;
}

void rt_telemetry_init(struct plx_heap *heap)
{
	pthread_mutex_init(&heap->telemetry.lock, NULL);
}

void rt_telemetry_destroy(struct plx_heap *heap)
{
	pthread_mutex_destroy(&heap->telemetry.lock);
}
