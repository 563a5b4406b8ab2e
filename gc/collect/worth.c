/* gc/collect/worth.c: which classes of candidates are worth moving in this cycle, if any.
 *
 * Moving costs its time: a unit for each page that refers into what moves, and for each page of copies.
 * It wins whole regions, and with them a later start of the next cycles. With E bytes to allocate from
 * now until the next cycle, W more put it off by W / E of its interval, so each cycle that what was won
 * lasts for saves W / E of a cycle's time:
 *
 *     gain = WORTH_LASTS * cycle_ns * W / E          cost = unit_ns * (dirty pages + copied pages)
 *
 * in CPU time, since a busy machine makes everything take longer.
 *
 * Of the fifteen combinations of classes the one with the largest gain over its cost is taken. Page flags
 * tell exactly how many pages each of them makes dirty. In a tight heap E is small, and nearly
 * everything is worth moving; in a roomy one little is, until enough has come together.
 *
 * A cycle that was asked for is to leave a compact heap, and one that somebody waits for is to find
 * memory: they move whatever wins a little. So does every cycle once a quarter of what is used could be
 * won: memory has its price too. Regions that were dense in the last cycle are left out of that unless
 * they hold a good part of what is to be won, since nearly every page refers to one of them.
 *
 * [W-1] This decides about time and memory only. Any answer is right.
 *
 * Who runs here: the cycle's thread, after the sweep; mutators running. */
#include "gc/collect/collect.h"
#include "gc/collect/worth.h"

#define WORTH_LASTS 3.0
#define WORTH_UNIT_NS 1500.0 /* until one was measured */
#define WORTH_DENSE_PART 8
#define WORTH_COMBINATIONS (GC_REGION_CLASS_MASK + 1)

/* How many pages refer into candidates, by the set of classes they refer to. */
static void worth_count_pages(const struct gc_heap *heap, uint64_t pages[WORTH_COMBINATIONS])
{
	const struct gc_region_range *range = &heap->regions.ranges[GC_RANGE_OBJECTS];
	uint64_t used = (uint64_t)gc_range_high_water(range) << heap->regions.region_shift;

	for (uint32_t n = 0; n < used >> heap->view.page_shift; n++)
		pages[gc_page_flags(&heap->pages, (struct gc_page){n}) & GC_REGION_CLASS_MASK]++;
}

static uint64_t worth_dirty_pages(const uint64_t pages[WORTH_COMBINATIONS], uint8_t classes)
{
	uint64_t dirty = 0;

	for (uint8_t set = 1; set < WORTH_COMBINATIONS; set++)
		dirty += set & classes ? pages[set] : 0;
	return dirty;
}

/* What can be allocated until the next cycle if nothing moves: what the soft limit leaves, though at
 * least the gap between cycles that the trigger keeps, within the hard limit. */
static double worth_room_bytes(struct gc_heap *heap)
{
	const struct gc_regions *regions = &heap->regions;
	uint32_t used = gc_load_relaxed(&regions->used),
		 limit = gc_regions_limit(regions); /* hints */
	double used_bytes = (double)used * regions->region_bytes;
	double hard = (double)(limit > used ? limit - used : 1) * regions->region_bytes;
	double extra = gc_size_extra_bytes(heap, heap->cycle.live_bytes);
	double soft = (double)heap->cycle.live_bytes + extra - used_bytes;

	soft = soft > extra / 4 ? soft : extra / 4;
	soft = soft > regions->region_bytes ? soft : regions->region_bytes;
	return soft < hard ? soft : hard;
}

double gc_worth_unit_ns(const struct gc_heap *heap)
{
	return heap->pace.unit_ns > 0 ? heap->pace.unit_ns : WORTH_UNIT_NS;
}

static double worth_won_bytes(const struct gc_heap *heap, const struct gc_worth *worth)
{
	return (double)worth->regions * heap->regions.region_bytes - (double)worth->live_bytes;
}

/* All that candidates of some classes have in them, within the budget: the emptiest go first, so a
 * part of the bytes wins at least that part of the regions. */
static struct gc_worth worth_sum(const struct gc_worth by_class[WORTH_COMBINATIONS],
				 uint8_t classes, uint64_t budget_bytes)
{
	struct gc_worth sum = {0, 0};

	for (uint8_t class = 1; class < WORTH_COMBINATIONS; class <<= 1)
		if (class & classes) {
			sum.regions += by_class[class].regions;
			sum.live_bytes += by_class[class].live_bytes;
		}
	if (sum.live_bytes > budget_bytes) {
		sum.regions = (uint64_t)((double)sum.regions * (double)budget_bytes /
					 (double)sum.live_bytes);
		sum.live_bytes = budget_bytes;
	}
	return sum;
}

/* What such a cycle takes candidates of. */
static uint8_t worth_thorough_classes(const struct gc_heap *heap,
				      const struct gc_worth by_class[WORTH_COMBINATIONS],
				      const struct gc_worth *all)
{
	double dense = worth_won_bytes(heap, &by_class[GC_REGION_CLASS_DENSE]);
	bool much = dense >= worth_won_bytes(heap, all) / WORTH_DENSE_PART;

	return much ? GC_REGION_CLASS_MASK : GC_REGION_CLASS_MASK & ~GC_REGION_CLASS_DENSE;
}

/* Moving whatever wins a little: is that the order of this cycle? */
static bool worth_is_thorough(const struct gc_heap *heap, const struct gc_worth *all)
{
	double won = worth_won_bytes(heap, all);
	uint64_t whole = heap->regions.region_bytes;
	uint64_t used = (uint64_t)gc_load_relaxed(&heap->regions.used) * whole; /* a hint */

	if (won < (double)gc_max(2 * whole, heap->config.heap_max_bytes / 128))
		return false;
	return !heap->cycle.thrifty || gc_load_relaxed(&heap->stalled) || /* a hint */
	       won >= (double)used / 4;
}

uint8_t gc_worth_classes(struct gc_heap *heap, const struct gc_worth by_class[WORTH_COMBINATIONS],
			 uint64_t budget_bytes, double *byte_ns)
{
	uint64_t pages[WORTH_COMBINATIONS] = {0};
	struct gc_worth all = worth_sum(by_class, GC_REGION_CLASS_MASK, budget_bytes);
	double best_ns = 0, unit_ns = gc_worth_unit_ns(heap);
	uint8_t best = 0;

	*byte_ns = 0;
	if (worth_is_thorough(heap, &all))
		return worth_thorough_classes(heap, by_class, &all);
	*byte_ns = WORTH_LASTS * gc_size_cycle_ns(heap) / worth_room_bytes(heap);
	worth_count_pages(heap, pages);
	for (uint8_t classes = 1; classes < WORTH_COMBINATIONS; classes++) {
		struct gc_worth sum = worth_sum(by_class, classes, budget_bytes);
		uint64_t units = worth_dirty_pages(pages, classes) +
				 (sum.live_bytes >> heap->view.page_shift);
		double net_ns = *byte_ns * worth_won_bytes(heap, &sum) - unit_ns * (double)units;

		if (net_ns > best_ns && sum.regions > 2) {
			best_ns = net_ns;
			best = classes;
		}
	}
	return best;
}
