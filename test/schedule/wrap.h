/* test/schedule/wrap.h: what the linker's --wrap leaves of the functions it redirects. */
#ifndef TEST_SCHEDULE_WRAP_H
#define TEST_SCHEDULE_WRAP_H

#include <pthread.h>
#include <time.h>

#include "gc/os/probe.h"

/* real_NAME is the function, wrap_NAME what everybody else calls instead. */
#define SCHEDULE_WRAPPED(type, name, parameters)                     \
	extern type real_##name parameters __asm__("__real_" #name); \
	type wrap_##name parameters __asm__("__wrap_" #name);

SCHEDULE_WRAPPED(int, pthread_create,
		 (pthread_t * id, const pthread_attr_t *attributes, void *(*entry)(void *),
		  void *argument))
SCHEDULE_WRAPPED(int, pthread_join, (pthread_t id, void **result))
SCHEDULE_WRAPPED(int, pthread_mutex_lock, (pthread_mutex_t * mutex))
SCHEDULE_WRAPPED(int, pthread_mutex_unlock, (pthread_mutex_t * mutex))
SCHEDULE_WRAPPED(int, pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t *mutex))
SCHEDULE_WRAPPED(int, pthread_cond_timedwait,
		 (pthread_cond_t * cond, pthread_mutex_t *mutex, const struct timespec *until))
SCHEDULE_WRAPPED(int, pthread_cond_signal, (pthread_cond_t * cond))
SCHEDULE_WRAPPED(int, pthread_cond_broadcast, (pthread_cond_t * cond))
SCHEDULE_WRAPPED(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock))
SCHEDULE_WRAPPED(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock))
SCHEDULE_WRAPPED(int, pthread_rwlock_unlock, (pthread_rwlock_t * lock))
SCHEDULE_WRAPPED(int, sched_yield, (void))
SCHEDULE_WRAPPED(int, nanosleep, (const struct timespec *time, struct timespec *left))
SCHEDULE_WRAPPED(int, clock_gettime, (clockid_t clock, struct timespec *now))
SCHEDULE_WRAPPED(long, sysconf, (int name))
SCHEDULE_WRAPPED(void, gc_probe_plans, (struct gc_probe * probe))

#endif
