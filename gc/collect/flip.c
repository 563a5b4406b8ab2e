/* gc/collect/flip.c: the flip: the pause in which pages are taken away and roots get new addresses.
 *
 *   before it, mutators running:  targets in the leaf range are detached and armed; dirty pages are
 *                                 counted; the page states say DETACHED
 *   in it:                        last TLABs are retired; detach (or zap); register; forward the
 *                                 roots that live in the embedder's memory; barriers off
 *   after it:                     move.c
 *
 * [FL-1] The pause does no work proportional to heap, live data or root pages: one mremap of whole
 *        page tables, one register, per thread one TLAB, and per root stack one look at its top. [I6]
 * [FL-2] Register after the mremap: an armed range would be moved entry by entry. (Not so before a zap.)
 * [FL-3] Dropping single pages (zap) is chosen when they are few; the list made before the pause and
 *        the late list of the barrier together hold every dirty page, or detach is taken.
 * [FL-4] Whatever the kernel refuses, nothing is half done: the same units are then built inside
 *        this pause (GC_FLIP_IN_PAUSE).                                                     [I7]
 * [FL-5] Detaching goes by gigabytes: on shared memory only those that hold a dirty page, a target or
 *        an evacuated region are taken. Private memory is taken whole, since its alias shows nothing
 *        else.
 *
 * [FL-6] Others read memory too, and do not stop with the mutators: a debugger, process_vm_readv. Such a look
 *        between taking a page away and arming brings it back, where mutators would find it before it
 *        was built. So what is armed is emptied once more. There is nothing, nearly always, and then
 *        no CPU is interrupted.
 *
 * Who runs here: the cycle's thread. */
#include "gc/base/clock.h"
#include "gc/collect/collect.h"
#include "gc/collect/resolver.h"
#include "gc/collect/rootstack.h"

static uint64_t flip_used_bytes(const struct gc_heap *heap, enum gc_range range)
{
	return (uint64_t)gc_range_high_water(&heap->regions.ranges[range])
	       << heap->regions.region_shift;
}

static void flip_take(struct gc_heap *heap, struct gc_haddr address)
{
	heap->taken[(address.at - (uintptr_t)heap->view.heap) / GC_VIEW_ALIGN] = 1;
}

/* Which gigabytes have to go, dirty pages apart. [FL-5] */
static void flip_choose_taken(struct gc_heap *heap)
{
	const struct gc_cycle *cycle = &heap->cycle;
	bool whole = heap->view.backing != GC_BACKING_SHARED;

	memset(heap->taken, whole, heap->view.range_bytes / GC_VIEW_ALIGN);
	for (uint32_t r = cycle->evacuated_first[GC_RANGE_OBJECTS]; r != GC_REGION_NONE;
	     r = heap->regions.table[r].next)
		flip_take(heap, gc_region_start(&heap->regions, r));
	for (uint32_t i = 0; i < cycle->target_count; i++)
		if (gc_region_range(&heap->regions, cycle->targets[i]) == GC_RANGE_OBJECTS)
			flip_take(heap, gc_region_start(&heap->regions, cycle->targets[i]));
}

/* Runs of dirty pages, as many as are worth listing. [FL-3] */
static void flip_list_dirty_runs(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint32_t pages =
		(uint32_t)(flip_used_bytes(heap, GC_RANGE_OBJECTS) >> heap->view.page_shift);
	uint32_t run_first = 0, run_count = 0;

	cycle->dirty_run_count = 0;
	cycle->dirty_pages = 0;
	/* From here on late pages are listed [B-4]; flags set before are seen below. */
	gc_exchange_acq_rel(&heap->late.count, 0); /* [MO-LATE] */
	for (uint32_t n = 0; n <= pages; n++) {
		bool dirty = n < pages && gc_unit_is_dirty(heap, (struct gc_page){n});

		cycle->dirty_pages += dirty;
		if (dirty && run_count++ == 0)
			run_first = n;
		if (dirty)
			flip_take(heap, gc_view_page_start(&heap->view, (struct gc_page){n}));
		if (dirty || run_count == 0)
			continue;
		if (cycle->dirty_run_count < GC_DIRTY_RUNS_MAX)
			cycle->dirty_runs[cycle->dirty_run_count] =
				(struct gc_dirty_run){run_first, run_count};
		cycle->dirty_run_count++;
		run_count = 0;
	}
}

