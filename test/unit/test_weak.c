/* test/unit/test_weak.c: weak objects, call by call, in one thread, and what happens when the collector's
 * lists of them cannot grow. What needs several threads is in test/system/weak.c. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gc/collect/collect.h"
#include "gc/collect/ephemeron.h"
#include "gc/collect/reference.h"
#include "runtime/world.h"

struct box {
	struct plx_header header;
	uint64_t value;
	void *ref;
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *boxes, *arrays;

static int setup(void **state)
{
	static const size_t offsets[] = {offsetof(struct box, ref)};
	struct plx_heap_config config;

	(void)state;
	plx_config_init(&config);
	assert_int_equal(plx_config_from_environment(&config, NULL), PLX_OK);
	assert_int_equal(plx_config_set(&config, "GC_HEAP_MAX", "32M", NULL), PLX_OK);
	assert_int_equal(plx_config_set(&config, "GC_EVACUATE", "all", NULL), PLX_OK);
	assert_int_equal(plx_heap_create(&config, &heap, NULL), PLX_OK);
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	boxes = plx_layout_fixed(heap, sizeof(struct box), offsets, 1, NULL);
	arrays = plx_layout_references(heap, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : -1;
}

static struct box *box_make(uint64_t value)
{
	struct box *box = plx_alloc(thread, boxes);

	assert_non_null(box);
	box->value = value;
	return box;
}

static void **slot_of(struct plx_handle *array, size_t i)
{
	return (void **)((char *)array->ref + sizeof(struct plx_header)) + i;
}

static struct plx_handle *array_make(size_t length)
{
	struct plx_handle *handle =
		plx_handle_create(thread, plx_alloc_array(thread, arrays, length));

	assert_non_null(handle);
	assert_non_null(handle->ref);
	return handle;
}

/* ---- weak references ---- */

static void test_weak_follows_and_clears(void **state)
{
	struct plx_handle *strong = plx_handle_create(thread, box_make(7));
	struct plx_handle *weak = plx_handle_create(thread, plx_weak_create(thread, strong->ref));
	const void *before = strong->ref;

	(void)state;
	assert_ptr_equal(plx_weak_get(thread, weak->ref), strong->ref);
	plx_collect(thread);
	plx_collect(thread);
	assert_ptr_not_equal(strong->ref, before); /* all is evacuated */
	assert_ptr_equal(plx_weak_get(thread, weak->ref), strong->ref);
	assert_int_equal(((struct box *)strong->ref)->value, 7);
	plx_handle_set(thread, strong, NULL);
	assert_non_null(plx_weak_get(thread, weak->ref));
	plx_collect(thread);
	assert_null(plx_weak_get(thread, weak->ref));
}

static void test_weak_of_nothing(void **state)
{
	struct plx_handle *weak = plx_handle_create(thread, plx_weak_create(thread, NULL));
	int outside;

	(void)state;
	assert_null(plx_weak_get(thread, weak->ref));
	plx_collect(thread);
	assert_null(plx_weak_get(thread, weak->ref));
	plx_handle_set(thread, weak, plx_weak_create(thread, &outside));
	plx_collect(thread);
	assert_ptr_equal(plx_weak_get(thread, weak->ref), &outside);
	plx_weak_clear(thread, weak->ref);
	assert_null(plx_weak_get(thread, weak->ref));
}

/* Weak references to weak references: each is an object like others. */
static void test_weak_to_weak(void **state)
{
	struct plx_handle *inner, *outer;

	(void)state;
	inner = plx_handle_create(thread, plx_weak_create(thread, box_make(1)));
	outer = plx_handle_create(thread, plx_weak_create(thread, inner->ref));
	plx_collect(thread);
	assert_ptr_equal(plx_weak_get(thread, outer->ref), inner->ref);
	assert_null(plx_weak_get(thread, inner->ref));
	plx_handle_set(thread, inner, NULL);
	plx_collect(thread);
	assert_null(plx_weak_get(thread, outer->ref));
}

static void test_weak_layout(void **state)
{
	struct plx_weak *weak = plx_weak_create(thread, NULL);

	(void)state;
	assert_int_equal(weak->header.word, plx_weak_layout(heap)->header);
}

