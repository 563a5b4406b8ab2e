/* runtime/misuse.h: debug builds tell whoever calls the library wrongly what is wrong, by the function's
 * name, and end the process. Release builds have none of it: there such calls are undefined, except where a
 * header promises PLX_ERROR_MISUSE or NULL.
 *
 * [MI-1] A check reads nothing through a pointer before it has found that pointer among those it knows: so
 *        NULL, what was destroyed or detached, and what was never ours are told from each other by
 *        nothing but their value.
 * [MI-2] Each stands first in its function, before anything is read.
 *
 * Every exported function has its rows in test/support/bad_input.h; a gate counts them.
 *
 * Who runs here: any thread; not in faults or pauses. */
#ifndef RUNTIME_MISUSE_H
#define RUNTIME_MISUSE_H

#include "gc/base/check.h"

#define RT_USE(condition, what) GC_USE(condition, what)

struct plx_heap;
struct plx_thread;
struct plx_layout;

#ifdef PLX_DEBUG

void rt_misuse_heap(const char *function, const struct plx_heap *heap);
void rt_misuse_thread(const char *function, const struct plx_thread *thread);
void rt_misuse_running(const char *function, struct plx_thread *thread);
void rt_misuse_blocked(const char *function, struct plx_thread *thread);
void rt_misuse_layout(const char *function, const struct plx_thread *thread,
		      const struct plx_layout *layout);

/* The heaps there are. */
void rt_misuse_heap_made(const struct plx_heap *heap);
void rt_misuse_heap_gone(const struct plx_heap *heap);

#define RT_USE_HEAP(heap) rt_misuse_heap(__func__, heap)
#define RT_USE_THREAD(thread) rt_misuse_thread(__func__, thread)
#define RT_USE_RUNNING_AS(function, thread) rt_misuse_running(function, thread)
#define RT_USE_BLOCKED(thread) rt_misuse_blocked(__func__, thread)
#define RT_USE_LAYOUT(thread, layout) rt_misuse_layout(__func__, thread, layout)

#else

static inline void rt_misuse_heap_made(const struct plx_heap *heap)
{
	(void)heap;
}

static inline void rt_misuse_heap_gone(const struct plx_heap *heap)
{
	(void)heap;
}

#define RT_USE_HEAP(heap) ((void)(heap))
#define RT_USE_THREAD(thread) ((void)(thread))
#define RT_USE_RUNNING_AS(function, thread) ((void)(thread))
#define RT_USE_BLOCKED(thread) ((void)(thread))
#define RT_USE_LAYOUT(thread, layout) ((void)(layout))

#endif

/* _AS: in what a public function of another name goes on in. */
#define RT_USE_RUNNING(thread) RT_USE_RUNNING_AS(__func__, thread)

#endif
