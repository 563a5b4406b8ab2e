/* gc/collect/reference.h: weak objects, as marking, clearing and mutators see them. See reference.c. */
#ifndef GC_COLLECT_REFERENCE_H
#define GC_COLLECT_REFERENCE_H

#include "gc/heap/heap.h"

/* What an unmarked referent is. The diagram is at the head of reference.c. */
enum gc_reference_state {
	GC_REFERENCES_KEEP,    /* not marked yet: a read keeps it */
	GC_REFERENCES_DEAD,    /* not marked: dead, for everybody */
	GC_REFERENCES_CLEARED, /* nothing, or a new object: what is dead reads NULL by now */
};

struct gc_references {
	/* Immutable after creation. */
	const struct gc_type *weak, *ephemeron;
	struct gc_ephemerons *ephemerons; /* has locks of its own */
	/* Under lock, which is a leaf but for satb_lock. */
	pthread_mutex_t lock;
	enum gc_reference_state state;
	struct gc_mutator kept; /* only its log: what reads kept */
	/* Atomic. */
	uint32_t incomplete; /* a list of found objects could not grow [RF-4] */
	uint32_t list_limit; /* entries per list; tests lower it */
};

/* A growing array of references, outside of the heap. */
struct gc_found {
	uintptr_t *items;
	size_t count, capacity;
};

bool gc_references_create(struct gc_heap *heap);
void gc_references_destroy(struct gc_heap *heap);

/* The cycle. Before the first barrier goes on. */
void gc_references_begin(struct gc_heap *heap);

/* The cycle. Hand what reads kept to the marker; false if that is nothing. */
bool gc_references_take_kept(struct gc_heap *heap);

/* The cycle, when everything strongly reachable is marked: from now on what is unmarked is dead. False
 * if reads kept something meanwhile: then marking goes on. No barrier may stop logging before this
 * has said true. [RF-2] */
bool gc_references_settle(struct gc_heap *heap);

/* The cycle, between marking and sweeping, mutators running: clear what refers to dead objects. */
void gc_references_clear(struct gc_heap *heap);

/* A marker scans a weak object: remember it if its referent is not marked yet. */
void gc_reference_found(struct gc_heap *heap, struct gc_found *found, uintptr_t object);
void gc_found_release(struct gc_found *found);

/* Mutators whose barrier is on: read a weak slot. With an ephemeron's key also its value, into `*value`;
 * else `value_slot` is NULL. */
uintptr_t gc_reference_read(struct gc_heap *heap, const gc_word *slot, const gc_word *value_slot,
			    uintptr_t *value);

/* Flag the page of a slot that the marker does not follow. [M-3] */
void gc_reference_flag(struct gc_heap *heap, const gc_word *slot);

/* Call `visit` for each marked weak object. The cycle. [RF-4] */
typedef void (*gc_reference_visit)(struct gc_heap *heap, uintptr_t object,
				   const struct gc_type *type, void *context);
void gc_references_each_marked(struct gc_heap *heap, gc_reference_visit visit, void *context);

/* Marked, or allocated since marking began. Final once gc_references_settle has said true. */
static inline bool gc_reference_is_live(const struct gc_heap *heap, uintptr_t object)
{
	return gc_heap_region_bits(heap, object) & GC_REGION_BLACK ||
	       gc_markbits_test(&heap->markbits, (struct gc_haddr){object});
}

#endif
