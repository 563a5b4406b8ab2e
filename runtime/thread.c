/* runtime/thread.c: attaching and detaching mutators.
 *
 * Attaching and detaching happen under threads_lock, which is held through pauses and while a
 * handshake begins: so a new thread takes the regime of the round it missed, and one that leaves in
 * the middle of a round answers it first [TH-2] [HS-4]. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

/* What the calling OS thread is attached to: known without a lock, since a thread that is attached
 * must not wait for threads_lock while a pause waits for the thread. */
static __thread __attribute__((tls_model("initial-exec"))) struct rt_thread *thread_own;

struct rt_thread *rt_thread_self(const struct plx_heap *heap)
{
	for (struct rt_thread *t = thread_own; t; t = t->next_of_owner)
		if (t->gc.pub.heap == heap)
			return t;
	return NULL;
}

bool rt_thread_is_own(const struct plx_thread *thread)
{
	for (const struct rt_thread *t = thread_own; t; t = t->next_of_owner)
		if (&t->gc.pub == thread)
			return true;
	return false;
}

int rt_thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

static void thread_forget_own(const struct rt_thread *thread)
{
	struct rt_thread **link = &thread_own;

	while (*link != thread)
		link = &(*link)->next_of_owner;
	*link = thread->next_of_owner;
}

static void thread_link_locked(struct plx_heap *heap, struct rt_thread *thread)
{
	thread->next = heap->threads;
	if (heap->threads)
		heap->threads->previous = thread;
	heap->threads = thread;
	/* Relaxed, both: under threads_lock, see the file head and cycle_handshake. */
	thread->gc.pub.barrier = gc_load_relaxed(&heap->gc.regime);
	thread->answered = gc_load_relaxed(&heap->handshake.round);
	thread->gc.pub.poll = rt_poll_at_rest(heap);
	gc_add_relaxed(&heap->attached, 1); /* a hint for others; the lock guards the list */
}

static void thread_unlink_locked(struct plx_heap *heap, struct rt_thread *thread)
{
	if (thread->previous)
		thread->previous->next = thread->next;
	else
		heap->threads = thread->next;
	if (thread->next)
		thread->next->previous = thread->previous;
	gc_sub_relaxed(&heap->attached, 1); /* as above */
}

/* A ring for its events, if the heap is traced. */
static void thread_trace(struct plx_heap *heap, struct rt_thread *thread)
{
	struct gc_events *events = &heap->gc.events;

	thread->gc.events = gc_event_ring_take(events, "mutator", 0);
	thread->gc.fine_events = events->level > 1 ? thread->gc.events : NULL;
	GC_INSTANT(thread->gc.events, attach, 0, 0, 0, 0);
}

enum plx_status plx_thread_attach(struct plx_heap *heap, struct plx_thread **into,
				  struct plx_error *error)
{
	RT_USE_HEAP(heap);
	RT_USE(into, "`thread` is NULL: nowhere to put it");
	struct rt_thread *thread;

	*into = NULL;
	rt_fork_check(heap);
	GC_CHECK(LI_2, !rt_listener_inside());
	if (rt_thread_self(heap))
		return rt_error(error, PLX_ERROR_MISUSE,
				"this thread is attached to the heap already");
	thread = gc_meta_alloc(sizeof(*thread));
	if (!thread)
		return rt_error(error, PLX_ERROR_MEMORY, "no memory for another thread");
	thread->owner = pthread_self();
	thread->tid = rt_thread_id();
	thread->gc.pub.heap = heap;
	if (rt_stack_open(thread) < 0) {
		gc_meta_free(thread, sizeof(*thread));
		return rt_error(
			error, PLX_ERROR_SYSTEM,
			"the bounds of the thread's stack cannot be had; GC_STACKS=ambiguous "
			"needs them");
	}
	if (heap->delivery == PLX_DELIVERY_SIGBUS && rt_signal_stack_add(thread) < 0) {
		gc_meta_free(thread, sizeof(*thread));
		return rt_error(error, PLX_ERROR_SYSTEM,
				"sigaltstack failed; the thread needs a stack for SIGBUS");
	}
	thread_trace(heap, thread);
	pthread_mutex_lock(&heap->threads_lock);
	thread_link_locked(heap, thread);
	pthread_mutex_unlock(&heap->threads_lock);
	thread->next_of_owner = thread_own;
	thread_own = thread;
	*into = &thread->gc.pub;
	return PLX_OK;
}

