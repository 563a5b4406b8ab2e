/* bench/gc_pause/recorder.h: how long every operation took, from one clock reading each.
 *
 * The end of one operation is the start of the next, so that no time between two operations
 * escapes: what a stall costs is seen wherever it falls. The one exception is recorder_resume,
 * by which a workload leaves out time that is not the program's to lose (reading a file, waiting
 * for other threads at a barrier).
 *
 * Each thread records into its own recorder, without allocating; the run reads them when the
 * threads have ended. */
#ifndef BENCH_GC_PAUSE_RECORDER_H
#define BENCH_GC_PAUSE_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <parallax/base.h>
#include <parallax/histogram.h>

/* Operations at least this long are kept one by one, for the utilisation. */
#define RECORDER_STALL_NS 20000
/* A power of two; when more stalls than this occur, the utilisation is of the latest ones. */
#define RECORDER_STALLS (UINT64_C(1) << 19)
#define RECORDER_WINDOWS 3

struct recorder_stall {
	uint64_t end_ns;
	uint64_t length_ns;
};

struct recorder {
	uint64_t last_ns;
	uint64_t deadline_ns;	    /* atomic: stop at the first operation that ends after it */
	uint64_t operations_target; /* stop when as many were recorded */
	uint64_t operations_seen;   /* atomic copy of the count, for the progress line */
	uint64_t stall_count;	    /* ever; the ring keeps the latest RECORDER_STALLS */
	struct recorder_stall *stalls;
	struct plx_histogram operations;
};

static inline uint64_t recorder_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* NULL if there is no memory. */
struct recorder *recorder_create(void);
void recorder_destroy(struct recorder *recorder);

/* Forget what was recorded, and begin. */
void recorder_start(struct recorder *recorder, uint64_t deadline_ns, uint64_t operations_target);

/* Out of line, for it is rare. */
void recorder_note_stall(struct recorder *recorder, uint64_t end_ns, uint64_t length_ns);

/* The time since the last step belongs to no operation. */
static inline void recorder_resume(struct recorder *recorder)
{
	recorder->last_ns = recorder_clock_ns();
}

/* An operation ends here. False when the run is to end. */
static inline bool recorder_step(struct recorder *recorder)
{
	uint64_t now_ns = recorder_clock_ns();
	uint64_t length_ns = now_ns - recorder->last_ns;

	recorder->last_ns = now_ns;
	plx_histogram_record(&recorder->operations, length_ns);
	if (PLX_UNLIKELY(length_ns >= RECORDER_STALL_NS))
		recorder_note_stall(recorder, now_ns, length_ns);
	/* Relaxed: only the progress line reads it, and an old count does no harm there. */
	__atomic_store_n(&recorder->operations_seen, recorder->operations.count, __ATOMIC_RELAXED);
	return recorder->operations.count < recorder->operations_target &&
	       now_ns < __atomic_load_n(&recorder->deadline_ns, __ATOMIC_RELAXED); /* as above */
}

/* The distribution of what a request waits that arrives at a random instant: the rest of the
 * operation under way. An operation of length L stands for L instants with waits from 0 to L, so
 * the weight of wait w is the number of operations longer than w. `count` is theirs. */
void recorder_arrival(const struct plx_histogram *operations, struct plx_histogram *arrival);

/* Lowest share of any window of `window_ns` in which this thread got on with its work. Time lost is
 * that of operations longer than ten times the thread's median (and RECORDER_STALL_NS), less the
 * median itself. 1 when nothing was lost. */
double recorder_utilisation(const struct recorder *recorder, uint64_t window_ns);

#endif
