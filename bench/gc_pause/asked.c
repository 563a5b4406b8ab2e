/* bench/gc_pause/asked.c: see asked.h. One thread, which is not attached to the heap. */
#include "bench/gc_pause/asked.h"

#include <stdlib.h>

#include <parallax/heap.h>

#define ASKED_NAP_NS 2000000

struct asked {
	const struct work *work;
	struct worker *workers;
	uint64_t start_ns;
	bool stop; /* atomic */
	pthread_t thread;
};

static bool asked_over(struct asked *asked)
{
	/* Relaxed: a late answer only lengthens the stop; the join synchronises. */
	return __atomic_load_n(&asked->stop, __ATOMIC_RELAXED);
}

static void asked_sleep_until(struct asked *asked, double seconds)
{
	const struct timespec nap = {0, ASKED_NAP_NS};
	uint64_t until_ns = asked->start_ns + (uint64_t)(seconds * 1e9);

	while (!asked_over(asked) && recorder_clock_ns() < until_ns)
		nanosleep(&nap, NULL);
}

/* A worker that has recorded something has its recorder started: what is set now stays. */
static void asked_end_worker(struct asked *asked, struct worker *worker)
{
	const struct timespec nap = {0, ASKED_NAP_NS};

	/* Relaxed, both: nothing else is read by them. */
	while (!asked_over(asked) &&
	       __atomic_load_n(&worker->recorder->operations_seen, __ATOMIC_RELAXED) == 0)
		nanosleep(&nap, NULL);
	__atomic_store_n(&worker->recorder->deadline_ns, 0, __ATOMIC_RELAXED);
}

static void *asked_main(void *argument)
{
	struct asked *asked = argument;
	const struct options *options = asked->work->options;
	double step = options->seconds / (double)(options->cycles + 1);

	for (uint64_t i = 1; i <= options->cycles && !asked_over(asked); i++) {
		asked_sleep_until(asked, (double)i * step);
		if (!asked_over(asked))
			plx_heap_collect(asked->work->heap);
	}
	asked_sleep_until(asked, options->seconds);
	for (unsigned i = 0; i < asked->work->threads; i++)
		asked_end_worker(asked, &asked->workers[i]);
	return NULL;
}

struct asked *asked_start(const struct work *work, struct worker *workers)
{
	struct asked *asked = calloc(1, sizeof(*asked));

	if (asked == NULL)
		return NULL;
	asked->work = work;
	asked->workers = workers;
	asked->start_ns = recorder_clock_ns();
	if (pthread_create(&asked->thread, NULL, asked_main, asked) == 0)
		return asked;
	free(asked);
	return NULL;
}

void asked_finish(struct asked *asked)
{
	__atomic_store_n(&asked->stop, true, __ATOMIC_RELAXED); /* see asked_over */
	pthread_join(asked->thread, NULL);
	free(asked);
}
