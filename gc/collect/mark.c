/* gc/collect/mark.c: finding what is live.
 *
 * [M-1] Snapshot at the beginning: everything reachable when marking began is marked, and everything
 *       allocated since is live by its region (black).                                       [I5]
 * [M-2] An object is scanned by whoever set its mark bit, so it is scanned once.
 * [M-3] While a slot is scanned, the page it lies in is flagged if the slot refers into a candidate
 *       region: this is how the dirty pages come for free.                                   [I1]
 * [M-4] The mark stack may fail to grow: the object is then marked but not queued, and all marked
 *       objects are scanned again. Slow, never wrong.
 *
 * Marking reads through the heap view, which is attached whole. Who runs here: the cycle's thread,
 * with mutators running, or in a pause. */
#include "gc/base/meta.h"
#include "gc/collect/collect.h"

#define MARK_RING 16 /* objects between prefetch and scan; a power of two */
#define MARK_STACK_FIRST 8192

struct gc_mark {
	uintptr_t *stack;
	size_t count, capacity;
	uintptr_t ring[MARK_RING];
	uint32_t ring_head, ring_count;
	bool recount; /* [M-4] happened: live bytes are not to be trusted */
};

struct gc_mark *gc_mark_create(void)
{
	struct gc_mark *mark = gc_meta_alloc(sizeof(*mark));

	if (!mark)
		return NULL;
	mark->stack = gc_meta_alloc(MARK_STACK_FIRST * sizeof(uintptr_t));
	mark->capacity = MARK_STACK_FIRST;
	if (!mark->stack) {
		gc_meta_free(mark, sizeof(*mark));
		return NULL;
	}
	return mark;
}

void gc_mark_destroy(struct gc_mark *mark)
{
	if (!mark)
		return;
	gc_meta_free(mark->stack, mark->capacity * sizeof(uintptr_t));
	gc_meta_free(mark, sizeof(*mark));
}

/* Forget the previous cycle: mark bits, live bytes, page flags of everything ever used. Runs while
 * mutators do, before marking begins. */
void gc_mark_prepare(struct gc_heap *heap)
{
	struct gc_regions *regions = &heap->regions;
	uint32_t pages = gc_heap_pages_per_region(heap);

	heap->mark->recount = false;
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		struct gc_region_range *range = &regions->ranges[i];
		struct gc_haddr start = gc_region_start(regions, range->first);
		uint64_t bytes = (uint64_t)range->high_water << regions->region_shift;

		gc_markbits_clear(&heap->markbits, start, bytes);
		for (uint32_t r = range->first; r < range->first + range->high_water; r++) {
			struct gc_page page = gc_heap_page(heap, gc_region_start(regions, r));

			/* Locked: a region may become a root region just now. */
			pthread_mutex_lock(&regions->lock);
			regions->table[r].live_bytes = 0;
			if (regions->table[r].kind != GC_REGION_ROOTS) /* [RP-2] */
				memset(&heap->pages.flags[page.n], 0, pages);
			pthread_mutex_unlock(&regions->lock);
		}
	}
}

static void mark_push(struct gc_heap *heap, uintptr_t object)
{
	struct gc_mark *mark = heap->mark;

	if (mark->count == mark->capacity) {
		size_t old = mark->capacity * sizeof(uintptr_t);
		uintptr_t *bigger = gc_meta_resize(mark->stack, old, 2 * old);

		if (!bigger) { /* [M-4] */
			gc_markbits_try_set(&heap->markbits, (struct gc_haddr){object});
			gc_store_release(&heap->mark_overflowed, 1); /* [MO-SATB] */
			return;
		}
		mark->stack = bigger;
		mark->capacity *= 2;
	}
	mark->stack[mark->count++] = object;
}

/* Queue what a word refers to, if anything; returns the candidate classes it refers into. Whether it
 * is marked already is looked up when it leaves the queue, when its mark word has arrived. */
