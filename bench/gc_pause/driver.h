/* bench/gc_pause/driver.h: which runs there are, and a process for each. */
#ifndef BENCH_GC_PAUSE_DRIVER_H
#define BENCH_GC_PAUSE_DRIVER_H

#include "bench/gc_pause/options.h"

/* Do everything the command line asks for; the program's exit status. */
int driver_run(struct options *options);

#endif
