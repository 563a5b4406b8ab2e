/* parallax/listener.h: being told what the collector does, as it does it.
 *
 * A listener is a table of functions; those that are NULL are not called. They must be short, must not
 * block, and must not leave by longjmp. Of this library they may call plx_heap_stats,
 * plx_heap_distribution, plx_heap_recent_cycles, plx_cycle_summary_format, plx_heap_contains and what
 * does not take a heap; nothing else: no allocation, no polls, no handles, no collection. They never run
 * inside a pause, a fault, or a signal handler. Several may run at once, on different threads.
 *
 * Times are in nanoseconds; moments are of CLOCK_MONOTONIC. */
#ifndef PARALLAX_LISTENER_H
#define PARALLAX_LISTENER_H

#include <parallax/base.h>
#include <parallax/cycle.h>

struct plx_heap;
struct plx_thread;

struct plx_pause {
	const char *kind;     /* a constant: "flip", or "brief" */
	uint64_t start_ns;    /* when the stop was requested */
	uint64_t duration_ns; /* until threads might run again */
	uint64_t reaching_ns; /* of that, until the last of them stood still */
	uint64_t cycle_number;
};

struct plx_flip {
	const char *mode; /* a constant, as in plx_cycle_summary.flip */
	uint64_t cycle_number;
	uint64_t evacuated_regions, evacuated_bytes, target_regions;
	uint64_t dirty_pages;
};

struct plx_stall {
	struct plx_thread *thread; /* the caller's own */
	uint64_t start_ns, duration_ns;
	uint64_t bytes;	    /* of the allocation that waited */
	uint64_t emergency; /* 1: it asked for a cycle that stops the world */
};

struct plx_listener {
	void *context; /* given to each function */

	/* On the collector thread, when a cycle begins and when it has ended. Those who wait for the cycle
	 * go on after cycle_end. */
	void (*cycle_begin)(void *context, uint64_t number, const char *cause);
	void (*cycle_end)(void *context, const struct plx_cycle_summary *summary);

	/* On the collector thread, right after a pause; threads run again. */
	void (*pause)(void *context, const struct plx_pause *pause);

	/* The same after a flip, or after a pause in which objects moved: addresses have changed, and pages
	 * are on their way back while this runs. Comes after `pause`. */
	void (*flip)(void *context, const struct plx_flip *flip);

	/* On the mutator that waited for a cycle, when its wait is over. Not called for short waits that
	 * only pace allocation. No cycle goes on past its next safepoint before this returns. */
	void (*stall)(void *context, const struct plx_stall *stall);

	/* On the collector thread, when free memory was given back to the kernel. */
	void (*memory_returned)(void *context, uint64_t bytes);
};

#define PLX_LISTENERS_MAX 8

PLX_BEGIN_DECLS

/* Begin to call `listener`, which must stay as it is until it is removed or the heap is destroyed. Any
 * thread but one that is inside a listener; may block for listeners that run now. PLX_ERROR_MISUSE: from
 * inside a listener, or it is there already. PLX_ERROR_LIMIT: there are PLX_LISTENERS_MAX. */
PLX_EXPORT enum plx_status plx_heap_listener_add(struct plx_heap *heap,
						 const struct plx_listener *listener);

/* No function of `listener` runs any more when this returns. Threads and blocking as above.
 * PLX_ERROR_MISUSE: from inside a listener, or it is not there. */
PLX_EXPORT enum plx_status plx_heap_listener_remove(struct plx_heap *heap,
						    const struct plx_listener *listener);

PLX_END_DECLS

#endif
