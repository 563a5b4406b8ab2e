/* gc/heap/heap.c: creating and destroying the side tables of a heap. See heap.h. */
#include "gc/heap/heap.h"

#include <errno.h>
#include <unistd.h>

#include "gc/base/meta.h"
#include "gc/heap/table.h"

/* Address space is free, fragmentation of it is not: each range gets half as much again, and a last
 * part that is never handed out, to rehearse the flip on. */
static uint64_t heap_range_bytes(uint64_t heap_max_bytes)
{
	return gc_round_up(heap_max_bytes + heap_max_bytes / 2, GC_VIEW_ALIGN) + GC_VIEW_ALIGN;
}

uint64_t gc_heap_file_bytes(uint64_t heap_max_bytes)
{
	return GC_RANGE_COUNT * heap_range_bytes(heap_max_bytes);
}

static uint32_t heap_region_bytes(const struct plx_heap_config *config)
{
	uint64_t max = config->heap_max_bytes;

	if (config->region_bytes)
		return (uint32_t)config->region_bytes;
	if (max <= GC_MIB(64))
		return (uint32_t)GC_KIB(256);
	if (max <= GC_MIB(256))
		return (uint32_t)GC_KIB(512);
	return max < GC_MIB(512) ? (uint32_t)GC_MIB(1) : (uint32_t)GC_MIB(2);
}

struct heap_table_sizes {
	size_t mark, forward, sources, pages, extents;
};

static struct heap_table_sizes heap_table_sizes(const struct gc_view *view)
{
	uint64_t bytes = view->total_bytes, pages = bytes >> view->page_shift;

	return (struct heap_table_sizes){
		.mark = bytes / 64,
		.forward = (bytes >> GC_FORWARD_SHIFT) * sizeof(struct gc_forward_entry),
		.sources = pages * sizeof(uintptr_t),
		.pages = pages,
		.extents = bytes >> view->extent_shift,
	};
}

static bool heap_create_tables(struct gc_heap *heap)
{
	struct heap_table_sizes sizes = heap_table_sizes(&heap->view);
	uintptr_t base = (uintptr_t)heap->view.heap;

	heap->markbits = (struct gc_markbits){gc_table_alloc(sizes.mark), base};
	heap->forward = (struct gc_forward){gc_table_alloc(sizes.forward), base};
	heap->target_source = gc_table_alloc(sizes.sources);
	heap->pages.states = gc_table_alloc(sizes.pages);
	heap->pages.flags = gc_table_alloc(sizes.pages);
	heap->pages.count = sizes.pages;
	heap->extents = (struct gc_extents){gc_table_alloc(sizes.extents), (uint32_t)sizes.extents};
	if (heap->view.backing == GC_BACKING_PRIVATE) {
		heap->view.cuts = gc_meta_alloc(sizes.extents + 1);
		if (!heap->view.cuts)
			return false;
	}
	heap->taken = gc_meta_alloc(heap->view.range_bytes / GC_VIEW_ALIGN);
	heap->distributions = gc_meta_alloc(PLX_DISTRIBUTION_COUNT * sizeof(struct plx_histogram));
	heap->pins.counts = gc_meta_alloc(heap->regions.count * sizeof(uint32_t));
	heap->cycle.targets_capacity = heap->regions.count;
	heap->cycle.targets = gc_meta_alloc(heap->regions.count * sizeof(uint32_t));
	return heap->taken && heap->pins.counts && heap->markbits.words && heap->forward.entries &&
	       heap->target_source && heap->pages.states && heap->pages.flags &&
	       heap->extents.states && heap->distributions && heap->cycle.targets &&
	       gc_type_table_create(&heap->types);
}