/* May units be built through the alias? [V-6] */
static bool flip_mend_alias(struct gc_heap *heap)
{
	int error = heap->alias_doubtful ? gc_view_mend_alias(&heap->view) : 0;

	if (error < 0)
		gc_degrade_note(heap, GC_DEGRADE_ALIAS, error);
	heap->alias_doubtful = error < 0;
	return error == 0;
}

static int flip_detach(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes)
{
	int error = gc_view_detach(&heap->view, start, bytes);

	heap->alias_doubtful |= error < 0; /* [V-6] */
	return error;
}

static void flip_choose_mode(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;
	/* Below these, dropping costs less than moving the tables both ways: about 0.7 us a run and
	 * 0.1 us a page. Forced, as many runs as the list holds. */
	bool few = cycle->dirty_run_count <= 16 && cycle->dirty_pages <= 128 &&
		   cycle->target_count <= 16;

	if (cycle->stop_the_world || !heap->resolver->concurrent ||
	    !heap->world->faults_ready(heap) || !flip_mend_alias(heap)) {
		cycle->mode = GC_FLIP_IN_PAUSE;
		return;
	}
	if (heap->config.flip == 2)
		few = cycle->dirty_run_count <= GC_DIRTY_RUNS_MAX;
	cycle->mode = few && heap->resolver->may_zap && heap->config.flip != 1 ? GC_FLIP_ZAP
									       : GC_FLIP_DETACH;
}

/* Disarm what could not be emptied, or was armed in vain. */
static void flip_disarm(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes)
{
	for (unsigned round = 0; gc_uffd_unregister(&heap->uffd, (void *)start.at, bytes) < 0;) {
		GC_REQUIRE(round < 1000, "userfaultfd cannot be unregistered");
		gc_backoff(&round);
	}
}

/* A target in the leaf range is free: it can be emptied and armed while mutators run. */
static int flip_arm_leaf_target(struct gc_heap *heap, uint32_t number)
{
	struct gc_haddr start = gc_region_start(&heap->regions, number);
	uint64_t bytes = heap->regions.region_bytes;
	bool whole_extents = bytes >= heap->view.extent_bytes && heap->resolver->may_zap;
	int error;

	error = whole_extents ? flip_detach(heap, start, bytes) : 0;
	if (error == 0)
		error = gc_uffd_register(&heap->uffd, (void *)start.at, bytes);
	if (error == 0)
		error = gc_view_zap_heap(&heap->view, start, bytes); /* [FL-6] */
	if (whole_extents && error == 0)
		memset(&heap->extents.states[gc_heap_extent(heap, start)], GC_EXTENT_DETACHED,
		       bytes >> heap->view.extent_shift);
	return error;
}

/* Leaf targets that could not all be armed: none is, and everything happens in the pause. */
static void flip_disarm_leaf_targets(struct gc_heap *heap)
{
	for (uint32_t i = 0; i < heap->cycle.target_count; i++) {
		uint32_t number = heap->cycle.targets[i];
		struct gc_haddr start = gc_region_start(&heap->regions, number);

		if (gc_region_range(&heap->regions, number) != GC_RANGE_LEAVES)
			continue;
		flip_disarm(heap, start, heap->regions.region_bytes);
		gc_store_release(&heap->extents.states[gc_heap_extent(heap, start)],
				 GC_EXTENT_ATTACHED); /* [MO-EXTENT] free: contents do not matter */
	}
}

static void flip_arm_leaf_targets(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;
	int error = 0;

	for (uint32_t i = 0; i < cycle->target_count && error == 0; i++)
		if (gc_region_range(&heap->regions, cycle->targets[i]) == GC_RANGE_LEAVES)
			error = flip_arm_leaf_target(heap, cycle->targets[i]);
	cycle->leaves_armed = error == 0;
	if (error == 0)
		return;
	gc_degrade_note(heap, GC_DEGRADE_TARGET, error);
	flip_disarm_leaf_targets(heap);
	cycle->mode = GC_FLIP_IN_PAUSE;
}

