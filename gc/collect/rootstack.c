/* gc/collect/rootstack.c: root stacks: runs of regions whose words below a live limit are roots.
 *
 * [RS-1] What is on a root stack at any moment from the settling round of a start until the marker comes by
 *        will be marked: whoever takes a word off, or overwrites it, is armed by then and logs it; else it is
 *        there when the marker comes, which is after all snapshots. So a push needs no barrier: before the
 *        marker it adds to what is still looked at, and after it its thread has its snapshot, and what it
 *        pushes is safe or black [CY-2]. Nothing is concluded from stores of threads that are not armed
 *        yet, and a pop ends before its thread answers. A stack that changes hands changes nothing of
 *        this: its words are logged by whoever takes them off.
 * [RS-2] After a flip, pages below the top as of the flip are dirty like root pages [RP-2], and those above are
 *        clean. A page is built with the words below that frozen top: whatever a pop reads was either
 *        below it, then touching the page has updated it; or it was pushed since, onto a page that is there.
 *        Words above it are not read before they are stored.
 * [RS-3] Which pages are dirty is counted before the pause, by the top of then; in the pause each stack is asked
 *        once for its top, and what grew since is added as the barrier would have [B-3]. That is work for
 *        the number of stacks, not for their depth.                                          [I6]
 * [RS-4] A stack enters the list at any time, empty. It leaves it, and its regions are free, only while no cycle
 *        runs, or by the cycle's thread at the end of one: so the cycle goes through the list
 *        without a lock, and reads words of a stack that is being destroyed. A thread that frees one in
 *        phase IDLE stands at no safepoint: the marker cannot come before it is done.
 *
 * The marker reads the top, then the words below it [MO-ROOTSTACK]: any of them may be popped, and its slot
 * pushed anew, meanwhile, which changes one safe word for another. Words above the top are never
 * looked at, so the memory needs no clearing.
 *
 * Who runs here: attached threads (create, destroy); the cycle's thread. */
#include "gc/collect/rootstack.h"

#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"

static struct gc_rootstack *rootstack_place_locked(struct gc_heap *heap, struct gc_rootstack *stack,
						   uint32_t run)
{
	struct gc_regions *regions = &heap->regions;
	uint32_t head = gc_region_take_run_locked(regions, GC_RANGE_OBJECTS, run, GC_REGION_STACK);

	if (head == GC_REGION_NONE)
		return NULL;
	if (gc_load_relaxed(&heap->phase) == GC_PHASE_MOVING) /* [CY-1] */
		gc_reattach_region(heap, head, run);
	regions->table[head].stack = stack;
	stack->head = head;
	stack->next = heap->rootstacks;
	return stack;
}

struct gc_rootstack *gc_rootstack_create(struct gc_heap *heap, size_t slots, bool *regions_short)
{
	struct gc_regions *regions = &heap->regions;
	struct gc_rootstack *stack;
	uint64_t bytes = gc_round_up((uint64_t)slots * sizeof(void *), regions->region_bytes);
	void **base;

	*regions_short = false;
	if (slots > heap->config.heap_max_bytes / sizeof(void *))
		return NULL;
	stack = gc_meta_alloc(sizeof(*stack));
	if (!stack)
		return NULL;
	pthread_mutex_lock(&regions->lock);
	if (rootstack_place_locked(heap, stack, (uint32_t)(bytes >> regions->region_shift))) {
		base = (void **)gc_region_start(regions, stack->head).at;
		stack->pub =
			(struct plx_root_stack){base, base + slots, base, (struct plx_heap *)heap};
		stack->frozen = (uintptr_t)base;
		gc_store_release(&heap->rootstacks, stack); /* [MO-ROOTSTACK] */
	} else {
		gc_meta_free(stack, sizeof(*stack));
		stack = NULL;
		*regions_short = true;
	}
	pthread_mutex_unlock(&regions->lock);
	return stack;
}

static void rootstack_free_locked(struct gc_heap *heap, struct gc_rootstack **link)
{
	struct gc_rootstack *stack = *link;

	gc_store_release(link, stack->next); /* [MO-ROOTSTACK] */
	gc_region_free_locked(&heap->regions, stack->head);
	gc_meta_free(stack, sizeof(*stack));
}

