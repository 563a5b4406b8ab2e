/* gc/collect/mark.c: finding what is live.
 *
 * [M-1] Snapshot at the beginning: everything reachable when marking began is marked, and everything
 *       allocated since is live by its region (black). The mutators' snapshots are of different
 *       moments; gc/cycle.c [CY-2] [CY-3] says what makes them one.                          [I5]
 * [M-2] An object is scanned by whoever set its mark bit, so it is scanned once.
 * [M-3] While a slot is scanned, the page it lies in is flagged if the slot refers into a candidate
 *       region: this is how the dirty pages come for free.                                   [I1]
 * [M-4] The mark stack may fail to grow: the object is then marked but not queued, and all marked
 *       objects are scanned again. Slow, never wrong.
 * [M-5] A long array is scanned piece by piece, what was found in one before the next: the stack stays
 *       short, and the other workers get some of it.
 *
 * Marking reads through the heap view, which is attached whole. Who runs here: workers, with mutators
 * running; the cycle's thread alone for roots, and after an overflow. */
#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/ephemeron.h"
#include "gc/collect/fixed.h"
#include "gc/collect/markpool.h"
#include "gc/collect/reference.h"
#include "gc/collect/rootstack.h"
#include "gc/collect/workers.h"

#define MARK_RING 16 /* objects between prefetch and scan; a power of two */
#define MARK_STACK_FIRST 8192
#define MARK_PIECE_BYTES 32768
#define MARK_PIECES 64
#define MARK_ROOTS_MOST 65536 /* references of roots that wait, before all workers follow them */
#define MARK_SHARE_EVERY 128  /* objects between two looks for hungry workers */
#define MARK_SHARE_LEAST 32   /* references worth giving away */

struct mark_piece {
	uintptr_t object;
	uint64_t from; /* offset in it */
};

/* One worker's. */
struct gc_mark {
	struct gc_heap *heap;
	uintptr_t *stack;
	size_t count, capacity;
	uintptr_t ring[MARK_RING];
	uint32_t ring_head, ring_count;
	struct mark_piece pieces[MARK_PIECES]; /* [M-5] */
	uint32_t piece_count;
	uint32_t until_share;
	uint64_t marked;      /* objects, ever */
	struct gc_found weak; /* see reference.c */
};

struct gc_mark *gc_mark_create(struct gc_heap *heap)
{
	struct gc_mark *mark = gc_meta_alloc(sizeof(*mark));

	if (!mark)
		return NULL;
	mark->heap = heap;
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
	gc_found_release(&mark->weak);
	gc_meta_free(mark->stack, mark->capacity * sizeof(uintptr_t));
	gc_meta_free(mark, sizeof(*mark));
}

struct gc_found *gc_mark_found(struct gc_mark *mark)
{
	return &mark->weak;
}

/* The one of the cycle's thread. */
static struct gc_mark *mark_own(struct gc_heap *heap)
{
	return gc_workers_first(heap)->mark;
}

/* Forget the previous cycle: mark bits, live bytes, page flags of everything ever used. Runs while
 * mutators do, before marking begins. */
void gc_mark_prepare(struct gc_heap *heap)
{
	struct gc_regions *regions = &heap->regions;
	uint32_t pages = gc_heap_pages_per_region(heap);

	heap->cycle.recount = false;
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		struct gc_region_range *range = &regions->ranges[i];

		for (uint32_t r = range->first; r < range->first + gc_range_high_water(range);
		     r++) {
			struct gc_haddr start = gc_region_start(regions, r);
			struct gc_page page = gc_heap_page(heap, start);
			bool unmarked;

			/* Locked: a region may become a root region just now. */
			pthread_mutex_lock(&regions->lock);
			unmarked = gc_region_is_unmarked_locked(regions, r);
			regions->table[r].live_bytes = 0;
			if (regions->table[r].kind != GC_REGION_ROOTS) /* [RP-2] */
				memset(&heap->pages.flags[page.n], 0, pages);
			pthread_mutex_unlock(&regions->lock);
			gc_ambiguous_keep_bits(heap, start, regions->region_bytes);
			if (!unmarked)
				gc_markbits_clear(&heap->markbits, start, regions->region_bytes);
		}
	}
}

