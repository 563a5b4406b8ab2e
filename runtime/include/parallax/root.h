/* parallax/root.h: handles, and other roots.
 *
 * A handle is a slot that the collector knows; read it with a plain load of `->ref`. Handles live
 * in root pages: heap memory whose every word is a root, brought up to date page by page after a
 * flip and never inside the pause. Scoped handles are a per-thread stack, for C functions; free
 * handles live until released, for globals and for the VM's own data structures. */
#ifndef PARALLAX_ROOT_H
#define PARALLAX_ROOT_H

#include <parallax/thread.h>

struct plx_handle {
	void *ref; /* read plainly; write with plx_handle_set */
};

struct plx_scope {
	struct plx_handle *top;
	struct plx_handle *limit;
};

PLX_BEGIN_DECLS

PLX_EXPORT struct plx_handle *plx_handle_push_slow(struct plx_thread *thread, void *ref);
PLX_EXPORT void plx_scope_exit(struct plx_thread *thread, const struct plx_scope *scope);
PLX_EXPORT void plx_handle_set_slow(struct plx_thread *thread, struct plx_handle *handle,
				    const void *ref);

/* Open a scope; plx_scope_exit drops every scoped handle pushed since. Scopes nest. Neither is a safepoint;
 * leaving takes a few nanoseconds for each handle, so a scope of millions is better left in parts, with polls. */
static inline void plx_scope_enter(struct plx_thread *thread, struct plx_scope *scope)
{
	scope->top = thread->handle_top;
	scope->limit = thread->handle_limit;
}

/* Push a scoped handle. Not a safepoint. NULL only if there is no memory for another root page. */
static inline struct plx_handle *plx_handle_push(struct plx_thread *thread, void *ref)
{
	struct plx_handle *handle = thread->handle_top;

	if (PLX_UNLIKELY(handle == thread->handle_limit))
		return plx_handle_push_slow(thread, ref);
	thread->handle_top = handle + 1;
	__atomic_store_n(&handle->ref, ref, __ATOMIC_RELEASE); /* [MO-PUBLISH] */
	return handle;
}

/* Change what a handle refers to. */
static inline void plx_handle_set(struct plx_thread *thread, struct plx_handle *handle, void *ref)
{
	if (PLX_UNLIKELY(__atomic_load_n(&thread->barrier, __ATOMIC_RELAXED) != 0))
		plx_handle_set_slow(thread, handle, ref);
	__atomic_store_n(&handle->ref, ref, __ATOMIC_RELEASE); /* [MO-PUBLISH] */
}

/* Make a handle that lives until released. Takes a short lock; not a safepoint. NULL if there is no
 * memory for another root page. */
PLX_EXPORT struct plx_handle *plx_handle_create(struct plx_thread *thread, void *ref);
PLX_EXPORT void plx_handle_release(struct plx_thread *thread, struct plx_handle *handle);

/* Register `count` reference slots of the VM's own memory (globals, a register file). They are read
 * and updated inside pauses, so keep them few: for thousands of roots use handles. As long as there are
 * any, each cycle starts with a pause. Slots may change at any time by plain stores of attached
 * threads between their safepoints. Attached threads; adding may wait for a cycle that is just
 * starting, and is a safepoint then: what the slots hold survives that, other references are
 * stale. PLX_ERROR_MISUSE for slots that are not aligned, or, on removing, not known. */
PLX_EXPORT enum plx_status plx_root_range_add(struct plx_thread *thread, void *slots, size_t count,
					      struct plx_error *error);
PLX_EXPORT enum plx_status plx_root_range_remove(struct plx_thread *thread, void *slots);

/* A callback that enumerates roots the VM keeps in structures of its own, by handing each slot to
 * plx_root_visit. It runs inside pauses, on a collector thread, with every mutator stopped; it must
 * not allocate from the heap, look at objects, or wait for a mutator. Adding is a safepoint as above. */
struct plx_root_visit;
typedef void (*plx_root_visitor)(struct plx_root_visit *visit, void *context);
PLX_EXPORT void plx_root_visit(struct plx_root_visit *visit, void *slot);
PLX_EXPORT enum plx_status plx_root_visitor_add(struct plx_thread *thread, plx_root_visitor visitor,
						void *context, struct plx_error *error);
PLX_EXPORT enum plx_status plx_root_visitor_remove(struct plx_thread *thread,
						   plx_root_visitor visitor, void *context);

PLX_END_DECLS

#endif
