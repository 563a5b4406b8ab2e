/* gc/collect/pace.c: when to start the next cycle, and how fast mutators may allocate while one runs.
 *
 * Start: early enough that allocation need not wait for the cycle to end, late enough that most of
 * what was allocated is dead. What mutators allocate in the time of a cycle is predicted from the
 * last cycle and from the time before it; the next one starts when what remains free would just
 * last for one and a half of that, and for its targets. Bounds on both sides keep a single odd
 * cycle from upsetting it.
 *
 * Or earlier, when the heap has grown to what size.c finds worth its memory: the soft limit.
 *
 * Ration: while a cycle runs, what is free is handed out evenly over the time that it is expected
 * to need. A thread that is ahead of that waits a little at refill; so many short waits take the
 * place of one that lasts until the cycle has ended. The same idea, driven by time instead of by
 * work done, as the pacer of the Shenandoah collector (Flood et al., PPPJ 2016).
 *
 *        bytes |                     _____--------   ration
 *        handed|             _---                     the last seventh is stretched out for
 *        out   |       _---                           as long as the cycle is late
 *              | _---
 *              +----------------------|----------- time
 *                                 expected end
 *
 * [PC-1] Rationing only ever delays, by PACE_WAIT_MAX_NS at a time: whether memory can be had is decided
 *        by the region table alone.
 *
 * Who runs here: mutators ask at refill; the cycle's thread sets trigger and ration. */
#include <linux/futex.h>

#include "gc/base/clock.h"
#include "gc/collect/collect.h"
#include "gc/collect/workers.h"
#include "gc/os/sys.h"

#define PACE_WAIT_MIN_NS 60000	  /* shorter ones cost more than they even out */
#define PACE_WAIT_MAX_NS 4000000  /* at a time, so that no wait is long */
#define PACE_FIRST_REGIONS 8	  /* at least, from one cycle to the next */
#define PACE_LEAST_UNITS 1000	  /* to tell from them what one takes */
#define PACE_FREELY 0.0625	  /* of a ration, at once */
#define PACE_LEAST_LIVE GC_MIB(4) /* below, marking's fixed costs decide */
#define PACE_ON_TIME 0.85	  /* of a ration, until the expected end */

static uint64_t pace_free_bytes(const struct gc_heap *heap)
{
	uint32_t used = gc_load_relaxed(&heap->regions.used),
		 limit = gc_regions_limit(&heap->regions); /* hints */

	return (uint64_t)(limit > used ? limit - used : 0) << heap->regions.region_shift;
}

void gc_pace_init(struct gc_heap *heap)
{
	uint64_t soft_regions;

	gc_size_init(heap);
	soft_regions = gc_load_relaxed(&heap->soft_limit_bytes) >> heap->regions.region_shift;
	/* A hint, as all of the trigger's readers know. */
	gc_store_relaxed(&heap->trigger_regions,
			 (uint32_t)gc_min(gc_max(soft_regions, PACE_FIRST_REGIONS),
					  gc_regions_limit(&heap->regions) / 2));
	heap->pace.cycle_ended_ns = gc_clock_ns();
}

bool gc_pace_wants_cycle(struct gc_heap *heap)
{
	uint64_t every = heap->config.cycle_every_bytes;

	/* Relaxed: a request that comes one TLAB late changes nothing. */
	if (every && gc_load_relaxed(&heap->allocated_bytes) -
				     gc_load_relaxed(&heap->allocated_at_cycle_start) >=
			     every)
		return true;
	return gc_load_relaxed(&heap->regions.used) >= gc_load_relaxed(&heap->trigger_regions);
}

/* --- ration ----------------------------------------------------------------------------------- */

/* The fields are read one by one while they change: a mixture costs one wait of [PC-1] at most. */
static void pace_set_ration(struct gc_heap *heap, uint64_t bytes, uint64_t duration_ns)
{
	struct gc_pace *pace = &heap->pace;

	gc_store_relaxed(&pace->ration_bytes, 0);
	gc_store_relaxed(&pace->ration_from_bytes, gc_load_relaxed(&heap->allocated_bytes));
	gc_store_relaxed(&pace->ration_from_ns, gc_clock_ns());
	gc_store_relaxed(&pace->ration_ns, gc_max(duration_ns, UINT64_C(1)));
	gc_store_relaxed(&pace->ration_bytes, bytes);
	/* Whoever waits by the old ration asks again. */
	gc_add_relaxed(&pace->gate, 1);					 /* the futex orders it */
	gc_sys->futex(&pace->gate, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL); /* lost: waits end alone */
}

