/* gc/heap/history.h: what happened to regions lately: a small ring, kept in every build, read only when
 * the verifier finds something wrong (gc/collect/verify_report.c) or a debugger looks.
 *
 * [RH-1] An entry is written by whoever holds regions.lock, or by the cycle's thread before mutators can
 *        reach the region: entries of one region are in order.
 *
 * Who runs here: whoever takes, frees or chooses a region. */
#ifndef GC_HEAP_HISTORY_H
#define GC_HEAP_HISTORY_H

#include "gc/base/atomic.h"
#include "gc/base/types.h"

enum gc_region_event {
	GC_REGION_TAKEN,    /* detail: enum gc_region_kind */
	GC_REGION_FREED,    /* detail: the kind it had */
	GC_REGION_EMPTIED,  /* its pages went back to the kernel */
	GC_REGION_TARGETED, /* objects will move into it */
	GC_REGION_CHOSEN,   /* its objects will move out; detail: its class */
	GC_REGION_EVENT_COUNT,
};

#define GC_HISTORY_COUNT 4096 /* a power of two */

struct gc_history_entry {
	uint32_t number; /* of the event, from 1; 0: never written */
	uint32_t region;
	uint32_t cycle; /* cycles that had ended */
	uint8_t event, detail;
	uint16_t unused;
};

struct gc_history {
	uint32_t next;	/* atomic */
	uint32_t cycle; /* atomic; written by the cycle's thread */
	struct gc_history_entry entries[GC_HISTORY_COUNT];
};

extern const char *const gc_region_event_names[GC_REGION_EVENT_COUNT];

static inline void gc_history_add(struct gc_history *history, uint32_t region,
				  enum gc_region_event event, uint8_t detail)
{
	/* Relaxed: numbers only; a reader has the world stopped or is a debugger. */
	uint32_t number = gc_add_relaxed(&history->next, 1) + 1;

	history->entries[number % GC_HISTORY_COUNT] =
		(struct gc_history_entry){.number = number,
					  .region = region,
					  .cycle = gc_load_relaxed(&history->cycle), /* a label */
					  .event = (uint8_t)event,
					  .detail = detail};
}

#endif
