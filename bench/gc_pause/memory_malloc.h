/* bench/gc_pause/memory_malloc.h: the `mem_` functions on plain calloc and free, by which
 * `--plan none` shows a workload's floor. Objects keep their header, so that the workloads' structs
 * serve both; handles are slots of a small per-thread stack. Where threads read what another one
 * frees, a lock stands in for what the collector does: that is part of the price of this plan. */
#ifndef BENCH_GC_PAUSE_MEMORY_MALLOC_H
#define BENCH_GC_PAUSE_MEMORY_MALLOC_H

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <parallax/layout.h>

#include "bench/gc_pause/workload.h"

#define MEM_TABLE work_on_malloc
#define MEM_FREES 1	/* dropped objects have to be given back one by one */
#define MEM_HANDLES 256 /* the deepest tree holds two per level */

struct mem_slot {
	void *ref;
};

struct mem {
	struct mem_slot *top;
	struct mem_slot slots[MEM_HANDLES];
};

struct mem_layout {
	size_t fixed_bytes;
	size_t element_bytes;
};

typedef const struct mem_layout *mem_type;
typedef struct mem_slot *mem_scope;
typedef struct mem_slot *mem_handle;

/* One lock for readers and writers: what it guards is far shorter than a read-write lock's own
 * bookkeeping, under which readers also starve the writer. */
struct mem_lock {
	pthread_mutex_t mutex;
};

static inline void mem_lock_init(struct mem_lock *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&lock->mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

static inline void mem_lock_read(struct mem_lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
}

static inline void mem_lock_write(struct mem_lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
}

static inline void mem_unlock(struct mem_lock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}

__attribute__((noreturn, cold)) static void mem_die(const char *what)
{
	fprintf(stderr, "gc_pause: %s\n", what);
	_exit(1);
}

static inline void mem_attach(struct mem *mem, struct work *work)
{
	(void)work;
	mem->top = mem->slots;
}

static inline void mem_detach(struct mem *mem)
{
	(void)mem;
}

/* Types live as long as the process. */
static inline mem_type mem_type_make(size_t fixed_bytes, size_t element_bytes)
{
	struct mem_layout *type = malloc(sizeof(*type));

	if (type == NULL)
		mem_die("out of memory");
	type->fixed_bytes = fixed_bytes;
	type->element_bytes = element_bytes;
	return type;
}

static inline mem_type mem_type_fixed(struct work *work, size_t bytes, const size_t *offsets,
				      size_t count)
{
	(void)work;
	(void)offsets;
	(void)count;
	return mem_type_make(bytes, 0);
}

static inline mem_type mem_type_references(struct work *work)
{
	(void)work;
	return mem_type_make(sizeof(struct plx_header), sizeof(void *));
}

static inline mem_type mem_type_bytes(struct work *work)
{
	(void)work;
	return mem_type_make(sizeof(struct plx_header), 1);
}

static inline mem_type mem_type_trailing(struct work *work, size_t fixed_bytes,
					 const size_t *offsets, size_t count, size_t element_bytes)
{
	(void)work;
	(void)offsets;
	(void)count;
	return mem_type_make(fixed_bytes, element_bytes);
}

static inline void *mem_alloc_array(struct mem *mem, mem_type type, uint64_t length)
{
	struct plx_header *object = calloc(1, type->fixed_bytes + length * type->element_bytes);

	(void)mem;
	if (object == NULL)
		mem_die("out of memory");
	object->word = length << PLX_HEADER_LENGTH_SHIFT;
	return object;
}

static inline void *mem_alloc(struct mem *mem, mem_type type)
{
	return mem_alloc_array(mem, type, 0);
}

static inline void mem_free(struct mem *mem, void *object)
{
	(void)mem;
	free(object);
}

/* Release, like the collector's own: pairs with INDEX_LOAD [MO-PUBLISH]. */
#define MEM_STORE(mem, slot, value)                                  \
	do {                                                         \
		(void)(mem);                                         \
		__atomic_store_n((slot), (value), __ATOMIC_RELEASE); \
	} while (0)

static inline void mem_poll(struct mem *mem)
{
	(void)mem;
}

static inline void mem_block_enter(struct mem *mem)
{
	(void)mem;
}

static inline void mem_block_exit(struct mem *mem)
{
	(void)mem;
}

static inline void mem_scope_enter(struct mem *mem, mem_scope *scope)
{
	*scope = mem->top;
}

static inline void mem_scope_exit(struct mem *mem, const mem_scope *scope)
{
	mem->top = *scope;
}

static inline mem_handle mem_hold(struct mem *mem, void *ref)
{
	if (mem->top == mem->slots + MEM_HANDLES)
		mem_die("too many handles");
	mem->top->ref = ref;
	return mem->top++;
}

static inline mem_handle mem_root(struct mem *mem, void *ref)
{
	mem_handle handle = malloc(sizeof(*handle));

	(void)mem;
	if (handle == NULL)
		mem_die("out of memory");
	handle->ref = ref;
	return handle;
}

static inline void mem_root_range(struct mem *mem, void **slots, uint64_t count)
{
	(void)mem;
	(void)slots;
	(void)count;
}

static inline void mem_collect(struct mem *mem)
{
	(void)mem;
	malloc_trim(0);
}

#endif
