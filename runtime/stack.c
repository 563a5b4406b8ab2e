/* runtime/stack.c: native stacks whose words may be references (GC_STACKS=ambiguous).
 *
 * [SK-1] Before a thread answers a handshake, stops, blocks or changes to another stack, it publishes the
 *        stack it runs on: from where it stands up to its base. What is then in callee-saved registers,
 *        which functions further down will save wherever they like, it spills into its frame first (spill.h).
 * [SK-2] The lowest part is copied. Between plx_block_enter and plx_block_exit, and after
 *        plx_native_stack_switch, the function that called them goes on running in its frame, so what it
 *        held may wander from slot to register and back; it holds nothing new, though, since it does not
 *        touch the heap. Frames above that one stand still and are read where they are.
 * [SK-4] Frames with stack maps are walked (frames.c) from the caller of the function that spilled. What the
 *        library itself waits in is called through rt_stand, so that the registers stay in its frame and can
 *        be changed there; plx_block_enter returns, so what registers hold there is only known.
 * [SK-3] A stack is read by its thread, or by the collector while the thread cannot become RUNNING; one
 *        that no thread runs on by whoever holds it (nativestack.c).
 *
 * Heaps with precise stacks (the default) pay one branch on each slow path.
 *
 * Who runs here: attached threads; the cycle's thread (scan). */
#include <errno.h>
#include <string.h>

#include "gc/collect/collect.h"
#include "gc/os/sys.h"
#include "runtime/frames.h"
#include "runtime/world.h"

/* Stacks are read as words, whoever they belong to: sanitizers must not look. */
#define STACK_READS __attribute__((noinline, no_sanitize("address"), no_sanitize("thread")))

#ifdef __x86_64__
RT_SPILL_ENTRY(RT_SPILL_HIDDEN, "rt_stand_spilled", "rt_stand_body")
RT_SPILL_ENTRY(RT_SPILL_PUBLIC, "plx_block_enter", "rt_block_enter_body")
RT_SPILL_ENTRY(RT_SPILL_PUBLIC, "plx_native_stack_switch", "rt_native_stack_switch_body")
#else
#define STACK_BARRIER(value) __asm__ volatile("" : : "r"(value) : "memory") /* no tail call */

__attribute__((noinline)) void rt_stand_spilled(struct rt_thread *thread, rt_stand_call call,
						void *context)
{
	__builtin_unwind_init(); /* every callee-saved register is in this frame now */
	rt_stand_body(thread, call, context, NULL);
	STACK_BARRIER(thread);
}

__attribute__((noinline)) void plx_block_enter(struct plx_thread *thread)
{
	__builtin_unwind_init();
	rt_block_enter_body(thread, NULL, NULL, NULL);
	STACK_BARRIER(thread);
}

__attribute__((noinline)) void plx_native_stack_switch(struct plx_thread *thread,
						       struct plx_native_stack *to)
{
	__builtin_unwind_init();
	rt_native_stack_switch_body(thread, to, NULL, NULL);
	STACK_BARRIER(thread);
}
#endif

static int stack_bounds(struct rt_stack *stack)
{
	void *low = NULL;
	size_t bytes = 0;
	int error = gc_sys->stack_bounds(&low, &bytes);

	if (error < 0)
		return error;
	stack->low = (uintptr_t)low;
	stack->base = ((uintptr_t)low + bytes) & ~(sizeof(uintptr_t) - 1);
	return 0;
}

int rt_stack_open(struct rt_thread *thread)
{
	return thread->gc.pub.heap->gc.ambiguous ? stack_bounds(&thread->stack) : 0;
}

static bool stack_holds(const struct rt_stack *stack, uintptr_t address)
{
	return address >= stack->low && address < stack->base;
}

/* The stack that the calling thread runs on. */
static struct rt_stack *stack_current(struct rt_thread *thread)
{
	return thread->native ? &thread->native->words : &thread->stack;
}