static inline uint8_t mark_word(struct gc_heap *heap, uintptr_t word)
{
	uint8_t bits;

	if (!gc_heap_contains(heap, word))
		return 0;
	bits = gc_heap_region_bits(heap, word);
	if (!(bits & GC_REGION_BLACK))
		mark_push(heap, word);
	return bits & GC_REGION_CLASS_MASK;
}

struct mark_scan {
	struct gc_heap *heap;
	uintptr_t object;
};

static inline void mark_slot(void *context, uint64_t offset)
{
	const struct mark_scan *scan = context;
	uintptr_t slot = scan->object + offset;
	/* Relaxed: an old value is part of the snapshot; a new one is logged or black. */
	uint8_t classes = mark_word(scan->heap, gc_load_relaxed((gc_word *)slot));

	if (classes)
		gc_page_add_flags(&scan->heap->pages,
				  gc_heap_page(scan->heap, (struct gc_haddr){slot}), classes);
}

static void mark_count_live(struct gc_heap *heap, uintptr_t object, uint64_t bytes)
{
	uint32_t region = gc_region_of(&heap->regions, (struct gc_haddr){object});

	heap->regions.table[region].live_bytes += bytes;
}

/* A custom trace reads its object whole: all pages of a large one must then stay together. */
static void mark_large_custom(struct gc_heap *heap, uintptr_t object, uint64_t bytes)
{
	if (bytes <= heap->large_bytes)
		return;
	for (uint64_t at = 0; at < bytes; at += heap->view.page_bytes)
		gc_page_add_flags(&heap->pages, gc_heap_page(heap, (struct gc_haddr){object + at}),
				  GC_PAGE_ANY);
}

static void mark_scan(struct gc_heap *heap, uintptr_t object, bool count)
{
	uint64_t header = gc_header_at((const char *)object);
	const struct gc_type *type = gc_type_of(&heap->types, header);
	uint64_t bytes = gc_type_size(type, header);
	struct mark_scan scan = {heap, object};

	if (count)
		mark_count_live(heap, object, bytes);
	if (!gc_type_has_slots(type))
		return;
	if (type->kind == GC_TYPE_CUSTOM)
		mark_large_custom(heap, object, bytes);
	gc_type_slots(type, (const char *)object, header, 0, UINT64_MAX, mark_slot, &scan);
}

/* Scan through a short queue, so that an object's header has arrived before it is read. */
static void mark_drain_stack(struct gc_heap *heap)
{
	struct gc_mark *mark = heap->mark;

	while (mark->count || mark->ring_count) {
		if (mark->count && mark->ring_count < MARK_RING) {
			uintptr_t next = mark->stack[--mark->count];

			gc_markbits_prefetch(&heap->markbits, (struct gc_haddr){next});
			__builtin_prefetch((const void *)next);
			mark->ring[(mark->ring_head + mark->ring_count++) % MARK_RING] = next;
			continue;
		}
		uintptr_t object = mark->ring[mark->ring_head];

		mark->ring_head = (mark->ring_head + 1) % MARK_RING;
		mark->ring_count--;
		if (!gc_markbits_test(&heap->markbits, (struct gc_haddr){object}) &&
		    gc_markbits_try_set(&heap->markbits, (struct gc_haddr){object}))
			mark_scan(heap, object, true);
	}
}

static struct gc_satb_chunk *mark_take_satb(struct gc_heap *heap)
{
	struct gc_satb_chunk *chunks;

	pthread_mutex_lock(&heap->satb_lock);
	chunks = heap->satb_full;
	heap->satb_full = NULL;
	pthread_mutex_unlock(&heap->satb_lock);
	return chunks;
}

static void mark_return_satb(struct gc_heap *heap, struct gc_satb_chunk *chunk)
{
	pthread_mutex_lock(&heap->satb_lock);
	chunk->next = heap->satb_spare;
	heap->satb_spare = chunk;
	pthread_mutex_unlock(&heap->satb_lock);
}

