/* gc/collect/ephemeron.h: ephemerons, as marking and clearing see them. See ephemeron.c. */
#ifndef GC_COLLECT_EPHEMERON_H
#define GC_COLLECT_EPHEMERON_H

#include "gc/heap/heap.h"

struct gc_mark;
struct gc_worker;

/* With the heap's references. */
bool gc_ephemerons_create(struct gc_heap *heap);
void gc_ephemerons_destroy(struct gc_heap *heap);
void gc_ephemerons_begin(struct gc_heap *heap);

/* A marker scans an ephemeron: follow its value, or let it wait for its key. */
void gc_ephemeron_found(struct gc_heap *heap, struct gc_mark *mark, uintptr_t ephemeron);

/* A marker marked an object whose header says that ephemerons may wait for it. */
void gc_ephemeron_key_marked(struct gc_heap *heap, struct gc_mark *mark, uintptr_t key);

/* The cycle, when the markers are done: true if that brought something up. */
bool gc_ephemerons_rescan(struct gc_heap *heap);

/* How many wait for their keys: exact while no marker runs. */
uint64_t gc_ephemerons_waiting(struct gc_heap *heap);

/* Clearing: a worker's share of those that still wait; or one that was found otherwise. */
void gc_ephemerons_clear_work(struct gc_worker *worker);
bool gc_ephemeron_break(const struct gc_heap *heap, uintptr_t ephemeron);

#endif
