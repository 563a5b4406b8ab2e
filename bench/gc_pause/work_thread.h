/* bench/gc_pause/work_thread.h: the body of a worker thread, the same for all workloads; compiled
 * for each kind of memory. See workload.h for the order of things.
 *
 * Whatever waits for other threads stands between mem_block_enter and mem_block_exit, so that no
 * cycle waits for a thread that waits for a barrier. */
#ifndef BENCH_GC_PAUSE_WORK_THREAD_H
#define BENCH_GC_PAUSE_WORK_THREAD_H

#include "bench/gc_pause/workload.h"

struct work_functions {
	void (*prepare)(struct work *work, struct mem *mem);
	void (*setup)(struct worker *worker, struct mem *mem);
	void (*operate)(struct worker *worker, struct mem *mem);
	void (*finish)(struct worker *worker, struct mem *mem);
	bool in_rounds; /* operate has barriers: each thread is in it, also one whose share of operations is none */
};

static inline void work_wait(struct worker *worker, struct mem *mem)
{
	mem_block_enter(mem);
	pthread_barrier_wait(&worker->work->barrier);
	mem_block_exit(mem);
}

/* `call` by thread 0 while all others wait and no thread stands in the way of a cycle. */
static inline void work_alone(struct worker *worker, struct mem *mem,
			      void (*call)(struct work *work))
{
	mem_block_enter(mem);
	pthread_barrier_wait(&worker->work->barrier);
	if (worker->number == 0)
		call(worker->work);
	pthread_barrier_wait(&worker->work->barrier);
	mem_block_exit(mem);
}

/* The roots that --handles and --range-slots ask for: of no use to the workload, but the collector has
 * to look at them. Each handle has a small object of its own; a range's slots share one. */
static inline void work_roots(struct worker *worker, struct mem *mem)
{
	struct work *work = worker->work;
	mem_type type = (mem_type)work->root_type;
	uint64_t slots = worker->number == 0 ? work->options->range_slots : 0;
	uint64_t end = work_part_begin(work->options->handles, work->threads, worker->number + 1);
	mem_handle shared;
	void **range;

	for (uint64_t i = work_part_begin(work->options->handles, work->threads, worker->number);
	     i < end; i++)
		(void)mem_root(mem, mem_alloc_array(mem, type, 8));
	if (slots == 0)
		return;
	range = calloc(slots, sizeof(*range));
	if (range == NULL)
		mem_die("out of memory");
	shared = mem_root(mem, mem_alloc_array(mem, type, 8));
	for (uint64_t i = 0; i < slots; i++)
		range[i] = shared->ref;
	mem_root_range(mem, range, slots);
}

static inline void work_measure(struct worker *worker, struct mem *mem,
				void (*operate)(struct worker *worker, struct mem *mem),
				bool in_rounds)
{
	const struct options *options = worker->work->options;
	uint64_t deadline_ns = UINT64_MAX;

	if (options->operations == 0 && (options->cycles == 0 || worker->work->heap == NULL))
		deadline_ns = recorder_clock_ns() + (uint64_t)(options->seconds * 1e9);
	recorder_start(worker->recorder, deadline_ns,
		       options->operations == 0 ? UINT64_MAX : worker->operations);
	if (options->operations == 0 || worker->operations > 0 || in_rounds)
		operate(worker, mem);
}

static inline void *work_thread(struct worker *worker, const struct work_functions *functions)
{
	struct work *work = worker->work;
	struct mem mem;

	mem_attach(&mem, work);
	random_seed(&worker->random, work->options->seed, worker->number);
	if (worker->number == 0) {
		functions->prepare(work, &mem);
		work->root_type = mem_type_bytes(work);
	}
	work_wait(worker, &mem);
	functions->setup(worker, &mem);
	work_roots(worker, &mem);
	work_alone(worker, &mem, work->on_ready);
	work_measure(worker, &mem, functions->operate, functions->in_rounds);
	work_alone(worker, &mem, work->on_done);
	functions->finish(worker, &mem);
	/* No thread may leave while another still reads what it owns. */
	work_wait(worker, &mem);
	mem_detach(&mem);
	return NULL;
}

/* Defines NAME_thread, an entry for the table, from NAME_prepare and so on. */
#define WORK_DEFINE(name, in_rounds)                                                             \
	static void *name##_thread(void *worker)                                                 \
	{                                                                                        \
		static const struct work_functions functions = {                                 \
			name##_prepare, name##_setup, name##_operate, name##_finish, in_rounds}; \
		return work_thread(worker, &functions);                                          \
	}

#endif
