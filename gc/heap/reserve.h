/* gc/heap/reserve.h: address space for a view: somewhere, aligned, between guard pages.
 *
 * [RV-1] Where one range lies says nothing about where another does: each is placed by a random number of its
 *        own, below where the kernel would have put it. Knowing an object's address does not give the alias.
 * [RV-2] On both sides a page that nobody may touch stays reserved as long as the range: what runs over the
 *        end of a neighbour's memory faults, and nothing else can be mapped there. */
#ifndef GC_HEAP_RESERVE_H
#define GC_HEAP_RESERVE_H

#include "gc/base/types.h"

/* `bytes` at a multiple of `align`, not accessible yet, or a negative errno. */
intptr_t gc_reserve(uint64_t bytes, uint64_t align);

/* Give it back, guards and all, whatever has been mapped over it. */
void gc_unreserve(void *start, uint64_t bytes);

#endif
