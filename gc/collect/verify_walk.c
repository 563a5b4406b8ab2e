/* gc/collect/verify_walk.c: walking everything reachable. See verify.h for what is checked.
 *
 * The walk is the same every time while the world stands still: after a failure it is done again with
 * a note of how each object was reached, and fails again at the same place, knowing the path. */
#include "gc/base/meta.h"
#include "gc/collect/rootstack.h"
#include "gc/collect/verify.h"

#define WALK_STACK_FIRST 8192
#define WALK_EDGES_FIRST 16384 /* a power of two */

/* --- who refers to whom ------------------------------------------------------------------------ */

static struct gc_verify_edge *edge_find(struct gc_verify_edge *edges, size_t capacity,
					uintptr_t object)
{
	size_t i = (object >> GC_GRANULE_SHIFT) * 0x9e3779b97f4a7c15u & (capacity - 1);

	while (edges[i].object && edges[i].object != object)
		i = (i + 1) & (capacity - 1);
	return &edges[i];
}

const struct gc_verify_edge *gc_verify_edge_of(const struct gc_verify *verify, uintptr_t object)
{
	const struct gc_verify_edge *edge;

	if (!verify->edges)
		return NULL;
	edge = edge_find(verify->edges, verify->edge_capacity, object);
	return edge->object ? edge : NULL;
}

static bool edges_grow(struct gc_verify *verify)
{
	size_t capacity = 2 * verify->edge_capacity;
	struct gc_verify_edge *bigger = gc_meta_alloc(capacity * sizeof(*bigger));

	if (!bigger)
		return false;
	for (size_t i = 0; i < verify->edge_capacity; i++)
		if (verify->edges[i].object)
			*edge_find(bigger, capacity, verify->edges[i].object) = verify->edges[i];
	gc_meta_free(verify->edges, verify->edge_capacity * sizeof(*bigger));
	verify->edges = bigger;
	verify->edge_capacity = capacity;
	return true;
}

static void edge_note(struct gc_verify *verify, uintptr_t object, uintptr_t slot)
{
	if (!verify->edges)
		return;
	if (2 * verify->edge_count >= verify->edge_capacity && !edges_grow(verify))
		return; /* the path will be cut short */
	*edge_find(verify->edges, verify->edge_capacity, object) =
		(struct gc_verify_edge){object, slot, verify->object};
	verify->edge_count++;
}

/* --- checking one reference -------------------------------------------------------------------- */

/* [VF-3] */
static void walk_check_region(struct gc_verify *verify, uintptr_t slot, uintptr_t object)
{
	const struct gc_regions *regions = &verify->heap->regions;
	uint32_t number = gc_region_of(regions, (struct gc_haddr){object});
	uint8_t bits = gc_load_relaxed(&regions->bits[number]); /* the world is stopped */
	uint8_t kind = regions->table[number].kind;

	if (kind != GC_REGION_SMALL && kind != GC_REGION_LARGE && kind != GC_REGION_FIXED)
		gc_verify_fail(verify, slot, object,
			       "[VF-3] a reference to %#lx in region %u, which holds no objects",
			       object, number);
	if (bits & GC_REGION_TARGET && verify->place == GC_VERIFY_FLIP)
		gc_verify_fail(verify, slot, object,
			       "[VF-3] a reference to %#lx in region %u, which is yet to be filled",
			       object, number);
	if (bits & GC_REGION_EVACUATED && verify->place == GC_VERIFY_AFTER)
		gc_verify_fail(verify, slot, object,
			       "[VF-3] a reference to %#lx in region %u, which was evacuated",
			       object, number);
}

/* [VF-1] The size of the object. */
static uint64_t walk_check_header(struct gc_verify *verify, uintptr_t slot, uintptr_t object)
{
	struct gc_heap *heap = verify->heap;
	uint32_t number = gc_region_of(&heap->regions, (struct gc_haddr){object});
	const struct gc_region *region = &heap->regions.table[number];
	uintptr_t start = gc_region_start(&heap->regions, number).at;
	uint64_t header, bytes;

	if (object % PLX_GRANULE_BYTES != 0)
		gc_verify_fail(verify, slot, object, "[VF-1] a misaligned reference: %#lx", object);
	header = gc_header_at((const char *)object);
	if ((header & GC_TYPE_MAX) == 0 ||
	    (header & GC_TYPE_MAX) >= gc_load_acquire(&heap->types.count))
		gc_verify_fail(verify, slot, object,
			       "[VF-1] what is at %#lx has header %#lx, of no known layout", object,
			       header);
	bytes = gc_type_size(gc_type_of(&heap->types, header), header);
	if (region->kind == GC_REGION_LARGE) {
		if (object != start || (header ^ region->header) & ~GC_HEADER_CHANGING)
			gc_verify_fail(verify, slot, object,
				       "[VF-1] %#lx is not the large object that begins at %#lx",
				       object, start);
		return bytes;
	}
	if (region->kind != GC_REGION_FIXED && object - start + bytes > region->allocated_bytes)
		gc_verify_fail(
			verify, slot, object,
			"[VF-1] an object of %lu bytes at %#lx does not fit region %u, filled "
			"to %lu",
			bytes, object, number, region->allocated_bytes);
	if (!gc_markbits_test(&verify->starts, (struct gc_haddr){object}))
		gc_verify_fail(verify, slot, object, "[VF-1] %#lx is inside of another object",
			       object);
	return bytes;
}

