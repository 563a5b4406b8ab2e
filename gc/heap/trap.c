/* gc/heap/trap.c: debug builds: closing memory that nobody may look at. See trap.h.
 *
 * State of a region, under regions.lock:
 *
 *           added                close                   taken
 *   NONE ----------> WANTED --------------> CLOSED ----------------> NONE
 *                      ^  \------ taken ---------------------------> NONE
 *                      |                      |
 *                      +-------- lifted ------+     (objects only) */
#include "gc/heap/trap.h"

#ifdef PLX_DEBUG
#include <sys/mman.h>

#include "gc/base/check.h"
#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/heap/region.h"
#include "gc/os/sys.h"

enum trap_state { TRAP_NONE, TRAP_WANTED, TRAP_CLOSED };

/* Regions may be closed where nothing moves, or where pieces merge again. [TR-4] */
static bool trap_may_close(const struct gc_view *view)
{
	return view->backing != GC_BACKING_PRIVATE;
}

bool gc_traps_create(struct gc_regions *regions)
{
	regions->traps.states = gc_meta_alloc(regions->count);
	if (!regions->traps.states)
		return false;
	gc_trap_alias_close(regions);
	return true;
}

void gc_traps_destroy(struct gc_regions *regions)
{
	gc_meta_free(regions->traps.states, regions->count);
}

/* Opening makes mappings merge, so it needs no memory; refused all the same, it is repeated. [TR-3] */
static void trap_open(char *start, uint64_t bytes)
{
	unsigned round = 0;

	while (gc_sys->mprotect(start, bytes, PROT_READ | PROT_WRITE) < 0) {
		GC_REQUIRE(round < 1000000, "memory that was closed cannot be opened (mprotect)");
		gc_backoff(&round);
	}
}

/* False: refused; then all of it is open. */
static bool trap_close(struct gc_traps *traps, char *start, uint64_t bytes)
{
	if (gc_sys->mprotect(start, bytes, PROT_NONE) == 0)
		return true;
	trap_open(start, bytes);
	traps->refused++;
	return false;
}

static char *trap_start(const struct gc_regions *regions, uint32_t number)
{
	return (char *)gc_region_start(regions, number).at;
}

void gc_trap_poison(const struct gc_regions *regions, uint32_t number)
{
	uint64_t *words = (uint64_t *)(void *)trap_start(regions, number);

	for (uint64_t i = 0; i < regions->region_bytes / sizeof(*words); i++)
		words[i] = GC_POISON;
}

void gc_trap_add_locked(struct gc_regions *regions, uint32_t number)
{
	struct gc_traps *traps = &regions->traps;

	if (!trap_may_close(regions->view) || traps->count == GC_TRAPS_MOST)
		return;
	GC_CHECK(TR_1, regions->table[number].kind == GC_REGION_FREE);
	traps->states[number] = TRAP_WANTED;
	traps->count++;
}

static void trap_close_run_locked(struct gc_regions *regions, uint32_t first, uint32_t end)
{
	struct gc_traps *traps = &regions->traps;
	uint64_t bytes = (uint64_t)(end - first) << regions->region_shift;
	bool closed = trap_close(traps, trap_start(regions, first), bytes);

	for (uint32_t i = first; i < end; i++) {
		traps->regions_closed += closed && traps->states[i] == TRAP_WANTED;
		traps->states[i] = closed ? TRAP_CLOSED : TRAP_NONE;
	}
	if (!closed)
		traps->count -= end - first;
}

static void trap_close_range_locked(struct gc_regions *regions, const struct gc_region_range *range)
{
	const uint8_t *states = regions->traps.states;
	uint32_t end = range->first + gc_range_high_water(range);

	for (uint32_t r = range->first; r < end; r++) {
		uint32_t first = r;
		bool any = false;

		for (; r < end && states[r] != TRAP_NONE; r++)
			any |= states[r] == TRAP_WANTED;
		if (any)
			trap_close_run_locked(regions, first, r);
	}
}

void gc_traps_close_locked(struct gc_regions *regions)
{
	for (int i = 0; i < GC_RANGE_COUNT; i++)
		trap_close_range_locked(regions, &regions->ranges[i]);
}

void gc_trap_open_locked(struct gc_regions *regions, uint32_t number)
{
	struct gc_traps *traps = &regions->traps;

	if (traps->states[number] == TRAP_NONE)
		return;
	if (traps->states[number] == TRAP_CLOSED)
		trap_open(trap_start(regions, number), regions->region_bytes);
	traps->states[number] = TRAP_NONE;
	traps->count--;
}

void gc_traps_lift(struct gc_regions *regions)
{
	const struct gc_region_range *range = &regions->ranges[GC_RANGE_OBJECTS];
	uint32_t end = range->first + gc_range_high_water(range);
	struct gc_traps *traps = &regions->traps;

	if (!trap_may_close(regions->view))
		return;
	pthread_mutex_lock(&regions->lock);
	if (end > range->first)
		trap_open(trap_start(regions, range->first), (uint64_t)(end - range->first)
								     << regions->region_shift);
	for (uint32_t r = range->first; r < end; r++)
		if (traps->states[r] == TRAP_CLOSED)
			traps->states[r] = TRAP_WANTED;
	pthread_mutex_unlock(&regions->lock);
}

void gc_trap_alias_open(struct gc_regions *regions)
{
	const struct gc_view *view = regions->view;

	if (!regions->traps.alias_closed)
		return;
	trap_open(view->alias, view->total_bytes);
	regions->traps.alias_closed = false;
}

void gc_trap_alias_close(struct gc_regions *regions)
{
	const struct gc_view *view = regions->view;
	struct gc_traps *traps = &regions->traps;

	if (!view->alias || traps->alias_closed)
		return;
	traps->alias_closed = trap_close(traps, view->alias, view->total_bytes);
	traps->alias_closings += traps->alias_closed;
}

void gc_trap_heap_close_stw(struct gc_regions *regions, uint64_t bytes)
{
	struct gc_traps *traps = &regions->traps;

	traps->heap_closed = trap_close(traps, regions->view->heap, bytes);
	traps->heap_closed_bytes = bytes;
	traps->heap_closings += traps->heap_closed;
}

void gc_trap_heap_open_stw(struct gc_regions *regions)
{
	struct gc_traps *traps = &regions->traps;

	if (traps->heap_closed)
		trap_open(regions->view->heap, traps->heap_closed_bytes);
	traps->heap_closed = false;
}
#else
typedef int gc_trap_is_empty; /* ISO C forbids an empty file */
#endif
