/* bench/gc_pause/monitor.h: what is watched beside the workload: the machine's own noise, the
 * process's memory, and a progress line. */
#ifndef BENCH_GC_PAUSE_MONITOR_H
#define BENCH_GC_PAUSE_MONITOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <parallax/histogram.h>

struct plx_heap;
struct worker;

struct monitor {
	struct plx_heap *heap; /* NULL on plain malloc */
	struct worker *workers;
	unsigned threads;
	const char *label;   /* of the progress line; NULL for none */
	double seconds;	     /* expected; 0 if unknown */
	uint64_t operations; /* expected; 0 if unknown */
	bool stop;	     /* atomic */
	pthread_t hiccup_thread;
	pthread_t sample_thread;
	uint64_t pss_peak_bytes;
	/* By how much a sleep of 1 ms overshoots: what no collector is to blame for. */
	struct plx_histogram hiccup;
};

/* Fields up to `operations` are the caller's to fill in. False if a thread cannot be made. */
bool monitor_start(struct monitor *monitor);
void monitor_stop(struct monitor *monitor);

/* Proportional set size of this process, read exactly. It walks all page tables under the lock that
 * a flip needs, so it has no place inside a measurement. 0 if the kernel does not tell. */
uint64_t monitor_resident_bytes(void);

/* Peak resident set of this process (VmHWM). */
uint64_t monitor_rss_peak_bytes(void);

#endif
