/* gc/cycle.c: one collection, as a recipe: the only caller of whole phases.
 *
 *   1 prepare    candidates chosen, last cycle's bits cleared               mutators run
 *   2 start      barriers on; stores settled; snapshots, black from here    handshakes
 *   3 mark       root pages, then everything reachable                      mutators run
 *   4 terminate  barrier buffers bring nothing new? logging off : 3         handshakes
 *   5 sweep      dead weak references cleared, dead regions free            mutators run
 *   6 plan       what moves where, targets reserved                         mutators run
 *   7 flip       pages taken away, roots forwarded, barriers off            pause
 *   8 move       pages come back: clean, updated, copied                    mutators run
 *   9 finish     evacuated regions are free, with their pages               mutators run
 *
 * With nothing worth moving, 7 is a handshake that switches the barriers off, and 8-9 vanish. With
 * `stop_the_world` all of it is one pause. In a handshake each mutator gives its answer at a
 * safepoint of its own, or has it given for it while it is blocked (runtime/handshake.c).
 *
 * [CY-1] What a mutator does about the cycle is its own `barrier` word, its regime: what stores do,
 *        and which colour it allocates. It changes at the mutator's safepoints only. All mutators have
 *        one regime or its successor, and the cycle goes on when all have the successor. The
 *        phase is a hint for what concerns everybody at once; MOVING begins in the flip's pause and
 *        ends under regions.lock.
 *
 * The start has three rounds. Call a white object *safe* if it will be marked whatever mutators do:
 * it is logged, in a root page, on a root stack [RS-1], in a snapshot, or leads from such a one by slots that are logged when
 * they are overwritten.
 *
 *   arm      each turns logging (of old and new values) and flagging on. Until all have, others store
 *            without; so nothing is concluded from this round but: stores that begin after it log.
 *   settle   does nothing. A store that looked at its slot before all were armed, and so may have
 *            logged a value that somebody else replaced without logging, is done when its thread
 *            answers.
 *   snapshot each drops its TLABs, gives what only itself holds, allocates black and logs only what it
 *            overwrites. Then all white current regions are closed, and marking begins.
 *
 * [CY-2] Whatever a mutator gets hold of after its snapshot is safe or black. It reads it from a slot.
 *        The slot's value was there when the stores had settled: then whoever overwrites it
 *        first has looked after that, and logs it. Or it was stored later by a mutator without
 *        snapshot: that one logged it as the new value. Or by one with a snapshot: then it was safe
 *        or black in that one's hands. An object that is white and fresh (filled by plain
 *        stores) is scanned, since it becomes reachable by one of these, and its slots are
 *        logged like any other's.
 * [CY-3] So a black object, which nobody scans, refers to safe and black ones only: its creator had its
 *        snapshot. Marking, which begins when all have theirs, reaches all safe objects. Roots in
 *        the embedder's memory are read and written with no barrier at all, by everybody: if
 *        there are any, the whole start is one pause, and whoever registers the first during the
 *        three rounds waits for their end and has its roots read in a pause.
 * [CY-4] Marking is complete when a round of flushing, begun with nothing queued, brings nothing that
 *        is unmarked. For what a buffer holds at its flush it held, or had not logged yet, when the
 *        round began; so at that moment no buffer held anything unmarked, nothing was queued, and
 *        hence nothing safe, and nothing at all that a mutator could reach, was unmarked. What is
 *        reachable unmarked only ever becomes less. So it does not matter what mutators logged after
 *        their answers. Who attaches during the round begins with nothing; who detaches has
 *        flushed. Reads of weak references are the exception, since they reach what nothing else does:
 *        settling them says no if one kept anything since the round began [RF-2].
 * [CY-5] Then some log and others do not, until all have answered: harmless by [CY-4], and what is logged
 *        is thrown away. The phase says PLANNING before that round, so after it every page that is
 *        flagged for the first time is listed [B-3].
 * [CY-6] Pages are flagged for every slot that refers to a candidate when the flip comes [I1]: slots that were
 *        stored to before the thread was armed are in white objects, which are scanned later
 *        than that; later stores flag.
 *
 * The marking of Doligez and Gonthier (POPL 1994) has the same three rounds; the argument for the
 * settling one was machine-checked by Gammie, Hosking and Engelhardt (PLDI 2015).
 *
 * Who runs here: the runtime's collector thread, one cycle at a time; answers also on mutators. */
