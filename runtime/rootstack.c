/* runtime/rootstack.c: root stacks as the embedder sees them: making room, checks, logging what is dropped.
 * gc/collect/rootstack.c says why this is enough.
 *
 * Who runs here: attached threads, running. */
#include "gc/collect/rootstack.h"

#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "runtime/listener.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

#define CREATE_TRIES 3 /* at once, after a cycle, after one that stops the world */

struct plx_root_stack *plx_root_stack_create(struct plx_thread *thread, size_t slots,
					     struct plx_error *error)
{
	RT_USE_RUNNING(thread);
	struct gc_heap *heap = &thread->heap->gc;
	struct gc_rootstack *stack = NULL;
	bool regions_short = true;

	GC_CHECK(LI_2, !rt_listener_inside());
	if (slots == 0) {
		rt_error(error, PLX_ERROR_MISUSE, "a root stack needs at least one slot");
		return NULL;
	}
	for (int tries = 0; !stack && regions_short && tries < CREATE_TRIES; tries++) {
		if (tries == 1)
			rt_collector_stand(rt_thread_of(thread), "out of memory", false);
		else if (tries == 2)
			rt_collector_stand(rt_thread_of(thread), "emergency", true);
		stack = gc_rootstack_create(heap, slots, &regions_short);
	}
	if (!stack) {
		rt_error(error, PLX_ERROR_MEMORY,
			 "no room for a root stack of %zu slots in a heap of %lu MiB (GC_HEAP_MAX)",
			 slots, heap->config.heap_max_bytes >> 20);
		return NULL;
	}
	return &stack->pub;
}

enum plx_status plx_root_stack_destroy(struct plx_thread *thread, struct plx_root_stack *stack)
{
	RT_USE_RUNNING(thread);
	struct gc_heap *heap = &thread->heap->gc;

	if (!gc_rootstack_is_known(heap, (struct gc_rootstack *)stack))
		return PLX_ERROR_MISUSE;
	plx_root_stack_drop(thread, stack, (size_t)(stack->top - stack->base));
	gc_rootstack_destroy(heap, (struct gc_rootstack *)stack);
	return PLX_OK;
}

/* Root stacks need no flags: only deletions matter. [RS-1] [RS-2] */
void plx_root_stack_log(struct plx_thread *thread, void **from, size_t count)
{
	RT_USE_RUNNING(thread);
	RT_USE(from || count == 0, "`from` is NULL");
	struct gc_heap *heap = &thread->heap->gc;

	if (!(thread->barrier & GC_BARRIER_LOG))
		return;
	for (size_t i = 0; i < count; i++)
		gc_satb_log(heap, &rt_thread_of(thread)->gc, (struct gc_value){(uintptr_t)from[i]});
	gc_yield_point();
}

void plx_root_stack_check(const struct plx_thread *thread, const struct plx_root_stack *stack,
			  size_t count)
{
	RT_USE(stack, "`stack` is NULL");
	const struct rt_thread *self = rt_thread_self(stack->heap);

	GC_REQUIRE(self, "a root stack is used by a thread that is not attached to its heap");
	GC_REQUIRE(!thread || &self->gc.pub == thread,
		   "a root stack is used with a struct plx_thread that is another thread's, or "
		   "of another heap");
	/* Relaxed: its own state. */
	GC_REQUIRE(gc_load_relaxed(&self->state) == RT_RUNNING,
		   "a root stack is used inside of a blocking region");
	GC_REQUIRE(stack->top >= stack->base && stack->top <= stack->limit,
		   "a root stack's top was changed by hand, to outside of it");
	GC_REQUIRE(count <= (size_t)(stack->top - stack->base),
		   "%zu words are popped off, or indexed on, a root stack that holds %zu", count,
		   (size_t)(stack->top - stack->base));
}
