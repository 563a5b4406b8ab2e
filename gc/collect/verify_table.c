/* gc/collect/verify_table.c: page states, extents, flags, mark bits, live sums, mutators: [VF-6], [VF-7]
 * and [VF-9], see verify.h.
 *
 * Tables are looked at up to the high water: what lies above was never touched. */
#include "gc/collect/verify.h"

/* --- pages and extents [VF-7] ------------------------------------------------------------------ */

static void table_check_page(struct gc_verify *verify, uint32_t region, struct gc_page page)
{
	const struct gc_heap *heap = verify->heap;
	uintptr_t start = gc_view_page_start(&heap->view, page).at;
	uint64_t offset = start - (uintptr_t)heap->view.heap;
	enum gc_page_state wanted = GC_PAGE_ATTACHED, state = gc_page_state(&heap->pages, page);

	/* What is used for the first time after the flip was prepared is added later. */
	if (verify->place == GC_VERIFY_FLIP &&
	    (gc_load_relaxed(&heap->regions.bits[region]) & GC_REGION_TARGET || /* stopped */
	     offset < heap->cycle.detach_bytes))
		wanted = GC_PAGE_DETACHED;
	if (state != wanted)
		gc_verify_fail(verify, 0, start, "[VF-7] page %u is in state %d, not %d", page.n,
			       state, wanted);
	if (verify->place == GC_VERIFY_BEFORE && gc_page_flags(&heap->pages, page) != 0 &&
	    heap->regions.table[region].kind != GC_REGION_ROOTS) /* [RP-2] */
		gc_verify_fail(verify, 0, start, "[VF-7] page %u has kept flags %#x", page.n,
			       gc_page_flags(&heap->pages, page));
}

static void table_check_extents(struct gc_verify *verify)
{
	struct gc_heap *heap = verify->heap;

	if (verify->place == GC_VERIFY_FLIP)
		return; /* targets of leaves are armed already */
	for (uint32_t i = 0; i < heap->extents.count; i++)
		if (gc_extent_state(&heap->extents, i) != GC_EXTENT_ATTACHED)
			gc_verify_fail(verify, 0,
				       (uintptr_t)heap->view.heap +
					       ((uint64_t)i << heap->view.extent_shift),
				       "[VF-7] extent %u is in state %d", i,
				       gc_extent_state(&heap->extents, i));
	if (gc_load_acquire(&heap->armed)) /* [MO-ARMED] */
		gc_verify_fail(verify, 0, 0, "[VF-7] the heap is still armed");
}

/* --- mark bits [VF-6] [VF-7] ------------------------------------------------------------------- */

static uint64_t table_marked_bytes(const struct gc_heap *heap, uint64_t from, uint64_t to)
{
	const struct gc_markbits *bits = &heap->markbits;
	uint64_t sum = 0;

	for (uint64_t i = gc_markbits_next(bits, from, to); i < to;
	     i = gc_markbits_next(bits, i + 1, to)) {
		uint64_t header = gc_header_at((const char *)gc_markbits_address(bits, i).at);

		sum += gc_type_size(gc_type_of(&heap->types, header), header);
	}
	return sum;
}

static void table_check_marks(struct gc_verify *verify, uint32_t number)
{
	const struct gc_heap *heap = verify->heap;
	const struct gc_region *region = &heap->regions.table[number];
	struct gc_haddr start = gc_region_start(&heap->regions, number);
	uint64_t from = gc_markbits_index(&heap->markbits, start), sum;
	uint64_t to = from + (heap->regions.region_bytes >> GC_GRANULE_SHIFT);

	if (verify->place == GC_VERIFY_BEFORE && gc_markbits_next(&heap->markbits, from, to) != to)
		gc_verify_fail_region(verify, number, "[VF-7] region %u has kept a mark bit",
				      number);
	if (verify->place != GC_VERIFY_MARK ||
	    (region->kind != GC_REGION_SMALL && region->kind != GC_REGION_LARGE) ||
	    gc_load_relaxed(&heap->regions.bits[number]) & GC_REGION_BLACK) /* stopped */
		return;
	sum = table_marked_bytes(heap, from, to);
	if (sum != region->live_bytes)
		gc_verify_fail_region(
			verify, number,
			"[VF-6] region %u: %lu bytes are marked, but %lu counted as live", number,
			sum, region->live_bytes);
}

