/* gc/collect/telemetry.c: what the cycle tells about itself. See telemetry.h. */
#include "gc/collect/telemetry.h"

#include "gc/base/atomic.h"

const char *gc_stop_name(enum gc_stop kind)
{
	return kind == GC_STOP_FLIP ? "flip" : "brief";
}

const char *gc_flip_mode_name(enum gc_flip_mode mode)
{
	static const char *const names[] = {"detach", "zap", "in pause"};

	return names[mode];
}

static uint64_t telemetry_used_bytes(const struct gc_heap *heap)
{
	return (uint64_t)gc_load_relaxed(&heap->regions.used) /* a sample */
	       << heap->regions.region_shift;
}

static void telemetry_sample(struct gc_heap *heap)
{
	GC_COUNTER(heap->cycle_events, heap, telemetry_used_bytes(heap),
		   gc_load_relaxed(&heap->stats.live_bytes), /* a sample */
		   gc_regions_resident_bytes(&heap->regions), 0);
}

void gc_telemetry_cycle_begin(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;

	cycle->number = gc_load_relaxed(&heap->stats.cycles) + 1; /* this thread counts them */
	cycle->phase_started_ns = cycle->start_ns;
	cycle->used_before_bytes = telemetry_used_bytes(heap);
	GC_INSTANT(heap->cycle_events, cycle_begin, cycle->number, cycle->cause, 0, 0);
	telemetry_sample(heap);
}

void gc_telemetry_cycle_end(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;

	cycle->end_ns = cycle->phase_started_ns; /* [TE-1] */
	GC_SPAN(heap->cycle_events, cycle, cycle->start_ns, cycle->end_ns - cycle->start_ns,
		cycle->number, cycle->cause, cycle->live_bytes,
		cycle->freed_regions << heap->regions.region_shift);
	telemetry_sample(heap);
}

void gc_telemetry_pause(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;
	const char *kind = gc_stop_name(heap->pause_kind);
	uint64_t pause_ns = gc_clock_ns() - heap->pause_started_ns;
	uint64_t reaching_ns = heap->pause_stopped_ns - heap->pause_started_ns;

	plx_histogram_record_shared(&heap->distributions[PLX_DISTRIBUTION_PAUSE_NS], pause_ns);
	gc_add_relaxed(&heap->stats.pauses, 1); /* statistics */
	gc_add_relaxed(&heap->stats.pause_ns, pause_ns);
	cycle->pause_count++;
	cycle->pause_total_ns += pause_ns;
	cycle->pause_max_ns = gc_max(cycle->pause_max_ns, pause_ns);
	GC_SPAN(heap->cycle_events, stop, heap->pause_started_ns, reaching_ns, kind, 0, 0, 0);
	GC_SPAN(heap->cycle_events, pause, heap->pause_started_ns, pause_ns, kind, reaching_ns, 0,
		0);
	heap->world->paused(heap, &(struct plx_pause){.kind = kind,
						      .start_ns = heap->pause_started_ns,
						      .duration_ns = pause_ns,
						      .reaching_ns = reaching_ns,
						      .cycle_number = cycle->number});
}

void gc_telemetry_handshake(struct gc_heap *heap, uint64_t start_ns)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint64_t took_ns = gc_clock_ns() - start_ns;

	plx_histogram_record_shared(&heap->distributions[PLX_DISTRIBUTION_HANDSHAKE_NS], took_ns);
	gc_add_relaxed(&heap->stats.handshakes, 1); /* statistics */
	gc_add_relaxed(&heap->stats.handshake_ns, took_ns);
	cycle->handshake_count++;
	cycle->handshake_total_ns += took_ns;
	cycle->handshake_max_ns = gc_max(cycle->handshake_max_ns, took_ns);
	GC_SPAN(heap->cycle_events, handshake, start_ns, took_ns, gc_load_relaxed(&heap->regime), 0,
		0, 0); /* this thread sets it */
}

uint64_t gc_telemetry_phase_end(struct gc_heap *heap, enum gc_event_id id)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint64_t from_ns = cycle->phase_started_ns;

	cycle->phase_started_ns = gc_clock_ns();
	cycle->phase_ns[id] += cycle->phase_started_ns - from_ns;
	return from_ns;
}
