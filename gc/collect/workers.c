/* gc/collect/workers.c: helpers, parked between tasks. See workers.h.
 *
 *      caller                         helper
 *      task set, round++  ----------> sees a new round, runs the task
 *      runs its own share             running--
 *      waits for running == 0 <------ the last one wakes the caller
 */
#include "gc/collect/workers.h"

#include <errno.h>

#include "gc/base/check.h"
#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "gc/collect/fork.h"
#include "gc/os/sys.h"

struct gc_workers {
	uint32_t count, capacity;
	uint32_t crew; /* of these do the tasks of now; the caller's, and stable while anybody runs */
	/* Under lock. */
	pthread_mutex_t lock;
	pthread_cond_t wake, done;
	uint64_t round;
	uint32_t running;
	bool quit;
	gc_worker_task task;
	void *context;
	struct gc_worker worker[];
};

/* [WK-2] Task and context are stable while anybody runs. */
static void worker_run(struct gc_worker *self, uint64_t round, gc_worker_task task, void *context)
{
	uint64_t start_ns = gc_clock_ns();

	task(self, context);
	GC_SPAN(self->events, work, start_ns, gc_clock_ns() - start_ns, round, 0, 0, 0);
}

static void *worker_main(void *argument)
{
	struct gc_worker *self = argument;
	struct gc_workers *workers = self->heap->workers;
	uint64_t seen = 0;

	gc_event_ring_adopt(self->events);
	pthread_mutex_lock(&workers->lock);
	for (;;) {
		while (workers->round == seen && !workers->quit)
			pthread_cond_wait(&workers->wake, &workers->lock);
		if (workers->quit)
			break;
		seen = workers->round;
		pthread_mutex_unlock(&workers->lock);
		if (self->index < workers->crew)
			worker_run(self, seen, workers->task, workers->context);
		pthread_mutex_lock(&workers->lock);
		if (--workers->running == 0)
			pthread_cond_signal(&workers->done);
	}
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

void gc_workers_run(struct gc_heap *heap, gc_worker_task task, void *context)
{
	struct gc_workers *workers = heap->workers;

	if (workers->count > 1) {
		pthread_mutex_lock(&workers->lock);
		workers->task = task;
		workers->context = context;
		workers->running = workers->count - 1;
		workers->round++;
		pthread_cond_broadcast(&workers->wake);
		pthread_mutex_unlock(&workers->lock);
	}
	worker_run(&workers->worker[0], workers->round, task, context);
	pthread_mutex_lock(&workers->lock);
	while (workers->running)
		pthread_cond_wait(&workers->done, &workers->lock);
	pthread_mutex_unlock(&workers->lock);
}

static bool worker_init(struct gc_heap *heap, uint32_t index)
{
	struct gc_worker *worker = &heap->workers->worker[index];

	*worker = (struct gc_worker){.heap = heap, .index = index};
	worker->mark = gc_mark_create(heap);
	worker->scratch = gc_meta_alloc(heap->view.page_bytes);
	worker->events = index ? gc_event_ring_take(&heap->events, "worker", index)
			       : heap->cycle_events;
	return worker->mark && worker->scratch;
}

static void worker_release(struct gc_heap *heap, struct gc_worker *worker)
{
	gc_mark_destroy(worker->mark);
	gc_meta_free(worker->scratch, heap->view.page_bytes);
}

/* As many of the `count` as can be had. */
static void workers_start(struct gc_heap *heap, uint32_t count)
{
	struct gc_workers *workers = heap->workers;

	while (workers->count < count &&
	       gc_sys->thread_create(&workers->worker[workers->count].thread, worker_main,
				     &workers->worker[workers->count]) >= 0)
		workers->count++;
}

/* Those that were parked are no more; the first is the caller's. */
void gc_workers_restart(struct gc_heap *heap)
{
	struct gc_workers *workers = heap->workers;
	uint32_t count = workers->count;

	gc_fork_mutex(&workers->lock, GC_FORK_RENEW);
	gc_fork_cond(&workers->wake, false, GC_FORK_RENEW);
	gc_fork_cond(&workers->done, false, GC_FORK_RENEW);
	workers->round = 0; /* what a new one has seen */
	workers->count = 1;
	workers_start(heap, count);
	workers->crew = workers->count;
	for (uint32_t i = workers->count; i < count; i++)
		worker_release(heap, &workers->worker[i]);
}

int gc_workers_create(struct gc_heap *heap, uint32_t count)
{
	struct gc_workers *workers;

	GC_REQUIRE(count >= 1, "a heap without workers");
	workers = gc_meta_alloc(sizeof(*workers) + count * sizeof(workers->worker[0]));
	if (!workers)
		return -ENOMEM;
	heap->workers = workers;
	workers->capacity = count;
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->wake, NULL);
	pthread_cond_init(&workers->done, NULL);
	workers->count = 1;
	if (!worker_init(heap, 0))
		return -ENOMEM;
	while (workers->count < count && worker_init(heap, workers->count) &&
	       gc_sys->thread_create(&workers->worker[workers->count].thread, worker_main,
				     &workers->worker[workers->count]) >= 0)
		workers->count++;
	if (workers->count < count)
		worker_release(heap, &workers->worker[workers->count]);
	workers->crew = workers->count;
	return 0;
}

void gc_workers_destroy(struct gc_heap *heap)
{
	struct gc_workers *workers = heap->workers;

	if (!workers)
		return;
	pthread_mutex_lock(&workers->lock);
	workers->quit = true;
	pthread_cond_broadcast(&workers->wake);
	pthread_mutex_unlock(&workers->lock);
	for (uint32_t i = 1; i < workers->count; i++)
		pthread_join(workers->worker[i].thread, NULL);
	for (uint32_t i = 0; i < workers->count; i++)
		worker_release(heap, &workers->worker[i]);
	pthread_cond_destroy(&workers->done);
	pthread_cond_destroy(&workers->wake);
	pthread_mutex_destroy(&workers->lock);
	gc_meta_free(workers, sizeof(*workers) + workers->capacity * sizeof(workers->worker[0]));
	heap->workers = NULL;
}

uint32_t gc_workers_count(const struct gc_heap *heap)
{
	return heap->workers->crew;
}

/* Some have gone, perhaps all helpers; at the next call they may be back. */
void gc_workers_thin(struct gc_heap *heap)
{
	struct gc_workers *workers = heap->workers;

	if (!gc_torture_is(&heap->torture, GC_TORTURE_FEW_WORKERS))
		return;
	workers->crew = 1 + (uint32_t)(gc_torture_random(&heap->torture) % workers->count);
	gc_add_relaxed(&heap->torture.crews[workers->crew], 1); /* a figure */
}

struct gc_worker *gc_workers_first(const struct gc_heap *heap)
{
	return &heap->workers->worker[0];
}
