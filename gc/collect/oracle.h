/* gc/collect/oracle.h: debug builds: every page that is built after a flip is built a second time, in
 * another way, and compared byte for byte before any mutator may see it.
 *
 *              unit.c                                  oracle_build.c
 *   finds objects  by mark bits, from the page backwards    by walking the region from object to object
 *   new address    target + popcount of an entry            a list of where the plan put each object
 *   a target       sources in evacuation order, until full  that list, by new address
 *   works on       the page                                 a copy of it, made before
 *
 * They share what neither decides: mark bits (is this object alive?), layouts, the bits of regions.
 *
 * [DB-1] Both ways give the same bytes, or the process ends with what is known about the page.
 * [DB-2] Sources are as they were at the flip: pages of evacuated regions, which nobody writes, and the copy of
 *        the page that was made before it was updated. Of other pages only headers are read.
 * [DB-3] Nothing is allocated or locked in a fault: copies lie in slots made with the heap; who finds none free
 *        waits for another builder, who waits for nobody [FT-1].
 * [DB-4] The list is made while the plan is, and read-only from the flip to finish. Without memory for it the
 *        cycle goes on unchecked (`skipped`).
 *
 * Who runs here: the plan; whoever builds a page, faults included. In other builds all of this is empty. */
#ifndef GC_COLLECT_ORACLE_H
#define GC_COLLECT_ORACLE_H

#include "gc/heap/heap.h"

struct gc_oracle_slot;

#ifdef PLX_DEBUG
bool gc_oracle_create(struct gc_heap *heap);
void gc_oracle_destroy(struct gc_heap *heap);

/* The plan, in this order: a cycle's; one region's; each of its objects as it gets its place. */
void gc_oracle_begin(struct gc_heap *heap);
void gc_oracle_region(struct gc_heap *heap, uint32_t number);
void gc_oracle_move(struct gc_heap *heap, struct gc_haddr from, struct gc_haddr to);

/* Around the building of a page at `into`; NULL: this page is not checked. */
struct gc_oracle_slot *gc_oracle_keep_fault(struct gc_heap *heap, struct gc_page page,
					    const char *into);
void gc_oracle_check_fault(struct gc_heap *heap, struct gc_page page, const char *into,
			   struct gc_oracle_slot *slot);

/* Pages compared so far. */
uint64_t gc_oracle_checked(const struct gc_heap *heap);
#else
static inline bool gc_oracle_create(struct gc_heap *heap)
{
	(void)heap;
	return true;
}
static inline void gc_oracle_destroy(struct gc_heap *heap)
{
	(void)heap;
}
static inline void gc_oracle_begin(struct gc_heap *heap)
{
	(void)heap;
}
static inline void gc_oracle_region(struct gc_heap *heap, uint32_t number)
{
	(void)heap, (void)number;
}
static inline void gc_oracle_move(struct gc_heap *heap, struct gc_haddr from, struct gc_haddr to)
{
	(void)heap, (void)from, (void)to;
}
static inline struct gc_oracle_slot *gc_oracle_keep_fault(struct gc_heap *heap, struct gc_page page,
							  const char *into)
{
	(void)heap, (void)page, (void)into;
	return NULL;
}
static inline void gc_oracle_check_fault(struct gc_heap *heap, struct gc_page page,
					 const char *into, struct gc_oracle_slot *slot)
{
	(void)heap, (void)page, (void)into, (void)slot;
}
#endif

#endif
