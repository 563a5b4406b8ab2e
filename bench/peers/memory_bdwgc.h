/* bench/peers/memory_bdwgc.h: the `mem_` functions on the conservative collector of Boehm, Demers and
 * Weiser (libgc). Compiled in place of memory_malloc.h, so that the workloads are the very same.
 *
 * Stacks are scanned, so handles are slots of the thread's own struct mem, which lies on its stack;
 * lasting roots are uncollectable objects. What the workloads keep in calloc'ed memory refers to those
 * only. Objects without references are `atomic` here too. The limit of the heap is the same. */
#ifndef BENCH_PEERS_MEMORY_BDWGC_H
#define BENCH_PEERS_MEMORY_BDWGC_H

/* Threads are made by gc_pause's own files, so they register themselves. */
#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <parallax/layout.h>

#include "bench/gc_pause/workload.h"

#define MEM_TABLE work_on_malloc
#define MEM_HANDLES 256

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
	bool atomic; /* holds no references */
};

typedef const struct mem_layout *mem_type;
typedef struct mem_slot *mem_scope;
typedef struct mem_slot *mem_handle;

struct mem_lock {
	char unused; /* what readers see stays alive */
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

__attribute__((noreturn, cold)) static void mem_die(const char *what)
{
	fprintf(stderr, "gc_pause: %s\n", what);
	_exit(1);
}

/* In on_bdwgc.c: the limit, and the collector's pauses. */
void bdwgc_begin(struct work *work);

static inline void mem_attach(struct mem *mem, struct work *work)
{
	struct GC_stack_base base;

	if (GC_get_stack_base(&base) != GC_SUCCESS || GC_register_my_thread(&base) == GC_NO_THREADS)
		mem_die("bdwgc does not know this thread's stack");
	memset(mem, 0, sizeof(*mem));
	mem->top = mem->slots;
	bdwgc_begin(work);
}

static inline void mem_detach(struct mem *mem)
{
	(void)mem;
	GC_unregister_my_thread();
}

/* Types live as long as the process, outside of the heap. */
static inline mem_type mem_type_make(size_t fixed_bytes, size_t element_bytes, bool atomic)
{
	struct mem_layout *type = malloc(sizeof(*type));

	if (type == NULL)
		mem_die("out of memory");
	type->fixed_bytes = fixed_bytes;
	type->element_bytes = element_bytes;
	type->atomic = atomic;
	return type;
}

static inline mem_type mem_type_fixed(struct work *work, size_t bytes, const size_t *offsets,
				      size_t count)
{
	(void)work;
	(void)offsets;
	return mem_type_make(bytes, 0, count == 0);
}

static inline mem_type mem_type_references(struct work *work)
{
	(void)work;
	return mem_type_make(sizeof(struct plx_header), sizeof(void *), false);
}

static inline mem_type mem_type_bytes(struct work *work)
{
	(void)work;
	return mem_type_make(sizeof(struct plx_header), 1, true);
}

static inline mem_type mem_type_trailing(struct work *work, size_t fixed_bytes,
					 const size_t *offsets, size_t count, size_t element_bytes)
{
	(void)work;
	(void)offsets;
	return mem_type_make(fixed_bytes, element_bytes, count == 0);
}

static inline void *mem_alloc_array(struct mem *mem, mem_type type, uint64_t length)
{
	size_t bytes = type->fixed_bytes + length * type->element_bytes;
	struct plx_header *object = type->atomic ? GC_MALLOC_ATOMIC(bytes) : GC_MALLOC(bytes);

	(void)mem;
	if (object == NULL)
		mem_die("the heap is exhausted: raise --heap or lower --live");
	if (type->atomic)
		memset(object, 0, bytes);
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
	(void)object;
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

/* Slots above the top are cleared, lest what they held stays alive. */
static inline void mem_scope_exit(struct mem *mem, const mem_scope *scope)
{
	while (mem->top > *scope)
		(--mem->top)->ref = NULL;
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
	mem_handle handle = GC_MALLOC_UNCOLLECTABLE(sizeof(*handle));

	(void)mem;
	if (handle == NULL)
		mem_die("the heap is exhausted: raise --heap or lower --live");
	handle->ref = ref;
	return handle;
}

static inline void mem_root_range(struct mem *mem, void **slots, uint64_t count)
{
	(void)mem;
	GC_add_roots(slots, slots + count);
}

static inline void mem_collect(struct mem *mem)
{
	(void)mem;
	GC_gcollect_and_unmap();
}

#endif
