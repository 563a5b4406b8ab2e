/* parallax/fixed.h: fixed objects: allocated at an address that they keep for life.
 *
 * For what C code holds the address of for long: buffers of system calls, structures registered with
 * foreign libraries, singletons. Such an object is an object like any other: it lives as long as
 * something refers to it (its address in C memory is no reference: keep it in a handle or a root, or
 * pin it), its references go through the barrier and are brought up to date when what they refer to moves, it
 * can be pinned (which keeps it alive, and costs next to nothing), referred to weakly, guarded, and hashed by
 * identity. Only it never moves, and no pin is needed to keep it where it is.
 *
 * Objects without references lie where pages are never taken away: system calls on them work at any
 * time, in every plan and delivery. Those with references may lie in a page that is away for a moment; see
 * docs/embedding.md.
 *
 * A pin is for minutes at the most, since it holds a region back; a fixed object may stay for ever. But fixed
 * objects are not compacted: what lies free between them is used for fixed objects alone (or given back to the
 * kernel, by whole pages, when the heap has been idle). Up to half a
 * region (`plx_stats.region_bytes`) they are placed by size classes, a few percent apart; larger ones are
 * large objects, which do not move anyhow.
 *
 * Placed by jemalloc (Evans, "A scalable concurrent malloc(3) implementation for FreeBSD", BSDCan 2006) in
 * extents of the heap's own memory, marked and swept by the collector. */
#ifndef PARALLAX_FIXED_H
#define PARALLAX_FIXED_H

#include <parallax/layout.h>
#include <parallax/thread.h>

PLX_BEGIN_DECLS

/* Allocate an object that never moves, of any layout; `length` is the number of elements, 0 for layouts without.
 * Zeroed but for its header; until the thread's next safepoint its fields may be stored plainly. Attached
 * threads; a safepoint that may collect and block, like every allocation. NULL when the heap is
 * exhausted and the out-of-memory handler returned, or when `length` is more than the heap could hold. */
PLX_EXPORT void *plx_alloc_fixed(struct plx_thread *thread, const struct plx_layout *layout,
				 uint64_t length);

PLX_END_DECLS

#endif
