/* gc/collect/markpool.h: how markers share work: chunks of queued references, given away when somebody is
 * hungry, and the end of a drain, when everybody is.
 *
 * Each marker keeps a stack of its own and touches nothing shared while all are busy. Only when a
 * marker is idle do the others, every so often, move the older half of their stacks here. (Work
 * stealing from the victim's side, as in Feeley's "A message passing implementation of lazy task
 * creation": no deque needs to be safe against thieves.)
 *
 * [MP-1] A drain ends when all of its markers are idle at once and the pool is empty: only a busy
 *        marker adds work, so then there is none.
 *
 * Who runs here: markers, inside one gc_workers_run. */
#ifndef GC_COLLECT_MARKPOOL_H
#define GC_COLLECT_MARKPOOL_H

#include "gc/heap/heap.h"

#define GC_MARK_CHUNK 512

struct gc_mark_chunk {
	struct gc_mark_chunk *next;
	uint32_t count;
	uintptr_t refs[GC_MARK_CHUNK];
};

struct gc_mark_pool *gc_mark_pool_create(void);
void gc_mark_pool_destroy(struct gc_mark_pool *pool);

/* Before a drain by `markers` markers. */
void gc_mark_pool_begin(struct gc_mark_pool *pool, uint32_t markers);

/* A hint: is anybody idle? */
bool gc_mark_pool_is_hungry(const struct gc_mark_pool *pool);

/* Give up to GC_MARK_CHUNK references away; false if there is no memory for that. */
bool gc_mark_pool_give(struct gc_mark_pool *pool, const uintptr_t *refs, uint32_t count);

/* A chunk, waiting for one if need be; NULL when the drain is over. Return it when it is read. */
struct gc_mark_chunk *gc_mark_pool_take(struct gc_mark_pool *pool);
void gc_mark_pool_return(struct gc_mark_pool *pool, struct gc_mark_chunk *chunk);

#endif
