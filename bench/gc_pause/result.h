/* bench/gc_pause/result.h: what one run found. Plain data without pointers: the child process that
 * made the run writes it through a pipe, and the parent, the same program, reads it. */
#ifndef BENCH_GC_PAUSE_RESULT_H
#define BENCH_GC_PAUSE_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include <parallax/histogram.h>

#include "bench/gc_pause/options.h"

/* A distribution in microseconds. */
struct summary {
	uint64_t count;
	double p50, p90, p99, p999, p9999, max;
};

struct bare_result {
	struct summary sigbus;		  /* handler entered until the page is attached */
	struct summary thread;		  /* fault read until the page is attached */
	struct summary sigbus_round_trip; /* as the faulting thread sees it */
	struct summary thread_round_trip;
	char why_not[160]; /* empty, or why a loop could not run */
};

/* Resident memory in the fragment workload's last round. */
struct fragment_result {
	uint64_t full_bytes;
	uint64_t before_bytes; /* after dropping three quarters and collecting */
	uint64_t after_bytes;  /* after allocating a larger size class in their place */
};

/* Lowest and highest of the rounds. */
struct spread {
	double low, high;
};

enum result_status {
	RESULT_OK,
	RESULT_WRONG,	    /* the workload found contents it did not write */
	RESULT_UNAVAILABLE, /* this kernel or policy cannot do this plan */
	RESULT_FAILED,
};

/* What --sweep varies. */
enum sweep_axis {
	SWEEP_NONE,
	SWEEP_HEAP,
	SWEEP_THREADS,
	SWEEP_HANDLES,
	SWEEP_RANGE_SLOTS,
	SWEEP_LIVE,
	SWEEP_UPDATE,
	SWEEP_AXES,
};

struct result {
	enum result_status status;
	char message[512];
	enum run_plan plan;
	enum run_delivery delivery;
	enum run_workload workload;
	unsigned threads;
	uint64_t seed;
	uint64_t heap_bytes;
	uint64_t live_bytes;
	uint64_t handles, range_slots;
	double update_ratio;
	enum sweep_axis axis; /* the sweep it belongs to, or none */
	double axis_value;
	double seconds;
	uint64_t cycles;
	uint64_t checksum;
	uint64_t wrong;
	double operations_per_second;
	struct summary pause, flip, operation, arrival, fault, hiccup;
	double mmu[3]; /* over 1, 5 and 20 ms */
	uint64_t dirty_pages;
	uint64_t evacuated_bytes;
	uint64_t updated_in_place_bytes;
	uint64_t moved_back_bytes;
	uint64_t continued_pages;
	uint64_t copied_pages;
	uint64_t stalls;
	uint64_t paced, paced_us;
	uint64_t degraded;
	uint64_t rss_peak_bytes;
	uint64_t pss_peak_bytes;
	uint64_t metadata_bytes;
	double cpu_seconds;
	unsigned rounds; /* that the figures are medians of; 0 and 1: of a single run */
	struct spread rate_spread, pause_spread; /* of operations_per_second and pause.p50 */
	bool has_bare;
	struct bare_result bare;
	struct fragment_result fragment;
};

static inline void summary_fill(struct summary *summary, const struct plx_histogram *histogram_ns)
{
	summary->count = histogram_ns->count;
	summary->p50 = (double)plx_histogram_quantile(histogram_ns, 0.5) / 1e3;
	summary->p90 = (double)plx_histogram_quantile(histogram_ns, 0.9) / 1e3;
	summary->p99 = (double)plx_histogram_quantile(histogram_ns, 0.99) / 1e3;
	summary->p999 = (double)plx_histogram_quantile(histogram_ns, 0.999) / 1e3;
	summary->p9999 = (double)plx_histogram_quantile(histogram_ns, 0.9999) / 1e3;
	summary->max = (double)histogram_ns->max / 1e3;
}

#endif
