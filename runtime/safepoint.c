/* runtime/safepoint.c: stopping the mutators, and their side of it. See world.h for states and
 * invariants [TH-1] [TH-2] [TH-4].
 *
 * Waiting is spinning first: a mutator that polls often answers within microseconds, and so does the
 * collector; only then do both sleep on a futex. A thread spins only while there are CPUs enough for
 * whoever it waits for.
 *
 * Who runs here: mutators at polls and around blocking; the collector thread (stop, resume). */
#include <linux/futex.h>

#include "gc/base/clock.h"
#include "gc/base/yield.h"
#include "gc/os/sys.h"
#include "runtime/misuse.h"
#include "runtime/spill.h"
#include "runtime/world.h"

#define SPIN_STOP_NS 50000    /* collector, for mutators to arrive */
#define SPIN_RESUME_NS 100000 /* mutators, for the pause to end */

static void futex_wait(uint32_t *word, uint32_t value, const struct timespec *timeout)
{
	gc_sys->futex(word, FUTEX_WAIT_PRIVATE, value, timeout); /* any return: look again */
}

/* A wake that is refused would leave its waiters asleep for good: so it is repeated. */
static void futex_wake_all(uint32_t *word)
{
	unsigned round = 0;

	while (gc_sys->futex(word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL) < 0) {
		GC_REQUIRE(round < 1000000, "futex wake-ups are refused");
		gc_backoff(&round);
	}
}

uint32_t rt_world_running(struct plx_heap *heap)
{
	uint32_t running = 0;

	for (struct rt_thread *t = heap->threads; t; t = t->next)
		running += gc_load_relaxed(&t->state) == RT_RUNNING; /* a hint */
	return running;
}

void rt_world_arrive(struct plx_heap *heap)
{
	gc_add_acq_rel(&heap->arrivals, 1); /* [MO-STOP] */
	futex_wake_all(&heap->arrivals);
}

/* Stop being RUNNING: the collector need not wait for this thread from here on. */
void rt_state_leave(struct rt_thread *thread, enum rt_state state)
{
	struct plx_heap *heap = thread->gc.pub.heap;

	gc_store_seq_cst(&thread->state, state); /* [MO-STOP] [MO-ROUND] */
	if (gc_load_seq_cst(&heap->stopping) || rt_handshake_is_owed(thread)) /* [MO-STOP] */
		rt_world_arrive(heap);
}

static void wait_for_resume(struct plx_heap *heap)
{
	uint64_t start_ns = gc_clock_ns();
	/* Hints: a wrong guess only costs time. */
	bool may_spin = gc_load_relaxed(&heap->attached) < heap->gc.cpus &&
			gc_load_relaxed(&heap->stop_kind) == GC_STOP_BRIEF;

	while (gc_load_acquire(&heap->stopping)) { /* [MO-RESUME] */
		if (may_spin && gc_clock_ns() - start_ns < SPIN_RESUME_NS)
			gc_cpu_relax();
		else
			futex_wait(&heap->stopping, 1, NULL);
	}
}

/* Become RUNNING, unless the collector holds the thread just now: then afterwards. [HS-1] */
static void state_run(struct rt_thread *thread, enum rt_state from)
{
	unsigned round = 0;
	uint32_t expected = from;

	while (!gc_cas_seq_cst(&thread->state, &expected, RT_RUNNING)) { /* [MO-STOP] [MO-ROUND] */
		gc_backoff(&round);
		expected = from;
	}
}

/* Become RUNNING; while the world is stopping, wait as `waiting_as` instead, which is the state now. */
void rt_state_enter(struct rt_thread *thread, enum rt_state waiting_as)
{
	struct plx_heap *heap = thread->gc.pub.heap;

	for (;;) {
		wait_for_resume(heap);
		state_run(thread, waiting_as);
		if (!gc_load_seq_cst(&heap->stopping)) /* [MO-STOP] */
			break;
		rt_state_leave(thread, waiting_as);
	}
	rt_handshake_answer(thread);
	if (heap->delivery == PLX_DELIVERY_SIGBUS &&
	    gc_load_acquire(&heap->gc.armed)) /* [MO-ARMED] */
		rt_signal_unblock(thread);
}

