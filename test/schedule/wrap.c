/* test/schedule/wrap.c: what would wait in the kernel waits in the scheduler instead.
 *
 * The linker leads every call of these functions here, jemalloc's included; calls inside libc stay what they are.
 * A lock is still the real one, taken only when it is free. Threads that the scheduler does not know (before
 * schedule_begin) get the real functions.
 *
 * Every entry of gc_sys is a point; futex waits in the scheduler, random numbers are always the same. The
 * probe of the kernel, which needs threads that wait in the kernel, is done once before any run. */
#include "test/schedule/wrap.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <unistd.h>

#include "gc/os/sys.h"
#include "test/schedule/schedule.h"

static uint64_t time_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;
}

/* --- threads, locks, conditions ----------------------------------------------------------------------- */

int wrap_pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*entry)(void *),
			void *argument)
{
	return schedule_knows_me() ? schedule_thread_create(id, attributes, entry, argument)
				   : real_pthread_create(id, attributes, entry, argument);
}

int wrap_pthread_join(pthread_t id, void **result)
{
	return schedule_knows_me() ? schedule_thread_join(id, result)
				   : real_pthread_join(id, result);
}

static int mutex_take(pthread_mutex_t *mutex, const char *where)
{
	int error;

	while ((error = pthread_mutex_trylock(mutex)) == EBUSY)
		schedule_block(mutex, SCHEDULE_FOREVER, where);
	return error;
}

int wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (!schedule_knows_me())
		return real_pthread_mutex_lock(mutex);
	SCHEDULE_POINT(SCHEDULE_LOCK);
	return mutex_take(mutex, __func__);
}

int wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int error = real_pthread_mutex_unlock(mutex);

	if (schedule_knows_me())
		schedule_wake(mutex, UINT_MAX);
	return error;
}

static int cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
	bool woken;

	wrap_pthread_mutex_unlock(mutex);
	woken = schedule_block(cond, deadline_ns, __func__);
	mutex_take(mutex, __func__);
	return woken ? 0 : ETIMEDOUT;
}

int wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	return schedule_knows_me() ? cond_wait(cond, mutex, SCHEDULE_FOREVER)
				   : real_pthread_cond_wait(cond, mutex);
}

int wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				const struct timespec *until)
{
	return schedule_knows_me() ? cond_wait(cond, mutex, time_ns(until))
				   : real_pthread_cond_timedwait(cond, mutex, until);
}

int wrap_pthread_cond_signal(pthread_cond_t *cond)
{
	if (!schedule_knows_me())
		return real_pthread_cond_signal(cond);
	SCHEDULE_POINT(SCHEDULE_LOCK);
	schedule_wake(cond, 1);
	return 0;
}

int wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
	if (!schedule_knows_me())
		return real_pthread_cond_broadcast(cond);
	SCHEDULE_POINT(SCHEDULE_LOCK);
	schedule_wake(cond, UINT_MAX);
	return 0;
}

int wrap_pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	int error;

	if (!schedule_knows_me())
		return real_pthread_rwlock_rdlock(lock);
	SCHEDULE_POINT(SCHEDULE_LOCK);
	while ((error = pthread_rwlock_tryrdlock(lock)) == EBUSY)
		schedule_block(lock, SCHEDULE_FOREVER, __func__);
	return error;
}

int wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	int error;

	if (!schedule_knows_me())
		return real_pthread_rwlock_wrlock(lock);
	SCHEDULE_POINT(SCHEDULE_LOCK);
	while ((error = pthread_rwlock_trywrlock(lock)) == EBUSY)
		schedule_block(lock, SCHEDULE_FOREVER, __func__);
	return error;
}

int wrap_pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	int error = real_pthread_rwlock_unlock(lock);

	if (schedule_knows_me())
		schedule_wake(lock, UINT_MAX);
	return error;
}

/* --- time, and what differs between machines ------------------------------------------------------------ */

int wrap_sched_yield(void)
{
	if (!schedule_knows_me())
		return real_sched_yield();
	schedule_spin(__func__, __LINE__);
	return 0;
}

int wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	if (!schedule_knows_me())
		return real_nanosleep(time, left);
	schedule_sleep(time_ns(time), __func__);
	return 0;
}

int wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	uint64_t now_ns;

	if (!schedule_knows_me())
		return real_clock_gettime(clock, now);
	now_ns = schedule_now_ns();
	*now = (struct timespec){(time_t)(now_ns / 1000000000), (long)(now_ns % 1000000000)};
	return 0;
}

/* As many CPUs as there are threads would make the collector spin; 2 exercises spinning and sleeping. */
long wrap_sysconf(int name)
{
	return name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF ? 2
									    : real_sysconf(name);
}

void wrap_gc_probe_plans(struct gc_probe *probe)
{
	static struct gc_probe found;
	static bool probed;

	if (!probed)
		real_gc_probe_plans(&found);
	probed = true;
	*probe = found;
}

/* --- system calls ---------------------------------------------------------------------------------------- */

static long call_futex(uint32_t *word, int operation, uint32_t value,
		       const struct timespec *timeout)
{
	unsigned waiters;

	if (!schedule_knows_me())
		return gc_sys_real.futex(word, operation, value, timeout);
	SCHEDULE_POINT(SCHEDULE_CALL);
	if (operation == FUTEX_WAKE_PRIVATE) {
		waiters = schedule_waiters(word);
		schedule_wake(word, value);
		return waiters < value ? waiters : value;
	}
	if (*word != value)
		return -EAGAIN;
	if (schedule_block(word, timeout ? schedule_now_ns() + time_ns(timeout) : SCHEDULE_FOREVER,
			   __func__))
		return 0;
	return -ETIMEDOUT;
}

static ssize_t call_random(void *into, size_t count)
{
	memset(into, 1, count);
	return (ssize_t)count;
}

#define CALL_DEFINE(type, name, parameters, arguments)              \
	static __attribute__((unused)) type point_##name parameters \
	{                                                           \
		schedule_point(SCHEDULE_CALL, #name, 0);            \
		return gc_sys_real.name arguments;                  \
	}
GC_SYS_TABLE(CALL_DEFINE)

#define CALL_ENTRY(type, name, parameters, arguments) .name = point_##name,
static struct gc_sys calls = {GC_SYS_TABLE(CALL_ENTRY)};

void schedule_calls_install(void)
{
	calls.futex = call_futex;
	calls.random = call_random;
	gc_sys = &calls;
}
