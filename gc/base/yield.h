/* gc/base/yield.h: schedule perturbation (GC_YIELD): at named places of the protocols the thread
 * sometimes gives up the CPU, by a generator seeded from the option, so that rare interleavings
 * become common. Off, it is one load of a constant. Any context: sched_yield is all it does. */
#ifndef GC_BASE_YIELD_H
#define GC_BASE_YIELD_H

#include <sched.h>
#include <stdint.h>

#include "gc/base/atomic.h"

extern uint64_t gc_yield_state; /* 0: off */

static inline void gc_yield_point(void)
{
	/* Relaxed: racing updates only lose or repeat a random number. */
	uint64_t state = gc_load_relaxed(&gc_yield_state);

	if (__builtin_expect(state == 0, 1))
		return;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	gc_store_relaxed(&gc_yield_state, state ? state : 1);
	if ((state >> 33) % 8 == 0)
		sched_yield();
}

/* Wait politely in a loop whose other side makes progress by itself: spin, then yield. */
static inline void gc_backoff(unsigned *round)
{
	if (++*round < 64)
		gc_cpu_relax();
	else
		sched_yield();
}

#endif