/* Nobody knows it any more. */
static void thread_free(struct plx_heap *heap, struct rt_thread *thread)
{
	gc_event_ring_give_back(&heap->gc.events, thread->gc.events);
	gc_meta_free(thread->handle_pages,
		     thread->handle_page_capacity * sizeof(*thread->handle_pages));
	gc_meta_free(thread, sizeof(*thread));
}

void plx_thread_detach(struct plx_thread *pub)
{
	RT_USE_RUNNING(pub);
	struct rt_thread *thread = rt_thread_of(pub);
	struct plx_heap *heap = pub->heap;

	rt_fork_check(heap);
	GC_CHECK(TH_1, pthread_equal(thread->owner, pthread_self()));
	GC_REQUIRE(!thread->native,
		   "plx_thread_detach on a registered stack: switch to the thread's "
		   "own first (plx_native_stack_switch with NULL)");
	rt_handles_drop_thread(thread, true);
	/* BLOCKED first: a pause under way holds the lock and must not wait for this thread. */
	rt_state_leave(thread, RT_BLOCKED);
	pthread_mutex_lock(&heap->threads_lock);
	rt_handshake_answer(
		thread); /* [HS-4] the collector answers for others under the lock only */
	gc_tlab_drop_all(&heap->gc, &thread->gc);
	gc_satb_flush(&heap->gc, &thread->gc);
	thread_unlink_locked(heap, thread);
	pthread_mutex_unlock(&heap->threads_lock);
	thread_forget_own(thread);
	GC_INSTANT(thread->gc.events, detach, 0, 0, 0, 0);
	rt_signal_stack_remove(thread);
	thread_free(heap, thread);
}

/* --- fork ---------------------------------------------------------------------------------------- */

void rt_threads_leave(void)
{
	for (struct rt_thread *t = thread_own; t; t = t->next_of_owner) {
		t->left = gc_load_relaxed(&t->state) == RT_RUNNING; /* its own state */
		if (t->left)
			plx_block_enter(&t->gc.pub);
	}
}

void rt_threads_return(void)
{
	for (struct rt_thread *t = thread_own; t; t = t->next_of_owner) {
		/* A heap that is the parent's is not returned to; whoever tries is told so. */
		if (t->left && !t->gc.pub.heap->fork.refused)
			plx_block_exit(&t->gc.pub);
		t->left = false;
	}
}

/* As if it had detached; its stack and its alternate stack are this process's memory still. */
static void thread_forget_other(struct plx_heap *heap, struct rt_thread *thread)
{
	if (thread->native) { /* nobody runs on it, and nobody will go on there */
		rt_stack_forget(&thread->native->words);
		gc_store_relaxed(&thread->native->state, RT_NATIVE_PARKED); /* alone */
	}
	rt_handles_drop_thread(thread, false);
	gc_tlab_drop_all(&heap->gc, &thread->gc);
	thread_unlink_locked(heap, thread);
	gc_meta_free(thread->signal_stack, thread->signal_stack_bytes);
	thread_free(heap, thread);
}

void rt_threads_forget_others(struct plx_heap *heap)
{
	struct rt_thread *self = rt_thread_self(heap), *next;

	for (struct rt_thread *t = heap->threads; t; t = next) {
		next = t->next;
		if (t != self)
			thread_forget_other(heap, t);
	}
	if (self)
		self->tid = rt_thread_id();
}