/* The link that leads to it, or to NULL. */
static struct gc_rootstack **rootstack_find_locked(struct gc_heap *heap,
						   const struct gc_rootstack *stack)
{
	struct gc_rootstack **link = &heap->rootstacks;

	while (*link && *link != stack)
		link = &(*link)->next;
	return link;
}

bool gc_rootstack_is_known(struct gc_heap *heap, const struct gc_rootstack *stack)
{
	const struct gc_rootstack *found;
	bool known;

	pthread_mutex_lock(&heap->regions.lock);
	found = *rootstack_find_locked(heap, stack);
	known = found && !found->destroyed;
	pthread_mutex_unlock(&heap->regions.lock);
	return known;
}

void gc_rootstack_destroy(struct gc_heap *heap, struct gc_rootstack *stack)
{
	gc_yield_point();
	pthread_mutex_lock(&heap->regions.lock);
	/* Relaxed: idle, as far as a thread that stands at no safepoint is concerned. [RS-4] */
	if (gc_load_relaxed(&heap->phase) == GC_PHASE_IDLE)
		rootstack_free_locked(heap, rootstack_find_locked(heap, stack));
	else
		stack->destroyed = true;
	pthread_mutex_unlock(&heap->regions.lock);
}

void gc_rootstacks_free_destroyed(struct gc_heap *heap)
{
	struct gc_rootstack **link = &heap->rootstacks;

	pthread_mutex_lock(&heap->regions.lock);
	while (*link)
		if ((*link)->destroyed)
			rootstack_free_locked(heap, link);
		else
			link = &(*link)->next;
	pthread_mutex_unlock(&heap->regions.lock);
}

void gc_rootstacks_destroy(struct gc_heap *heap)
{
	while (heap->rootstacks) {
		struct gc_rootstack *stack = heap->rootstacks;

		heap->rootstacks = stack->next;
		gc_meta_free(stack, sizeof(*stack));
	}
}

/* Pages that hold words below the top. */
static uint32_t rootstack_pages(const struct gc_heap *heap, const struct gc_rootstack *stack)
{
	/* Relaxed: only the number counts; in the pause it is the last. */
	uintptr_t top = (uintptr_t)gc_load_relaxed(&stack->pub.top);

	return (uint32_t)(gc_round_up(top - (uintptr_t)stack->pub.base, heap->view.page_bytes) >>
			  heap->view.page_shift);
}

/* Flags were cleared before marking, and nobody else sets those of a stack's pages. [RS-3] */
void gc_rootstacks_flag(struct gc_heap *heap)
{
	for (struct gc_rootstack *stack = gc_rootstack_first(heap); stack; stack = stack->next) {
		struct gc_page first = gc_heap_page(heap, gc_haddr(stack->pub.base));

		stack->flagged_pages = rootstack_pages(heap, stack);
		memset(&heap->pages.flags[first.n], GC_PAGE_ANY, stack->flagged_pages);
	}
}

/* The stack has grown since its pages were counted. */
static void rootstack_flag_late_stw(struct gc_heap *heap, const struct gc_rootstack *stack,
				    uint32_t pages)
{
	struct gc_page first = gc_heap_page(heap, gc_haddr(stack->pub.base));
	uint32_t from = stack->flagged_pages;

	if (pages - from > GC_LATE_DIRTY_MAX) {
		memset(&heap->pages.flags[first.n + from], GC_PAGE_ANY, pages - from);
		gc_add_acq_rel(&heap->late.count, GC_LATE_DIRTY_MAX + 1); /* [MO-LATE] */
		return;
	}
	for (; from < pages; from++)
		gc_barrier_flag_page(heap, (struct gc_page){first.n + from}, GC_PAGE_ANY);
}

/* [RS-2] */
void gc_rootstacks_flip_stw(struct gc_heap *heap)
{
	for (struct gc_rootstack *stack = gc_rootstack_first(heap); stack; stack = stack->next) {
		uint32_t pages = rootstack_pages(heap, stack);

		stack->frozen = (uintptr_t)stack->pub.top;
		if (pages > stack->flagged_pages)
			rootstack_flag_late_stw(heap, stack, pages);
	}
}
