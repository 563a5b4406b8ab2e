/* gc/collect/unit.c: making one page consistent: the heart of the collector.
 *
 * A page is brought up to date in one of two ways. A page that stays has its slots forwarded where
 * they are. A page of a target region is composed from the objects that move into it, their slots
 * forwarded on the way. Both are pure functions of the state at the flip: mark bits, forwarding
 * entries, types, and source pages that nobody writes.
 *
 * [U-1] A slot belongs to the page it lies in; an object that crosses pages is done page by page.
 * [U-2] Nothing outside of this page is written, and nothing is read that another unit may write,
 *       except header words, which never change in the bits that are used.
 * [U-3] Forwarding is idempotent, since a target never lies in an evacuated region; but a unit is
 *       built before it is attached and never after: a mutator's store could be lost.   [I2] [I3]
 *
 * Who runs here: workers, the fault thread, a mutator in its SIGBUS handler, or the pause. No
 * allocation, no lock, no heap view of anything detached. */
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/oracle.h"
#include "gc/collect/resolver.h"
#include "gc/collect/rootstack.h"

/* Pages of evacuated regions are never updated where they lie: what is live in them moves. */
bool gc_unit_is_dirty(const struct gc_heap *heap, struct gc_page page)
{
	uint8_t matters = heap->cycle.evacuated_classes | GC_PAGE_ANY;

	return gc_page_flags(&heap->pages, page) & matters &&
	       !(gc_load_relaxed(&heap->regions.bits[gc_heap_page_region(heap, page)]) & /* */
		 GC_REGION_EVACUATED);
}

bool gc_unit_is_target(const struct gc_heap *heap, struct gc_page page)
{
	/* Relaxed: set before the flip, cleared at finish. */
	return gc_load_relaxed(&heap->regions.bits[gc_heap_page_region(heap, page)]) &
	       GC_REGION_TARGET;
}

/* Forwarding entries lie scattered: a page's slots are gathered first, their entries prefetched, and
 * forwarded together, so that the misses overlap. */
#define UNIT_BATCH 64

struct unit_batch {
	const struct gc_heap *heap;
	char *origin; /* where offset 0 of the object being visited would be */
	uint32_t count;
	gc_word *slots[UNIT_BATCH];
};

/* One whose object moves. */
static inline __attribute__((always_inline)) void unit_forward(const struct gc_heap *heap,
							       gc_word *slot, bool tagged)
{
	struct gc_value value = {*slot};
	uintptr_t from = tagged ? gc_value_untag(&heap->tags, value) : value.bits;
	uintptr_t to = gc_forward_address(&heap->forward, (struct gc_haddr){from}).at;

	*slot = gc_value_moved(value, from, to).bits;
}

static void unit_batch_flush(struct unit_batch *batch)
{
	const struct gc_heap *heap = batch->heap;

	if (heap->tags.any)
		for (uint32_t i = 0; i < batch->count; i++)
			unit_forward(heap, batch->slots[i], true);
	else
		for (uint32_t i = 0; i < batch->count; i++)
			unit_forward(heap, batch->slots[i], false);
	batch->count = 0;
}

static inline __attribute__((always_inline)) void unit_batch_add(struct unit_batch *batch,
								 gc_word *slot, bool tagged)
{
	const struct gc_heap *heap = batch->heap;
	uintptr_t object = gc_value_object_as(heap, (struct gc_value){*slot}, tagged);

	if (!object || !(gc_heap_region_bits(heap, object) & GC_REGION_EVACUATED))
		return;
	__builtin_prefetch(gc_forward_entry(&heap->forward, (struct gc_haddr){object}));
	batch->slots[batch->count++] = slot;
	if (batch->count == UNIT_BATCH)
		unit_batch_flush(batch);
}

static inline void unit_slot(void *context, uint64_t offset)
{
	struct unit_batch *batch = context;

	unit_batch_add(batch, (gc_word *)(void *)(batch->origin + offset), false);
}

static inline void unit_slot_tagged(void *context, uint64_t offset)
{
	struct unit_batch *batch = context;

	unit_batch_add(batch, (gc_word *)(void *)(batch->origin + offset), true);
}

static __attribute__((noinline)) void
unit_update_object_tagged(struct unit_batch *batch, const struct gc_type *type,
			  const char *readable, uint64_t header, uint64_t low, uint64_t high)
{
	gc_type_slots(type, readable, header, low, high, unit_slot_tagged, batch);
}

