/* bench/compaction/run.c: one cycle of one plan, in a process of its own, so that faults and peaks are
 * its own.
 *
 * Without a mutator, the only attached thread asks for the cycle and waits. With one, it reads the
 * image all the while, chain after chain, and polls; somebody else asks. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/compaction/compaction.h"

struct moment {
	double clock, cpu;
	uint64_t minor_faults;
	struct plx_stats stats;
};

struct run {
	const struct run_spec *spec;
	struct run_figures figures;
	struct image image;
	struct moment before, after;
	uint64_t checksum_before;
	pthread_barrier_t ready;
	bool stop; /* atomic */
};

static bool run_fail(struct run *run, enum run_status status, const char *message)
{
	run->figures.status = status;
	snprintf(run->figures.message, sizeof(run->figures.message), "%s", message);
	return false;
}

static void moment_take(struct moment *moment, struct plx_heap *heap)
{
	struct rusage usage;
	struct timespec now;

	plx_heap_stats(heap, &moment->stats);
	getrusage(RUSAGE_SELF, &usage);
	clock_gettime(CLOCK_MONOTONIC, &now);
	moment->clock = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	moment->cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	moment->minor_faults = (uint64_t)usage.ru_minflt;
}

/* The environment first, so that GC_WORKERS and the like can be tried; then what makes it comparable. */
static bool run_configure(struct run *run, struct plx_heap_config *config)
{
	const struct run_spec *spec = run->spec;
	struct plx_error error;
	char bytes[32];

	plx_config_init(config);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)spec->shape.heap_bytes);
	if (plx_config_from_environment(config, &error) != PLX_OK)
		return run_fail(run, RUN_FAILED, error.message);
	config->use_uffd_minor = -1;
	if (plx_config_set(config, "GC_HEAP_MAX", bytes, &error) == PLX_OK &&
	    plx_config_set(config, "GC_PLAN", plx_plan_name(spec->plan), &error) == PLX_OK &&
	    plx_config_set(config, "GC_UFFD_DELIVERY", plx_delivery_name(spec->delivery), &error) ==
		    PLX_OK &&
	    plx_config_set(config, "GC_EVACUATE", "all", &error) == PLX_OK &&
	    plx_config_set(config, "GC_COMPACT_BUDGET", "100", &error) == PLX_OK &&
	    plx_config_set(config, "GC_CYCLE_EVERY", "1T", &error) == PLX_OK &&
	    plx_config_set(config, "GC_RESIDENT_IDLE", "3600000", &error) == PLX_OK)
		return true;
	return run_fail(run, RUN_FAILED, error.message);
}

static bool run_make_heap(struct run *run)
{
	struct plx_heap_config config;
	struct plx_error error;
	enum plx_status status;

	if (!run_configure(run, &config))
		return false;
	status = plx_heap_create(&config, &run->image.heap, &error);
	if (status != PLX_OK)
		return run_fail(run, status == PLX_ERROR_CAPABILITY ? RUN_UNAVAILABLE : RUN_FAILED,
				error.message);
	if (plx_heap_plan(run->image.heap) != run->spec->plan)
		return run_fail(run, RUN_UNAVAILABLE, "the heap took another plan");
	return true;
}

static void *run_mutator(void *argument)
{
	struct run *run = argument;
	struct image *image = &run->image;
	struct plx_error error;
	bool built = plx_thread_attach(image->heap, &image->thread, &error) == PLX_OK &&
		     image_build(image, &run->spec->shape, error.message, sizeof(error.message));

	if (!built)
		run_fail(run, RUN_FAILED, error.message);
	else
		run->checksum_before = image_checksum(image);
	pthread_barrier_wait(&run->ready);
	/* Relaxed: late by a turn is harmless; the join synchronises. */
	while (built && !__atomic_load_n(&run->stop, __ATOMIC_RELAXED)) {
		run->figures.checksum +=
			image_chain_sum(image, run->figures.mutator_ops++ % image->chains);
		plx_poll(image->thread);
	}
	run->figures.checksum = built ? image_checksum(image) : 0;
	if (image->thread != NULL)
		plx_thread_detach(image->thread);
	return NULL;
}

