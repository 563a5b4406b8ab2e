/* gc/collect/barrier.c: the store barrier's slow path, while a cycle marks or plans.
 *
 * [B-1] While marking, the value about to be overwritten is logged before it is overwritten: what
 *       was reachable when marking began stays reachable for the marker (Yuasa 1990). Until a
 *       mutator has given its own snapshot, the value it stores is logged too: it may have it from
 *       nowhere but its own hands, and hand it to an object that nobody will scan (Dijkstra et al.
 *       1978). gc/cycle.c argues why both are needed, and until when.
 * [B-2] From the start of marking until the flip, a store of a reference that may move flags the
 *       slot's page. Together with the marker's own flags, at the flip every page with a reference
 *       into a candidate region is flagged.                                                  [I1]
 * [B-3] While planning, a page flagged for the first time is also listed, so that the pause need
 *       not scan the flags to know all dirty pages.
 * [B-4] The list is closed, its count beyond any place in it, from the start of a cycle until the plan
 *       counts dirty pages. Else a thread that took a place before that, and stood still before it wrote
 *       there, would overwrite the page of one that was given the same place after it:
 *           place 0 taken by A | count reset | place 0 taken and written by B | written by A
 *       and B's page would be neither listed nor seen by the scan, and would keep old references.
 *
 * Who runs here: mutators. Nothing waits. */
#include <parallax/barrier.h>
#include <parallax/root.h>

#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"

/* Hand the full buffer to the marker; the buffer is empty afterwards. */
void gc_satb_flush(struct gc_heap *heap, struct gc_mutator *mutator)
{
	struct gc_satb_chunk *chunk;

	if (mutator->satb_count == 0)
		return;
	pthread_mutex_lock(&heap->satb_lock);
	chunk = heap->satb_spare;
	if (chunk)
		heap->satb_spare = chunk->next;
	else
		chunk = gc_meta_alloc(sizeof(*chunk));
	if (chunk) {
		chunk->count = mutator->satb_count;
		memcpy(chunk->refs, mutator->satb, mutator->satb_count * sizeof(uintptr_t));
		chunk->next = heap->satb_full;
		heap->satb_full = chunk;
	}
	pthread_mutex_unlock(&heap->satb_lock);
	/* No memory for a chunk: mark what is logged and let the marker find it by scanning the mark
	 * bits once more. Slow, but nothing is lost. */
	for (uint32_t i = 0; !chunk && i < mutator->satb_count; i++) {
		gc_markbits_try_set(&heap->markbits, (struct gc_haddr){mutator->satb[i]});
		gc_store_release(&heap->mark_overflowed, 1); /* [MO-SATB] */
	}
	mutator->satb_count = 0;
}

void gc_satb_log_object(struct gc_heap *heap, struct gc_mutator *mutator, uintptr_t object)
{
	if (gc_heap_region_bits(heap, object) & GC_REGION_BLACK ||
	    gc_markbits_test(&heap->markbits, (struct gc_haddr){object}))
		return;
	mutator->satb[mutator->satb_count++] = object;
	if (mutator->satb_count == GC_SATB_COUNT)
		gc_satb_flush(heap, mutator);
}

static inline __attribute__((always_inline)) void
satb_log_as(struct gc_heap *heap, struct gc_mutator *mutator, struct gc_value value, bool tagged)
{
	uintptr_t object = gc_value_object_as(heap, value, tagged);

	if (object)
		gc_satb_log_object(heap, mutator, object);
}

void gc_satb_log(struct gc_heap *heap, struct gc_mutator *mutator, struct gc_value value)
{
	satb_log_as(heap, mutator, value, heap->tags.any);
}

/* The longest array that could be in memory. */
#define GC_ARRAY_MOST (SIZE_MAX / 16 / sizeof(gc_word))

static void barrier_list_late(struct gc_heap *heap, struct gc_page page)
{
	/* Acquire-release: pairs with the reset before the plan's scan: a flag set before the reset
	 * is seen by the scan, one set after it is listed [MO-LATE]. */
	uint32_t index = gc_add_acq_rel(&heap->late.count, 1);

	gc_yield_point();
	if (index < GC_LATE_DIRTY_MAX) /* [B-4] */
		heap->late.pages[index] = page.n;
}

/* Flag a page, and list it if the plan has counted the dirty pages already [B-3]. */
void gc_barrier_flag_page(struct gc_heap *heap, struct gc_page page, uint8_t flags)
{
	/* Relaxed: a thread that sees an older phase has not answered since; nobody relies on the list
	 * before all have [MO-LATE]. */
	if (gc_page_add_flags(&heap->pages, page, flags) &&
	    gc_load_relaxed(&heap->phase) == GC_PHASE_PLANNING)
		barrier_list_late(heap, page);
}

