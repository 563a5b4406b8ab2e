/* runtime/root.c: root ranges and root visitors: roots in the embedder's own memory.
 *
 * They have no barrier, so they are read (at the start) and updated (at the flip) inside pauses.
 * Mutators change the lists under roots.lock and never stand at a safepoint while they hold it, so
 * in a pause the lists are whole and need no lock.
 *
 * [RO-1] While a cycle starts by handshakes there is no such root that a mutator could use: the lists
 *        were empty, and whoever adds to them is BLOCKED until the start is over and what it
 *        added was read in a pause. Else a reference could pass through it from a thread that has no
 *        snapshot yet to one that has (gc/cycle.c [CY-3]).
 *
 * Who runs here: attached threads (add, remove); the collector in pauses (each). */
#include "gc/base/meta.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

struct plx_root_visit {
	struct gc_heap *heap;
	gc_root_visit visit;
	void *context;
};

void rt_roots_init(struct plx_heap *heap)
{
	pthread_mutex_init(&heap->roots.lock, NULL);
	pthread_cond_init(&heap->roots.opened, NULL);
}

void rt_roots_destroy(struct plx_heap *heap)
{
	struct rt_roots *roots = &heap->roots;

	gc_meta_free(roots->ranges, roots->range_capacity * sizeof(*roots->ranges));
	gc_meta_free(roots->visitors, roots->visitor_capacity * sizeof(*roots->visitors));
	pthread_cond_destroy(&roots->opened);
	pthread_mutex_destroy(&roots->lock);
}

bool rt_roots_any(struct gc_heap *heap)
{
	struct rt_roots *roots = &rt_heap_of(heap)->roots;
	bool any;

	pthread_mutex_lock(&roots->lock);
	any = roots->range_count || roots->visitor_count;
	pthread_mutex_unlock(&roots->lock);
	return any;
}

bool rt_roots_close(struct gc_heap *heap)
{
	struct rt_roots *roots = &rt_heap_of(heap)->roots;
	bool none;

	pthread_mutex_lock(&roots->lock);
	none = !roots->range_count && !roots->visitor_count;
	roots->closed = none;
	pthread_mutex_unlock(&roots->lock);
	return none;
}

void rt_roots_open(struct gc_heap *heap)
{
	struct rt_roots *roots = &rt_heap_of(heap)->roots;

	pthread_mutex_lock(&roots->lock);
	roots->closed = false;
	pthread_cond_broadcast(&roots->opened);
	pthread_mutex_unlock(&roots->lock);
}

static void root_stand(struct rt_thread *thread, void *context)
{
	struct rt_roots *roots = &thread->gc.pub.heap->roots;

	(void)context;
	rt_block_begin(thread);
	pthread_mutex_lock(&roots->lock);
	while (roots->closed)
		pthread_cond_wait(&roots->opened, &roots->lock);
	pthread_mutex_unlock(&roots->lock);
	plx_block_exit(&thread->gc.pub);
}

/* [RO-1] After adding: a safepoint, but only while a cycle starts. */
static void root_wait(struct plx_thread *thread, bool closed)
{
	if (closed)
		rt_stand(rt_thread_of(thread), root_stand, NULL);
}

static bool root_list_grow(void **list, uint32_t count, uint32_t *capacity, size_t entry_bytes)
{
	uint32_t wanted = *capacity ? 2 * *capacity : 16;
	void *bigger;

	if (count < *capacity)
		return true;
	bigger = gc_meta_resize(*list, *capacity * entry_bytes, wanted * entry_bytes);
	if (!bigger)
		return false;
	*list = bigger;
	*capacity = wanted;
	return true;
}

enum plx_status plx_root_range_add(struct plx_thread *thread, void *slots, size_t count,
				   struct plx_error *error)
{
	RT_USE_RUNNING(thread);
	struct rt_roots *roots = &thread->heap->roots;
	bool room, closed;