/* [VF-2] */
static void walk_check_marked(struct gc_verify *verify, uintptr_t slot, uintptr_t object)
{
	const struct gc_heap *heap = verify->heap;

	if (verify->place != GC_VERIFY_MARK && verify->place != GC_VERIFY_FLIP)
		return;
	if (!(gc_heap_region_bits(heap, object) & GC_REGION_BLACK) &&
	    !gc_markbits_test(&heap->markbits, (struct gc_haddr){object}))
		gc_verify_fail(verify, slot, object, "[VF-2] %#lx is reachable but unmarked",
			       object);
}

static bool walk_is_on_stack(const struct gc_heap *heap, uintptr_t slot)
{
	uint8_t kind =
		heap->regions.table[gc_region_of(&heap->regions, (struct gc_haddr){slot})].kind;

	return kind == GC_REGION_STACK || kind == GC_REGION_STACK_TAIL;
}

/* [VF-4] Root slots in the embedder's memory are forwarded in the pause. */
static void walk_check_flag(struct gc_verify *verify, uintptr_t slot, uintptr_t object)
{
	const struct gc_heap *heap = verify->heap;
	uint8_t to = gc_heap_region_bits(heap, object), from;
	struct gc_page page;

	if (!gc_heap_contains(heap, slot))
		return;
	from = gc_heap_region_bits(heap, slot);
	page = gc_heap_page(heap, (struct gc_haddr){slot});
	if (verify->place == GC_VERIFY_MARK && !(from & GC_REGION_BLACK) && /* not retired */
	    !walk_is_on_stack(heap, slot) &&				    /* [RS-3] */
	    to & GC_REGION_CLASS_MASK &&
	    !(gc_page_flags(&heap->pages, page) & ((to & GC_REGION_CLASS_MASK) | GC_PAGE_ANY)))
		gc_verify_fail(verify, slot, object,
			       "[VF-4] page %u refers into class %u but is not flagged so", page.n,
			       to & GC_REGION_CLASS_MASK);
	if (verify->place == GC_VERIFY_FLIP && to & GC_REGION_EVACUATED &&
	    !(from & GC_REGION_EVACUATED) && !gc_unit_is_dirty(heap, page))
		gc_verify_fail(verify, slot, object,
			       "[VF-4] page %u refers into an evacuated region but is not dirty",
			       page.n);
}

/* --- the walk ---------------------------------------------------------------------------------- */

static void walk_push(struct gc_verify *verify, uintptr_t object)
{
	if (verify->count == verify->capacity) {
		size_t old = verify->capacity * sizeof(uintptr_t);
		uintptr_t *bigger = gc_meta_resize(verify->stack, old, 2 * old);

		GC_REQUIRE(bigger, "no memory to verify the heap (GC_VERIFY)");
		verify->stack = bigger;
		verify->capacity *= 2;
	}
	verify->stack[verify->count++] = object;
}

static void walk_value(struct gc_verify *verify, uintptr_t slot)
{
	uintptr_t object = gc_value_object(verify->heap, gc_slot_load((void *)slot)); /* stopped */
	uint64_t bytes;

	if (!object)
		return;
	walk_check_region(verify, slot, object);
	bytes = walk_check_header(verify, slot, object);
	walk_check_flag(verify, slot, object);
	if (gc_markbits_test(&verify->visited, (struct gc_haddr){object}))
		return;
	walk_check_marked(verify, slot, object);
	if (verify->place == GC_VERIFY_FLIP)
		gc_verify_forward(verify, object, bytes);
	gc_markbits_try_set(&verify->visited, (struct gc_haddr){object});
	verify->objects++;
	edge_note(verify, object, slot);
	walk_push(verify, object);
}

static void walk_slot(void *context, uint64_t offset)
{
	struct gc_verify *verify = context;

	walk_value(verify, verify->object + offset);
}

static void walk_drain(struct gc_verify *verify)
{
	while (verify->count) {
		uintptr_t object = verify->stack[--verify->count];
		uint64_t header = gc_header_at((const char *)object);
		const struct gc_type *type = gc_type_of(&verify->heap->types, header);

		verify->object = object;
		if (gc_type_has_slots(type))
			gc_type_slots(type, (const char *)object, header, 0, UINT64_MAX, walk_slot,
				      verify);
	}
	verify->object = 0;
}

