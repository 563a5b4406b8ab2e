/* test/unit/test_sizing.c: the size of the heap: what each policy makes of its soft limit, when the first
 * cycle starts, and what sizes are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/base/atomic.h"
#include "gc/collect/collect.h"
#include "test/support/heap.h"

#define MIB (UINT64_C(1) << 20)

struct link {
	struct plx_header header;
	struct link *next;
	char payload[1008];
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *links;

static void start(const char *const *options)
{
	static const size_t next[] = {offsetof(struct link, next)};

	test_heap_open(&heap, &thread, options);
	links = plx_layout_fixed(heap, sizeof(struct link), next, 1, NULL);
	assert_non_null(links);
}

static void stop(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

/* Allocate, and keep it all if there is a handle to keep it in. */
static void allocate(uint64_t bytes, struct plx_handle *keep)
{
	for (uint64_t done = 0; done < bytes; done += sizeof(struct link)) {
		struct link *link = plx_alloc(thread, links);

		assert_non_null(link);
		if (keep == NULL)
			continue;
		link->next = keep->ref;
		plx_handle_set(thread, keep, link);
	}
}

static struct plx_stats stats(void)
{
	struct plx_stats now;

	plx_heap_stats(heap, &now);
	return now;
}

/* The collector's thread starts a cycle a little after it was asked to. */
static void wait_for_a_cycle(void)
{
	while (stats().cycles == 0) {
		plx_block_enter(thread);
		usleep(5000);
		plx_block_exit(thread);
	}
}

static void test_initial_size_decides_the_first_cycle(void **state)
{
	(void)state;
	start((const char *const[]){"GC_HEAP_MAX", "256M", "GC_HEAP_INITIAL", "8M", NULL});
	assert_int_equal(stats().soft_limit_bytes, 8 * MIB);
	allocate(4 * MIB, NULL);
	assert_int_equal(stats().cycles, 0);
	allocate(8 * MIB, NULL);
	wait_for_a_cycle();
	stop();
}

static void test_fixed_uses_all(void **state)
{
	(void)state;
	start((const char *const[]){"GC_HEAP_MAX", "256M", "GC_HEAP_POLICY", "fixed", NULL});
	assert_int_equal(stats().soft_limit_bytes, 256 * MIB);
	allocate(100 * MIB, NULL);
	assert_int_equal(stats().cycles, 0);
	plx_collect(thread);
	assert_int_equal(stats().soft_limit_bytes, 256 * MIB);
	stop();
}

static void test_grow_follows_what_is_live(void **state)
{
	struct plx_handle *keep;
	struct plx_stats now;

	(void)state;
	start((const char *const[]){"GC_HEAP_MAX", "256M", "GC_HEAP_INITIAL", "1M",
				    "GC_HEAP_POLICY", "grow", "GC_HEAP_GROWTH", "50", NULL});
	keep = plx_handle_create(thread, NULL);
	allocate(20 * MIB, keep);
	plx_collect(thread);
	now = stats();
	assert_in_range(now.live_bytes, 20 * MIB, 40 * MIB);
	assert_in_range(now.soft_limit_bytes, now.live_bytes * 3 / 2 - 16,
			now.live_bytes * 3 / 2 + 16);
	plx_handle_set(thread, keep, NULL);
	plx_collect(thread);
	assert_true(stats().soft_limit_bytes <= 2 * MIB); /* it shrinks, too */
	plx_handle_release(thread, keep);
	stop();
}

/* extra = sqrt(live * rate / (speed * price)): a tenth of the price, about three times the extra. The
 * rates are the machine's, so only the direction and the bounds can be told. */
static void test_balance_weighs_memory_by_its_price(void **state)
{
	uint64_t extra[2];

	(void)state;
	for (int dear = 0; dear < 2; dear++) {
		struct plx_handle *keep;

		start((const char *const[]){"GC_HEAP_MAX", "1G", "GC_HEAP_INITIAL", "1M",
					    "GC_HEAP_BALANCE", dear ? "1000000" : "1", NULL});
		keep = plx_handle_create(thread, NULL);
		allocate(8 * MIB, keep);
		plx_collect(thread);
		allocate(8 * MIB, NULL);
		plx_collect(thread);
		assert_true(stats().soft_limit_bytes >= stats().live_bytes);
		assert_true(stats().soft_limit_bytes <= 1024 * MIB);
		extra[dear] = stats().soft_limit_bytes - stats().live_bytes;
		plx_handle_release(thread, keep);
		stop();
	}
	assert_true(extra[0] > 2 * extra[1]);
}

