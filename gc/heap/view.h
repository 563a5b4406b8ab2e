/* gc/heap/view.h: the two views of the heap's memory.
 *
 *        heap view                                alias view
 *   +---------------------+--------------+   +---------------------+--------------+
 *   | objects             | leaves       |   | objects             | leaves       |
 *   +---------------------+--------------+   +---------------------+--------------+
 *             \________________ one memfd, mapped twice ________________/
 *
 * [V-1] Both views start at a multiple of GC_VIEW_ALIGN and each range is a multiple of it, so that
 *       mremap between them moves whole page tables.
 * [V-2] Between cycles the alias has no page-table entries: it is emptied outside of pauses.
 * [V-3] Moves in both directions keep the source mapped (DONTUNMAP): neither range ever has a hole
 *       that a foreign mmap could land in.
 * [V-4] mremap wants its source to be one mapping; if it is not, it fails with the target already
 *       unmapped. Pieces of a shared file merge again when they are back; private ones need not,
 *       so every edge of a move is remembered as a cut, and no move crosses one.
 *
 * [V-5] Shared memory is not in core dumps, unless asked for and then once: the kernel would make every page
 *       of the file, several times the heap's limit, and write it out for each view.
 *
 * [V-6] A piece of the alias is emptied by mapping it anew, closed, then opened. If the kernel refuses
 *       both to open it and to map it open, it stays closed; it is the same after a detach that was
 *       refused. Nobody sees that at once: what is detached next replaces it, but a flip that drops
 *       single pages, and targets in the leaf range smaller than an extent, are built through the
 *       alias as it is. So after either was refused the alias is mended before it is used again.
 *
 * The copy and stop-the-world plans use private anonymous memory: there the alias is only the place
 * that detached pages are moved to, and stw has none. */
#ifndef GC_HEAP_VIEW_H
#define GC_HEAP_VIEW_H

#include "gc/base/types.h"

#define GC_VIEW_ALIGN GC_GIB(1)

enum gc_range { GC_RANGE_OBJECTS, GC_RANGE_LEAVES, GC_RANGE_COUNT };
enum gc_backing { GC_BACKING_SHARED, GC_BACKING_PRIVATE, GC_BACKING_SINGLE };

/* Immutable after creation. */
struct gc_view {
	char *heap;	      /* start of the heap view */
	char *alias;	      /* start of the alias view; NULL for GC_BACKING_SINGLE */
	uint64_t range_bytes; /* of each range */
	uint64_t total_bytes; /* of both ranges */
	ptrdiff_t delta;      /* alias - heap */
	enum gc_backing backing;
	bool dumped; /* shared memory too: the heap view is in core dumps */
	int memfd;   /* -1 unless GC_BACKING_SHARED */
	uint32_t page_bytes;
	uint32_t page_shift;
	uint32_t extent_bytes; /* what one page-table page maps: 2 MiB with 4 KiB pages */
	uint32_t extent_shift;
	uint8_t *cuts; /* GC_BACKING_PRIVATE: 1 where a mapping may begin, by extent [V-4]; atomic */
};

/* Map both views. 0, or a negative errno with `*step` naming the call that gave it; nothing is left
 * mapped then. */
int gc_view_create(struct gc_view *view, enum gc_backing backing, uint64_t range_bytes,
		   const char **step);
void gc_view_destroy(struct gc_view *view);

/* Right after creation: the heap view is in core dumps, whole [V-5]. 0 or a negative errno. */
int gc_view_set_dumped(struct gc_view *view);
/* Parts of it: a sealed memfd, or a negative errno; both views where they are, from the start. */
int gc_view_open_memory(uint64_t bytes, const char **step);
int gc_view_map_again(const struct gc_view *view);

/* Move the page tables of [start, start+bytes), heap to alias or back. Any page already mapped at
 * the target is dropped, which loses nothing on shared memory. 0 or a negative errno: a detach that
 * fails leaves everything attached, the alias perhaps closed [V-6]; an attach that fails has moved the
 * first *moved_bytes and may be tried again from there. */
int gc_view_detach(const struct gc_view *view, struct gc_haddr start, uint64_t bytes);
int gc_view_attach(const struct gc_view *view, struct gc_haddr start, uint64_t bytes,
		   uint64_t *moved_bytes);

/* Attach shared memory without moving page tables: its pages come back by ordinary faults. */
int gc_view_attach_anew(const struct gc_view *view, struct gc_haddr start, uint64_t bytes);

/* Drop page-table entries without losing contents (shared) or with (private). */
int gc_view_zap_heap(const struct gc_view *view, struct gc_haddr start, uint64_t bytes);

/* Empty a range of the alias down to its page tables: a mapping without tables is dropped by the next
 * detach without interrupting any CPU. Refused: the alias may be closed there [V-6]. */
int gc_view_empty_alias(const struct gc_view *view, struct gc_haddr start, uint64_t bytes);

/* Between cycles: have all of the alias mapped and open, whatever was refused before [V-6]. 0, or a negative
 * errno: then it must not be used. */
int gc_view_mend_alias(const struct gc_view *view);

/* Make the pages of a free range exist, so that no fault can find a hole. Private backings have
 * nothing to do. */
int gc_view_commit(const struct gc_view *view, struct gc_haddr start, uint64_t bytes);

/* Give the pages of a free range back to the kernel; they read as zero afterwards. */
int gc_view_decommit(const struct gc_view *view, struct gc_haddr start, uint64_t bytes);

static inline struct gc_page gc_view_page(const struct gc_view *view, struct gc_haddr address)
{
	return (struct gc_page){
		(uint32_t)((address.at - (uintptr_t)view->heap) >> view->page_shift)};
}

static inline struct gc_haddr gc_view_page_start(const struct gc_view *view, struct gc_page page)
{
	return gc_haddr(view->heap + ((uint64_t)page.n << view->page_shift));
}

static inline bool gc_view_contains(const struct gc_view *view, uintptr_t word)
{
	return word - (uintptr_t)view->heap < view->total_bytes;
}

static inline struct gc_aaddr gc_view_alias_of(const struct gc_view *view, struct gc_haddr address)
{
	return (struct gc_aaddr){(char *)address.at + view->delta};
}

#endif