static void walk_root(struct gc_heap *heap, uintptr_t *slot, void *context)
{
	(void)heap;
	walk_value(context, (uintptr_t)slot);
}

static void walk_root_pages(struct gc_verify *verify)
{
	struct gc_heap *heap = verify->heap;
	const struct gc_region_range *range = &heap->regions.ranges[GC_RANGE_OBJECTS];

	for (uint32_t r = range->first; r < range->first + gc_range_high_water(range); r++) {
		uintptr_t start = gc_region_start(&heap->regions, r).at;

		if (heap->regions.table[r].kind != GC_REGION_ROOTS)
			continue;
		for (uint64_t at = 0; at < heap->regions.table[r].allocated_bytes; at += 8)
			walk_value(verify, start + at);
	}
}

static void walk_root_stacks(struct gc_verify *verify)
{
	for (struct gc_rootstack *stack = gc_rootstack_first(verify->heap); stack;
	     stack = stack->next)
		for (void **at = stack->pub.base; at < stack->pub.top; at++)
			walk_value(verify, (uintptr_t)at);
}

/* Read a region from its beginning: objects follow one another, and what was left of a TLAB is zero.
 * Targets are filled by the evacuation only: at the flip they are not readable yet. */
static void walk_note_starts(struct gc_verify *verify, uint32_t number)
{
	struct gc_heap *heap = verify->heap;
	uintptr_t at = gc_region_start(&heap->regions, number).at;
	uintptr_t end = at + heap->regions.table[number].allocated_bytes;

	if (verify->place == GC_VERIFY_FLIP &&
	    gc_load_relaxed(&heap->regions.bits[number]) & GC_REGION_TARGET) /* stopped */
		return;
	while (at < end) {
		uint64_t header = gc_header_at((const char *)at), bytes = PLX_GRANULE_BYTES;

		if (header) {
			if ((header & GC_TYPE_MAX) == 0 ||
			    (header & GC_TYPE_MAX) >= gc_load_acquire(&heap->types.count))
				gc_verify_fail_region(
					verify, number,
					"[VF-1] region %u does not read as objects: header %#lx "
					"at %#lx",
					number, header, at);
			bytes = gc_type_size(gc_type_of(&heap->types, header), header);
			gc_markbits_try_set(&verify->starts, (struct gc_haddr){at});
		}
		at += bytes;
	}
	if (at != end)
		gc_verify_fail_region(
			verify, number,
			"[VF-1] the last object of region %u ends at %#lx, behind %#lx", number, at,
			end);
}

static void walk_note_all_starts(struct gc_verify *verify)
{
	struct gc_regions *regions = &verify->heap->regions;

	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &regions->ranges[i];

		for (uint32_t r = range->first; r < range->first + gc_range_high_water(range); r++)
			if (regions->table[r].kind == GC_REGION_SMALL)
				walk_note_starts(verify, r);
			else if (regions->table[r].kind == GC_REGION_FIXED)
				gc_verify_fixed(verify, r);
	}
}

static bool walk_create(struct gc_verify *verify, bool trace)
{
	uintptr_t base = verify->heap->markbits.base;

	verify->bitmap_bytes = verify->heap->view.total_bytes / 64;
	verify->visited = (struct gc_markbits){gc_meta_alloc(verify->bitmap_bytes), base};
	verify->starts = (struct gc_markbits){gc_meta_alloc(verify->bitmap_bytes), base};
	verify->filled = (struct gc_markbits){gc_meta_alloc(verify->bitmap_bytes), base};
	verify->capacity = WALK_STACK_FIRST;
	verify->stack = gc_meta_alloc(verify->capacity * sizeof(uintptr_t));
	if (trace) {
		verify->edge_capacity = WALK_EDGES_FIRST;
		verify->edges = gc_meta_alloc(verify->edge_capacity * sizeof(*verify->edges));
	}
	return verify->visited.words && verify->starts.words && verify->filled.words &&
	       verify->stack && (!trace || verify->edges);
}

void gc_verify_walk_free(struct gc_verify *verify)
{
	gc_meta_free(verify->visited.words, verify->bitmap_bytes);
	gc_meta_free(verify->starts.words, verify->bitmap_bytes);
	gc_meta_free(verify->filled.words, verify->bitmap_bytes);
	gc_meta_free(verify->stack, verify->capacity * sizeof(uintptr_t));
	gc_meta_free(verify->edges, verify->edge_capacity * sizeof(*verify->edges));
}

bool gc_verify_walk(struct gc_verify *verify)
{
	/* A capacity asks for the path, see verify_report.c. */
	if (!walk_create(verify, verify->edge_capacity != 0))
		return false;
	walk_note_all_starts(verify);
	verify->heap->world->each_root(verify->heap, walk_root, verify);
	walk_drain(verify);
	walk_root_pages(verify);
	walk_root_stacks(verify);
	walk_drain(verify);
	return true;
}
