/* gc/collect/rootstack.h: root stacks, as the cycle, the verifier and the runtime see them. See rootstack.c. */
#ifndef GC_COLLECT_ROOTSTACK_H
#define GC_COLLECT_ROOTSTACK_H

#include <parallax/rootstack.h>

#include "gc/heap/heap.h"

struct gc_rootstack {
	struct plx_root_stack pub; /* first: a plx_root_stack pointer is a gc_rootstack pointer */
	/* Immutable after creation. */
	uint32_t head; /* of the run of regions that holds it */
	/* Under regions.lock; read by the cycle while nobody may take stacks off the list [RS-4]. */
	struct gc_rootstack *next;
	bool destroyed; /* to be freed when the cycle ends */
	/* The cycle's thread. */
	uint32_t flagged_pages; /* from the base on, for this flip */
	uintptr_t frozen;	/* the top as of the last flip [RS-2] */
};

/* Any attached thread; takes regions.lock. NULL: no memory; `*regions_short` tells whether a collection may
 * help. */
struct gc_rootstack *gc_rootstack_create(struct gc_heap *heap, size_t slots, bool *regions_short);
bool gc_rootstack_is_known(struct gc_heap *heap, const struct gc_rootstack *stack);
/* All its words were dropped. */
void gc_rootstack_destroy(struct gc_heap *heap, struct gc_rootstack *stack);

/* The cycle: before the dirty pages are listed; in the flip's pause; when nothing moves any more. */
void gc_rootstacks_flag(struct gc_heap *heap);
void gc_rootstacks_flip_stw(struct gc_heap *heap);
void gc_rootstacks_free_destroyed(struct gc_heap *heap);
/* Whoever destroys the heap. */
void gc_rootstacks_destroy(struct gc_heap *heap);

/* The first stack; the others by `next`. See [RS-4] for who may. */
static inline struct gc_rootstack *gc_rootstack_first(struct gc_heap *heap)
{
	return gc_load_acquire(&heap->rootstacks); /* [MO-ROOTSTACK] */
}

/* Where the words end that were roots at the last flip: those of a page above it are left as they are. */
static inline uintptr_t gc_rootstack_frozen(const struct gc_heap *heap, uint32_t number)
{
	return heap->regions.table[gc_region_head(&heap->regions, number)].stack->frozen;
}

#endif
