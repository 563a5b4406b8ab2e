/* bench/gc_pause/run.c: see run.h.
 *
 * Everything the result reports is of the measured time alone: counters and distributions are
 * read when all threads are set up and again when all have stopped, and subtracted. Peaks of memory
 * are of the whole process. */
#include "bench/gc_pause/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <parallax/parallax.h>

#include "bench/gc_pause/asked.h"
#include "bench/gc_pause/bare.h"
#include "bench/gc_pause/files.h"
#include "bench/gc_pause/heap_map.h"
#include "bench/gc_pause/lisp.h"
#include "bench/gc_pause/monitor.h"
#include "bench/gc_pause/workload.h"

/* What is subtracted. */
struct snapshot {
	struct plx_stats stats;
	double cpu_seconds;
	uint64_t clock_ns;
	struct plx_histogram distributions[PLX_DISTRIBUTION_COUNT];
};

struct run {
	struct work work; /* first: the callbacks get it and need the run */
	struct result *result;
	struct worker *workers;
	struct word_files files;
	struct monitor monitor;
	struct asked *asked;	   /* NULL without --cycles */
	struct heap_map *heap_map; /* NULL without --heap-map */
	char label[64];
	struct snapshot before, after;
	struct plx_histogram operations, scratch;
};

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void snapshot_heap(struct snapshot *snapshot, struct plx_heap *heap)
{
	if (heap == NULL)
		return;
	plx_heap_stats(heap, &snapshot->stats);
	for (unsigned d = 0; d < PLX_DISTRIBUTION_COUNT; d++)
		plx_heap_distribution(heap, (enum plx_distribution)d, &snapshot->distributions[d]);
}

static void run_on_ready(struct work *work)
{
	struct run *run = (struct run *)work;

	if (!monitor_start(&run->monitor)) {
		fprintf(stderr, "gc_pause: cannot start the monitor's threads\n");
		_exit(1);
	}
	snapshot_heap(&run->before, work->heap);
	if (work->heap != NULL && work->options->heap_map_path != NULL)
		run->heap_map = heap_map_start(work->heap, work->options->seconds);
	if (work->foreign != NULL)
		memset(work->foreign, 0, sizeof(*work->foreign));
	run->before.cpu_seconds = cpu_seconds();
	run->before.clock_ns = recorder_clock_ns();
	if (work->heap != NULL && work->options->cycles != 0) {
		run->asked = asked_start(work, run->workers);
		if (run->asked == NULL) {
			fprintf(stderr, "gc_pause: cannot start the thread that asks for cycles\n");
			_exit(1);
		}
	}
}

static void run_on_done(struct work *work)
{
	struct run *run = (struct run *)work;

	run->after.clock_ns = recorder_clock_ns();
	run->after.cpu_seconds = cpu_seconds();
	if (run->asked != NULL)
		asked_finish(run->asked);
	snapshot_heap(&run->after, work->heap);
	if (work->foreign != NULL) {
		summary_fill(&run->result->pause, &work->foreign->pause);
		run->result->cycles = work->foreign->cycles;
	}
	monitor_stop(&run->monitor);
	if (work->heap != NULL && work->options->heap_map_path != NULL &&
	    (run->heap_map == NULL ||
	     !heap_map_finish(run->heap_map, work->options->heap_map_path)))
		fprintf(stderr, "gc_pause: there is no heap map\n");
}

static void run_on_oom(struct plx_thread *thread, uint64_t requested_bytes, void *context)
{
	(void)thread;
	(void)context;
	fprintf(stderr,
		"gc_pause: the heap is exhausted (%llu bytes asked for): raise --heap or lower --live\n",
		(unsigned long long)requested_bytes);
	_exit(1);
}

static bool run_fail(struct run *run, enum result_status status, const char *message)
{
	run->result->status = status;
	snprintf(run->result->message, sizeof(run->result->message), "%s", message);
	return false;
}

/* The configuration: defaults, then the environment, then what the command line demands. */
static bool run_configure(struct run *run, struct plx_heap_config *config)
{
	const struct options *options = run->work.options;
	const char *delivery = run_delivery_name(run->result->delivery);
	struct plx_error error;
	char bytes[32];

	plx_config_init(config);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)options->heap_bytes);
	if (plx_config_from_environment(config, &error) != PLX_OK)
		return run_fail(run, RESULT_FAILED, error.message);
	/* A comparison plan must not trip over the demand that the other runs answer. */
	if (run->result->plan != RUN_MINOR || config->use_uffd_minor == 0)
		config->use_uffd_minor = -1;
	if (plx_config_set(config, "GC_HEAP_MAX", bytes, &error) != PLX_OK ||
	    plx_config_set(config, "GC_PLAN", run_plan_name(run->result->plan), &error) != PLX_OK ||
	    plx_config_set(config, "GC_UFFD_DELIVERY", delivery[0] == '\0' ? "auto" : delivery,
			   &error) != PLX_OK)
		return run_fail(run, RESULT_FAILED, error.message);
	return true;
}

