/* runtime/weak.c: making and reading weak objects. What a read means while a cycle runs is decided in
 * gc/collect/reference.c.
 *
 * Who runs here: attached threads, running. */
#include "gc/collect/reference.h"
#include "runtime/world.h"

const struct plx_layout *plx_weak_layout(const struct plx_heap *heap)
{
	return &heap->gc.references->weak->pub;
}

struct plx_weak *plx_weak_create(struct plx_thread *thread, void *referent)
{
	struct plx_weak *weak = NULL;
	struct plx_handle *handle;
	struct plx_scope scope;

	plx_scope_enter(thread, &scope);
	handle = plx_handle_push(thread, referent);
	if (handle)
		weak = plx_alloc(thread, plx_weak_layout(thread->heap));
	if (weak)
		weak->referent = handle->ref;
	plx_scope_exit(thread, &scope);
	return weak;
}

void *plx_weak_get_slow(struct plx_thread *thread, const struct plx_weak *weak)
{
	return (void *)gc_reference_read(&thread->heap->gc, (gc_word *)(uintptr_t)&weak->referent);
}
