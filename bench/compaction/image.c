/* bench/compaction/image.c: a heap to compact, the same for every plan.
 *
 * Half of what is used are arrays of references, too large to be copied, so that their pages stay;
 * the other half are cells of 64 bytes, of which some share stays alive, at random. Live cells form
 * chains, and the chains start in those pages of the arrays that are to be dirty, evenly spread. So the live
 * share decides how much is copied, and the dirty share how many pages are updated in place, whatever
 * the other is.
 *
 * Before that, the whole heap was filled with garbage and collected: free regions have their pages,
 * as in the steady state. */
#include <string.h>

#include "bench/compaction/compaction.h"
#include "gc/base/atomic.h"
#include "gc/heap/heap.h"
#include "bench/common/random.h"

#define USED_SHARE 0.3	/* of the heap, for the arrays; as much again for the cells */
#define WARM_SHARE 0.85 /* of the heap, filled with garbage first */
#define ARRAY_BYTES (UINT64_C(2) << 20)
#define SLOTS_A_PAGE 512
#define CHAINS_A_PAGE 16
#define SEED 7

struct cell {
	struct plx_header header;
	struct cell *next;
	uint64_t value;
	uint64_t filler[5];
};

static bool image_layouts(struct image *image)
{
	image->cell_layout = plx_layout_fixed(image->heap, sizeof(struct cell),
					      (size_t[]){offsetof(struct cell, next)}, 1, NULL);
	return image->cell_layout != NULL;
}

/* Only cycles that are asked for: pacing, which goes by time, would start one while the image is
 * built. Each cycle sets its trigger anew. */
static void image_only_asked(struct image *image)
{
	/* Relaxed: only this thread allocates. */
	gc_store_relaxed(&((struct gc_heap *)image->heap)->trigger_regions, UINT32_MAX);
}

static bool image_warm(struct image *image, const struct image_shape *shape)
{
	uint64_t cells = (uint64_t)((double)shape->heap_bytes * WARM_SHARE) / sizeof(struct cell);

	image_only_asked(image);
	for (uint64_t i = 0; i < cells; i++)
		if (plx_alloc(image->thread, image->cell_layout) == NULL)
			return false;
	plx_collect(image->thread);
	image_only_asked(image);
	return true;
}

static bool image_arrays(struct image *image, const struct image_shape *shape)
{
	const struct plx_layout *references = plx_layout_references(image->heap, NULL);
	uint64_t count = (uint64_t)((double)shape->heap_bytes * USED_SHARE) / ARRAY_BYTES;

	/* The last page and a half of each are left out, so that arrays need not be aligned. */
	image->array_length = ARRAY_BYTES / sizeof(void *) - SLOTS_A_PAGE - 64;
	image->array_count = count > 0 ? count : 1;
	image->arrays = plx_handle_create(image->thread, NULL);
	if (references == NULL || image->arrays == NULL)
		return false;
	plx_handle_set(image->thread, image->arrays,
		       plx_alloc_array(image->thread, references, image->array_count));
	for (uint64_t i = 0; i < image->array_count && image->arrays->ref != NULL; i++) {
		void **array = plx_alloc_array(image->thread, references, image->array_length);

		if (array == NULL)
			return false;
		plx_store(image->thread, (void **)image->arrays->ref + 1 + i, array);
	}
	return image->arrays->ref != NULL;
}

/* Chains are numbered through all arrays: CHAINS_A_PAGE neighbours every `chain_step` slots. */
static void image_place_chains(struct image *image, const struct image_shape *shape)
{
	uint64_t slots = image->array_length * image->array_count;
	uint64_t pages = (uint64_t)((double)(slots / SLOTS_A_PAGE) * shape->dirty_fraction);

	pages = pages > 0 ? pages : 1;
	image->chains = pages * CHAINS_A_PAGE;
	image->chain_step = slots / pages;
}

static struct cell **image_slot(const struct image *image, uint64_t chain)
{
	uint64_t slot = chain / CHAINS_A_PAGE * image->chain_step + chain % CHAINS_A_PAGE;
	void **table = image->arrays->ref;
	void **array = table[1 + slot / image->array_length];

	return (struct cell **)array + 1 + slot % image->array_length;
}

static bool image_cells(struct image *image, const struct image_shape *shape)
{
	uint64_t count = (uint64_t)((double)shape->heap_bytes * USED_SHARE) / sizeof(struct cell);
	uint64_t threshold = (uint64_t)(shape->live_fraction * 4294967296.0), live = 0;
	struct random random;

	random_seed(&random, SEED, 0);
	for (uint64_t i = 0; i < count; i++) {
		struct cell *cell = plx_alloc(image->thread, image->cell_layout);
		struct cell **slot;

		if (cell == NULL)
			return false;
		cell->value = random_next(&random);
		if (!random_chance(&random, threshold))
			continue;
		slot = image_slot(image, live++ % image->chains);
		cell->next = *slot;
		PLX_STORE(image->thread, slot, cell);
	}
	return true;
}

bool image_build(struct image *image, const struct image_shape *shape, char *why, size_t size)
{
	if (image_layouts(image) && image_warm(image, shape) && image_arrays(image, shape)) {
		image_place_chains(image, shape);
		if (image_cells(image, shape))
			return true;
	}
	snprintf(why, size, "the image does not fit into the heap");
	return false;
}

uint64_t image_chain_sum(const struct image *image, uint64_t chain)
{
	uint64_t sum = chain;

	for (const struct cell *cell = *image_slot(image, chain); cell != NULL; cell = cell->next)
		sum = random_mix(sum ^ cell->value);
	return sum;
}

uint64_t image_checksum(const struct image *image)
{
	uint64_t sum = 0;

	for (uint64_t chain = 0; chain < image->chains; chain++)
		sum += image_chain_sum(image, chain);
	return sum;
}