#include "gc/base/clock.h"
#include "gc/collect/collect.h"
#include "gc/collect/guardian.h"
#include "gc/collect/identity.h"
#include "gc/collect/reference.h"
#include "gc/collect/resolver.h"
#include "gc/collect/rootstack.h"
#include "gc/collect/telemetry.h"
#include "gc/collect/workers.h"

const char gc_cause_pacing[] = "pacing";

static void cycle_pause_begin(struct gc_heap *heap, enum gc_stop kind)
{
	if (heap->stopped)
		return;
	heap->pause_started_ns = gc_clock_ns();
	GC_INSTANT(heap->cycle_events, pause_begin, gc_stop_name(kind), 0, 0, 0);
	heap->world->stop(heap, kind);
	heap->stopped = true;
	heap->pause_kind = kind;
	heap->pause_stopped_ns = gc_clock_ns();
}

static void cycle_pause_end(struct gc_heap *heap)
{
	if (heap->cycle.stop_the_world)
		return; /* one long pause: cycle_run ends it */
	heap->world->resume(heap);
	heap->stopped = false;
	gc_telemetry_pause(heap);
}

/* Everybody attached, and everybody who attaches from now on, gets this regime. [CY-1] */
static void cycle_handshake(struct gc_heap *heap, enum gc_regime regime, gc_answer answer)
{
	uint64_t start_ns = gc_clock_ns();

	/* Relaxed: read under threads_lock by who attaches. Before the round begins either value will
	 * do, since it answers; afterwards the lock orders it. */
	gc_store_relaxed(&heap->regime, regime);
	if (heap->stopped) {
		heap->world->each_mutator(heap, answer);
		return;
	}
	heap->world->handshake(heap, answer);
	gc_telemetry_handshake(heap, start_ns);
}

/* --- answers: by the mutator at its safepoint, or for it while it cannot run ------------------- */

static void answer_regime(struct gc_mutator *mutator, enum gc_regime regime)
{
	gc_store_relaxed(&mutator->pub.barrier, regime); /* its own thread reads it */
}

static void answer_arm(struct gc_heap *heap, struct gc_mutator *mutator)
{
	(void)heap;
	answer_regime(mutator, GC_REGIME_ARMED);
}

static void answer_settle(struct gc_heap *heap, struct gc_mutator *mutator)
{
	(void)heap, (void)mutator;
}

/* What only this mutator holds is given here: the words of its native stack, if those count. */
static void answer_snapshot(struct gc_heap *heap, struct gc_mutator *mutator)
{
	gc_tlab_drop_all(heap, mutator);
	if (heap->ambiguous)
		heap->world->scan_stack(heap, mutator, &gc_ambiguous_noting);
	answer_regime(mutator, GC_REGIME_MARKING);
}

static void answer_unlog(struct gc_heap *heap, struct gc_mutator *mutator)
{
	(void)heap;
	mutator->satb_count = 0; /* [CY-5] */
	answer_regime(mutator, GC_REGIME_PLANNING);
}

static void answer_quiet(struct gc_heap *heap, struct gc_mutator *mutator)
{
	gc_tlab_drop_all(heap, mutator);
	answer_regime(mutator, GC_REGIME_IDLE);
}

/* --- the phases that are more than one call ----------------------------------------------------- */

static void cycle_snapshot(struct gc_heap *heap)
{
	gc_ambiguous_begin(heap);
	cycle_handshake(heap, GC_REGIME_MARKING, answer_snapshot);
	gc_ambiguous_note_parked(heap);
	gc_current_close(heap, GC_WHITE); /* [S-2] */
}

/* Roots in the embedder's memory: all in one pause, so nobody stores while others have no barrier. */
static void cycle_start_stw(struct gc_heap *heap)
{
	cycle_pause_begin(heap, GC_STOP_BRIEF);
	cycle_snapshot(heap);
	heap->world->each_root(heap, gc_mark_root, NULL);
	cycle_pause_end(heap);
}