/* 2,000 weak references, every third referent dropped; exact whether or not the lists have room. */
static void weak_many(void)
{
	struct plx_handle *strong = array_make(2000), *weak = array_make(2000);

	for (size_t i = 0; i < 2000; i++) {
		void *made;

		plx_store(thread, slot_of(strong, i), box_make(i));
		made = plx_weak_create(thread, *slot_of(strong, i));
		plx_store(thread, slot_of(weak, i), made);
	}
	plx_collect(thread); /* now none is young */
	for (size_t i = 0; i < 2000; i += 3)
		plx_store(thread, slot_of(strong, i), NULL);
	plx_collect(thread);
	for (size_t i = 0; i < 2000; i++) {
		const struct box *box = plx_weak_get(thread, *slot_of(weak, i));

		assert_ptr_equal(box, *slot_of(strong, i));
		assert_int_equal(box == NULL, i % 3 == 0);
		assert_int_equal(box ? box->value : i, i);
	}
	plx_handle_release(thread, strong);
	plx_handle_release(thread, weak);
}

static void test_weak_many(void **state)
{
	(void)state;
	weak_many();
}

static void test_weak_lists_cannot_grow(void **state)
{
	(void)state;
	heap->gc.references->list_limit = 100;
	weak_many();
	heap->gc.references->list_limit = 0;
	weak_many();
}

/* ---- ephemerons ---- */

static void *key_of(struct plx_handle *ephemeron, void **value)
{
	return plx_ephemeron_get(thread, ephemeron->ref, value);
}

static void test_ephemeron_holds_and_breaks(void **state)
{
	struct plx_handle *key = plx_handle_create(thread, box_make(1));
	struct plx_handle *pair = plx_handle_create(thread, NULL);
	struct plx_handle *weak = plx_handle_create(thread, NULL);
	struct plx_handle *temporary = plx_handle_create(thread, box_make(2));
	void *value;

	(void)state;
	PLX_STORE(thread, &((struct box *)temporary->ref)->ref, key->ref); /* value -> key */
	plx_handle_set(thread, pair, plx_ephemeron_create(thread, key->ref, temporary->ref));
	plx_handle_set(thread, weak, plx_weak_create(thread, temporary->ref));
	plx_handle_set(thread, temporary, NULL);
	for (int i = 0; i < 3; i++) {
		plx_collect(thread);
		assert_ptr_equal(key_of(pair, &value), key->ref);
		assert_int_equal(((struct box *)value)->value, 2);
		assert_ptr_equal(((struct box *)value)->ref, key->ref);
		assert_ptr_equal(plx_weak_get(thread, weak->ref), value);
	}
	plx_handle_set(thread, key, NULL);
	plx_collect(thread);
	assert_null(key_of(pair, &value));
	assert_null(value);
	assert_null(plx_weak_get(thread, weak->ref));
}

/* Two ephemerons that hold each other's key die together. */
static void test_ephemerons_in_a_circle(void **state)
{
	struct plx_handle *a = plx_handle_create(thread, box_make(1));
	struct plx_handle *b = plx_handle_create(thread, box_make(2));
	struct plx_handle *ab, *ba;
	void *value;

	(void)state;
	ab = plx_handle_create(thread, plx_ephemeron_create(thread, a->ref, b->ref));
	ba = plx_handle_create(thread, plx_ephemeron_create(thread, b->ref, a->ref));
	plx_handle_set(thread, b, NULL);
	plx_collect(thread);
	assert_ptr_equal(key_of(ab, &value), a->ref);
	assert_ptr_equal(key_of(ba, &value), ((struct plx_ephemeron *)ab->ref)->value);
	plx_handle_set(thread, a, NULL);
	plx_collect(thread);
	assert_null(key_of(ab, &value));
	assert_null(key_of(ba, &value));
}

static void test_ephemeron_break_and_plain_keys(void **state)
{
	struct plx_handle *key = plx_handle_create(thread, box_make(1));
	struct plx_handle *pair;
	void *value;

	(void)state;
	pair = plx_handle_create(thread, plx_ephemeron_create(thread, key->ref, key->ref));
	plx_ephemeron_break(thread, pair->ref);
	assert_null(key_of(pair, &value));
	assert_null(value);
	plx_handle_set(thread, pair, plx_ephemeron_create(thread, &value, box_make(3)));
	plx_collect(thread);
	assert_ptr_equal(key_of(pair, &value), &value);
	assert_int_equal(((struct box *)value)->value, 3);
	/* Stored into a broken one it is held by the ephemeron alone. */
	plx_ephemeron_break(thread, pair->ref);
	plx_ephemeron_set_value(thread, pair->ref, box_make(4));
	plx_collect(thread);
	assert_null(key_of(pair, &value));
	assert_int_equal(((struct box *)value)->value, 4);
}