/* Forward the slots of one object that lie in [low, high) bytes of it. */
static void unit_update_object(struct unit_batch *batch, const char *readable, uint64_t header,
			       char *origin, uint64_t low, uint64_t high)
{
	const struct gc_type *type = gc_type_of(&batch->heap->types, header);

	batch->origin = origin;
	if (!gc_type_has_slots(type))
		return;
	if (batch->heap->tags.any)
		unit_update_object_tagged(batch, type, readable, header, low, high);
	else
		gc_type_slots(type, readable, header, low, high, unit_slot, batch);
}

/* A page of a large object: type and length are known from the region table. */
static void unit_update_large(struct unit_batch *batch, uint32_t head, struct gc_haddr start,
			      char *into)
{
	const struct gc_heap *heap = batch->heap;
	struct gc_haddr object = gc_region_start(&heap->regions, head);
	uint64_t low = start.at - object.at;

	if (gc_markbits_test(&heap->markbits, object))
		unit_update_object(batch, gc_heap_readable(heap, object),
				   heap->regions.table[head].header, into - low, low,
				   low + heap->view.page_bytes);
}

/* The marked objects that overlap a page of a small-object region. */
static void unit_update_small(struct unit_batch *batch, struct gc_haddr start, char *into)
{
	const struct gc_heap *heap = batch->heap;
	const struct gc_markbits *bits = &heap->markbits;
	uint64_t region_start = gc_round_down(start.at - bits->base, heap->regions.region_bytes);
	uint64_t first = gc_markbits_index(bits, start);
	uint64_t end = first + (heap->view.page_bytes >> GC_GRANULE_SHIFT);
	uint64_t index = gc_markbits_previous(bits, first, region_start >> GC_GRANULE_SHIFT);

	if (index == UINT64_MAX)
		index = gc_markbits_next(bits, first, end);
	for (; index < end; index = gc_markbits_next(bits, index + 1, end)) {
		struct gc_haddr object = gc_markbits_address(bits, index);
		const char *readable = gc_heap_readable(heap, object);
		uint64_t low = start.at > object.at ? start.at - object.at : 0;
		uint64_t high = start.at + heap->view.page_bytes - object.at;

		/* Slots beyond the object's end do not exist, so `high` needs no care. */
		unit_update_object(batch, readable, gc_header_at(readable),
				   into + (intptr_t)(object.at - start.at), low, high);
	}
}

static void unit_update_roots(struct unit_batch *batch, char *into, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += sizeof(uintptr_t))
		unit_batch_add(batch, (gc_word *)(void *)(into + at), batch->heap->tags.any);
}

/* Words above the top as of the flip are no roots. [RS-2] */
static uint64_t unit_stack_bytes(const struct gc_heap *heap, uint32_t number, struct gc_haddr start)
{
	uintptr_t end = gc_rootstack_frozen(heap, number);

	return end <= start.at ? 0 : gc_min(end - start.at, heap->view.page_bytes);
}

#define UNIT_LINE_BYTES 64 /* a guess that is right nearly everywhere; wrong, it only costs time */

/* Fetch what is about to be walked: its misses overlap instead of following one another. */
static inline void unit_prefetch(const char *from, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += UNIT_LINE_BYTES)
		__builtin_prefetch(from + at);
}

static void unit_build_in_place(const struct gc_heap *heap, struct gc_page page, char *into)
{
	struct gc_haddr start = gc_view_page_start(&heap->view, page);
	const char *readable = gc_heap_readable(heap, start);
	uint32_t number = gc_heap_page_region(heap, page);
	struct unit_batch batch = {.heap = heap, .count = 0};

	unit_prefetch(readable, heap->view.page_bytes);
	if (into != readable)
		memcpy(into, readable, heap->view.page_bytes);
	if (!gc_unit_is_dirty(heap, page))
		return;
	switch (heap->regions.table[number].kind) {
	case GC_REGION_SMALL:
	case GC_REGION_FIXED: /* [FE-1] */
		unit_update_small(&batch, start, into);
		break;
	case GC_REGION_LARGE:
	case GC_REGION_LARGE_TAIL:
		unit_update_large(&batch, gc_region_head(&heap->regions, number), start, into);
		break;
	case GC_REGION_ROOTS:
		unit_update_roots(&batch, into, heap->view.page_bytes);
		break;
	case GC_REGION_STACK:
	case GC_REGION_STACK_TAIL:
		unit_update_roots(&batch, into, unit_stack_bytes(heap, number, start));
		break;
	default:
		break;
	}
	unit_batch_flush(&batch);
}

/* The first object from `from` on in evacuation order: in the same region, or in one that follows. Those
 * that were un-chosen are passed over. [PN-3] */
