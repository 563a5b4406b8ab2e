/* test/unit/test_pace.c: what pacing expects of a cycle that moves something: learnt only from cycles that did,
 * and not nothing as long as none has. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/base/atomic.h"
#include "gc/collect/collect.h"
#include "gc/heap/heap.h"
#include "test/support/heap.h"

#define MIB (UINT64_C(1) << 20)
#define LINKS 127

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *references;

static void start(const char *evacuate)
{
	test_heap_open(&heap, &thread,
		       (const char *const[]){"GC_HEAP_MAX", "64M", "GC_HEAP_POLICY", "fixed",
					     "GC_EVACUATE", evacuate, NULL});
	references = plx_layout_references(heap, NULL);
}

static void stop(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

/* Half of it stays. */
static void fill(uint64_t bytes)
{
	struct plx_handle *keep = plx_handle_create(thread, NULL);

	for (uint64_t i = 0; i < bytes / (8 * (LINKS + 1)); i++) {
		void **links = plx_alloc_array(thread, references, LINKS);

		assert_non_null(links);
		if (i % 2 == 0)
			continue;
		links[1] = keep->ref; /* fresh: a plain store */
		plx_handle_set(thread, keep, links);
	}
}

static void test_room_for_targets_before_any_were_needed(void **state)
{
	const struct gc_heap *gc;
	uint64_t trigger, limit;

	(void)state;
	start("none");
	gc = (const struct gc_heap *)heap;
	fill(24 * MIB);
	plx_collect(thread);
	plx_collect(thread);
	assert_int_equal(gc->pace.move_ns, 0);
	assert_int_equal(gc->pace.target_bytes, 0);
	trigger = (uint64_t)gc_load_relaxed(&gc->trigger_regions) * gc->regions.region_bytes;
	limit = (uint64_t)gc_regions_limit(&gc->regions) * gc->regions.region_bytes;
	assert_true(trigger + gc->cycle.live_bytes / 4 <= limit + gc->regions.region_bytes);
	stop();
}

static void test_moves_are_learnt_from_moves(void **state)
{
	const struct gc_heap *gc;

	(void)state;
	start("all");
	gc = (const struct gc_heap *)heap;
	fill(16 * MIB);
	plx_collect(thread);
	assert_true(gc->cycle.evacuated_count > 0);
	assert_true(gc->pace.target_bytes >= 7 * MIB);
	if (plx_heap_plan(heap) != PLX_PLAN_STW)
		assert_true(gc->pace.move_ns > 0);
	stop();
}

/* The ration of a cycle that begins now, after one that found `live` bytes alive and moved into `targets`. */
static uint64_t ration(struct gc_heap *gc, uint64_t live, uint64_t targets, uint64_t *duration_ns)
{
	gc->pace.mark_byte_ns = 1;
	gc->pace.move_ns = 1;
	gc->pace.moving_bytes = 1;
	gc->pace.target_bytes = targets;
	gc_store_relaxed(&gc->stats.live_bytes, live); /* no cycle runs, as below */
	gc_pace_marking(gc);
	*duration_ns = gc_load_relaxed(&gc->pace.ration_ns);
	return gc_load_relaxed(&gc->pace.ration_bytes);
}

static void test_marking_is_expected_to_follow_what_is_alive(void **state)
{
	struct gc_heap *gc;
	uint64_t used, after_much, after_little;

	(void)state;
	start("none");
	gc = (struct gc_heap *)heap;
	fill(24 * MIB);
	used = (uint64_t)gc_load_relaxed(&gc->regions.used) * gc->regions.region_bytes;
	ration(gc, 24 * MIB, MIB, &after_much);
	ration(gc, MIB, MIB, &after_little);
	assert_int_equal(after_much, (24 * MIB + used) / 2);
	assert_int_equal(after_little, (MIB + used) / 2);
	ration(gc, 0, MIB, &after_much);
	assert_true(after_much >= 4 * MIB);
	stop();
}

static void test_a_roomy_heap_is_the_mutators(void **state)
{
	struct gc_heap *gc;
	uint64_t room, usual, tight, ns;

	(void)state;
	start("none");
	gc = (struct gc_heap *)heap;
	fill(8 * MIB);
	room = (uint64_t)(gc_regions_limit(&gc->regions) - gc_load_relaxed(&gc->regions.used)) *
	       gc->regions.region_bytes;
	usual = ration(gc, 4 * MIB, MIB, &ns);
	tight = ration(gc, 4 * MIB, room, &ns);
	assert_true(usual >= room * 3 / 4); /* the rest: what is kept for the time of moving */
	assert_true(tight <= room / 2);
	stop();
}

/* Cycles that need more than there is follow each other soon, but not if there was nothing to win. */
static void test_a_cycle_that_moved_nothing_is_not_repeated_soon(void **state)
{
	struct gc_heap *gc;
	uint32_t after[2], used, limit;

	(void)state;
	start("none");
	gc = (struct gc_heap *)heap;
	fill(24 * MIB);
	plx_collect(thread);
	for (uint32_t moved = 0; moved < 2; moved++) {
		gc->cycle.evacuated_count = gc->cycle.target_count = moved;
		gc->pace.target_bytes = 512 * MIB; /* more than there is */
		gc_pace_after_cycle(gc);	   /* no cycle runs */
		after[moved] = gc_load_relaxed(&gc->trigger_regions);
	}
	used = gc_load_relaxed(&gc->regions.used);
	limit = gc_regions_limit(&gc->regions);
	assert_int_equal(after[0], used + (limit - used) / 3);
	assert_in_range(after[1], used, used + (limit - used) / 16 + 1);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room_for_targets_before_any_were_needed),
		cmocka_unit_test(test_moves_are_learnt_from_moves),
		cmocka_unit_test(test_marking_is_expected_to_follow_what_is_alive),
		cmocka_unit_test(test_a_roomy_heap_is_the_mutators),
		cmocka_unit_test(test_a_cycle_that_moved_nothing_is_not_repeated_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