static void poll_stand(struct rt_thread *thread, void *context)
{
	struct plx_heap *heap = thread->gc.pub.heap;

	(void)context;
	gc_store_seq_cst(&thread->gc.pub.poll, 0); /* [MO-ROUND] [HS-2] before looking */
	rt_handshake_answer(thread);
	if (!gc_load_seq_cst(&heap->stopping)) { /* [MO-STOP] */
		rt_handshake_make_way(heap);
		return;
	}
	rt_state_leave(thread, RT_STOPPED);
	rt_state_enter(thread, RT_STOPPED);
}

void plx_poll_slow(struct plx_thread *pub)
{
	RT_USE_RUNNING(pub);
	rt_fork_check(pub->heap);
	rt_stand(rt_thread_of(pub), poll_stand, NULL);
	rt_torture_poll(rt_thread_of(pub));
}

void rt_block_begin(struct rt_thread *thread)
{
	rt_fork_check(thread->gc.pub.heap);
	GC_CHECK(TH_1, gc_load_relaxed(&thread->state) == RT_RUNNING);
	rt_handshake_answer(thread);
	rt_state_leave(thread, RT_BLOCKED);
}

/* plx_block_enter, after its registers were spilled: see stack.c. */
RT_SPILL_BODY void rt_block_enter_body(struct plx_thread *pub, void *unused, void *unused_too,
				       const struct rt_spill *spill)
{
	RT_USE_RUNNING_AS("plx_block_enter", pub);
	struct rt_thread *thread = rt_thread_of(pub);

	(void)unused, (void)unused_too;
	rt_stack_publish(thread, spill, false);
	rt_block_begin(thread);
}

void plx_block_exit(struct plx_thread *pub)
{
	RT_USE_BLOCKED(pub);
	rt_fork_check(pub->heap);
	/* HELD for a moment, perhaps. */
	GC_CHECK(TH_1, gc_load_relaxed(&rt_thread_of(pub)->state) & RT_BLOCKED);
	rt_state_enter(rt_thread_of(pub), RT_BLOCKED);
}

bool plx_thread_is_running(const struct plx_thread *thread)
{
	RT_USE_THREAD(thread);
	/* Its own state, relaxed: a handler sees what its thread has stored. But RUNNING alone is not enough: in
	 * rt_state_enter it may have come too late for a stop that counts the thread as blocked [MO-STOP]. */
	return gc_load_relaxed(&((const struct rt_thread *)thread)->state) == RT_RUNNING &&
	       !gc_load_seq_cst(&thread->heap->stopping);
}

struct rt_patience rt_patience_begin(const struct plx_heap *heap)
{
	uint64_t start_ns = gc_clock_ns(), wait_ns = heap->gc.config.stop_report_ms * 1000000;

	return (struct rt_patience){start_ns, wait_ns, wait_ns ? start_ns + wait_ns : UINT64_MAX};
}

bool rt_patience_is_over(struct rt_patience *patience)
{
	uint64_t now_ns = gc_clock_ns();

	if (now_ns < patience->due_ns)
		return false;
	patience->wait_ns *= 2;
	patience->due_ns = now_ns + patience->wait_ns;
	return true;
}

/* Sleep until somebody arrives or the next report is due. */
void rt_world_await_arrival(struct plx_heap *heap, uint32_t arrivals,
			    const struct rt_patience *patience)
{
	uint64_t now_ns = gc_clock_ns(), due_ns = patience->due_ns;
	uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	struct timespec timeout = {(time_t)(left_ns / 1000000000), (long)(left_ns % 1000000000)};

	futex_wait(&heap->arrivals, arrivals, due_ns == UINT64_MAX ? NULL : &timeout);
}

/* [TH-4] A thread that keeps everybody waiting is named, again at doubled intervals; one that has ended
 * without detaching is counted as blocked. */
