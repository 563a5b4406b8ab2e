/* test/unit/test_view.c: the two views: contents follow page tables both ways, and [V-3] [V-4]: no
 * move is ever refused half-way, which would leave a hole in a view; an alias that stayed closed, or has a
 * hole all the same, is mended [V-6].
 *
 * Pieces of private memory that moved back one by one need not merge. Kernels before 6.17 refuse a
 * move over two mappings, and do so after they have unmapped the target: test_private_pieces makes
 * such pieces and holds that no move is ever refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <string.h>

#include "gc/heap/view.h"
#include "gc/os/probe.h"
#include "gc/os/sys.h"
#include "test/support/require.h"

#define EXTENTS 8

/* Kernels before 5.13 do not move shared mappings; they cannot serve the minor plan either. */
static void need_shared_moves(void)
{
	struct gc_probe probe;

	gc_probe_run(&probe);
	if (!probe.remap_shared.works && !test_is_required("minor"))
		skip();
}

static unsigned refused;

static intptr_t watched_mremap(void *from, size_t from_length, size_t to_length, int flags,
			       void *to)
{
	intptr_t result = gc_sys_real.mremap(from, from_length, to_length, flags, to);

	refused += result < 0 && result > -4096;
	return result;
}

static intptr_t failing_mremap(void *from, size_t from_length, size_t to_length, int flags,
			       void *to)
{
	(void)from, (void)from_length, (void)to_length, (void)flags, (void)to;
	return -ENOMEM;
}

static struct gc_sys watched;

static void open_view(struct gc_view *view, enum gc_backing backing)
{
	const char *step = NULL;

	refused = 0;
	watched = gc_sys_real;
	watched.mremap = watched_mremap;
	gc_sys = &watched;
	assert_int_equal(gc_view_create(view, backing, GC_MIB(64), &step), 0);
	if (backing == GC_BACKING_PRIVATE)
		view->cuts = calloc(1, (view->total_bytes >> view->extent_shift) + 1);
	for (uint32_t i = 0; i < EXTENTS; i++)
		memset(view->heap + (uint64_t)i * view->extent_bytes, (int)i + 1,
		       view->extent_bytes);
}

static void close_view(struct gc_view *view)
{
	free(view->cuts);
	view->cuts = NULL;
	gc_view_destroy(view);
	gc_sys = &gc_sys_real;
}

static struct gc_haddr extent_at(const struct gc_view *view, uint32_t extent)
{
	return gc_haddr(view->heap + (uint64_t)extent * view->extent_bytes);
}

static void check_contents(const struct gc_view *view)
{
	for (uint32_t i = 0; i < EXTENTS; i++) {
		const char *extent = view->heap + (uint64_t)i * view->extent_bytes;

		assert_int_equal(extent[0], i + 1);
		assert_int_equal(extent[view->extent_bytes - 1], i + 1);
	}
}

static void detach_all(struct gc_view *view)
{
	assert_int_equal(gc_view_detach(view, gc_haddr(view->heap), view->range_bytes), 0);
}

static void attach(struct gc_view *view, uint32_t first, uint32_t count)
{
	uint64_t moved = 0, bytes = (uint64_t)count * view->extent_bytes;

	assert_int_equal(gc_view_attach(view, extent_at(view, first), bytes, &moved), 0);
	assert_int_equal(moved, bytes);
}

static void round_trips(enum gc_backing backing)
{
	struct gc_view view;

	open_view(&view, backing);
	for (int round = 0; round < 4; round++) {
		detach_all(&view);
		assert_int_equal(*(gc_view_alias_of(&view, extent_at(&view, 3)).at), 4);
		for (uint32_t i = 0; i < EXTENTS; i++)
			attach(&view, i, 1);
		check_contents(&view);
	}
	assert_int_equal(refused, 0);
	close_view(&view);
}

static void test_shared_round_trips(void **state)
{
	(void)state;
	need_shared_moves();
	round_trips(GC_BACKING_SHARED);
}

static void test_private_round_trips(void **state)
{
	(void)state;
	round_trips(GC_BACKING_PRIVATE);
}

/* [V-4] Extents 0, 1 and 4 to 7 move back; 2 and 3 are written anew in the heap view, as copied pages
 * are. Then everything moves again, in other runs. */
static void test_private_pieces(void **state)
{
	struct gc_view view;

	(void)state;
	open_view(&view, GC_BACKING_PRIVATE);
	for (int round = 0; round < 3; round++) {
		detach_all(&view);
		attach(&view, 0, 1);
		attach(&view, 1, 1);
		for (uint32_t i = 2; i < 4; i++)
			memset((char *)extent_at(&view, i).at, (int)i + 1, view.extent_bytes);
		attach(&view, 4, 4);
		check_contents(&view);
		detach_all(&view);
		attach(&view, 0, EXTENTS);
		check_contents(&view);
	}
	assert_int_equal(refused, 0);
	close_view(&view);
}

