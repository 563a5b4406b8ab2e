/* gc/base/clock.h: the monotonic clock, in nanoseconds. Any thread, any context (vDSO). */
#ifndef GC_BASE_CLOCK_H
#define GC_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t gc_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* CPU time of the calling thread: a system call. */
static inline uint64_t gc_clock_thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