static uint64_t unit_next_source(const struct gc_heap *heap, uint64_t from, uint32_t region)
{
	const struct gc_markbits *bits = &heap->markbits;
	uint64_t per_region = heap->regions.region_bytes >> GC_GRANULE_SHIFT;
	uint64_t end = ((uint64_t)region + 1) * per_region;

	for (;;) {
		/* Relaxed: fixed at the flip. */
		bool moves = gc_load_relaxed(&heap->regions.bits[region]) & GC_REGION_EVACUATED;
		uint64_t next = moves ? gc_markbits_next(bits, from, end) : end;

		if (next < end)
			return next;
		region = heap->regions.table[region].next;
		if (region == GC_REGION_NONE)
			return UINT64_MAX;
		from = region * per_region;
		end = from + per_region;
	}
}

/* Copy the part of one object that belongs to the page and forward its slots there. False when the
 * object does not reach into the page. */
static bool unit_copy_object(struct unit_batch *batch, struct gc_haddr object,
			     struct gc_haddr start, char *into)
{
	const struct gc_heap *heap = batch->heap;
	const char *readable = gc_heap_readable(heap, object);
	uint64_t header = gc_header_at(readable);
	uint64_t bytes = gc_type_size(gc_type_of(&heap->types, header), header);
	struct gc_haddr target = gc_forward_address(&heap->forward, object);
	uintptr_t low = gc_max(target.at, start.at);
	uintptr_t high = gc_min(target.at + bytes, start.at + heap->view.page_bytes);

	if (low >= high)
		return false;
	memcpy(into + (low - start.at), readable + (low - target.at), high - low);
	unit_update_object(batch, readable, header, into + (intptr_t)(target.at - start.at),
			   low - target.at, high - target.at);
	return true;
}

/* The object at or behind an address, in evacuation order, that really moves; 0 if there is none. */
static uintptr_t unit_source_from(const struct gc_heap *heap, struct gc_haddr from, uint32_t region)
{
	uint64_t next = unit_next_source(heap, gc_markbits_index(&heap->markbits, from), region);

	return next == UINT64_MAX ? 0 : gc_markbits_address(&heap->markbits, next).at;
}

static void unit_build_target(const struct gc_heap *heap, struct gc_page page, char *into,
			      bool private_buffer)
{
	struct gc_haddr start = gc_view_page_start(&heap->view, page);
	uintptr_t source = heap->target_source[page.n];
	struct unit_batch batch = {.heap = heap, .count = 0};

	/* What no object fills must not show another page's bytes, nor look like objects. [PN-3] */
	if (private_buffer || heap->cycle.unchosen_count || heap->cycle.gap_bytes)
		memset(into, 0, heap->view.page_bytes);
	if (source)
		source = unit_source_from(heap, (struct gc_haddr){source},
					  gc_region_of(&heap->regions, (struct gc_haddr){source}));
	while (source) {
		struct gc_haddr object = {source};

		source = unit_source_from(heap, (struct gc_haddr){source + PLX_GRANULE_BYTES},
					  gc_region_of(&heap->regions, object));
		if (source)
			unit_prefetch(gc_heap_readable(heap, (struct gc_haddr){source}),
				      4 * UNIT_LINE_BYTES);
		if (!unit_copy_object(&batch, object, start, into))
			break;
	}
	unit_batch_flush(&batch);
}

void gc_unit_build_fault(const struct gc_heap *heap, struct gc_page page, char *into)
{
	if (gc_unit_is_target(heap, page))
		unit_build_target(heap, page, into, heap->resolver->uffd_mode == GC_UFFD_MISSING);
	else
		unit_build_in_place(heap, page, into);
}

/* The claimant's whole duty: build, publish, READY. */
void gc_unit_finish_fault(struct gc_heap *heap, struct gc_page page, char *scratch)
{
	char *into = heap->resolver->build_at(heap, page, scratch);
	struct gc_oracle_slot *kept;
	unsigned round = 0;

	gc_yield_point();
	kept = gc_oracle_keep_fault(heap, page, into);
	gc_unit_build_fault(heap, page, into);
	gc_oracle_check_fault(heap, page, into, kept); /* [DB-1] */
	gc_yield_point();
	/* No memory for the page just now: the claim is ours, so nobody else can help; keep trying. */
	while (heap->resolver->publish(heap, page, into) < 0) {
		GC_REQUIRE(round < 1000000, "no memory to attach a page of the heap");
		gc_backoff(&round);
	}
	gc_page_set_ready(&heap->pages, page);
}
