/* gc/collect/oracle_build.c: the second way to build a page, as simple as can be. See oracle.h.
 *
 * A page that stays: walk its region from object to object, and look at every slot of those that are alive.
 * Walking from the region's start for each of its pages would take long; so a walk leaves behind, per page,
 * where it crossed the page's beginning (with the number of the flip, so that old ones count for nothing), and
 * the next one starts at the last of these before its page. Any of them is right: where objects begin does not
 * change between flip and finish. A zero word is no object: what a thread left of its buffer, and gaps.
 *
 * A page of a target: take the objects that the list puts there, one after the other.
 *
 * Who runs here: whoever builds a page, faults included: no allocation, no lock. */
#include "gc/collect/oracle_private.h"

#ifdef PLX_DEBUG
#include "gc/collect/collect.h"
#include "gc/collect/fixed.h"
#include "gc/collect/resolver.h"
#include "gc/collect/rootstack.h"
#include "gc/heap/slot.h"

#define BUILD_WHOLE_BYTES 65536 /* of longer objects only the part in the page is gone through */

struct build {
	struct gc_heap *heap;
	const struct gc_oracle *oracle;
	uintptr_t start, end; /* of the page, in the heap view */
	const char *before;
	char *second;
	uintptr_t object; /* heap address where the object under way will be */
	struct gc_oracle_trouble *trouble;
};

static void build_trouble(const struct build *build, const char *what, uintptr_t at, uintptr_t word)
{
	if (!build->trouble->what)
		*build->trouble = (struct gc_oracle_trouble){what, at, word};
}

