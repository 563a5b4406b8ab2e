/* parallax/rootstack.h: root stacks: a VM's operand stack in memory of the collector.
 *
 * A contiguous array of words, of which [base, top) are roots. It does not move, so frames may be found by
 * index or by address. Pushing is a store and needs no barrier; reading `stack->base[i]`, i below the
 * top, is a plain load. After a flip its pages come back one by one, as handles do: whoever touches one first
 * has its references updated, and neither the pause nor a handshake looks at the words, however deep the
 * stack is. Words at or above the top are no roots and may be stale; pages above it cost nothing.
 *
 * A stack belongs to a heap. One attached thread at a time uses it; it may change hands (a coroutine that is
 * resumed elsewhere) by whatever synchronisation the VM has for that. A stack outlives the thread
 * that made it, until it is destroyed or the heap is. Do not keep addresses of its slots in slots: they point
 * into the heap and would be taken for references; keep indexes, or tag them (parallax/tag.h).
 *
 * With PLX_DEBUG defined when this header is read the inline functions check how they are used, and end the
 * process with a message that says what is wrong. */
#ifndef PARALLAX_ROOTSTACK_H
#define PARALLAX_ROOTSTACK_H

#include <parallax/thread.h>

/* Read `base`, `limit` and `top`; change `top` by the functions below only. */
struct plx_root_stack {
	void **base;  /* the oldest word */
	void **limit; /* just above the last slot there is */
	void **top;   /* just above the newest word; the collector reads it at any time */
	struct plx_heap *heap;
};

PLX_BEGIN_DECLS

/* Make a stack of `slots` words, at least one. It takes whole regions (`region_bytes` of struct plx_stats)
 * and counts in `used_bytes` as long as it lives; pages that were never touched are not resident, but
 * under the copy plan. May collect, if there is no room otherwise: a safepoint. NULL, with the reason in `error` (which
 * may be NULL): PLX_ERROR_MEMORY; PLX_ERROR_MISUSE for no slots. Attached threads. */
PLX_EXPORT struct plx_root_stack *plx_root_stack_create(struct plx_thread *thread, size_t slots,
							struct plx_error *error);

/* Drop everything and free the stack. While a cycle runs its memory stays in use until that ends. Not a
 * safepoint; takes a short lock, and, while the collector marks, time for each word. Attached threads.
 * PLX_ERROR_MISUSE if it is no stack of this heap. */
PLX_EXPORT enum plx_status plx_root_stack_destroy(struct plx_thread *thread,
						  struct plx_root_stack *stack);

PLX_EXPORT void plx_root_stack_log(struct plx_thread *thread, void **from, size_t count);
PLX_EXPORT void plx_root_stack_check(const struct plx_thread *thread,
				     const struct plx_root_stack *stack, size_t count);

/* Checks of debug builds; without a thread: whoever calls. `count` words have to be there. */
static inline void plx_root_stack_check_debug(const struct plx_thread *thread,
					      const struct plx_root_stack *stack, size_t count)
{
#ifdef PLX_DEBUG
	plx_root_stack_check(thread, stack, count);
#else
	(void)thread, (void)stack, (void)count;
#endif
}

/* Push a word. False, and nothing done, if the stack is full. Never collects or blocks. Attached threads. */
static inline bool plx_root_stack_push(struct plx_root_stack *stack, void *word)
{
	void **top = stack->top;

	plx_root_stack_check_debug(NULL, stack, 0);
	if (PLX_UNLIKELY(top == stack->limit))
		return false;
	/* Relaxed: the next store releases it. */
	__atomic_store_n(top, word, __ATOMIC_RELAXED);
	__atomic_store_n(&stack->top, top + 1, __ATOMIC_RELEASE); /* [MO-ROOTSTACK] */
	return true;
}

/* Drop the `count` newest words, which must be there. Never collects or blocks. Attached threads. */
static inline void plx_root_stack_drop(struct plx_thread *thread, struct plx_root_stack *stack,
				       size_t count)
{
	void **top = stack->top - count;

	plx_root_stack_check_debug(thread, stack, count);
	/* Relaxed: `barrier` changes only while this thread stands at a safepoint. */
	if (PLX_UNLIKELY(__atomic_load_n(&thread->barrier, __ATOMIC_RELAXED) != 0))
		plx_root_stack_log(thread, top, count);
	__atomic_store_n(&stack->top, top, __ATOMIC_RELEASE); /* [MO-ROOTSTACK] */
}

/* Take the newest word off, which must be there: a reference like one from a handle. As
 * plx_root_stack_drop. */
static inline void *plx_root_stack_pop(struct plx_thread *thread, struct plx_root_stack *stack)
{
	void **top = stack->top - 1;
	void *word;

	plx_root_stack_check_debug(thread, stack, 1);
	word = *top;
	/* Relaxed: as above. */
	if (PLX_UNLIKELY(__atomic_load_n(&thread->barrier, __ATOMIC_RELAXED) != 0))
		plx_root_stack_log(thread, top, 1);
	__atomic_store_n(&stack->top, top, __ATOMIC_RELEASE); /* [MO-ROOTSTACK] */
	return word;
}

/* Overwrite the word at `index`, counted from the base, below the top. As plx_root_stack_drop. */
static inline void plx_root_stack_set(struct plx_thread *thread, struct plx_root_stack *stack,
				      size_t index, void *word)
{
	plx_root_stack_check_debug(thread, stack, index + 1);
	/* Relaxed: as above. */
	if (PLX_UNLIKELY(__atomic_load_n(&thread->barrier, __ATOMIC_RELAXED) != 0))
		plx_root_stack_log(thread, stack->base + index, 1);
	/* Relaxed: only its user and the collector read it, and the latter knows the object otherwise. */
	__atomic_store_n(&stack->base[index], word, __ATOMIC_RELAXED);
}

PLX_END_DECLS

#endif
