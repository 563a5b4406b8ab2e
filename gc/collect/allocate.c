/* gc/collect/allocate.c: TLABs and large objects.
 *
 * A TLAB is zeroed before its thread sees it, and its pages are attached.
 * From its snapshot until the flip a mutator allocates in black regions: whatever is in them is
 *       live in this cycle. Their objects get mark bits, and their pages get flags, when the TLAB
 *       is retired: by its thread at refill, or in the flip's pause for the last one. Stores after
 *       that go through the barrier, so the flags stay complete. While some mutators have answered
 *       and others not, both colours are allocated in, from different regions; no TLAB outlives
 *       the change of its thread's colour.
 * No heap memory is touched under regions.lock: a touch may be a fault.
 * A large object is cleared piece by piece with safepoints between. Until it is published its
 *       region is `current`: nobody sweeps it, and nobody refers to it. It becomes black, or not, by
 *       the colour of its thread when it is published.
 *
 * Who runs here: mutators (refill, large), and the pause (retire and drop, on their behalf). */
#include <string.h>

#include "gc/base/yield.h"
#include "gc/collect/collect.h"

#define TLAB_LEAST_BYTES GC_KIB(4)
#define TLAB_MAKE_BYTES GC_KIB(64)
#define TLAB_STEPS 4 /* buffers of one size before the next are twice as large */

/* Flag the page of one slot of a new object if what it holds may move. */
struct retire {
	struct gc_heap *heap;
	char *object;
};

static void retire_slot(void *context, uint64_t offset)
{
	const struct retire *retire = context;
	struct gc_heap *heap = retire->heap;
	/* Relaxed: another mutator's store to it goes through the barrier and flags by itself. */
	uintptr_t object = gc_value_object(heap, gc_slot_load(retire->object + offset));
	uint8_t classes;

	if (!object)
		return;
	classes = gc_heap_region_bits(heap, object) & GC_REGION_CLASS_MASK;
	if (classes)
		gc_barrier_flag_page(heap, gc_heap_page(heap, gc_haddr(retire->object + offset)),
				     classes);
}

void gc_tlab_retire(struct gc_heap *heap, struct gc_mutator *mutator, enum plx_space space)
{
	char *object = mutator->black_from[space], *top = mutator->pub.tlab[space].top;

	if (gc_mutator_colour(mutator) != GC_BLACK || space != PLX_SPACE_OBJECTS)
		return;
	while (object < top) {
		uint64_t header = gc_header_at(object);
		const struct gc_type *type = gc_type_of(&heap->types, header);
		struct retire retire = {heap, object};

		gc_markbits_try_set(&heap->markbits, gc_haddr(object));
		gc_type_slots(type, object, header, 0, UINT64_MAX, retire_slot, &retire);
		object += gc_type_size(type, header);
	}
	GC_CHECK(A_2, object == top || !top);
	mutator->black_from[space] = top;
}

static void allocated_add_locked(struct gc_heap *heap, uint64_t bytes)
{
	gc_store_relaxed(&heap->allocated_bytes,
			 heap->allocated_bytes + bytes); /* read unlocked as a hint */
}

/* What is left of a TLAB goes back to its region if nothing was cut behind it. */
static void tlab_give_back(struct gc_heap *heap, const struct plx_tlab *tlab)
{
	struct gc_haddr last = {(uintptr_t)tlab->limit - 1};
	struct gc_region *region;
	uint32_t number;

	if (tlab->top == tlab->limit)
		return;
	number = gc_region_of(&heap->regions, last);
	region = &heap->regions.table[number];
	pthread_mutex_lock(&heap->regions.lock);
	if (gc_region_start(&heap->regions, number).at + region->allocated_bytes == last.at + 1) {
		region->allocated_bytes -= (uint64_t)(tlab->limit - tlab->top);
		allocated_add_locked(heap, -(uint64_t)(tlab->limit - tlab->top));
	}
	pthread_mutex_unlock(&heap->regions.lock);
}

void gc_tlab_drop_all(struct gc_heap *heap, struct gc_mutator *mutator)
{
	for (int space = 0; space < PLX_SPACE_COUNT; space++) {
		gc_tlab_retire(heap, mutator, (enum plx_space)space);
		tlab_give_back(heap, &mutator->pub.tlab[space]);
		mutator->pub.tlab[space] = (struct plx_tlab){NULL, NULL};
		mutator->black_from[space] = NULL;
	}
	mutator->tlab_step -= mutator->tlab_step / 2;
}

