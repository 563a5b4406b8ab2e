/* test/schedule/schedule.h: one thread at a time, and who is next is a choice that can be repeated.
 *
 *	READY <--------------------------+ woken, or its time has come
 *	  | chosen        ^              |
 *	  v               | not chosen   |
 *	RUNNING ----------+              |
 *	  | a lock that is taken, a condition, a futex, a thread to be joined
 *	  +----------------------> BLOCKED
 *	  | its function returned
 *	  +----------------------> ENDED
 *
 * [SC-1] Of the threads that the scheduler knows exactly one runs; it alone changes the scheduler's state.
 * [SC-2] Nothing but the plan decides who is next (choose.c): no clock, no address, no kernel. Time is the
 *        scheduler's: looking at the clock takes a while, and when everybody waits the nearest deadline has come.
 * [SC-3] Whoever waits for another thread waits here, never in the kernel. So a thread that is held up in the
 *        kernel for another one is no business of this build: faults must be delivered as SIGBUS, which the thread that
 *        faults resolves itself, and not by a thread that reads the userfaultfd.
 * [SC-4] A thread that ends is gone, destructors included, before the next one runs.
 *
 * Who runs here: the thread that schedule_begin was called by, and all that are created from then on. */
#ifndef TEST_SCHEDULE_SCHEDULE_H
#define TEST_SCHEDULE_SCHEDULE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "test/schedule/point.h"

#define SCHEDULE_THREADS 12
#define SCHEDULE_FOREVER UINT64_MAX

/* The calling thread is the first, number 0. */
void schedule_begin(void);

/* Only between the two is there a choice; before and after, threads take turns when they have to wait. */
void schedule_window(bool open);

/* Between two operations of a scenario: let others run. */
void schedule_step(void);

/* --- for wrap.c ----------------------------------------------------------------------------------- */

/* Is the caller one of the scheduler's? */
bool schedule_knows_me(void);

/* Wait until somebody wakes `on`, or until then. True if it was woken. */
bool schedule_block(const void *on, uint64_t deadline_ns, const char *where);
void schedule_wake(const void *on, unsigned most);
unsigned schedule_waiters(const void *on);

uint64_t schedule_now_ns(void); /* and a while later than before */
void schedule_sleep(uint64_t ns, const char *where);

int schedule_thread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*entry)(void *),
			   void *argument);
int schedule_thread_join(pthread_t id, void **result);

/* Leaves the process: nobody can run, or it takes too long. */
__attribute__((noreturn, format(printf, 1, 2))) void schedule_fail(const char *format, ...);

/* Puts wrap.c's table of system calls in force. */
void schedule_calls_install(void);

#endif