/* Make the heap; the plan in force has to be the one asked for. */
static bool run_make_heap(struct run *run)
{
	static const enum plx_plan plans[] = {PLX_PLAN_MINOR, PLX_PLAN_COPY, PLX_PLAN_STW};
	static const enum plx_delivery deliveries[] = {PLX_DELIVERY_THREAD, PLX_DELIVERY_SIGBUS};
	struct plx_heap_config config;
	enum plx_status status;
	struct plx_error error;
	char message[128];

	if (!run_configure(run, &config))
		return false;
	status = plx_heap_create(&config, &run->work.heap, &error);
	if (status != PLX_OK)
		return run_fail(run,
				status == PLX_ERROR_CAPABILITY ? RESULT_UNAVAILABLE : RESULT_FAILED,
				error.message);
	if (plx_heap_plan(run->work.heap) != plans[run->result->plan] ||
	    (run->result->delivery != RUN_NO_DELIVERY &&
	     plx_heap_delivery(run->work.heap) != deliveries[run->result->delivery])) {
		snprintf(message, sizeof(message), "the heap took plan %s with delivery %s instead",
			 plx_plan_name(plx_heap_plan(run->work.heap)),
			 plx_delivery_name(plx_heap_delivery(run->work.heap)));
		return run_fail(run, RESULT_UNAVAILABLE, message);
	}
	/* In Lisp running out of memory is an error that programs catch. */
	if (run_is_lisp(run->result->workload))
		return work_lisp_open(&run->work, message, sizeof(message)) ||
		       run_fail(run, RESULT_FAILED, message);
	plx_heap_set_oom_handler(run->work.heap, run_on_oom, NULL);
	return true;
}

static bool run_make_workers(struct run *run)
{
	struct work *work = &run->work;

	run->workers = calloc(work->threads, sizeof(*run->workers));
	if (run->workers == NULL)
		return run_fail(run, RESULT_FAILED, "out of memory");
	for (unsigned i = 0; i < work->threads; i++) {
		struct worker *worker = &run->workers[i];

		worker->work = work;
		worker->number = i;
		worker->recorder = recorder_create();
		if (worker->recorder == NULL)
			return run_fail(run, RESULT_FAILED, "out of memory");
		worker->operations =
			work_part_begin(work->options->operations, work->threads, i + 1) -
			work_part_begin(work->options->operations, work->threads, i);
	}
	return true;
}

static void run_threads(struct run *run)
{
	const work_thread_entry *table = run->work.heap != NULL ? work_on_parallax : work_on_malloc;
	work_thread_entry entry = run_is_lisp(run->result->workload) ? work_lisp_thread
								     : table[run->result->workload];

	pthread_barrier_init(&run->work.barrier, NULL, run->work.threads);
	for (unsigned i = 0; i < run->work.threads; i++) {
		if (pthread_create(&run->workers[i].thread, NULL, entry, &run->workers[i]) != 0) {
			fprintf(stderr, "gc_pause: cannot start thread %u\n", i);
			_exit(1);
		}
	}
	for (unsigned i = 0; i < run->work.threads; i++)
		pthread_join(run->workers[i].thread, NULL);
	pthread_barrier_destroy(&run->work.barrier);
}

/* What was recorded between the two snapshots; the largest value is known to a bucket. */
static void run_difference(struct run *run, enum plx_distribution which, struct summary *summary)
{
	const struct plx_histogram *before = &run->before.distributions[which];
	const struct plx_histogram *after = &run->after.distributions[which];
	struct plx_histogram *difference = &run->scratch;

	memset(difference, 0, sizeof(*difference));
	for (uint32_t i = 0; i < PLX_HISTOGRAM_BUCKETS; i++) {
		difference->buckets[i] = after->buckets[i] - before->buckets[i];
		difference->count += difference->buckets[i];
		if (difference->buckets[i] != 0)
			difference->max = plx_histogram_bucket_value(i);
	}
	if (difference->max > after->max)
		difference->max = after->max;
	summary_fill(summary, difference);
}

static void run_report_heap(struct run *run)
{
	const struct plx_stats *before = &run->before.stats, *after = &run->after.stats;
	struct result *result = run->result;

	run_difference(run, PLX_DISTRIBUTION_PAUSE_NS, &result->pause);
	run_difference(run, PLX_DISTRIBUTION_FLIP_NS, &result->flip);
	run_difference(run, PLX_DISTRIBUTION_FAULT_NS, &result->fault);
	result->cycles = after->cycles - before->cycles;
	result->dirty_pages = after->dirty_pages - before->dirty_pages;
	result->evacuated_bytes = after->evacuated_bytes - before->evacuated_bytes;
	result->updated_in_place_bytes =
		after->updated_in_place_bytes - before->updated_in_place_bytes;
	result->moved_back_bytes = after->moved_back_bytes - before->moved_back_bytes;
	result->continued_pages = after->continued_pages - before->continued_pages;
	result->copied_pages = after->copied_pages - before->copied_pages;
	result->stalls = after->stalls - before->stalls;
	result->paced = after->paced - before->paced;
	result->paced_us = (after->paced_ns - before->paced_ns) / 1000;
	result->degraded = after->degraded;
	result->metadata_bytes = after->metadata_bytes;
}

