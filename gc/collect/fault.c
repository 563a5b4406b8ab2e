/* gc/collect/fault.c: a mutator touched a page too early: make it consistent and attach it.
 *
 * Delivery differs (a thread that reads the userfaultfd, or the mutator's own SIGBUS handler);
 * resolution is this function. It may run at any time, also after the page was attached, after the
 * range was disarmed, and for several threads at once.
 *
 * [FT-1] No allocation, no lock, no heap view, errno preserved: a stopped or killed-in-place thread
 *        cannot hold anything that is waited for here, except a claim, and claimants never wait.
 *
 * [FT-2] Nobody is in here for an old flip when the next one is prepared: a late claim would build a
 *        page whose objects have not moved yet. A mutator in its handler has not reached the safepoint
 *        that the next cycle starts with; the fault thread counts itself in and out, and finish waits
 *        for it after disarming [MO-FAULT].
 *
 *            fault thread                         finish
 *            turn becomes odd                     armed = 0
 *            armed? resolve : wake only           turn odd? wait until it changes
 *            turn becomes even
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
			gc_torture_leave_fault(heap, page);
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

void gc_fault_serve_fault(struct gc_heap *heap, struct gc_haddr address, char *scratch)
{
	struct gc_haddr page = gc_view_page_start(&heap->view, gc_heap_page(heap, address));

	gc_store_seq_cst(&heap->fault_turn, heap->fault_turn + 1); /* [MO-FAULT] */
	gc_yield_point();
	if (gc_load_seq_cst(&heap->armed)) /* [MO-FAULT] */
		gc_fault_resolve_fault(heap, address, scratch);
	else
		gc_uffd_wake(&heap->uffd, (void *)page.at, heap->view.page_bytes);
	gc_store_seq_cst(&heap->fault_turn, heap->fault_turn + 1); /* [MO-FAULT] */
}

void gc_fault_wait_out(struct gc_heap *heap)
{
	uint32_t turn = gc_load_seq_cst(&heap->fault_turn); /* [MO-FAULT] */
	unsigned round = 0;

	while (turn % 2 != 0 && gc_load_seq_cst(&heap->fault_turn) == turn)
		gc_backoff(&round);
}
