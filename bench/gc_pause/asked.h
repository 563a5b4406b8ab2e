/* bench/gc_pause/asked.h: `--cycles N`: a run in which cycles are asked for. What is alive in a large heap
 * outlasts a short run by far, so none would come by itself; here N are asked for, evenly over the
 * time, and the run goes on until the last one has ended. */
#ifndef BENCH_GC_PAUSE_ASKED_H
#define BENCH_GC_PAUSE_ASKED_H

#include "bench/gc_pause/workload.h"

struct asked;

/* Begin asking; NULL without memory or a thread. `workers` are those of the run. */
struct asked *asked_start(const struct work *work, struct worker *workers);

/* When all workers have stopped. */
void asked_finish(struct asked *asked);

#endif
