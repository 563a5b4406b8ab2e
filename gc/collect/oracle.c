/* gc/collect/oracle.c: the double build: the list of moves, the slots, and the comparison. See oracle.h.
 *
 * Who runs here: creation; the plan; whoever builds a page, faults included. */
#include "gc/collect/oracle_private.h"

#ifdef PLX_DEBUG
#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"

static uint64_t oracle_pages(const struct gc_heap *heap)
{
	return heap->view.total_bytes >> heap->view.page_shift;
}

static size_t oracle_parts_bytes(const struct gc_heap *heap)
{
	return heap->regions.count * sizeof(struct gc_oracle_part);
}

static bool oracle_create_slots(struct gc_heap *heap, struct gc_oracle *oracle)
{
	for (int i = 0; i < GC_ORACLE_SLOTS; i++) {
		oracle->slots[i].before = gc_meta_alloc(heap->view.page_bytes);
		oracle->slots[i].second = gc_meta_alloc(heap->view.page_bytes);
		if (!oracle->slots[i].before || !oracle->slots[i].second)
			return false;
	}
	return true;
}

/* False: no memory; gc_oracle_destroy takes back what there is. */
bool gc_oracle_create(struct gc_heap *heap)
{
	struct gc_oracle *oracle = gc_meta_alloc(sizeof(*oracle));

	heap->oracle = oracle;
	if (!oracle)
		return false;
	oracle->sources = gc_meta_alloc(oracle_parts_bytes(heap));
	oracle->targets = gc_meta_alloc(oracle_parts_bytes(heap));
	oracle->walks = gc_meta_alloc(oracle_pages(heap) * sizeof(uint64_t));
	return oracle->sources && oracle->targets && oracle->walks &&
	       oracle_create_slots(heap, oracle);
}

void gc_oracle_destroy(struct gc_heap *heap)
{
	struct gc_oracle *oracle = heap->oracle;

	if (!oracle)
		return;
	for (int i = 0; i < GC_ORACLE_SLOTS; i++) {
		gc_meta_free(oracle->slots[i].before, heap->view.page_bytes);
		gc_meta_free(oracle->slots[i].second, heap->view.page_bytes);
	}
	gc_meta_free(oracle->places, oracle->capacity * sizeof(*oracle->places));
	gc_meta_free(oracle->sources, oracle_parts_bytes(heap));
	gc_meta_free(oracle->targets, oracle_parts_bytes(heap));
	gc_meta_free(oracle->walks, oracle_pages(heap) * sizeof(uint64_t));
	gc_meta_free(oracle, sizeof(*oracle));
	heap->oracle = NULL;
}

void gc_oracle_begin(struct gc_heap *heap)
{
	struct gc_oracle *oracle = heap->oracle;

	oracle->count = 0;
	oracle->lost = false;
	oracle->flip++;
	memset(oracle->sources, 0, oracle_parts_bytes(heap));
	memset(oracle->targets, 0, oracle_parts_bytes(heap));
}

void gc_oracle_region(struct gc_heap *heap, uint32_t number)
{
	struct gc_oracle *oracle = heap->oracle;

	oracle->source = number;
	oracle->sources[number] = (struct gc_oracle_part){(uint32_t)oracle->count, 0};
}

static bool oracle_make_room(struct gc_oracle *oracle)
{
	size_t wanted = gc_max(2 * oracle->capacity, (size_t)4096);
	struct gc_oracle_place *bigger;

	if (oracle->count < oracle->capacity)
		return true;
	bigger = gc_meta_resize(oracle->places, oracle->capacity * sizeof(*bigger),
				wanted * sizeof(*bigger));
	if (!bigger)
		return false;
	oracle->places = bigger;
	oracle->capacity = wanted;
	return true;
}

void gc_oracle_move(struct gc_heap *heap, struct gc_haddr from, struct gc_haddr to)
{
	struct gc_oracle *oracle = heap->oracle;
	struct gc_oracle_part *target = &oracle->targets[gc_region_of(&heap->regions, to)];

	oracle->lost = oracle->lost || !oracle_make_room(oracle); /* [DB-4] */
	if (oracle->lost)
		return;
	if (target->count++ == 0)
		target->first = (uint32_t)oracle->count;
	oracle->sources[oracle->source].count++;
	oracle->places[oracle->count++] = (struct gc_oracle_place){from.at, to.at};
}

/* [DB-3] */
static struct gc_oracle_slot *oracle_take_slot(struct gc_oracle *oracle, uint32_t from)
{
	unsigned round = 0;

	for (uint32_t i = from;; i++) {
		struct gc_oracle_slot *slot = &oracle->slots[i % GC_ORACLE_SLOTS];
		uint32_t expected = 0;

		if (gc_cas_acq_rel(&slot->busy, &expected, 1)) /* [MO-ORACLE] */
			return slot;
		if ((i - from) % GC_ORACLE_SLOTS == GC_ORACLE_SLOTS - 1)
			gc_backoff(&round);
	}
}

struct gc_oracle_slot *gc_oracle_keep_fault(struct gc_heap *heap, struct gc_page page,
					    const char *into)
{
	struct gc_oracle *oracle = heap->oracle;
	struct gc_haddr start = gc_view_page_start(&heap->view, page);
	struct gc_oracle_slot *slot;

	if (oracle->lost) {
		gc_add_relaxed(&oracle->skipped, 1); /* a figure */
		return NULL;
	}
	slot = oracle_take_slot(oracle, page.n);
	/* A target is filled where it is; any other page is made of what it was. */
	memcpy(slot->before, gc_unit_is_target(heap, page) ? into : gc_heap_readable(heap, start),
	       heap->view.page_bytes);
	return slot;
}

void gc_oracle_check_fault(struct gc_heap *heap, struct gc_page page, const char *into,
			   struct gc_oracle_slot *slot)
{
	struct gc_oracle_trouble trouble = {.what = NULL};

	if (!slot)
		return;
	gc_oracle_build(heap, page, slot, &trouble);
	if (trouble.what || memcmp(into, slot->second, heap->view.page_bytes) != 0)
		gc_oracle_fail(heap, page, into, slot, &trouble); /* [DB-1] */
	gc_store_release(&slot->busy, 0);			  /* [MO-ORACLE] */
	gc_add_relaxed(&heap->oracle->checked, 1);		  /* a figure */
}

uint64_t gc_oracle_checked(const struct gc_heap *heap)
{
	return gc_load_relaxed(&heap->oracle->checked); /* a figure */
}
#endif
