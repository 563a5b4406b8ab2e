/* bench/gc_pause/memory_parallax.h: the `mem_` functions on the collector.
 *
 * The rules for workloads are the collector's: mem_alloc, mem_poll and mem_block are safepoints,
 * after which references in C locals are stale; keep them in handles (mem_hold) or read them again
 * from one. MEM_STORE is for every reference store except into an object made since the last
 * safepoint. mem_free says that the last reference is gone; here it does nothing. */
#ifndef BENCH_GC_PAUSE_MEMORY_PARALLAX_H
#define BENCH_GC_PAUSE_MEMORY_PARALLAX_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <parallax/parallax.h>

#include "bench/gc_pause/workload.h"

#define MEM_TABLE work_on_parallax

struct mem {
	struct plx_thread *thread;
};

typedef const struct plx_layout *mem_type;
typedef struct plx_scope mem_scope;
typedef struct plx_handle *mem_handle;

struct mem_lock {
	char unused; /* readers need no lock: what they see stays alive */
};

static inline void mem_lock_init(struct mem_lock *lock)
{
	lock->unused = 0;
}

static inline void mem_lock_read(struct mem_lock *lock)
{
	(void)lock;
}

static inline void mem_lock_write(struct mem_lock *lock)
{
	(void)lock;
}

static inline void mem_unlock(struct mem_lock *lock)
{
	(void)lock;
}

/* A benchmark has no way on from here: say what to do about it and end the run. */
__attribute__((noreturn, cold)) static void mem_die(const char *what)
{
	fprintf(stderr, "gc_pause: %s\n", what);
	_exit(1);
}

static inline void mem_attach(struct mem *mem, struct work *work)
{
	struct plx_error error;

	if (plx_thread_attach(work->heap, &mem->thread, &error) != PLX_OK)
		mem_die(error.message);
}

static inline void mem_detach(struct mem *mem)
{
	plx_thread_detach(mem->thread);
}

/* Types: `offsets` are those of the reference fields. */
static inline mem_type mem_type_check(mem_type type, const struct plx_error *error)
{
	if (type == NULL)
		mem_die(error->message);
	return type;
}

static inline mem_type mem_type_fixed(struct work *work, size_t bytes, const size_t *offsets,
				      size_t count)
{
	struct plx_error error;

	return mem_type_check(plx_layout_fixed(work->heap, bytes, offsets, count, &error), &error);
}

static inline mem_type mem_type_references(struct work *work)
{
	struct plx_error error;

	return mem_type_check(plx_layout_references(work->heap, &error), &error);
}

static inline mem_type mem_type_bytes(struct work *work)
{
	struct plx_error error;

	return mem_type_check(plx_layout_bytes(work->heap, &error), &error);
}

static inline mem_type mem_type_trailing(struct work *work, size_t fixed_bytes,
					 const size_t *offsets, size_t count, size_t element_bytes)
{
	struct plx_error error;

	return mem_type_check(plx_layout_trailing(work->heap, fixed_bytes, offsets, count,
						  element_bytes, false, &error),
			      &error);
}

/* Never NULL: the run's out-of-memory handler ends the run. */
static inline void *mem_alloc(struct mem *mem, mem_type type)
{
	return plx_alloc(mem->thread, type);
}

static inline void *mem_alloc_array(struct mem *mem, mem_type type, uint64_t length)
{
	return plx_alloc_array(mem->thread, type, length);
}

static inline void mem_free(struct mem *mem, void *object)
{
	(void)mem;
	(void)object;
}

#define MEM_STORE(mem, slot, value) PLX_STORE((mem)->thread, slot, value)

static inline void mem_poll(struct mem *mem)
{
	plx_poll(mem->thread);
}

static inline void mem_block_enter(struct mem *mem)
{
	plx_block_enter(mem->thread);
}

static inline void mem_block_exit(struct mem *mem)
{
	plx_block_exit(mem->thread);
}

static inline void mem_scope_enter(struct mem *mem, mem_scope *scope)
{
	plx_scope_enter(mem->thread, scope);
}

static inline void mem_scope_exit(struct mem *mem, const mem_scope *scope)
{
	plx_scope_exit(mem->thread, scope);
}

static inline mem_handle mem_hold(struct mem *mem, void *ref)
{
	mem_handle handle = plx_handle_push(mem->thread, ref);

	if (PLX_UNLIKELY(handle == NULL))
		mem_die("no memory for a handle");
	return handle;
}

/* A handle that any thread may read, for as long as the run lasts. */
static inline mem_handle mem_root(struct mem *mem, void *ref)
{
	mem_handle handle = plx_handle_create(mem->thread, ref);

	if (handle == NULL)
		mem_die("no memory for a handle");
	return handle;
}

/* `slots` of plain memory become roots for good. */
static inline void mem_root_range(struct mem *mem, void **slots, uint64_t count)
{
	struct plx_error error;

	if (plx_root_range_add(mem->thread, slots, count, &error) != PLX_OK)
		mem_die(error.message);
}

/* Collect, and give back what can be given back: as malloc_trim does. */
static inline void mem_collect(struct mem *mem)
{
	plx_collect(mem->thread);
	plx_heap_trim(mem->thread->heap);
}

#endif
