/* gc/collect/collect.h: the phases of a cycle and the mutators' ways in, one declaration each; the
 * file that defines a function explains it. gc/cycle.c calls whole phases in order. */
#ifndef GC_COLLECT_COLLECT_H
#define GC_COLLECT_COLLECT_H

#include "gc/heap/heap.h"
#include "gc/heap/slot.h"

/* allocate.c: mutators, at safepoints. */
bool gc_tlab_refill(struct gc_heap *heap, struct gc_mutator *mutator, enum plx_space space,
		    uint64_t need_bytes);
/* A large object in three steps, with safepoints allowed before the last: take its regions (or
 * GC_REGION_NONE), clear all of it, publish. */
uint32_t gc_large_take(struct gc_heap *heap, struct gc_mutator *mutator, const struct gc_type *type,
		       uint64_t bytes);
void gc_large_clear(struct gc_heap *heap, uint32_t head, uint64_t from, uint64_t to);
void *gc_large_publish(struct gc_heap *heap, struct gc_mutator *mutator, const struct gc_type *type,
		       uint32_t head, uint64_t header);
void gc_tlab_retire(struct gc_heap *heap, struct gc_mutator *mutator, enum plx_space space);
void gc_tlab_drop_all(struct gc_heap *heap, struct gc_mutator *mutator);
/* Nobody has a TLAB of this colour: the regions are ordinary ones from now on. */
void gc_current_close(struct gc_heap *heap, enum gc_colour colour);

/* rootpage.c: any attached thread; takes regions.lock. */
char *gc_rootpage_alloc(struct gc_heap *heap);

/* barrier.c: mutators. */
void gc_satb_log(struct gc_heap *heap, struct gc_mutator *mutator, struct gc_value value);
void gc_satb_log_object(struct gc_heap *heap, struct gc_mutator *mutator, uintptr_t object);
void gc_satb_flush(struct gc_heap *heap, struct gc_mutator *mutator);
void gc_barrier_flag_page(struct gc_heap *heap, struct gc_page page, uint8_t flags);

/* mark.c: the cycle. */
struct gc_found;
struct gc_mark;
struct gc_mark *gc_mark_create(struct gc_heap *heap);
void gc_mark_destroy(struct gc_mark *mark);
void gc_mark_prepare(struct gc_heap *heap);
void gc_mark_root(struct gc_heap *heap, uintptr_t *slot, void *context);
void gc_mark_root_object(struct gc_heap *heap, uintptr_t object);
void gc_mark_root_pages(struct gc_heap *heap);
void gc_mark_root_stacks(struct gc_heap *heap);
struct gc_found *gc_mark_found(struct gc_mark *mark); /* weak objects it met */
/* A marker: queue what a slot refers to, if anything; an object. */
void gc_mark_value(struct gc_mark *mark, struct gc_value value);
void gc_mark_object(struct gc_mark *mark, uintptr_t object);
void gc_mark_drain(struct gc_heap *heap);
bool gc_mark_done(struct gc_heap *heap);
void gc_mark_discard_logged(struct gc_heap *heap);

/* sweep.c: the cycle. */
void gc_candidates_choose(struct gc_heap *heap);
uint64_t gc_region_densest(const struct gc_heap *heap);
void gc_sweep(struct gc_heap *heap);

/* plan.c: the cycle. */
void gc_plan(struct gc_heap *heap);

/* pin.c: attached threads pin; the cycle asks. */
void gc_pin_region(struct gc_heap *heap, struct gc_haddr object);
void gc_unpin_region(struct gc_heap *heap, struct gc_haddr object);
bool gc_pin_holds(struct gc_heap *heap, uint32_t number);
bool gc_pin_try_choose(struct gc_heap *heap, uint32_t number);
void gc_pins_begin_plan(struct gc_heap *heap);
void gc_pins_flip_stw(struct gc_heap *heap);
bool gc_unchoose_stw(struct gc_heap *heap, uint32_t number);