/* Under zap, targets in the object range lose their entries now; they are free, so nobody looks. */
static void flip_zap_object_targets(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;

	for (uint32_t i = 0; i < cycle->target_count; i++) {
		uint32_t number = cycle->targets[i];
		int error;

		if (gc_region_range(&heap->regions, number) != GC_RANGE_OBJECTS)
			continue;
		error = gc_view_zap_heap(&heap->view, gc_region_start(&heap->regions, number),
					 heap->regions.region_bytes);
		if (error == 0)
			continue;
		gc_degrade_note(heap, GC_DEGRADE_TARGET, error);
		cycle->mode = GC_FLIP_DETACH;
		return;
	}
}

/* Rehearse the pause's system calls on the last gigabyte of the range, which is never used: nothing
 * moves, but the kernel's code and the mappings' descriptions are in the caches when it counts. What
 * it returns does not matter. */
static void flip_rehearse(struct gc_heap *heap)
{
	uint64_t bytes = GC_VIEW_ALIGN, moved = 0;
	struct gc_haddr last = gc_haddr(heap->view.heap + heap->view.range_bytes - bytes);

	if (flip_detach(heap, last, bytes) < 0)
		return;
	gc_uffd_register(&heap->uffd, (void *)last.at, bytes);
	gc_uffd_unregister(&heap->uffd, (void *)last.at, bytes);
	gc_view_attach(&heap->view, last, bytes, &moved);
}

void gc_flip_prepare(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;

	cycle->detach_bytes = gc_round_up(flip_used_bytes(heap, GC_RANGE_OBJECTS), GC_VIEW_ALIGN);
	cycle->leaves_armed = false;
	flip_choose_taken(heap);
	gc_rootstacks_flag(heap);
	flip_list_dirty_runs(heap);
	flip_choose_mode(heap);
	gc_pages_set_detached(&heap->pages, (struct gc_page){0},
			      cycle->detach_bytes >> heap->view.page_shift);
	for (uint32_t i = 0; i < cycle->target_count; i++)
		gc_pages_set_detached(
			&heap->pages,
			gc_heap_page(heap, gc_region_start(&heap->regions, cycle->targets[i])),
			gc_heap_pages_per_region(heap));
	if (cycle->mode != GC_FLIP_IN_PAUSE) {
		gc_traps_lift(&heap->regions); /* [TR-2] */
		gc_trap_alias_open(&heap->regions);
		flip_arm_leaf_targets(heap);
	}
	if (cycle->mode == GC_FLIP_ZAP)
		flip_zap_object_targets(heap);
	if (cycle->mode == GC_FLIP_DETACH)
		flip_rehearse(heap);
}

static int flip_register(struct gc_heap *heap)
{
	return gc_uffd_register(&heap->uffd, heap->view.heap, heap->cycle.detach_bytes);
}

/* What was dirtied, or used for the first time, since the flip was prepared. */
static void flip_add_late_stw(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint64_t used = gc_round_up(flip_used_bytes(heap, GC_RANGE_OBJECTS), GC_VIEW_ALIGN);
	uint32_t late = gc_load_acquire(&heap->late.count); /* [MO-LATE] */
	struct gc_page end = {(uint32_t)(cycle->detach_bytes >> heap->view.page_shift)};

	if (used > cycle->detach_bytes) {
		gc_pages_set_detached(&heap->pages, end,
				      (used - cycle->detach_bytes) >> heap->view.page_shift);
		cycle->detach_bytes = used;
	}
	if (late > GC_LATE_DIRTY_MAX)
		memset(heap->taken, 1, heap->view.range_bytes / GC_VIEW_ALIGN);
	for (uint32_t i = 0; i < late && late <= GC_LATE_DIRTY_MAX; i++)
		flip_take(heap,
			  gc_view_page_start(&heap->view, (struct gc_page){heap->late.pages[i]}));
}

