/* bench/gc_pause/workload.h: between a run and a workload.
 *
 * A workload is written once, against the `mem_` functions, and compiled twice: on_parallax.c puts
 * memory_parallax.h beneath it, on_malloc.c memory_malloc.h. Both are inline, so neither pays for
 * the other. A workload is four functions, called in this order by every thread of the run, with
 * barriers in between:
 *
 *   prepare   by thread 0 only: types, shared tables
 *   setup     each thread its own part; not measured
 *   operate   measured: a loop that calls recorder_step once per operation
 *   finish    each thread: verify what it holds, and complete its checksum
 *
 * Checksums: a thread's own must not depend on addresses, on timing, or on other threads; those of
 * all threads are added up. */
#ifndef BENCH_GC_PAUSE_WORKLOAD_H
#define BENCH_GC_PAUSE_WORKLOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/gc_pause/options.h"
#include "bench/gc_pause/recorder.h"
#include "bench/gc_pause/result.h"
#include "bench/common/random.h"

struct plx_heap;
struct word_files;

/* What a collector that is not ours tells of itself, where one stands in for malloc (bench/peers). */
struct work_foreign {
	struct plx_histogram pause;
	uint64_t cycles;
};

/* What all threads of a run share. */
struct work {
	const struct options *options;
	struct plx_heap *heap; /* NULL on plain malloc */
	unsigned threads;
	pthread_barrier_t barrier;
	const void *root_type;		/* of the objects that --handles and --range-slots hold */
	void *shared;			/* the workload's, made by its prepare */
	const struct word_files *files; /* index only */
	struct work_foreign *foreign;	/* set by its mem_attach; else NULL */
	struct fragment_result fragment;
	bool more; /* fragment: another round? thread 0 writes it between two barriers */
	void (*on_ready)(struct work *work); /* thread 0, when all are set up */
	void (*on_done)(struct work *work);  /* thread 0, when all have stopped */
};

/* One thread of a run. */
struct worker {
	struct work *work;
	unsigned number;
	pthread_t thread;
	struct recorder *recorder;
	struct random random;
	uint64_t operations; /* its share; 0: until the deadline */
	uint64_t checksum;
	uint64_t wrong; /* objects whose contents were not what was written */
	uint64_t live_bytes;
	void *own; /* the workload's */
};

/* One per workload of our own, in each of the two tables: the body of a worker thread. */
typedef void *(*work_thread_entry)(void *worker);
extern const work_thread_entry work_on_parallax[RUN_OWN];
extern const work_thread_entry work_on_malloc[RUN_OWN];

/* `index` of `parts` nearly equal parts of `total`. */
static inline uint64_t work_part_begin(uint64_t total, unsigned parts, unsigned index)
{
	return total / parts * index + (total % parts * index) / parts;
}

/* For random_chance. */
static inline uint64_t work_update_threshold(const struct work *work)
{
	return (uint64_t)(work->options->update_ratio * 4294967296.0);
}

#endif
