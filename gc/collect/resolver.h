/* gc/collect/resolver.h: how pages are taken away and brought back, as a table of functions chosen
 * once, when the heap is created (docs/design.md). Algorithms never ask which plan is in force.
 *
 *                   minor                        copy                          stw
 *   backing         memfd, two shared views      private anonymous             private, one view
 *   a unit is built in the alias                 in a buffer                   where it lies
 *   then            UFFDIO_CONTINUE              UFFDIO_COPY                   nothing
 *   clean extents   page tables move back        page tables move back         never left */
#ifndef GC_COLLECT_RESOLVER_H
#define GC_COLLECT_RESOLVER_H

#include "gc/heap/heap.h"

struct gc_resolver {
	enum plx_plan plan;
	enum gc_backing backing;
	enum gc_uffd_mode uffd_mode;
	bool concurrent; /* false: everything happens in the pause */
	bool may_zap;	 /* single pages can be dropped without losing what is in them */

	/* Must this page go through a claim before it is attached? In faults too. */
	bool (*is_unit)(const struct gc_heap *heap, struct gc_page page);

	/* Where a claimed page is built: `scratch` is a page of memory for plans that need one. */
	char *(*build_at)(const struct gc_heap *heap, struct gc_page page, char *scratch);

	/* Bring a built page to the heap view if that takes more than attaching. 0 or an errno. */
	int (*publish)(struct gc_heap *heap, struct gc_page page, const char *built);

	/* Attach pages that are READY or clean. 0 or a negative errno. */
	int (*attach)(struct gc_heap *heap, struct gc_page first, uint64_t pages);

	/* Attach a free region whose extent cannot move back yet. */
	int (*attach_free)(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes);
};

extern const struct gc_resolver gc_resolver_minor;
extern const struct gc_resolver gc_resolver_copy;
extern const struct gc_resolver gc_resolver_stw;

#endif
