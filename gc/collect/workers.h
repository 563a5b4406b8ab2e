/* gc/collect/workers.h: the threads that do a phase's work together: the cycle's thread and its helpers.
 *
 * [WK-1] Helpers run only between the start and the end of gc_workers_run: while mutators are being
 *        stopped they are parked, so that on few CPUs mutators reach their polls.
 * [WK-2] What the caller wrote before the run is seen by helpers, and what they wrote is seen by the
 *        caller after it: the lock orders both.
 *
 * Who runs here: the cycle's thread; helpers. */
#ifndef GC_COLLECT_WORKERS_H
#define GC_COLLECT_WORKERS_H

#include "gc/heap/heap.h"

struct gc_worker {
	struct gc_heap *heap;
	uint32_t index; /* 0: the cycle's thread */
	pthread_t thread;
	struct gc_mark *mark;
	char *scratch; /* a page to build in */
	struct gc_event_ring *events;
};

typedef void (*gc_worker_task)(struct gc_worker *worker, void *context);

/* Make `count` workers, of which count - 1 are threads. If the system gives fewer threads, there are
 * fewer workers. 0, or -ENOMEM. */
int gc_workers_create(struct gc_heap *heap, uint32_t count);
void gc_workers_destroy(struct gc_heap *heap);
uint32_t gc_workers_count(const struct gc_heap *heap);
/* GC_TORTURE=few-workers: from now on another number of them works. Between marking and moving only: what a
 * worker has found while marking is in its hands until then. */
void gc_workers_thin(struct gc_heap *heap);
struct gc_worker *gc_workers_first(const struct gc_heap *heap);

/* Run `task` on all workers, the caller being the first; returns when all have returned. */
void gc_workers_run(struct gc_heap *heap, gc_worker_task task, void *context);

#endif