/* [B-2] */
static inline __attribute__((always_inline)) void
barrier_flag(struct gc_heap *heap, const void *slot, struct gc_value value, bool tagged)
{
	uintptr_t object = gc_value_object_as(heap, value, tagged);
	uint8_t classes;

	if (!object || !gc_heap_contains(heap, (uintptr_t)slot))
		return;
	classes = gc_heap_region_bits(heap, object) & GC_REGION_CLASS_MASK;
	if (classes)
		gc_barrier_flag_page(heap, gc_heap_page(heap, gc_haddr(slot)), classes);
}

static inline __attribute__((always_inline)) void barrier_one_as(struct gc_heap *heap,
								 struct gc_mutator *mutator,
								 void *slot, struct gc_value value,
								 bool tagged)
{
	/* Relaxed: the value is only logged; whoever marks it reaches it as of the snapshot. */
	if (mutator->pub.barrier & GC_BARRIER_LOG)
		satb_log_as(heap, mutator, gc_slot_load(slot), tagged);
	if (mutator->pub.barrier & GC_BARRIER_INSERT)
		satb_log_as(heap, mutator, value, tagged);
	barrier_flag(heap, slot, value, tagged);
	gc_yield_point();
}

static __attribute__((noinline)) void barrier_one_tagged(struct gc_heap *heap,
							 struct gc_mutator *mutator, void *slot,
							 struct gc_value value)
{
	barrier_one_as(heap, mutator, slot, value, true);
}

static void barrier_one(struct gc_heap *heap, struct gc_mutator *mutator, void *slot,
			struct gc_value value)
{
	if (heap->tags.any)
		barrier_one_tagged(heap, mutator, slot, value);
	else
		barrier_one_as(heap, mutator, slot, value, false);
}

void plx_barrier_slow(struct plx_thread *thread, void *slot, const void *value)
{
	GC_USE(thread && slot, "`thread` or `slot` is NULL");
	barrier_one((struct gc_heap *)thread->heap, (struct gc_mutator *)thread, slot,
		    (struct gc_value){(uintptr_t)value});
}

/* Root pages count as dirty anyway: nothing to flag [RP-2]. */
void plx_handle_set_slow(struct plx_thread *thread, struct plx_handle *handle, const void *ref)
{
	GC_USE(thread && handle, "`thread` or `handle` is NULL");
	struct gc_heap *heap = (struct gc_heap *)thread->heap;

	if (thread->barrier & GC_BARRIER_LOG)
		gc_satb_log(heap, (struct gc_mutator *)thread,
			    gc_slot_load(handle)); /* relaxed: as above */
	if (thread->barrier & GC_BARRIER_INSERT)
		gc_satb_log(heap, (struct gc_mutator *)thread, (struct gc_value){(uintptr_t)ref});
}

void plx_store_array(struct plx_thread *thread, void *slots, const void *values, size_t count)
{
	GC_USE(thread && ((slots && values) || count == 0),
	       "`thread`, `slots` or `values` is NULL");
	GC_USE((uintptr_t)slots % sizeof(gc_word) == 0, "`slots` are not aligned");
	GC_USE(count <= GC_ARRAY_MOST, "an array of that length does not fit into memory");
	gc_word *to = slots;
	const gc_word *from = values;
	bool backwards = to > from && to < from + count;

	/* Each value is read once: what is flagged and logged is what is stored, whatever other threads
	 * do to the source meanwhile. */
	for (size_t i = 0; i < count; i++) {
		size_t k = backwards ? count - 1 - i : i;
		/* Relaxed: whoever stored it there published it. */
		uintptr_t value = gc_load_relaxed(&from[k]);

		/* Relaxed: `barrier` changes only while this thread stands at a safepoint. */
		if (gc_load_relaxed(&thread->barrier))
			barrier_one((struct gc_heap *)thread->heap, (struct gc_mutator *)thread,
				    &to[k], (struct gc_value){value});
		gc_store_release(&to[k], value); /* [MO-PUBLISH] */
	}
}

void plx_fill_array(struct plx_thread *thread, void *slots, const void *value, size_t count)
{
	GC_USE(thread && (slots || count == 0), "`thread` or `slots` is NULL");
	GC_USE((uintptr_t)slots % sizeof(gc_word) == 0, "`slots` are not aligned");
	GC_USE(count <= GC_ARRAY_MOST, "an array of that length does not fit into memory");
	gc_word *to = slots;

	if (gc_load_relaxed(&thread->barrier)) /* relaxed: as above */
		for (size_t i = 0; i < count; i++)
			barrier_one((struct gc_heap *)thread->heap, (struct gc_mutator *)thread,
				    &to[i], (struct gc_value){(uintptr_t)value});
	for (size_t i = 0; i < count; i++)
		gc_store_release(&to[i], (uintptr_t)value); /* [MO-PUBLISH] */
}
