/* parallax/pin.h: keeping an object where it is, and alive: for C code that holds its address.
 *
 * A pinned object is a root and does not move until it is unpinned as often as it was pinned. Its
 * region is not evacuated meanwhile, so pins cost memory: pin briefly, or few objects. Who pins, and how
 * much that holds back, is in `struct plx_stats`, in plx_pins_each and, with GC_LOG=1, on a line of its
 * own for each cycle that was held back.
 *
 * Pins belong to the heap, not to a thread. While an object is pinned, C code may read and write its
 * bytes at any time, also in a blocking region and from threads that are not attached; but its
 * references only as usual (attached, through the barrier). */
#ifndef PARALLAX_PIN_H
#define PARALLAX_PIN_H

#include <parallax/thread.h>

PLX_BEGIN_DECLS

/* Pin `object`, as it stands in a slot (parallax/tag.h), for `who`, a short name such as "zlib"; the string must live as long as the heap. Pinning
 * again, for the same or another name, counts. No safepoint: references in C locals stay good, and the
 * object is pinned when the call returns, whatever the collector is about. Attached threads, outside
 * of blocking regions; takes short locks. PLX_ERROR_MISUSE if it does not refer to an object of this
 * heap, PLX_ERROR_MEMORY if there is no memory to remember it. */
PLX_EXPORT enum plx_status plx_pin(struct plx_thread *thread, void *object, const char *who);

/* Take back one pin of that object and name. PLX_ERROR_MISUSE if there is none. As plx_pin otherwise. */
PLX_EXPORT enum plx_status plx_unpin(struct plx_thread *thread, void *object, const char *who);

/* Pins for the duration of a C function: everything pinned through a scope is unpinned by its exit. */
#define PLX_PIN_SCOPE_FEW 8
struct plx_pin_scope {
	const char *who;
	void **objects; /* `few`, or a block of the library's */
	uint64_t count, capacity;
	void *few[PLX_PIN_SCOPE_FEW];
};

/* `scope` is a C local; scopes nest in any way, and belong to no thread. Never fails. */
PLX_EXPORT void plx_pin_scope_enter(struct plx_pin_scope *scope, const char *who);

/* As plx_pin. NULL is fine and does nothing. */
PLX_EXPORT enum plx_status plx_pin_scoped(struct plx_thread *thread, struct plx_pin_scope *scope,
					  void *object);

/* After it the scope may be entered anew. Call it also on the way out of an error. */
PLX_EXPORT void plx_pin_scope_exit(struct plx_thread *thread, struct plx_pin_scope *scope);

/* Call `visit` for every object and name that pins it; `count` is how often. Any thread; `visit` runs
 * under a lock and must not call the library. */
typedef void (*plx_pin_visit)(void *address, const char *who, uint64_t count, void *context);
PLX_EXPORT void plx_pins_each(struct plx_heap *heap, plx_pin_visit visit, void *context);

PLX_END_DECLS

#endif