static void run_report_threads(struct run *run)
{
	static const uint64_t windows_ns[RECORDER_WINDOWS] = {1000000, 5000000, 20000000};
	struct result *result = run->result;

	for (unsigned w = 0; w < RECORDER_WINDOWS; w++)
		result->mmu[w] = 1;
	for (unsigned i = 0; i < run->work.threads; i++) {
		const struct worker *worker = &run->workers[i];

		result->checksum += worker->checksum;
		result->wrong += worker->wrong;
		result->live_bytes += worker->live_bytes;
		plx_histogram_merge(&run->operations, &worker->recorder->operations);
		for (unsigned w = 0; w < RECORDER_WINDOWS; w++) {
			double share = recorder_utilisation(worker->recorder, windows_ns[w]);

			if (share < result->mmu[w])
				result->mmu[w] = share;
		}
	}
	summary_fill(&result->operation, &run->operations);
	recorder_arrival(&run->operations, &run->scratch);
	summary_fill(&result->arrival, &run->scratch);
}

static void run_report(struct run *run)
{
	struct result *result = run->result;

	result->seconds = (double)(run->after.clock_ns - run->before.clock_ns) / 1e9;
	result->cpu_seconds = run->after.cpu_seconds - run->before.cpu_seconds;
	run_report_threads(run);
	if (run->work.heap != NULL)
		run_report_heap(run);
	result->operations_per_second = (double)run->operations.count / result->seconds;
	summary_fill(&result->hiccup, &run->monitor.hiccup);
	result->rss_peak_bytes = monitor_rss_peak_bytes();
	result->pss_peak_bytes = run->monitor.pss_peak_bytes;
	result->fragment = run->work.fragment;
	if (result->wrong != 0) {
		result->status = RESULT_WRONG;
		snprintf(result->message, sizeof(result->message),
			 "%llu objects did not hold what was written",
			 (unsigned long long)result->wrong);
	}
}

static void run_identify(struct run *run, const struct options *options)
{
	struct result *result = run->result;
	const char *delivery;

	result->workload = (enum run_workload)__builtin_ctz(options->workloads);
	result->plan = (enum run_plan)__builtin_ctz(options->plans);
	result->delivery = RUN_NO_DELIVERY;
	if (result->plan == RUN_MINOR || result->plan == RUN_COPY)
		result->delivery = (enum run_delivery)__builtin_ctz(options->deliveries);
	result->threads = options->threads;
	result->seed = options->seed;
	result->heap_bytes = options->heap_bytes;
	result->handles = options->handles;
	result->range_slots = options->range_slots;
	result->update_ratio = options->update_ratio;
	delivery = run_delivery_name(result->delivery);
	snprintf(run->label, sizeof(run->label), "%s %s%s%s", run_workload_name(result->workload),
		 run_plan_name(result->plan), delivery[0] == '\0' ? "" : "+", delivery);
	run->work.options = options;
	run->work.threads = options->threads;
	run->work.on_ready = run_on_ready;
	run->work.on_done = run_on_done;
}

static bool run_prepare(struct run *run)
{
	const struct options *options = run->work.options;
	struct monitor *monitor = &run->monitor;

	if (run->result->workload == RUN_INDEX) {
		/* An index takes about as much memory as its input: see docs/benchmarks.md. */
		if (!word_files_list(&run->files, options->directory, options->live_bytes))
			return run_fail(run, RESULT_FAILED, "no input");
		run->work.files = &run->files;
	}
	/* Seconds of faults, for figures that nobody will see otherwise. */
	if (run->result->delivery != RUN_NO_DELIVERY && (!options->quiet || options->json_path)) {
		run->result->has_bare = true;
		bare_measure(&run->result->bare);
	}
	if (run->result->plan == RUN_NONE && run_is_lisp(run->result->workload))
		return run_fail(run, RESULT_UNAVAILABLE,
				"the Lisp is written for the collector: it has no plan none");
	if (run->result->plan != RUN_NONE && !run_make_heap(run))
		return false;
	if (!run_make_workers(run))
		return false;
	monitor->heap = run->work.heap;
	monitor->workers = run->workers;
	monitor->threads = run->work.threads;
	monitor->label = !options->quiet && isatty(STDERR_FILENO) ? run->label : NULL;
	monitor->seconds = options->seconds;
	monitor->operations = options->operations;
	return true;
}

void run_once(const struct options *options, struct result *result)
{
	struct run *run = calloc(1, sizeof(*run));

	memset(result, 0, sizeof(*result));
	if (run == NULL) {
		result->status = RESULT_FAILED;
		return;
	}
	run->result = result;
	run_identify(run, options);
	if (run_prepare(run)) {
		run_threads(run);
		run_report(run);
		if (run_is_lisp(result->workload))
			work_lisp_close(&run->work);
		if (run->work.heap != NULL)
			plx_heap_destroy(run->work.heap);
	}
	/* What is left is plain memory, and the process ends here. */
	free(run);
}
