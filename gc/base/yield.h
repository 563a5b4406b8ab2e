/* gc/base/yield.h: schedule perturbation (GC_YIELD): at named places of the protocols the thread
 * sometimes gives up the CPU, by a generator seeded from the option, so that rare interleavings
 * become common. Off, it is one load of a constant. Any context: sched_yield and nanosleep are all it does. */
#ifndef GC_BASE_YIELD_H
#define GC_BASE_YIELD_H

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

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

/* Wait politely in a loop whose other side makes progress by itself: spin, then yield, then sleep. Sleep,
 * because the other side may have been put off its CPU by a third party: only a CPU that falls idle
 * fetches it over, and one that yields in a loop never is. */
static inline void gc_backoff(unsigned *round)
{
	static const struct timespec nap = {.tv_sec = 0, .tv_nsec = 20000};
	int saved = errno;

	if (++*round < 64)
		gc_cpu_relax();
	else if (*round < 128)
		sched_yield();
	else
		nanosleep(&nap, NULL);
	errno = saved; /* faults wait here too */
}

#endif