static bool mark_drain_satb(struct gc_heap *heap)
{
	struct gc_satb_chunk *chunk = mark_take_satb(heap), *next;
	bool any = chunk != NULL;

	for (; chunk; chunk = next) {
		next = chunk->next;
		for (uint32_t i = 0; i < chunk->count; i++)
			mark_word(heap, chunk->refs[i]);
		mark_return_satb(heap, chunk);
	}
	return any;
}

/* Call `visit` for every marked object of a region. */
static void mark_each_marked(struct gc_heap *heap, uint32_t number, bool count)
{
	struct gc_haddr start = gc_region_start(&heap->regions, number);
	uint64_t from = gc_markbits_index(&heap->markbits, start);
	uint64_t to = from + (heap->regions.region_bytes >> GC_GRANULE_SHIFT);

	for (uint64_t i = gc_markbits_next(&heap->markbits, from, to); i < to;
	     i = gc_markbits_next(&heap->markbits, i + 1, to)) {
		uintptr_t object = gc_markbits_address(&heap->markbits, i).at;

		if (count) {
			uint64_t header = gc_header_at((const char *)object);

			mark_count_live(heap, object,
					gc_type_size(gc_type_of(&heap->types, header), header));
		} else {
			mark_scan(heap, object, false);
		}
	}
}

static void mark_each_region(struct gc_heap *heap, bool count)
{
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &heap->regions.ranges[i];

		for (uint32_t r = range->first; r < range->first + range->high_water; r++) {
			const struct gc_region *region = &heap->regions.table[r];
			bool black = gc_load_relaxed(&heap->regions.bits[r]) & GC_REGION_BLACK;

			if ((region->kind != GC_REGION_SMALL && region->kind != GC_REGION_LARGE) ||
			    black)
				continue;
			if (count)
				heap->regions.table[r].live_bytes = 0;
			mark_each_marked(heap, r, count);
		}
	}
}

/* Until nothing is queued anywhere that this thread can see. */
void gc_mark_drain(struct gc_heap *heap)
{
	do {
		mark_drain_stack(heap);
		if (gc_load_acquire(&heap->mark_overflowed)) { /* [MO-SATB] [M-4] */
			gc_store_relaxed(&heap->mark_overflowed,
					 0); /* set again if it happens again */
			heap->mark->recount = true;
			mark_each_region(heap, false);
		}
	} while (heap->mark->count || gc_load_acquire(&heap->mark_overflowed) || /* [MO-SATB] */
		 mark_drain_satb(heap) || heap->mark->count);
}

/* In a pause, with every mutator's buffer flushed: is marking complete? */
bool gc_mark_done(struct gc_heap *heap)
{
	mark_drain_satb(heap);
	if (heap->mark->count || gc_load_acquire(&heap->mark_overflowed)) /* [MO-SATB] */
		return false;
	if (heap->mark->recount)
		mark_each_region(heap, true);
	heap->mark->recount = false;
	return true;
}

/* A root in the embedder's memory. */
void gc_mark_root(struct gc_heap *heap, uintptr_t *slot, void *context)
{
	(void)context;
	mark_word(heap, *(gc_word *)slot);
}

/* Concurrently: a root dropped meanwhile was logged, a root added meanwhile was reachable or is
 * black. */
void gc_mark_root_pages(struct gc_heap *heap)
{
	const struct gc_region_range *range = &heap->regions.ranges[GC_RANGE_OBJECTS];

	for (uint32_t r = range->first; r < range->first + range->high_water; r++) {
		uintptr_t start = gc_region_start(&heap->regions, r).at;
		uint64_t bytes;

		if (heap->regions.table[r].kind != GC_REGION_ROOTS)
			continue;
		bytes = gc_load_acquire(
			&heap->regions.table[r].allocated_bytes); /* [MO-ROOTPAGE] */
		for (uint64_t at = 0; at < bytes; at += sizeof(uintptr_t)) {
			mark_word(heap,
				  gc_load_relaxed((gc_word *)(start + at))); /* as in mark_slot */
			if (at % 4096 == 0)
				mark_drain_stack(heap);
		}
	}
}