	if ((uintptr_t)slots % sizeof(uintptr_t) != 0)
		return rt_error(error, PLX_ERROR_MISUSE, "root slots must be aligned to %zu bytes",
				sizeof(uintptr_t));
	if ((!slots && count) || count > PTRDIFF_MAX / sizeof(uintptr_t) ||
	    gc_heap_contains(&thread->heap->gc, (uintptr_t)slots))
		return rt_error(
			error, PLX_ERROR_MISUSE,
			"%zu root slots at %p cannot be: they lie in the program's own memory, "
			"not in the heap",
			count, slots);
	pthread_mutex_lock(&roots->lock);
	room = root_list_grow((void **)&roots->ranges, roots->range_count, &roots->range_capacity,
			      sizeof(*roots->ranges));
	if (room)
		roots->ranges[roots->range_count++] = (struct rt_root_range){slots, count};
	closed = room && roots->closed;
	pthread_mutex_unlock(&roots->lock);
	root_wait(thread, closed);
	return room ? PLX_OK
		    : rt_error(error, PLX_ERROR_MEMORY, "no memory for another root range");
}

enum plx_status plx_root_range_remove(struct plx_thread *thread, void *slots)
{
	RT_USE_RUNNING(thread);
	struct rt_roots *roots = &thread->heap->roots;
	enum plx_status status = PLX_ERROR_MISUSE;

	pthread_mutex_lock(&roots->lock);
	for (uint32_t i = 0; i < roots->range_count; i++)
		if (roots->ranges[i].slots == slots) {
			roots->ranges[i] = roots->ranges[--roots->range_count];
			status = PLX_OK;
			break;
		}
	pthread_mutex_unlock(&roots->lock);
	return status;
}

enum plx_status plx_root_visitor_add(struct plx_thread *thread, plx_root_visitor visitor,
				     void *context, struct plx_error *error)
{
	RT_USE_RUNNING(thread);
	struct rt_roots *roots = &thread->heap->roots;
	bool room, closed;

	if (!visitor)
		return rt_error(error, PLX_ERROR_MISUSE, "a root visitor is a function, not NULL");
	pthread_mutex_lock(&roots->lock);
	room = root_list_grow((void **)&roots->visitors, roots->visitor_count,
			      &roots->visitor_capacity, sizeof(*roots->visitors));
	if (room)
		roots->visitors[roots->visitor_count++] =
			(struct rt_root_visitor){visitor, context};
	closed = room && roots->closed;
	pthread_mutex_unlock(&roots->lock);
	root_wait(thread, closed);
	return room ? PLX_OK
		    : rt_error(error, PLX_ERROR_MEMORY, "no memory for another root visitor");
}

enum plx_status plx_root_visitor_remove(struct plx_thread *thread, plx_root_visitor visitor,
					void *context)
{
	RT_USE_RUNNING(thread);
	struct rt_roots *roots = &thread->heap->roots;
	enum plx_status status = PLX_ERROR_MISUSE;

	pthread_mutex_lock(&roots->lock);
	for (uint32_t i = 0; i < roots->visitor_count; i++)
		if (roots->visitors[i].visit == visitor && roots->visitors[i].context == context) {
			roots->visitors[i] = roots->visitors[--roots->visitor_count];
			status = PLX_OK;
			break;
		}
	pthread_mutex_unlock(&roots->lock);
	return status;
}

void plx_root_visit(struct plx_root_visit *visit, void *slot)
{
	RT_USE(visit, "`visit` is NULL");
	visit->visit(visit->heap, slot, visit->context);
}

void rt_roots_each(struct gc_heap *heap, gc_root_visit visit, void *context)
{
	struct rt_roots *roots = &rt_heap_of(heap)->roots;
	struct plx_root_visit state = {heap, visit, context};

	for (uint32_t i = 0; i < roots->range_count; i++)
		for (size_t k = 0; k < roots->ranges[i].count; k++)
			visit(heap, &roots->ranges[i].slots[k], context);
	for (uint32_t i = 0; i < roots->visitor_count; i++)
		roots->visitors[i].visit(&state, roots->visitors[i].context);
}
