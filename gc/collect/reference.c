/* gc/collect/reference.c: weak references and keys of ephemerons: what a read means while a cycle runs, and
 * clearing.
 *
 * What an unmarked referent is, and who changes that:
 *
 *      begin (cycle, before the      settle (cycle, marking       all is cleared
 *      first barrier goes on)        is complete)                 (cycle)
 *           +--------------> KEEP --------------------> DEAD --------------------> CLEARED
 *           |                 | ^                                                     |
 *           |                 +-+ a read found something unmarked: it is marked,      |
 *           |                     and settle says no                                  |
 *           +-------------------------------------------------------------------------+
 *
 * A weak slot: referent --- clear (cycle, in DEAD; or plx_weak_clear) ---> NULL. Nothing else changes it
 * but the flip, which gives it a new address like any slot.
 *
 * Weak slots are slots to everybody but the marker, which does not follow them: it flags their pages,
 * and remembers the object if the referent is not marked yet (gc_reference_found).
 *
 * Races, and what closes them:
 *
 * [RF-1] Read against read. Before settle an unmarked referent is kept: it is queued for the marker under
 *        the lock. After settle it is dead and reads give NULL, whether or not the slot is cleared by
 *        then. Settle takes the lock too, so every read is before or after it, and all agree.
 * [RF-2] Read against the end of marking. Settle says no while anything is queued; so what a read gave
 *        away is marked, with all it leads to. What its reader overwrites meanwhile is logged as ever:
 *        hence no barrier may stop logging before settle has said yes.
 * [RF-3] Read against sweeping and reuse. A reader may have loaded a referent that is cleared, swept
 *        and replaced by a new, live object before it looks at the mark bit. So it looks at the slot
 *        again afterwards: slots are cleared before anything is swept, hence one that still holds
 *        its referent proves that the bit was the referent's own [MO-WEAK]. Readers under the lock need
 *        no second look: the lock is passed through once between clearing and sweeping.
 * [RF-4] A list of found objects may fail to grow: then all marked objects are looked at when clearing.
 *        Slow, never wrong.
 * [RF-5] Weak objects allocated since marking began are black and on no list. Their makers held the
 *        referents, which were thus reachable, or kept, or are black: they stay.
 * [RF-7] Read against the end of a cycle without a flip, which threads learn one by one. Who knows of it
 *        makes new objects that are neither black nor marked, and hands them, weakly held, to a
 *        thread whose barrier is still on. So after clearing an unmarked referent is taken as it is: what is
 *        dead reads NULL anyway.
 * [RF-6] Outside of a cycle (barrier word 0) a read is a plain load. The barrier word of a thread goes on
 *        before state or mark bits mean anything to it, and off after all clearing; it changes while
 *        the thread stands at a safepoint, hence never inside of a read.
 *
 * Who runs here: mutators (reads); workers (finding, clearing); the cycle's thread. */
#include "gc/collect/reference.h"

#include <parallax/weak.h>

#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/ephemeron.h"
#include "gc/collect/fixed.h"
#include "gc/collect/workers.h"

#define FOUND_FIRST 1024
#define FOUND_KEEP 65536 /* entries that stay allocated between cycles */

bool gc_references_create(struct gc_heap *heap)
{
	static const size_t slots[] = {offsetof(struct plx_ephemeron, key),
				       offsetof(struct plx_ephemeron, value)};
	struct gc_type weak = {.kind = GC_TYPE_WEAK}, ephemeron = {.kind = GC_TYPE_EPHEMERON};
	struct gc_references *references = gc_meta_alloc(sizeof(*references));

	heap->references = references;
	if (!references)
		return false;
	pthread_mutex_init(&references->lock, NULL);
	references->list_limit = UINT32_MAX;
	_Static_assert(offsetof(struct plx_weak, referent) == offsetof(struct plx_ephemeron, key),
		       "a weak reference's slot is where an ephemeron's key is");
	weak.pub.fixed_bytes = sizeof(struct plx_weak);
	ephemeron.pub.fixed_bytes = sizeof(struct plx_ephemeron);
	references->weak = gc_type_add(&heap->types, &weak, slots, 1);
	references->ephemeron = gc_type_add(&heap->types, &ephemeron, slots, 2);
	return references->weak && references->ephemeron && gc_ephemerons_create(heap);
}

void gc_references_destroy(struct gc_heap *heap)
{
	if (!heap->references)
		return;
	gc_ephemerons_destroy(heap);
	pthread_mutex_destroy(&heap->references->lock);
	gc_meta_free(heap->references, sizeof(*heap->references));
}

void gc_references_begin(struct gc_heap *heap)
{
	struct gc_references *references = heap->references;

	pthread_mutex_lock(&references->lock);
	references->state = GC_REFERENCES_KEEP;
	GC_CHECK(RF_2, references->kept.satb_count == 0);
	pthread_mutex_unlock(&references->lock);
	gc_store_relaxed(&references->incomplete, 0); /* no marker runs */
	gc_ephemerons_begin(heap);
}