static void stack_check(struct rt_thread *thread, struct rt_stack *stack, uintptr_t from)
{
	if (stack_holds(stack, from))
		return;
	/* The process's first stack may have got leave to grow further since. */
	if (stack == &thread->stack && stack_bounds(stack) == 0 && stack_holds(stack, from))
		return;
	gc_fatal(
		"a thread reached a safepoint on a stack that the heap does not know (a coroutine or a "
		"signal handler): with GC_STACKS=ambiguous register it with plx_native_stack_add and "
		"announce switches with plx_native_stack_switch; signal handlers must not come to "
		"safepoints");
}

static STACK_READS void stack_publish_from(struct rt_stack *stack, uintptr_t from)
{
	const volatile uintptr_t *words = (const volatile uintptr_t *)from;
	uint32_t count = (uint32_t)gc_min((stack->base - from) / sizeof(uintptr_t),
					  (uintptr_t)RT_STACK_COPY);

	for (uint32_t i = 0; i < count; i++)
		stack->copy[i] = words[i];
	stack->copied = count;
	stack->from = from + count * sizeof(uintptr_t); /* [SK-2] */
}

/* [SK-4] */
static void stack_publish_frame(struct rt_stack *stack, const struct rt_spill *spill, bool stays)
{
	stack->ip = spill ? spill->return_address : 0;
	stack->sp = (uintptr_t)(spill + 1);
	stack->spill = stays ? spill : NULL;
	if (spill)
		memcpy(stack->saved, spill->registers, sizeof(stack->saved));
}

/* The calling thread's, from the spilled registers on [SK-1]. */
__attribute__((noinline)) void rt_stack_publish(struct rt_thread *thread,
						const struct rt_spill *spill, bool stays)
{
	struct rt_stack *stack = stack_current(thread);
	uintptr_t from = spill ? (uintptr_t)spill : (uintptr_t)__builtin_frame_address(0);

	if (!thread->stack.base)
		return;
	from &= ~(sizeof(uintptr_t) - 1);
	stack_check(thread, stack, from);
	stack_publish_from(stack, from);
	stack_publish_frame(stack, spill, stays);
}

void rt_stack_forget(struct rt_stack *stack)
{
	stack->copied = 0;
	stack->from = 0;
}

RT_SPILL_BODY void rt_stand_body(struct rt_thread *thread, rt_stand_call call, void *context,
				 const struct rt_spill *spill)
{
	rt_stack_publish(thread, spill, true);
	call(thread, context);
}

/* One that has ended without detaching has no stack any more. */
static bool stack_is_there(const struct rt_thread *thread)
{
	return rt_thread_self(thread->gc.pub.heap) == thread ||
	       gc_sys->thread_signal(thread->tid, 0) != -ESRCH;
}

/* [SK-3] */
void rt_stack_words(struct gc_heap *heap, const struct rt_stack *stack,
		    const struct gc_stack_visit *visit)
{
	if (!stack->base || !stack->from)
		return;
	/* Relaxed: code that has a map has it before it runs. */
	if (stack->ip && gc_load_relaxed(&rt_heap_of(heap)->stackmaps.count)) {
		rt_frames_walk(rt_heap_of(heap), stack, visit);
		return;
	}
	if (!visit->words)
		return;
	visit->words(heap, stack->copy, stack->copy + stack->copied);
	visit->words(heap, (const uintptr_t *)stack->from, (const uintptr_t *)stack->base);
}

/* What it runs on; and its own stack, which nobody else goes on with. */
void rt_stack_scan(struct gc_heap *heap, struct gc_mutator *mutator,
		   const struct gc_stack_visit *visit)
{
	const struct rt_thread *thread = (const struct rt_thread *)mutator;
	/* Relaxed: as in rt_stack_words. Without maps nothing is precise. */
	bool any = visit->words || gc_load_relaxed(&rt_heap_of(heap)->stackmaps.count);

	if (!thread->stack.base || !any || !stack_is_there(thread))
		return;
	rt_stack_words(heap, &thread->stack, visit);
	if (thread->native)
		rt_stack_words(heap, &thread->native->words, visit);
}