/* Detach and arm one run of gigabytes. */
static int flip_detach_run(struct gc_heap *heap, uint64_t offset, uint64_t bytes)
{
	struct gc_haddr start = gc_haddr(heap->view.heap + offset);
	int error = flip_detach(heap, start, bytes);

	if (error < 0) {
		gc_degrade_note(heap, GC_DEGRADE_DETACH, error);
		return error;
	}
	error = gc_uffd_register(&heap->uffd, (void *)start.at, bytes);
	if (error < 0) {
		gc_degrade_note(heap, GC_DEGRADE_REGISTER, error);
		gc_reattach_range(heap, start, bytes);
		return error;
	}
	error = gc_view_zap_heap(&heap->view, start, bytes); /* [FL-6] */
	if (error < 0) {
		gc_degrade_note(heap, GC_DEGRADE_DETACH, error);
		flip_disarm(heap, start, bytes);
		gc_reattach_range(heap, start, bytes);
		return error;
	}
	memset(&heap->extents.states[gc_heap_extent(heap, start)], GC_EXTENT_DETACHED,
	       bytes >> heap->view.extent_shift);
	return 0;
}

/* Give back what was taken below `offset`. */
static void flip_undo_detach(struct gc_heap *heap, uint64_t offset)
{
	for (uint64_t at = 0; at < offset; at += GC_VIEW_ALIGN) {
		struct gc_haddr start = gc_haddr(heap->view.heap + at);

		if (!heap->taken[at / GC_VIEW_ALIGN])
			continue;
		gc_reattach_range(heap, start, GC_VIEW_ALIGN);
		memset(&heap->extents.states[gc_heap_extent(heap, start)], GC_EXTENT_ATTACHED,
		       GC_VIEW_ALIGN >> heap->view.extent_shift);
	}
}

static bool flip_detach_stw(struct gc_heap *heap)
{
	uint64_t end = heap->cycle.detach_bytes, from = 0, to;

	while (from < end) {
		if (!heap->taken[from / GC_VIEW_ALIGN]) {
			from += GC_VIEW_ALIGN;
			continue;
		}
		to = from;
		while (to < end && heap->taken[to / GC_VIEW_ALIGN])
			to += GC_VIEW_ALIGN;
		if (flip_detach_run(heap, from, to - from) < 0) {
			flip_undo_detach(heap, from);
			return false;
		}
		from = to;
	}
	return true;
}

/* The listed runs, and the late pages. [FL-3] */
static int flip_zap_dirty_stw(struct gc_heap *heap)
{
	const struct gc_cycle *cycle = &heap->cycle;
	uint32_t late = gc_load_acquire(&heap->late.count); /* [MO-LATE] */
	int error = 0;

	for (uint32_t i = 0; i < cycle->dirty_run_count && error == 0; i++)
		error = gc_view_zap_heap(
			&heap->view,
			gc_view_page_start(&heap->view,
					   (struct gc_page){cycle->dirty_runs[i].first}),
			(uint64_t)cycle->dirty_runs[i].count << heap->view.page_shift);
	for (uint32_t i = 0; i < late && error == 0; i++)
		error = gc_view_zap_heap(&heap->view,
					 gc_view_page_start(&heap->view,
							    (struct gc_page){heap->late.pages[i]}),
					 heap->view.page_bytes);
	return error;
}

/* Targets were emptied before the pause: what came back since. [FL-6] */
static int flip_zap_targets_stw(struct gc_heap *heap)
{
	const struct gc_cycle *cycle = &heap->cycle;
	int error = 0;

	for (uint32_t i = 0; i < cycle->target_count && error == 0; i++)
		if (gc_region_range(&heap->regions, cycle->targets[i]) == GC_RANGE_OBJECTS)
			error = gc_view_zap_heap(&heap->view,
						 gc_region_start(&heap->regions, cycle->targets[i]),
						 heap->regions.region_bytes);
	return error;
}

