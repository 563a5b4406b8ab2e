/* parallax/layout.h: object headers and type layouts.
 *
 * An object is a struct whose first member is `struct plx_header`; a reference is the address of
 * that header. Offsets below count from it. Layouts live outside the heap and never change once
 * registered, so that any page of an object can be brought up to date without any other page. */
#ifndef PARALLAX_LAYOUT_H
#define PARALLAX_LAYOUT_H

#include <parallax/base.h>

struct plx_heap;

/* Bits 0-19: layout number. Bits 20-23: for the collector, which may change them at any time. Bits 24-63:
 * length in elements. */
struct plx_header {
	uint64_t word;
};

#define PLX_HEADER_LAYOUT_BITS 20
#define PLX_HEADER_LENGTH_SHIFT 24
#define PLX_LENGTH_MAX ((UINT64_C(1) << (64 - PLX_HEADER_LENGTH_SHIFT)) - 1)

/* Objects are multiples of this, and start at multiples of it. */
#define PLX_GRANULE_BYTES 8

/* Where objects of a layout live: those that may hold references, and those that never do. */
enum plx_space { PLX_SPACE_OBJECTS, PLX_SPACE_LEAVES, PLX_SPACE_COUNT };

/* What inline allocation needs. Read it; never write it. */
struct plx_layout {
	uint64_t header;      /* header word of an object of length 0 */
	uint32_t fixed_bytes; /* header and fixed part, a multiple of the granule for fixed layouts */
	uint32_t element_bytes; /* of the trailing array; 0 if there is none */
	enum plx_space space;
};

/* Given to a trace callback; hand each slot to plx_slot_visit. */
struct plx_slot_visitor;

/* Custom layouts. Both callbacks run on the collector's threads and, under SIGBUS delivery, in a
 * signal handler: they must not allocate, lock, block, or touch any other object. `object` may lie
 * at another address than the mutators know it by. They may read only what does not change after
 * initialisation, and they must give the same answer every time. */
typedef uint64_t (*plx_layout_size)(uint64_t length, void *context); /* bytes incl. header */
typedef void (*plx_layout_trace)(void *object, uint64_t length, struct plx_slot_visitor *visitor,
				 void *context);

PLX_BEGIN_DECLS

/* Registration: once per type, by any thread, at any time; never collects. The returned layout
 * lives as long as the heap. NULL if `error` (may be NULL) says so: more than 2^20-1 layouts, a
 * size below the header's, an offset that is unaligned or outside of the object, no memory. */

/* Fixed size; `reference_offsets` lists the byte offset of each reference slot. */
PLX_EXPORT const struct plx_layout *plx_layout_fixed(struct plx_heap *heap, size_t object_bytes,
						     const size_t *reference_offsets,
						     size_t reference_count,
						     struct plx_error *error);

/* Header, then `length` references. */
PLX_EXPORT const struct plx_layout *plx_layout_references(struct plx_heap *heap,
							  struct plx_error *error);

/* Header, then `length` bytes; never any reference. */
PLX_EXPORT const struct plx_layout *plx_layout_bytes(struct plx_heap *heap,
						     struct plx_error *error);

/* A fixed part as in plx_layout_fixed, then a trailing array of `length` elements: references
 * (`element_is_reference`, 8 bytes each) or plain data of `element_bytes` each. */
PLX_EXPORT const struct plx_layout *
plx_layout_trailing(struct plx_heap *heap, size_t fixed_bytes, const size_t *reference_offsets,
		    size_t reference_count, size_t element_bytes, bool element_is_reference,
		    struct plx_error *error);

/* Size and slots by callback. */
PLX_EXPORT const struct plx_layout *plx_layout_custom(struct plx_heap *heap, plx_layout_size size,
						      plx_layout_trace trace, void *context,
						      struct plx_error *error);

/* For trace callbacks only: report one reference slot inside `object`. */
PLX_EXPORT void plx_slot_visit(struct plx_slot_visitor *visitor, void *slot);

/* The layout that an object was made with, by which a VM with a layout per type knows what it has before it. `object` is
 * a reference into this heap, good at the moment; NULL for an address outside of it. Attached threads; not a
 * safepoint, though it may fault as any first look at an object may. */
PLX_EXPORT const struct plx_layout *plx_object_layout(const struct plx_heap *heap,
						      const void *object);

/* Number of array elements an object was made with; 0 for fixed layouts. */
static inline uint64_t plx_object_length(const void *object)
{
	/* Relaxed: only bits that do not matter here change. */
	return __atomic_load_n(&((const struct plx_header *)object)->word, __ATOMIC_RELAXED) >>
	       PLX_HEADER_LENGTH_SHIFT;
}

PLX_END_DECLS

#endif
