/* test/unit/test_skip.c: what a patched kernel offers (kernel/6.12): UFFDIO_CONTINUE_MODE_SKIP, found
 * by the probe and used by a heap. The kernel is played by a table of system calls that does with
 * the kernel's ordinary means what the patch does; where the real one has the patch, it is used too,
 * and PLX_TEST_REQUIRE=skip insists on that. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/os/memfd.h"
#include "gc/os/probe.h"
#include "gc/os/sys.h"
#include "gc/os/uffd.h"
#include "gc/os/uffd_abi.h"
#include "runtime/world.h"
#include "test/support/require.h"
#include "test/support/userfaultfd.h"

#define PAGES 16

/* What the kernel of the table makes of the feature. */
enum kernel {
	KERNEL_REAL,	/* as it is */
	KERNEL_SKIPS,	/* as patched */
	KERNEL_IGNORES, /* takes the bits, which mean nothing to it */
	KERNEL_REFUSES, /* takes the feature's bit, not the mode's */
};

static enum kernel kernel;
static struct gc_sys table;
static unsigned skipping_calls; /* of CONTINUE with the mode */
static unsigned wakes;		/* asked for by the collector */

static int kernel_api(int fd, struct gc_uffdio_api *api)
{
	uint64_t asked = api->features & GC_UFFD_FEATURE_CONTINUE_SKIP;
	int result;

	api->features &= ~GC_UFFD_FEATURE_CONTINUE_SKIP;
	result = gc_sys_real.ioctl(fd, GC_UFFDIO_API, api);
	api->features |= asked;
	return result;
}

/* Page by page; waiters of what was mapped are woken, as those of what is mapped now are. */
static int kernel_skip(int fd, struct gc_uffdio_continue *call)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	struct gc_uffdio_range range = call->range;
	uint64_t done = 0;
	int result = 0;

	for (; done < range.bytes && result == 0; done += result == 0 ? page_bytes : 0) {
		struct gc_uffdio_continue one = {.range = {range.start + done, page_bytes}};

		result = gc_sys_real.ioctl(fd, GC_UFFDIO_CONTINUE, &one);
		if (result == -EEXIST)
			result = 0;
	}
	call->mapped = done > 0 ? (int64_t)done : result;
	range.bytes = done;
	if (done > 0)
		gc_sys_real.ioctl(fd, GC_UFFDIO_WAKE, &range);
	return done > 0 && result < 0 ? -EAGAIN : result;
}

static int kernel_continue(int fd, struct gc_uffdio_continue *call)
{
	if (!(call->mode & GC_UFFDIO_CONTINUE_MODE_SKIP))
		return gc_sys_real.ioctl(fd, GC_UFFDIO_CONTINUE, call);
	__atomic_fetch_add(&skipping_calls, 1, __ATOMIC_RELAXED); /* read when all is over */
	if (kernel == KERNEL_REFUSES)
		return -EINVAL;
	call->mode &= ~GC_UFFDIO_CONTINUE_MODE_SKIP;
	return kernel == KERNEL_SKIPS ? kernel_skip(fd, call)
				      : gc_sys_real.ioctl(fd, GC_UFFDIO_CONTINUE, call);
}

static int kernel_ioctl(int fd, unsigned long request, void *argument)
{
	if (request == GC_UFFDIO_API)
		return kernel_api(fd, argument);
	if (request == GC_UFFDIO_CONTINUE)
		return kernel_continue(fd, argument);
	if (request == GC_UFFDIO_WAKE)
		__atomic_fetch_add(&wakes, 1, __ATOMIC_RELAXED); /* read when all is over */
	return gc_sys_real.ioctl(fd, request, argument);
}

static void kernel_play(enum kernel played)
{
	kernel = played;
	table = gc_sys_real;
	table.ioctl = kernel_ioctl;
	skipping_calls = wakes = 0;
	gc_sys = played == KERNEL_REAL ? &gc_sys_real : &table;
}

static struct gc_capability probed(enum kernel played)
{
	struct gc_probe probe;

	kernel_play(played);
	gc_probe_plans(&probe);
	kernel_play(KERNEL_REAL);
	return probe.continue_skip;
}

static bool real_kernel_skips(void)
{
	return probed(KERNEL_REAL).works;
}

static void found_where_it_works(void **state)
{
	(void)state;
	assert_true(probed(KERNEL_SKIPS).works);
	assert_int_equal(probed(KERNEL_IGNORES).error, -ENOTSUP);
	assert_int_equal(probed(KERNEL_REFUSES).error, -EINVAL);
	if (test_is_required("skip"))
		assert_true(real_kernel_skips());
}

static void told(void **state)
{
	struct gc_probe probe;
	char text[4096];

	(void)state;
	gc_probe_plans(&probe);
	probe.continue_skip.works = true;
	gc_probe_describe(&probe, text, sizeof(text));
	assert_non_null(strstr(text, "CONTINUE passes over mapped pages (patched)  yes\n"));
	probe.continue_skip.works = false;
	gc_probe_describe(&probe, text, sizeof(text));
	assert_non_null(strstr(text, "CONTINUE passes over mapped pages (patched)  no\n"));
}

