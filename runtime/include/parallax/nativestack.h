/* parallax/nativestack.h: stacks other than the one a thread was born with: coroutines, fibers, green
 * threads, a VM's own C stacks.
 *
 * For heaps with GC_STACKS=ambiguous, where C locals count. The collector has to know each stack that
 * code with references runs on, and which of them a thread runs on. So a stack is registered, and every
 * switch is announced just before it is made, whatever makes it (swapcontext, a library, assembly):
 *
 *	plx_native_stack_switch(thread, coroutine->stack);
 *	swapcontext(&scheduler, &coroutine->context);
 *
 * What is on a stack that no thread runs on, it is *parked* then, stays alive and where it is, and so does
 * what its registers hold; any attached thread may go on with it, also in the middle of a cycle. Parked
 * stacks are read twice a cycle, beside the mutators; only those that have run since are read again in
 * the flip's pause.
 *
 * In heaps with GC_STACKS=precise all this is accepted and does nothing. */
#ifndef PARALLAX_NATIVESTACK_H
#define PARALLAX_NATIVESTACK_H

#include <parallax/base.h>
#include <parallax/thread.h>

struct plx_native_stack;

PLX_BEGIN_DECLS

/* Register [low, low + bytes) as a stack, growing down as the machine's do; it is parked and holds nothing.
 * Attached threads, outside of blocking regions; takes a short lock; no safepoint. PLX_ERROR_MISUSE for a
 * range that cannot be a stack (NULL, less than 1024 bytes, past the end of the address space),
 * PLX_ERROR_MEMORY. */
PLX_EXPORT enum plx_status plx_native_stack_add(struct plx_thread *thread, void *low, size_t bytes,
						struct plx_native_stack **stack,
						struct plx_error *error);

/* Forget a stack; what only it held is garbage. Before its memory is unmapped or used otherwise. As above;
 * PLX_ERROR_MISUSE if a thread runs on it. What is left when the heap is destroyed goes with it. */
PLX_EXPORT enum plx_status plx_native_stack_remove(struct plx_thread *thread,
						   struct plx_native_stack *stack);

/* `thread`, the calling one, is about to leave the stack it runs on, which is parked from now on, and to go
 * on with `to`; NULL is its own, the one it was attached on. Between this call and the first instruction on
 * the other stack there must be no safepoint, no access to the heap, and no return from the calling function. Nobody may go on
 * with the parked stack before the switch is complete (as for every scheduler). Attached threads, outside
 * of blocking regions; no safepoint; waits at most while the collector reads `to`. A stack that another
 * thread runs on ends the process with a message.
 *
 * Code that goes on with another thread than before must not use the old `struct plx_thread`. */
PLX_EXPORT void plx_native_stack_switch(struct plx_thread *thread, struct plx_native_stack *to);

/* The same, for a coroutine that has ended: the stack that is left holds nothing any more. */
PLX_EXPORT void plx_native_stack_end(struct plx_thread *thread, struct plx_native_stack *to);

/* What the calling thread runs on, or NULL: its own. */
PLX_EXPORT struct plx_native_stack *plx_native_stack_current(const struct plx_thread *thread);

PLX_END_DECLS

#endif
