/* test/unit/test_copy.c: [C-3]: UFFDIO_COPY steps over a page, because it is there already or not armed. It once
 * happened that such a page counted as READY, and its objects were gone:
 *
 *   whoever claimed a unit                   a mutator
 *     builds it in a buffer
 *     COPY: EEXIST, nothing was copied
 *     READY
 *                                            the page is disarmed: it reads as zero
 *
 * Pages of a region that is handed out just then are there indeed. Sees internals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/os/sys.h"
#include "gc/os/uffd_abi.h"
#include "runtime/world.h"
#include "test/support/heap.h"
#include "test/support/list.h"

#define ITEMS 4000
#define CYCLES 6

static struct plx_heap *heap;
static struct plx_thread *thread;
static struct plx_handle *list;

/* ---- a kernel that steps over every second page ---- */

static struct gc_sys table;
static int answer; /* set between cycles; 0: what the kernel says */
static uint32_t asked, stepped_over;

static int refusing_ioctl(int fd, unsigned long request, void *argument)
{
	if (request != GC_UFFDIO_COPY || answer == 0 ||
	    gc_add_relaxed(&asked, 1) % 2 == 0) /* only a count */
		return gc_sys_real.ioctl(fd, request, argument);
	((struct gc_uffdio_copy *)argument)->copied = -answer;
	gc_add_relaxed(&stepped_over, 1); /* only a count */
	return -answer;
}

/* ---- the heap ---- */

static void start(const char *delivery)
{
	answer = 0;
	table = gc_sys_real;
	table.ioctl = refusing_ioctl;
	gc_sys = &table; /* while there are no threads but this one */
	test_heap_open(&heap, &thread,
		       (const char *const[]){"GC_PLAN", "copy", "GC_UFFD_DELIVERY", delivery,
					     "GC_HEAP_MAX", "32M", "GC_REGION_BYTES", "64K",
					     "GC_EVACUATE", "all", "GC_CYCLE_EVERY", "1T",
					     "GC_VERIFY", "1", NULL});
	list = test_list_make(heap, thread, ITEMS);
}

static void stop(void)
{
	plx_handle_release(thread, list);
	test_heap_close(heap, thread);
	gc_sys = &gc_sys_real;
}

static void stepped(const char *delivery, int error)
{
	start(delivery);
	answer = error;
	stepped_over = 0;
	for (int i = 0; i < CYCLES; i++) {
		plx_collect(thread);
		assert_true(test_list_is_whole(list->ref, ITEMS));
	}
	assert_true(stepped_over > CYCLES);
	stop();
}

static void test_a_page_that_was_stepped_over_is_copied(void **state)
{
	static const int errors[] = {EEXIST, ENOENT};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		stepped("thread", errors[i]);
		stepped("sigbus", errors[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_page_that_was_stepped_over_is_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