/* A chain of 3,000 and as many of its own key each, cut in the middle. */
static void ephemerons_many(void)
{
	struct plx_handle *pairs = array_make(3000), *keys = array_make(3001);
	struct plx_handle *weak = array_make(3001);
	void *value, *made;

	for (size_t i = 0; i <= 3000; i++) {
		plx_store(thread, slot_of(keys, i), box_make(i));
		made = plx_weak_create(thread, *slot_of(keys, i));
		plx_store(thread, slot_of(weak, i), made);
	}
	for (size_t i = 0; i < 3000; i++) {
		made = plx_ephemeron_create(thread, *slot_of(keys, i), *slot_of(keys, i + 1));
		plx_store(thread, slot_of(pairs, i), made);
	}
	for (size_t i = 1; i <= 3000; i++)
		plx_store(thread, slot_of(keys, i), NULL);
	plx_collect(thread);
	plx_collect(thread);
	for (size_t i = 0; i < 3000; i++) {
		made = plx_ephemeron_get(thread, *slot_of(pairs, i), &value);
		assert_ptr_equal(made, plx_weak_get(thread, *slot_of(weak, i)));
		assert_int_equal(((struct box *)made)->value, i);
		assert_int_equal(((struct box *)value)->value, i + 1);
	}
	plx_store(thread, slot_of(pairs, 1500), NULL);
	plx_collect(thread);
	for (size_t i = 0; i < 3000; i++) {
		if (i == 1500)
			continue;
		made = plx_ephemeron_get(thread, *slot_of(pairs, i), &value);
		assert_int_equal(made == NULL, i > 1500);
		assert_int_equal(value == NULL, i > 1500);
		assert_int_equal(plx_weak_get(thread, *slot_of(weak, i)) == NULL, i > 1500);
	}
	plx_handle_release(thread, pairs);
	plx_handle_release(thread, keys);
	plx_handle_release(thread, weak);
}

static void test_ephemerons_many(void **state)
{
	(void)state;
	ephemerons_many();
}

static void test_ephemeron_table_cannot_grow(void **state)
{
	(void)state;
	heap->gc.references->list_limit = 0;
	ephemerons_many();
}

/* The keys' headers tell nothing else, and the sizes of large ones are not misread. */
static void test_large_key(void **state)
{
	struct plx_handle *key = array_make(200000), *pair;
	void *value;

	(void)state;
	pair = plx_handle_create(thread, plx_ephemeron_create(thread, key->ref, box_make(5)));
	for (int i = 0; i < 3; i++) {
		plx_collect(thread);
		assert_ptr_equal(key_of(pair, &value), key->ref);
		assert_int_equal(((struct box *)value)->value, 5);
		assert_int_equal(plx_object_length(key->ref), 200000);
	}
}

/* [EP-1] One marker scans ephemerons while another marks their keys, in step: none is left waiting. */
#define RACE_COUNT 30000

struct race {
	struct plx_handle *keys, *pairs;
	uint32_t at[2]; /* how far each side is */
};

/* Neither side is ahead of the other. */
static void race_step(struct race *race, int side, uint32_t i)
{
	/* Relaxed: brings the threads together and orders nothing. */
	gc_store_relaxed(&race->at[side], i);
	for (unsigned spins = 0; gc_load_relaxed(&race->at[!side]) < i; spins++)
		if (spins > 1000)
			sched_yield();
}

static void *race_mark_keys(void *argument)
{
	struct race *race = argument;
	struct gc_mark *mark = gc_mark_create(&heap->gc);

	for (uint32_t i = 0; i < RACE_COUNT; i++) {
		uintptr_t key = (uintptr_t)*slot_of(race->keys, i);

		race_step(race, 0, i + 1);
		gc_markbits_try_set(&heap->gc.markbits, (struct gc_haddr){key});
		if (gc_load_seq_cst((uint64_t *)key) & GC_HEADER_KEY) /* [MO-KEY] */
			gc_ephemeron_key_marked(&heap->gc, mark, key);
	}
	gc_mark_destroy(mark);
	return NULL;
}

