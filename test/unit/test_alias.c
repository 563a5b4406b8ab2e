/* test/unit/test_alias.c: [V-6]: the alias that the kernel refused to open again after it was emptied, or after a
 * detach that it refused. This is what a soak run died of:
 *
 *   a cycle's finish                         a later cycle, without a detach of what is closed
 *     mmap of a piece of the alias, closed
 *     mprotect, to open it: refused
 *     mmap of the piece, open: refused
 *                                              a page of a target is built through the piece: SIGSEGV
 *
 * It must be mended first; and as long as that is refused too, objects move inside the pause. Sees internals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/os/sys.h"
#include "runtime/world.h"
#include "test/support/heap.h"

#define ITEMS 4000
#define LEAF_BYTES 40

enum { FLIP_BY_DETACH = 1, FLIP_BY_ZAP = 2 }; /* config.flip */

struct item {
	struct plx_header header;
	struct item *next;
	char *leaf;
	uint64_t number;
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static struct plx_handle *list;

/* ---- a kernel that refuses ---- */

static struct gc_sys table;
static bool refuse_opening; /* a piece that was just mapped closed */
static bool refuse_mending; /* the whole alias, in each way */
static bool refuse_detach;
static const void *closed_at; /* the last piece that was mapped closed */
static size_t closed_bytes;
static unsigned left_closed;

static bool is_whole_alias(const void *at, size_t bytes)
{
	return at == heap->gc.view.alias && bytes == heap->gc.view.total_bytes;
}

static bool is_refused(const void *at, size_t bytes)
{
	if (is_whole_alias(at, bytes))
		return refuse_mending;
	return refuse_opening && at == closed_at && bytes == closed_bytes;
}

static intptr_t refusing_mmap(void *at, size_t bytes, int protection, int flags, int fd,
			      off_t offset)
{
	if (protection == PROT_NONE && heap && !is_whole_alias(at, bytes)) {
		closed_at = at;
		closed_bytes = bytes;
	} else if (heap && is_refused(at, bytes)) {
		left_closed += at == closed_at;
		return -ENOMEM;
	}
	return gc_sys_real.mmap(at, bytes, protection, flags, fd, offset);
}

static int refusing_mprotect(void *at, size_t bytes, int protection)
{
	if (protection != PROT_NONE && is_refused(at, bytes))
		return -ENOMEM;
	return gc_sys_real.mprotect(at, bytes, protection);
}

static intptr_t refusing_mremap(void *from, size_t from_bytes, size_t to_bytes, int flags, void *to)
{
	if (refuse_detach)
		return -ENOMEM;
	return gc_sys_real.mremap(from, from_bytes, to_bytes, flags, to);
}

/* ---- the heap ---- */

static struct item *item_make(const struct plx_layout *items, const struct plx_layout *bytes,
			      uint64_t number)
{
	struct item *item = plx_alloc(thread, items);
	char *leaf;

	assert_non_null(item);
	item->number = number;
	PLX_STORE(thread, &item->next, list->ref);
	plx_handle_set(thread, list, item);
	leaf = plx_alloc_array(thread, bytes, LEAF_BYTES);
	assert_non_null(leaf);
	item = list->ref;
	memset(leaf + sizeof(struct plx_header), (int)(number % 100), LEAF_BYTES);
	PLX_STORE(thread, &item->leaf, leaf);
	return item;
}

static void start(void)
{
	static const size_t offsets[] = {offsetof(struct item, next), offsetof(struct item, leaf)};
	const struct plx_layout *items, *bytes;

	heap = NULL;
	test_heap_open(&heap, &thread,
		       (const char *const[]){"GC_PLAN", "minor", "GC_HEAP_MAX", "32M",
					     "GC_REGION_BYTES", "64K", "GC_EVACUATE", "all",
					     "GC_CYCLE_EVERY", "1T", "GC_VERIFY", "1", NULL});
	items = plx_layout_fixed(heap, sizeof(struct item), offsets, 2, NULL);
	bytes = plx_layout_bytes(heap, NULL);
	list = plx_handle_create(thread, NULL);
	for (uint64_t i = 0; i < ITEMS; i++)
		item_make(items, bytes, i);
	left_closed = 0;
	table = gc_sys_real;
	table.mmap = refusing_mmap;
	table.mprotect = refusing_mprotect;
	table.mremap = refusing_mremap;
	gc_sys = &table;
}

static void stop(void)
{
	plx_handle_release(thread, list);
	test_heap_close(heap, thread);
	gc_sys = &gc_sys_real;
	heap = NULL;
}

static void check(void)
{
	uint64_t number = ITEMS;

	for (const struct item *item = list->ref; item; item = item->next) {
		const char *leaf = item->leaf + sizeof(struct plx_header);

		assert_int_equal(item->number, --number);
		for (int i = 0; i < LEAF_BYTES; i++)
			assert_int_equal(leaf[i], number % 100);
	}
	assert_int_equal(number, 0);
}

/* A cycle that moves objects and leaves; returns how. */
static enum gc_flip_mode cycle_run(uint64_t flip)
{
	const struct gc_cycle *cycle = &heap->gc.cycle;
	unsigned targets[GC_RANGE_COUNT] = {0};