static void mark_push(struct gc_mark *mark, uintptr_t object)
{
	if (mark->count == mark->capacity) {
		size_t old = mark->capacity * sizeof(uintptr_t);
		uintptr_t *bigger = gc_meta_resize(mark->stack, old, 2 * old);

		if (!bigger) { /* [M-4] */
			gc_markbits_try_set(&mark->heap->markbits, (struct gc_haddr){object});
			gc_store_release(&mark->heap->mark_overflowed, 1); /* [MO-SATB] */
			return;
		}
		mark->stack = bigger;
		mark->capacity *= 2;
	}
	mark->stack[mark->count++] = object;
}

/* Queue an object; returns the candidate class it lies in. Whether it is marked already is looked up
 * when it leaves the queue, when its mark word has arrived. */
static inline uint8_t mark_object(struct gc_mark *mark, uintptr_t object)
{
	uint8_t bits = gc_heap_region_bits(mark->heap, object);

	if (!(bits & GC_REGION_BLACK))
		mark_push(mark, object);
	return bits & GC_REGION_CLASS_MASK;
}

/* The same for what a value refers to, if anything. */
static inline uint8_t mark_value(struct gc_mark *mark, struct gc_value value)
{
	uintptr_t object = gc_value_object(mark->heap, value);

	return object ? mark_object(mark, object) : 0;
}

void gc_mark_value(struct gc_mark *mark, struct gc_value value)
{
	mark_value(mark, value);
}

void gc_mark_object(struct gc_mark *mark, uintptr_t object)
{
	mark_object(mark, object);
}

struct mark_scan {
	struct gc_mark *mark;
	uintptr_t object;
};

static inline __attribute__((always_inline)) void mark_slot_as(const struct mark_scan *scan,
							       uint64_t offset, bool tagged)
{
	struct gc_heap *heap = scan->mark->heap;
	uintptr_t slot = scan->object + offset;
	/* Relaxed: an old value is part of the snapshot; a new one is logged or black. */
	uintptr_t object = gc_value_object_as(heap, gc_slot_load((void *)slot), tagged);
	uint8_t classes = object ? mark_object(scan->mark, object) : 0;

	if (classes)
		gc_page_add_flags(&heap->pages, gc_heap_page(heap, (struct gc_haddr){slot}),
				  classes);
}

static inline void mark_slot(void *context, uint64_t offset)
{
	mark_slot_as(context, offset, false);
}

static inline void mark_slot_tagged(void *context, uint64_t offset)
{
	mark_slot_as(context, offset, true);
}

