/* parallax/object.h: allocation.
 *
 * Every allocation is a safepoint: references that are not in handles, roots or heap objects are
 * stale after it. A fresh object is zeroed, so its references are NULL. Until the thread's next
 * safepoint its fields may be stored plainly; afterwards reference stores go through the barrier. */
#ifndef PARALLAX_OBJECT_H
#define PARALLAX_OBJECT_H

#include <parallax/layout.h>
#include <parallax/thread.h>

PLX_BEGIN_DECLS

/* Out of line: refill, large objects, waiting for memory. NULL when the heap is exhausted and the
 * out-of-memory handler returned. */
PLX_EXPORT void *plx_alloc_slow(struct plx_thread *thread, const struct plx_layout *layout,
				uint64_t length);

/* Allocate an object of a fixed layout. May collect and block; NULL as above. */
static inline void *plx_alloc(struct plx_thread *thread, const struct plx_layout *layout)
{
	struct plx_tlab *tlab = &thread->tlab[layout->space];
	char *object = tlab->top;
	size_t bytes = ((size_t)layout->fixed_bytes + PLX_GRANULE_BYTES - 1) &
		       ~(size_t)(PLX_GRANULE_BYTES - 1);

	if (PLX_UNLIKELY(bytes > (size_t)(tlab->limit - object)))
		return plx_alloc_slow(thread, layout, 0);
	tlab->top = object + bytes;
	((struct plx_header *)object)->word = layout->header;
	return object;
}

/* Allocate an object with a trailing array of `length` elements (references, bytes, trailing or
 * custom layouts). May collect and block. NULL when exhausted, or when `length` is more than
 * PLX_LENGTH_MAX or than the heap could ever hold. */
static inline void *plx_alloc_array(struct plx_thread *thread, const struct plx_layout *layout,
				    uint64_t length)
{
	struct plx_tlab *tlab = &thread->tlab[layout->space];
	char *object = tlab->top;
	uint64_t bytes;

	/* Below 2^32 elements the product cannot overflow; element_bytes is 0 for custom layouts. */
	if (PLX_UNLIKELY(length > UINT32_MAX || layout->element_bytes == 0))
		return plx_alloc_slow(thread, layout, length);
	bytes = layout->fixed_bytes + length * layout->element_bytes;
	bytes = (bytes + PLX_GRANULE_BYTES - 1) & ~(uint64_t)(PLX_GRANULE_BYTES - 1);
	if (PLX_UNLIKELY(bytes > (uint64_t)(tlab->limit - object)))
		return plx_alloc_slow(thread, layout, length);
	tlab->top = object + bytes;
	((struct plx_header *)object)->word = layout->header | length << PLX_HEADER_LENGTH_SHIFT;
	return object;
}

PLX_END_DECLS

#endif
