/* runtime/handshake.c: something done once for each mutator, while the others run.
 *
 *    collector                                    a mutator
 *    answer set; round + 1; poll words set  --->  at a safepoint: round is new: answers
 *    holds whoever is blocked, answers for him    returns from blocking: waits while it is held
 *    sleeps until nobody is pending        <---   the last to answer wakes it
 *
 * [HS-1] Whoever is attached when a round begins answers it exactly once: by itself while RUNNING, or
 *        through the collector, which then holds it (RT_HELD, world.h) so that it cannot return in the
 *        middle. `answered` says which round was the last.
 * [HS-2] No request is lost: a mutator clears its poll word and then looks for requests; the collector
 *        makes the request and then sets the word [MO-ROUND].
 * [HS-3] A round does not wait for a thread that is blocked, or that blocks later without having
 *        answered: it looks for a round after saying that it is BLOCKED, and wakes the collector.
 * [HS-4] threads_lock is held while a round begins and while the collector answers for others, not while
 *        it waits. So threads come and go meanwhile: who attaches starts with the regime that
 *        the round brings and owes no answer; who detaches answers first, under the lock.
 * [HS-5] A thread that never answers is reported like one that keeps a stop waiting [TH-4].
 *
 * Who runs here: the collector thread, one round at a time and never in a pause; mutators at their
 * safepoints. */
#include "gc/base/clock.h"
#include "gc/base/yield.h"
#include "runtime/world.h"

#define SPIN_HANDSHAKE_NS 20000 /* while there is a CPU for everybody */

/* Somebody answered for `thread`, which cannot be in the middle of anything. */
static void handshake_do(struct rt_thread *thread, uint32_t round)
{
	struct plx_heap *heap = thread->gc.pub.heap;
	struct rt_handshake *handshake = &heap->handshake;

	GC_CHECK(HS_1, gc_load_relaxed(&thread->answered) == round - 1); /* its own or held */
	gc_yield_point();
	handshake->answer(&heap->gc, &thread->gc);
	gc_store_release(&thread->answered, round); /* [MO-ROUND] */
	/* Acquire-release: the last to answer passes on what all did [MO-ROUND]. */
	if (gc_sub_acq_rel(&handshake->pending, 1) == 1)
		rt_world_arrive(heap);
}

void rt_handshake_answer(struct rt_thread *thread)
{
	/* Sequentially consistent: after the poll word, or the state [MO-ROUND]. */
	uint32_t round = gc_load_seq_cst(&thread->gc.pub.heap->handshake.round);

	if (gc_load_acquire(&thread->answered) != round) /* [MO-ROUND] the collector may have */
		handshake_do(thread, round);
}

/* More threads than CPUs: who has answered lets the others come to their safepoints, instead of using its
 * time up first. A round then takes a turn of all threads, not a time slice of each. */
void rt_handshake_make_way(struct plx_heap *heap)
{
	/* Relaxed: hints. */
	if (gc_load_relaxed(&heap->handshake.pending) &&
	    gc_load_relaxed(&heap->attached) > heap->gc.cpus)
		sched_yield();
}

bool rt_handshake_is_owed(const struct rt_thread *thread)
{
	/* Sequentially consistent: after the state was stored [MO-ROUND]. */
	uint32_t round = gc_load_seq_cst(&thread->gc.pub.heap->handshake.round);

	return gc_load_acquire(&thread->answered) != round; /* [MO-ROUND] */
}

/* Keep a thread that is not RUNNING from returning; false if it runs. */
static bool handshake_hold(struct rt_thread *thread, uint32_t *state)
{
	*state = gc_load_seq_cst(&thread->state); /* [MO-ROUND] */
	if (*state == RT_RUNNING)
		return false;
	return gc_cas_seq_cst(&thread->state, state, *state | RT_HELD); /* [MO-ROUND] */
}

/* Answer for everybody who is asleep; the first who runs and has not answered, or NULL. */
static struct rt_thread *handshake_pass_locked(struct plx_heap *heap)
{
	uint32_t round = gc_load_relaxed(&heap->handshake.round), state; /* its only writer */
	struct rt_thread *late = NULL;

	for (struct rt_thread *t = heap->threads; t; t = t->next) {
		if (gc_load_acquire(&t->answered) == round) /* [MO-ROUND] */
			continue;
		if (!handshake_hold(t, &state)) {
			late = late ? late : t;
			continue;
		}
		if (gc_load_acquire(&t->answered) != round) /* [MO-ROUND] before it blocked? */
			handshake_do(t, round);
		gc_store_seq_cst(&t->state, state); /* [MO-ROUND] let go */
	}
	return late;
}

/* [HS-5] */
static void handshake_report_locked(struct rt_thread *late, struct rt_patience *patience)
{
	if (!late || !rt_patience_is_over(patience) ||
	    !rt_stop_report(late, gc_clock_ns() - patience->start_ns))
		return;
	gc_store_seq_cst(&late->state, RT_BLOCKED); /* [MO-ROUND] it is no more */
	rt_world_arrive(late->gc.pub.heap);	    /* look again at once */
}

/* True when something happened, or could have, while spinning. */
static bool handshake_spin(struct plx_heap *heap, uint32_t arrivals)
{
	uint64_t start_ns = gc_clock_ns();

	if (gc_load_relaxed(&heap->attached) >= heap->gc.cpus) /* a hint */
		return false;
	while (gc_clock_ns() - start_ns < SPIN_HANDSHAKE_NS) {
		/* Relaxed: whoever returns from here looks again. */
		if (gc_load_relaxed(&heap->arrivals) != arrivals)
			return true;
		gc_cpu_relax();
	}
	return false;
}

static void handshake_wait(struct plx_heap *heap)
{
	struct rt_patience patience = rt_patience_begin(heap);

	for (;;) {
		uint32_t arrivals = gc_load_acquire(&heap->arrivals); /* [MO-STOP] */
		struct rt_thread *late;

		pthread_mutex_lock(&heap->threads_lock);
		late = handshake_pass_locked(heap);
		handshake_report_locked(late, &patience);
		pthread_mutex_unlock(&heap->threads_lock);
		if (gc_load_acquire(&heap->handshake.pending) == 0) /* [MO-ROUND] */
			return;
		if (!handshake_spin(heap, arrivals))
			rt_world_await_arrival(heap, arrivals, &patience);
	}
}

void rt_handshake(struct gc_heap *gc, gc_answer answer)
{
	struct plx_heap *heap = rt_heap_of(gc);
	struct rt_handshake *handshake = &heap->handshake;
	uint32_t pending = 0;

	pthread_mutex_lock(&heap->threads_lock);
	for (struct rt_thread *t = heap->threads; t; t = t->next)
		pending++;
	handshake->answer = answer;
	gc_store_relaxed(&handshake->pending, pending); /* the round orders it */
	gc_store_seq_cst(&handshake->round,
			 gc_load_relaxed(&handshake->round) + 1); /* [MO-ROUND] */
	for (struct rt_thread *t = heap->threads; t; t = t->next)
		gc_store_seq_cst(&t->gc.pub.poll, 1); /* [MO-ROUND] [HS-2] */
	pthread_mutex_unlock(&heap->threads_lock);
	handshake_wait(heap);
}
