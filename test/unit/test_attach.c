/* test/unit/test_attach.c: [RA-4]: the kernel refuses to move pages back to the heap view, not once but for long. Nothing is
 * lost meanwhile, and the cycle ends when the kernel gives in [I7]:
 *
 *   minor   whoever touches a page gets it attached by itself; extents are mapped anew, or moved, whichever the
 *           kernel allows first
 *   copy    what is clean is nowhere else: whoever touches it waits; a fault that moves it says nothing about it
 *           (a handler that prints waits for whoever holds the stream)
 *
 * A kernel that never gives in ends the process, with words. Sees internals. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/os/sys.h"
#include "runtime/world.h"
#include "test/support/child.h"
#include "test/support/heap.h"
#include "test/support/list.h"
#include "test/support/patience.h"

#define ITEMS 4000
#define REFUSALS 500 /* past all spinning and yielding of gc_backoff */
#define WALKS 3

static struct plx_heap *heap;
static struct plx_thread *thread;
static struct plx_handle *list;
static char text[16384]; /* what a child wrote */

/* Naps take no time where a child has to wait out a million of them. */
static bool no_naps;
int __real_nanosleep(const struct timespec *wanted, struct timespec *left);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
	return no_naps ? 0 : __real_nanosleep(wanted, left);
}

/* ---- a kernel that refuses ---- */

static struct gc_sys table;
static uint32_t refuse_moves, refuse_maps; /* atomic: so many; UINT32_MAX: all of them */
static uint32_t refused_moves, refused_maps;
static bool
	refuse_until_walked; /* and all, until a mutator has gone over its list WALKS times since */
static uint32_t walks;

static bool is_in_heap_view(const void *at)
{
	return heap && gc_view_contains(&heap->gc.view, (uintptr_t)at) &&
	       gc_load_relaxed(&heap->gc.phase) == GC_PHASE_MOVING;
}

static bool take_refusal(uint32_t *left, uint32_t *count)
{
	uint32_t now = gc_load_relaxed(left); /* only a count */

	if (gc_load_relaxed(&refuse_until_walked) && gc_load_relaxed(&walks) < WALKS)
		now = UINT32_MAX;
	if (now == 0)
		return false;
	if (now != UINT32_MAX)
		gc_store_relaxed(left, now - 1);
	gc_add_relaxed(count, 1);
	return true;
}

static intptr_t refusing_mremap(void *from, size_t from_bytes, size_t to_bytes, int flags, void *to)
{
	if (is_in_heap_view(to) && take_refusal(&refuse_moves, &refused_moves))
		return -ENOMEM;
	return gc_sys_real.mremap(from, from_bytes, to_bytes, flags, to);
}

static intptr_t refusing_mmap(void *at, size_t bytes, int protection, int flags, int fd,
			      off_t offset)
{
	if (is_in_heap_view(at) && take_refusal(&refuse_maps, &refused_maps))
		return -ENOMEM;
	return gc_sys_real.mmap(at, bytes, protection, flags, fd, offset);
}

/* Between cycles: nobody reads them. */
static void refuse(uint32_t moves, uint32_t maps)
{
	refused_moves = refused_maps = walks = 0;
	refuse_until_walked = false;
	refuse_moves = moves;
	refuse_maps = maps;
}

/* While there are no threads but this one. */
static void watch(void)
{
	table = gc_sys_real;
	table.mremap = refusing_mremap;
	table.mmap = refusing_mmap;
	gc_sys = &table;
}

/* ---- the heap ---- */

static void start(const char *plan, const char *delivery)
{
	heap = NULL;
	refuse(0, 0);
	watch();
	test_heap_open(&heap, &thread,
		       (const char *const[]){"GC_PLAN", plan, "GC_UFFD_DELIVERY", delivery,
					     "GC_HEAP_MAX", "128M", "GC_REGION_BYTES", "64K",
					     "GC_FLIP", "detach", "GC_EVACUATE", "all",
					     "GC_CYCLE_EVERY", "1T", "GC_WORKERS", "1", NULL});
	list = test_list_make(heap, thread, ITEMS);
}

