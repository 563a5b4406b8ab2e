/* runtime/fork.c: fork (GC_FORK). In the child of a heap that forbids it, first use ends with a message; one heap
 * of a process may be copied instead, so that the child goes on with a heap of its own.
 *
 *   prepare   the forking thread leaves all its heaps (a safepoint); one fork at a time
 *             no cycle runs any more, nor begins; every mutator stands still; every lock is held
 *             shared memory is copied
 *   parent    all of that backwards
 *   child     locks made anew; the views show the copy; a userfaultfd, a fault thread, a collector with
 *             helpers of its own; who else was attached is forgotten
 *
 * Locks, in this order: fork_lock; threads_lock, by stopping the world, when the collector rests and is held
 * [CL-3]; collector.lock; roots, stack maps, native stacks, pins, handles, telemetry, listeners; those of
 * gc_fork_locks; signal.c's, stop_report.c's and probe.c's. jemalloc's own handlers, which its private copy
 * registers before ours, take its locks after all these, and in the child make them anew before we run.
 *
 * [FO-1] The thread waits for fork_lock, and for the cycle's end, as BLOCKED in every heap it is attached
 *        to: so nobody waits for it meanwhile. From then on nothing moves until the fork is over. Who makes or
 *        destroys a heap takes fork_lock in the same way.
 * [FO-2] One heap only is copied. Two would have to stand still together; a thread that stands still for one
 *        of them, without being at a safepoint of the other, would never come to it.
 * [FO-3] A fork never fails for the heap's sake. What cannot be copied, or opened in the child, is said on
 *        standard error, and that child has no heap, as with GC_FORK=forbid; the parent has lost nothing.
 * [FO-4] A thread that was attached and is not there in the child counts as detached: its scoped handles are
 *        dropped. What belongs to the heap stays: free handles, pins, roots in the program's own memory.
 *
 * Who runs here: the thread that forks, in the handlers of pthread_atfork; vfork and posix_spawn call none. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "gc/collect/fork.h"
#include "gc/os/probe.h"
#include "gc/os/sys.h"
#include "runtime/world.h"

static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static int fork_registered;
/* Under fork_lock. */
static struct plx_heap *fork_heaps; /* of the process */
static struct plx_heap *fork_copied; /* the one that children get; also asked for without the lock, by
				       * threads that are attached to it */
static struct gc_view_fork fork_view; /* of the fork under way */
static int fork_error;
static const char *fork_step;

/* --- forbidden: the message --------------------------------------------------------------------- */

void rt_fork_refuse(void)
{
	gc_fatal("this process is a child of fork, and the heap is its parent's: make it with "
		 "GC_FORK=copy for a heap of the child's own, or call exec; posix_spawn needs "
		 "neither");
}

