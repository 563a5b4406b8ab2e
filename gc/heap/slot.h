/* gc/heap/slot.h: what the words of slots mean: the one place that takes them apart.
 *
 * A word of a slot is a `struct gc_value`, which is no address: it is a reference perhaps tagged, or anything
 * else. Addresses of objects are plain, and marks, logs and tables hold these.
 *
 * [SL-1] A value refers to an object if the heap's tags say so and the address lies in the heap. 0 never does.
 * [SL-2] When the object moves, the distance is added to the value: the tag stays as it is, since both addresses
 *        are multiples of the granule and have nothing from bit 48 on, so there is no carry into it.
 * [SL-3] The tags are fixed before there is any value (runtime/tag.c). So this is a pure function of the
 *        word, and of a classifier that has to be one: any context, faults included.
 *
 * Without tags, the default, this costs a load and a branch, and nothing in the loops of marker and units. */
#ifndef GC_HEAP_SLOT_H
#define GC_HEAP_SLOT_H

#include "gc/heap/heap.h"

/* The address that a value stands for in a heap that has tags; 0 if it stands for none. */
static inline uintptr_t gc_value_untag(const struct gc_tags *tags, struct gc_value value)
{
	if (tags->classify)
		return value.bits ? tags->classify(value.bits, tags->context) : 0;
	return (value.bits & tags->mask) == tags->pattern ? value.bits - tags->pattern : 0;
}

/* The same out of line, so that where heaps without tags come by, too, they pay for a branch only. */
uintptr_t gc_value_untag_slow(const struct gc_tags *tags, struct gc_value value);

/* The address that a value stands for, in the heap or not. */
static inline uintptr_t gc_value_address(const struct gc_tags *tags, struct gc_value value)
{
	return __builtin_expect(tags->any, 0) ? gc_value_untag_slow(tags, value) : value.bits;
}

/* The object that a value refers to, or 0. [SL-1] */
static inline uintptr_t gc_value_object(const struct gc_heap *heap, struct gc_value value)
{
	uintptr_t address = gc_value_address(&heap->tags, value);

	return gc_heap_contains(heap, address) ? address : 0;
}

/* The same in loops over slots, which ask once, outside, whether there are tags. */
static inline __attribute__((always_inline)) uintptr_t
gc_value_object_as(const struct gc_heap *heap, struct gc_value value, bool tagged)
{
	uintptr_t address = tagged ? gc_value_untag(&heap->tags, value) : value.bits;

	return gc_heap_contains(heap, address) ? address : 0;
}

/* [SL-2] */
static inline struct gc_value gc_value_moved(struct gc_value value, uintptr_t from, uintptr_t to)
{
	return (struct gc_value){value.bits + (to - from)};
}

/* Relaxed: why an older value does no harm is said where it is called. */
static inline struct gc_value gc_slot_load(const void *slot)
{
	return (struct gc_value){gc_load_relaxed((const gc_word *)slot)};
}

#endif
