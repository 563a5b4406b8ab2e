/* test/unit/test_torture.c: each word of GC_TORTURE does what it says, counted, and the heap stays whole
 * with it; and what cannot be is refused. Sees internals. */
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/collect/workers.h"
#include "runtime/world.h"

#define NODES 4000

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
	uint64_t filling[29]; /* 256 bytes */
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes;
static struct plx_handle *list;

static enum plx_status heap_try(const char *const settings[], struct plx_error *error)
{
	struct plx_heap_config config;

	plx_config_init(&config);
	assert_int_equal(plx_config_from_environment(&config, NULL), PLX_OK);
	plx_config_set(&config, "GC_HEAP_MAX", "32M", NULL);
	plx_config_set(&config, "GC_EVACUATE", "all", NULL);
	plx_config_set(&config, "GC_CYCLE_EVERY", "1T", NULL);
	for (int i = 0; settings[i]; i += 2)
		assert_int_equal(plx_config_set(&config, settings[i], settings[i + 1], NULL),
				 PLX_OK);
	return plx_heap_create(&config, &heap, error);
}

static void heap_open(const char *const settings[])
{
	static const size_t offsets[] = {offsetof(struct node, next)};

	if (heap_try(settings, NULL) != PLX_OK)
		skip();
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	list = plx_handle_create(thread, NULL);
}

#define OPEN(...) heap_open((const char *const[]){__VA_ARGS__, NULL})

