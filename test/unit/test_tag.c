/* test/unit/test_tag.c: tagged slots: references are found, followed and updated by their tags, and what is none
 * keeps its bits and keeps nothing alive, be it the address of an object. Everywhere a word may stand, with masks and
 * classifiers, in all plans and deliveries. */
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <string.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/heap/slot.h"
#include "runtime/world.h"
#include "bench/common/random.h"

struct node {
	struct plx_header header;
	void *next;  /* a word */
	void *decoy; /* a word that is no reference */
	uint64_t value;
	uint64_t filling[4];
};

#define COUNT 3000

/* ---- ways of tagging ---- */

#define BOX_TAG UINT64_C(0xfffc000000000000)
#define BOX_BITS UINT64_C(0x0000fffffffffff8)
#define HIGH_TAG UINT64_C(0x7a5b000000000000)
#define HIGH_MASK UINT64_C(0xffff000000000000)

struct tagging {
	const char *name;
	uint64_t mask, pattern;
	plx_word_classifier classify;
	uint64_t tag;	/* to make a reference: what is added to an address */
	uint64_t decoy; /* to make something else of an address */
};

/* Doubles as they are; what is left of the space of NaNs holds references, with three bits for kinds. */
static uintptr_t classify_box(uint64_t word, void *context)
{
	(void)context;
	return word >= BOX_TAG ? word & BOX_BITS : 0;
}

/* Several kinds of pointers: 1, 2, 3 and 5. */
static uintptr_t classify_low(uint64_t word, void *context)
{
	const uint64_t *kinds = context;

	return *kinds >> (word & 7) & 1 ? word & ~UINT64_C(7) : 0;
}

static uint64_t low_kinds = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5;

static const struct tagging taggings[] = {
	{"low", 7, 1, NULL, 1, 0},
	{"fixnum", 1, 0, NULL, 0, 1},
	{"high", HIGH_MASK, HIGH_TAG, NULL, HIGH_TAG, 0},
	{"both", HIGH_MASK | 7, HIGH_TAG | 5, NULL, HIGH_TAG | 5, HIGH_TAG},
	{"box", 0, 0, classify_box, BOX_TAG | 4, 0},
	{"kinds", 0, 0, classify_low, 3, 4},
};

#define TAGGINGS (sizeof(taggings) / sizeof(*taggings))

static const struct tagging *tagging;

static void *word_of(const void *object)
{
	return object ? (void *)((uintptr_t)object + tagging->tag) : NULL;
}

static void *object_of(const void *word)
{
	return word ? (void *)((uintptr_t)word - tagging->tag) : NULL;
}

/* The bits of a heap address, but no reference. */
static void *decoy_of(const void *object)
{
	return (void *)((uintptr_t)object + tagging->decoy);
}

/* ---- heaps ---- */

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes, *arrays;

static const struct {
	const char *plan, *delivery, *flip;
} places[] = {
	{"minor", "thread", "detach"}, {"minor", "sigbus", "zap"}, {"copy", "thread", "auto"},
	{"copy", "sigbus", "auto"},    {"stw", NULL, "auto"},
};

#define PLACES (sizeof(places) / sizeof(*places))

static enum plx_status tags_set(struct plx_error *error)
{
	if (tagging->classify)
		return plx_heap_set_classifier(heap, tagging->classify, &low_kinds, error);
	return plx_heap_set_tags(heap, tagging->mask, tagging->pattern, error);
}

static void config_make(struct plx_heap_config *config, size_t place)
{
	plx_config_init(config);
	assert_int_equal(plx_config_set(config, "GC_HEAP_MAX", "32M", NULL), PLX_OK);
	assert_int_equal(plx_config_set(config, "GC_EVACUATE", "all", NULL), PLX_OK);
	assert_int_equal(plx_config_set(config, "GC_VERIFY", "1", NULL), PLX_OK);
	assert_int_equal(plx_config_set(config, "GC_CYCLE_EVERY", "1T", NULL), PLX_OK);
	assert_int_equal(plx_config_set(config, "GC_FLIP", places[place].flip, NULL), PLX_OK);
	assert_int_equal(plx_config_set(config, "GC_PLAN", places[place].plan, NULL), PLX_OK);
	if (places[place].delivery)
		assert_int_equal(plx_config_set(config, "GC_UFFD_DELIVERY", places[place].delivery,
						NULL),
				 PLX_OK);
}

