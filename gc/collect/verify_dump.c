/* gc/collect/verify_dump.c: the heap as a file, for `plx_info --dump`. See verify_dump.h.
 *
 * Who runs here: the cycle's thread, mutators stopped, on its way to abort. */
#include "gc/collect/verify_dump.h"

#include <errno.h>
#include <stdio.h>

#include "gc/collect/fixed.h"
#include "gc/collect/rootstack.h"
#include "gc/collect/verify.h"

static void dump_types(const struct gc_heap *heap, FILE *file)
{
	for (uint32_t i = 0; i < gc_load_acquire(&heap->types.count); i++) {
		const struct gc_type *type = &heap->types.types[i];
		struct gc_dump_type out = {.fixed_bytes = type->pub.fixed_bytes,
					   .element_bytes = type->pub.element_bytes,
					   .custom = i && type->kind == GC_TYPE_CUSTOM,
					   .leaf = type->pub.space == PLX_SPACE_LEAVES,
					   .elements_are_slots = type->elements_are_slots,
					   .bitmap_words = type->bitmap_words};

		if (out.custom)
			out.size_of_length_0 = type->size(0, type->context);
		fwrite(&out, sizeof(out), 1, file);
		if (type->bitmap_words)
			fwrite(type->bitmap, sizeof(uint64_t), type->bitmap_words, file);
	}
}

static uint32_t dump_history_count(const struct gc_heap *heap)
{
	uint32_t next = gc_load_relaxed(&heap->regions.history->next); /* stopped */

	return next < GC_HISTORY_COUNT ? next : GC_HISTORY_COUNT;
}

static void dump_history(const struct gc_heap *heap, FILE *file)
{
	const struct gc_history *history = heap->regions.history;
	uint32_t count = dump_history_count(heap),
		 next = gc_load_relaxed(&history->next); /* same */

	for (uint32_t i = 0; i < count; i++)
		fwrite(&history->entries[(next - count + 1 + i) % GC_HISTORY_COUNT],
		       sizeof(history->entries[0]), 1, file);
}

/* The part of a root stack's words that lies in a region. */
static uint64_t dump_stack_bytes(const struct gc_heap *heap, uint32_t number)
{
	uintptr_t start = gc_region_start(&heap->regions, number).at;
	uint32_t head = gc_region_head(&heap->regions, number);
	uintptr_t top = (uintptr_t)heap->regions.table[head].stack->pub.top;

	return top <= start ? 0 : gc_min(top - start, heap->regions.region_bytes);
}

/* What is worth keeping of a region, and can be read now. */
static uint64_t dump_content_bytes(const struct gc_heap *heap, uint32_t number)
{
	const struct gc_regions *regions = &heap->regions;
	const struct gc_region *region = &regions->table[number];
	uint8_t bits = gc_load_relaxed(&regions->bits[number]); /* stopped */
	bool moving = gc_load_relaxed(&heap->armed) != 0;	/* stopped */

	switch (region->kind) {
	case GC_REGION_SMALL:
		return bits & GC_REGION_TARGET || moving ? 0 : region->allocated_bytes;
	case GC_REGION_LARGE:
		return gc_min(region->allocated_bytes, regions->region_bytes);
	case GC_REGION_LARGE_TAIL:
		region -= region->run;
		return gc_min(region->allocated_bytes -
				      ((uint64_t)(&regions->table[number] - region)
				       << regions->region_shift),
			      regions->region_bytes);
	case GC_REGION_ROOTS:
		return region->allocated_bytes;
	case GC_REGION_STACK:
	case GC_REGION_STACK_TAIL:
		return dump_stack_bytes(heap, number);
	case GC_REGION_FIXED:
		return moving ? 0 : regions->region_bytes;
	default:
		return 0;
	}
}

static void dump_region(const struct gc_heap *heap, uint32_t number, FILE *file)
{
	const struct gc_region *region = &heap->regions.table[number];
	uint32_t pages = gc_heap_pages_per_region(heap);
	struct gc_haddr start = gc_region_start(&heap->regions, number);
	struct gc_page first = gc_heap_page(heap, start);
	struct gc_dump_region out = {
		.number = number,
		.run = region->run,
		.kind = region->kind,
		.bits = gc_load_relaxed(&heap->regions.bits[number]), /* same */
		.fresh = region->fresh,
		.current = region->current,
		.allocated_bytes = region->allocated_bytes,
		.live_bytes = region->live_bytes,
		.header = region->header,
		.content_bytes = dump_content_bytes(heap, number)};

	fwrite(&out, sizeof(out), 1, file);
	fwrite(&heap->pages.states[first.n], 1, pages, file);
	fwrite(&heap->pages.flags[first.n], 1, pages, file);
	fwrite(&heap->markbits.words[gc_markbits_index(&heap->markbits, start) >> 6], 1,
	       heap->regions.region_bytes >> (GC_GRANULE_SHIFT + 3), file);
	if (region->kind == GC_REGION_FIXED)
		fwrite(&heap->fixed->starts.words[gc_markbits_index(&heap->markbits, start) >> 6],
		       1, heap->regions.region_bytes >> (GC_GRANULE_SHIFT + 3), file);
	fwrite((const void *)start.at, 1, out.content_bytes, file);
}

static void dump_head(const struct gc_heap *heap, const char *text, FILE *file)
{
	struct gc_dump_head head = {.page_bytes = heap->view.page_bytes,
				    .region_bytes = heap->regions.region_bytes,
				    .heap = (uintptr_t)heap->view.heap,
				    .range_bytes = heap->view.range_bytes,
				    .total_bytes = heap->view.total_bytes,
				    .cycles = gc_load_relaxed(&heap->stats.cycles), /* own */
				    .type_count = gc_load_acquire(&heap->types.count),
				    .history_count = dump_history_count(heap),
				    .phase = gc_load_relaxed(&heap->phase)}; /* stopped */

	memcpy(head.magic, GC_DUMP_MAGIC, sizeof(head.magic));
	snprintf(head.text, sizeof(head.text), "%s", text);
	for (int i = 0; i < GC_RANGE_COUNT; i++)
		head.region_count += gc_range_high_water(&heap->regions.ranges[i]);
	fwrite(&head, sizeof(head), 1, file);
}

bool gc_verify_dump(struct gc_heap *heap, const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool failed;

	if (!file) {
		fprintf(stderr, "parallax:   GC_VERIFY_DUMP: %s: %s\n", path, strerror(errno));
		return false;
	}
	dump_head(heap, text, file);
	dump_types(heap, file);
	dump_history(heap, file);
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &heap->regions.ranges[i];

		for (uint32_t r = range->first; r < range->first + gc_range_high_water(range); r++)
			dump_region(heap, r, file);
	}
	failed = ferror(file) != 0;
	if (fclose(file) != 0 || failed) {
		fprintf(stderr, "parallax:   GC_VERIFY_DUMP: writing %s failed: %s\n", path,
			strerror(errno));
		return false;
	}
	return true;
}
