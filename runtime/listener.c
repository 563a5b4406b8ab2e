/* runtime/listener.c: the embedder's listeners. See listener.h for who runs here and the invariants. */
#include "runtime/listener.h"

#include "gc/collect/telemetry.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

static __thread __attribute__((tls_model("initial-exec"))) bool listener_inside;

bool rt_listener_inside(void)
{
	return listener_inside;
}

/* [LI-1] False, at once, if there is nobody to tell. */
static bool listeners_enter(struct plx_heap *heap)
{
	/* Relaxed: a listener that is added meanwhile misses what had happened. */
	if (gc_load_relaxed(&heap->listeners.count) == 0)
		return false;
	pthread_rwlock_rdlock(&heap->listeners.lock);
	listener_inside = true;
	return true;
}

static void listeners_leave(struct plx_heap *heap)
{
	listener_inside = false;
	pthread_rwlock_unlock(&heap->listeners.lock);
}

#define LISTENERS_TELL(heap, callback, ...)                                                 \
	do {                                                                                \
		if (!listeners_enter(heap))                                                 \
			break;                                                              \
		for (uint32_t i_ = 0; i_ < (heap)->listeners.count; i_++) {                 \
			const struct plx_listener *listener_ = (heap)->listeners.table[i_]; \
                                                                                            \
			if (listener_->callback)                                            \
				listener_->callback(listener_->context, __VA_ARGS__);       \
		}                                                                           \
		listeners_leave(heap);                                                      \
	} while (0)

void rt_listeners_cycle_begin(struct plx_heap *heap, uint64_t number, const char *cause)
{
	LISTENERS_TELL(heap, cycle_begin, number, cause);
}

void rt_listeners_cycle_end(struct plx_heap *heap, const struct plx_cycle_summary *summary)
{
	LISTENERS_TELL(heap, cycle_end, summary);
}

void rt_listeners_stall(struct plx_heap *heap, const struct plx_stall *stall)
{
	LISTENERS_TELL(heap, stall, stall);
}

void rt_listeners_memory_returned(struct plx_heap *heap, uint64_t bytes)
{
	LISTENERS_TELL(heap, memory_returned, bytes);
}

static void listeners_flip(struct plx_heap *heap)
{
	const struct gc_cycle *cycle = &heap->gc.cycle;
	struct plx_flip flip = {
		.mode = gc_flip_mode_name(cycle->mode),
		.cycle_number = cycle->number,
		.evacuated_regions = cycle->evacuated_count,
		.evacuated_bytes = cycle->evacuated_bytes,
		.target_regions = cycle->target_count,
		.dirty_pages = cycle->dirty_pages,
	};

	LISTENERS_TELL(heap, flip, &flip);
}

void rt_listeners_paused(struct gc_heap *gc, const struct plx_pause *pause)
{
	struct plx_heap *heap = rt_heap_of(gc);

	LISTENERS_TELL(heap, pause, pause);
	if (gc->pause_kind == GC_STOP_FLIP && gc->cycle.evacuated_count)
		listeners_flip(heap);
}

/* --- adding and removing ------------------------------------------------------------------------ */

/* The place of a listener in the table, or count. Under the lock. */
static uint32_t listeners_find(const struct rt_listeners *listeners,
			       const struct plx_listener *listener)
{
	uint32_t i = 0;

	while (i < listeners->count && listeners->table[i] != listener)
		i++;
	return i;
}

static enum plx_status listeners_add_locked(struct rt_listeners *listeners,
					    const struct plx_listener *listener)
{
	if (listeners_find(listeners, listener) < listeners->count)
		return PLX_ERROR_MISUSE;
	if (listeners->count == PLX_LISTENERS_MAX)
		return PLX_ERROR_LIMIT;
	listeners->table[listeners->count] = listener;
	gc_store_relaxed(&listeners->count, listeners->count + 1); /* also read as a hint */
	return PLX_OK;
}

/* The others keep their order. */
static enum plx_status listeners_remove_locked(struct rt_listeners *listeners,
					       const struct plx_listener *listener)
{
	uint32_t i = listeners_find(listeners, listener);

	if (i == listeners->count)
		return PLX_ERROR_MISUSE;
	for (; i + 1 < listeners->count; i++)
		listeners->table[i] = listeners->table[i + 1];
	gc_store_relaxed(&listeners->count, listeners->count - 1); /* also read as a hint */
	return PLX_OK;
}

enum plx_status plx_heap_listener_add(struct plx_heap *heap, const struct plx_listener *listener)
{
	RT_USE_HEAP(heap);
	enum plx_status status;

	if (listener_inside || !listener)
		return PLX_ERROR_MISUSE;
	pthread_rwlock_wrlock(&heap->listeners.lock);
	status = listeners_add_locked(&heap->listeners, listener);
	pthread_rwlock_unlock(&heap->listeners.lock);
	return status;
}

enum plx_status plx_heap_listener_remove(struct plx_heap *heap, const struct plx_listener *listener)
{
	RT_USE_HEAP(heap);
	enum plx_status status;

	if (listener_inside)
		return PLX_ERROR_MISUSE;
	pthread_rwlock_wrlock(&heap->listeners.lock);
	status = listeners_remove_locked(&heap->listeners, listener);
	pthread_rwlock_unlock(&heap->listeners.lock);
	return status;
}

void rt_listeners_init(struct plx_heap *heap)
{
	pthread_rwlock_init(&heap->listeners.lock, NULL);
}

void rt_listeners_destroy(struct plx_heap *heap)
{
	pthread_rwlock_destroy(&heap->listeners.lock);
}

void rt_listeners_fork(struct plx_heap *heap, enum gc_fork_step step)
{
	if (step == GC_FORK_LOCK)
		pthread_rwlock_wrlock(&heap->listeners.lock);
	else if (step == GC_FORK_UNLOCK)
		pthread_rwlock_unlock(&heap->listeners.lock);
	else
		pthread_rwlock_init(&heap->listeners.lock, NULL);
}
