/* gc/collect/fault.c: a mutator touched a page too early: make it consistent and attach it.
 *
 * Delivery differs (a thread that reads the userfaultfd, or the mutator's own SIGBUS handler);
 * resolution is this function. It may run at any time, also after the page was attached, after the
 * range was disarmed, and for several threads at once.
 *
 * [FT-1] No allocation, no lock, no heap view, errno preserved: a stopped or killed-in-place thread
 *        cannot hold anything that is waited for here, except a claim, and claimants never wait.
 *
 * Who runs here: the fault thread, or mutators in a signal handler. */
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/resolver.h"

void gc_fault_resolve_fault(struct gc_heap *heap, struct gc_haddr address, char *scratch)
{
	struct gc_page page = gc_heap_page(heap, address);
	unsigned round = 0;

	for (;;) {
		enum gc_page_state state = gc_page_state(&heap->pages, page);

		if (state == GC_PAGE_CLAIMED) {
			gc_backoff(&round);
			continue;
		}
		if (state == GC_PAGE_DETACHED && heap->resolver->is_unit(heap, page)) {
			if (gc_page_try_claim(&heap->pages, page))
				gc_unit_finish_fault(heap, page, scratch);
			continue;
		}
		gc_yield_point();
		if (heap->resolver->attach(heap, page, 1) == 0) /* [PS-4] [PS-5] */
			return;
		GC_REQUIRE(round < 1000000, "no memory to attach a page of the heap");
		gc_backoff(&round);
	}
}
