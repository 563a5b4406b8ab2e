/* bench/gc_pause/rounds.h: `--rounds N`: each run N times, all plans in turn, and one result of it. */
#ifndef BENCH_GC_PAUSE_ROUNDS_H
#define BENCH_GC_PAUSE_ROUNDS_H

#include "bench/gc_pause/result.h"

#define ROUNDS_MOST 31

/* One result of `count` rounds of the same run: medians; of maxima the largest; counts of what was measured
 * added up. A round that did not go well is the result. The spread is that of the rounds. */
void rounds_combine(const struct result *rounds, unsigned count, struct result *into);

#endif