static void stop(void)
{
	plx_handle_release(thread, list);
	test_heap_close(heap, thread);
	gc_sys = &gc_sys_real;
	heap = NULL;
}

static uint64_t degraded(void)
{
	struct plx_stats stats;

	plx_heap_stats(heap, &stats);
	return stats.degraded;
}

/* ---- a mutator beside ---- */

static uint32_t walker_ends; /* atomic */

/* Goes over the list while the other thread waits for its cycle; a walk counts that began when both ways were closed. */
static void *walker_main(void *result)
{
	struct plx_thread *self;

	*(bool *)result = plx_thread_attach(heap, &self, NULL) == PLX_OK;
	while (*(bool *)result && !gc_load_acquire(&walker_ends)) {
		bool refused = gc_load_relaxed(&refused_maps) > 0; /* only a count */

		*(bool *)result = test_list_is_whole(list->ref, ITEMS);
		if (refused)
			gc_add_relaxed(&walks, 1); /* only a count */
		plx_poll(self);
	}
	plx_thread_detach(self);
	return NULL;
}

static void collect_beside_walker(void)
{
	pthread_t walker;
	bool well;

	gc_store_release(&walker_ends, 0);
	assert_int_equal(pthread_create(&walker, NULL, walker_main, &well), 0);
	plx_collect(thread);
	gc_store_release(&walker_ends, 1);
	plx_block_enter(thread);
	pthread_join(walker, NULL);
	plx_block_exit(thread);
	assert_true(well);
}

/* The kernel has given in: the list is whole, and the next cycle is one like any other. */
static void goes_on(uint64_t degraded_before)
{
	assert_true(degraded() > degraded_before);
	assert_int_equal(heap->gc.cycle.mode, GC_FLIP_DETACH);
	assert_true(test_list_is_whole(list->ref, ITEMS));
	refuse(0, 0);
	degraded_before = degraded();
	plx_collect(thread);
	assert_int_equal(heap->gc.cycle.mode, GC_FLIP_DETACH);
	assert_int_equal(degraded(), degraded_before);
	assert_true(test_list_is_whole(list->ref, ITEMS));
}

/* ---- the stories ---- */

static void for_long(const char *plan, const char *delivery)
{
	uint64_t before;

	start(plan, delivery);
	before = degraded();
	refuse(REFUSALS, REFUSALS);
	collect_beside_walker();
	assert_int_equal(refuse_moves, 0);
	goes_on(before);
	stop();
}

static void test_refused_for_long(void **state)
{
	(void)state;
	patience_begin(60);
	for_long("minor", "sigbus");
	for_long("minor", "thread");
	for_long("copy", "sigbus");
	for_long("copy", "thread");
	patience_begin(0);
}

/* Nothing comes back but what is touched: and that does, as often as it is. */
static void touched(const char *delivery)
{
	uint64_t before;

	start("minor", delivery);
	before = degraded();
	refuse(0, 0);
	refuse_until_walked = true;
	collect_beside_walker();
	assert_true(walks >= WALKS && refused_moves > 0 && refused_maps > 0);
	goes_on(before);
	stop();
}

static void test_pages_are_there_meanwhile(void **state)
{
	(void)state;
	patience_begin(60);
	touched("sigbus");
	touched("thread");
	patience_begin(0);
}

/* Each way may be the one that stays closed: the number of mappings forbids one and not the other. */
static void one_way(uint32_t moves, uint32_t maps)
{
	uint64_t before;

	start("minor", "sigbus");
	before = degraded();
	refuse(moves, maps);
	collect_beside_walker();
	goes_on(before);
	stop();
}

static void test_one_way_is_enough(void **state)
{
	(void)state;
	patience_begin(60);
	one_way(UINT32_MAX, 3);
	one_way(3, UINT32_MAX);
	patience_begin(0);
}

/* ---- for good ---- */

static const char *child_plan;

static void never(void)
{
	patience_begin(60);
	no_naps = true;
	start(child_plan, "sigbus");
	refuse(UINT32_MAX, UINT32_MAX);
	plx_collect(thread);
}

