/* runtime/stack.c: native stacks whose words may be references (GC_STACKS=ambiguous).
 *
 * [SK-1] Before a thread answers a handshake, stops, or blocks, it publishes its stack: from where it stands
 *        up to its base. What is then in callee-saved registers, which functions further down will save
 *        wherever they like, it spills into its frame first.
 * [SK-2] The lowest part is copied. Between plx_block_enter and plx_block_exit the function that called them
 *        goes on running in its frame, so what it held may wander from slot to register and back; it
 *        holds nothing new, though, since it does not touch the heap. Frames above that one stand still
 *        and are read where they are.
 * [SK-3] A stack is read by its thread, or by the collector while the thread cannot become RUNNING.
 *
 * Heaps with precise stacks (the default) pay one branch on each slow path.
 *
 * Who runs here: attached threads; the cycle's thread (scan). */
#include <errno.h>
#include <string.h>

#include "gc/collect/collect.h"
#include "gc/os/sys.h"
#include "runtime/world.h"

/* Stacks are read as words, whoever they belong to: sanitizers must not look. */
#define STACK_READS __attribute__((noinline, no_sanitize("address"), no_sanitize("thread")))

int rt_stack_open(struct rt_thread *thread)
{
	struct rt_stack *stack = &thread->stack;
	void *low = NULL;
	size_t bytes = 0;
	int error;

	if (!thread->gc.pub.heap->gc.ambiguous)
		return 0;
	error = gc_sys->stack_bounds(&low, &bytes);
	if (error < 0)
		return error;
	stack->base = ((uintptr_t)low + bytes) & ~(sizeof(uintptr_t) - 1);
	return 0;
}

/* Further down than the frame that holds the spilled registers. */
static STACK_READS void stack_publish_below(struct rt_stack *stack)
{
	uintptr_t from = (uintptr_t)__builtin_frame_address(0);
	const volatile uintptr_t *words;
	uint32_t count;

	from &= ~(sizeof(uintptr_t) - 1);
	GC_REQUIRE(
		from < stack->base,
		"a thread reached a safepoint on a stack that is not its own (a coroutine or a signal "
		"handler): GC_STACKS=ambiguous knows the stack it was attached on");
	words = (const volatile uintptr_t *)from;
	count = (uint32_t)gc_min((stack->base - from) / sizeof(uintptr_t),
				 (uintptr_t)RT_STACK_COPY);
	for (uint32_t i = 0; i < count; i++)
		stack->copy[i] = words[i];
	stack->copied = count;
	stack->from = from + count * sizeof(uintptr_t); /* [SK-2] */
	__asm__ volatile("" : : "r"(stack) : "memory"); /* no tail call: the frame stays */
}

__attribute__((noinline)) void rt_stack_publish_registers(struct rt_thread *thread)
{
	__builtin_unwind_init(); /* every callee-saved register is in this frame now [SK-1] */
	stack_publish_below(&thread->stack);
	__asm__ volatile("" : : "r"(thread) : "memory");
}

/* One that has ended without detaching has no stack any more. */
static bool stack_is_there(const struct rt_thread *thread)
{
	return rt_thread_self(thread->gc.pub.heap) == thread ||
	       gc_sys->thread_signal(thread->tid, 0) != -ESRCH;
}

/* [SK-3] */
void rt_stack_scan(struct gc_heap *heap, struct gc_mutator *mutator, gc_words_visit visit)
{
	const struct rt_thread *thread = (const struct rt_thread *)mutator;
	const struct rt_stack *stack = &thread->stack;

	if (!stack->base || !stack->from || !stack_is_there(thread))
		return;
	visit(heap, stack->copy, stack->copy + stack->copied);
	visit(heap, (const uintptr_t *)stack->from, (const uintptr_t *)stack->base);
}