void gc_current_close(struct gc_heap *heap, enum gc_colour colour)
{
	pthread_mutex_lock(&heap->regions.lock);
	for (int range = 0; range < GC_RANGE_COUNT; range++) {
		uint32_t number = heap->current[colour][range];

		if (number != GC_REGION_NONE)
			heap->regions.table[number].current = false;
		heap->current[colour][range] = GC_REGION_NONE;
	}
	pthread_mutex_unlock(&heap->regions.lock);
}

static void region_colour(struct gc_heap *heap, uint32_t first, uint32_t count,
			  enum gc_colour colour)
{
	for (uint32_t i = first; i < first + count; i++) {
		if (colour == GC_BLACK)
			gc_store_release(&heap->regions.bits[i],
					 GC_REGION_BLACK); /* [R-3] [MO-WEAK] */
		heap->regions.table[i].young = true;
	}
}

/* A fresh current region for a range; attached whole if pages are coming back just now. */
static bool current_region_replace_locked(struct gc_heap *heap, enum gc_colour colour,
					  enum gc_range range)
{
	uint32_t old = heap->current[colour][range];
	uint32_t taken =
		gc_region_take_locked(&heap->regions, range, GC_REGION_SMALL, GC_FOR_MUTATOR);

	if (taken == GC_REGION_NONE)
		return false;
	if (old != GC_REGION_NONE)
		heap->regions.table[old].current = false;
	gc_supply_ask_locked(heap, range);
	region_colour(heap, taken, 1, colour);
	heap->regions.table[taken].current = true;
	if (gc_load_relaxed(&heap->phase) == GC_PHASE_MOVING)
		gc_reattach_region(heap, taken, 1);
	heap->current[colour][range] = taken;
	return true;
}

/* A thread's buffers double with every few that it fills, and shrink again with each cycle: who
 * allocates little does not hold much. */
static uint64_t tlab_wanted_bytes(const struct gc_heap *heap, struct gc_mutator *mutator)
{
	uint64_t wanted = TLAB_LEAST_BYTES << mutator->tlab_step / TLAB_STEPS;

	if (wanted >= heap->config.tlab_bytes)
		return heap->config.tlab_bytes;
	mutator->tlab_step++;
	return wanted;
}

/* A piece of a region on its way to a mutator. */
struct tlab_cut {
	char *start;
	uint64_t bytes;
	bool zero;	     /* it has to be cleared */
	char *make;	     /* pages from here on have to be made, ... */
	uint64_t make_bytes; /* ... so many bytes of them */
};

/* Pages are made some at a time, so that few cuts have to ask the kernel. */
static void tlab_cut_pages(struct gc_heap *heap, struct gc_region *region, char *region_start,
			   struct tlab_cut *cut)
{
	uint64_t from = region->made_bytes;

	if (region->allocated_bytes <= from)
		return;
	region->made_bytes = gc_min(gc_max(gc_round_up(region->allocated_bytes, TLAB_MAKE_BYTES),
					   from + TLAB_MAKE_BYTES),
				    heap->regions.region_bytes);
	cut->make = region_start + from;
	cut->make_bytes = region->made_bytes - from;
}

/* Cut `cut->bytes`, or what is left but at least `need_bytes`, from the current region. */
static bool tlab_cut_locked(struct gc_heap *heap, enum gc_colour colour, enum gc_range range,
			    uint64_t need_bytes, struct tlab_cut *cut)
{
	uint64_t region_bytes = heap->regions.region_bytes;
	uint32_t number = heap->current[colour][range];
	struct gc_region *region;
	char *region_start;

	if (number == GC_REGION_NONE ||
	    region_bytes - heap->regions.table[number].allocated_bytes < need_bytes) {
		if (!current_region_replace_locked(heap, colour, range))
			return false;
		number = heap->current[colour][range];
	}
	region = &heap->regions.table[number];
	region_start = (char *)gc_region_start(&heap->regions, number).at;
	cut->bytes = gc_min(gc_max(cut->bytes, need_bytes), region_bytes - region->allocated_bytes);
	cut->start = region_start + region->allocated_bytes;
	cut->zero = !region->fresh;
	region->allocated_bytes += cut->bytes;
	tlab_cut_pages(heap, region, region_start, cut);
	allocated_add_locked(heap, cut->bytes);
	return true;
}