/* --- mutators [VF-9] --------------------------------------------------------------------------- */

/* each_mutator hands nothing on; a thread verifies one heap at a time. */
static __thread __attribute__((tls_model("initial-exec"))) struct gc_verify *table_verify;
static __thread __attribute__((tls_model("initial-exec"))) struct gc_mutator *table_other;

static void table_check_overlap(struct gc_heap *heap, struct gc_mutator *mutator)
{
	for (int i = 0; i < PLX_SPACE_COUNT && mutator != table_other; i++) {
		const struct plx_tlab *a = &mutator->pub.tlab[i], *b = &table_other->pub.tlab[i];

		if (a->top < b->limit && b->top < a->limit)
			gc_verify_fail(table_verify, 0, (uintptr_t)a->top,
				       "[VF-9] two threads allocate at %p", (void *)a->top);
	}
	(void)heap;
}

static void table_check_tlab(struct gc_verify *verify, const struct plx_tlab *tlab,
			     enum plx_space space)
{
	const struct gc_heap *heap = verify->heap;
	uint32_t number;

	if (!tlab->limit)
		return;
	number = gc_region_of(&heap->regions, gc_haddr(tlab->limit - 1));
	if (verify->place == GC_VERIFY_FLIP)
		gc_verify_fail(verify, 0, (uintptr_t)tlab->top,
			       "[VF-9] a TLAB in region %u is open at the flip", number);
	if (heap->regions.table[number].kind != GC_REGION_SMALL || tlab->top > tlab->limit ||
	    (gc_region_range(&heap->regions, number) == GC_RANGE_LEAVES) !=
		    (space == PLX_SPACE_LEAVES) ||
	    (uintptr_t)tlab->limit > gc_region_start(&heap->regions, number).at +
					     heap->regions.table[number].allocated_bytes)
		gc_verify_fail(verify, 0, (uintptr_t)tlab->top,
			       "[VF-9] a TLAB at %p to %p does not lie in region %u",
			       (void *)tlab->top, (void *)tlab->limit, number);
	if (verify->place == GC_VERIFY_MARK &&
	    !(gc_load_relaxed(&heap->regions.bits[number]) & GC_REGION_BLACK)) /* stopped */
		gc_verify_fail(verify, 0, (uintptr_t)tlab->top,
			       "[VF-9] a thread still allocates in region %u, from before marking",
			       number);
}

static void table_check_mutator(struct gc_heap *heap, struct gc_mutator *mutator)
{
	struct gc_verify *verify = table_verify;
	bool planning = verify->place == GC_VERIFY_MARK || verify->place == GC_VERIFY_FLIP;
	uint32_t barrier = gc_load_relaxed(&mutator->pub.barrier); /* stopped */

	if (barrier != (planning ? GC_BARRIER_FLAG : 0))
		gc_verify_fail(verify, 0, 0, "[VF-9] a thread's barrier is %u", barrier);
	if (mutator->satb_count)
		gc_verify_fail(verify, 0, mutator->satb[0],
			       "[VF-9] a thread's log still holds %u references",
			       mutator->satb_count);
	for (int i = 0; i < PLX_SPACE_COUNT; i++)
		table_check_tlab(verify, &mutator->pub.tlab[i], (enum plx_space)i);
	table_other = mutator;
	heap->world->each_mutator(heap, table_check_overlap);
}

/* ----------------------------------------------------------------------------------------------- */

static void table_check_region(struct gc_verify *verify, uint32_t number)
{
	const struct gc_heap *heap = verify->heap;
	uint32_t pages = gc_heap_pages_per_region(heap);
	struct gc_page first = gc_heap_page(heap, gc_region_start(&heap->regions, number));

	for (uint32_t i = 0; i < pages; i++)
		table_check_page(verify, number, (struct gc_page){first.n + i});
	table_check_marks(verify, number);
}

void gc_verify_tables(struct gc_verify *verify)
{
	struct gc_heap *heap = verify->heap;

	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &heap->regions.ranges[i];

		for (uint32_t r = range->first; r < range->first + gc_range_high_water(range); r++)
			table_check_region(verify, r);
	}
	table_check_extents(verify);
	if (heap->satb_full)
		gc_verify_fail(verify, 0, heap->satb_full->refs[0],
			       "[VF-9] references that were logged have not been marked");
	table_verify = verify;
	heap->world->each_mutator(heap, table_check_mutator);
}