/* ---- reading ---- */

static uintptr_t reference_value(const gc_word *value_slot)
{
	/* Relaxed: the key decided whether it is there. */
	return value_slot ? gc_load_relaxed(value_slot) : 0;
}

/* The referent seemed to be unmarked. [RF-1] */
static uintptr_t reference_read_locked(struct gc_heap *heap, const gc_word *slot,
				       const gc_word *value_slot, uintptr_t *value)
{
	struct gc_references *references = heap->references;
	uintptr_t word = gc_load_relaxed(slot); /* the lock orders it [RF-3] */
	uintptr_t object = gc_value_object(heap, (struct gc_value){word});

	*value = reference_value(value_slot);
	if (references->state == GC_REFERENCES_CLEARED || /* [RF-7] */
	    !object || gc_reference_is_live(heap, object))
		return word;
	if (references->state == GC_REFERENCES_DEAD)
		return *value = 0;
	gc_satb_log_object(heap, &references->kept, object);
	gc_satb_log(heap, &references->kept, (struct gc_value){*value});
	return word;
}

/* As gc_reference_is_live, before what is read next. */
static bool reference_is_live_acquire(const struct gc_heap *heap, uintptr_t object)
{
	uint32_t number = gc_region_of(&heap->regions, (struct gc_haddr){object});
	uint64_t index = gc_markbits_index(&heap->markbits, (struct gc_haddr){object});

	return gc_load_acquire(&heap->regions.bits[number]) & GC_REGION_BLACK || /* [MO-WEAK] */
	       gc_load_acquire(&heap->markbits.words[index >> 6]) >> (index & 63) & 1;
}

uintptr_t gc_reference_read(struct gc_heap *heap, const gc_word *slot, const gc_word *value_slot,
			    uintptr_t *value)
{
	uintptr_t word = gc_load_acquire(slot); /* [MO-WEAK] */
	uintptr_t object = gc_value_object(heap, (struct gc_value){word});

	*value = reference_value(value_slot);
	if (!object)
		return word;
	gc_yield_point();
	if (reference_is_live_acquire(heap, object)) {
		if (gc_load_relaxed(slot) == word) /* [RF-3] */
			return word;
		return *value = 0;
	}
	pthread_mutex_lock(&heap->references->lock);
	word = reference_read_locked(heap, slot, value_slot, value);
	pthread_mutex_unlock(&heap->references->lock);
	return word;
}

bool gc_references_take_kept(struct gc_heap *heap)
{
	struct gc_references *references = heap->references;
	bool any;

	pthread_mutex_lock(&references->lock);
	any = references->kept.satb_count != 0;
	gc_satb_flush(heap, &references->kept);
	pthread_mutex_unlock(&references->lock);
	return any;
}

/* [RF-2] The log's full part went to the marker's queue, which is asked too. */
bool gc_references_settle(struct gc_heap *heap)
{
	struct gc_references *references = heap->references;
	bool settled;

	pthread_mutex_lock(&references->lock);
	pthread_mutex_lock(&heap->satb_lock);
	settled = references->kept.satb_count == 0 && !heap->satb_full &&
		  !gc_load_acquire(&heap->mark_overflowed); /* [MO-SATB] */
	pthread_mutex_unlock(&heap->satb_lock);
	if (settled)
		references->state = GC_REFERENCES_DEAD;
	else
		gc_satb_flush(heap, &references->kept);
	pthread_mutex_unlock(&references->lock);
	return settled;
}

/* ---- finding ---- */

static bool found_push(struct gc_found *found, uintptr_t object, size_t limit)
{
	size_t wanted = found->capacity ? 2 * found->capacity : FOUND_FIRST;
	uintptr_t *bigger;

	if (found->count >= limit)
		return false;
	if (found->count == found->capacity) {
		bigger = gc_meta_resize(found->items, found->capacity * sizeof(uintptr_t),
					wanted * sizeof(uintptr_t));
		if (!bigger)
			return false;
		found->items = bigger;
		found->capacity = wanted;
	}
	found->items[found->count++] = object;
	return true;
}

void gc_found_release(struct gc_found *found)
{
	gc_meta_free(found->items, found->capacity * sizeof(uintptr_t));
	*found = (struct gc_found){NULL, 0, 0};
}

static gc_word *reference_slot(uintptr_t weak)
{
	return (gc_word *)(weak + offsetof(struct plx_weak, referent));
}

