/* gc/collect/degrade.c: the kernel refused something in mid-cycle and a lesser way was taken. It is
 * counted each time and reported once per kind, on standard error.
 *
 * Who runs here: the cycle's thread, and mutators attaching a free region; gc_degrade_note_fault also in faults, where
 * nothing may be printed: the cycle does it at its end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gc/collect/collect.h"

static const char *const degrade_texts[] = {
	[GC_DEGRADE_DETACH] = "mremap could not detach the heap; objects moved inside the pause",
	[GC_DEGRADE_REGISTER] =
		"the heap could not be registered with userfaultfd; objects moved inside "
		"the pause",
	[GC_DEGRADE_ATTACH] = "mremap could not move pages back; they are attached one by one",
	[GC_DEGRADE_UNREGISTER] = "userfaultfd could not be unregistered at the first try",
	[GC_DEGRADE_TARGET] =
		"a target of the compaction could not be made ready; less was moved, or "
		"inside the pause",
	[GC_DEGRADE_FIXED] =
		"there are no pages for the fixed space; an allocation has to wait or fail",
	[GC_DEGRADE_ALIAS] = "the second view of the heap could not be mapped again; objects moved "
			     "inside the pause",
};

/* True for the first of its kind. */
static bool degrade_count(struct gc_heap *heap, enum gc_degrade what, int error)
{
	uint32_t bit = 1u << what;

	gc_add_relaxed(&heap->stats.degraded, 1); /* a statistic */
	GC_INSTANT_SHARED(&heap->events, degrade, degrade_texts[what], -error, 0, 0);
	return !(gc_or_relaxed(&heap->degrade_notes, bit) & bit); /* relaxed: only who prints */
}

static void degrade_print(enum gc_degrade what, int error)
{
	fprintf(stderr, "parallax: %s (%s)\n", degrade_texts[what], strerror(-error));
}

void gc_degrade_note(struct gc_heap *heap, enum gc_degrade what, int error)
{
	if (degrade_count(heap, what, error))
		degrade_print(what, error);
}

void gc_degrade_note_fault(struct gc_heap *heap, int error)
{
	/* Relaxed: only what is printed, and the end of a later cycle will do. */
	if (degrade_count(heap, GC_DEGRADE_ATTACH, error))
		gc_store_relaxed(&heap->attach_refused, -error);
}

void gc_degrade_tell(struct gc_heap *heap)
{
	int error = gc_load_relaxed(&heap->attach_refused); /* as above */

	if (error == 0)
		return;
	gc_store_relaxed(&heap->attach_refused, 0);
	degrade_print(GC_DEGRADE_ATTACH, -error);
}