static void mark_count_live(struct gc_heap *heap, uintptr_t object, uint64_t bytes)
{
	uint32_t region = gc_region_of(&heap->regions, (struct gc_haddr){object});
	uint64_t *live = &heap->regions.table[region].live_bytes;

	/* Relaxed: a sum, read when all workers are done [WK-2]; alone, no other adds to it. */
	if (gc_workers_count(heap) > 1)
		gc_add_relaxed(live, bytes);
	else
		*live += bytes;
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

/* Scan an object's slots from an offset on; the rest of a long one waits as a piece. [M-5] */
static void mark_scan_from(struct gc_mark *mark, const struct gc_type *type, uintptr_t object,
			   uint64_t header, uint64_t from)
{
	struct mark_scan scan = {mark, object};
	uint64_t to = UINT64_MAX;

	if (type->kind != GC_TYPE_CUSTOM && mark->piece_count < MARK_PIECES &&
	    gc_type_size(type, header) - from > 2 * MARK_PIECE_BYTES) {
		to = from + MARK_PIECE_BYTES;
		mark->pieces[mark->piece_count++] = (struct mark_piece){object, to};
	}
	if (mark->heap->tags.any)
		gc_type_slots(type, (const char *)object, header, from, to, mark_slot_tagged,
			      &scan);
	else
		gc_type_slots(type, (const char *)object, header, from, to, mark_slot, &scan);
}

/* Objects that ask for more, or less, than their slots being followed: true if that was all. */
static bool mark_special(struct gc_mark *mark, const struct gc_type *type, uintptr_t object,
			 uint64_t bytes)
{
	if (type->kind == GC_TYPE_WEAK) {
		gc_reference_found(mark->heap, &mark->weak, object);
		return true;
	}
	if (type->kind == GC_TYPE_EPHEMERON) {
		gc_ephemeron_found(mark->heap, mark, object);
		return true;
	}
	mark_large_custom(mark->heap, object, bytes);
	return false;
}

static void mark_scan(struct gc_mark *mark, uintptr_t object, bool count)
{
	struct gc_heap *heap = mark->heap;
	uint64_t header = gc_load_seq_cst((const uint64_t *)object); /* [MO-KEY] */
	const struct gc_type *type = gc_type_of(&heap->types, header);
	uint64_t bytes = gc_type_size(type, header);

	if (count)
		mark_count_live(heap, object, bytes);
	if (header & GC_HEADER_KEY) /* [EP-1] */
		gc_ephemeron_key_marked(heap, mark, object);
	if (!gc_type_has_slots(type))
		return;
	if (type->kind != GC_TYPE_PLAIN && mark_special(mark, type, object, bytes))
		return;
	mark_scan_from(mark, type, object, header, 0);
}

/* Somebody is idle: give the older part of the stack away, which leads to more than the newer. */
static void mark_share(struct gc_mark *mark)
{
	uint32_t count = (uint32_t)gc_min(mark->count / 2, (size_t)GC_MARK_CHUNK);

	mark->until_share = MARK_SHARE_EVERY;
	if (count < MARK_SHARE_LEAST || !gc_mark_pool_is_hungry(mark->heap->mark_pool) ||
	    !gc_mark_pool_give(mark->heap->mark_pool, mark->stack, count))
		return;
	mark->count -= count;
	memmove(mark->stack, mark->stack + count, mark->count * sizeof(mark->stack[0]));
}

/* One object leaves the ring: scanned if nobody marked it before. */
static void mark_ring_next(struct gc_mark *mark)
{
	struct gc_heap *heap = mark->heap;
	uintptr_t object = mark->ring[mark->ring_head];

	mark->ring_head = (mark->ring_head + 1) % MARK_RING;
	mark->ring_count--;
	if (!gc_markbits_test(&heap->markbits, (struct gc_haddr){object}) &&
	    gc_markbits_try_set(&heap->markbits, (struct gc_haddr){object})) {
		mark->marked++;
		mark_scan(mark, object, true);
	}
	if (--mark->until_share == 0)
		mark_share(mark);
}

/* Scan through a short queue, so that an object's header has arrived before it is read. */
static void mark_drain_queue(struct gc_mark *mark)
{
	while (mark->count || mark->ring_count) {
		if (mark->count && mark->ring_count < MARK_RING) {
			uintptr_t next = mark->stack[--mark->count];

			gc_markbits_prefetch(&mark->heap->markbits, (struct gc_haddr){next});
			__builtin_prefetch((const void *)next);
			mark->ring[(mark->ring_head + mark->ring_count++) % MARK_RING] = next;
		} else {
			mark_ring_next(mark);
		}
	}
}

static void mark_drain_stack(struct gc_mark *mark)
{
	mark->until_share = MARK_SHARE_EVERY;
	for (;;) {
		struct mark_piece piece;
		uint64_t header;

		mark_drain_queue(mark);
		if (mark->piece_count == 0)
			return;
		piece = mark->pieces[--mark->piece_count]; /* [M-5] */
		header = gc_header_at((const char *)piece.object);
		mark_scan_from(mark, gc_type_of(&mark->heap->types, header), piece.object, header,
			       piece.from);
	}
}

static struct gc_satb_chunk *mark_take_satb(struct gc_heap *heap)
{
	struct gc_satb_chunk *chunk;

	pthread_mutex_lock(&heap->satb_lock);
	chunk = heap->satb_full;
	if (chunk)
		heap->satb_full = chunk->next;
	pthread_mutex_unlock(&heap->satb_lock);
	return chunk;
}

static void mark_return_satb(struct gc_heap *heap, struct gc_satb_chunk *chunk)
{
	pthread_mutex_lock(&heap->satb_lock);
	chunk->next = heap->satb_spare;
	heap->satb_spare = chunk;
	pthread_mutex_unlock(&heap->satb_lock);
}

/* Queue one full buffer; false if there is none. */
static bool mark_take_logged(struct gc_mark *mark)
{
	struct gc_satb_chunk *chunk = mark_take_satb(mark->heap);

	if (!chunk)
		return false;
	for (uint32_t i = 0; i < chunk->count; i++)
		mark_object(mark, chunk->refs[i]);
	mark_return_satb(mark->heap, chunk);
	return true;
}

/* Call `visit` for every marked object of a region. */
static void mark_each_marked(struct gc_heap *heap, uint32_t number, bool fixed, bool count)
{
	struct gc_haddr start = gc_region_start(&heap->regions, number);
	uint64_t from = gc_markbits_index(&heap->markbits, start);
	uint64_t to = from + (heap->regions.region_bytes >> GC_GRANULE_SHIFT);

	for (uint64_t i = gc_markbits_next(&heap->markbits, from, to); i < to;
	     i = gc_markbits_next(&heap->markbits, i + 1, to)) {
		uintptr_t object = gc_markbits_address(&heap->markbits, i).at;

		if (fixed && !gc_fixed_is_start(heap, (struct gc_haddr){object}))
			continue; /* being made, black [FX-1] */
		if (count) {
			uint64_t header = gc_header_at((const char *)object);

			mark_count_live(heap, object,
					gc_type_size(gc_type_of(&heap->types, header), header));
		} else {
			mark_scan(mark_own(heap), object, false);
		}
	}
}

static void mark_each_region(struct gc_heap *heap, bool count)
{
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &heap->regions.ranges[i];

		for (uint32_t r = range->first; r < range->first + gc_range_high_water(range);
		     r++) {
			enum gc_region_kind kind = gc_region_kind_now(&heap->regions, r);
			bool black = gc_load_relaxed(&heap->regions.bits[r]) & GC_REGION_BLACK;

			if ((kind != GC_REGION_SMALL && kind != GC_REGION_LARGE &&
			     kind != GC_REGION_FIXED) ||
			    black)
				continue;
			if (count)
				heap->regions.table[r].live_bytes = 0;
			mark_each_marked(heap, r, kind == GC_REGION_FIXED, count);
		}
	}
}

