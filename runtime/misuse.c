/* runtime/misuse.c: see misuse.h. Empty in release builds. */
#include "runtime/misuse.h"

#include "runtime/world.h"

#ifdef PLX_DEBUG

#define MISUSE_HEAPS 256 /* more are not known, and then nobody is accused */

static pthread_mutex_t misuse_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct plx_heap *misuse_heaps[MISUSE_HEAPS];
static bool misuse_overflow;

/* The place of a heap, or of none (NULL). */
static int misuse_find(const struct plx_heap *heap)
{
	int i = 0;

	/* Relaxed: see rt_misuse_heap. */
	while (i < MISUSE_HEAPS && gc_load_relaxed(&misuse_heaps[i]) != heap)
		i++;
	return i;
}

void rt_misuse_heap_made(const struct plx_heap *heap)
{
	int place;

	pthread_mutex_lock(&misuse_lock);
	place = misuse_find(NULL);
	if (place < MISUSE_HEAPS)
		gc_store_relaxed(&misuse_heaps[place], heap); /* under the lock, as below */
	else
		gc_store_relaxed(&misuse_overflow, true); /* as above */
	pthread_mutex_unlock(&misuse_lock);
}

void rt_misuse_heap_gone(const struct plx_heap *heap)
{
	int place;

	pthread_mutex_lock(&misuse_lock);
	place = misuse_find(heap);
	if (place < MISUSE_HEAPS)
		gc_store_relaxed(&misuse_heaps[place], NULL); /* as above */
	pthread_mutex_unlock(&misuse_lock);
}

void rt_misuse_heap(const char *function, const struct plx_heap *heap)
{
	bool known;

	/* Without the lock, which a child of fork may find held: who knows a heap got it after it was entered. */
	known = heap && (gc_load_relaxed(&misuse_overflow) || misuse_find(heap) < MISUSE_HEAPS);
	GC_REQUIRE(known, "misuse: %s: %p is no heap (NULL, or destroyed, or never made)", function,
		   (const void *)heap);
}

void rt_misuse_thread(const char *function, const struct plx_thread *thread)
{
	GC_REQUIRE(rt_thread_is_own(thread),
		   "misuse: %s: the calling thread has not attached %p (NULL, or detached, or of "
		   "another thread)",
		   function, (const void *)thread);
}

void rt_misuse_running(const char *function, struct plx_thread *thread)
{
	rt_misuse_thread(function, thread);
	rt_fork_check(thread->heap); /* whose state is not what it was */
	/* Relaxed: its own state; HELD for a moment while blocked. */
	GC_REQUIRE(gc_load_relaxed(&rt_thread_of(thread)->state) == RT_RUNNING,
		   "misuse: %s: the thread is in a blocking region: plx_block_exit comes first",
		   function);
}

void rt_misuse_blocked(const char *function, struct plx_thread *thread)
{
	rt_misuse_thread(function, thread);
	rt_fork_check(thread->heap); /* whose state is not what it was */
	GC_REQUIRE(gc_load_relaxed(&rt_thread_of(thread)->state) & RT_BLOCKED, /* as above */
		   "misuse: %s: the thread is in no blocking region: plx_block_enter comes first",
		   function);
}

/* By address alone [MI-1]: the table of types is one array. */
void rt_misuse_layout(const char *function, const struct plx_thread *thread,
		      const struct plx_layout *layout)
{
	const struct gc_type_table *table = &thread->heap->gc.types;
	uintptr_t offset = (uintptr_t)layout - (uintptr_t)table->types;

	GC_REQUIRE(
		offset % sizeof(struct gc_type) == 0 && offset >= sizeof(struct gc_type) &&
			offset / sizeof(struct gc_type) <
				gc_load_relaxed(&table->count), /* the caller got it after that */
		"misuse: %s: %p is no layout of this heap", function, (const void *)layout);
}

#endif