/* Nothing is moved, so arming may come first. [FL-6] */
static bool flip_zap_stw(struct gc_heap *heap)
{
	int error = flip_register(heap);

	if (error < 0) {
		gc_degrade_note(heap, GC_DEGRADE_REGISTER, error);
		return false;
	}
	error = flip_zap_dirty_stw(heap);
	if (error == 0)
		error = flip_zap_targets_stw(heap);
	if (error < 0) {
		gc_degrade_note(heap, GC_DEGRADE_DETACH, error);
		flip_disarm(heap, gc_haddr(heap->view.heap), heap->cycle.detach_bytes);
	}
	return error == 0;
}

static void flip_take_pages_stw(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint64_t start_ns = gc_clock_ns();
	bool taken = false;

	flip_add_late_stw(heap);
	/* More late pages than the list holds: scanning for them would take heap-sized time. */
	if (cycle->mode == GC_FLIP_ZAP && gc_load_acquire(&heap->late.count) > GC_LATE_DIRTY_MAX)
		cycle->mode = GC_FLIP_DETACH; /* [MO-LATE] */
	if (cycle->mode == GC_FLIP_ZAP)
		taken = flip_zap_stw(heap);
	else if (cycle->mode == GC_FLIP_DETACH)
		taken = flip_detach_stw(heap);
	if (cycle->mode != GC_FLIP_IN_PAUSE)
		plx_histogram_record_shared(&heap->distributions[PLX_DISTRIBUTION_FLIP_NS],
					    gc_clock_ns() - start_ns);
	if (!taken) /* [FL-4] */
		cycle->mode = GC_FLIP_IN_PAUSE;
	cycle->object_delta = taken ? heap->view.delta : 0;
	/* Every mutator is stopped: nobody holds regions.lock. */
	heap->regions.decommit_allowed = !taken || heap->view.backing == GC_BACKING_SHARED;
}

static void flip_root(struct gc_heap *heap, uintptr_t *slot, void *context)
{
	struct gc_value value = {*(gc_word *)slot};
	uintptr_t object = gc_value_object(heap, value);

	(void)context;
	if (object)
		*(gc_word *)slot = gc_value_moved(value, object, gc_heap_moved(heap, object)).bits;
}

static void flip_barrier_off(struct gc_heap *heap, struct gc_mutator *mutator)
{
	(void)heap;
	gc_store_relaxed(&mutator->pub.barrier, GC_REGIME_IDLE); /* its thread is stopped */
}

/* Colours mean nothing after the flip. The region that leaves are allocated in goes on; the one of
 * objects ends, since its pages may be away. */
static void flip_close_current_stw(struct gc_heap *heap)
{
	uint32_t leaves = heap->current[GC_BLACK][GC_RANGE_LEAVES];

	heap->current[GC_BLACK][GC_RANGE_LEAVES] = GC_REGION_NONE;
	gc_current_close(heap, GC_BLACK);
	heap->current[GC_WHITE][GC_RANGE_LEAVES] = leaves;
}

void gc_flip_stw(struct gc_heap *heap)
{
	struct gc_cycle *cycle = &heap->cycle;

	heap->world->each_mutator(heap, gc_tlab_drop_all);
	flip_close_current_stw(heap);
	gc_rootstacks_flip_stw(heap);
	gc_verify_at_stw(heap, GC_VERIFY_FLIP);
	gc_pins_flip_stw(heap);
	gc_ambiguous_flip_stw(heap);
	flip_take_pages_stw(heap);
	if (cycle->mode != GC_FLIP_IN_PAUSE && heap->pins.regions == 0) /* [TR-5] */
		gc_trap_heap_close_stw(&heap->regions, cycle->detach_bytes);
	heap->world->each_root(heap, flip_root, NULL);
	gc_ambiguous_forward_stw(heap);
	if (cycle->mode == GC_FLIP_IN_PAUSE)
		gc_move_stw(heap);
	heap->world->each_mutator(heap, flip_barrier_off);
	gc_store_relaxed(&heap->regime, GC_REGIME_IDLE); /* resume orders it */
	gc_store_release(&heap->armed,			 /* [MO-ARMED] */
			 cycle->mode != GC_FLIP_IN_PAUSE || cycle->leaves_armed);
	gc_store_relaxed(&heap->phase, GC_PHASE_MOVING); /* resume orders it */
}
