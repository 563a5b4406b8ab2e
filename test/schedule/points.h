/* test/schedule/points.h: every atomic operation is a place where the scheduler may let another thread run.
 *
 * Put in front of each source of the library (-include) in the schedule build, and of nothing else: ordinary builds
 * do not know of it. What blocks is redirected by the linker instead (wrap.c), so that jemalloc's locks are seen, too.
 *
 * A point stands before its operation. Between two points nobody else runs: plain accesses need none, since what
 * they race with is an atomic of somebody else, or a bug that ThreadSanitizer is for. */
#ifndef TEST_SCHEDULE_POINTS_H
#define TEST_SCHEDULE_POINTS_H

#include "gc/base/atomic.h" /* before the macros: it defines a function that one of them replaces */
#include "test/schedule/point.h"

/* Defined for sources that only look: the verifier, which reads all tables with the world stopped. */
#ifndef SCHEDULE_QUIET

#define SCHEDULE_ACCESS(order) \
	SCHEDULE_POINT((order) == __ATOMIC_RELAXED ? SCHEDULE_RELAXED : SCHEDULE_ORDERED)

#define SCHEDULE_UPDATE(order) \
	SCHEDULE_POINT((order) == __ATOMIC_RELAXED ? SCHEDULE_RELAXED : SCHEDULE_CHANGE)

#define __atomic_load_n(p, order) (SCHEDULE_ACCESS(order), __atomic_load_n((p), (order)))
#define __atomic_store_n(p, v, order) (SCHEDULE_ACCESS(order), __atomic_store_n((p), (v), (order)))
#define __atomic_fetch_add(p, v, order) \
	(SCHEDULE_UPDATE(order), __atomic_fetch_add((p), (v), (order)))
#define __atomic_fetch_sub(p, v, order) \
	(SCHEDULE_UPDATE(order), __atomic_fetch_sub((p), (v), (order)))
#define __atomic_fetch_or(p, v, order) \
	(SCHEDULE_UPDATE(order), __atomic_fetch_or((p), (v), (order)))
#define __atomic_fetch_and(p, v, order) \
	(SCHEDULE_UPDATE(order), __atomic_fetch_and((p), (v), (order)))
#define __atomic_exchange_n(p, v, order) \
	(SCHEDULE_POINT(SCHEDULE_CHANGE), __atomic_exchange_n((p), (v), (order)))
#define __atomic_compare_exchange_n(p, expected, desired, weak, won, lost) \
	(SCHEDULE_POINT(SCHEDULE_CHANGE),                                  \
	 __atomic_compare_exchange_n((p), (expected), (desired), (weak), (won), (lost)))

#endif

#define gc_cpu_relax() schedule_spin(__func__, __LINE__)

#endif
