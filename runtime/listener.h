/* runtime/listener.h: calling the embedder's listeners. See parallax/listener.h.
 *
 * [LI-1] Listeners run under a read lock, adding and removing under the write lock: when a removal
 *        returns, none of its functions runs. Who holds the lock waits for nobody: so a mutator that
 *        waits for it holds no cycle up for longer than a listener takes.
 * [LI-2] Inside a listener the library is not entered but for what its header lists.
 *
 * Who runs here: the collector thread outside of pauses; mutators after a stall. */
#ifndef RUNTIME_LISTENER_H
#define RUNTIME_LISTENER_H

#include <parallax/listener.h>
#include <pthread.h>

#include "gc/base/fork.h"
#include "gc/heap/heap.h"

struct rt_listeners {
	pthread_rwlock_t lock;
	/* Under the write lock; count is also read as a hint. */
	uint32_t count;
	const struct plx_listener *table[PLX_LISTENERS_MAX];
};

void rt_listeners_init(struct plx_heap *heap);
void rt_listeners_destroy(struct plx_heap *heap);
void rt_listeners_fork(struct plx_heap *heap, enum gc_fork_step step);

/* Is this thread inside a listener? */
bool rt_listener_inside(void);

void rt_listeners_cycle_begin(struct plx_heap *heap, uint64_t number, const char *cause);
void rt_listeners_cycle_end(struct plx_heap *heap, const struct plx_cycle_summary *summary);
void rt_listeners_paused(struct gc_heap *heap, const struct plx_pause *pause);
void rt_listeners_stall(struct plx_heap *heap, const struct plx_stall *stall);
void rt_listeners_memory_returned(struct plx_heap *heap, uint64_t bytes);

#endif
