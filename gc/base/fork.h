/* gc/base/fork.h: what becomes of a lock when the process forks (GC_FORK=copy, runtime/fork.c).
 *
 * Before the fork each lock is taken, so that what it guards is whole; afterwards the parent gives it back.
 * In the child it is made anew: threads that waited for it, or for a condition, are no more. */
#ifndef GC_BASE_FORK_H
#define GC_BASE_FORK_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

enum gc_fork_step {
	GC_FORK_LOCK,	/* before the fork */
	GC_FORK_UNLOCK, /* after it, in the parent */
	GC_FORK_RENEW,	/* after it, in the child */
};

static inline void gc_fork_mutex(pthread_mutex_t *mutex, enum gc_fork_step step)
{
	if (step == GC_FORK_LOCK)
		pthread_mutex_lock(mutex);
	else if (step == GC_FORK_UNLOCK)
		pthread_mutex_unlock(mutex);
	else
		pthread_mutex_init(mutex, NULL);
}

/* Only the child has to do something. */
static inline void gc_fork_cond(pthread_cond_t *cond, bool monotonic, enum gc_fork_step step)
{
	pthread_condattr_t attributes;

	if (step != GC_FORK_RENEW)
		return;
	pthread_condattr_init(&attributes);
	if (monotonic)
		pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

#endif
