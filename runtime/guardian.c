/* runtime/guardian.c: guardians as the embedder sees them; gc/collect/guardian.c is the thing itself.
 *
 * Who runs here: any thread (making and destroying); attached threads, running (the rest). */
#include "gc/collect/guardian.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

/* A plx_guardian pointer is a gc_guardian pointer. */
struct plx_guardian {
	struct gc_guardian gc;
};

struct plx_guardian *plx_guardian_create(struct plx_heap *heap, unsigned priority,
					 struct plx_error *error)
{
	RT_USE_HEAP(heap);
	struct gc_guardian *guardian;

	if (priority >= PLX_GUARDIAN_PRIORITIES) {
		rt_error(error, PLX_ERROR_MISUSE, "a guardian's priority is 0 to %u, not %u",
			 PLX_GUARDIAN_PRIORITIES - 1, priority);
		return NULL;
	}
	guardian = gc_guardian_create(&heap->gc, priority);
	if (!guardian)
		rt_error(error, PLX_ERROR_MEMORY, "no memory for another guardian");
	return (struct plx_guardian *)guardian;
}

void plx_guardian_destroy(struct plx_guardian *guardian)
{
	RT_USE(guardian, "`guardian` is NULL");
	gc_guardian_destroy(&guardian->gc);
}

enum plx_status plx_guardian_register(struct plx_thread *thread, struct plx_guardian *guardian,
				      void *object, struct plx_error *error)
{
	RT_USE_RUNNING(thread);
	RT_USE(guardian, "`guardian` is NULL");
	uintptr_t address = (uintptr_t)rt_object_of(thread->heap, object);

	if (guardian->gc.heap != &thread->heap->gc || !address)
		return rt_error(error, PLX_ERROR_MISUSE,
				"a guardian watches objects of its own heap, and %p refers to none",
				object);
	if (!gc_guardian_register(&guardian->gc, address, (uintptr_t)object - address))
		return rt_error(error, PLX_ERROR_MEMORY, "no memory to guard another object");
	return PLX_OK;
}

void *plx_guardian_poll(struct plx_thread *thread, struct plx_guardian *guardian)
{
	RT_USE_RUNNING(thread);
	RT_USE(guardian, "`guardian` is NULL");
	return (void *)gc_guardian_poll(&guardian->gc, &rt_thread_of(thread)->gc);
}

struct guardian_wait {
	struct plx_guardian *guardian;
	uint64_t timeout_ms;
	bool ready;
};

static void guardian_stand(struct rt_thread *thread, void *context)
{
	struct guardian_wait *wait = context;

	rt_block_begin(thread);
	wait->ready = gc_guardian_wait(&wait->guardian->gc,
				       gc_min(wait->timeout_ms, UINT64_MAX / 1000000) * 1000000);
	plx_block_exit(&thread->gc.pub);
}

bool plx_guardian_wait(struct plx_thread *thread, struct plx_guardian *guardian,
		       uint64_t timeout_ms)
{
	RT_USE_RUNNING(thread);
	RT_USE(guardian, "`guardian` is NULL");
	struct guardian_wait wait = {guardian, timeout_ms, false};

	rt_stand(rt_thread_of(thread), guardian_stand, &wait);
	return wait.ready;
}
