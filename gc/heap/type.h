/* gc/heap/type.h: what the collector knows of a layout: size, and where the slots are.
 *
 * [T-1] A type never changes and lies outside the heap.
 * [T-2] Size and slots of an object follow from its header word and its type alone (and, for custom
 *       types, from words that never change), so any part of an object can be processed without
 *       any other page having been.
 *
 * Who runs here: registration takes a lock; everything else is read-only, from any context,
 * faults included. */
#ifndef GC_HEAP_TYPE_H
#define GC_HEAP_TYPE_H

#include <parallax/layout.h>

#include "gc/base/check.h"
#include "gc/base/types.h"

enum gc_type_kind {
	GC_TYPE_PLAIN,
	GC_TYPE_CUSTOM,
	/* Plain to all but the marker, which does not follow their slots. */
	GC_TYPE_WEAK,
	GC_TYPE_EPHEMERON,
};

struct gc_type {
	struct plx_layout pub; /* first: a layout pointer is a type pointer */
	enum gc_type_kind kind;
	bool elements_are_slots; /* the trailing array holds references */
	uint32_t bitmap_words;	 /* 0: no slot in the fixed part */
	uint64_t small_bitmap;	 /* bit i: word i of the object is a slot */
	const uint64_t *bitmap;	 /* small_bitmap, or a block of its own for long fixed parts */
	plx_layout_size size;	 /* custom types only, as are the next two */
	plx_layout_trace trace;
	void *context;
};

/* Bits of the header that may change: nothing that says what an object is. */
#define GC_HEADER_KEY (UINT64_C(1) << PLX_HEADER_LAYOUT_BITS) /* ephemerons may wait for it */
#define GC_HEADER_CHANGING (UINT64_C(0xf) << PLX_HEADER_LAYOUT_BITS)

#define GC_TYPE_MAX ((1u << PLX_HEADER_LAYOUT_BITS) - 1)

/* Reached by number; number 0 is no type, so that a zero header is recognisably not an object. */
struct gc_type_table {
	struct gc_type *types;
	uint32_t count; /* atomic: numbers below it are readable */
};

/* NULL when the table is full or a bitmap has no memory. Serialised by the caller. */
const struct gc_type *gc_type_add(struct gc_type_table *table, const struct gc_type *wanted,
				  const size_t *offsets, size_t offset_count);
bool gc_type_table_create(struct gc_type_table *table);
void gc_type_table_destroy(struct gc_type_table *table);

static inline const struct gc_type *gc_type_of(const struct gc_type_table *table, uint64_t header)
{
	return &table->types[header & GC_TYPE_MAX];
}

static inline bool gc_type_has_slots(const struct gc_type *type)
{
	return type->pub.space == PLX_SPACE_OBJECTS;
}

/* Whole size of an object, rounded to granules. */
static inline uint64_t gc_type_size(const struct gc_type *type, uint64_t header)
{
	uint64_t length = header >> PLX_HEADER_LENGTH_SHIFT;
	uint64_t bytes;

	if (type->kind == GC_TYPE_CUSTOM)
		bytes = type->size(length, type->context);
	else
		bytes = type->pub.fixed_bytes + length * type->pub.element_bytes;
	return gc_round_up(bytes, PLX_GRANULE_BYTES);
}

/* Called with the offset of a slot from the object's start. */
typedef void (*gc_slot_visit)(void *context, uint64_t offset);

struct plx_slot_visitor {
	const char *object;
	uint64_t low, high;
	gc_slot_visit visit;
	void *context;
};

static inline __attribute__((always_inline)) void gc_type_bitmap_slots(const struct gc_type *type,
								       uint64_t low, uint64_t high,
								       gc_slot_visit visit,
								       void *context)
{
	for (uint32_t word = 0; word < type->bitmap_words; word++) {
		uint64_t bits = type->bitmap[word];

		while (bits) {
			uint64_t offset =
				((uint64_t)word * 64 + (uint64_t)__builtin_ctzll(bits)) * 8;

			bits &= bits - 1;
			if (offset >= low && offset < high)
				visit(context, offset);
		}
	}
}

/* Visit every slot whose offset lies in [low, high). `object` is where the object can be read
 * whole; only custom types look at it. */
static inline __attribute__((always_inline)) void gc_type_slots(const struct gc_type *type,
								const char *object, uint64_t header,
								uint64_t low, uint64_t high,
								gc_slot_visit visit, void *context)
{
	uint64_t length = header >> PLX_HEADER_LENGTH_SHIFT;
	uint64_t offset, end;

	if (type->kind == GC_TYPE_CUSTOM) {
		struct plx_slot_visitor visitor = {object, low, high, visit, context};

		type->trace((void *)(uintptr_t)object, length, &visitor, type->context);
		return;
	}
	gc_type_bitmap_slots(type, low, high, visit, context);
	if (!type->elements_are_slots)
		return;
	offset = gc_max(type->pub.fixed_bytes, gc_round_up(low, 8));
	end = gc_min(type->pub.fixed_bytes + length * 8, high);
	for (; offset < end; offset += 8)
		visit(context, offset);
}

#endif