	heap->gc.config.flip = flip; /* looked at by the cycle's thread, which waits for us */
	plx_collect(thread);
	for (uint32_t i = 0; i < cycle->target_count; i++)
		targets[gc_region_range(&heap->gc.regions, cycle->targets[i])]++;
	assert_true(targets[GC_RANGE_OBJECTS] > 0 && targets[GC_RANGE_LEAVES] > 0);
	check();
	return heap->gc.cycle.mode;
}

static uint64_t degraded(void)
{
	struct plx_stats stats;

	plx_heap_stats(heap, &stats);
	return stats.degraded;
}

/* ---- the stories ---- */

static void leave_closed(uint64_t flip)
{
	refuse_opening = true;
	cycle_run(flip);
	refuse_opening = false;
	assert_true(left_closed > 0);
	assert_true(heap->gc.alias_doubtful);
}

/* Closed at finish: as in the soak run. */
static void test_closed_at_finish(void **state)
{
	(void)state;
	for (uint64_t flip = FLIP_BY_DETACH; flip <= FLIP_BY_ZAP; flip++) {
		start();
		leave_closed(flip);
		assert_int_equal(cycle_run(flip),
				 flip == FLIP_BY_ZAP ? GC_FLIP_ZAP : GC_FLIP_DETACH);
		assert_false(heap->gc.alias_doubtful);
		stop();
	}
}

/* Closed by a detach that was refused in the pause. */
static void test_closed_by_detach(void **state)
{
	(void)state;
	start();
	refuse_detach = true;
	leave_closed(FLIP_BY_DETACH);
	assert_int_equal(heap->gc.cycle.mode, GC_FLIP_IN_PAUSE);
	refuse_detach = false;
	assert_int_equal(cycle_run(FLIP_BY_ZAP), GC_FLIP_ZAP);
	stop();
}

/* While it cannot be mended, objects move inside the pause, and are counted as degraded. */
static void test_mending_refused(void **state)
{
	uint64_t before;

	(void)state;
	start();
	leave_closed(FLIP_BY_ZAP);
	refuse_mending = true;
	for (int i = 0; i < 3; i++) {
		before = degraded();
		assert_int_equal(cycle_run(FLIP_BY_ZAP), GC_FLIP_IN_PAUSE);
		assert_int_equal(degraded(), before + 1);
	}
	refuse_mending = false;
	before = degraded();
	assert_int_equal(cycle_run(FLIP_BY_ZAP), GC_FLIP_ZAP);
	assert_int_equal(degraded(), before);
	stop();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_at_finish),
		cmocka_unit_test(test_closed_by_detach),
		cmocka_unit_test(test_mending_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
