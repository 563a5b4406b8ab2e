/* gc/collect/telemetry.h: what the cycle tells about itself: phases, pauses, samples of the heap.
 *
 * [TE-1] A cycle's phases follow each other without a gap: each ends where the next begins, the first
 *        begins with the cycle and the last ends with it.
 *
 * Who runs here: the cycle's thread. */
#ifndef GC_COLLECT_TELEMETRY_H
#define GC_COLLECT_TELEMETRY_H

#include "gc/heap/heap.h"

const char *gc_stop_name(enum gc_stop kind);
const char *gc_flip_mode_name(enum gc_flip_mode mode);

void gc_telemetry_cycle_begin(struct gc_heap *heap);
void gc_telemetry_cycle_end(struct gc_heap *heap);

/* The pause, or the handshake, that has just ended: statistics and events. */
void gc_telemetry_pause(struct gc_heap *heap);
void gc_telemetry_handshake(struct gc_heap *heap, uint64_t start_ns);

/* The beginning of the phase that ends now. */
uint64_t gc_telemetry_phase_end(struct gc_heap *heap, enum gc_event_id id);

/* A phase of the event table ends here; its arguments. [TE-1] */
#define GC_PHASE_END(heap, name, a, b, c, d)                                         \
	do {                                                                         \
		uint64_t from_ns_ = gc_telemetry_phase_end((heap), GC_EVENT_##name); \
                                                                                     \
		GC_SPAN((heap)->cycle_events, name, from_ns_,                        \
			(heap)->cycle.phase_started_ns - from_ns_, a, b, c, d);      \
	} while (0)

/* A part of a phase that began at `from_ns` ends here; the next begins. */
#define GC_PART_END(heap, name, from_ns)                                                         \
	do {                                                                                     \
		uint64_t now_ns_ = gc_clock_ns();                                                \
                                                                                                 \
		GC_SPAN((heap)->cycle_events, name, (from_ns), now_ns_ - (from_ns), 0, 0, 0, 0); \
		(from_ns) = now_ns_;                                                             \
	} while (0)

#endif