static void race_scan_pairs(struct race *race)
{
	struct gc_mark *mark = gc_mark_create(&heap->gc);

	for (uint32_t i = 0; i < RACE_COUNT; i++) {
		race_step(race, 1, i + 1);
		gc_ephemeron_found(&heap->gc, mark, (uintptr_t)*slot_of(race->pairs, i));
	}
	gc_mark_destroy(mark);
}

static void test_ephemeron_keys_marked_meanwhile(void **state)
{
	struct race race = {array_make(RACE_COUNT), array_make(RACE_COUNT), {0, 0}};
	pthread_t id;

	(void)state;
	for (size_t i = 0; i < RACE_COUNT; i++) {
		void *made = box_make(i);

		plx_store(thread, slot_of(race.keys, i), made);
		made = plx_ephemeron_create(thread, made, NULL);
		plx_store(thread, slot_of(race.pairs, i), made);
	}
	plx_collect(thread);
	/* As a cycle begins; nobody runs one now. */
	gc_candidates_choose(&heap->gc);
	gc_mark_prepare(&heap->gc);
	assert_int_equal(pthread_create(&id, NULL, race_mark_keys, &race), 0);
	race_scan_pairs(&race);
	pthread_join(id, NULL);
	assert_int_equal(gc_ephemerons_waiting(&heap->gc), 0);
}

/* ---- guardians ---- */

static struct plx_guardian *guardian_make(unsigned priority)
{
	struct plx_guardian *guardian = plx_guardian_create(heap, priority, NULL);

	assert_non_null(guardian);
	return guardian;
}

static void guard(struct plx_guardian *guardian, void *object)
{
	assert_int_equal(plx_guardian_register(thread, guardian, object, NULL), PLX_OK);
}

/* Poll all there is; the values, each as one bit. */
static uint64_t poll_all(struct plx_guardian *guardian)
{
	uint64_t bits = 0;
	struct box *box;

	while ((box = plx_guardian_poll(thread, guardian)) != NULL) {
		assert_int_equal(bits >> box->value & 1, 0);
		bits |= UINT64_C(1) << box->value;
	}
	return bits;
}

static void test_guardian_gives_back_what_died(void **state)
{
	struct plx_guardian *guardian = guardian_make(0);
	struct plx_handle *held = plx_handle_create(thread, box_make(1));
	struct plx_handle *other = plx_handle_create(thread, box_make(2));
	struct plx_handle *weak;
	struct box *box;

	(void)state;
	PLX_STORE(thread, &((struct box *)other->ref)->ref, box_make(3));
	weak = plx_handle_create(thread, plx_weak_create(thread, other->ref));
	guard(guardian, held->ref);
	guard(guardian, other->ref);
	plx_collect(thread);
	assert_null(plx_guardian_poll(thread, guardian));
	plx_handle_set(thread, other, NULL);
	plx_collect(thread);
	plx_collect(thread); /* what waits in the queue moves like any object */
	assert_non_null(plx_weak_get(thread, weak->ref));
	box = plx_guardian_poll(thread, guardian);
	assert_ptr_equal(box, plx_weak_get(thread, weak->ref));
	assert_int_equal(box->value, 2);
	assert_int_equal(((struct box *)box->ref)->value, 3);
	assert_null(plx_guardian_poll(thread, guardian));
	plx_collect(thread); /* dropped for good: not watched any more */
	assert_null(plx_weak_get(thread, weak->ref));
	assert_null(plx_guardian_poll(thread, guardian));
	assert_int_equal(((struct box *)held->ref)->value, 1);
}

