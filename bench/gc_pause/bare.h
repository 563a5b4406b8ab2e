/* bench/gc_pause/bare.h: what a minor fault costs with no collector around it. */
#ifndef BENCH_GC_PAUSE_BARE_H
#define BENCH_GC_PAUSE_BARE_H

#include "bench/gc_pause/result.h"

/* Measure in this process, before it makes a heap. A loop the kernel refuses has count 0, and
 * `why_not` says so. A few tens of milliseconds. */
void bare_measure(struct bare_result *result);

#endif
