/* test/unit/test_pace.c: what pacing expects of a cycle that moves something: learnt only from cycles that did,
 * and not nothing as long as none has. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/base/atomic.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room_for_targets_before_any_were_needed),
		cmocka_unit_test(test_moves_are_learnt_from_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