static void run_beside_mutator(struct run *run)
{
	pthread_t thread;

	pthread_barrier_init(&run->ready, NULL, 2);
	if (pthread_create(&thread, NULL, run_mutator, run) != 0) {
		run_fail(run, RUN_FAILED, "no thread to be had");
		return;
	}
	pthread_barrier_wait(&run->ready);
	if (run->figures.status == RUN_OK) {
		moment_take(&run->before, run->image.heap);
		plx_heap_collect(run->image.heap);
		moment_take(&run->after, run->image.heap);
	}
	__atomic_store_n(&run->stop, true, __ATOMIC_RELAXED); /* see run_mutator */
	pthread_join(thread, NULL);
}

static void run_alone(struct run *run)
{
	struct image *image = &run->image;
	struct plx_error error;

	if (plx_thread_attach(image->heap, &image->thread, &error) != PLX_OK ||
	    !image_build(image, &run->spec->shape, error.message, sizeof(error.message))) {
		run_fail(run, RUN_FAILED, error.message);
		return;
	}
	run->checksum_before = image_checksum(image);
	moment_take(&run->before, image->heap);
	plx_collect(image->thread);
	moment_take(&run->after, image->heap);
	run->figures.checksum = image_checksum(image);
	plx_thread_detach(image->thread);
}

/* "Name: 123 kB" of /proc/self/status, in bytes. */
static uint64_t status_bytes(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			kib = strtoull(line + strlen(name), NULL, 10);
	if (file != NULL)
		fclose(file);
	return kib << 10;
}

/* The process's own peak counts pages twice that both views map; then the heap's pages, which all
 * exist at the end of the cycle, and the rest are added up instead. */
static uint64_t run_peak_bytes(const struct run *run)
{
	uint64_t peak = status_bytes("VmHWM:");
	uint64_t sum = status_bytes("RssAnon:") + status_bytes("RssFile:") +
		       run->after.stats.resident_bytes;

	return run->spec->plan == PLX_PLAN_MINOR && sum < peak ? sum : peak;
}

static void run_difference(struct run *run)
{
	static struct plx_histogram pauses;
	const struct plx_stats *before = &run->before.stats, *after = &run->after.stats;
	struct run_figures *figures = &run->figures;
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);

	figures->seconds = run->after.clock - run->before.clock;
	figures->cpu_seconds = run->after.cpu - run->before.cpu;
	figures->minor_faults = run->after.minor_faults - run->before.minor_faults;
	figures->pages_allocated = after->copied_pages - before->copied_pages;
	if (after->resident_bytes > before->resident_bytes)
		figures->pages_allocated +=
			(after->resident_bytes - before->resident_bytes) / page_bytes;
	figures->evacuated_bytes = after->evacuated_bytes - before->evacuated_bytes;
	figures->dirty_pages = after->dirty_pages - before->dirty_pages;
	figures->live_bytes = after->live_bytes;
	figures->peak_bytes = run_peak_bytes(run);
	/* The warm-up's cycle found nothing alive, so the longest pause is this one's. */
	plx_heap_distribution(run->image.heap, PLX_DISTRIBUTION_PAUSE_NS, &pauses);
	figures->pause_us_max = (double)pauses.max / 1e3;
}

static void run_check(struct run *run)
{
	const struct plx_stats *before = &run->before.stats, *after = &run->after.stats;
	char message[160];

	if (run->figures.checksum != run->checksum_before)
		run_fail(run, RUN_WRONG, "the graph is not what it was before the cycle");
	if (run->figures.status != RUN_OK)
		return;
	snprintf(message, sizeof(message),
		 "there were %llu cycles, %llu flips and %llu refusals, not 1, 1 and 0",
		 (unsigned long long)(after->cycles - before->cycles),
		 (unsigned long long)(after->flips - before->flips),
		 (unsigned long long)(after->degraded - before->degraded));
	if (after->cycles != before->cycles + 1 || after->flips != before->flips + 1 ||
	    after->degraded != before->degraded)
		run_fail(run, RUN_FAILED, message);
}