void gc_reference_flag(struct gc_heap *heap, const gc_word *slot)
{
	/* Relaxed: a later value is flagged by the barrier. */
	uintptr_t object = gc_value_object(heap, gc_slot_load(slot));
	uint8_t classes;

	if (!object)
		return;
	classes = gc_heap_region_bits(heap, object) & GC_REGION_CLASS_MASK;
	if (classes)
		gc_page_add_flags(&heap->pages, gc_heap_page(heap, gc_haddr((const void *)slot)),
				  classes);
}

void gc_reference_found(struct gc_heap *heap, struct gc_found *found, uintptr_t object)
{
	gc_word *slot = reference_slot(object);
	/* Relaxed: it may only become NULL. */
	uintptr_t referent = gc_value_object(heap, gc_slot_load(slot));

	if (!referent)
		return;
	gc_reference_flag(heap, slot);
	/* Relaxed: read by the cycle's thread when the markers are done [WK-2]. */
	if (!gc_reference_is_live(heap, referent) &&
	    !found_push(found, object, heap->references->list_limit))
		gc_store_relaxed(&heap->references->incomplete, 1); /* [RF-4] */
}

/* ---- clearing ---- */

/* True if it was cleared by this call. */
static bool reference_clear_one(const struct gc_heap *heap, uintptr_t weak)
{
	gc_word *slot = reference_slot(weak);
	/* Relaxed: it may only become NULL. */
	uintptr_t referent = gc_value_object(heap, gc_slot_load(slot));

	if (!referent || gc_reference_is_live(heap, referent))
		return false;
	gc_store_relaxed(slot, 0); /* regions.lock orders it before reuse [MO-WEAK] */
	return true;
}

static void reference_count_cleared(struct gc_heap *heap, uint64_t count)
{
	gc_add_relaxed(&heap->stats.weak_cleared, count); /* a statistic */
}

static void reference_clear_work(struct gc_worker *worker, void *context)
{
	struct gc_found *found = gc_mark_found(worker->mark);
	uint64_t cleared = 0;

	(void)context;
	for (size_t i = 0; i < found->count; i++)
		cleared += reference_clear_one(worker->heap, found->items[i]);
	reference_count_cleared(worker->heap, cleared);
	found->count = 0;
	if (found->capacity > FOUND_KEEP)
		gc_found_release(found);
	gc_ephemerons_clear_work(worker);
}

static void reference_clear_any(struct gc_heap *heap, uintptr_t object, const struct gc_type *type,
				void *context)
{
	(void)context;
	if (type->kind == GC_TYPE_WEAK)
		reference_count_cleared(heap, reference_clear_one(heap, object));
	else if (gc_ephemeron_break(heap, object))
		gc_add_relaxed(&heap->stats.ephemerons_broken, 1); /* a statistic */
}

static void reference_each_in_region(struct gc_heap *heap, uint32_t number, bool fixed,
				     gc_reference_visit visit, void *context)
{
	uint64_t from = gc_markbits_index(&heap->markbits, gc_region_start(&heap->regions, number));
	uint64_t to = from + (heap->regions.region_bytes >> GC_GRANULE_SHIFT);

	for (uint64_t i = gc_markbits_next(&heap->markbits, from, to); i < to;
	     i = gc_markbits_next(&heap->markbits, i + 1, to)) {
		uintptr_t object = gc_markbits_address(&heap->markbits, i).at;
		const struct gc_type *type;

		if (fixed && !gc_fixed_is_start(heap, (struct gc_haddr){object}))
			continue; /* being made, black [FX-1] [RF-5] */
		type = gc_type_of(&heap->types, gc_header_at((const char *)object));
		if (type->kind == GC_TYPE_WEAK || type->kind == GC_TYPE_EPHEMERON)
			visit(heap, object, type, context);
	}
}

void gc_references_each_marked(struct gc_heap *heap, gc_reference_visit visit, void *context)
{
	const struct gc_region_range *range = &heap->regions.ranges[GC_RANGE_OBJECTS];

	for (uint32_t r = range->first; r < range->first + gc_range_high_water(range); r++) {
		bool black = gc_load_relaxed(&heap->regions.bits[r]) & GC_REGION_BLACK; /* */
		enum gc_region_kind kind = gc_region_kind_now(&heap->regions, r);

		if ((kind == GC_REGION_SMALL || kind == GC_REGION_FIXED) && !black)
			reference_each_in_region(heap, r, kind == GC_REGION_FIXED, visit, context);
	}
}

void gc_references_clear(struct gc_heap *heap)
{
	struct gc_references *references = heap->references;

	gc_yield_point();
	gc_workers_run(heap, reference_clear_work, NULL);
	if (gc_load_relaxed(&references->incomplete)) /* [WK-2] */
		gc_references_each_marked(heap, reference_clear_any, NULL);
	pthread_mutex_lock(&references->lock); /* [RF-3] nobody holds what he read before */
	references->state = GC_REFERENCES_CLEARED;
	pthread_mutex_unlock(&references->lock);
}
