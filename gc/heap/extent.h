/* gc/heap/extent.h: the state of every extent: a piece of a view that moves as one page table.
 *
 *   ATTACHED ---- flip ----> DETACHED ---- begin: CAS, one winner ----> MOVING ---- end ----> ATTACHED
 *
 * Only the winner of the CAS moves an extent; everybody else waits for ATTACHED, which is a
 *       release store after the move [MO-EXTENT].
 * An extent moves back only when each of its units is READY: or it has none.
 *
 * Who runs here: the cycle, and mutators that need a free region or a clean page early. */
#ifndef GC_HEAP_EXTENT_H
#define GC_HEAP_EXTENT_H

#include "gc/base/atomic.h"
#include "gc/base/types.h"
#include "gc/base/yield.h"

enum gc_extent_state { GC_EXTENT_ATTACHED, GC_EXTENT_DETACHED, GC_EXTENT_MOVING };

struct gc_extents {
	uint8_t *states;
	uint32_t count;
};

static inline enum gc_extent_state gc_extent_state(const struct gc_extents *extents,
						   uint32_t extent)
{
	return gc_load_acquire(&extents->states[extent]); /* [MO-EXTENT] */
}

static inline bool gc_extent_try_begin(const struct gc_extents *extents, uint32_t extent)
{
	uint8_t expected = GC_EXTENT_DETACHED;

	return gc_cas_acq_rel(&extents->states[extent], &expected, GC_EXTENT_MOVING);
}

/* The move succeeded, or failed and may be tried again. */
static inline void gc_extent_end(const struct gc_extents *extents, uint32_t extent, bool moved)
{
	gc_store_release(&extents->states[extent],
			 moved ? GC_EXTENT_ATTACHED : GC_EXTENT_DETACHED); /* [MO-EXTENT] */
}

static inline void gc_extent_wait(const struct gc_extents *extents, uint32_t extent)
{
	unsigned round = 0;

	while (gc_extent_state(extents, extent) == GC_EXTENT_MOVING)
		gc_backoff(&round);
}

#endif