/* In a heap so tight that each cycle has to win back what is allocated during it, targets need the
 * larger part of what is free when it starts: copying a byte wins about 0.7 bytes, regions worth
 * moving being a little more than half full. So mutators get 0.7 / (1 + 0.7) of it. */
#define PACE_MUTATORS 0.42

/* How long pages will move. As long as nothing has moved yet: about as long as marking took. */
static uint64_t pace_expected_move_ns(const struct gc_heap *heap)
{
	const struct gc_pace *pace = &heap->pace;

	return pace->move_ns ? pace->move_ns : gc_max(pace->mark_ns, heap->cycle.mark_ns);
}

/* What of `free_bytes` to keep for mutators while the cycle plans and pages move: half as much again as
 * they took the last times, often little, since they have faults to serve; and some regions of each
 * range. */
static uint64_t pace_moving_bytes(const struct gc_heap *heap, uint64_t free_bytes)
{
	uint64_t guess = (uint64_t)(heap->size.rate * (double)pace_expected_move_ns(heap));
	uint64_t taken = heap->pace.moving_bytes ? heap->pace.moving_bytes : guess;
	uint64_t expected = taken + taken / 2;
	uint64_t regions = UINT64_C(8) << heap->regions.region_shift;

	return gc_min(gc_max(expected, gc_max(free_bytes / 8, regions)), free_bytes / 2);
}

/* What mutators get of what is free while a cycle marks and moves: their part as above, or, in a roomy heap,
 * all that twice the usual targets leave. */
static uint64_t pace_share_bytes(const struct gc_heap *heap, uint64_t free_bytes)
{
	uint64_t reserve = (uint64_t)heap->regions.reserve_regions << heap->regions.region_shift;
	uint64_t live = gc_load_relaxed(&heap->stats.live_bytes); /* this thread counts it */
	uint64_t targets = heap->pace.target_bytes ? heap->pace.target_bytes : live / 4;
	uint64_t room = free_bytes + reserve;

	return gc_max((uint64_t)((double)room * PACE_MUTATORS), room - gc_min(2 * targets, room));
}

/* How long marking will take, of what may be alive: between what was in the last cycle, and all that is in
 * use. Marking takes as long as what it finds alive, and that may have changed much. */
static uint64_t pace_expected_mark_ns(const struct gc_heap *heap)
{
	uint64_t live = gc_load_relaxed(&heap->stats.live_bytes); /* as above */
	uint64_t used = gc_load_relaxed(&heap->regions.used);	  /* a hint */
	uint64_t used_bytes = used << heap->regions.region_shift;
	uint64_t bytes = (live + gc_max(used_bytes, live)) / 2;

	return (uint64_t)(heap->pace.mark_byte_ns * (double)gc_max(bytes, PACE_LEAST_LIVE));
}

void gc_pace_marking(struct gc_heap *heap)
{
	uint64_t free_bytes = pace_free_bytes(heap);
	uint64_t share = pace_share_bytes(heap, free_bytes);
	uint64_t moving = pace_moving_bytes(heap, free_bytes);

	if (!heap->cycle.stop_the_world && heap->pace.mark_byte_ns > 0)
		pace_set_ration(heap, gc_min(gc_max(share, 2 * moving) - moving, free_bytes),
				pace_expected_mark_ns(heap));
}

uint64_t gc_pace_target_bytes(const struct gc_heap *heap)
{
	uint64_t free_bytes = pace_free_bytes(heap);
	uint64_t reserve = (uint64_t)heap->regions.reserve_regions << heap->regions.region_shift;

	return reserve + free_bytes - pace_moving_bytes(heap, free_bytes);
}

/* Moving: targets are taken; what is free is the mutators'. */
void gc_pace_moving(struct gc_heap *heap)
{
	heap->pace.moving_cpu_ns = gc_clock_thread_ns();
	if (!heap->cycle.stop_the_world && heap->cycle.evacuated_count)
		pace_set_ration(heap, pace_free_bytes(heap), pace_expected_move_ns(heap));
}