/* ambiguous.c: only with GC_STACKS=ambiguous; mutators note, the cycle does the rest. */
bool gc_ambiguous_create(struct gc_heap *heap);
void gc_ambiguous_destroy(struct gc_heap *heap);
void gc_ambiguous_keep_bits(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes);
void gc_ambiguous_judge(struct gc_heap *heap, uint32_t number, bool judged);
extern const struct gc_stack_visit gc_ambiguous_noting;
void gc_ambiguous_begin(struct gc_heap *heap);
void gc_ambiguous_note_parked(struct gc_heap *heap);
void gc_ambiguous_resolve(struct gc_heap *heap);
void gc_ambiguous_hold_parked(struct gc_heap *heap);
bool gc_ambiguous_holds(const struct gc_heap *heap, uint32_t number);
void gc_ambiguous_flip_stw(struct gc_heap *heap);
void gc_ambiguous_forward_stw(struct gc_heap *heap);

/* flip.c: the cycle; gc_flip_stw inside a pause. */
void gc_flip_prepare(struct gc_heap *heap);
void gc_flip_stw(struct gc_heap *heap);

/* unit.c: whoever claims a page; gc_unit_* may run in a fault. */
bool gc_unit_is_dirty(const struct gc_heap *heap, struct gc_page page);
bool gc_unit_is_target(const struct gc_heap *heap, struct gc_page page);
void gc_unit_build_fault(const struct gc_heap *heap, struct gc_page page, char *into);
void gc_unit_finish_fault(struct gc_heap *heap, struct gc_page page, char *scratch);

/* reattach.c, move.c: the cycle after the flip, and mutators that take a free region meanwhile. */
enum gc_extent_class {
	GC_EXTENT_CLEAN,  /* nothing to do in it: moves back at once */
	GC_EXTENT_SOURCE, /* nothing but evacuated regions to wait for: moves back last */
	GC_EXTENT_DIRTY,  /* holds units */
};
enum gc_extent_class gc_extent_classify(const struct gc_heap *heap, uint32_t extent);
void gc_reattach_region(struct gc_heap *heap, uint32_t first, uint32_t count);
void gc_reattach_range(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes);
bool gc_reattach_extents(struct gc_heap *heap, uint32_t first, uint32_t count);
void gc_move_concurrently(struct gc_heap *heap);
void gc_move_stw(struct gc_heap *heap);

/* supply.c: mutators ask, under regions.lock; the cycle's thread holds and lets go; the runtime starts
 * and stops it. */
/* Have the kernel make the pages of a part of the heap view that are missing, many at a time; anybody who
 * may touch it. False: some may be missing, and come by faults. */
bool gc_supply_make(struct gc_heap *heap, char *start, uint64_t bytes);
/* What is missing of a region that was just taken. */
void gc_supply_region(struct gc_heap *heap, uint32_t number);
void gc_supply_ask_locked(struct gc_heap *heap, enum gc_range range);
void gc_supply_tables(struct gc_heap *heap);
void gc_supply_forwarding(struct gc_heap *heap, uint32_t region);
void gc_supply_hold(struct gc_heap *heap);
void gc_supply_let_go(struct gc_heap *heap);
void gc_supply_start(struct gc_heap *heap);
void gc_supply_stop(struct gc_heap *heap);

/* torture.c: GC_TORTURE: the cycle after the flip; a fault that finds a page unclaimed. */
void gc_torture_hold_back(struct gc_heap *heap);
void gc_torture_leave_fault(struct gc_heap *heap, struct gc_page page);

/* finish.c: the cycle. */
void gc_finish(struct gc_heap *heap);

