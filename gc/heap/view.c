/* gc/heap/view.c: mapping, detaching and re-attaching the two views. See view.h.
 *
 * Who runs here: creation; the flip (gc_view_detach, world stopped); workers and faulting mutators
 * (gc_view_attach); the plan and the idle policy (commit, decommit). */
#include "gc/heap/view.h"

#include <errno.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "gc/base/atomic.h"
#include "gc/base/check.h"
#include "gc/base/yield.h"
#include "gc/heap/reserve.h"
#include "gc/os/memfd.h"
#include "gc/os/mman_abi.h"
#include "gc/os/sys.h"

/* What fork and core dumps do with a piece of a view. Advice is kept when page tables move, and must be
 * the same all over a view, or its pieces would not merge again [V-4]. */
static int view_advise(const struct gc_view *view, char *at, uint64_t bytes)
{
	bool dumped = view->dumped && gc_view_contains(view, (uintptr_t)at);
	/* A child of fork would share a memfd heap with its parent: see view_fork.c. */
	int error = gc_sys->madvise(at, bytes, MADV_DONTFORK);

	if (error < 0 || view->backing != GC_BACKING_SHARED || dumped)
		return error;
	return gc_sys->madvise(at, bytes, MADV_DONTDUMP); /* [V-5] */
}

/* Map a range of one view: over its reservation, or anew, to close a hole that a failed mremap may
 * have left [V-3]. */
static int view_map(const struct gc_view *view, char *at, uint64_t offset, uint64_t bytes,
		    int protection)
{
	int flags = MAP_FIXED | MAP_NORESERVE;
	intptr_t mapped;

	flags |= view->backing == GC_BACKING_SHARED ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	mapped = gc_sys->mmap(at, bytes, protection, flags, view->memfd, (off_t)offset);
	if (mapped < 0 && mapped > -4096)
		return (int)mapped;
	return view_advise(view, at, bytes);
}

/* The same where nobody looks just now: a fork in this moment gives the child nothing it could read. */
static int view_map_closed(const struct gc_view *view, char *at, uint64_t offset, uint64_t bytes)
{
	int error = view_map(view, at, offset, bytes, PROT_NONE);

	if (error == 0)
		error = gc_sys->mprotect(at, bytes, PROT_READ | PROT_WRITE);
	return error < 0 ? view_map(view, at, offset, bytes, PROT_READ | PROT_WRITE) : 0;
}

