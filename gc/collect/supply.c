/* gc/collect/supply.c: pages that do not exist yet, made many at a time, and before they are needed.
 *
 * A page that does not exist costs whoever touches it a fault, many times what using a recycled one
 * does, and several times what the kernel takes to make it (bench/uffd_ops: fresh_page, populate_write).
 * In the steady state all pages exist. While a heap grows, mutators have the pages of new regions made
 * some at a time, and mostly need not even that: whenever a region is taken and fewer than GC_SUPPLY
 * free ones with pages are left in its range, a thread of its own has those of the next made.
 *
 * [SU-1] A region is booked as resident before its pages are made. Whoever takes it early finds some
 *        of them missing and touches them himself; making a page that exists changes nothing.
 * [SU-2] Pages are made through the heap view, piece by piece, but not from before a flip until all pages
 *        are back: then a page that is missing there may be one that has been taken away, and the
 *        flip must not wait for the address space.
 *        It stands still, too, while the verifier compares the table of regions with itself.
 * [SU-3] No more is made than mutators may have, and nothing in ranges nobody uses. A refusal
 *        of the kernel costs the advantage, nothing else.
 * [SU-4] The side tables of regions that were never used before have no pages either. They are made at the
 *        start of a cycle, before it has use for them; forwarding entries when a region is chosen.
 *
 * [SU-5] Making a page is not all of it: the first access to it has its price, too. Where a hypervisor keeps
 *        page tables of its own, that is several times what the kernel takes, and falls to whoever comes
 *        first. So the supplier reads a byte of each page it has had made, if mutators leave it a CPU, since
 *        else it would take from them what it saves, and if they have not caught up with it. Whose region it
 *        is by then, and what is in it, does not matter.
 *
 * Who runs here: the supplier thread; mutators ask, under regions.lock; the cycle's thread holds it. */
#include <errno.h>

#include "gc/collect/collect.h"
#include "gc/collect/fork.h"
#include "gc/os/mman_abi.h"
#include "gc/os/sys.h"

#define SUPPLY_PIECE_BYTES GC_KIB(64) /* what a flip may have to wait for */

bool gc_supply_make(struct gc_heap *heap, char *start, uint64_t bytes)
{
	char *from = (char *)gc_round_down((uintptr_t)start, heap->view.page_bytes);
	int error;

	/* Relaxed: asking once too often costs a system call. */
	if (gc_load_relaxed(&heap->supply.refused))
		return false;
	error = gc_sys->madvise(from, (uint64_t)(start - from) + bytes, MADV_POPULATE_WRITE);
	if (error == -EINVAL) /* a kernel without it */
		gc_store_relaxed(&heap->supply.refused, 1);
	return error == 0;
}

void gc_supply_region(struct gc_heap *heap, uint32_t number)
{
	uint64_t made = heap->regions.table[number].made_bytes;

	if (made < heap->regions.region_bytes)
		gc_supply_make(heap, (char *)gc_region_start(&heap->regions, number).at + made,
			       heap->regions.region_bytes - made);
}

static void supply_table(struct gc_heap *heap, void *table, uint64_t from_bytes, uint64_t to_bytes)
{
	gc_supply_make(heap, (char *)table + from_bytes, to_bytes - from_bytes);
}

/* [SU-4] */
void gc_supply_tables(struct gc_heap *heap)
{
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &heap->regions.ranges[i];
		uint32_t high = gc_range_high_water(range), made = heap->supply.tables_made[i];
		uint64_t from = (uint64_t)(range->first + made) << heap->regions.region_shift;
		uint64_t to = (uint64_t)(range->first + high) << heap->regions.region_shift;
		uint64_t page = from >> heap->view.page_shift, end = to >> heap->view.page_shift;

		if (high == made)
			continue;
		supply_table(heap, heap->markbits.words, from >> 6, to >> 6);
		supply_table(heap, heap->target_source, page * sizeof(uintptr_t),
			     end * sizeof(uintptr_t));
		supply_table(heap, heap->pages.states, page, end);
		supply_table(heap, heap->pages.flags, page, end);
		heap->supply.tables_made[i] = high;
	}
}