int gc_heap_create(struct gc_heap *heap, enum gc_backing backing, const char **step)
{
	uint64_t max = heap->config.heap_max_bytes;
	int error = gc_view_create(&heap->view, backing, heap_range_bytes(max), step);

	if (error == 0 && heap->config.core == GC_CORE_HEAP) {
		*step = "madvise(MADV_DODUMP)";
		error = gc_view_set_dumped(&heap->view);
		if (error < 0)
			gc_view_destroy(&heap->view);
	}
	if (error < 0)
		return error;
	if (gc_torture_is(&heap->torture, GC_TORTURE_PAGE_EXTENTS)) {
		/* Private pages that have moved back cannot be read in the alias any more, and builders
		 * read headers in front of their page: so what lies in one region stays together. */
		heap->view.extent_bytes = backing == GC_BACKING_PRIVATE
						  ? heap_region_bytes(&heap->config)
						  : heap->view.page_bytes;
		heap->view.extent_shift = (uint32_t)__builtin_ctz(heap->view.extent_bytes);
	}
	heap->cpus = (uint32_t)gc_max(1, (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	pthread_mutex_init(&heap->types_lock, NULL);
	pthread_mutex_init(&heap->satb_lock, NULL);
	pthread_mutex_init(&heap->pins.lock, NULL);
	for (int range = 0; range < GC_RANGE_COUNT; range++)
		heap->current[GC_WHITE][range] = heap->current[GC_BLACK][range] = GC_REGION_NONE;
	*step = "allocating side tables";
	error = gc_regions_create(&heap->regions, &heap->view, heap_region_bytes(&heap->config),
				  max);
	heap->large_bytes = heap->regions.region_bytes / 2;
	if (error == 0 && !heap_create_tables(heap))
		error = -ENOMEM;
	if (error < 0)
		gc_heap_destroy(heap);
	return error;
}

static void heap_free_satb_chunks(struct gc_satb_chunk *chunk)
{
	while (chunk) {
		struct gc_satb_chunk *next = chunk->next;

		gc_meta_free(chunk, sizeof(*chunk));
		chunk = next;
	}
}

void gc_heap_destroy(struct gc_heap *heap)
{
	struct heap_table_sizes sizes = heap_table_sizes(&heap->view);

	heap_free_satb_chunks(heap->satb_full);
	heap_free_satb_chunks(heap->satb_spare);
	gc_type_table_destroy(&heap->types);
	gc_table_free(heap->markbits.words, sizes.mark);
	gc_table_free(heap->forward.entries, sizes.forward);
	gc_table_free(heap->target_source, sizes.sources);
	gc_table_free(heap->pages.states, sizes.pages);
	gc_table_free(heap->pages.flags, sizes.pages);
	gc_table_free(heap->extents.states, sizes.extents);
	gc_meta_free(heap->taken, heap->view.range_bytes / GC_VIEW_ALIGN);
	gc_meta_free(heap->view.cuts, sizes.extents + 1);
	gc_meta_free(heap->distributions, PLX_DISTRIBUTION_COUNT * sizeof(struct plx_histogram));
	gc_meta_free(heap->cycle.targets, heap->cycle.targets_capacity * sizeof(uint32_t));
	gc_meta_free(heap->pins.counts, heap->regions.count * sizeof(uint32_t));
	gc_regions_destroy(&heap->regions);
	pthread_mutex_destroy(&heap->pins.lock);
	pthread_mutex_destroy(&heap->types_lock);
	pthread_mutex_destroy(&heap->satb_lock);
	gc_view_destroy(&heap->view);
}

uint64_t gc_heap_metadata_bytes(struct gc_heap *heap)
{
	const struct gc_regions *regions = &heap->regions;
	uint64_t used = 0, per_byte_of_heap;

	for (int range = 0; range < GC_RANGE_COUNT; range++)
		used += gc_range_high_water(&regions->ranges[range]);
	used <<= regions->region_shift;
	/* Mark bits, start bits and forwarding by byte; state, flags and source by page. */
	per_byte_of_heap = used / 32 + (used >> GC_FORWARD_SHIFT) * sizeof(struct gc_forward_entry);
	return per_byte_of_heap + (used >> heap->view.page_shift) * (2 + sizeof(uintptr_t)) +
	       regions->count * (sizeof(struct gc_region) + 1 + 2 * sizeof(uint32_t)) +
	       PLX_DISTRIBUTION_COUNT * sizeof(struct plx_histogram) +
	       heap->types.count * sizeof(struct gc_type);
}