/* A refused detach leaves everything where it was; a refused attach can be answered by mapping. */
static void test_refusals(void **state)
{
	struct gc_view view;
	uint64_t moved = 0;

	(void)state;
	need_shared_moves();
	open_view(&view, GC_BACKING_SHARED);
	watched.mremap = failing_mremap;
	assert_int_equal(gc_view_detach(&view, gc_haddr(view.heap), view.range_bytes), -ENOMEM);
	check_contents(&view);
	watched.mremap = watched_mremap;
	detach_all(&view);
	watched.mremap = failing_mremap;
	assert_int_equal(gc_view_attach(&view, extent_at(&view, 0), view.range_bytes, &moved),
			 -ENOMEM);
	assert_int_equal(moved, 0);
	assert_int_equal(gc_view_attach_anew(&view, extent_at(&view, 0), view.range_bytes), 0);
	check_contents(&view);
	close_view(&view);
}

static int mremap_budget; /* moves that succeed; then five are refused; then all succeed again */

static intptr_t faltering_mremap(void *from, size_t from_length, size_t to_length, int flags,
				 void *to)
{
	if (mremap_budget-- <= 0 && mremap_budget >= -5)
		return -ENOMEM;
	return gc_sys_real.mremap(from, from_length, to_length, flags, to);
}

/* A detach in pieces is refused in the middle, and so is taking back what had left, several times. */
static void test_refused_half_way(void **state)
{
	struct gc_view view;

	(void)state;
	open_view(&view, GC_BACKING_PRIVATE);
	detach_all(&view);
	for (uint32_t i = 0; i < EXTENTS; i++)
		attach(&view, i, 1);
	watched.mremap = faltering_mremap;
	for (int pieces = 0; pieces < EXTENTS; pieces++) {
		mremap_budget = pieces;
		assert_int_equal(gc_view_detach(&view, gc_haddr(view.heap), view.range_bytes),
				 -ENOMEM);
		check_contents(&view);
	}
	watched.mremap = watched_mremap;
	detach_all(&view);
	attach(&view, 0, EXTENTS);
	check_contents(&view);
	assert_int_equal(refused, 0);
	close_view(&view);
}

static int refused_mprotect(void *address, size_t length, int protection)
{
	(void)address, (void)length, (void)protection;
	return -ENOMEM;
}

/* Maps closed what it is asked to, and nothing open. */
static intptr_t closing_mmap(void *address, size_t length, int protection, int flags, int fd,
			     off_t offset)
{
	if (protection != PROT_NONE)
		return -ENOMEM;
	return gc_sys_real.mmap(address, length, protection, flags, fd, offset);
}

static void check_alias(const struct gc_view *view)
{
	for (uint32_t i = 0; i < EXTENTS; i++)
		assert_int_equal(*gc_view_alias_of(view, extent_at(view, i)).at, i + 1);
}

/* [V-6] A piece of the alias stays closed, or a hole; refused once more, it says so; then it is whole. */
static void test_mended(void **state)
{
	struct gc_view view;

	(void)state;
	open_view(&view, GC_BACKING_SHARED);
	for (int hole = 0; hole < 2; hole++) {
		watched.mmap = closing_mmap;
		watched.mprotect = refused_mprotect;
		assert_int_equal(gc_view_empty_alias(&view, extent_at(&view, 2), view.extent_bytes),
				 -ENOMEM);
		assert_int_equal(gc_view_mend_alias(&view), -ENOMEM);
		watched.mmap = gc_sys_real.mmap;
		assert_int_equal(gc_view_mend_alias(&view), 0); /* mapped anew */
		check_alias(&view);
		if (hole)
			munmap(gc_view_alias_of(&view, extent_at(&view, 3)).at, view.extent_bytes);
		watched.mprotect = gc_sys_real.mprotect;
		assert_int_equal(gc_view_mend_alias(&view), 0);
		check_alias(&view);
	}
	close_view(&view);
}

/* What is given back reads as zero; what is committed exists. */
static void test_decommit(void **state)
{
	struct gc_view view;

	(void)state;
	open_view(&view, GC_BACKING_SHARED);
	assert_int_equal(gc_view_decommit(&view, extent_at(&view, 2), view.extent_bytes), 0);
	assert_int_equal(*(char *)extent_at(&view, 2).at, 0);
	assert_int_equal(*(char *)extent_at(&view, 3).at, 4);
	assert_int_equal(gc_view_commit(&view, extent_at(&view, 2), view.extent_bytes), 0);
	close_view(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_round_trips),
		cmocka_unit_test(test_private_round_trips),
		cmocka_unit_test(test_private_pieces),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_refused_half_way),
		cmocka_unit_test(test_mended),
		cmocka_unit_test(test_decommit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