/* [CY-2] [CY-3] */
static void cycle_start_ragged(struct gc_heap *heap)
{
	cycle_handshake(heap, GC_REGIME_ARMED, answer_arm);
	cycle_handshake(heap, GC_REGIME_ARMED, answer_settle);
	cycle_snapshot(heap);
	if (heap->world->roots_any(heap)) {
		cycle_pause_begin(heap, GC_STOP_BRIEF);
		heap->world->each_root(heap, gc_mark_root, NULL);
		cycle_pause_end(heap);
	}
	heap->world->roots_open(heap);
}

static void cycle_start(struct gc_heap *heap)
{
	gc_references_begin(heap);
	gc_guardians_begin(heap);
	gc_exchange_acq_rel(&heap->late.count, GC_LATE_CLOSED); /* [MO-LATE] [B-4] */
	gc_store_relaxed(&heap->phase, GC_PHASE_MARKING);	/* [CY-1] a hint until the flip */
	if (heap->stopped || !heap->world->roots_close(heap))
		cycle_start_stw(heap);
	else
		cycle_start_ragged(heap);
	gc_store_relaxed(&heap->allocated_at_cycle_start,
			 gc_load_relaxed(&heap->allocated_bytes)); /* hints for pacing */
	gc_pace_marking(heap);
}

/* [CY-4] [CY-5] */
static void cycle_mark(struct gc_heap *heap)
{
	uint64_t start_ns = gc_clock_ns();

	gc_ambiguous_resolve(heap);
	gc_mark_root_pages(heap);
	gc_mark_root_stacks(heap);
	gc_guardians_mark_ready(heap);
	do {
		gc_guardians_ask(heap);
		gc_mark_drain(heap);
		cycle_handshake(heap, GC_REGIME_MARKING, gc_satb_flush);
	} while (!gc_mark_done(heap) || gc_guardians_due(heap) || !gc_references_settle(heap));
	gc_store_relaxed(&heap->phase, GC_PHASE_PLANNING); /* the handshake orders it */
	cycle_handshake(heap, GC_REGIME_PLANNING, answer_unlog);
	gc_mark_discard_logged(heap);
	heap->cycle.mark_ns = gc_clock_ns() - start_ns;
}

/* Nothing to move: back to idle. */
static void cycle_end_without_flip(struct gc_heap *heap)
{
	gc_store_relaxed(&heap->phase, GC_PHASE_IDLE); /* [CY-1] nobody lists pages any more */
	cycle_handshake(heap, GC_REGIME_IDLE, answer_quiet);
	gc_current_close(heap, GC_BLACK);
	gc_verify_at(heap, GC_VERIFY_AFTER);
	GC_PHASE_END(heap, settle, 0, 0, 0, 0);
}

static void cycle_flip(struct gc_heap *heap)
{
	gc_guardians_carry(heap);
	gc_workers_thin(heap);
	gc_supply_hold(heap);
	gc_flip_prepare(heap);
	cycle_pause_begin(heap, GC_STOP_FLIP);
	gc_flip_stw(heap);
	gc_guardians_switch_stw(heap);
	gc_identities_switch_stw(heap);
	heap->world->armed(heap, gc_load_acquire(&heap->armed)); /* [MO-ARMED] */
	gc_trap_heap_open_stw(&heap->regions);
	cycle_pause_end(heap);
	GC_PHASE_END(heap, flip, gc_flip_mode_name(heap->cycle.mode), heap->cycle.dirty_pages, 0,
		     0);
	gc_move_concurrently(heap);
	GC_PHASE_END(heap, move, 0, 0, 0, 0);
	gc_finish(heap);
	gc_supply_let_go(heap);
	gc_guardians_repair(heap);
	gc_identities_repair(heap);
	heap->world->armed(heap, false);
	GC_PHASE_END(heap, finish, 0, 0, 0, 0);
}

