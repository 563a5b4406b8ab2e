/* gc/heap/forward.h: where an object of an evacuated region goes: a pure function of its address.
 *
 * The plan fills, for evacuated regions only, one entry per 512 bytes: which granules are live, and
 * where the first of them goes. The new address of an object is then that destination plus the
 * live bytes before it in the entry, by popcount: no forwarding words, no order of processing, the
 * same answer for every thread at every time. After the Compressor (Kermany, Petrank, PLDI 2006).
 *
 * [F-1] Entries are written only by the plan, before the flip; read-only until finish.
 * [F-2] forward(x) is never in an evacuated region, so forwarding twice changes nothing. */
#ifndef GC_HEAP_FORWARD_H
#define GC_HEAP_FORWARD_H

#include "gc/base/types.h"
#include "gc/heap/markbits.h"

#define GC_FORWARD_SHIFT 9 /* 64 granules */

struct gc_forward_entry {
	uint64_t live;	  /* bit i: granule i of these 512 bytes belongs to a live object */
	uintptr_t target; /* heap-view address where the first live granule goes */
};

struct gc_forward {
	struct gc_forward_entry *entries;
	uintptr_t base;
};

static inline struct gc_forward_entry *gc_forward_entry(const struct gc_forward *forward,
							struct gc_haddr address)
{
	return &forward->entries[(address.at - forward->base) >> GC_FORWARD_SHIFT];
}

static inline struct gc_haddr gc_forward_address(const struct gc_forward *forward,
						 struct gc_haddr old)
{
	const struct gc_forward_entry *entry = gc_forward_entry(forward, old);
	uint64_t granule = (old.at - forward->base) >> GC_GRANULE_SHIFT & 63;
	uint64_t before = entry->live & ((UINT64_C(1) << granule) - 1);

	return (struct gc_haddr){entry->target +
				 ((uint64_t)__builtin_popcountll(before) << GC_GRANULE_SHIFT)};
}

#endif