static void run_here(struct run *run)
{
	if (!run_make_heap(run))
		return;
	if (run->spec->mutator)
		run_beside_mutator(run);
	else
		run_alone(run);
	if (run->figures.status != RUN_OK)
		return;
	run_difference(run);
	run_check(run);
}

struct run_figures run_once(const struct run_spec *spec)
{
	struct run run = {.spec = spec};
	int ends[2];
	pid_t child;

	fflush(NULL);
	if (pipe(ends) != 0 || (child = fork()) < 0) {
		run_fail(&run, RUN_FAILED, strerror(errno));
		return run.figures;
	}
	if (child == 0) {
		run_here(&run);
		_exit(write(ends[1], &run.figures, sizeof(run.figures)) == sizeof(run.figures) ? 0
											       : 1);
	}
	close(ends[1]);
	if (read(ends[0], &run.figures, sizeof(run.figures)) != sizeof(run.figures))
		run_fail(&run, RUN_FAILED, "its process ended without a result");
	close(ends[0]);
	waitpid(child, NULL, 0);
	return run.figures;
}

static int compare_real(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static int compare_count(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* The median of one field over all rounds. */
#define MEDIAN(type, compare, all, rounds, field, into)                \
	do {                                                           \
		type values_[RUN_MOST_ROUNDS];                         \
		for (unsigned i_ = 0; i_ < (rounds); i_++)             \
			values_[i_] = (all)[i_].field;                 \
		qsort(values_, (rounds), sizeof(values_[0]), compare); \
		(into)->field = values_[((rounds)-1) / 2];             \
	} while (0)

static void run_medians(const struct run_figures *all, struct run_result *result)
{
	struct run_figures *into = &result->median;
	unsigned rounds = result->rounds;

	MEDIAN(double, compare_real, all, rounds, seconds, into);
	MEDIAN(double, compare_real, all, rounds, cpu_seconds, into);
	MEDIAN(uint64_t, compare_count, all, rounds, minor_faults, into);
	MEDIAN(uint64_t, compare_count, all, rounds, pages_allocated, into);
	MEDIAN(uint64_t, compare_count, all, rounds, evacuated_bytes, into);
	MEDIAN(uint64_t, compare_count, all, rounds, dirty_pages, into);
	MEDIAN(uint64_t, compare_count, all, rounds, live_bytes, into);
	MEDIAN(uint64_t, compare_count, all, rounds, mutator_ops, into);
	result->seconds_min = result->seconds_max = all[0].seconds;
	for (unsigned i = 0; i < rounds; i++) {
		if (all[i].seconds < result->seconds_min)
			result->seconds_min = all[i].seconds;
		if (all[i].seconds > result->seconds_max)
			result->seconds_max = all[i].seconds;
		if (all[i].pause_us_max > into->pause_us_max)
			into->pause_us_max = all[i].pause_us_max;
		if (all[i].peak_bytes > into->peak_bytes)
			into->peak_bytes = all[i].peak_bytes;
	}
}

struct run_result run_rounds(const struct run_spec *spec, unsigned rounds)
{
	struct run_figures all[RUN_MOST_ROUNDS] = {{.status = RUN_OK}};
	struct run_result result = {.spec = *spec};

	while (result.rounds < rounds) {
		result.median = all[result.rounds] = run_once(spec);
		if (result.median.status != RUN_OK)
			return result;
		if (result.median.checksum != all[0].checksum) {
			result.median.status = RUN_WRONG;
			return result;
		}
		result.rounds++;
	}
	run_medians(all, &result);
	return result;
}
