/* parallax/cycle.h: what a cycle did, in figures, and the last few cycles.
 *
 * Times are in nanoseconds; moments are of CLOCK_MONOTONIC. Sizes are in bytes, and of whole regions
 * except where it says live or evacuated. */
#ifndef PARALLAX_CYCLE_H
#define PARALLAX_CYCLE_H

#include <parallax/base.h>

struct plx_heap;

struct plx_cycle_summary {
	uint64_t number;   /* of the cycle in its heap, from 1 */
	const char *cause; /* a constant: "pacing", "asked for", "out of memory", "emergency" */
	const char *
		flip; /* a constant: how pages were taken away: "detach", "zap", "in pause"; "none" if
			      nothing was worth moving */
	uint64_t stop_the_world; /* 1: all of it was one pause */
	uint64_t start_ns, duration_ns;
	uint64_t mark_ns; /* marking, its pauses included */
	uint64_t move_ns; /* from the flip until every page was back; 0 without a flip */
	uint64_t heap_max_bytes;
	uint64_t used_before_bytes; /* in use when it began */
	uint64_t used_after_bytes; /* in use when it ended: what was allocated meanwhile is in it */
	uint64_t live_bytes;	   /* found alive; what was allocated meanwhile counts as alive */
	uint64_t freed_bytes;	   /* regions won: dead and evacuated ones, less those moved into */
	uint64_t evacuated_bytes, evacuated_regions, target_regions;
	uint64_t dirty_pages; /* that had references updated */
	uint64_t pauses, pause_ns, pause_max_ns;
	uint64_t handshakes, handshake_ns, handshake_max_ns; /* nobody stands still in these */
	/* Since the cycle before ended: */
	uint64_t allocated_bytes;
	uint64_t stalls, stall_ns; /* allocations that waited for a cycle, summed over threads */
	uint64_t paced, paced_ns;  /* short waits that make memory last, likewise */
	uint64_t faults;	   /* pages touched before they were back */
	/* What comes next: */
	uint64_t next_bytes; /* in use when the next cycle starts */
};

#define PLX_CYCLES_KEPT 32

PLX_BEGIN_DECLS

/* The last cycles that have ended, the newest first: at most `count`, and at most PLX_CYCLES_KEPT.
 * Returns how many were written to `into`. Any thread; takes a short lock. */
PLX_EXPORT uint32_t plx_heap_recent_cycles(struct plx_heap *heap, struct plx_cycle_summary *into,
					   uint32_t count);

/* One line for a person, as GC_LOG=1 prints it, without a newline; always NUL-terminated. Returns its
 * length, or what it would have been had `size` been enough. Any thread; never blocks. */
PLX_EXPORT size_t plx_cycle_summary_format(const struct plx_cycle_summary *summary, char *text,
					   size_t size);

PLX_END_DECLS

#endif
