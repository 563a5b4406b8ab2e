/* runtime/weak.c: making and reading weak objects. What a read means while a cycle runs is decided in
 * gc/collect/reference.c.
 *
 * Who runs here: attached threads, running. */
#include "gc/collect/reference.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

const struct plx_layout *plx_weak_layout(const struct plx_heap *heap)
{
	RT_USE_HEAP(heap);
	return &heap->gc.references->weak->pub;
}

struct plx_weak *plx_weak_create(struct plx_thread *thread, void *referent)
{
	RT_USE_RUNNING(thread);
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
	RT_USE_RUNNING(thread);
	RT_USE(weak, "`weak` is NULL");
	uintptr_t none;

	return (void *)gc_reference_read(&thread->heap->gc, (const gc_word *)&weak->referent, NULL,
					 &none);
}

const struct plx_layout *plx_ephemeron_layout(const struct plx_heap *heap)
{
	RT_USE_HEAP(heap);
	return &heap->gc.references->ephemeron->pub;
}

struct plx_ephemeron *plx_ephemeron_create(struct plx_thread *thread, void *key, void *value)
{
	RT_USE_RUNNING(thread);
	struct plx_ephemeron *ephemeron = NULL;
	struct plx_handle *keys, *values;
	struct plx_scope scope;

	plx_scope_enter(thread, &scope);
	keys = plx_handle_push(thread, key);
	values = plx_handle_push(thread, value);
	if (keys && values)
		ephemeron = plx_alloc(thread, plx_ephemeron_layout(thread->heap));
	if (ephemeron) {
		ephemeron->key = keys->ref;
		ephemeron->value = values->ref;
	}
	plx_scope_exit(thread, &scope);
	return ephemeron;
}

void *plx_ephemeron_get_slow(struct plx_thread *thread, const struct plx_ephemeron *ephemeron,
			     void **value)
{
	RT_USE_RUNNING(thread);
	RT_USE(ephemeron && value, "`ephemeron` or `value` is NULL");
	uintptr_t found;
	void *key = (void *)gc_reference_read(&thread->heap->gc, (const gc_word *)&ephemeron->key,
					      (const gc_word *)&ephemeron->value, &found);

	*value = (void *)found;
	return key;
}
