/* gc/collect/verify.c: walk everything reachable and check it (GC_VERIFY=1).
 *
 * [VF-1] Every reachable reference is the start of an object in a used region, with a header of a
 *        known type whose size fits where it lies.
 * [VF-2] When marking is done, everything reachable is marked or in a black region.        [I5]
 * [VF-3] No reachable reference leads into a region that was evacuated: those are free.    [I1]
 *
 * Roots are enumerated anew; visited objects have a bitmap of their own. Who runs here: the cycle's
 * thread in a pause, with every page attached. */
#include "gc/base/meta.h"
#include "gc/collect/collect.h"

struct verify {
	struct gc_heap *heap;
	struct gc_markbits visited;
	uintptr_t *stack;
	size_t count, capacity;
	uintptr_t object; /* being scanned, for messages */
	uint64_t objects;
	bool marking_done;
};

static void verify_header(struct verify *verify, uintptr_t object, uintptr_t slot)
{
	struct gc_heap *heap = verify->heap;
	uint32_t number = gc_region_of(&heap->regions, (struct gc_haddr){object});
	const struct gc_region *region = &heap->regions.table[number];
	uint64_t header, bytes, offset;

	GC_REQUIRE(region->kind == GC_REGION_SMALL || region->kind == GC_REGION_LARGE,
		   "verify [VF-3]: slot %#lx of object %#lx refers to %#lx in region %u of kind %d",
		   slot, verify->object, object, number, region->kind);
	header = gc_header_at((const char *)object);
	GC_REQUIRE(object % PLX_GRANULE_BYTES == 0 && (header & GC_TYPE_MAX) != 0 &&
			   (header & GC_TYPE_MAX) < gc_load_acquire(&heap->types.count),
		   "verify [VF-1]: slot %#lx of object %#lx refers to %#lx with header %#lx", slot,
		   verify->object, object, header);
	bytes = gc_type_size(gc_type_of(&heap->types, header), header);
	offset = object - gc_region_start(&heap->regions, number).at;
	GC_REQUIRE(region->kind == GC_REGION_LARGE ? offset == 0 && header == region->header
						   : offset + bytes <= region->allocated_bytes,
		   "verify [VF-1]: object %#lx of %lu bytes does not fit region %u", object, bytes,
		   number);
	if (verify->marking_done)
		GC_REQUIRE(
			gc_load_relaxed(&heap->regions.bits[number]) & GC_REGION_BLACK ||
				gc_markbits_test(&heap->markbits, (struct gc_haddr){object}),
			"verify [VF-2]: slot %#lx of object %#lx: %#lx is reachable but unmarked",
			slot, verify->object, object);
}

static void verify_reference(struct verify *verify, uintptr_t word, uintptr_t slot)
{
	if (!gc_heap_contains(verify->heap, word))
		return;
	verify_header(verify, word, slot);
	if (!gc_markbits_try_set(&verify->visited, (struct gc_haddr){word}))
		return;
	verify->objects++;
	if (verify->count == verify->capacity) {
		size_t old = verify->capacity * sizeof(uintptr_t);

		verify->stack = gc_meta_resize(verify->stack, old, old ? 2 * old : 65536);
		GC_REQUIRE(verify->stack, "verify: no memory");
		verify->capacity = (old ? 2 * old : 65536) / sizeof(uintptr_t);
	}
	verify->stack[verify->count++] = word;
}

static void verify_slot(void *context, uint64_t offset)
{
	struct verify *verify = context;
	uintptr_t slot = verify->object + offset;

	verify_reference(verify, *(gc_word *)slot, slot);
}

static void verify_drain(struct verify *verify)
{
	while (verify->count) {
		uintptr_t object = verify->stack[--verify->count];
		uint64_t header = gc_header_at((const char *)object);

		verify->object = object;
		gc_type_slots(gc_type_of(&verify->heap->types, header), (const char *)object,
			      header, 0, UINT64_MAX, verify_slot, verify);
	}
	verify->object = 0;
}

static void verify_root(struct gc_heap *heap, uintptr_t *slot, void *context)
{
	(void)heap;
	verify_reference(context, *(gc_word *)slot, (uintptr_t)slot);
}

static void verify_root_pages(struct verify *verify)
{
	struct gc_heap *heap = verify->heap;
	const struct gc_region_range *range = &heap->regions.ranges[GC_RANGE_OBJECTS];

	for (uint32_t r = range->first; r < range->first + gc_range_high_water(range); r++) {
		uintptr_t start = gc_region_start(&heap->regions, r).at;

		if (heap->regions.table[r].kind != GC_REGION_ROOTS)
			continue;
		for (uint64_t at = 0; at < heap->regions.table[r].allocated_bytes; at += 8)
			verify_reference(verify, *(gc_word *)(start + at), start + at);
	}
}

void gc_verify_stw(struct gc_heap *heap, bool marking_done)
{
	size_t bytes = heap->view.total_bytes / 64;
	struct verify verify = {.heap = heap, .marking_done = marking_done};

	verify.visited = (struct gc_markbits){gc_meta_alloc(bytes), heap->markbits.base};
	GC_REQUIRE(verify.visited.words, "verify: no memory");
	heap->world->each_root(heap, verify_root, &verify);
	verify_root_pages(&verify);
	verify_drain(&verify);
	gc_meta_free(verify.visited.words, bytes);
	gc_meta_free(verify.stack, verify.capacity * sizeof(uintptr_t));
}
