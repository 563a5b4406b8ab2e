/* runtime/tag.c: how a heap's references are tagged, said once and before there are any [SL-3].
 *
 * Who runs here: any thread. */
#include <parallax/tag.h>

#include "runtime/misuse.h"
#include "runtime/world.h"

/* Bits that differ between objects: all of an address but the granule's. */
#define TAG_ADDRESS_BITS (((UINT64_C(1) << 48) - 1) & ~UINT64_C(7))

static enum plx_status tags_set(struct plx_heap *heap, struct gc_tags tags, struct plx_error *error)
{
	bool begun;

	pthread_mutex_lock(&heap->threads_lock);
	pthread_mutex_lock(&heap->gc.regions.lock);
	begun = heap->threads || heap->gc.regions.used || heap->gc.allocated_bytes;
	if (!begun)
		heap->gc.tags = tags;
	pthread_mutex_unlock(&heap->gc.regions.lock);
	pthread_mutex_unlock(&heap->threads_lock);
	if (begun)
		return rt_error(error, PLX_ERROR_MISUSE,
				"how references are tagged is to be said before a thread attaches "
				"or allocates");
	return PLX_OK;
}

enum plx_status plx_heap_set_tags(struct plx_heap *heap, uint64_t mask, uint64_t pattern,
				  struct plx_error *error)
{
	RT_USE_HEAP(heap);
	struct gc_tags tags = {.any = mask != 0, .mask = mask, .pattern = pattern};

	if (mask & TAG_ADDRESS_BITS)
		return rt_error(error, PLX_ERROR_MISUSE,
				"the tag mask %#lx has bits of addresses (%#lx), in which objects "
				"differ",
				mask, TAG_ADDRESS_BITS);
	if (pattern & ~mask)
		return rt_error(error, PLX_ERROR_MISUSE,
				"no word has the tag pattern %#lx under the mask %#lx", pattern,
				mask);
	return tags_set(heap, tags, error);
}

enum plx_status plx_heap_set_classifier(struct plx_heap *heap, plx_word_classifier classify,
					void *context, struct plx_error *error)
{
	RT_USE_HEAP(heap);
	struct gc_tags tags = {.any = true, .classify = classify, .context = context};

	if (!classify)
		return rt_error(error, PLX_ERROR_MISUSE,
				"a classifier of words is a function, not NULL");
	return tags_set(heap, tags, error);
}
