/* gc/heap/trap.h: debug builds: memory that nobody may look at cannot be looked at.
 *
 *   what                                  closed from ... to
 *   an evacuated region, in the heap view finish, poisoned first  ...  its reuse; lifted while pages move
 *   the alias                             finish                  ...  the next flip is prepared
 *   the object range of the heap view     pages have been taken   ...  the end of the flip's pause
 *
 * Closed is PROT_NONE: who looks dies by SIGSEGV at that instruction, instead of reading what happens to
 * be there. In other builds all of this is empty.
 *
 * [TR-1] A closed region is free. Whoever takes it, or has its pages made, opens it first, under
 *        regions.lock.
 * [TR-2] mremap wants its source to be one mapping [V-4], and a closed region is a mapping of its own. So
 *        before pages of the object range are taken away all of it is opened, by one call; what is still
 *        free at finish is closed again. Regions of leaves, which the flip does not move, stay closed.
 * [TR-3] At most GC_TRAPS_MOST regions are closed, so that traps take at most twice as many mappings
 *        (vm.max_map_count is 65,530 unless somebody changed it); further ones are only poisoned. A
 *        refused closing is no error; a refused opening is repeated.
 * [TR-4] Private memory that moves (the copy plan) is poisoned, not closed: its pieces need not merge
 *        again [V-4].
 * [TR-5] Pinned objects may be read and written at any time, the pause included: so with pins the heap view
 *        stays open in it.
 *
 * Who runs here: the cycle's thread; whoever takes a region, under regions.lock. */
#ifndef GC_HEAP_TRAP_H
#define GC_HEAP_TRAP_H

#include "gc/base/types.h"

struct gc_regions;
struct gc_view;

#define GC_TRAPS_MOST 4096
#define GC_POISON UINT64_C(0xdead0bcedead0bce)

struct gc_traps {
	/* Under regions.lock. */
	uint8_t *states; /* per region: enum trap_state, see trap.c; NULL: no traps */
	uint32_t count;	 /* regions that are closed, or will be again */
	/* The cycle's thread. */
	bool alias_closed, heap_closed;
	uint64_t heap_closed_bytes;
	/* Figures, for tests. */
	uint64_t regions_closed, alias_closings, heap_closings, refused;
};

#ifdef PLX_DEBUG
bool gc_traps_create(struct gc_regions *regions);
void gc_traps_destroy(struct gc_regions *regions);

/* A region that was emptied and is still the cycle's: overwrite it. */
void gc_trap_poison(const struct gc_regions *regions, uint32_t number);
/* It is free now: it will be closed by gc_traps_close_locked. */
void gc_trap_add_locked(struct gc_regions *regions, uint32_t number);
/* Close what was added, and what a flip had lifted. */
void gc_traps_close_locked(struct gc_regions *regions);
/* It is being taken. [TR-1] */
void gc_trap_open_locked(struct gc_regions *regions, uint32_t number);
/* Pages of the object range are about to move. [TR-2] */
void gc_traps_lift(struct gc_regions *regions);

void gc_trap_alias_open(struct gc_regions *regions);
void gc_trap_alias_close(struct gc_regions *regions);

/* [TR-5] is the caller's. */
void gc_trap_heap_close_stw(struct gc_regions *regions, uint64_t bytes);
void gc_trap_heap_open_stw(struct gc_regions *regions);
#else
static inline bool gc_traps_create(struct gc_regions *regions)
{
	(void)regions;
	return true;
}
static inline void gc_traps_destroy(struct gc_regions *regions)
{
	(void)regions;
}
static inline void gc_trap_poison(const struct gc_regions *regions, uint32_t number)
{
	(void)regions, (void)number;
}
static inline void gc_trap_add_locked(struct gc_regions *regions, uint32_t number)
{
	(void)regions, (void)number;
}
static inline void gc_traps_close_locked(struct gc_regions *regions)
{
	(void)regions;
}
static inline void gc_trap_open_locked(struct gc_regions *regions, uint32_t number)
{
	(void)regions, (void)number;
}
static inline void gc_traps_lift(struct gc_regions *regions)
{
	(void)regions;
}
static inline void gc_trap_alias_open(struct gc_regions *regions)
{
	(void)regions;
}
static inline void gc_trap_alias_close(struct gc_regions *regions)
{
	(void)regions;
}
static inline void gc_trap_heap_close_stw(struct gc_regions *regions, uint64_t bytes)
{
	(void)regions, (void)bytes;
}
static inline void gc_trap_heap_open_stw(struct gc_regions *regions)
{
	(void)regions;
}
#endif

#endif
