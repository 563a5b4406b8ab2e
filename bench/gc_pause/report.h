/* bench/gc_pause/report.h: results for people, side by side, and for programs. */
#ifndef BENCH_GC_PAUSE_REPORT_H
#define BENCH_GC_PAUSE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "bench/gc_pause/result.h"

/* One table per workload, as wide as the terminal allows; results are in order of workload. */
void report_table(FILE *out, const struct result *results, size_t count);
void report_bare(FILE *out, const struct bare_result *bare);

/* The JSON object described in docs/benchmarks.md. `bare` may be NULL. False if writing failed. */
bool report_json(const char *path, const struct result *results, size_t count,
		 const struct bare_result *bare);

#endif