/* The forwarding entries of a region that is about to be evacuated: others have no use for theirs. */
void gc_supply_forwarding(struct gc_heap *heap, uint32_t region)
{
	uint64_t each =
		(heap->regions.region_bytes >> GC_FORWARD_SHIFT) * sizeof(struct gc_forward_entry);

	supply_table(heap, heap->forward.entries, region * each, (region + 1) * each);
}

/* May something be done now? Waits while it must not [SU-2]; false: it is over. */
static bool supply_begin(struct gc_supply *supply)
{
	bool go;

	pthread_mutex_lock(&supply->lock);
	while (supply->held && !supply->quit)
		pthread_cond_wait(&supply->wake, &supply->lock);
	go = supply->making = !supply->quit;
	pthread_mutex_unlock(&supply->lock);
	return go;
}

static void supply_end(struct gc_supply *supply)
{
	pthread_mutex_lock(&supply->lock);
	supply->making = false;
	pthread_cond_broadcast(&supply->idle); /* a flip, and a fork */
	pthread_mutex_unlock(&supply->lock);
}

/* [SU-5] */
__attribute__((no_sanitize("thread"))) static void supply_touch(const struct gc_heap *heap,
								const char *start, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += heap->view.page_bytes)
		(void)*(const volatile char *)(start + at);
}

/* [SU-5] A mutator that has taken the region is about to touch its pages itself: the supplier would come too late,
 * and behind for the next region as well. Takes regions.lock, so not between supply_begin and supply_end. */
static bool supply_should_touch(struct gc_heap *heap, uint32_t number)
{
	return heap->world->cpu_to_spare(heap) &&
	       gc_region_kind_now(&heap->regions, number) == GC_REGION_FREE;
}

static void supply_region(struct gc_heap *heap, uint32_t number)
{
	char *start = (char *)gc_region_start(&heap->regions, number).at;
	uint64_t bytes = heap->regions.region_bytes;

	for (uint64_t at = 0; at < bytes; at += SUPPLY_PIECE_BYTES) {
		uint64_t piece = gc_min(SUPPLY_PIECE_BYTES, bytes - at);
		bool touch = supply_should_touch(heap, number), made;

		if (!supply_begin(&heap->supply))
			return;
		made = gc_supply_make(heap, start + at, piece);
		if (made && touch)
			supply_touch(heap, start + at, piece);
		supply_end(&heap->supply);
		if (!made)
			return;
	}
	pthread_mutex_lock(&heap->regions.lock);
	gc_region_made_locked(&heap->regions, number);
	pthread_mutex_unlock(&heap->regions.lock);
	gc_add_relaxed(&heap->stats.supplied_bytes, bytes); /* statistic */
}

/* [SZ-2] Pages that exist are reckoned as had: none in advance beyond the soft limit, or that would follow them. */
static bool supply_may_grow_locked(const struct gc_heap *heap)
{
	const struct gc_regions *regions = &heap->regions;
	uint64_t resident = (uint64_t)regions->used + regions->resident_free;

	/* Relaxed: a region too many, or made by a mutator. */
	return resident << regions->region_shift < gc_load_relaxed(&heap->soft_limit_bytes);
}

/* One region of each range that lacks some; false if none does. */
static bool supply_round(struct gc_heap *heap)
{
	struct gc_regions *regions = &heap->regions;
	bool any = false;

	for (int range = 0; range < GC_RANGE_COUNT; range++) {
		uint32_t number = GC_REGION_NONE;

		if (!supply_begin(&heap->supply))
			return false;
		pthread_mutex_lock(&regions->lock);
		if (supply_may_grow_locked(heap))
			number = gc_region_supply_locked(regions, (enum gc_range)range,
							 (uint32_t)heap->config.supply_regions);
		pthread_mutex_unlock(&regions->lock);
		supply_end(&heap->supply);
		if (number == GC_REGION_NONE)
			continue;
		supply_region(heap, number);
		any = true;
	}
	return any;
}

