/* runtime/nativestack.c: stacks that the embedder switches between.
 *
 *              switch to it                    switch to it
 *     PARKED -----------------> READ ------------------------> CURRENT
 *      ^  ^                      |                                |
 *      |  +----- collector ------+                                |
 *      +-------------------- switch away -------------------------+
 *
 * CURRENT belongs to the thread that runs on it, and what is on it is that thread's. On a PARKED one nothing
 * changes. READ is held by one reader: the collector, or a thread that is about to run on it [MO-PARKED].
 *
 * [NS-1] A reference must not pass through a parked stack from a thread that has no snapshot yet to one that
 *        has (gc/cycle.c [CY-2]). So while snapshots are given every parked stack is noted once: by the
 *        thread with a snapshot that runs on it first, before it does; or by the collector when all
 *        snapshots are given. What a thread with a snapshot parks is safe already, and counts as noted.
 * [NS-2] A parked stack that was looked at before the plan keeps the regions it points into from being
 *        chosen, and need not be looked at in the flip's pause as long as nobody runs on it: `held`.
 * [NS-3] A thread's own stack is gone on with by itself alone: it belongs to its thread all the time.
 *
 * Who runs here: attached threads; the cycle's thread (begin, scan). */
#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "runtime/spill.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

#define NATIVE_LEAST_BYTES 1024

void rt_native_stacks_init(struct plx_heap *heap)
{
	pthread_mutex_init(&heap->native_stacks.lock, NULL);
}

void rt_native_stacks_destroy(struct plx_heap *heap)
{
	struct plx_native_stack *next;

	for (struct plx_native_stack *s = heap->native_stacks.first; s; s = next) {
		next = s->next;
		gc_meta_free(s, sizeof(*s));
	}
	pthread_mutex_destroy(&heap->native_stacks.lock);
}

enum plx_status plx_native_stack_add(struct plx_thread *thread, void *low, size_t bytes,
				     struct plx_native_stack **into, struct plx_error *error)
{
	RT_USE_RUNNING(thread);
	RT_USE(into, "`stack` is NULL: nowhere to put it");
	struct rt_native_stacks *stacks = &thread->heap->native_stacks;
	struct plx_native_stack *stack;

	*into = NULL;
	if (!low || bytes < NATIVE_LEAST_BYTES || (uintptr_t)low + bytes < bytes)
		return rt_error(error, PLX_ERROR_MISUSE,
				"%zu bytes at %p are no stack: at least %d bytes are needed", bytes,
				low, NATIVE_LEAST_BYTES);
	stack = gc_meta_alloc(sizeof(*stack));
	if (!stack)
		return rt_error(error, PLX_ERROR_MEMORY, "no memory for another native stack");
	stack->heap = thread->heap;
	stack->words.low = (uintptr_t)low;
	stack->words.base = ((uintptr_t)low + bytes) & ~(sizeof(uintptr_t) - 1);
	stack->state = RT_NATIVE_PARKED;
	stack->noted = 1; /* it holds nothing */
	pthread_mutex_lock(&stacks->lock);
	stack->next = stacks->first;
	if (stacks->first)
		stacks->first->previous = stack;
	stacks->first = stack;
	pthread_mutex_unlock(&stacks->lock);
	*into = stack;
	return PLX_OK;
}

/* Become the one who reads it; false: a thread runs on it. */
static bool native_hold(struct plx_native_stack *stack)
{
	unsigned round = 0;

	for (;;) {
		uint32_t state = RT_NATIVE_PARKED;

		if (gc_cas_seq_cst(&stack->state, &state, RT_NATIVE_READ)) /* [MO-PARKED] */
			return true;
		if (state == RT_NATIVE_CURRENT)
			return false;
		gc_backoff(&round);
	}
}

static void native_let(struct plx_native_stack *stack, enum rt_native_state state)
{
	gc_store_release(&stack->state, state); /* [MO-PARKED] */
}

enum plx_status plx_native_stack_remove(struct plx_thread *thread, struct plx_native_stack *stack)
{
	RT_USE_RUNNING(thread);
	RT_USE(stack, "`stack` is NULL");
	struct rt_native_stacks *stacks = &thread->heap->native_stacks;

	if (stack->heap != thread->heap || !native_hold(stack))
		return PLX_ERROR_MISUSE;
	native_let(stack, RT_NATIVE_PARKED); /* the collector waits for readers under the lock */
	pthread_mutex_lock(&stacks->lock);
	if (stack->previous)
		stack->previous->next = stack->next;
	else
		stacks->first = stack->next;
	if (stack->next)
		stack->next->previous = stack->previous;
	pthread_mutex_unlock(&stacks->lock);
	gc_meta_free(stack, sizeof(*stack));
	return PLX_OK;
}

/* --- switching ----------------------------------------------------------------------------------- */

