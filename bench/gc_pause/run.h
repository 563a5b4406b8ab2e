/* bench/gc_pause/run.h: one run: one workload, one plan, in a process that does nothing else. */
#ifndef BENCH_GC_PAUSE_RUN_H
#define BENCH_GC_PAUSE_RUN_H

#include "bench/gc_pause/options.h"
#include "bench/gc_pause/result.h"

/* `options` holds one workload, one plan, at most one delivery, and no defaults left to fill in. */
void run_once(const struct options *options, struct result *result);

#endif
