/* test/unit/test_trim.c: what a heap keeps when most of what it held is dropped: one cycle finds the holes in
 * regions that were dense until then [S-1], and plx_heap_trim gives back pages and tables [TM-1] [TM-2]. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/heap/heap.h"
#include "gc/os/sys.h"
#include "test/support/heap.h"

#define MIB (UINT64_C(1) << 20)
#define SLOTS 120000
#define WORDS 64 /* at most, in an object: 32 MiB in all */

static struct plx_heap *heap;
static struct plx_thread *thread;
static struct plx_handle *slots;
static const struct plx_layout *object_layout;
static struct gc_sys table;

struct object {
	struct plx_header header;
	struct object *self;
	uint64_t words[];
};

static int keep_marks(void *address, size_t length, int advice)
{
	const struct gc_markbits *bits = &((struct gc_heap *)heap)->markbits;
	bool of_marks = (char *)address >= (char *)bits->words &&
			(char *)address < (char *)bits->words +
						  ((struct gc_heap *)heap)->view.total_bytes / 64;

	return advice == MADV_DONTNEED && of_marks ? -EINVAL
						   : gc_sys_real.madvise(address, length, advice);
}

static void start(const char *verify)
{
	static const size_t links[] = {offsetof(struct object, self)};

	test_heap_open(&heap, &thread,
		       (const char *const[]){"GC_HEAP_MAX", "128M", "GC_HEAP_POLICY", "fixed",
					     "GC_VERIFY", verify, NULL});
	object_layout = plx_layout_trailing(heap, sizeof(struct object), links, 1, 8, false, NULL);
	assert_non_null(object_layout);
	slots = plx_handle_create(thread, plx_alloc_array(thread, plx_layout_references(heap, NULL),
							  SLOTS));
}

static void stop(void)
{
	plx_handle_release(thread, slots);
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
	gc_sys = &gc_sys_real;
}

static struct object **slot(uint64_t i)
{
	return &((struct object **)((struct plx_header *)slots->ref + 1))[i];
}

static void fill(void)
{
	for (uint64_t i = 0; i < SLOTS; i++) {
		uint64_t words = 1 + i * 2654435761 % WORDS;
		struct object *object = plx_alloc_array(thread, object_layout, words);

		assert_non_null(object);
		object->self = object;
		object->words[0] = i;
		PLX_STORE(thread, slot(i), object);
	}
}

/* Three of four go, wherever they lie. */
static void drop(void)
{
	for (uint64_t i = 0; i < SLOTS; i++)
		if (i * 40503 % 65536 % 4 != 0)
			PLX_STORE(thread, slot(i), NULL);
}

static void check(void)
{
	for (uint64_t i = 0; i < SLOTS; i++)
		if (*slot(i)) {
			assert_ptr_equal((*slot(i))->self, *slot(i));
			assert_int_equal((*slot(i))->words[0], i);
		}
}

static struct plx_stats stats(void)
{
	struct plx_stats now;

	plx_heap_stats(heap, &now);
	return now;
}

static uint64_t resident_pages(void *memory, uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), count = 0;
	unsigned char *there = malloc(bytes / page);

	assert_int_equal(mincore(memory, bytes, there), 0);
	for (uint64_t i = 0; i < bytes / page; i++)
		count += there[i] & 1;
	free(there);
	return count;
}

static uint64_t used_before_bytes(void)
{
	const struct gc_regions *regions = &((struct gc_heap *)heap)->regions;

	return (uint64_t)gc_range_high_water(&regions->ranges[GC_RANGE_OBJECTS])
	       << regions->region_shift;
}

static uint64_t marks_bytes(void)
{
	return resident_pages(((struct gc_heap *)heap)->markbits.words, used_before_bytes() >> 6) *
	       (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t forwarding_pages(void)
{
	return resident_pages(((struct gc_heap *)heap)->forward.entries,
			      (used_before_bytes() >> GC_FORWARD_SHIFT) *
				      sizeof(struct gc_forward_entry));
}

/* The bound of it all: 1.15 times what is alive, pages and tables, after one cycle that stops nobody. */
static void test_little_more_than_what_is_alive_stays(void **state)
{
	struct plx_stats full, now;

	(void)state;
	start("0");
	fill();
	plx_collect(thread); /* now they are known to be dense */
	full = stats();
	assert_true(full.used_bytes >= 28 * MIB);
	drop();
	plx_collect(thread);
	now = stats();
	assert_int_equal(now.cycles - full.cycles, 1);
	assert_int_equal(now.emergency_cycles, 0);
	assert_in_range(now.live_bytes, 7 * MIB, 10 * MIB);
	assert_true(now.used_bytes * 100 <= now.live_bytes * 115);
	plx_heap_trim(heap);
	now = stats();
	assert_true(now.returned_bytes > 0);
	assert_true((now.resident_bytes + marks_bytes()) * 100 <= now.live_bytes * 115);
	assert_int_equal(forwarding_pages(), 0);
	check();
	stop();
}

/* What was given back serves again, and cycles find nothing in it that was there before. */
static void grow_again(int refuse)
{
	start("1");
	table = gc_sys_real;
	if (refuse)
		table.madvise = keep_marks;
	gc_sys = &table;
	for (int round = 0; round < 2; round++) {
		fill();
		plx_collect(thread);
		drop();
		plx_collect(thread);
		plx_heap_trim(heap);
		plx_collect(thread); /* mark bits that are gone are not cleared */
		check();
	}
	stop();
}

static void test_what_was_given_back_serves_again(void **state)
{
	(void)state;
	grow_again(0);
}

static void test_tables_that_the_kernel_keeps_are_cleared(void **state)
{
	(void)state;
	grow_again(1);
}

static void *trim(void *argument)
{
	plx_heap_trim(argument);
	return NULL;
}

/* Blocked, and by a thread that is not attached. */
static void test_any_thread_may_ask(void **state)
{
	pthread_t other;

	(void)state;
	start("0");
	fill();
	drop();
	plx_collect(thread);
	plx_block_enter(thread);
	plx_heap_trim(heap);
	plx_block_exit(thread);
	assert_true(stats().returned_bytes > 0);
	assert_int_equal(pthread_create(&other, NULL, trim, heap), 0);
	fill();
	plx_collect(thread);
	pthread_join(other, NULL);
	check();
	stop();
}

/* GC_RESIDENT_TARGET is kept also by who asks. */
static void test_a_target_is_kept(void **state)
{
	struct plx_stats now;

	(void)state;
	test_heap_open(&heap, &thread,
		       (const char *const[]){"GC_HEAP_MAX", "128M", "GC_RESIDENT_TARGET", "16M",
					     "GC_RESIDENT_IDLE", "600000", "GC_HEAP_POLICY",
					     "fixed", NULL});
	for (int i = 0; i < 32; i++)
		assert_non_null(plx_alloc_array(thread, plx_layout_bytes(heap, NULL), MIB - 64));
	plx_collect(thread);
	plx_heap_trim(heap);
	now = stats();
	assert_in_range(now.resident_bytes, 15 * MIB, 16 * MIB);
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_little_more_than_what_is_alive_stays),
		cmocka_unit_test(test_what_was_given_back_serves_again),
		cmocka_unit_test(test_tables_that_the_kernel_keeps_are_cleared),
		cmocka_unit_test(test_any_thread_may_ask),
		cmocka_unit_test(test_a_target_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
