/* bench/gc_pause/lisp.h: programs of examples/lisp as workloads: an operation is one call of the program's
 * `run`, which checks its own result. */
#ifndef BENCH_GC_PAUSE_LISP_H
#define BENCH_GC_PAUSE_LISP_H

#include "bench/gc_pause/workload.h"

/* Turn the run's heap into a Lisp, before any thread attaches. False with a message. */
bool work_lisp_open(struct work *work, char *message, size_t bytes);

/* When all threads have ended. */
void work_lisp_close(struct work *work);

/* The body of a worker thread. */
void *work_lisp_thread(void *worker);

#endif
