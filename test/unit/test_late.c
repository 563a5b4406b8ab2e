/* test/unit/test_late.c: the list of pages that were flagged while the plan was made: a place in it that was taken
 * before the plan counted dirty pages is none, since a slow thread would overwrite somebody else's page [B-4]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/base/atomic.h"
#include "gc/collect/collect.h"
#include "test/support/heap.h"

#define NOBODY 0x5eed

static struct plx_heap *heap;
static struct plx_thread *thread;

static uint32_t count(const struct gc_heap *gc)
{
	return gc_load_relaxed(&gc->late.count); /* one thread, as everywhere here */
}

/* What a mutator does that stores into a page for the first time while the plan is made. */
static void flag(struct gc_heap *gc, uint32_t page)
{
	gc_barrier_flag_page(gc, (struct gc_page){page}, GC_PAGE_ANY);
}

static void test_a_place_belongs_to_one_thread(void **state)
{
	struct gc_heap *gc;

	(void)state;
	test_heap_open(&heap, &thread,
		       (const char *const[]){"GC_HEAP_MAX", "32M", "GC_EVACUATE", "none", NULL});
	gc = (struct gc_heap *)heap;
	plx_collect(thread);
	/* Nothing was to be moved, so nothing was listed. */
	assert_true(count(gc) >= GC_LATE_CLOSED);
	gc->late.pages[0] = NOBODY;
	gc_store_relaxed(&gc->phase, GC_PHASE_PLANNING);
	/* The scan will see it: a place in the list would be written at any later time. */
	flag(gc, 100);
	assert_int_equal(gc->late.pages[0], NOBODY);
	gc_exchange_acq_rel(&gc->late.count, 0); /* [MO-LATE] as the plan does */
	flag(gc, 101);
	flag(gc, 101); /* not for the first time */
	flag(gc, 102);
	assert_int_equal(count(gc), 2);
	assert_int_equal(gc->late.pages[0], 101);
	assert_int_equal(gc->late.pages[1], 102);
	gc_store_relaxed(&gc->phase, GC_PHASE_IDLE);
	for (uint32_t page = 100; page <= 102; page++)
		gc->pages.flags[page] = 0;
	test_heap_close(heap, thread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_place_belongs_to_one_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
