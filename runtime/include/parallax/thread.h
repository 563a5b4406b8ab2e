/* parallax/thread.h: mutator threads: attaching, polling, blocking.
 *
 * A thread that touches a heap attaches to it and from then on polls often (loop back edges,
 * function entries). A poll is one load and one branch. Around anything that may block, or that
 * runs long without polling, the thread steps out of the heap with plx_block_enter: between that
 * and plx_block_exit it must not touch heap memory, and no cycle waits for it. */
#ifndef PARALLAX_THREAD_H
#define PARALLAX_THREAD_H

#include <parallax/base.h>
#include <parallax/layout.h>

struct plx_heap;
struct plx_handle;

/* A bump-allocation buffer: [top, limit) is zeroed and this thread's own. */
struct plx_tlab {
	char *top;
	char *limit;
};

/* The part of a mutator that inline code reads; what follows it is the collector's. */
struct plx_thread {
	uint32_t poll;	  /* non-zero: somebody wants this thread at a safepoint */
	uint32_t barrier; /* non-zero: reference stores take the slow path (marking or planning) */
	struct plx_tlab tlab[PLX_SPACE_COUNT];
	struct plx_handle *handle_top;	 /* next free slot of the scoped handles */
	struct plx_handle *handle_limit; /* end of their current page */
	struct plx_heap *heap;
};

PLX_BEGIN_DECLS

/* Attach the calling thread. It must not be attached to this heap already (PLX_ERROR_MISUSE). May
 * block for a pause under way. Under SIGBUS delivery SIGBUS is unblocked, and the thread gets an
 * alternate signal stack if it has none, or a small one; detaching puts both back. */
PLX_EXPORT enum plx_status plx_thread_attach(struct plx_heap *heap, struct plx_thread **thread,
					     struct plx_error *error);

/* Detach; `thread` and its scoped handles are gone after it. A safepoint. Only by the thread itself. */
PLX_EXPORT void plx_thread_detach(struct plx_thread *thread);

PLX_EXPORT void plx_poll_slow(struct plx_thread *thread);

/* Safepoint poll. Whatever the collector wants of this thread happens here, moving objects
 * included: reload references from handles and roots afterwards. */
static inline void plx_poll(struct plx_thread *thread)
{
	/* Relaxed: a late answer only lengthens somebody's wait; the slow path synchronises. */
	if (PLX_UNLIKELY(__atomic_load_n(&thread->poll, __ATOMIC_RELAXED) != 0))
		plx_poll_slow(thread);
}

/* Leave and re-enter the heap around blocking calls. Both are safepoints. They do not nest. */
PLX_EXPORT void plx_block_enter(struct plx_thread *thread);
PLX_EXPORT void plx_block_exit(struct plx_thread *thread);

/* For signal handlers, of which it may be called: may the calling thread, which is attached as `thread`, read and
 * write the heap now? False while it is stopped or in a blocking region, or somebody wants it to stop: then a
 * handler must leave the heap alone. Where it is true a handler may read objects and handles, and store what is no reference; it
 * must not come to a safepoint or store references. Its sa_mask must not contain SIGBUS. */
PLX_EXPORT bool plx_thread_is_running(const struct plx_thread *thread);

PLX_END_DECLS

#endif
