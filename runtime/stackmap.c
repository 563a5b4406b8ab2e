/* runtime/stackmap.c: the table of stack maps of a heap: which code has one, and what it says of a return
 * address. They are checked when they come, so that the walk (frames.c) may rely on them.
 *
 * [SM-1] Ranges are sorted by start and do not overlap.
 * [SM-2] The lock is held while a stack is walked, and for nothing long otherwise. Nobody stands at a safepoint
 *        while holding it, so a pause waits for a registration at most.
 *
 * Who runs here: any thread (register, unregister); whoever walks a stack (find). */
#include "gc/base/meta.h"
#include "runtime/frames.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

void rt_stackmaps_init(struct plx_heap *heap)
{
	pthread_mutex_init(&heap->stackmaps.lock, NULL);
}

void rt_stackmaps_destroy(struct plx_heap *heap)
{
	struct rt_stackmaps *maps = &heap->stackmaps;

	gc_meta_free(maps->entries, maps->capacity * sizeof(*maps->entries));
	pthread_mutex_destroy(&maps->lock);
}

/* --- what is wrong with a map ------------------------------------------------------------------- */

static const char *map_check_slot(const struct plx_stackmap_slot *slots, uint32_t count, uint32_t i)
{
	const struct plx_stackmap_slot *slot = &slots[i];

	if (slot->place > PLX_STACKMAP_REGISTER)
		return "a slot has no known place";
	if (slot->place == PLX_STACKMAP_REGISTER && rt_saved_by_dwarf(slot->reg) < 0)
		return "a slot is in a register that calls do not preserve";
	if (slot->place != PLX_STACKMAP_REGISTER && slot->offset % (int)sizeof(uintptr_t) != 0)
		return "a slot's offset is not a multiple of 8";
	if (slot->base == PLX_STACKMAP_REFERENCE)
		return NULL;
	if (slot->base < 0 || (uint32_t)slot->base >= count ||
	    slots[slot->base].base != PLX_STACKMAP_REFERENCE)
		return "a derived slot's base is not a reference of its site";
	return NULL;
}

static const char *map_check_site(const struct plx_stackmap *map,
				  const struct plx_stackmap_site *site)
{
	const struct plx_stackmap_slot *slots = map->slots + site->first;

	if (site->first > map->slot_count || site->count > map->slot_count - site->first)
		return "a site's slots are not among those of the map";
	for (uint32_t i = 0; i < site->count; i++) {
		const char *wrong = map_check_slot(slots, site->count, i);
		uint32_t derived = 0;

		if (wrong)
			return wrong;
		for (uint32_t k = 0; k < site->count; k++)
			derived += slots[k].base == (int)i;
		if (derived > PLX_STACKMAP_DERIVED_MAX)
			return "more than PLX_STACKMAP_DERIVED_MAX slots derive from one reference";
	}
	return NULL;
}

static const char *map_check_saves(const struct plx_stackmap *map)
{
	if (map->save_count && !(map->flags & PLX_STACKMAP_FRAME_POINTER))
		return "saves need PLX_STACKMAP_FRAME_POINTER";
	for (uint32_t i = 0; i < map->save_count; i++) {
		int saved = rt_saved_by_dwarf(map->saves[i].reg);

		if (saved < 0 || saved == RT_RBP ||
		    map->saves[i].offset % (int)sizeof(uintptr_t) != 0)
			return "a save is of no register that can be saved there";
	}
	return NULL;
}

static const char *map_check(const void *code, size_t bytes, const struct plx_stackmap *map)
{
	const char *wrong;

	if (!code || bytes == 0 || (uintptr_t)code + bytes < bytes)
		return "the code's range is empty or not in the address space";
	for (uint32_t i = 0; i < map->site_count; i++) {
		if (map->sites[i].return_offset > bytes)
			return "a site is outside of the code";
		if (i && map->sites[i].return_offset <= map->sites[i - 1].return_offset)
			return "sites are not in ascending order";
		wrong = map_check_site(map, &map->sites[i]);
		if (wrong)
			return wrong;
	}
	return map_check_saves(map);
}

/* --- the table ---------------------------------------------------------------------------------- */

