/* test/unit/test_supply.c: pages made ahead of mutators: that they are, and were looked at [SU-5], that a
 * flip never meets it [SU-2], that limits hold [SU-3] [SZ-2], and that a kernel that refuses costs nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/base/atomic.h"
#include "gc/heap/heap.h"
#include "gc/os/mman_abi.h"
#include "gc/os/sys.h"
#include "test/support/heap.h"

#define MIB (UINT64_C(1) << 20)

static struct gc_sys table;
static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *bytes_layout, *references_layout;
static int refusal;		    /* what MADV_POPULATE_WRITE answers; 0: what the kernel does */
static uint64_t asked, while_armed; /* atomics: calls of it; the supplier's while pages were away */
static bool feigned;		    /* the supplier's calls do nothing, and say that they did */
static char *feigned_first;	    /* atomic: the first of them */

static bool is_supplier(void)
{
	const struct gc_supply *supply = &((struct gc_heap *)heap)->supply;

	return supply->started && pthread_equal(pthread_self(), supply->thread);
}

static int watched_madvise(void *address, size_t length, int advice)
{
	if (advice == MADV_POPULATE_WRITE) {
		gc_add_relaxed(&asked, 1); /* counts, as the next */
		if (heap && is_supplier() && gc_load_relaxed(&((struct gc_heap *)heap)->armed))
			gc_add_relaxed(&while_armed, 1);
		if (refusal)
			return refusal;
		if (feigned && is_supplier()) {
			if (!gc_load_relaxed(&feigned_first)) /* one thread writes it */
				gc_store_relaxed(&feigned_first, (char *)address);
			return 0;
		}
	}
	return gc_sys_real.madvise(address, length, advice);
}

static void start(const char *supply, const char *max, int refuse)
{
	const char *const options[] = {
		"GC_SUPPLY",	   supply, "GC_HEAP_MAX", max,
		"GC_HEAP_INITIAL", "4M",   "GC_EVACUATE", "all",
		"GC_VERIFY",	   "1",	   NULL,
	};

	table = gc_sys_real;
	table.madvise = watched_madvise;
	gc_sys = &table;
	refusal = refuse;
	heap = NULL;
	assert_int_equal(test_heap_create(&heap, options, NULL), PLX_OK);
	asked = while_armed = 0; /* what kernels can do was tried before */
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	bytes_layout = plx_layout_bytes(heap, NULL);
	references_layout = plx_layout_references(heap, NULL);
}

static void stop(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
	gc_sys = &gc_sys_real;
}

static struct plx_stats stats(void)
{
	struct plx_stats now;

	plx_heap_stats(heap, &now);
	return now;
}

static char *allocate_one(const struct plx_layout *layout, uint64_t length)
{
	static const char zero[1000];
	char *object = plx_alloc_array(thread, layout, length);

	assert_non_null(object);
	assert_memory_equal(object + sizeof(struct plx_header), zero, sizeof(zero));
	return object;
}

/* Take `total` bytes of small objects of both ranges, and look at each byte: new memory is zero. Some are
 * kept until the next call, for a cycle to move. */
static void allocate(uint64_t total)
{
	struct plx_handle *keep = plx_handle_create(thread, NULL);
	uint64_t count = total / 2000;

	for (uint64_t i = 0; i < count; i++) {
		void **links;

		memset(allocate_one(bytes_layout, 1000) + sizeof(struct plx_header), 0xa5, 1000);
		links = (void **)(void *)allocate_one(references_layout, 125);
		if (i % 16 != 0)
			continue;
		links[1] = keep->ref; /* fresh: a plain store */
		plx_handle_set(thread, keep, links);
	}
	plx_collect(thread);
	plx_handle_release(thread, keep);
}

static void wait_for_supply(void)
{
	while (stats().supplied_bytes == 0) {
		plx_block_enter(thread);
		usleep(5000);
		plx_block_exit(thread);
	}
}

static bool kernel_can(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool can = madvise(memory, page, MADV_POPULATE_WRITE) == 0;

	munmap(memory, page);
	return can;
}

static void test_pages_are_made_ahead(void **state)
{
	(void)state;
	if (!kernel_can())
		skip();
	start("2", "64M", 0);
	allocate(2 * MIB);
	wait_for_supply();
	allocate(8 * MIB);
	stop();
}