/* A range of which some is mapped takes one call, and no WAKE. */
static void scattered_range_is_one_call(enum kernel played)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), bytes = PAGES * page_bytes, done = 0;
	int memfd = gc_memfd_create("test");
	struct gc_uffd uffd;
	char *view, *alias;

	kernel_play(played);
	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, (off_t)bytes), 0);
	view = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	alias = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	assert_true(view != MAP_FAILED && alias != MAP_FAILED);
	for (size_t i = 0; i < PAGES; i++)
		alias[i * page_bytes] = (char)('a' + i);
	assert_int_equal(gc_uffd_open_skipping(&uffd, false), 0);
	assert_int_equal(gc_uffd_register(&uffd, view, bytes), 0);
	for (size_t i = 0; i < PAGES; i += 3)
		assert_int_equal(gc_uffd_continue(&uffd, view + i * page_bytes, page_bytes, NULL),
				 0);
	skipping_calls = 0;
	assert_int_equal(gc_uffd_continue(&uffd, view, bytes, &done), 0);
	assert_int_equal(done, bytes);
	if (played != KERNEL_REAL)
		assert_int_equal(skipping_calls, 1);
	assert_int_equal(wakes, 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(((volatile char *)view)[i * page_bytes], 'a' + (int)i);
	gc_uffd_close(&uffd);
	munmap(view, bytes);
	munmap(alias, bytes);
	close(memfd);
	kernel_play(KERNEL_REAL);
}

static void scattered_ranges(void **state)
{
	(void)state;
	scattered_range_is_one_call(KERNEL_SKIPS);
	if (real_kernel_skips())
		scattered_range_is_one_call(KERNEL_REAL);
}

/* Without the patch there is nothing to open; the plain way stays open. */
static void absent_is_enotsup(void **state)
{
	struct gc_uffd uffd;

	(void)state;
	if (real_kernel_skips())
		return;
	assert_int_equal(gc_uffd_open_skipping(&uffd, true), -ENOTSUP);
	assert_int_equal(uffd.fd, -1);
}

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
};

/* A list, collected and moved a few times, is what it was. */
static void heap_collects(struct plx_heap *heap)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	const struct plx_layout *nodes =
		plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	struct plx_thread *thread;
	struct plx_handle *list;
	struct node *node;
	uint64_t count = 0;

	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	list = plx_handle_create(thread, NULL);
	assert_non_null(list);
	for (uint64_t i = 0; i < 60000; i++) {
		node = plx_alloc(thread, nodes);
		assert_non_null(node);
		node->value = i;
		plx_store(thread, &node->next, list->ref);
		plx_handle_set(thread, list, node);
		if (i % 20000 == 0)
			plx_collect(thread);
	}
	plx_collect(thread);
	for (node = list->ref; node; node = node->next)
		assert_int_equal(node->value, 60000 - ++count);
	assert_int_equal(count, 60000);
	plx_handle_release(thread, list);
	plx_thread_detach(thread);
}

static void heap_with(const char *ext, const char *delivery, bool skips)
{
	struct plx_heap_config config;
	struct plx_heap *heap;

	plx_config_init(&config);
	assert_int_equal(plx_config_set(&config, "GC_HEAP_MAX", "32M", NULL), PLX_OK);
	assert_int_equal(plx_config_set(&config, "GC_EVACUATE", "all", NULL), PLX_OK);
	assert_int_equal(plx_config_set(&config, "GC_PLAN", "minor", NULL), PLX_OK);
	assert_int_equal(plx_config_set(&config, "GC_UFFD_DELIVERY", delivery, NULL), PLX_OK);
	assert_int_equal(plx_config_set(&config, "GC_KERNEL_EXT", ext, NULL), PLX_OK);
	assert_int_equal(plx_heap_create(&config, &heap, NULL), PLX_OK);
	assert_int_equal(heap->gc.uffd.skips, skips);
	skipping_calls = 0;
	heap_collects(heap);
	if (kernel != KERNEL_REAL)
		assert_int_equal(skipping_calls > 0, skips);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

static void heaps_use_it_unless_told_not_to(void **state)
{
	(void)state;
	kernel_play(KERNEL_SKIPS);
	heap_with("1", "thread", true);
	heap_with("1", "sigbus", true);
	heap_with("0", "thread", false);
	kernel_play(KERNEL_IGNORES);
	heap_with("1", "thread", false);
	kernel_play(KERNEL_REAL);
	heap_with("1", "sigbus", real_kernel_skips());
	heap_with("0", "sigbus", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_where_it_works),
		cmocka_unit_test(told),
		cmocka_unit_test(scattered_ranges),
		cmocka_unit_test(absent_is_enotsup),
		cmocka_unit_test(heaps_use_it_unless_told_not_to),
	};

	return cmocka_run_group_tests(tests, test_need_userfaultfd, NULL);
}