/* fault.c: the fault thread or a mutator in its SIGBUS handler. `scratch` is a page of memory. */
void gc_fault_resolve_fault(struct gc_heap *heap, struct gc_haddr address, char *scratch);
/* The same for the fault thread, which no safepoint holds back; and finish waiting for it. */
void gc_fault_serve_fault(struct gc_heap *heap, struct gc_haddr address, char *scratch);
void gc_fault_wait_out(struct gc_heap *heap);

/* trim.c: the cycle's thread, between cycles. At most `target_regions` stay resident, if so many are free. */
void gc_trim(struct gc_heap *heap, uint32_t target_regions);

/* size.c: creation; the cycle's thread. */
void gc_size_init(struct gc_heap *heap);
uint64_t gc_size_after_cycle(struct gc_heap *heap);
double gc_size_cycle_ns(const struct gc_heap *heap);
/* Bytes beyond `live` ones that the policy finds worth having. */
double gc_size_extra_bytes(struct gc_heap *heap, uint64_t live);

/* pace.c: mutators and the runtime's collector thread. */
bool gc_pace_wants_cycle(struct gc_heap *heap);
void gc_pace_init(struct gc_heap *heap);
void gc_pace_after_cycle(struct gc_heap *heap);
void gc_pace_marking(struct gc_heap *heap);
void gc_pace_moving(struct gc_heap *heap);
/* How much the plan may copy, so that mutators can go on meanwhile. */
uint64_t gc_pace_target_bytes(const struct gc_heap *heap);
/* How long a mutator that needs a new TLAB should wait first, and the waiting itself, as BLOCKED. */
uint64_t gc_pace_wait_ns(struct gc_heap *heap, uint32_t *gate);
void gc_pace_wait(struct gc_heap *heap, uint32_t gate, uint64_t wait_ns);

/* verify.c: the cycle's thread. Checks everything if GC_VERIFY asks for it at this place of this cycle;
 * gc_verify_at stops the world for it. A mismatch is reported and ends the process. */
enum gc_verify_place {
	GC_VERIFY_BEFORE = 1, /* marking is about to begin */
	GC_VERIFY_MARK = 2,   /* marking is complete */
	GC_VERIFY_FLIP = 4,   /* pages are about to be taken away */
	GC_VERIFY_AFTER = 8,  /* all pages are back; evacuated regions are not free yet */
};
void gc_verify_at(struct gc_heap *heap, enum gc_verify_place place);
void gc_verify_at_stw(struct gc_heap *heap, enum gc_verify_place place);
/* Called in front of each check if set: for tests, which damage the heap there. */
extern void (*gc_verify_tamper)(struct gc_heap *heap, enum gc_verify_place place);

/* gc/cycle.c: one whole cycle, on the collector thread. The cause is for the log; nobody waits for a
 * cycle with this one. */
extern const char gc_cause_pacing[];
void gc_cycle_run(struct gc_heap *heap, const char *cause, bool stop_the_world);

/* Something was refused and a lesser way was taken: count it, and say so once per kind. */
enum gc_degrade {
	GC_DEGRADE_DETACH,
	GC_DEGRADE_REGISTER,
	GC_DEGRADE_ATTACH,
	GC_DEGRADE_UNREGISTER,
	GC_DEGRADE_TARGET,
	GC_DEGRADE_FIXED,
	GC_DEGRADE_ALIAS,
};
void gc_degrade_note(struct gc_heap *heap, enum gc_degrade what, int error);
/* GC_DEGRADE_ATTACH, perhaps in a fault: it is said by gc_degrade_tell, at the cycle's end. */
void gc_degrade_note_fault(struct gc_heap *heap, int error);
void gc_degrade_tell(struct gc_heap *heap);

/* After the plan: where an object will be after the flip, unless its region is un-chosen in it. */
static inline uintptr_t gc_heap_moved(const struct gc_heap *heap, uintptr_t object)
{
	if (!(gc_heap_region_bits(heap, object) & GC_REGION_EVACUATED))
		return object;
	return gc_forward_address(&heap->forward, (struct gc_haddr){object}).at;
}

#endif