uintptr_t gc_oracle_forward(const struct gc_heap *heap, uintptr_t object)
{
	const struct gc_oracle *oracle = heap->oracle;
	const struct gc_oracle_part *part =
		&oracle->sources[gc_region_of(&heap->regions, (struct gc_haddr){object})];
	uint32_t low = part->first, high = part->first + part->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (oracle->places[middle].from == object)
			return oracle->places[middle].to;
		if (oracle->places[middle].from < object)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/* A word of the page that may be a reference. */
static void build_word(const struct build *build, uintptr_t at)
{
	struct gc_value value;
	uintptr_t object, moved;

	memcpy(&value, build->second + (at - build->start), sizeof(value));
	object = gc_value_object(build->heap, value);
	if (!object || !(gc_heap_region_bits(build->heap, object) & GC_REGION_EVACUATED))
		return;
	moved = gc_oracle_forward(build->heap, object);
	if (moved == 0)
		build_trouble(build,
			      "a slot refers to an evacuated region, but not to an object "
			      "that moves",
			      at, value.bits);
	value.bits = value.bits - object + moved; /* whatever a tag has added stays */
	memcpy(build->second + (at - build->start), &value, sizeof(value));
}

static void build_slot(void *context, uint64_t offset)
{
	const struct build *build = context;
	uintptr_t at = build->object + offset;

	if (at >= build->start && at < build->end)
		build_word(build, at);
}

static void build_slots(struct build *build, uintptr_t object, const char *readable,
			uint64_t header, uint64_t bytes)
{
	const struct gc_type *type = gc_type_of(&build->heap->types, header);
	uint64_t low = 0, high = UINT64_MAX;

	if (!gc_type_has_slots(type))
		return;
	if (bytes > BUILD_WHOLE_BYTES) {
		low = build->start > object ? build->start - object : 0;
		high = build->end - object;
	}
	build->object = object;
	gc_type_slots(type, readable, header, low, high, build_slot, build);
}

/* ---- pages that stay ---- */

static bool build_is_alive(const struct gc_heap *heap, uintptr_t object)
{
	uint64_t granule = (object - heap->markbits.base) / PLX_GRANULE_BYTES;

	/* Relaxed: mark bits do not change after the flip [MB-2]. */
	return gc_load_relaxed(&heap->markbits.words[granule / 64]) >> (granule % 64) & 1;
}

/* A header: from the copy if it lies in the page, since that is being built. [DB-2] */
static uint64_t build_header(const struct build *build, uintptr_t at)
{
	uint64_t header;

	if (at < build->start || at >= build->end)
		return gc_header_at(gc_heap_readable(build->heap, (struct gc_haddr){at}));
	memcpy(&header, build->before + (at - build->start), sizeof(header));
	return header;
}

static uint32_t build_page_of(const struct gc_heap *heap, uintptr_t at)
{
	return gc_heap_page(heap, (struct gc_haddr){at}).n;
}

/* Where a walk to the page may start. */
static uintptr_t build_walk_from(const struct build *build, uintptr_t region)
{
	const struct gc_oracle *oracle = build->oracle;
	uint32_t first = build_page_of(build->heap, region);

	for (uint32_t n = build_page_of(build->heap, build->start); n > first; n--) {
		uint64_t walk = gc_load_relaxed(&oracle->walks[n]); /* any one will do */

		if (walk >> 32 == oracle->flip)
			return region + (uint32_t)walk;
	}
	return region;
}

/* An object, or a word that is none, lies at [at, next): remember that for the pages it begins or enters. */
static void build_leave_walk(const struct build *build, uintptr_t region, uintptr_t at,
			     uintptr_t next)
{
	const struct gc_view *view = &build->heap->view;
	uintptr_t page = gc_round_up(at, (uintptr_t)view->page_bytes);

	for (; page < next && page <= build->start; page += view->page_bytes)
		/* Relaxed: a hint. */
		gc_store_relaxed(&build->oracle->walks[build_page_of(build->heap, page)],
				 (uint64_t)build->oracle->flip << 32 | (at - region));
}

/* Its size; 0 if that cannot be an object. */
static uint64_t build_object_bytes(const struct build *build, uintptr_t at, uint64_t header,
				   uintptr_t end)
{
	const struct gc_type_table *types = &build->heap->types;
	uint64_t number = header & GC_TYPE_MAX, bytes = 0;

	/* Relaxed: types of objects that exist were added long ago. */
	if (number != 0 && number < gc_load_relaxed(&types->count))
		bytes = gc_type_size(gc_type_of(types, header), header);
	if (bytes == 0 || bytes > end - at) {
		build_trouble(build, "the region cannot be walked: no object at", at, header);
		return 0;
	}
	return bytes;
}

/* The header of an object that begins here; 0: none does. In a fixed region anything may lie between objects,
 * but where they begin is known; one that is not alive may have been made since the flip, and then its header is
 * in the heap view only. */
static uint64_t build_begin(const struct build *build, bool fixed, uintptr_t at)
{
	if (fixed && !(build_is_alive(build->heap, at) &&
		       gc_fixed_is_start(build->heap, (struct gc_haddr){at})))
		return 0;
	return build_header(build, at);
}

static void build_small(struct build *build, uint32_t number)
{
	const struct gc_heap *heap = build->heap;
	const struct gc_region *region = &heap->regions.table[number];
	bool fixed = region->kind == GC_REGION_FIXED;
	uintptr_t start = gc_region_start(&heap->regions, number).at, at, next;
	uintptr_t end = start + (fixed ? heap->regions.region_bytes : region->allocated_bytes);

	for (at = build_walk_from(build, start); at < gc_min(end, build->end); at = next) {
		uint64_t header = build_begin(build, fixed, at), bytes = PLX_GRANULE_BYTES;

		if (header != 0)
			bytes = build_object_bytes(build, at, header, end);
		if (bytes == 0)
			return;
		next = at + bytes;
		build_leave_walk(build, start, at, next);
		if (header != 0 && next > build->start && build_is_alive(heap, at))
			build_slots(build, at, gc_heap_readable(heap, (struct gc_haddr){at}),
				    header, bytes);
	}
}

static void build_large(struct build *build, uint32_t number)
{
	const struct gc_heap *heap = build->heap;
	uint32_t head = gc_region_head(&heap->regions, number);
	struct gc_haddr object = gc_region_start(&heap->regions, head);
	const struct gc_region *region = &heap->regions.table[head];

	if (build_is_alive(heap, object.at))
		build_slots(build, object.at, gc_heap_readable(heap, object), region->header,
			    region->allocated_bytes);
}

/* The page's words below `top`. */
static void build_roots(const struct build *build, uintptr_t top)
{
	for (uintptr_t at = build->start; at < gc_min(build->end, top); at += sizeof(uintptr_t))
		build_word(build, at);
}

static void build_in_place(struct build *build, uint32_t number)
{
	switch (build->heap->regions.table[number].kind) {
	case GC_REGION_SMALL:
	case GC_REGION_FIXED:
		build_small(build, number);
		break;
	case GC_REGION_LARGE:
	case GC_REGION_LARGE_TAIL:
		build_large(build, number);
		break;
	case GC_REGION_ROOTS:
		build_roots(build, build->end);
		break;
	case GC_REGION_STACK:
	case GC_REGION_STACK_TAIL:
		build_roots(build, gc_rootstack_frozen(build->heap, number));
		break;
	default:
		break;
	}
}

/* ---- targets ---- */

/* The first place that may reach into the page: the last one that begins at or before its start. */
static uint32_t build_first_place(const struct build *build, const struct gc_oracle_part *part)
{
	uint32_t low = part->first, high = part->first + part->count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (build->oracle->places[middle].to <= build->start)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void build_copy(struct build *build, const struct gc_oracle_place *place)
{
	const struct gc_heap *heap = build->heap;
	const char *readable = gc_heap_readable(heap, (struct gc_haddr){place->from});
	uint64_t header = gc_header_at(readable);
	uint64_t bytes = gc_type_size(gc_type_of(&heap->types, header), header);

	for (uint64_t i = 0; i < bytes; i += PLX_GRANULE_BYTES)
		if (place->to + i >= build->start && place->to + i < build->end)
			memcpy(build->second + (place->to + i - build->start), readable + i,
			       PLX_GRANULE_BYTES);
	if (place->to < build->end && place->to + bytes > build->start)
		build_slots(build, place->to, readable, header, bytes);
}

static void build_target(struct build *build, uint32_t number)
{
	const struct gc_heap *heap = build->heap;
	const struct gc_oracle_part *part = &build->oracle->targets[number];
	uint32_t last = part->first + part->count;

	/* As unit.c promises [PN-3]; else what is not filled keeps what it was. */
	if (heap->resolver->uffd_mode == GC_UFFD_MISSING || heap->cycle.unchosen_count ||
	    heap->cycle.gap_bytes)
		memset(build->second, 0, heap->view.page_bytes);
	for (uint32_t i = part->count ? build_first_place(build, part) : last; i < last; i++) {
		const struct gc_oracle_place *place = &build->oracle->places[i];

		if (place->to >= build->end)
			break;
		if (gc_heap_region_bits(heap, place->from) & GC_REGION_EVACUATED) /* [PN-3] */
			build_copy(build, place);
	}
}

void gc_oracle_build(struct gc_heap *heap, struct gc_page page, const struct gc_oracle_slot *slot,
		     struct gc_oracle_trouble *trouble)
{
	uintptr_t start = gc_view_page_start(&heap->view, page).at;
	uint32_t number = gc_region_of(&heap->regions, (struct gc_haddr){start});
	struct build build = {.heap = heap,
			      .oracle = heap->oracle,
			      .start = start,
			      .end = start + heap->view.page_bytes,
			      .before = slot->before,
			      .second = slot->second,
			      .trouble = trouble};

	memcpy(slot->second, slot->before, heap->view.page_bytes);
	if (gc_unit_is_target(heap, page))
		build_target(&build, number);
	else
		build_in_place(&build, number);
}
#endif