static bool heap_open_with(const struct plx_heap_config *config)
{
	static const size_t offsets[] = {offsetof(struct node, next), offsetof(struct node, decoy)};
	struct plx_error error = {0};

	if (plx_heap_create(config, &heap, &error) == PLX_ERROR_CAPABILITY) {
		print_message("%s\n", error.message);
		return false;
	}
	assert_non_null(heap);
	assert_int_equal(tags_set(NULL), PLX_OK);
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 2, NULL);
	arrays = plx_layout_references(heap, NULL);
	assert_non_null(nodes);
	assert_non_null(arrays);
	return true;
}

static bool heap_open(size_t place)
{
	struct plx_heap_config config;

	config_make(&config, place);
	return heap_open_with(&config);
}

static void heap_close(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

/* Every way of tagging, and every plan and delivery; not each with each, which takes long. */
static void in_all(void (*test)(void))
{
	for (size_t t = 0; t < TAGGINGS; t++)
		for (size_t place = 0; place < PLACES; place++) {
			tagging = &taggings[t];
			if ((t + place) % 3 != 0 || !heap_open(place))
				continue;
			test();
			heap_close();
		}
}

/* Word of a new node; garbage before and behind it, so that it moves by some other distance than others. */
static void *node_make(uint64_t value)
{
	struct node *node;
	struct plx_handle *kept;
	struct plx_scope scope;
	void *word;

	assert_non_null(plx_alloc(thread, nodes));
	node = plx_alloc(thread, nodes);
	assert_non_null(node);
	node->value = value;
	node->decoy = decoy_of(node);
	plx_scope_enter(thread, &scope);
	kept = plx_handle_push(thread, word_of(node));
	if (value % 3 == 0)
		assert_non_null(plx_alloc(thread, nodes));
	word = kept->ref;
	plx_scope_exit(thread, &scope);
	return word;
}

static struct node *node_check(const void *word, uint64_t value)
{
	struct node *node = object_of(word);

	assert_true(plx_heap_contains(heap, node));
	assert_int_equal((uintptr_t)node % 8, 0);
	assert_int_equal(node->value, value);
	return node;
}

static void **elements(struct plx_handle *array)
{
	return (void **)((char *)object_of(array->ref) + sizeof(struct plx_header));
}

static struct plx_handle *array_make(uint64_t length)
{
	struct plx_handle *array =
		plx_handle_create(thread, word_of(plx_alloc_array(thread, arrays, length)));

	assert_non_null(array);
	assert_non_null(array->ref);
	return array;
}

static void collect_twice(void)
{
	plx_collect(thread);
	plx_collect(thread);
}

/* ---- slots ---- */

static void slots(void)
{
	struct plx_handle *table = array_make(2 * COUNT), *copy = array_make(2 * COUNT);
	static uintptr_t decoys[COUNT], firsts[COUNT];
	uint64_t moved = 0;

	for (uint64_t i = 0; i < COUNT; i++) {
		struct node *node;
		void *word = node_make(i);

		plx_store(thread, &elements(table)[2 * i], word);
		node = object_of(word);
		if (i)
			PLX_STORE(thread, &node->next, elements(table)[2 * (i - 1)]);
		/* The address of something that moves, as a number. */
		decoys[i] = (uintptr_t)decoy_of(node);
		firsts[i] = (uintptr_t)node;
		plx_store(thread, &elements(table)[2 * i + 1], (void *)decoys[i]);
	}
	plx_store_array(thread, elements(copy), elements(table), 2 * COUNT);
	for (int round = 0; round < 3; round++) {
		plx_collect(thread);
		for (uint64_t i = 0; i < COUNT; i++) {
			void *word = elements(table)[2 * i];
			struct node *node = node_check(word, i);

			moved += (uintptr_t)node != firsts[i];
			assert_ptr_equal(elements(copy)[2 * i], word);
			assert_int_equal(elements(table)[2 * i + 1], decoys[i]);
			assert_int_equal(elements(copy)[2 * i + 1], decoys[i]);
			assert_int_equal(node->decoy, decoys[i]);
			assert_ptr_equal(node->next, i ? elements(table)[2 * (i - 1)] : NULL);
			if (i % 7 == 0)
				assert_true(plx_compare_exchange(thread, &elements(copy)[2 * i],
								 word, word));
		}
	}
	assert_true(moved > COUNT);
	plx_fill_array(thread, elements(copy), elements(table)[0], COUNT);
	plx_fill_array(thread, elements(table), NULL, 2 * COUNT);
	collect_twice();
	for (uint64_t i = 0; i < COUNT; i++) {
		node_check(elements(copy)[i], 0);
		assert_null(elements(table)[i]);
	}
}

static void test_slots(void **state)
{
	(void)state;
	in_all(slots);
}

/* ---- roots ---- */

static void *range[4];
static void *visited;

static void visit_roots(struct plx_root_visit *visit, void *context)
{
	(void)context;
	plx_root_visit(visit, &visited);
}

static void roots(void)
{
	struct plx_root_stack *stack = plx_root_stack_create(thread, 5000, NULL);
	struct plx_handle *handle = plx_handle_create(thread, node_make(1)), *number, *spare;
	struct plx_scope scope;
	uintptr_t decoy;
	struct plx_handle *scoped;

	assert_non_null(stack);
	assert_int_equal(plx_root_range_add(thread, range, 4, NULL), PLX_OK);
	assert_int_equal(plx_root_visitor_add(thread, visit_roots, NULL, NULL), PLX_OK);
	decoy = (uintptr_t)decoy_of(object_of(handle->ref));
	number = plx_handle_create(thread, (void *)decoy);
	plx_scope_enter(thread, &scope);
	scoped = plx_handle_push(thread, node_make(2));
	range[0] = node_make(3);
	range[1] = (void *)decoy;
	visited = node_make(4);
	for (uint64_t i = 0; i < 2000; i++) {
		assert_true(plx_root_stack_push(stack, node_make(i + 5)));
		assert_true(plx_root_stack_push(stack, (void *)decoy));
		/* Released handles are no roots, whatever the tags are. */
		spare = plx_handle_create(thread, handle->ref);
		plx_handle_release(thread, plx_handle_create(thread, handle->ref));
		plx_handle_release(thread, spare);
	}
	for (int round = 0; round < 3; round++) {
		plx_collect(thread);
		node_check(handle->ref, 1);
		node_check(scoped->ref, 2);
		node_check(range[0], 3);
		node_check(visited, 4);
		assert_int_equal(number->ref, decoy);
		assert_int_equal(range[1], decoy);
		for (uint64_t i = 0; i < 2000; i++) {
			node_check(stack->base[2 * i], i + 5);
			assert_int_equal(stack->base[2 * i + 1], decoy);
		}
	}
	plx_scope_exit(thread, &scope);
	assert_int_equal(plx_root_range_remove(thread, range), PLX_OK);
	assert_int_equal(plx_root_visitor_remove(thread, visit_roots, NULL), PLX_OK);
}

static void test_roots(void **state)
{
	(void)state;
	in_all(roots);
}

/* ---- weak things ---- */

/* Decoys keep nothing alive, nor do numbers in weak slots die. */
static void weak(void)
{
	struct plx_handle *kept = plx_handle_create(thread, node_make(1)), *weak_kept, *weak_lost,
			  *weak_number, *number, *pair, *pair_lost, *pair_number;
	void *value;

	weak_kept = plx_handle_create(thread, NULL);
	plx_handle_set(thread, weak_kept, word_of(plx_weak_create(thread, kept->ref)));
	weak_lost = plx_handle_create(thread, NULL);
	plx_handle_set(thread, weak_lost, word_of(plx_weak_create(thread, node_make(2))));
	number = plx_handle_create(
		thread,
		decoy_of(object_of(((struct plx_weak *)object_of(weak_lost->ref))->referent)));
	weak_number = plx_handle_create(thread, NULL);
	plx_handle_set(thread, weak_number, word_of(plx_weak_create(thread, number->ref)));
	pair = plx_handle_create(thread, NULL);
	plx_handle_set(thread, pair,
		       word_of(plx_ephemeron_create(thread, kept->ref, node_make(3))));
	pair_lost = plx_handle_create(thread, NULL);
	plx_handle_set(thread, pair_lost,
		       word_of(plx_ephemeron_create(thread, node_make(4), node_make(5))));
	pair_number = plx_handle_create(thread, NULL);
	plx_handle_set(thread, pair_number,
		       word_of(plx_ephemeron_create(thread, number->ref, node_make(6))));
	for (int round = 0; round < 3; round++) {
		plx_collect(thread);
		assert_ptr_equal(plx_weak_get(thread, object_of(weak_kept->ref)), kept->ref);
		assert_null(plx_weak_get(thread, object_of(weak_lost->ref)));
		assert_ptr_equal(plx_weak_get(thread, object_of(weak_number->ref)), number->ref);
		assert_ptr_equal(plx_ephemeron_get(thread, object_of(pair->ref), &value),
				 kept->ref);
		node_check(value, 3);
		assert_null(plx_ephemeron_get(thread, object_of(pair_lost->ref), &value));
		assert_null(value);
		assert_ptr_equal(plx_ephemeron_get(thread, object_of(pair_number->ref), &value),
				 number->ref);
		node_check(value, 6);
	}
}

static void test_weak(void **state)
{
	(void)state;
	in_all(weak);
}

static void guardian(void)
{
	struct plx_guardian *guardian_of = plx_guardian_create(heap, 0, NULL);
	struct plx_handle *kept = plx_handle_create(thread, node_make(1));
	struct plx_error error = {0};
	void *word;

	assert_non_null(guardian_of);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(plx_guardian_register(thread, guardian_of, node_make(i + 2), NULL),
				 PLX_OK);
	assert_int_equal(plx_guardian_register(thread, guardian_of, kept->ref, NULL), PLX_OK);
	assert_int_equal(plx_guardian_register(thread, guardian_of, decoy_of(object_of(kept->ref)),
					       &error),
			 PLX_ERROR_MISUSE);
	assert_null(plx_guardian_poll(thread, guardian_of));
	collect_twice();
	for (uint64_t i = 0; i < 100; i++) {
		word = plx_guardian_poll(thread, guardian_of);
		assert_non_null(word);
		node_check(word, ((struct node *)object_of(word))->value);
		assert_true(((struct node *)object_of(word))->value >= 2);
	}
	assert_null(plx_guardian_poll(thread, guardian_of));
	plx_guardian_destroy(guardian_of);
}

static void test_guardian(void **state)
{
	(void)state;
	in_all(guardian);
}

/* ---- pins and identity ---- */

static void pins(void)
{
	struct plx_handle *kept = plx_handle_create(thread, node_make(1));
	struct plx_pin_scope scope;
	struct node *address;
	uint32_t hash = plx_identity_hash(thread, kept->ref);
	uint64_t moves = 0;
	void *pinned;

	assert_int_not_equal(hash, plx_identity_hash(thread, decoy_of(object_of(kept->ref))));
	collect_twice();
	pinned = node_make(2);
	address = object_of(pinned);
	assert_int_equal(plx_pin(thread, decoy_of(address), "test"), PLX_ERROR_MISUSE);
	assert_int_equal(plx_pin(thread, pinned, "test"), PLX_OK);
	plx_pin_scope_enter(&scope, "scope");
	assert_int_equal(plx_pin_scoped(thread, &scope, kept->ref), PLX_OK);
	collect_twice();
	node_check(pinned, 2); /* alive by its pin alone, and where it was */
	assert_int_equal(hash, plx_identity_hash(thread, kept->ref));
	plx_pin_scope_exit(thread, &scope);
	for (int round = 0; round < 3; round++) {
		void *before = kept->ref;

		plx_collect(thread);
		moves += kept->ref != before;
		node_check(kept->ref, 1);
		assert_int_equal(hash, plx_identity_hash(thread, kept->ref));
	}
	assert_true(moves > 0);
	assert_int_equal(plx_unpin(thread, pinned, "test"), PLX_OK);
	assert_int_equal(plx_unpin(thread, pinned, "test"), PLX_ERROR_MISUSE);
}

static void test_pins(void **state)
{
	(void)state;
	in_all(pins);
}

/* ---- C locals ---- */

static void *volatile local;

__attribute__((noinline)) static void local_fill(void *volatile *slot)
{
	*slot = node_make(7);
}

static void test_c_locals(void **state)
{
	(void)state;
	for (size_t t = 0; t < TAGGINGS; t++) {
		void *volatile word = NULL;
		struct plx_heap_config config;

		tagging = &taggings[t];
		config_make(&config, 0);
		assert_int_equal(plx_config_set(&config, "GC_STACKS", "ambiguous", NULL), PLX_OK);
		if (!heap_open_with(&config))
			continue;
		local_fill(&word);
		local = NULL;
		collect_twice();
		collect_twice();
		node_check(word, 7);
		heap_close();
	}
}

/* ---- many cycles beside stores ---- */

static volatile bool stop;

static void *collect_main(void *argument)
{
	(void)argument;
	for (int i = 0; i < 6; i++)
		plx_heap_collect(heap);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Stores, copies and deletions with barriers on: numbers are neither logged nor flagged for nothing lost. */
static void beside(void)
{
	struct plx_handle *table = array_make(COUNT);
	struct random dice = {99};
	uint64_t values[COUNT] = {0};
	pthread_t collector;

	__atomic_store_n(&stop, false, __ATOMIC_RELEASE);
	assert_int_equal(pthread_create(&collector, NULL, collect_main, NULL), 0);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		uint64_t to = random_below(&dice, COUNT), from = random_below(&dice, COUNT);

		switch (random_below(&dice, 4)) {
		case 0: {
			void *word = node_make(values[to] = random_next(&dice) | 1);

			plx_store(thread, &elements(table)[to], word);
			break;
		}
		case 1: /* a number: an address of the heap, at random */
			values[to] = 0;
			plx_store(thread, &elements(table)[to],
				  decoy_of((char *)heap->gc.view.heap +
					   8 * random_below(&dice, 1 << 20)));
			break;
		default:
			values[to] = values[from];
			plx_store_array(thread, &elements(table)[to], &elements(table)[from], 1);
		}
		if (values[to])
			node_check(elements(table)[to], values[to]);
		plx_poll(thread);
	}
	pthread_join(collector, NULL);
	for (uint64_t i = 0; i < COUNT; i++)
		if (values[i])
			node_check(elements(table)[i], values[i]);
}

static void test_beside_the_collector(void **state)
{
	(void)state;
	in_all(beside);
}

/* ---- misuse ---- */

static void test_misuse(void **state)
{
	struct plx_error error = {0};

	(void)state;
	assert_int_equal(plx_heap_create(NULL, &heap, NULL), PLX_OK);
	assert_int_equal(plx_heap_set_tags(heap, 7, 8, &error), PLX_ERROR_MISUSE);
	assert_non_null(strstr(error.message, "no word has"));
	assert_int_equal(plx_heap_set_tags(heap, 15, 1, &error), PLX_ERROR_MISUSE);
	assert_non_null(strstr(error.message, "bits of addresses"));
	assert_int_equal(plx_heap_set_classifier(heap, NULL, NULL, &error), PLX_ERROR_MISUSE);
	assert_int_equal(plx_heap_set_tags(heap, 7, 1, &error), PLX_OK);
	assert_int_equal(plx_heap_set_tags(heap, 0, 0, &error), PLX_OK); /* the last one counts */
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	assert_int_equal(plx_heap_set_tags(heap, 7, 1, &error), PLX_ERROR_MISUSE);
	assert_non_null(strstr(error.message, "before a thread attaches"));
	assert_int_equal(plx_heap_set_classifier(heap, classify_box, NULL, &error),
			 PLX_ERROR_MISUSE);
	assert_non_null(plx_handle_create(thread, NULL));
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_set_tags(heap, 7, 1, &error), PLX_ERROR_MISUSE);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

/* The values themselves, at the edges. */
static void test_values(void **state)
{
	static char place[1] __attribute__((aligned(8)));
	struct gc_tags low = {.any = true, .mask = 7, .pattern = 1}, none = {0};
	struct gc_tags box = {.any = true, .classify = classify_box};
	uintptr_t at = (uintptr_t)place;

	(void)state;
	assert_int_equal(gc_value_address(&none, (struct gc_value){at}), at);
	assert_int_equal(gc_value_address(&low, (struct gc_value){at + 1}), at);
	assert_int_equal(gc_value_address(&low, (struct gc_value){at}), 0);
	assert_int_equal(gc_value_address(&low, (struct gc_value){at + 9}), at + 8);
	assert_int_equal(gc_value_address(&low, (struct gc_value){0}), 0);
	assert_int_equal(gc_value_address(&box, (struct gc_value){0}), 0);
	assert_int_equal(gc_value_address(&box, (struct gc_value){BOX_TAG | at | 6}), at);
	assert_int_equal(gc_value_moved((struct gc_value){BOX_TAG | at | 6}, at, at - 64).bits,
			 (BOX_TAG | 6) + at - 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_weak),
		cmocka_unit_test(test_guardian),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_c_locals),
		cmocka_unit_test(test_beside_the_collector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
