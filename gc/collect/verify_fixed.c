/* gc/collect/verify_fixed.c: are fixed regions what they have to be? [VF-10], see verify.h. */
#include "gc/collect/fixed.h"
#include "gc/collect/verify.h"

static bool fixed_page_is_used(const struct gc_heap *heap, uintptr_t address)
{
	uint32_t page = gc_heap_page(heap, (struct gc_haddr){address}).n;

	return heap->fixed->used_pages[page / 64] >> (page % 64) & 1;
}

/* The object's end. */
static uintptr_t fixed_check_object(struct gc_verify *verify, uint32_t number, uintptr_t object)
{
	struct gc_heap *heap = verify->heap;
	uintptr_t end = gc_region_start(&heap->regions, number + 1).at;
	uint64_t header = gc_header_at((const char *)object), bytes;

	if ((header & GC_TYPE_MAX) == 0 ||
	    (header & GC_TYPE_MAX) >= gc_load_acquire(&heap->types.count))
		gc_verify_fail_region(verify, number,
				      "[VF-10] what starts at %#lx of fixed region %u has header "
				      "%#lx, of no known layout",
				      object, number, header);
	bytes = gc_type_size(gc_type_of(&heap->types, header), header);
	if (object + bytes > end)
		gc_verify_fail_region(
			verify, number,
			"[VF-10] an object of %lu bytes at %#lx leaves fixed region %u", bytes,
			object, number);
	for (uintptr_t at = object; at < object + bytes; at += heap->view.page_bytes)
		if (!fixed_page_is_used(heap, at) || !fixed_page_is_used(heap, object + bytes - 1))
			gc_verify_fail_region(verify, number,
					      "[VF-10] the fixed object at %#lx lies in no extent",
					      object);
	return object + bytes;
}

static void fixed_check_starts(struct gc_verify *verify, uint32_t number)
{
	struct gc_heap *heap = verify->heap;
	const struct gc_markbits *starts = &heap->fixed->starts;
	uint64_t from = gc_markbits_index(starts, gc_region_start(&heap->regions, number));
	uint64_t to = from + (heap->regions.region_bytes >> GC_GRANULE_SHIFT);
	uintptr_t end = 0;

	for (uint64_t i = gc_markbits_next(starts, from, to); i < to;
	     i = gc_markbits_next(starts, i + 1, to)) {
		struct gc_haddr object = gc_markbits_address(starts, i);

		if (object.at < end)
			gc_verify_fail_region(
				verify, number,
				"[VF-10] the fixed object at %#lx is inside of another", object.at);
		end = fixed_check_object(verify, number, object.at);
		gc_markbits_try_set(&verify->starts, object);
	}
}

static void fixed_check_pages(struct gc_verify *verify, uint32_t number)
{
	const struct gc_heap *heap = verify->heap;
	const struct gc_region *region = &heap->regions.table[number];
	uintptr_t start = gc_region_start(&heap->regions, number).at;
	uint64_t used = 0;

	for (uint64_t at = 0; at < heap->regions.region_bytes; at += heap->view.page_bytes)
		used += fixed_page_is_used(heap, start + at) ? heap->view.page_bytes : 0;
	if (used != region->allocated_bytes || used == 0)
		gc_verify_fail_region(verify, number,
				      "[VF-10] fixed region %u: extents of %lu bytes, but %lu are "
				      "counted",
				      number, used, region->allocated_bytes);
}

static void fixed_check_chain(struct gc_verify *verify, uint32_t number)
{
	const struct gc_heap *heap = verify->heap;
	uint32_t at = heap->fixed->first[gc_region_range(&heap->regions, number)];

	while (at != number && at != GC_REGION_NONE)
		at = heap->regions.table[at].next;
	if (at == GC_REGION_NONE)
		gc_verify_fail_region(verify, number, "[VF-10] fixed region %u is in no chain",
				      number);
}

void gc_verify_fixed(struct gc_verify *verify, uint32_t number)
{
	fixed_check_starts(verify, number);
	fixed_check_pages(verify, number);
	fixed_check_chain(verify, number);
}
