/* gc/collect/guardian.h: guardians, as the cycle and mutators see them. See guardian.c. */
#ifndef GC_COLLECT_GUARDIAN_H
#define GC_COLLECT_GUARDIAN_H

#include "gc/heap/heap.h"

#define GC_GUARDIAN_PRIORITIES 8

struct gc_guardian {
	/* Immutable after creation. */
	struct gc_heap *heap;
	uint32_t priority;
	/* Under the guardians' lock. */
	uint32_t first, last; /* entries that are READY, oldest first */
	struct gc_guardian *next;
};

bool gc_guardians_create(struct gc_heap *heap);
void gc_guardians_destroy(struct gc_heap *heap);

/* Any thread. NULL if there is no memory. */
struct gc_guardian *gc_guardian_create(struct gc_heap *heap, uint32_t priority);
void gc_guardian_destroy(struct gc_guardian *guardian);

/* Mutators, running. False if there is no memory; 0 if nothing is ready. */
bool gc_guardian_register(struct gc_guardian *guardian, uintptr_t object, uintptr_t tag);
uintptr_t gc_guardian_poll(struct gc_guardian *guardian, struct gc_mutator *mutator);

/* A blocked thread: until something is ready, at most so long. True if it is. */
bool gc_guardian_wait(struct gc_guardian *guardian, uint64_t timeout_ns);

/* The cycle, in this order. */
void gc_guardians_begin(struct gc_heap *heap);
void gc_guardians_mark_ready(struct gc_heap *heap);
bool gc_guardians_due(struct gc_heap *heap); /* marking would be complete: is it their turn now? */
void gc_guardians_ask(
	struct gc_heap *heap); /* if it is: what is dead is marked, and the rest drained */
void gc_guardians_publish(struct gc_heap *heap);
void gc_guardians_carry(struct gc_heap *heap);
void gc_guardians_switch_stw(struct gc_heap *heap);
/* After the flip: entries of objects whose region was un-chosen keep their old address. */
void gc_guardians_repair(struct gc_heap *heap);

#endif
