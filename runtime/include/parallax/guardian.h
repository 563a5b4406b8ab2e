/* parallax/guardian.h: guardians: finalisation that the VM runs itself.
 *
 * An object registered with a guardian is handed back, once for each registration, after a collection found
 * that nothing else refers to it. It is a live object then, with everything it leads to: the VM may
 * clean up after it, keep it, register it again, or drop it; dropped, it is freed by a later collection. The
 * collector never calls the VM: whichever attached thread likes polls, or waits.
 *
 * Order. Guardians of priority 0 are asked first. Whatever they get, and all that it leads to, counts
 * as reachable when priority 1 is asked, and so on: so what a finaliser needs should have a higher number.
 * Objects of one priority that lead to each other are returned together, in no particular order.
 *
 * Weak references and ephemerons do not see an object die that is handed back: they hold until it is
 * unreachable again. A thread may therefore find it through a weak reference, while it waits in a queue or while
 * the collection is still looking: then guardian and thread both have it.
 *
 * (Dybvig, Bruggeman, Eby: "Guardians in a generation-based garbage collector", PLDI 1993.) */
#ifndef PARALLAX_GUARDIAN_H
#define PARALLAX_GUARDIAN_H

#include <parallax/thread.h>

#define PLX_GUARDIAN_PRIORITIES 8u

struct plx_guardian;

PLX_BEGIN_DECLS

/* Make a guardian, a queue of its own. Any thread; may block shortly. NULL, with the reason in `error` (which
 * may be NULL): a priority that is not below PLX_GUARDIAN_PRIORITIES, or no memory. */
PLX_EXPORT struct plx_guardian *plx_guardian_create(struct plx_heap *heap, unsigned priority,
						    struct plx_error *error);

/* Forget a guardian: what it watches is watched no more, and what waits in its queue is let go. Nobody may be
 * using it. plx_heap_destroy does it to those that are left. Any thread; takes time for each
 * registration of the heap. */
PLX_EXPORT void plx_guardian_destroy(struct plx_guardian *guardian);

/* Have `object`, as it stands in a slot (parallax/tag.h), handed back when it has become unreachable; registered n times, it is handed back n times.
 * Not a safepoint; takes a short lock. Attached threads. PLX_ERROR_MISUSE for what is no object of
 * this heap, PLX_ERROR_MEMORY; `error` may be NULL. */
PLX_EXPORT enum plx_status plx_guardian_register(struct plx_thread *thread,
						 struct plx_guardian *guardian, void *object,
						 struct plx_error *error);

/* The next object that is handed back, oldest first, tagged as it was registered; NULL if there is none now. The registration is gone.
 * Not a safepoint; takes a short lock. Attached threads. */
PLX_EXPORT void *plx_guardian_poll(struct plx_thread *thread, struct plx_guardian *guardian);

/* Wait until there is something to poll, at most `timeout_ms` milliseconds; true if there is. Another thread
 * may poll it first. A blocking region, so a safepoint. Attached threads. */
PLX_EXPORT bool plx_guardian_wait(struct plx_thread *thread, struct plx_guardian *guardian,
				  uint64_t timeout_ms);

PLX_END_DECLS

#endif