static bool mark_take_shared(struct gc_mark *mark)
{
	struct gc_mark_pool *pool = mark->heap->mark_pool;
	struct gc_mark_chunk *chunk = gc_mark_pool_take(pool);

	if (!chunk)
		return false;
	for (uint32_t i = 0; i < chunk->count; i++)
		mark_push(mark, chunk->refs[i]);
	gc_mark_pool_return(pool, chunk);
	return true;
}

/* A worker's share of a drain: its own, what mutators logged, what others give, until all are idle. */
static void mark_work(struct gc_worker *worker, void *context)
{
	struct gc_mark *mark = worker->mark;
	uint64_t before = mark->marked;

	(void)context;
	do {
		do
			mark_drain_stack(mark);
		while (mark_take_logged(mark));
	} while (mark_take_shared(mark));
	/* Relaxed: a figure. */
	gc_add_relaxed(&worker->heap->cycle.marked_together, mark->marked - before);
}

/* All that is queued, by all workers. Nothing is followed by one of them alone, however many roots there are:
 * but for what a full queue could not take [M-4]. */
static void mark_drain_together(struct gc_heap *heap)
{
	gc_mark_pool_begin(heap->mark_pool, gc_workers_count(heap));
	gc_workers_run(heap, mark_work, NULL);
}