static void cycle_record(struct gc_heap *heap)
{
	const struct gc_cycle *cycle = &heap->cycle;
	struct plx_stats *stats = &heap->stats;
	bool flipped = cycle->evacuated_count != 0;

	/* Relaxed: statistics. */
	gc_add_relaxed(&stats->flips, flipped);
	gc_add_relaxed(&stats->flips_zapped, flipped && cycle->mode == GC_FLIP_ZAP);
	gc_add_relaxed(&stats->emergency_cycles,
		       cycle->stop_the_world && heap->resolver->concurrent);
	gc_add_relaxed(&stats->evacuated_bytes, cycle->evacuated_bytes);
	gc_add_relaxed(&stats->evacuated_regions, cycle->evacuated_count - cycle->unchosen_count);
	gc_add_relaxed(&stats->unchosen_regions, cycle->unchosen_count);
	gc_add_relaxed(&stats->pin_held_regions, cycle->held_by_pins);
	gc_add_relaxed(&stats->stack_held_regions, cycle->held_by_stacks);
	gc_add_relaxed(&stats->dirty_pages, cycle->dirty_pages);
	gc_add_relaxed(&stats->updated_in_place_bytes, cycle->dirty_pages << heap->view.page_shift);
	gc_add_relaxed(&stats->cycle_ns, gc_clock_ns() - cycle->start_ns);
	gc_add_relaxed(&stats->cycles, 1);
}

static void cycle_begin(struct gc_heap *heap, const char *cause, bool stop_the_world)
{
	struct gc_cycle *cycle = &heap->cycle;
	uint32_t *targets = cycle->targets, capacity = cycle->targets_capacity;

	*cycle = (struct gc_cycle){.cause = cause,
				   .stop_the_world = stop_the_world,
				   .thrifty = cause == gc_cause_pacing,
				   .targets = targets,
				   .targets_capacity = capacity,
				   .start_ns = gc_clock_ns()};
	/* Relaxed: a label, see history.h; written by this thread. */
	gc_store_relaxed(&heap->regions.history->cycle,
			 (uint32_t)gc_load_relaxed(&heap->stats.cycles));
	gc_telemetry_cycle_begin(heap);
	gc_workers_thin(heap);
	if (stop_the_world)
		cycle_pause_begin(heap, GC_STOP_FLIP);
}

static void cycle_end(struct gc_heap *heap)
{
	if (heap->cycle.stop_the_world) {
		heap->cycle.stop_the_world = false;
		cycle_pause_end(heap);
		heap->cycle.stop_the_world = true;
	}
	gc_rootstacks_free_destroyed(heap);
	gc_regions_end_reserve(&heap->regions);
	gc_pace_after_cycle(heap);
	cycle_record(heap);
	GC_PHASE_END(heap, close, 0, 0, 0, 0);
	gc_telemetry_cycle_end(heap);
}

void gc_cycle_run(struct gc_heap *heap, const char *cause, bool stop_the_world)
{
	const struct gc_cycle *cycle = &heap->cycle;

	cycle_begin(heap, cause, stop_the_world);
	gc_supply_tables(heap);
	gc_candidates_choose(heap);
	gc_mark_prepare(heap);
	gc_verify_at(heap, GC_VERIFY_BEFORE);
	GC_PHASE_END(heap, prepare, 0, 0, 0, 0);
	cycle_start(heap);
	GC_PHASE_END(heap, start, 0, 0, 0, 0);
	cycle_mark(heap);
	GC_PHASE_END(heap, mark, 0, 0, 0, 0);
	gc_guardians_publish(heap);
	gc_references_clear(heap);
	gc_verify_at(heap, GC_VERIFY_MARK);
	GC_PHASE_END(heap, references, 0, 0, 0, 0);
	gc_sweep(heap);
	GC_PHASE_END(heap, sweep, cycle->live_bytes, cycle->freed_regions, 0, 0);
	gc_ambiguous_hold_parked(heap);
	gc_plan(heap);
	gc_identities_carry(heap, heap->cycle.evacuated_count != 0);
	gc_pace_moving(heap);
	GC_PHASE_END(heap, plan, cycle->evacuated_count, cycle->evacuated_bytes,
		     cycle->target_count, 0);
	if (cycle->evacuated_count == 0)
		cycle_end_without_flip(heap);
	else
		cycle_flip(heap);
	cycle_end(heap);
}
