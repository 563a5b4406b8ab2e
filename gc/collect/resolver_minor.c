/* gc/collect/resolver_minor.c: the product: two shared views, minor faults, UFFDIO_CONTINUE.
 *
 * A unit is built in place through the alias: the memory is the same, so there is nothing to copy
 * and no page to allocate or free; attaching it is a page-table entry. Who runs here: any context,
 * faults included. */
#include <errno.h>

#include "gc/collect/collect.h"
#include "gc/collect/resolver.h"

static bool minor_is_unit(const struct gc_heap *heap, struct gc_page page)
{
	return gc_unit_is_dirty(heap, page) || gc_unit_is_target(heap, page);
}

static char *minor_build_at(const struct gc_heap *heap, struct gc_page page, char *scratch)
{
	struct gc_haddr start = gc_view_page_start(&heap->view, page);
	bool leaf = start.at - (uintptr_t)heap->view.heap >= heap->view.range_bytes;
	ptrdiff_t leaf_delta = heap->cycle.leaves_armed ? heap->view.delta : 0;

	(void)scratch;
	return (char *)start.at + (leaf ? leaf_delta : heap->cycle.object_delta);
}

static int minor_publish(struct gc_heap *heap, struct gc_page page, const char *built)
{
	(void)heap, (void)page, (void)built;
	return 0; /* built where it lies */
}

static int minor_attach(struct gc_heap *heap, struct gc_page first, uint64_t pages)
{
	struct gc_haddr start = gc_view_page_start(&heap->view, first);
	size_t mapped = 0;
	int error = gc_uffd_continue(&heap->uffd, (void *)start.at, pages << heap->view.page_shift,
				     &mapped);

	gc_add_relaxed(&heap->stats.continued_pages,
		       mapped >> heap->view.page_shift); /* statistic */
	/* A hole: a page nobody ever wrote. It reads as zero and does not trap: let it be retried. */
	if (error == -EFAULT)
		return gc_uffd_wake(&heap->uffd, (void *)start.at, pages << heap->view.page_shift);
	return error;
}

static int minor_attach_free(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes)
{
	/* Unarmed, its pages come by ordinary faults, many at a time; holes too. */
	return gc_uffd_unregister(&heap->uffd, (void *)start.at, bytes);
}

const struct gc_resolver gc_resolver_minor = {
	.plan = PLX_PLAN_MINOR,
	.backing = GC_BACKING_SHARED,
	.uffd_mode = GC_UFFD_MINOR,
	.concurrent = true,
	.may_zap = true,
	.is_unit = minor_is_unit,
	.build_at = minor_build_at,
	.publish = minor_publish,
	.attach = minor_attach,
	.attach_free = minor_attach_free,
};