static void heap_close(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

static struct plx_stats stats(void)
{
	struct plx_stats now;

	plx_heap_stats(heap, &now);
	return now;
}

/* Every second node is garbage. */
static void list_make(void)
{
	plx_handle_set(thread, list, NULL);
	for (uint64_t i = 0; i < 2 * NODES; i++) {
		struct node *node = plx_alloc(thread, nodes);

		assert_non_null(node);
		if (i % 2)
			continue;
		node->value = i / 2;
		node->next = list->ref;
		plx_handle_set(thread, list, node);
	}
}

static bool list_is_whole(const struct plx_handle *from)
{
	uint64_t value = NODES;

	for (const struct node *node = from->ref; node; node = node->next)
		if (node->value != --value)
			return false;
	return value == 0;
}

/* ---- when to collect ---- */

static __attribute__((noinline)) void place_a(void)
{
	assert_non_null(plx_alloc(thread, nodes));
	__asm__ volatile("");
}

static __attribute__((noinline)) void place_b(void)
{
	assert_non_null(plx_alloc(thread, nodes));
	__asm__ volatile("");
}

static void (*volatile const places[])(void) = {place_a, place_b, place_a, place_b};

static void test_sites(void **state)
{
	uint64_t before;

	(void)state;
	OPEN("GC_TORTURE", "sites");
	for (int round = 0; round < 5; round++) {
		before = stats().cycles;
		for (int i = 0; i < 4; i++) /* one call, so two backtraces */
			places[i]();
		assert_int_equal(stats().cycles - before, round == 0 ? 2 : 0);
	}
	before = stats().cycles;
	places[0](); /* from another place */
	assert_int_equal(stats().cycles - before, 1);
	assert_int_equal(heap->gc.torture.sites, 3);
	heap_close();
}

static void test_safepoints(void **state)
{
	uint64_t before;

	(void)state;
	OPEN("GC_TORTURE", "safepoints", "GC_VERIFY", "1", "GC_REGION_BYTES", "64K");
	before = stats().cycles;
	for (int i = 0; i < 50; i++)
		plx_poll(thread);
	assert_int_equal(stats().cycles - before, 50);
	for (int i = 0; i < 20; i++) { /* a refill polls, too */
		struct node *node = plx_alloc(thread, nodes);

		node->value = (uint64_t)i;
		node->next = list->ref;
		plx_handle_set(thread, list, node);
		plx_poll(thread);
		assert_int_equal(((struct node *)list->ref)->value, i);
	}
	assert_true(stats().cycles - before >= 70);
	assert_int_equal(heap->gc.torture.collected, stats().cycles);
	heap_close();
}

static void test_bytes(void **state)
{
	uint64_t before;

	(void)state;
	OPEN("GC_TORTURE", "bytes", "GC_CYCLE_EVERY", "64K");
	before = stats().cycles;
	for (int i = 0; i < 64 * 256; i++) /* 4 MiB */
		assert_non_null(plx_alloc(thread, nodes));
	assert_in_range(stats().cycles - before, 62, 64);
	heap_close();
}

/* ---- where things go ---- */

/* How many nodes lie directly in front of the one that they refer to, or behind it. */
static unsigned neighbours(void)
{
	unsigned count = 0;

	for (const struct node *node = list->ref; node && node->next; node = node->next)
		count += node->next + 1 == node || node + 1 == node->next;
	return count;
}

static void gaps(const char *plan)
{
	unsigned with, without;

	OPEN("GC_PLAN", plan, "GC_VERIFY", "1");
	list_make();
	plx_collect(thread);
	without = neighbours();
	assert_int_equal(heap->gc.torture.gaps, 0);
	heap_close();
	OPEN("GC_PLAN", plan, "GC_VERIFY", "1", "GC_TORTURE", "gaps,7");
	list_make();
	plx_collect(thread);
	with = neighbours();
	for (int i = 0; i < 10; i++) {
		assert_true(list_is_whole(list));
		plx_collect(thread);
	}
	assert_true(heap->gc.torture.gaps > 10000);
	assert_true(heap->gc.torture.gap_bytes > 64 * heap->gc.torture.gaps);
	assert_true(without > NODES / 2);
	if (with >= without / 4)
		fail_msg("%u neighbours with gaps, %u without", with, without);
	heap_close();
}

static void test_gaps(void **state)
{
	(void)state;
	gaps("minor");
	gaps("copy");
	gaps("stw");
}

static void test_small_regions(void **state)
{
	(void)state;
	OPEN("GC_TORTURE", "small-regions");
	assert_int_equal(heap->gc.regions.region_bytes, 64 << 10);
	heap_close();
}

static void page_extents(const char *plan, const char *delivery, const char *flip)
{
	OPEN("GC_TORTURE", "page-extents", "GC_HEAP_MAX", "16M", "GC_PLAN", plan,
	     "GC_UFFD_DELIVERY", delivery, "GC_FLIP", flip, "GC_VERIFY", "1");
	assert_int_equal(heap->gc.view.extent_bytes, plx_heap_plan(heap) == PLX_PLAN_COPY
							     ? heap->gc.regions.region_bytes
							     : heap->gc.view.page_bytes);
	list_make();
	for (int i = 0; i < 5; i++) {
		plx_collect(thread);
		assert_true(list_is_whole(list));
	}
	assert_true(stats().flips >= 5);
	assert_int_equal(stats().degraded, 0);
	heap_close();
}

static void test_page_extents(void **state)
{
	(void)state;
	page_extents("minor", "thread", "detach");
	page_extents("minor", "sigbus", "zap");
	page_extents("copy", "thread", "auto");
}

/* ---- who does it ---- */

static void test_few_workers(void **state)
{
	unsigned seen = 0;

	(void)state;
	OPEN("GC_TORTURE", "few-workers,3", "GC_WORKERS", "4", "GC_VERIFY", "1");
	list_make();
	for (int i = 0; i < 40; i++)
		plx_collect(thread);
	assert_true(list_is_whole(list));
	for (int i = 1; i <= 4; i++)
		seen += heap->gc.torture.crews[i] != 0;
	assert_int_equal(seen, 4);
	assert_int_equal(heap->gc.torture.crews[0] + heap->gc.torture.crews[5], 0);
	heap_close();
}

static uint32_t reader_stop; /* atomic */

/* Walks the list all the time, so that it meets pages that are away. */
static void *reader_main(void *argument)
{
	struct plx_thread *self = NULL;

	(void)argument;
	if (plx_thread_attach(heap, &self, NULL) != PLX_OK)
		abort();
	while (!gc_load_acquire(&reader_stop)) {
		if (!list_is_whole(list))
			abort();
		plx_poll(self);
	}
	plx_thread_detach(self);
	return NULL;
}

/* Cycles until `count` of both together have been seen: how many each gives is the scheduler's affair. */
static void first(const char *torture, const char *delivery, uint64_t count)
{
	const struct gc_torture *seen;

	pthread_t reader;

	OPEN("GC_TORTURE", torture, "GC_PLAN", "minor", "GC_UFFD_DELIVERY", delivery, "GC_FLIP",
	     "detach");
	list_make();
	gc_store_release(&reader_stop, 0);
	assert_int_equal(pthread_create(&reader, NULL, reader_main, NULL), 0);
	seen = &heap->gc.torture; /* Relaxed: late is one more cycle. */
	for (int i = 0;
	     i < 20 || gc_load_relaxed(&seen->let_first) + gc_load_relaxed(&seen->waited) <= count;
	     i++)
		plx_collect(thread);
	gc_store_release(&reader_stop, 1);
	plx_block_enter(thread);
	pthread_join(reader, NULL);
	plx_block_exit(thread);
}

static void test_mutator_first(void **state)
{
	(void)state;
	first("mutator-first", "sigbus", 20);
	assert_true(heap->gc.torture.let_first > 20);
	assert_int_equal(heap->gc.torture.waited, 0);
	heap_close();
	first("mutator-first", "thread", 20);
	assert_true(heap->gc.torture.let_first > 20);
	heap_close();
}

static void test_collector_first(void **state)
{
	(void)state;
	first("collector-first", "sigbus", 0);
	assert_true(heap->gc.torture.waited > 0);
	assert_int_equal(heap->gc.torture.let_first, 0);
	heap_close();
	first("collector-first", "thread", 0);
	assert_true(heap->gc.torture.waited > 0);
	heap_close();
}

static void test_any_first(void **state)
{
	(void)state;
	first("any-first,5", "sigbus", 0);
	assert_true(heap->gc.torture.waited + heap->gc.torture.let_first > 0);
	heap_close();
}

/* ---- the option ---- */

static void refused(const char *name, const char *value, const char *more, const char *with,
		    const char *word)
{
	struct plx_error error = {0};

	assert_int_equal(heap_try((const char *const[]){name, value, more, with, NULL}, &error),
			 PLX_ERROR_OPTION);
	if (!strstr(error.message, word))
		fail_msg("`%s` is not in: %s", word, error.message);
}

static void test_refused(void **state)
{
	(void)state;
	refused("GC_TORTURE", "mutator-first,any-first", NULL, NULL, "only one of");
	refused("GC_TORTURE", "page-extents", "GC_HEAP_MAX", "65M", "at most 64M");
	refused("GC_TORTURE", "bytes", "GC_CYCLE_EVERY", "0", "GC_CYCLE_EVERY");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sites),		cmocka_unit_test(test_safepoints),
		cmocka_unit_test(test_bytes),		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_small_regions),	cmocka_unit_test(test_page_extents),
		cmocka_unit_test(test_few_workers),	cmocka_unit_test(test_mutator_first),
		cmocka_unit_test(test_collector_first), cmocka_unit_test(test_any_first),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