int gc_view_open_memory(uint64_t bytes, const char **step)
{
	int memfd, error;

	*step = "memfd_create";
	memfd = gc_memfd_create("parallax-heap");
	if (memfd < 0)
		return memfd;
	*step = "ftruncate";
	error = gc_sys->ftruncate(memfd, (off_t)bytes);
	if (error == 0) {
		*step = "fcntl(F_ADD_SEALS)";
		error = gc_sys->add_seals(memfd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	}
	if (error == 0)
		return memfd;
	gc_sys->close(memfd);
	return error;
}

static int view_reserve_at(char **at, uint64_t bytes)
{
	intptr_t start = gc_reserve(bytes, GC_VIEW_ALIGN);

	if (start < 0 && start > -4096)
		return (int)start;
	*at = (char *)start;
	return 0;
}

int gc_view_map_again(const struct gc_view *view)
{
	int error = view_map_closed(view, view->heap, 0, view->total_bytes);

	if (error == 0 && view->alias)
		error = view_map_closed(view, view->alias, 0, view->total_bytes);
	return error;
}

static int view_create(struct gc_view *view, const char **step)
{
	int error;

	if (view->backing == GC_BACKING_SHARED) {
		view->memfd = gc_view_open_memory(view->total_bytes, step);
		if (view->memfd < 0)
			return view->memfd;
	}
	*step = "mmap (reserving address space)";
	error = view_reserve_at(&view->heap, view->total_bytes);
	if (error == 0 && view->backing != GC_BACKING_SINGLE)
		error = view_reserve_at(&view->alias, view->total_bytes);
	if (error < 0)
		return error;
	*step = "mmap (mapping the views)";
	view->delta = view->alias ? view->alias - view->heap : 0;
	return gc_view_map_again(view);
}

int gc_view_create(struct gc_view *view, enum gc_backing backing, uint64_t range_bytes,
		   const char **step)
{
	int error;

	*view = (struct gc_view){.backing = backing, .memfd = -1};
	view->page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	view->page_shift = (uint32_t)__builtin_ctz(view->page_bytes);
	/* One page of page table holds page_bytes / 8 entries, on every 64-bit Linux. */
	view->extent_shift = view->page_shift + view->page_shift - 3;
	if (view->extent_shift > 30)
		view->extent_shift = 30;
	view->extent_bytes = 1u << view->extent_shift;
	view->range_bytes = gc_round_up(range_bytes, GC_VIEW_ALIGN);
	view->total_bytes = GC_RANGE_COUNT * view->range_bytes;
	error = view_create(view, step);
	if (error < 0)
		gc_view_destroy(view);
	return error;
}

int gc_view_set_dumped(struct gc_view *view)
{
	if (view->backing != GC_BACKING_SHARED)
		return 0;
	view->dumped = true;
	return gc_sys->madvise(view->heap, view->total_bytes, MADV_DODUMP);
}

void gc_view_destroy(struct gc_view *view)
{
	if (view->heap)
		gc_unreserve(view->heap, view->total_bytes);
	if (view->alias)
		gc_unreserve(view->alias, view->total_bytes);
	if (view->memfd >= 0)
		gc_sys->close(view->memfd);
	*view = (struct gc_view){.memfd = -1};
}

static int view_move(char *from, char *to, uint64_t bytes)
{
	intptr_t moved = gc_sys->mremap(from, bytes, bytes,
					MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);

	return moved < 0 && moved > -4096 ? (int)moved : 0;
}

/* [V-4] The extents of [offset, end) that are one mapping for certain. */
static uint64_t view_piece_bytes(const struct gc_view *view, uint64_t offset, uint64_t end)
{
	uint64_t extent = (offset >> view->extent_shift) + 1;

	if (view->backing == GC_BACKING_SHARED)
		return end - offset;
	/* Relaxed: cuts in this range are made by whoever moved it last, ordered by its state. */
	while (extent << view->extent_shift < end && !gc_load_relaxed(&view->cuts[extent]))
		extent++;
	return (extent << view->extent_shift) - offset;
}

/* Move piece by piece; *moved_bytes from the start have moved, whatever is returned. */
static int view_move_pieces(const struct gc_view *view, uint64_t offset, uint64_t bytes,
			    bool attach, uint64_t *moved_bytes)
{
	uint64_t end = offset + bytes;

	*moved_bytes = 0;
	while (offset < end) {
		uint64_t piece = view_piece_bytes(view, offset, end);
		char *heap = view->heap + offset, *alias = view->alias + offset;
		int error = view_move(attach ? alias : heap, attach ? heap : alias, piece);

		if (error < 0)
			return error;
		offset += piece;
		*moved_bytes += piece;
	}
	return 0;
}

static uint64_t view_offset(const struct gc_view *view, struct gc_haddr start)
{
	return start.at - (uintptr_t)view->heap;
}

/* What has left already comes back. Shared pages come by ordinary faults, if need be; private ones are
 * nowhere else, so the kernel is asked again. */
static void view_take_back(const struct gc_view *view, uint64_t offset, uint64_t bytes)
{
	unsigned round = 0;
	uint64_t moved;

	while (bytes && view_move_pieces(view, offset, bytes, true, &moved) < 0 &&
	       view->backing == GC_BACKING_PRIVATE) {
		GC_REQUIRE(round < 1000000,
			   "pages moved out of the heap view cannot be moved back");
		offset += moved;
		bytes -= moved;
		gc_backoff(&round);
	}
}

int gc_view_detach(const struct gc_view *view, struct gc_haddr start, uint64_t bytes)
{
	uint64_t offset = view_offset(view, start), moved;
	int error = view_move_pieces(view, offset, bytes, false, &moved);

	if (error == 0)
		return 0;
	view_take_back(view, offset, moved);
	view_map_closed(view, view->alias + offset, offset, bytes); /* refused too: [V-6] */
	return error;
}

int gc_view_attach(const struct gc_view *view, struct gc_haddr start, uint64_t bytes,
		   uint64_t *moved_bytes)
{
	uint64_t offset = view_offset(view, start);
	int error = view_move_pieces(view, offset, bytes, true, moved_bytes);

	if (view->cuts && *moved_bytes) { /* [V-4]; relaxed: as in view_piece_bytes */
		gc_store_relaxed(&view->cuts[offset >> view->extent_shift], 1);
		gc_store_relaxed(&view->cuts[(offset + *moved_bytes) >> view->extent_shift], 1);
	}
	return error;
}

int gc_view_attach_anew(const struct gc_view *view, struct gc_haddr start, uint64_t bytes)
{
	/* Mutators may be there already. */
	return view_map(view, (char *)start.at, view_offset(view, start), bytes,
			PROT_READ | PROT_WRITE);
}

int gc_view_zap_heap(const struct gc_view *view, struct gc_haddr start, uint64_t bytes)
{
	(void)view;
	return gc_sys->madvise((void *)start.at, bytes, MADV_DONTNEED);
}

int gc_view_empty_alias(const struct gc_view *view, struct gc_haddr start, uint64_t bytes)
{
	int error = view_map_closed(view, gc_view_alias_of(view, start).at,
				    view_offset(view, start), bytes);

	/* Refused, perhaps for the number of mappings: then at least without its pages. */
	if (error < 0)
		gc_sys->madvise(gc_view_alias_of(view, start).at, bytes, MADV_DONTNEED);
	return error;
}

int gc_view_mend_alias(const struct gc_view *view)
{
	int error = view_advise(view, view->alias, view->total_bytes);

	/* Over a hole it fails: then all is mapped anew. */
	if (error == 0)
		error = gc_sys->mprotect(view->alias, view->total_bytes, PROT_READ | PROT_WRITE);
	return error < 0 ? view_map_closed(view, view->alias, 0, view->total_bytes) : 0;
}

int gc_view_commit(const struct gc_view *view, struct gc_haddr start, uint64_t bytes)
{
	if (view->backing != GC_BACKING_SHARED)
		return 0;
	return gc_sys->fallocate(view->memfd, 0, (off_t)(start.at - (uintptr_t)view->heap),
				 (off_t)bytes);
}

int gc_view_decommit(const struct gc_view *view, struct gc_haddr start, uint64_t bytes)
{
	if (view->backing != GC_BACKING_SHARED)
		return gc_view_zap_heap(view, start, bytes);
	return gc_sys->fallocate(view->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 (off_t)(start.at - (uintptr_t)view->heap), (off_t)bytes);
}