static void wait_for_thread(struct plx_heap *heap, struct rt_thread *thread)
{
	struct rt_patience patience = rt_patience_begin(heap);

	for (;;) {
		uint32_t arrivals = gc_load_acquire(&heap->arrivals); /* [MO-STOP] */
		uint64_t waited_ns;

		if (gc_load_seq_cst(&thread->state) != RT_RUNNING) /* [MO-STOP] */
			return;
		waited_ns = gc_clock_ns() - patience.start_ns;
		if (waited_ns < SPIN_STOP_NS) {
			gc_cpu_relax();
			continue;
		}
		if (rt_patience_is_over(&patience) && rt_stop_report(thread, waited_ns))
			gc_store_seq_cst(&thread->state, RT_BLOCKED); /* [MO-STOP] */
		rt_world_await_arrival(heap, arrivals, &patience);
	}
}

static void world_stop(struct gc_heap *gc, enum gc_stop kind)
{
	struct plx_heap *heap = rt_heap_of(gc);

	pthread_mutex_lock(&heap->threads_lock);  /* [TH-2] */
	gc_store_relaxed(&heap->stop_kind, kind); /* a hint for how to wait */
	gc_store_seq_cst(&heap->stopping, 1);	  /* [MO-STOP] */
	for (struct rt_thread *t = heap->threads; t; t = t->next)
		gc_store_seq_cst(&t->gc.pub.poll, 1); /* [MO-ROUND] after the request */
	for (struct rt_thread *t = heap->threads; t; t = t->next)
		wait_for_thread(heap, t);
}

static void world_resume(struct gc_heap *gc)
{
	struct plx_heap *heap = rt_heap_of(gc);

	for (struct rt_thread *t = heap->threads; t; t = t->next)
		gc_store_relaxed(&t->gc.pub.poll,
				 rt_poll_at_rest(heap)); /* its thread stands still */
	gc_store_seq_cst(&heap->stopping, 0);		 /* [MO-RESUME] */
	futex_wake_all(&heap->stopping);
	pthread_mutex_unlock(&heap->threads_lock);
}

/* In a child of fork: the stop that was in force is over, and nobody is in the middle of anything. */
void rt_world_settle_child(struct plx_heap *heap)
{
	/* Relaxed, all: there is one thread. */
	gc_store_relaxed(&heap->stopping, 0);
	gc_store_relaxed(&heap->handshake.pending, 0);
	for (struct rt_thread *t = heap->threads; t; t = t->next)
		gc_store_relaxed(&t->gc.pub.poll, 0);
}

static void world_each_mutator(struct gc_heap *gc, gc_answer visit)
{
	for (struct rt_thread *t = rt_heap_of(gc)->threads; t; t = t->next)
		visit(gc, &t->gc);
}

static void world_armed(struct gc_heap *gc, bool armed)
{
	if (rt_heap_of(gc)->fault_thread.running)
		rt_fault_thread_armed(rt_heap_of(gc), armed);
}

static bool world_cpu_to_spare(const struct gc_heap *gc)
{
	const struct plx_heap *heap = (const struct plx_heap *)gc;

	return gc_load_relaxed(&heap->attached) < gc->cpus; /* a hint */
}

static bool world_faults_ready(struct gc_heap *gc)
{
	return rt_heap_of(gc)->delivery != PLX_DELIVERY_SIGBUS || rt_signal_ensure() == 0;
}

const struct gc_world rt_world = {
	.stop = world_stop,
	.resume = world_resume,
	.handshake = rt_handshake,
	.roots_close = rt_roots_close,
	.roots_any = rt_roots_any,
	.roots_open = rt_roots_open,
	.each_mutator = world_each_mutator,
	.each_root = rt_roots_each,
	.paused = rt_listeners_paused,
	.scan_stack = rt_stack_scan,
	.stacks_begin = rt_native_stacks_begin,
	.scan_parked = rt_native_stacks_scan,
	.faults_ready = world_faults_ready,
	.cpu_to_spare = world_cpu_to_spare,
	.armed = world_armed,
};
