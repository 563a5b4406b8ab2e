/* bench/gc_pause/sweep.h: `--sweep`: what pauses and operations depend on. One thing at a time is varied
 * around a base of one thread, half of the heap alive and half of the operations replacing something. */
#ifndef BENCH_GC_PAUSE_SWEEP_H
#define BENCH_GC_PAUSE_SWEEP_H

#include <stdio.h>

#include "bench/gc_pause/options.h"
#include "bench/gc_pause/result.h"

#define SWEEP_MOST_POINTS 64

struct sweep_point {
	enum sweep_axis axis;
	double value;
	bool beside_copy; /* the copy plan runs too */
	unsigned threads;
	uint64_t heap_bytes, live_bytes, handles, range_slots;
	double update_ratio, seconds;
	uint64_t cycles;
};

/* The points that this machine's memory allows; how many. */
size_t sweep_points(const struct options *options, struct sweep_point *points);

/* The options of a run at a point. */
struct options sweep_options(const struct options *options, const struct sweep_point *point);

const char *sweep_axis_name(enum sweep_axis axis);

/* The table, line by line as the runs end. */
FILE *sweep_out(const struct options *options);
void sweep_report_head(FILE *out);
void sweep_report_line(FILE *out, const struct result *result);

#endif