static void test_refused_for_good(void **state)
{
	static const char *const plans[] = {"minor", "copy"};

	(void)state;
	for (size_t i = 0; i < sizeof(plans) / sizeof(*plans); i++) {
		int status;

		child_plan = plans[i];
		/* Here, since a child cannot be skipped: is there such a plan? */
		start(child_plan, "sigbus");
		stop();
		status = child_run(never, text, sizeof(text));
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
		    !strstr(text, "cannot be moved back to the heap view (Cannot allocate memory)"))
			fail_msg("plan %s: status %#x:\n%s", child_plan, (unsigned)status, text);
	}
}

/* ---- in a fault ---- */

#define LARGE_BYTES GC_MIB(40)

static uint32_t held,
	stream_state; /* atomic: 1 while the collector waits; 1 locked, 2 to be unlocked */
static pthread_t toucher;

/* The collector's thread stops at the first extent; the mutator's own moves are refused three times. */
static intptr_t holding_mremap(void *from, size_t from_bytes, size_t to_bytes, int flags, void *to)
{
	if (is_in_heap_view(to) && pthread_equal(pthread_self(), toucher)) {
		if (take_refusal(&refuse_moves, &refused_moves))
			return -ENOMEM;
	} else if (is_in_heap_view(to) && gc_load_acquire(&heap->gc.armed)) {
		uint32_t wanted = 0;

		gc_cas_seq_cst(&held, &wanted, 1);
		while (gc_load_acquire(&held) == 1)
			sched_yield();
	}
	return gc_sys_real.mremap(from, from_bytes, to_bytes, flags, to);
}

static void *collect_main(void *unused)
{
	plx_heap_collect(heap);
	return unused;
}

/* Standard error, busy for as long as the mutator needs. */
static void *stream_main(void *unused)
{
	flockfile(stderr);
	gc_store_release(&stream_state, 1);
	while (gc_load_acquire(&stream_state) == 1)
		sched_yield();
	funlockfile(stderr);
	return unused;
}

static void touch(void)
{
	const struct plx_layout *bytes;
	struct plx_handle *large;
	pthread_t collecting, stream;
	volatile void **word;

	patience_begin(60);
	start("copy", "sigbus");
	bytes = plx_layout_references(heap, NULL);
	large = plx_handle_create(thread, plx_alloc_array(thread, bytes, LARGE_BYTES / 8));
	refuse(3, 0);
	table.mremap = holding_mremap;
	toucher = pthread_self();
	if (pthread_create(&collecting, NULL, collect_main, NULL) != 0)
		_exit(2);
	while (gc_load_acquire(&held) == 0)
		plx_poll(thread);
	if (pthread_create(&stream, NULL, stream_main, NULL) != 0)
		_exit(2);
	while (gc_load_acquire(&stream_state) == 0)
		sched_yield();
	/* Far behind the extents that the collector moves now, and before targets. */
	word = (volatile void **)large->ref + LARGE_BYTES / 8 * 3 / 4;
	if (*word || refused_moves != 3)
		_exit(3);
	gc_store_release(&stream_state, 2);
	gc_store_release(&held, 2);
	pthread_join(stream, NULL);
	plx_block_enter(thread);
	pthread_join(collecting, NULL);
	plx_block_exit(thread);
	if (!test_list_is_whole(list->ref, ITEMS) || degraded() != 1)
		_exit(4);
	stop();
}

/* The fault says nothing; the cycle does, afterwards. */
static void test_a_fault_does_not_print(void **state)
{
	int status;

	(void)state;
	start("copy", "sigbus");
	stop();
	status = child_run(touch, text, sizeof(text));
	if (status != 0 || !strstr(text, "could not move pages back"))
		fail_msg("status %#x:\n%s", (unsigned)status, text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_for_long),
		cmocka_unit_test(test_pages_are_there_meanwhile),
		cmocka_unit_test(test_one_way_is_enough),
		cmocka_unit_test(test_refused_for_good),
		cmocka_unit_test(test_a_fault_does_not_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
