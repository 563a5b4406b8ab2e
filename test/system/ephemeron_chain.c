/* test/system/ephemeron_chain.c: a chain of ephemerons, each of whose values is the next one's key, is
 * resolved exactly and in linear time, whatever order they lie in; and so is its end.
 *
 * The table that holds the ephemerons is the first thing marked, so all of them wait. Only the first key is
 * held otherwise. Work is counted, not timed: `ephemeron_steps` of the statistics. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/random.h"
#include "test/support/check.h"
#include "test/support/shadow.h"

enum order { ORDER_FORWARD, ORDER_BACKWARD, ORDER_MIXED, ORDER_COUNT };
static const char *const order_names[] = {"forward", "backward", "mixed"};

struct key {
	struct plx_header header;
	uint64_t number;
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *keys, *arrays;
static uint64_t links = 1000000;

static void **slot_of(struct plx_handle *array, uint64_t i)
{
	return (void **)((char *)array->ref + sizeof(struct plx_header)) + i;
}

/* Where link i stands in the table. */
static uint64_t place_of(enum order order, uint64_t i)
{
	if (order ==
	    ORDER_MIXED) /* a permutation: the multiplier is odd and no divisor of `links` */
		return i * 7919 % links;
	return order == ORDER_FORWARD ? i : links - 1 - i;
}

static struct key *key_make(uint64_t number)
{
	struct key *key = plx_alloc(thread, keys);

	CHECK(key != NULL);
	key->number = number;
	return key;
}

static void chain_make(enum order order, struct plx_handle *table, struct plx_handle *first)
{
	struct plx_handle *last = plx_handle_create(thread, key_make(0));
	struct plx_handle *next = plx_handle_create(thread, NULL);

	plx_handle_set(thread, first, last->ref);
	plx_handle_set(thread, table, plx_alloc_array(thread, arrays, links));
	CHECK(table->ref != NULL);
	for (uint64_t i = 0; i < links; i++) {
		struct plx_ephemeron *link;

		plx_handle_set(thread, next, key_make(i + 1));
		link = plx_ephemeron_create(thread, last->ref, next->ref);
		CHECK(link != NULL);
		plx_store(thread, slot_of(table, place_of(order, i)), link);
		plx_handle_set(thread, last, next->ref);
	}
	plx_handle_release(thread, last);
	plx_handle_release(thread, next);
}

static void chain_check(enum order order, struct plx_handle *table, const void *first)
{
	const void *expected = first;

	for (uint64_t i = 0; i < links; i++) {
		void *value;
		struct key *key =
			plx_ephemeron_get(thread, *slot_of(table, place_of(order, i)), &value);

		CHECK(key == expected);
		CHECK((value != NULL) == (first != NULL));
		if (first) {
			CHECK(key->number == i);
			expected = value;
		}
	}
}

static uint64_t collect(struct plx_stats *stats)
{
	uint64_t before;

	plx_heap_stats(heap, stats);
	before = stats->ephemeron_steps;
	plx_collect(thread);
	plx_heap_stats(heap, stats);
	return stats->ephemeron_steps - before;
}

/* All live, moved or not; then none. */
static void run(enum order order)
{
	struct plx_handle *table = plx_handle_create(thread, NULL);
	struct plx_handle *first = plx_handle_create(thread, NULL);
	struct plx_stats stats;
	uint64_t steps, broken;

	chain_make(order, table, first);
	for (int i = 0; i < 2; i++) {
		steps = collect(&stats);
		printf("ephemeron_chain: %s: %lu steps for %lu links\n", order_names[order],
		       (unsigned long)steps, (unsigned long)links);
		CHECK(steps <= 8 * links);
		chain_check(order, table, first->ref);
	}
	plx_handle_set(thread, first, NULL);
	broken = stats.ephemerons_broken;
	steps = collect(&stats);
	CHECK(steps <= 8 * links);
	CHECK(stats.ephemerons_broken - broken == links);
	chain_check(order, table, NULL);
	plx_handle_release(thread, table);
	plx_handle_release(thread, first);
}

/* As many ephemerons whose keys are marked by one worker while another scans them. */
static void run_wide(uint64_t count)
{
	struct plx_handle *table = plx_handle_create(thread, NULL);
	struct plx_handle *held = plx_handle_create(thread, NULL);
	struct plx_handle *key = plx_handle_create(thread, NULL);
	struct plx_stats stats;

	plx_handle_set(thread, table, plx_alloc_array(thread, arrays, count));
	plx_handle_set(thread, held, plx_alloc_array(thread, arrays, count));
	for (uint64_t i = 0; i < count; i++) {
		struct plx_handle *value = plx_handle_create(thread, key_make(i + count));
		void *made;

		plx_handle_set(thread, key, key_make(i));
		plx_store(thread, slot_of(held, i), key->ref);
		made = plx_ephemeron_create(thread, key->ref, value->ref);
		plx_store(thread, slot_of(table, i), made);
		plx_handle_release(thread, value);
	}
	plx_handle_release(thread, key);
	for (int round = 0; round < 5; round++) {
		collect(&stats);
		for (uint64_t i = 0; i < count; i++) {
			void *value, *found = plx_ephemeron_get(thread, *slot_of(table, i), &value);

			CHECK(found == *slot_of(held, i));
			CHECK(((struct key *)value)->number == i + count);
		}
	}
	plx_handle_release(thread, table);
	plx_handle_release(thread, held);
}

int main(int argc, char **argv)
{
	struct shadow_options options;
	struct plx_histogram pauses;

	shadow_options_init(&options);
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--plan") == 0)
			options.plan = argv[i + 1];
		else if (strcmp(argv[i], "--links") == 0)
			links = strtoull(argv[i + 1], NULL, 10);
		else
			return 2;
	}
	options.heap_max = "512M";
	heap = shadow_heap_create(&options);
	CHECK(plx_thread_attach(heap, &thread, NULL) == PLX_OK);
	keys = plx_layout_fixed(heap, sizeof(struct key), NULL, 0, NULL);
	arrays = plx_layout_references(heap, NULL);
	/* Long chains take long to make: both directions are enough. */
	for (int order = 0; order < (links > 100000 ? ORDER_MIXED : ORDER_COUNT); order++)
		run((enum order)order);
	run_wide(20000);
	plx_thread_detach(thread);
	plx_heap_distribution(heap, PLX_DISTRIBUTION_PAUSE_NS, &pauses);
	printf("ephemeron_chain: longest pause %.0f us (for information)\n",
	       (double)plx_histogram_quantile(&pauses, 1.0) / 1e3);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}