/* How much was taken while pages moved; twice that if the ration was felt. */
static void pace_note_moving(struct gc_heap *heap)
{
	struct gc_pace *pace = &heap->pace;
	uint64_t taken = gc_load_relaxed(&heap->allocated_bytes) - pace->ration_from_bytes;

	if (pace->ration_bytes == 0 || heap->cycle.evacuated_count == 0)
		return;
	if (taken > pace->ration_bytes / 2)
		taken *= 2;
	pace->moving_bytes = gc_max(taken, (pace->moving_bytes + taken) / 2);
}

/* CPU time a page takes from the plan on: the flip, building it, attaching it. */
static void pace_note_unit(struct gc_heap *heap)
{
	const struct gc_cycle *cycle = &heap->cycle;
	uint64_t moved_ns =
		(gc_clock_thread_ns() - heap->pace.moving_cpu_ns) * gc_workers_count(heap);
	uint64_t units = cycle->dirty_pages + (cycle->evacuated_bytes >> heap->view.page_shift);
	double unit_ns = (double)moved_ns / (double)gc_max(units, 1);

	if (cycle->mode == GC_FLIP_DETACH && units >= PACE_LEAST_UNITS)
		heap->pace.unit_ns = heap->pace.unit_ns > 0 ? (heap->pace.unit_ns + unit_ns) / 2
							    : unit_ns;
}

/* When, from the start of the ration, may `share` of it be out? */
static double pace_due_ns(double share, double duration_ns)
{
	double paid = (share - PACE_FREELY) / (1 - PACE_FREELY);

	if (paid <= 0)
		return 0;
	if (paid < PACE_ON_TIME)
		return paid / PACE_ON_TIME * duration_ns;
	if (paid >= 1)
		return 1e18;
	return duration_ns / (1 - (paid - PACE_ON_TIME) / (1 - PACE_ON_TIME));
}

uint64_t gc_pace_wait_ns(struct gc_heap *heap, uint32_t *gate)
{
	struct gc_pace *pace = &heap->pace;
	uint64_t ration, taken;
	double due_ns, elapsed_ns;

	*gate = gc_load_relaxed(&pace->gate);
	ration = gc_load_relaxed(&pace->ration_bytes); /* as in pace_set_ration, and so below */
	if (ration == 0)
		return 0;
	taken = gc_load_relaxed(&heap->allocated_bytes) - gc_load_relaxed(&pace->ration_from_bytes);
	due_ns = pace_due_ns((double)taken / (double)ration,
			     (double)gc_load_relaxed(&pace->ration_ns));
	elapsed_ns = (double)(gc_clock_ns() - gc_load_relaxed(&pace->ration_from_ns));
	if (due_ns < elapsed_ns + PACE_WAIT_MIN_NS)
		return 0;
	return (uint64_t)gc_min(due_ns - elapsed_ns, (double)PACE_WAIT_MAX_NS);
}

void gc_pace_wait(struct gc_heap *heap, uint32_t gate, uint64_t wait_ns)
{
	struct timespec timeout = {.tv_nsec = (long)wait_ns};

	gc_sys->futex(&heap->pace.gate, FUTEX_WAIT_PRIVATE, gate, &timeout); /* any return: go on */
}

/* --- trigger ---------------------------------------------------------------------------------- */

/* The longer of the last and a running mean: late is worse than early. */
static uint64_t pace_expect(uint64_t *mean_ns, uint64_t last_ns)
{
	*mean_ns = *mean_ns ? (3 * *mean_ns + last_ns) / 4 : last_ns;
	return gc_max(*mean_ns, last_ns);
}

/* What marking takes, by what it found alive. */
static void pace_note_marking(struct gc_heap *heap)
{
	struct gc_pace *pace = &heap->pace;
	double bytes = (double)gc_max(heap->cycle.live_bytes, PACE_LEAST_LIVE);
	double byte_ns = (double)heap->cycle.mark_ns / bytes;
	double mean = pace->mark_byte_mean_ns;

	pace->mark_byte_mean_ns = mean > 0 ? (3 * mean + byte_ns) / 4 : byte_ns;
	pace->mark_byte_ns = gc_max(pace->mark_byte_mean_ns, byte_ns);
	pace->mark_ns = (uint64_t)(pace->mark_byte_ns * bytes);
}