/* [SZ-2] Asked for at each region, but there are as many as there should be. */
static void test_none_beyond_the_soft_limit(void **state)
{
	struct gc_heap *gc;

	(void)state;
	if (!kernel_can())
		skip();
	start("2", "64M", 0);
	gc = (struct gc_heap *)heap;
	gc_store_relaxed(&gc->soft_limit_bytes, 0); /* no cycle before 4 MiB */
	for (uint64_t i = 0; i < MIB / 1000; i++)
		allocate_one(bytes_layout, 1000);
	usleep(20000); /* the thread's chance to do what it must not */
	assert_int_equal(stats().supplied_bytes, 0);
	gc_store_relaxed(&gc->soft_limit_bytes, 64 * MIB); /* as above */
	for (uint64_t i = 0; i < MIB / 1000; i++)
		allocate_one(bytes_layout, 1000);
	wait_for_supply();
	stop();
}

/* [SU-5] If the call makes no page, looking at it does; but not where mutators need all CPUs. */
static void pages_are_looked_at(uint32_t cpus, bool looked_at)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char there[4] = {0};

	start("2", "64M", 0);
	((struct gc_heap *)heap)->cpus =
		cpus; /* the supplier is asleep until the first allocation */
	feigned_first = NULL;
	feigned = true;
	allocate_one(bytes_layout, 1000);
	wait_for_supply();
	assert_int_equal(mincore(gc_load_relaxed(&feigned_first), 4 * page, there), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(there[i] & 1, looked_at);
	stop();
	feigned = false;
}

static void test_pages_are_looked_at(void **state)
{
	(void)state;
	if (!kernel_can())
		skip();
	pages_are_looked_at(2, true);
	pages_are_looked_at(1, false);
}

static void test_without_the_thread_mutators_make_some_at_a_time(void **state)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	(void)state;
	start("0", "64M", 0);
	allocate(8 * MIB);
	/* Far fewer than pages; how many depends on how often memory was used again. */
	assert_in_range(asked, 1, 8 * MIB / page / 4);
	assert_int_equal(stats().supplied_bytes, 0);
	stop();
}

static void test_a_kernel_without_it_is_asked_once(void **state)
{
	(void)state;
	start("2", "64M", -EINVAL);
	allocate(16 * MIB);
	assert_in_range(asked, 1, 2); /* mutator and thread may ask at the same time */
	assert_int_equal(stats().supplied_bytes, 0);
	plx_collect(thread);
	stop();
}

static void test_no_memory_is_no_failure(void **state)
{
	(void)state;
	start("2", "64M", -ENOMEM);
	allocate(16 * MIB);
	assert_int_equal(stats().supplied_bytes, 0);
	plx_collect(thread);
	stop();
}

/* [SU-3] The verifier counts regions at every cycle; here the heap is full to the brim. */
static void test_limits_hold(void **state)
{
	struct plx_handle *keep;

	(void)state;
	start("64", "8M", 0);
	for (keep = plx_handle_create(thread, NULL);;) {
		void **link = plx_alloc_array(thread, references_layout, 100);

		if (link == NULL)
			break;
		link[1] = keep->ref;
		plx_handle_set(thread, keep, link);
	}
	assert_true(stats().used_bytes <= 8 * MIB);
	plx_handle_set(thread, keep, NULL);
	plx_collect(thread);
	allocate(4 * MIB);
	stop();
}

/* [SU-2] */
static void test_no_page_is_made_while_pages_are_away(void **state)
{
	(void)state;
	start("4", "64M", 0);
	for (int i = 0; i < 30; i++) {
		allocate(MIB);
	}
	assert_true(stats().flips > 0);
	assert_int_equal(while_armed, 0);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_are_made_ahead),
		cmocka_unit_test(test_none_beyond_the_soft_limit),
		cmocka_unit_test(test_pages_are_looked_at),
		cmocka_unit_test(test_without_the_thread_mutators_make_some_at_a_time),
		cmocka_unit_test(test_a_kernel_without_it_is_asked_once),
		cmocka_unit_test(test_no_memory_is_no_failure),
		cmocka_unit_test(test_limits_hold),
		cmocka_unit_test(test_no_page_is_made_while_pages_are_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