/* The first entry that starts above `address`. */
static uint32_t map_above_locked(const struct rt_stackmaps *maps, uintptr_t address)
{
	uint32_t low = 0, high = maps->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (maps->entries[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool map_grow_locked(struct rt_stackmaps *maps)
{
	uint32_t wanted = maps->capacity ? 2 * maps->capacity : 16;
	struct rt_stackmap *bigger;

	if (maps->count < maps->capacity)
		return true;
	bigger = gc_meta_resize(maps->entries, maps->capacity * sizeof(*maps->entries),
				wanted * sizeof(*maps->entries));
	if (!bigger)
		return false;
	maps->entries = bigger;
	maps->capacity = wanted;
	return true;
}

static enum plx_status map_insert_locked(struct rt_stackmaps *maps, struct rt_stackmap entry,
					 struct plx_error *error)
{
	uint32_t at = map_above_locked(maps, entry.start);

	if ((at > 0 && maps->entries[at - 1].end > entry.start) ||
	    (at < maps->count && maps->entries[at].start < entry.end)) /* [SM-1] */
		return rt_error(error, PLX_ERROR_MISUSE,
				"stack map: there is one for a part of this code already");
	if (!map_grow_locked(maps))
		return rt_error(error, PLX_ERROR_MEMORY, "no memory for another stack map");
	memmove(&maps->entries[at + 1], &maps->entries[at],
		(maps->count - at) * sizeof(*maps->entries));
	maps->entries[at] = entry;
	gc_store_relaxed(&maps->count, maps->count + 1); /* others only ask whether there are any */
	return PLX_OK;
}

enum plx_status plx_stackmap_register(struct plx_heap *heap, const void *code, size_t bytes,
				      const struct plx_stackmap *map, struct plx_error *error)
{
	RT_USE_HEAP(heap);
	RT_USE(map, "`map` is NULL");
	struct rt_stackmap entry = {(uintptr_t)code, (uintptr_t)code + bytes, map};
	const char *wrong = map_check(code, bytes, map);
	enum plx_status status;

	if (!RT_FRAMES)
		return rt_error(
			error, PLX_ERROR_CAPABILITY,
			"stack maps are for x86-64 only: use handles or GC_STACKS=ambiguous");
	if (!heap->gc.ambiguous)
		return rt_error(error, PLX_ERROR_MISUSE,
				"stack maps need a heap with GC_STACKS=ambiguous");
	if (wrong)
		return rt_error(error, PLX_ERROR_MISUSE, "stack map: %s", wrong);
	pthread_mutex_lock(&heap->stackmaps.lock);
	status = map_insert_locked(&heap->stackmaps, entry, error);
	pthread_mutex_unlock(&heap->stackmaps.lock);
	return status;
}

enum plx_status plx_stackmap_unregister(struct plx_heap *heap, const void *code)
{
	RT_USE_HEAP(heap);
	struct rt_stackmaps *maps = &heap->stackmaps;
	enum plx_status status = PLX_ERROR_MISUSE;
	uint32_t above;

	pthread_mutex_lock(&maps->lock);
	above = map_above_locked(maps, (uintptr_t)code);
	if (above > 0 && maps->entries[above - 1].start == (uintptr_t)code) {
		memmove(&maps->entries[above - 1], &maps->entries[above],
			(maps->count - above) * sizeof(*maps->entries));
		gc_store_relaxed(&maps->count, maps->count - 1); /* as above */
		status = PLX_OK;
	}
	pthread_mutex_unlock(&maps->lock);
	return status;
}

/* The map of the code that a return address lies in. One just behind the code's end belongs to it: the call
 * was its last instruction. */
const struct rt_stackmap *rt_stackmap_find_locked(const struct rt_stackmaps *maps,
						  uintptr_t return_address)
{
	uint32_t above = map_above_locked(maps, return_address - 1);

	if (above == 0 || maps->entries[above - 1].end < return_address)
		return NULL;
	return &maps->entries[above - 1];
}

const struct plx_stackmap_site *rt_stackmap_site(const struct rt_stackmap *entry,
						 uintptr_t return_address)
{
	uint64_t offset = return_address - entry->start;
	uint32_t low = 0, high = entry->map->site_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct plx_stackmap_site *site = &entry->map->sites[middle];

		if (site->return_offset == offset)
			return site;
		if (site->return_offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