/* The calling thread, which has its snapshot, is going to see what is on this stack. [NS-1] */
static void native_note(struct plx_thread *thread, struct plx_native_stack *stack)
{
	struct gc_heap *heap = &thread->heap->gc;

	/* Relaxed: cleared before anybody has a snapshot; set under READ. */
	if (!heap->ambiguous || gc_mutator_colour(&rt_thread_of(thread)->gc) != GC_BLACK ||
	    gc_load_relaxed(&stack->noted))
		return;
	gc_yield_point();
	rt_stack_words(heap, &stack->words, &gc_ambiguous_noting);
	gc_store_relaxed(&stack->noted, 1);
}

static void native_take(struct plx_thread *thread, struct plx_native_stack *stack)
{
	GC_REQUIRE(stack->heap == thread->heap,
		   "plx_native_stack_switch: the stack is registered with another heap");
	GC_REQUIRE(native_hold(stack),
		   "plx_native_stack_switch: another thread runs on that stack");
	native_note(thread, stack);
	gc_store_relaxed(&stack->held, 0); /* [NS-2] read by who holds it as READ */
	native_let(stack, RT_NATIVE_CURRENT);
}

static void native_park(struct plx_thread *thread, struct plx_native_stack *stack)
{
	bool black = gc_mutator_colour(&rt_thread_of(thread)->gc) == GC_BLACK;

	/* Relaxed: as in native_note. [NS-1] */
	gc_store_relaxed(&stack->noted, black);
	gc_yield_point();
	native_let(stack, RT_NATIVE_PARKED);
}

static void native_change(struct plx_thread *pub, struct plx_native_stack *to)
{
	struct rt_thread *thread = rt_thread_of(pub);
	struct plx_native_stack *from = thread->native;

	GC_CHECK(TH_1, gc_load_relaxed(&thread->state) == RT_RUNNING);
	if (to)
		native_take(pub, to);
	thread->native = to;
	if (from)
		native_park(pub, from);
}

RT_SPILL_BODY void rt_native_stack_switch_body(struct plx_thread *thread,
					       struct plx_native_stack *to, void *unused,
					       const struct rt_spill *spill)
{
	RT_USE_RUNNING_AS("plx_native_stack_switch", thread);
	(void)unused;
	if (to == rt_thread_of(thread)->native)
		return;
	rt_stack_publish(rt_thread_of(thread), spill, false);
	native_change(thread, to);
}

void plx_native_stack_end(struct plx_thread *thread, struct plx_native_stack *to)
{
	RT_USE_RUNNING(thread);
	struct plx_native_stack *from = rt_thread_of(thread)->native;

	GC_REQUIRE(from && from != to, "plx_native_stack_end: the thread is not on a stack that "
				       "was registered, or is to stay on it");
	rt_stack_forget(&from->words);
	native_change(thread, to);
}

struct plx_native_stack *plx_native_stack_current(const struct plx_thread *thread)
{
	RT_USE_THREAD(thread);
	return ((const struct rt_thread *)thread)->native;
}

/* --- the cycle ----------------------------------------------------------------------------------- */

/* Nobody has a snapshot yet. [NS-1] */
void rt_native_stacks_begin(struct gc_heap *heap)
{
	struct rt_native_stacks *stacks = &rt_heap_of(heap)->native_stacks;

	pthread_mutex_lock(&stacks->lock);
	for (struct plx_native_stack *s = stacks->first; s; s = s->next) {
		/* Relaxed: the handshake orders it before the first snapshot. */
		gc_store_relaxed(&s->noted, 0);
		gc_store_relaxed(&s->held, 0);
	}
	pthread_mutex_unlock(&stacks->lock);
}

static bool native_is_wanted(const struct plx_native_stack *stack, enum gc_parked which)
{
	/* Relaxed: of a stack that is held. */
	if (which == GC_PARKED_NEW)
		return !gc_load_relaxed(&stack->noted);
	return which != GC_PARKED_UNHELD || !gc_load_relaxed(&stack->held);
}

static void native_scan_one(struct gc_heap *heap, struct plx_native_stack *stack,
			    enum gc_parked which, const struct gc_stack_visit *visit)
{
	if (!native_hold(stack))
		return; /* its thread's */
	if (native_is_wanted(stack, which))
		rt_stack_words(heap, &stack->words, visit);
	/* Relaxed: as above. */
	if (which == GC_PARKED_NEW)
		gc_store_relaxed(&stack->noted, 1);
	else if (which == GC_PARKED_ALL)
		gc_store_relaxed(&stack->held, 1);
	native_let(stack, RT_NATIVE_PARKED);
}

void rt_native_stacks_scan(struct gc_heap *heap, enum gc_parked which,
			   const struct gc_stack_visit *visit)
{
	struct rt_native_stacks *stacks = &rt_heap_of(heap)->native_stacks;

	pthread_mutex_lock(&stacks->lock);
	for (struct plx_native_stack *s = stacks->first; s; s = s->next)
		native_scan_one(heap, s, which, visit);
	pthread_mutex_unlock(&stacks->lock);
}