/* What 64 MiB alive are worth in extra memory after `allocated` bytes, if a page costs `page_ns`. */
static double extra_of_64_mib(uint32_t cpus, uint64_t allocated, double page_ns)
{
	struct gc_heap *gc = (struct gc_heap *)heap;

	gc->cpus = cpus;
	gc->size.rate = gc->size.speed = 1;
	gc->size.page_ns = page_ns;
	gc_store_relaxed(&gc->allocated_bytes, allocated); /* nobody allocates */
	return gc_size_extra_bytes(gc, 64 * MIB);
}

/* [SZ-2] With the default price alone 64 MiB alive would get sqrt(64 / 0.0002) = 566 MiB more. */
static void test_new_pages_have_to_be_worth_making(void **state)
{
	const uint32_t cpus[] = {1, 2}; /* there is one mutator */
	double extra[2], all = 565.7 * MIB;

	(void)state;
	start((const char *const[]){"GC_HEAP_MAX", "4G", "GC_HEAP_INITIAL", "1G", NULL});
	assert_in_range(extra_of_64_mib(1, 100 * MIB, 0), 565 * MIB, 567 * MIB);
	/* The longer it has allocated, the longer it may go on. */
	extra[0] = extra_of_64_mib(1, 100 * MIB, 10000);
	extra[1] = extra_of_64_mib(1, 1000 * MIB, 10000);
	assert_true(64 * MIB <= extra[0] && extra[0] < extra[1] && extra[1] < all);
	/* A CPU that makes them in advance makes them cheaper. */
	for (int i = 0; i < 2; i++)
		extra[i] = extra_of_64_mib(cpus[i], 300 * MIB, 10000);
	assert_true(extra[0] < extra[1] && extra[1] < all);
	/* As much as is alive always, and what exists. */
	assert_in_range(extra_of_64_mib(1, MIB, 1e9), 64 * MIB - 1, 64 * MIB + 1);
	allocate(200 * MIB, NULL);
	assert_true(extra_of_64_mib(1, MIB, 1e9) >= (200 - 64 - 2) * MIB);
	stop();
}

/* More is live than the soft limit allows: collected more often, never refused. [SZ-1] */
static void test_soft_maximum_is_soft(void **state)
{
	struct plx_handle *keep;

	(void)state;
	start((const char *const[]){"GC_HEAP_MAX", "256M", "GC_HEAP_SOFT_MAX", "16M",
				    "GC_HEAP_INITIAL", "8M", NULL});
	keep = plx_handle_create(thread, NULL);
	allocate(64 * MIB, keep);
	wait_for_a_cycle();
	assert_true(stats().soft_limit_bytes <= 16 * MIB);
	assert_true(stats().used_bytes >= 64 * MIB);
	plx_handle_release(thread, keep);
	stop();
}

static void test_sizes_that_contradict_are_refused(void **state)
{
	struct plx_error error;

	(void)state;
	assert_int_equal(test_heap_create(&heap,
					  (const char *const[]){"GC_HEAP_MAX", "64M",
								"GC_HEAP_SOFT_MAX", "65M", NULL},
					  &error),
			 PLX_ERROR_OPTION);
	assert_non_null(strstr(error.message, "GC_HEAP_SOFT_MAX"));
	assert_null(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initial_size_decides_the_first_cycle),
		cmocka_unit_test(test_fixed_uses_all),
		cmocka_unit_test(test_grow_follows_what_is_live),
		cmocka_unit_test(test_balance_weighs_memory_by_its_price),
		cmocka_unit_test(test_new_pages_have_to_be_worth_making),
		cmocka_unit_test(test_soft_maximum_is_soft),
		cmocka_unit_test(test_sizes_that_contradict_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
