/* gc/collect/identity.h: identity hashes, as the cycle and mutators see them. See identity.c. */
#ifndef GC_COLLECT_IDENTITY_H
#define GC_COLLECT_IDENTITY_H

#include "gc/heap/heap.h"

bool gc_identities_create(struct gc_heap *heap);
void gc_identities_destroy(struct gc_heap *heap);

/* Mutators, running. 0 if there is no memory for an object that has none yet. */
uint32_t gc_identity_hash(struct gc_heap *heap, uintptr_t object);

/* The cycle, after the plan: forget the dead; if something moves, prepare for the flip. */
void gc_identities_carry(struct gc_heap *heap, bool moves);
void gc_identities_switch_stw(struct gc_heap *heap);
/* After the flip: what was carried along with a region that was un-chosen goes back. */
void gc_identities_repair(struct gc_heap *heap);

#endif
