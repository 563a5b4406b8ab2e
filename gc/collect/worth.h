/* gc/collect/worth.h: see worth.c. */
#ifndef GC_COLLECT_WORTH_H
#define GC_COLLECT_WORTH_H

#include "gc/heap/heap.h"

/* Candidates of one class, or of several. */
struct gc_worth {
	uint64_t regions, live_bytes;
};

/* The classes (a subset of GC_REGION_CLASS_MASK; 0: move nothing) to take candidates of, given those of
 * each single class, by its bit. `*byte_ns`: what a byte won is worth; 0 where that is no question. */
uint8_t gc_worth_classes(struct gc_heap *heap,
			 const struct gc_worth by_class[GC_REGION_CLASS_MASK + 1],
			 uint64_t budget_bytes, double *byte_ns);

/* What building and attaching one page takes. */
double gc_worth_unit_ns(const struct gc_heap *heap);

#endif