/* What mutators would allocate in the time of a cycle that moves something, unhindered. */
static uint64_t pace_predict_bytes(const struct gc_heap *heap, uint64_t now_ns)
{
	const struct gc_pace *pace = &heap->pace;
	uint64_t at_start = gc_load_relaxed(&heap->allocated_at_cycle_start);
	uint64_t during = gc_load_relaxed(&heap->allocated_bytes) - at_start;
	uint64_t between = at_start - pace->cycle_ended_bytes;
	uint64_t between_ns =
		heap->cycle.start_ns - gc_min(pace->cycle_ended_ns, heap->cycle.start_ns);
	double rate = (double)between / (double)gc_max(between_ns, UINT64_C(1000000));
	uint64_t cycle_ns = gc_max(now_ns - heap->cycle.start_ns,
				   heap->cycle.mark_ns + pace_expected_move_ns(heap));

	return gc_max(during, (uint64_t)(rate * (double)cycle_ns));
}

/* Memory for targets: as much as the last times, or, as long as nothing has moved, a part of what is live. */
static uint64_t pace_expect_targets(struct gc_heap *heap)
{
	uint64_t bytes = (uint64_t)heap->cycle.target_count << heap->regions.region_shift;
	struct gc_pace *pace = &heap->pace;

	if (heap->cycle.evacuated_count)
		pace->target_bytes = gc_max(bytes, (pace->target_bytes + bytes) / 2);
	return pace->target_bytes ? pace->target_bytes : heap->cycle.live_bytes / 4;
}

/* The soft limit's say: `extra` bytes from one cycle's start to the next one's, of which this cycle's
 * mutators have taken some; but never so soon that cycles follow each other without a gap. */
static uint64_t pace_soft_trigger(const struct gc_heap *heap, uint64_t extra_bytes, uint32_t used)
{
	uint64_t during = gc_load_relaxed(&heap->allocated_bytes) -
			  gc_load_relaxed(&heap->allocated_at_cycle_start); /* hints */
	uint64_t soft = gc_load_relaxed(&heap->soft_limit_bytes);	    /* own writing */
	uint64_t gap = gc_max(extra_bytes / 4, heap->cycle.live_bytes / 16);
	uint64_t at = soft > during ? soft - during : 0;

	gap = gc_max(gap >> heap->regions.region_shift, PACE_FIRST_REGIONS);
	return gc_max(at >> heap->regions.region_shift, used + gap);
}

static void pace_set_trigger(struct gc_heap *heap, uint64_t predicted_bytes, uint64_t extra_bytes)
{
	uint32_t limit = gc_regions_limit(&heap->regions),
		 used = gc_load_relaxed(&heap->regions.used); /* hints */
	uint32_t room = limit > used ? limit - used : 0;
	uint64_t lead = predicted_bytes + predicted_bytes / 2 + pace_expect_targets(heap) +
			heap->config.heap_max_bytes / 64;
	uint64_t lead_regions = lead >> heap->regions.region_shift;
	uint64_t latest = used + room - room / 8;
	/* Where it did not pay to move anything, it will not a little later. */
	uint64_t earliest = used + room / (heap->cycle.evacuated_count ? 16 : 3);
	uint64_t trigger = limit > lead_regions ? limit - lead_regions : 0;

	trigger = gc_min(gc_max(trigger, earliest), latest);
	trigger = gc_min(trigger, pace_soft_trigger(heap, extra_bytes, used));
	gc_store_relaxed(&heap->trigger_regions, (uint32_t)trigger);
}

void gc_pace_after_cycle(struct gc_heap *heap)
{
	struct gc_pace *pace = &heap->pace;
	uint64_t now_ns = gc_clock_ns();
	uint64_t whole_ns = now_ns - heap->cycle.start_ns, mark_ns = heap->cycle.mark_ns;

	pace_set_trigger(heap, pace_predict_bytes(heap, now_ns), gc_size_after_cycle(heap));
	if (!heap->cycle.stop_the_world) {
		pace_note_marking(heap);
		if (heap->cycle.evacuated_count)
			pace->move_ns = pace_expect(&pace->move_mean_ns,
						    whole_ns - gc_min(mark_ns, whole_ns));
	}
	pace_note_moving(heap);
	pace_note_unit(heap);
	pace->cycle_ended_ns = now_ns;
	pace->cycle_ended_bytes = gc_load_relaxed(&heap->allocated_bytes);
	pace_set_ration(heap, 0, 0);
}
