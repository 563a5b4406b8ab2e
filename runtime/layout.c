/* runtime/layout.c: registering layouts: checks, then the type table. Any thread; never collects. */
#include "gc/collect/collect.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

static bool layout_offsets_fit(const size_t *offsets, size_t count, size_t object_bytes)
{
	if (!offsets && count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (offsets[i] % sizeof(void *) != 0 || offsets[i] < sizeof(struct plx_header) ||
		    offsets[i] > object_bytes - sizeof(void *))
			return false;
	return true;
}

static const struct plx_layout *layout_add(struct plx_heap *heap, const struct gc_type *type,
					   const size_t *offsets, size_t count,
					   struct plx_error *error)
{
	const struct gc_type *added;

	pthread_mutex_lock(&heap->gc.types_lock);
	added = gc_type_add(&heap->gc.types, type, offsets, count);
	pthread_mutex_unlock(&heap->gc.types_lock);
	if (!added) {
		rt_error(error, PLX_ERROR_LIMIT,
			 "no room for another layout: at most %u, or no memory for its bitmap",
			 GC_TYPE_MAX);
		return NULL;
	}
	return &added->pub;
}

static bool layout_fixed_part_is_sane(size_t bytes, const size_t *offsets, size_t count,
				      struct plx_error *error)
{
	if (bytes < sizeof(struct plx_header) || bytes > UINT32_MAX / 2) {
		rt_error(
			error, PLX_ERROR_MISUSE,
			"an object has at least its %zu-byte header and at most 2 GiB of fixed part, not "
			"%zu bytes",
			sizeof(struct plx_header), bytes);
		return false;
	}
	if (!layout_offsets_fit(offsets, count, bytes)) {
		rt_error(
			error, PLX_ERROR_MISUSE,
			"reference offsets must be multiples of %zu, behind the header and inside the "
			"object's %zu bytes",
			sizeof(void *), bytes);
		return false;
	}
	return true;
}

const struct plx_layout *plx_layout_fixed(struct plx_heap *heap, size_t object_bytes,
					  const size_t *reference_offsets, size_t reference_count,
					  struct plx_error *error)
{
	RT_USE_HEAP(heap);
	struct gc_type type = {.kind = GC_TYPE_PLAIN};

	if (!layout_fixed_part_is_sane(object_bytes, reference_offsets, reference_count, error))
		return NULL;
	type.pub.fixed_bytes = (uint32_t)gc_round_up(object_bytes, PLX_GRANULE_BYTES);
	type.pub.space = reference_count ? PLX_SPACE_OBJECTS : PLX_SPACE_LEAVES;
	return layout_add(heap, &type, reference_offsets, reference_count, error);
}

const struct plx_layout *plx_layout_trailing(struct plx_heap *heap, size_t fixed_bytes,
					     const size_t *reference_offsets,
					     size_t reference_count, size_t element_bytes,
					     bool element_is_reference, struct plx_error *error)
{
	RT_USE_HEAP(heap);
	struct gc_type type = {.kind = GC_TYPE_PLAIN, .elements_are_slots = element_is_reference};
	bool slots = reference_count || element_is_reference;

	if (!layout_fixed_part_is_sane(fixed_bytes, reference_offsets, reference_count, error))
		return NULL;
	if (element_bytes == 0 || element_bytes > UINT32_MAX / 2 ||
	    (element_is_reference &&
	     (element_bytes != sizeof(void *) || fixed_bytes % sizeof(void *) != 0))) {
		rt_error(
			error, PLX_ERROR_MISUSE,
			"elements have at least 1 byte; reference elements have %zu and start aligned to "
			"as much",
			sizeof(void *));
		return NULL;
	}
	type.pub.fixed_bytes = (uint32_t)fixed_bytes;
	type.pub.element_bytes = (uint32_t)element_bytes;
	type.pub.space = slots ? PLX_SPACE_OBJECTS : PLX_SPACE_LEAVES;
	return layout_add(heap, &type, reference_offsets, reference_count, error);
}

const struct plx_layout *plx_layout_references(struct plx_heap *heap, struct plx_error *error)
{
	RT_USE_HEAP(heap);
	return plx_layout_trailing(heap, sizeof(struct plx_header), NULL, 0, sizeof(void *), true,
				   error);
}

const struct plx_layout *plx_layout_bytes(struct plx_heap *heap, struct plx_error *error)
{
	RT_USE_HEAP(heap);
	return plx_layout_trailing(heap, sizeof(struct plx_header), NULL, 0, 1, false, error);
}

const struct plx_layout *plx_layout_custom(struct plx_heap *heap, plx_layout_size size,
					   plx_layout_trace trace, void *context,
					   struct plx_error *error)
{
	RT_USE_HEAP(heap);
	struct gc_type type = {
		.kind = GC_TYPE_CUSTOM, .size = size, .trace = trace, .context = context};

	if (!size || !trace) {
		rt_error(error, PLX_ERROR_MISUSE,
			 "a custom layout needs both a size and a trace callback");
		return NULL;
	}
	type.pub.space = PLX_SPACE_OBJECTS;
	/* No inline allocation: the size is not known there. */
	type.pub.fixed_bytes = UINT32_MAX;
	return layout_add(heap, &type, NULL, 0, error);
}

const struct plx_layout *plx_object_layout(const struct plx_heap *heap, const void *object)
{
	RT_USE_HEAP(heap);
	if (!gc_heap_contains(&heap->gc, (uintptr_t)object))
		return NULL;
	return &gc_type_of(&heap->gc.types, gc_header_at(object))->pub;
}