/* An address of a heap that is not there. Anything else is not ours: it happens again, without us. */
static void fork_on_fault(int number, siginfo_t *info, void *context)
{
	(void)context;
	for (const struct plx_heap *heap = fork_heaps; heap; heap = heap->fork.next)
		if (heap->fork.refused && gc_heap_contains(&heap->gc, (uintptr_t)info->si_addr))
			rt_fork_refuse();
	gc_sys->sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

/* Unless the program looks after it. */
static void fork_catch_faults(void)
{
	struct sigaction action = {.sa_sigaction = fork_on_fault, .sa_flags = SA_SIGINFO}, now;

	if (gc_sys->sigaction(SIGSEGV, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
	    now.sa_handler == SIG_DFL)
		gc_sys->sigaction(SIGSEGV, &action, NULL);
}

static void fork_forbid(struct plx_heap *heap, struct gc_view_fork *view)
{
	heap->fork.refused = true;
	gc_view_fork_forbid(&heap->gc.view, view);
	gc_uffd_close(&heap->gc.uffd);
	rt_fault_thread_forget(heap);
	rt_trace_leave(heap);
	fork_catch_faults();
}

/* --- copied: locks, in the order above ---------------------------------------------------------- */

static void fork_locks(struct plx_heap *heap, enum gc_fork_step step)
{
	gc_fork_mutex(&heap->collector.lock, step);
	gc_fork_mutex(&heap->roots.lock, step);
	gc_fork_cond(&heap->roots.opened, false, step);
	gc_fork_mutex(&heap->stackmaps.lock, step);
	gc_fork_mutex(&heap->native_stacks.lock, step);
	gc_fork_mutex(&heap->pins.lock, step);
	gc_fork_mutex(&heap->handles.lock, step);
	gc_fork_mutex(&heap->telemetry.lock, step);
	rt_listeners_fork(heap, step);
	gc_fork_locks(&heap->gc, step);
	rt_signal_fork(step);
	rt_stop_report_fork(step);
	gc_probe_fork(step);
}

/* --- the three handlers -------------------------------------------------------------------------- */

/* [FO-1] */
static void fork_enter(void)
{
	/* Relaxed: it was set before anybody could attach to that heap. */
	if (gc_load_relaxed(&fork_copied))
		rt_threads_leave();
	pthread_mutex_lock(&fork_lock);
}

static void fork_leave(void)
{
	pthread_mutex_unlock(&fork_lock);
	rt_threads_return();
}

static void fork_report(const char *where)
{
	fprintf(stderr,
		"parallax: fork: the heap could not be copied%s: %s: %s; the child has none\n",
		where, fork_step, strerror(-fork_error));
}

static void fork_prepare(void)
{
	struct plx_heap *heap;

	fork_enter();
	heap = fork_copied;
	if (!heap)
		return;
	GC_REQUIRE(!rt_listener_inside(), "fork: not from inside of a listener");
	rt_collector_hold(heap);
	rt_world.stop(&heap->gc, GC_STOP_BRIEF);
	fork_locks(heap, GC_FORK_LOCK);
	fork_error = gc_fork_copy_stw(&heap->gc, &fork_view, &fork_step);
	if (fork_error < 0)
		fork_report("");
}

static void fork_parent(void)
{
	struct plx_heap *heap = fork_copied;

	if (heap) {
		gc_view_fork_end(&heap->gc.view, &fork_view);
		fork_locks(heap, GC_FORK_UNLOCK);
		rt_world.resume(&heap->gc);
		rt_collector_let_go(heap);
	}
	fork_leave();
}

/* What the parent has opened is opened anew: a userfaultfd is of one process only. */
static int fork_open_child(struct plx_heap *heap)
{
	int error = gc_view_fork_adopt(&heap->gc.view, &fork_view, &fork_step);

	if (error < 0)
		return error;
	gc_fork_settle_child(&heap->gc);
	rt_world_settle_child(heap);
	rt_threads_forget_others(heap); /* [FO-4] */
	error = rt_heap_reopen(heap, &fork_step);
	if (error < 0)
		return error;
	fork_step = "starting the collector thread";
	error = rt_collector_restart(heap);
	if (error < 0)
		rt_fault_thread_stop(heap);
	return error;
}

/* Nobody else is here. */
static void fork_child_copied(struct plx_heap *heap)
{
	fork_locks(heap, GC_FORK_RENEW);
	gc_fork_mutex(&heap->threads_lock, GC_FORK_RENEW);
	rt_collector_renew(heap);
	rt_trace_leave(heap);
	rt_fault_thread_forget(heap);
	if (fork_error == 0) {
		fork_error = fork_open_child(heap);
		if (fork_error < 0)
			fork_report(" in the child");
	}
	if (fork_error < 0) {
		fork_forbid(heap, &fork_view); /* [FO-3] */
		gc_store_relaxed(&fork_copied, NULL);
	}
}

static void fork_child(void)
{
	struct gc_view_fork nothing = {.memfd = -1};

	gc_fork_mutex(&fork_lock, GC_FORK_RENEW);
	if (fork_copied)
		fork_child_copied(fork_copied);
	for (struct plx_heap *heap = fork_heaps; heap; heap = heap->fork.next)
		if (heap != fork_copied && !heap->fork.refused)
			fork_forbid(heap, &nothing);
	rt_threads_return();
}

/* --- heaps come and go --------------------------------------------------------------------------- */

static void fork_register(void)
{
	fork_registered = pthread_atfork(fork_prepare, fork_parent, fork_child);
}

enum plx_status rt_fork_add(struct plx_heap *heap, struct plx_error *error)
{
	bool copy = heap->gc.config.fork != 0, second;

	pthread_once(&fork_once, fork_register);
	if (fork_registered != 0 && copy)
		return rt_error(error, PLX_ERROR_SYSTEM, "GC_FORK=copy: pthread_atfork: %s",
				strerror(fork_registered));
	fork_enter();
	second = copy && fork_copied;
	if (!second) {
		heap->fork.next = fork_heaps;
		fork_heaps = heap;
		if (copy)
			gc_store_relaxed(&fork_copied, heap); /* see fork_enter */
	}
	fork_leave();
	if (second)
		return rt_error(error, PLX_ERROR_LIMIT,
				"GC_FORK=copy: a process can have one heap that fork copies, and "
				"there is one; make the others with GC_FORK=forbid");
	heap->fork.added = true;
	return PLX_OK;
}

void rt_fork_remove(struct plx_heap *heap)
{
	struct plx_heap **link = &fork_heaps;

	if (!heap->fork.added)
		return;
	fork_enter();
	while (*link != heap)
		link = &(*link)->fork.next;
	*link = heap->fork.next;
	if (fork_copied == heap)
		gc_store_relaxed(&fork_copied, NULL); /* as above */
	fork_leave();
}
