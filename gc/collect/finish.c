/* gc/collect/finish.c: the end of a flip: disarm, free the evacuated regions with their pages
 * resident, empty the alias.
 *
 * [FN-1] Comes after every unit is READY [I4], so no source is read any more.
 * [FN-2] A fault that was raised before the disarming finds its page READY or clean and is answered
 *        by a wake; the retry succeeds.
 *
 * Who runs here: the cycle's thread, mutators running. */
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/resolver.h"

/* While armed, any dropped page would trap, with nobody to tell it from a page of the next flip: so
 * the collection does not end before this has succeeded. */
static void finish_unregister(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes)
{
	int error = gc_uffd_unregister(&heap->uffd, (void *)start.at, bytes);
	unsigned round = 0;

	if (error < 0)
		gc_degrade_note(heap, GC_DEGRADE_UNREGISTER, error);
	while (error < 0) {
		GC_REQUIRE(round < 1000000, "userfaultfd cannot be unregistered (errno %d)",
			   -error);
		gc_backoff(&round);
		error = gc_uffd_unregister(&heap->uffd, (void *)start.at, bytes);
	}
}

static void finish_disarm(struct gc_heap *heap)
{
	const struct gc_cycle *cycle = &heap->cycle;

	if (cycle->mode != GC_FLIP_IN_PAUSE)
		finish_unregister(heap, gc_haddr(heap->view.heap), cycle->detach_bytes);
	for (uint32_t i = 0; cycle->leaves_armed && i < cycle->target_count; i++)
		if (gc_region_range(&heap->regions, cycle->targets[i]) == GC_RANGE_LEAVES)
			finish_unregister(heap, gc_region_start(&heap->regions, cycle->targets[i]),
					  heap->regions.region_bytes);
	gc_store_seq_cst(&heap->armed, 0); /* [MO-ARMED] [MO-FAULT] */
	gc_fault_wait_out(heap);
}

static void finish_empty(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes)
{
	heap->alias_doubtful |= gc_view_empty_alias(&heap->view, start, bytes) < 0; /* [V-6] */
}

/* [V-2] What was built through the alias left entries there; under copy, whole old pages. */
static void finish_empty_alias(struct gc_heap *heap)
{
	const struct gc_cycle *cycle = &heap->cycle;

	if (!heap->view.alias || cycle->mode == GC_FLIP_IN_PAUSE)
		return;
	finish_empty(heap, gc_haddr(heap->view.heap), cycle->detach_bytes);
	for (uint32_t i = 0; i < cycle->target_count; i++)
		if (gc_region_range(&heap->regions, cycle->targets[i]) == GC_RANGE_LEAVES)
			finish_empty(heap, gc_region_start(&heap->regions, cycle->targets[i]),
				     heap->regions.region_bytes);
}

static void finish_targets(struct gc_heap *heap)
{
	const struct gc_cycle *cycle = &heap->cycle;

	for (uint32_t i = 0; i < cycle->target_count; i++) {
		uint32_t number = cycle->targets[i];

		/* Release: pairs with the acquire of an extent's state before its class [MO-EXTENT]. */
		gc_store_release(&heap->regions.bits[number], 0);
		gc_pages_set_attached(&heap->pages,
				      gc_heap_page(heap, gc_region_start(&heap->regions, number)),
				      gc_heap_pages_per_region(heap));
	}
}

static void finish_evacuated(struct gc_heap *heap)
{
	for (int range = 0; range < GC_RANGE_COUNT; range++) {
		uint32_t number = heap->cycle.evacuated_first[range];

		while (number != GC_REGION_NONE) {
			uint32_t next = heap->regions.table[number].next;

			/* [PN-4]; relaxed: written by this thread */
			if (gc_load_relaxed(&heap->regions.bits[number]) & GC_REGION_EVACUATED) {
				gc_trap_poison(&heap->regions, number);
				pthread_mutex_lock(&heap->regions.lock);
				gc_region_free_locked(&heap->regions, number);
				gc_trap_add_locked(&heap->regions, number);
				gc_ambiguous_judge(heap, number, false);
				pthread_mutex_unlock(&heap->regions.lock);
				heap->cycle.freed_regions++;
			}
			number = next;
		}
	}
	pthread_mutex_lock(&heap->regions.lock);
	gc_traps_close_locked(&heap->regions);
	pthread_mutex_unlock(&heap->regions.lock);
}

void gc_finish(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;

	gc_yield_point();
	finish_disarm(heap);
	gc_yield_point();
	finish_empty_alias(heap);
	if (!heap->alias_doubtful) /* there may be holes, which cannot be closed */
		gc_trap_alias_close(&heap->regions);
	/* Handing out free regions looks at phase, states and bits: they change together. Extents are
	 * attached before their targets stop being targets: else an extent that holds copied pages
	 * would look clean for a moment, and a late fault could move the emptied alias over it. */
	pthread_mutex_lock(&heap->regions.lock);
	memset(heap->extents.states, GC_EXTENT_ATTACHED, heap->extents.count);
	heap->regions.decommit_allowed = true;
	finish_targets(heap);
	gc_pages_set_attached(&heap->pages, (struct gc_page){0},
			      cycle->detach_bytes >> heap->view.page_shift);
	gc_store_relaxed(&heap->phase, GC_PHASE_IDLE);
	pthread_mutex_unlock(&heap->regions.lock);
	gc_verify_at(heap, GC_VERIFY_AFTER);
	finish_evacuated(heap);
	gc_degrade_tell(heap);
}
