/* gc/collect/markpool.c: see markpool.h. */
#include "gc/collect/markpool.h"

#include <string.h>

#include "gc/base/check.h"
#include "gc/base/meta.h"

struct gc_mark_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct gc_mark_chunk *full, *spare;
	uint32_t markers, idle; /* idle: written under the lock, read without it as a hint */
	bool over;
};

struct gc_mark_pool *gc_mark_pool_create(void)
{
	struct gc_mark_pool *pool = gc_meta_alloc(sizeof(*pool));

	if (!pool)
		return NULL;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	return pool;
}

void gc_mark_pool_destroy(struct gc_mark_pool *pool)
{
	struct gc_mark_chunk *chunk, *next;

	if (!pool)
		return;
	for (chunk = pool->spare; chunk; chunk = next) {
		next = chunk->next;
		gc_meta_free(chunk, sizeof(*chunk));
	}
	pthread_cond_destroy(&pool->more);
	pthread_mutex_destroy(&pool->lock);
	gc_meta_free(pool, sizeof(*pool));
}

void gc_mark_pool_begin(struct gc_mark_pool *pool, uint32_t markers)
{
	pthread_mutex_lock(&pool->lock);
	GC_CHECK(MP_1, !pool->full);
	pool->markers = markers;
	gc_store_relaxed(&pool->idle, 0); /* nobody else is here yet */
	pool->over = false;
	pthread_mutex_unlock(&pool->lock);
}

bool gc_mark_pool_is_hungry(const struct gc_mark_pool *pool)
{
	return gc_load_relaxed(&pool->idle) !=
	       0; /* a hint: work is given a little later or earlier */
}

static struct gc_mark_chunk *pool_spare(struct gc_mark_pool *pool)
{
	struct gc_mark_chunk *chunk;

	pthread_mutex_lock(&pool->lock);
	chunk = pool->spare;
	if (chunk)
		pool->spare = chunk->next;
	pthread_mutex_unlock(&pool->lock);
	return chunk ? chunk : gc_meta_alloc(sizeof(*chunk));
}

bool gc_mark_pool_give(struct gc_mark_pool *pool, const uintptr_t *refs, uint32_t count)
{
	struct gc_mark_chunk *chunk = pool_spare(pool);

	if (!chunk)
		return false;
	chunk->count = count;
	memcpy(chunk->refs, refs, count * sizeof(*refs));
	pthread_mutex_lock(&pool->lock);
	chunk->next = pool->full;
	pool->full = chunk;
	pthread_cond_signal(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	return true;
}

static void pool_set_idle_locked(struct gc_mark_pool *pool, uint32_t idle)
{
	gc_store_relaxed(&pool->idle, idle); /* read without the lock as a hint */
}

struct gc_mark_chunk *gc_mark_pool_take(struct gc_mark_pool *pool)
{
	struct gc_mark_chunk *chunk;

	pthread_mutex_lock(&pool->lock);
	pool_set_idle_locked(pool, pool->idle + 1);
	if (pool->idle == pool->markers && !pool->full) { /* [MP-1] */
		pool->over = true;
		pthread_cond_broadcast(&pool->more);
	}
	while (!pool->full && !pool->over)
		pthread_cond_wait(&pool->more, &pool->lock);
	chunk = pool->full;
	if (chunk)
		pool->full = chunk->next;
	pool_set_idle_locked(pool, pool->idle - 1); /* busy again, or gone */
	pthread_mutex_unlock(&pool->lock);
	return chunk;
}

void gc_mark_pool_return(struct gc_mark_pool *pool, struct gc_mark_chunk *chunk)
{
	pthread_mutex_lock(&pool->lock);
	chunk->next = pool->spare;
	pool->spare = chunk;
	pthread_mutex_unlock(&pool->lock);
}