/* Until nothing is queued anywhere that this thread can see. */
void gc_mark_drain(struct gc_heap *heap)
{
	struct gc_mark *own = mark_own(heap);

	do {
		mark_drain_together(heap);
		if (gc_load_acquire(&heap->mark_overflowed)) { /* [MO-SATB] [M-4] */
			gc_store_relaxed(&heap->mark_overflowed,
					 0); /* set again if it happens again */
			heap->cycle.recount = true;
			mark_each_region(heap, false);
		}
	} while (own->count || own->piece_count ||
		 gc_load_acquire(&heap->mark_overflowed) || /* [MO-SATB] */
		 gc_references_take_kept(heap) || mark_take_logged(own) || own->count ||
		 gc_ephemerons_rescan(heap));
}

/* Queue what of one full buffer is not marked yet; false if there is none. */
static bool mark_take_unmarked(struct gc_mark *mark)
{
	struct gc_heap *heap = mark->heap;
	struct gc_satb_chunk *chunk = mark_take_satb(heap);

	if (!chunk)
		return false;
	for (uint32_t i = 0; i < chunk->count; i++)
		if (!gc_markbits_test(&heap->markbits, (struct gc_haddr){chunk->refs[i]}))
			mark_object(mark, chunk->refs[i]);
	mark_return_satb(heap, chunk);
	return true;
}

/* After a handshake that flushed every mutator's buffer, begun when nothing was queued: was there
 * nothing left to mark? See [CY-4] in gc/cycle.c for why that is enough. */
bool gc_mark_done(struct gc_heap *heap)
{
	struct gc_mark *own = mark_own(heap);

	while (mark_take_unmarked(own))
		continue;
	if (own->count || gc_load_acquire(&heap->mark_overflowed)) /* [MO-SATB] */
		return false;
	if (heap->cycle.recount)
		mark_each_region(heap, true);
	heap->cycle.recount = false;
	return true;
}

/* What was logged since is marked: nothing of it may be left for the next cycle. */
void gc_mark_discard_logged(struct gc_heap *heap)
{
	struct gc_mark *own = mark_own(heap);

	while (mark_take_unmarked(own))
		continue;
	GC_CHECK(M_1, own->count == 0);
	own->count = 0;
}

/* A root in the embedder's memory. */
void gc_mark_root(struct gc_heap *heap, uintptr_t *slot, void *context)
{
	(void)context;
	mark_value(mark_own(heap), gc_slot_load(slot)); /* relaxed: in a pause */
}

void gc_mark_root_object(struct gc_heap *heap, uintptr_t object)
{
	mark_object(mark_own(heap), object);
}

/* A word of a root page or stack. */
static void mark_root_word(struct gc_heap *heap, const void *slot)
{
	mark_value(mark_own(heap), gc_slot_load(slot)); /* relaxed: as in mark_slot */
	if (mark_own(heap)->count >= MARK_ROOTS_MOST)
		mark_drain_together(heap);
}

/* Concurrently, when all mutators have given their snapshots: a root dropped meanwhile was logged, a root
 * added meanwhile was reachable or is black. */
void gc_mark_root_pages(struct gc_heap *heap)
{
	const struct gc_region_range *range = &heap->regions.ranges[GC_RANGE_OBJECTS];

	for (uint32_t r = range->first; r < range->first + gc_range_high_water(range); r++) {
		uintptr_t start = gc_region_start(&heap->regions, r).at;
		uint64_t bytes;

		if (gc_region_kind_now(&heap->regions, r) != GC_REGION_ROOTS)
			continue;
		bytes = gc_load_acquire(
			&heap->regions.table[r].allocated_bytes); /* [MO-ROOTPAGE] */
		for (uint64_t at = 0; at < bytes; at += sizeof(uintptr_t))
			mark_root_word(heap, (const void *)(start + at));
	}
}

/* The same for root stacks: the words below each one's top. [RS-1] */
void gc_mark_root_stacks(struct gc_heap *heap)
{
	for (struct gc_rootstack *stack = gc_rootstack_first(heap); stack; stack = stack->next) {
		void *const *top = gc_load_acquire(&stack->pub.top); /* [MO-ROOTSTACK] */

		for (void *const *at = stack->pub.base; at < top; at++)
			mark_root_word(heap, at);
		gc_yield_point();
	}
}