static void test_guardian_registered_twice(void **state)
{
	struct plx_guardian *first = guardian_make(2), *second = guardian_make(2);
	struct box *box = box_make(5);
	void *again;

	(void)state;
	guard(first, box);
	guard(first, box);
	guard(second, box);
	plx_collect(thread);
	box = plx_guardian_poll(thread, first);
	again = plx_guardian_poll(thread, first);
	assert_non_null(box);
	assert_ptr_equal(box, again);
	assert_ptr_equal(box, plx_guardian_poll(thread, second));
	assert_null(plx_guardian_poll(thread, first));
	guard(first, box); /* resurrected, and guarded once more */
	plx_collect(thread);
	assert_int_equal(poll_all(first), 1 << 5);
	plx_collect(thread);
	assert_int_equal(poll_all(first), 0);
}

/* 1 -> 2 -> 3, and 4 -> 3: within a priority together, across priorities in order. */
static void test_guardian_order(void **state)
{
	struct plx_guardian *early = guardian_make(0), *late = guardian_make(7);
	struct plx_handle *boxes_of[5];

	(void)state;
	for (uint64_t i = 1; i < 5; i++)
		boxes_of[i] = plx_handle_create(thread, box_make(i));
	PLX_STORE(thread, &((struct box *)boxes_of[1]->ref)->ref, boxes_of[2]->ref);
	PLX_STORE(thread, &((struct box *)boxes_of[2]->ref)->ref, boxes_of[3]->ref);
	PLX_STORE(thread, &((struct box *)boxes_of[4]->ref)->ref, boxes_of[3]->ref);
	guard(late, boxes_of[3]->ref);
	guard(late, boxes_of[4]->ref);
	guard(early, boxes_of[2]->ref);
	guard(early, boxes_of[1]->ref);
	for (uint64_t i = 1; i < 5; i++)
		plx_handle_release(thread, boxes_of[i]);
	plx_collect(thread);
	assert_int_equal(poll_all(late), 1 << 4); /* 3 is reachable from what `early` got */
	assert_int_equal(poll_all(early), 1 << 1 | 1 << 2);
	plx_collect(thread);
	assert_int_equal(poll_all(late), 1 << 3);
	assert_int_equal(poll_all(early), 0);
}

/* Keys of ephemerons and referents do not die while a guardian gives them back. */
static void test_guardian_and_ephemeron(void **state)
{
	struct plx_guardian *guardian = guardian_make(1);
	struct plx_handle *key = plx_handle_create(thread, box_make(1));
	struct plx_handle *pair;
	void *value;

	(void)state;
	pair = plx_handle_create(thread, plx_ephemeron_create(thread, key->ref, box_make(2)));
	guard(guardian, key->ref);
	plx_handle_set(thread, key, NULL);
	plx_collect(thread);
	assert_non_null(key_of(pair, &value));
	assert_int_equal(((struct box *)value)->value, 2);
	assert_int_equal(poll_all(guardian), 1 << 1);
	plx_collect(thread);
	assert_null(key_of(pair, &value));
}

static void test_guardian_destroyed(void **state)
{
	struct plx_guardian *gone = guardian_make(0), *stays = guardian_make(0);
	struct plx_handle *weak;

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		guard(i % 2 ? gone : stays, box_make(i % 60));
	plx_guardian_destroy(gone);
	weak = plx_handle_create(thread, plx_weak_create(thread, box_make(1)));
	gone = guardian_make(0);
	guard(gone, plx_weak_get(thread, weak->ref));
	plx_collect(thread);
	assert_non_null(plx_weak_get(thread, weak->ref)); /* in the queue */
	plx_guardian_destroy(gone);
	for (uint64_t i = 0; i < 500; i++)
		assert_int_equal(((struct box *)plx_guardian_poll(thread, stays))->value % 2, 0);
	assert_null(plx_guardian_poll(thread, stays));
	plx_collect(thread);
	assert_null(plx_weak_get(thread, weak->ref)); /* let go with its queue */
}

/* Another thread than that which registers and collects gets them all. */
static void *drain(void *argument)
{
	struct plx_thread *own;
	uint64_t sum = 0;

	if (plx_thread_attach(heap, &own, NULL) != PLX_OK)
		return NULL;
	for (int n = 0; n < 1000;) {
		const struct box *box;

		plx_guardian_wait(own, argument, 1000);
		while ((box = plx_guardian_poll(own, argument)) != NULL) {
			sum += box->value;
			n++;
		}
	}
	plx_thread_detach(own);
	return (void *)(uintptr_t)sum;
}