/* Sleep until somebody asks; false: it is over. */
static bool supply_wait(struct gc_supply *supply)
{
	bool go;

	pthread_mutex_lock(&supply->lock);
	while (!supply->asked && !supply->quit)
		pthread_cond_wait(&supply->wake, &supply->lock);
	supply->asked = false;
	go = !supply->quit;
	pthread_mutex_unlock(&supply->lock);
	return go;
}

static void *supply_main(void *argument)
{
	struct gc_heap *heap = argument;

	while (supply_wait(&heap->supply))
		while (supply_round(heap))
			continue;
	return NULL;
}

void gc_supply_ask_locked(struct gc_heap *heap, enum gc_range range)
{
	struct gc_supply *supply = &heap->supply;

	if (!supply->started || !supply_may_grow_locked(heap) ||
	    !gc_region_lacks_supply_locked(&heap->regions, range,
					   (uint32_t)heap->config.supply_regions))
		return;
	pthread_mutex_lock(&supply->lock);
	supply->asked = true;
	pthread_cond_signal(&supply->wake);
	pthread_mutex_unlock(&supply->lock);
}

void gc_supply_hold(struct gc_heap *heap)
{
	struct gc_supply *supply = &heap->supply;

	pthread_mutex_lock(&supply->lock);
	supply->held++;
	while (supply->making)
		pthread_cond_wait(&supply->idle, &supply->lock);
	pthread_mutex_unlock(&supply->lock);
}

void gc_supply_let_go(struct gc_heap *heap)
{
	struct gc_supply *supply = &heap->supply;

	pthread_mutex_lock(&supply->lock);
	supply->held--;
	pthread_cond_signal(&supply->wake);
	pthread_mutex_unlock(&supply->lock);
}

void gc_supply_start(struct gc_heap *heap)
{
	struct gc_supply *supply = &heap->supply;

	pthread_mutex_init(&supply->lock, NULL);
	pthread_cond_init(&supply->wake, NULL);
	pthread_cond_init(&supply->idle, NULL);
	supply->initialised = true;
	if (heap->config.supply_regions) /* without the thread mutators make their pages themselves */
		supply->started = gc_sys->thread_create(&supply->thread, supply_main, heap) >= 0;
}

/* The supplier stands still; in the child it is not there. */
void gc_supply_fork(struct gc_heap *heap, enum gc_fork_step step)
{
	struct gc_supply *supply = &heap->supply;

	if (step == GC_FORK_LOCK) {
		gc_supply_hold(heap);
	} else if (step == GC_FORK_UNLOCK) {
		gc_supply_let_go(heap);
	} else {
		gc_fork_mutex(&supply->lock, step);
		gc_fork_cond(&supply->wake, false, step);
		gc_fork_cond(&supply->idle, false, step);
		supply->held = 0;
		supply->making = supply->asked = false;
	}
}

void gc_supply_restart(struct gc_heap *heap)
{
	struct gc_supply *supply = &heap->supply;

	if (supply->started)
		supply->started = gc_sys->thread_create(&supply->thread, supply_main, heap) >= 0;
}

void gc_supply_stop(struct gc_heap *heap)
{
	struct gc_supply *supply = &heap->supply;

	if (!supply->initialised)
		return;
	pthread_mutex_lock(&supply->lock);
	supply->quit = true;
	pthread_cond_signal(&supply->wake);
	pthread_mutex_unlock(&supply->lock);
	if (supply->started)
		pthread_join(supply->thread, NULL);
	pthread_cond_destroy(&supply->idle);
	pthread_cond_destroy(&supply->wake);
	pthread_mutex_destroy(&supply->lock);
	supply->initialised = supply->started = false;
}
