/* runtime/stop_report.c: naming the thread that a collection waits for, and showing where it is.
 *
 * The thread's stack can only be walked by the thread itself: it is sent SIGURG, which is ignored by
 * default, with a handler that is in place only for that moment. System calls that it sits in are
 * restarted. A thread that blocks the signal is reported without its stack.
 *
 * The kernel knows when the thread is no more: then it will never answer, and never touch the heap
 * either. Its handles stay roots, since nobody has dropped them.
 *
 * Who runs here: the collector thread, while it waits for a stop; the handler on the thread in
 * question. One report at a time, for all heaps of the process. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "gc/base/clock.h"
#include "gc/os/sys.h"
#include "runtime/world.h"

#define REPORT_SIGNAL SIGURG
#define REPORT_WAIT_NS 200000000u

static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t report_tid; /* atomic: whose stack is wanted; 0 when it has been shown */

static void report_handle(int number)
{
	int saved = errno;
	uint32_t wanted = gc_load_acquire(&report_tid); /* [MO-REPORT] */

	(void)number;
	if (wanted && rt_thread_id() == (int)wanted) {
		gc_fatal_backtrace();
		gc_store_release(&report_tid, 0); /* [MO-REPORT] */
	}
	errno = saved;
}

/* Wait until the thread has written its stack, but not for long. */
static bool report_wait(void)
{
	uint64_t start_ns = gc_clock_ns();
	unsigned round = 0;

	while (gc_load_acquire(&report_tid)) { /* [MO-REPORT] */
		if (gc_clock_ns() - start_ns > REPORT_WAIT_NS)
			return false;
		gc_backoff(&round);
	}
	return true;
}

/* 0 when the stack was shown; else why not. */
static int report_stack(const struct rt_thread *thread)
{
	struct sigaction action = {.sa_handler = report_handle, .sa_flags = SA_RESTART}, before;
	int error = gc_sys->sigaction(REPORT_SIGNAL, &action, &before);

	if (error < 0)
		return error;
	gc_store_release(&report_tid, (uint32_t)thread->tid); /* [MO-REPORT] */
	error = gc_sys->thread_signal(thread->tid, REPORT_SIGNAL);
	if (error >= 0 && !report_wait())
		error = -ETIMEDOUT;
	gc_store_release(&report_tid, 0); /* [MO-REPORT] too late is not at all */
	gc_sys->sigaction(REPORT_SIGNAL, &before, NULL);
	return error;
}

bool rt_stop_report(struct rt_thread *thread, uint64_t waited_ns)
{
	double seconds = (double)waited_ns / 1e9;
	int error;

	if (gc_sys->thread_signal(thread->tid, 0) == -ESRCH) {
		fprintf(stderr,
			"parallax: thread %d has ended without plx_thread_detach; it counts as blocked from "
			"now on, and what its handles refer to stays alive\n",
			thread->tid);
		return true;
	}
	fprintf(stderr,
		"parallax: a collection has waited %.1f s for thread %d to reach a safepoint. A long loop "
		"needs plx_poll; a call that blocks needs plx_block_enter and plx_block_exit around it. "
		"It is at:\n",
		seconds, thread->tid);
	pthread_mutex_lock(&report_lock);
	error = report_stack(thread);
	pthread_mutex_unlock(&report_lock);
	if (error < 0)
		fprintf(stderr, "  (its stack cannot be shown: %s)\n",
			error == -ETIMEDOUT ? "it does not take SIGURG" : strerror(-error));
	return false;
}

void rt_stop_report_fork(enum gc_fork_step step)
{
	gc_fork_mutex(&report_lock, step);
}
