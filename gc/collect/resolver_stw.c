/* gc/collect/resolver_stw.c: no userfaultfd at all: the same evacuation, whole inside the pause,
 * where every unit can be built where it lies. */
#include "gc/collect/collect.h"
#include "gc/collect/resolver.h"

static bool stw_is_unit(const struct gc_heap *heap, struct gc_page page)
{
	return gc_unit_is_dirty(heap, page) || gc_unit_is_target(heap, page);
}

static char *stw_build_at(const struct gc_heap *heap, struct gc_page page, char *scratch)
{
	(void)scratch;
	return (char *)gc_view_page_start(&heap->view, page).at;
}

static int stw_publish(struct gc_heap *heap, struct gc_page page, const char *built)
{
	(void)heap, (void)page, (void)built;
	return 0;
}

static int stw_attach(struct gc_heap *heap, struct gc_page first, uint64_t pages)
{
	(void)heap, (void)first, (void)pages;
	return 0; /* never taken away */
}

static int stw_attach_free(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes)
{
	(void)heap, (void)start, (void)bytes;
	return 0;
}

const struct gc_resolver gc_resolver_stw = {
	.plan = PLX_PLAN_STW,
	.backing = GC_BACKING_SINGLE,
	.uffd_mode = GC_UFFD_MINOR,
	.concurrent = false,
	.may_zap = false,
	.is_unit = stw_is_unit,
	.build_at = stw_build_at,
	.publish = stw_publish,
	.attach = stw_attach,
	.attach_free = stw_attach_free,
};