static void test_guardian_drained_elsewhere(void **state)
{
	struct plx_guardian *guardian = guardian_make(3);
	pthread_t id;
	void *sum;

	(void)state;
	assert_int_equal(pthread_create(&id, NULL, drain, guardian), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		guard(guardian, box_make(i));
		if (i % 100 == 0)
			plx_collect(thread);
	}
	plx_collect(thread);
	plx_block_enter(thread);
	pthread_join(id, &sum);
	plx_block_exit(thread);
	assert_int_equal((uintptr_t)sum, 999 * 1000 / 2);
}

/* What is polled while marking begins is stored where the marker has been already. */
static void *collect_all_the_time(void *argument)
{
	/* Relaxed: a late stop only means another cycle. */
	while (!gc_load_relaxed((uint32_t *)argument))
		plx_heap_collect(heap);
	return NULL;
}

static void test_guardian_polled_while_marking(void **state)
{
	struct plx_guardian *guardian = guardian_make(0);
	struct plx_handle *kept = array_make(500);
	uint32_t stop = 0;
	pthread_t id;

	(void)state;
	assert_int_equal(pthread_create(&id, NULL, collect_all_the_time, &stop), 0);
	for (int round = 0; round < 40; round++) {
		for (uint64_t i = 0; i < 500; i++) {
			plx_store(thread, slot_of(kept, i), NULL);
			guard(guardian, box_make(i));
		}
		plx_collect(thread);
		for (uint64_t n = 0; n < 500;) {
			struct box *box = plx_guardian_poll(thread, guardian);

			if (box) {
				plx_store(thread, slot_of(kept, box->value), box);
				n++;
			}
			for (int j = 0; j < 20; j++)
				box_make(1000 + n);
		}
		for (uint64_t i = 0; i < 500; i++)
			assert_int_equal(((struct box *)*slot_of(kept, i))->value, i);
	}
	gc_store_relaxed(&stop, 1); /* as above */
	plx_block_enter(thread);
	pthread_join(id, NULL);
	plx_block_exit(thread);
}

static void test_guardian_misuse_and_waiting(void **state)
{
	struct plx_guardian *guardian = guardian_make(0);
	struct plx_error error;
	int outside;

	(void)state;
	assert_null(plx_guardian_create(heap, PLX_GUARDIAN_PRIORITIES, &error));
	assert_int_equal(error.status, PLX_ERROR_MISUSE);
	assert_int_equal(plx_guardian_register(thread, guardian, &outside, &error),
			 PLX_ERROR_MISUSE);
	assert_int_equal(plx_guardian_register(thread, guardian, NULL, NULL), PLX_ERROR_MISUSE);
	assert_false(plx_guardian_wait(thread, guardian, 1));
	guard(guardian, box_make(1));
	plx_collect(thread);
	assert_true(plx_guardian_wait(thread, guardian, 0));
	assert_int_equal(poll_all(guardian), 1 << 1);
}

/* ---- identity hashes ---- */

static int compare_hashes(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* Small, leaf and large; through moves, and beside neighbours that die. */
static void test_identity_hash_stays(void **state)
{
	enum { COUNT = 5000 };
	static uint32_t hashes[COUNT];
	const struct plx_layout *bytes = plx_layout_bytes(heap, NULL);
	struct plx_handle *objects = array_make(COUNT);
	unsigned same = 0;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		void *object = i % 3 ? (void *)box_make(i) : plx_alloc_array(thread, bytes, i % 90);

		plx_store(thread, slot_of(objects, i), object);
		if (i % 2)
			hashes[i] = plx_identity_hash(thread, object);
	}
	plx_store(thread, slot_of(objects, 0), plx_alloc_array(thread, arrays, 100000));
	hashes[0] = plx_identity_hash(thread, *slot_of(objects, 0));
	for (int round = 0; round < 4; round++) {
		plx_collect(thread);
		for (size_t i = 0; i < COUNT; i++) {
			if (i % 7 == 1 && round == 1)
				plx_store(thread, slot_of(objects, i), NULL);
			if (*slot_of(objects, i) && (i == 0 || i % 2))
				assert_int_equal(plx_identity_hash(thread, *slot_of(objects, i)),
						 hashes[i]);
		}
	}
	qsort(hashes, COUNT, sizeof(hashes[0]), compare_hashes);
	for (size_t i = COUNT / 2 + 1; i < COUNT; i++)
		same += hashes[i] == hashes[i - 1];
	assert_in_range(same, 0, 2); /* 0.0007 are to be expected */
}

