/* bench/gc_pause/monitor.c: see monitor.h. Two threads, neither attached to the heap.
 *
 * Memory during the run: the exact figure (smaps_rollup) would stop every flip for as long as the
 * kernel walks the page tables, and so spoil what is being measured. The sampler adds up the
 * counters that cost nothing: private pages, file pages, and of the shared-memory pages no more
 * than the heap has resident, since both views of one page are one page. */
#include "bench/gc_pause/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <parallax/heap.h>

#include "bench/gc_pause/recorder.h"
#include "bench/gc_pause/workload.h"

#define HICCUP_NS 1000000
#define SAMPLE_NS 100000000

static void sleep_ns(long ns)
{
	struct timespec time = {0, ns};

	nanosleep(&time, NULL);
}

static bool stopping(struct monitor *monitor)
{
	/* Relaxed: a late answer only lengthens the stop; the join synchronises. */
	return __atomic_load_n(&monitor->stop, __ATOMIC_RELAXED);
}

static void *hiccup_main(void *argument)
{
	struct monitor *monitor = argument;

	while (!stopping(monitor)) {
		uint64_t start_ns = recorder_clock_ns(), slept_ns;

		sleep_ns(HICCUP_NS);
		slept_ns = recorder_clock_ns() - start_ns;
		plx_histogram_record(&monitor->hiccup,
				     slept_ns > HICCUP_NS ? slept_ns - HICCUP_NS : 0);
	}
	return NULL;
}

/* The value in bytes of "Name:   123 kB" in a file of such lines; 0 if it is not there. */
static uint64_t field_bytes(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10) * 1024;
}

static bool file_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t got;

	if (file == NULL)
		return false;
	got = fread(text, 1, size - 1, file);
	text[got] = '\0';
	fclose(file);
	return got > 0;
}

uint64_t monitor_resident_bytes(void)
{
	char text[4096];

	return file_text("/proc/self/smaps_rollup", text, sizeof(text))
		       ? field_bytes(text, "\nPss:")
		       : 0;
}

uint64_t monitor_rss_peak_bytes(void)
{
	char text[4096];

	return file_text("/proc/self/status", text, sizeof(text)) ? field_bytes(text, "\nVmHWM:")
								  : 0;
}

static void sample_memory(struct monitor *monitor)
{
	uint64_t shared_bytes, bytes;
	struct plx_stats stats;
	char text[4096];

	if (!file_text("/proc/self/status", text, sizeof(text)))
		return;
	shared_bytes = field_bytes(text, "\nRssShmem:");
	if (monitor->heap != NULL) {
		plx_heap_stats(monitor->heap, &stats);
		if (shared_bytes > stats.resident_bytes)
			shared_bytes = stats.resident_bytes;
	}
	bytes = field_bytes(text, "\nRssAnon:") + field_bytes(text, "\nRssFile:") + shared_bytes;
	if (bytes > monitor->pss_peak_bytes)
		monitor->pss_peak_bytes = bytes;
}

static void show_progress(const struct monitor *monitor, double elapsed)
{
	uint64_t done = 0;

	for (unsigned i = 0; i < monitor->threads; i++)
		/* Relaxed: see recorder_step. */
		done += __atomic_load_n(&monitor->workers[i].recorder->operations_seen,
					__ATOMIC_RELAXED);
	fprintf(stderr, "\r%-24s %6.1f s", monitor->label, elapsed);
	if (monitor->operations > 0)
		fprintf(stderr, " %5.1f%%", 100.0 * (double)done / (double)monitor->operations);
	else
		fprintf(stderr, " of %.1f", monitor->seconds);
	fprintf(stderr, "  %10.0f operations/s \033[K", (double)done / elapsed);
}

static void *sample_main(void *argument)
{
	struct monitor *monitor = argument;
	uint64_t start_ns = recorder_clock_ns();

	while (!stopping(monitor)) {
		sample_memory(monitor);
		sleep_ns(SAMPLE_NS);
		if (monitor->label != NULL)
			show_progress(monitor, (double)(recorder_clock_ns() - start_ns) / 1e9);
	}
	if (monitor->label != NULL)
		fprintf(stderr, "\r\033[K");
	return NULL;
}

bool monitor_start(struct monitor *monitor)
{
	monitor->stop = false;
	monitor->pss_peak_bytes = 0;
	memset(&monitor->hiccup, 0, sizeof(monitor->hiccup));
	if (pthread_create(&monitor->hiccup_thread, NULL, hiccup_main, monitor) != 0)
		return false;
	if (pthread_create(&monitor->sample_thread, NULL, sample_main, monitor) == 0)
		return true;
	__atomic_store_n(&monitor->stop, true, __ATOMIC_RELAXED); /* see stopping */
	pthread_join(monitor->hiccup_thread, NULL);
	return false;
}

void monitor_stop(struct monitor *monitor)
{
	uint64_t exact_bytes;

	__atomic_store_n(&monitor->stop, true, __ATOMIC_RELAXED); /* see stopping */
	pthread_join(monitor->hiccup_thread, NULL);
	pthread_join(monitor->sample_thread, NULL);
	exact_bytes = monitor_resident_bytes();
	if (exact_bytes > monitor->pss_peak_bytes)
		monitor->pss_peak_bytes = exact_bytes;
}