bool gc_tlab_refill(struct gc_heap *heap, struct gc_mutator *mutator, enum plx_space space,
		    uint64_t need_bytes)
{
	enum gc_range range = space == PLX_SPACE_LEAVES ? GC_RANGE_LEAVES : GC_RANGE_OBJECTS;
	struct tlab_cut cut = {.bytes = tlab_wanted_bytes(heap, mutator)};
	bool done;

	gc_tlab_retire(heap, mutator, space);
	pthread_mutex_lock(&heap->regions.lock);
	done = tlab_cut_locked(heap, gc_mutator_colour(mutator), range, need_bytes, &cut);
	pthread_mutex_unlock(&heap->regions.lock);
	gc_yield_point();
	if (!done)
		return false;
	if (cut.make_bytes)
		gc_supply_make(heap, cut.make, cut.make_bytes);
	if (cut.zero)
		memset(cut.start, 0, cut.bytes); /* */
	mutator->pub.tlab[space] = (struct plx_tlab){cut.start, cut.start + cut.bytes};
	mutator->black_from[space] = cut.start;
	mutator->allocated_bytes += cut.bytes;
	GC_INSTANT(mutator->fine_events, refill, cut.bytes, space, 0, 0);
	return true;
}

uint32_t gc_large_take(struct gc_heap *heap, struct gc_mutator *mutator, const struct gc_type *type,
		       uint64_t bytes)
{
	struct gc_regions *regions = &heap->regions;
	enum gc_range range = type->pub.space == PLX_SPACE_LEAVES ? GC_RANGE_LEAVES
								  : GC_RANGE_OBJECTS;
	uint64_t run = gc_round_up(bytes, regions->region_bytes) >> regions->region_shift;
	uint32_t head;

	if (run > regions->max_regions)
		return GC_REGION_NONE;
	pthread_mutex_lock(&regions->lock);
	head = gc_region_take_run_locked(regions, range, (uint32_t)run, GC_REGION_LARGE);
	if (head != GC_REGION_NONE) {
		regions->table[head].current = true; /* */
		regions->table[head].allocated_bytes = bytes;
		allocated_add_locked(heap, run << regions->region_shift);
		mutator->allocated_bytes += run << regions->region_shift;
		if (gc_load_relaxed(&heap->phase) == GC_PHASE_MOVING) /* [CY-1] */
			gc_reattach_region(heap, head, (uint32_t)run);
	}
	pthread_mutex_unlock(&regions->lock);
	return head;
}

void gc_large_clear(struct gc_heap *heap, uint32_t head, uint64_t from, uint64_t to)
{
	char *object = (char *)gc_region_start(&heap->regions, head).at;

	while (from < to) {
		uint64_t index = from >> heap->regions.region_shift;
		uint64_t stop = gc_min((index + 1) << heap->regions.region_shift, to);
		const struct gc_region *region = &heap->regions.table[head + index];

		if (!region->fresh)
			memset(object + from, 0, stop - from);
		else if (region->made_bytes < heap->regions.region_bytes)
			gc_supply_make(heap, object + from, stop - from);
		from = stop;
	}
}

/* for a large object: its stores may go on for long after the next safepoint, so all of its
 * pages count as dirty from the start. */
static void large_blacken(struct gc_heap *heap, const struct gc_type *type, struct gc_haddr object,
			  uint64_t bytes)
{
	if (!gc_type_has_slots(type))
		return;
	gc_markbits_try_set(&heap->markbits, object);
	for (uint64_t at = 0; at < bytes; at += heap->view.page_bytes)
		gc_barrier_flag_page(heap, gc_heap_page(heap, (struct gc_haddr){object.at + at}),
				     GC_PAGE_ANY);
}

void *gc_large_publish(struct gc_heap *heap, struct gc_mutator *mutator, const struct gc_type *type,
		       uint32_t head, uint64_t header)
{
	enum gc_colour colour = gc_mutator_colour(mutator);
	struct gc_regions *regions = &heap->regions;
	struct gc_haddr object = gc_region_start(regions, head);
	uint64_t bytes = regions->table[head].allocated_bytes;

	pthread_mutex_lock(&regions->lock);
	region_colour(heap, head, regions->table[head].run, colour);
	regions->table[head].header = header;
	regions->table[head].current = false;
	pthread_mutex_unlock(&regions->lock);
	*(uint64_t *)object.at = header;
	if (colour == GC_BLACK)
		large_blacken(heap, type, object, bytes);
	return (void *)object.at;
}