static void test_identity_hash_outside(void **state)
{
	int outside = 0;

	(void)state;
	assert_int_not_equal(plx_identity_hash(thread, &outside), 0);
	assert_int_equal(plx_identity_hash(thread, &outside), plx_identity_hash(thread, &outside));
	assert_int_not_equal(plx_identity_hash(thread, NULL), 0);
}

/* ---- regions that are un-chosen in the flip ---- */

/* Every other region that was chosen is pinned in the flip's pause. */
static uint32_t late[4096], late_count;

static void pin_late(struct gc_heap *gc, enum gc_verify_place place)
{
	if (place != GC_VERIFY_FLIP)
		return;
	for (int range = 0; range < GC_RANGE_COUNT; range++)
		for (uint32_t r = gc->cycle.evacuated_first[range], n = 0; r != GC_REGION_NONE;
		     r = gc->regions.table[r].next)
			if (n++ % 2 == 0) {
				gc_pin_region(gc, gc_region_start(&gc->regions, r));
				late[late_count++] = r;
			}
}

static void test_unchosen_regions(void **state)
{
	enum { COUNT = 20000 };
	static uint32_t hashes[COUNT];
	struct plx_guardian *guardian = guardian_make(0);
	struct plx_handle *objects = array_make(COUNT);
	struct plx_stats stats;
	struct box *box;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		plx_store(thread, slot_of(objects, i), box_make(i));
		hashes[i] = plx_identity_hash(thread, *slot_of(objects, i));
		guard(guardian, *slot_of(objects, i));
	}
	heap->gc.config.verify = 1; /* the hook is the verifier's */
	for (int round = 0; round < 4; round++) {
		gc_verify_tamper = pin_late;
		plx_collect(thread);
		gc_verify_tamper = NULL;
		for (size_t i = 0; i < COUNT; i++)
			assert_int_equal(plx_identity_hash(thread, *slot_of(objects, i)),
					 hashes[i]);
		for (uint32_t i = 0; i < late_count; i++)
			gc_unpin_region(&heap->gc, gc_region_start(&heap->gc.regions, late[i]));
		late_count = 0;
	}
	plx_heap_stats(heap, &stats);
	assert_int_not_equal(stats.unchosen_regions, 0);
	plx_handle_set(thread, objects, NULL);
	gc_verify_tamper = pin_late; /* found dead, and its region un-chosen */
	plx_collect(thread);
	gc_verify_tamper = NULL;
	for (size_t n = 0; n < COUNT; n++) {
		box = plx_guardian_poll(thread, guardian);
		assert_non_null(box);
		assert_int_equal(plx_identity_hash(thread, box), hashes[box->value]);
	}
	for (uint32_t i = 0; i < late_count; i++)
		gc_unpin_region(&heap->gc, gc_region_start(&heap->gc.regions, late[i]));
	late_count = 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_weak_follows_and_clears),
		CASE(test_weak_of_nothing),
		CASE(test_weak_to_weak),
		CASE(test_weak_layout),
		CASE(test_weak_many),
		CASE(test_weak_lists_cannot_grow),
		CASE(test_ephemeron_holds_and_breaks),
		CASE(test_ephemerons_in_a_circle),
		CASE(test_ephemeron_break_and_plain_keys),
		CASE(test_ephemerons_many),
		CASE(test_ephemeron_table_cannot_grow),
		CASE(test_large_key),
		CASE(test_ephemeron_keys_marked_meanwhile),
		CASE(test_guardian_gives_back_what_died),
		CASE(test_guardian_registered_twice),
		CASE(test_guardian_order),
		CASE(test_guardian_and_ephemeron),
		CASE(test_guardian_destroyed),
		CASE(test_guardian_drained_elsewhere),
		CASE(test_guardian_polled_while_marking),
		CASE(test_guardian_misuse_and_waiting),
		CASE(test_identity_hash_stays),
		CASE(test_identity_hash_outside),
		CASE(test_unchosen_regions),
	};

	return cmocka_run_group_tests_name("weak", tests, NULL, NULL);
}
