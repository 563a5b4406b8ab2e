/* test/unit/test_api.c: the public interface, call by call, in one thread: what each promises in its
 * header. What needs several threads is in test/system/threads.c; misuse in api_misuse.c.
 *
 * Every test has a heap of its own that evacuates whatever it can, so that references move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <parallax/parallax.h>

struct pair {
	struct plx_header header;
	struct pair *left;
	struct pair *right;
	uint64_t value;
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *pairs;
static const struct plx_layout *arrays;

static int setup(void **state)
{
	static const size_t offsets[] = {offsetof(struct pair, left), offsetof(struct pair, right)};
	struct plx_heap_config config;

	(void)state;
	plx_config_init(&config);
	assert_int_equal(plx_config_from_environment(&config, NULL), PLX_OK);
	assert_int_equal(plx_config_set(&config, "GC_HEAP_MAX", "16M", NULL), PLX_OK);
	assert_int_equal(plx_config_set(&config, "GC_EVACUATE", "all", NULL), PLX_OK);
	assert_int_equal(plx_heap_create(&config, &heap, NULL), PLX_OK);
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	pairs = plx_layout_fixed(heap, sizeof(struct pair), offsets, 2, NULL);
	arrays = plx_layout_references(heap, NULL);
	assert_non_null(pairs);
	assert_non_null(arrays);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : -1;
}

static struct pair *pair_make(uint64_t value)
{
	struct pair *pair = plx_alloc(thread, pairs);

	assert_non_null(pair);
	assert_null(pair->left);
	assert_null(pair->right);
	assert_int_equal(pair->value, 0);
	pair->value = value;
	return pair;
}

static uint64_t value_of(const void *ref)
{
	assert_non_null(ref);
	return ((const struct pair *)ref)->value;
}

/* ---- names and constants ---- */

static void test_names(void **state)
{
	char version[32];

	(void)state;
	snprintf(version, sizeof(version), "%d.%d.%d", PLX_VERSION_MAJOR, PLX_VERSION_MINOR,
		 PLX_VERSION_PATCH);
	assert_string_equal(plx_version(), version);
	assert_string_equal(plx_status_name(PLX_OK), "ok");
	assert_string_equal(plx_status_name(PLX_ERROR_OPTION), "option");
	assert_string_equal(plx_plan_name(PLX_PLAN_MINOR), "minor");
	assert_string_equal(plx_plan_name(PLX_PLAN_COPY), "copy");
	assert_string_equal(plx_plan_name(PLX_PLAN_STW), "stw");
	assert_string_equal(plx_delivery_name(PLX_DELIVERY_THREAD), "thread");
	assert_string_equal(plx_delivery_name(PLX_DELIVERY_SIGBUS), "sigbus");
	assert_int_not_equal(plx_heap_plan(heap), PLX_PLAN_AUTO);
	assert_non_null(strstr(plx_config_help(), "GC_HEAP_MAX"));
}

/* ---- handles ---- */

static void test_free_handles(void **state)
{
	enum { COUNT = 3000 }; /* several root pages */
	static struct plx_handle *handles[COUNT];

	(void)state;
	for (uint64_t i = 0; i < COUNT; i++) {
		handles[i] = plx_handle_create(thread, pair_make(i));
		assert_non_null(handles[i]);
	}
	plx_collect(thread);
	for (uint64_t i = 0; i < COUNT; i++)
		assert_int_equal(value_of(handles[i]->ref), i);
	for (uint64_t i = 0; i < COUNT; i += 2)
		plx_handle_release(thread, handles[i]);
	plx_collect(thread);
	for (uint64_t i = 0; i < COUNT; i += 2)
		handles[i] = plx_handle_create(thread, pair_make(i + COUNT));
	plx_collect(thread);
	for (uint64_t i = 0; i < COUNT; i++) {
		assert_int_equal(value_of(handles[i]->ref), i % 2 ? i : i + COUNT);
		plx_handle_set(thread, handles[i], NULL);
		assert_null(handles[i]->ref);
		plx_handle_release(thread, handles[i]);
	}
}

static void test_scopes(void **state)
{
	struct plx_scope outer, inner;
	struct plx_handle *first, *deep = NULL;

	(void)state;
	plx_scope_enter(thread, &outer);
	first = plx_handle_push(thread, pair_make(1));
	assert_non_null(first);
	for (int round = 0; round < 5; round++) {
		plx_scope_enter(thread, &inner);
		for (uint64_t i = 0; i < 2000; i++) { /* over several root pages */
			deep = plx_handle_push(thread, pair_make(i));
			assert_non_null(deep);
		}
		plx_collect(thread);
		assert_int_equal(value_of(deep->ref), 1999);
		assert_int_equal(value_of(first->ref), 1);
		plx_scope_exit(thread, &inner);
	}
	plx_collect(thread);
	assert_int_equal(value_of(first->ref), 1);
	plx_scope_exit(thread, &outer);
}

static void test_handle_pushed_null(void **state)
{
	struct plx_scope scope;
	struct plx_handle *handle;

	(void)state;
	plx_scope_enter(thread, &scope);
	handle = plx_handle_push(thread, NULL);
	assert_non_null(handle);
	plx_collect(thread);
	assert_null(handle->ref);
	plx_scope_exit(thread, &scope);
}

/* ---- other roots ---- */

static void test_root_range(void **state)
{
	static void *slots[100];

	(void)state;
	memset(slots, 0, sizeof(slots));
	assert_int_equal(plx_root_range_add(thread, slots, 100, NULL), PLX_OK);
	for (uint64_t i = 0; i < 100; i += 3)
		slots[i] = pair_make(i);
	plx_collect(thread);
	for (uint64_t i = 0; i < 100; i++) {
		if (i % 3 == 0)
			assert_int_equal(value_of(slots[i]), i);
		else
			assert_null(slots[i]);
	}
	assert_int_equal(plx_root_range_remove(thread, slots), PLX_OK);
	assert_int_not_equal(plx_root_range_remove(thread, slots), PLX_OK);
}

struct visited {
	void *slots[10];
	int visits;
};

static void visit(struct plx_root_visit *visit, void *context)
{
	struct visited *visited = context;

	visited->visits++;
	for (int i = 0; i < 10; i++)
		plx_root_visit(visit, &visited->slots[i]);
}

static void test_root_visitor(void **state)
{
	struct visited visited = {0};
	int visits;

	(void)state;
	assert_int_equal(plx_root_visitor_add(thread, visit, &visited, NULL), PLX_OK);
	for (uint64_t i = 0; i < 10; i++)
		visited.slots[i] = pair_make(i);
	plx_collect(thread);
	assert_true(visited.visits > 0);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(value_of(visited.slots[i]), i);
	assert_int_equal(plx_root_visitor_remove(thread, visit, &visited), PLX_OK);
	assert_int_not_equal(plx_root_visitor_remove(thread, visit, &visited), PLX_OK);
	visits = visited.visits;
	plx_collect(thread);
	assert_int_equal(visited.visits, visits);
}

/* ---- stores ---- */

static void test_store_and_exchange(void **state)
{
	struct plx_handle *root = plx_handle_create(thread, pair_make(0));
	struct pair *pair;
	void *old;

	(void)state;
	pair = pair_make(1);
	PLX_STORE(thread, &((struct pair *)root->ref)->left, pair);
	plx_collect(thread);
	assert_int_equal(value_of(((struct pair *)root->ref)->left), 1);
	pair = pair_make(2);
	old = ((struct pair *)root->ref)->left;
	assert_false(plx_compare_exchange(thread, &((struct pair *)root->ref)->left, NULL, pair));
	assert_ptr_equal(((struct pair *)root->ref)->left, old);
	assert_true(plx_compare_exchange(thread, &((struct pair *)root->ref)->left, old, pair));
	plx_collect(thread);
	assert_int_equal(value_of(((struct pair *)root->ref)->left), 2);
	PLX_STORE(thread, &((struct pair *)root->ref)->left, NULL);
	plx_collect(thread);
	assert_null(((struct pair *)root->ref)->left);
	plx_handle_release(thread, root);
}

static void **elements(struct plx_handle *array)
{
	return (void **)((char *)array->ref + sizeof(struct plx_header));
}

static void test_bulk_stores(void **state)
{
	enum { COUNT = 1500 }; /* crosses pages */
	struct plx_handle *array =
		plx_handle_create(thread, plx_alloc_array(thread, arrays, COUNT));
	struct plx_handle *other =
		plx_handle_create(thread, plx_alloc_array(thread, arrays, COUNT));

	(void)state;
	for (uint64_t i = 0; i < COUNT; i++) {
		struct pair *pair = pair_make(i);

		plx_store(thread, &elements(array)[i], pair);
	}
	plx_store_array(thread, elements(other), elements(array), COUNT);
	plx_collect(thread);
	for (uint64_t i = 0; i < COUNT; i++) {
		assert_int_equal(value_of(elements(array)[i]), i);
		assert_ptr_equal(elements(array)[i], elements(other)[i]);
	}
	plx_store_array(thread, elements(array) + 1, elements(array), COUNT - 1); /* overlap, up */
	plx_store_array(thread, elements(other), elements(other) + 3, COUNT - 3); /* and down */
	plx_fill_array(thread, elements(other) + COUNT - 3, NULL, 3);
	plx_collect(thread);
	for (uint64_t i = 0; i < COUNT; i++) {
		assert_int_equal(value_of(elements(array)[i]), i == 0 ? 0 : i - 1);
		if (i < COUNT - 3)
			assert_int_equal(value_of(elements(other)[i]), i + 3);
		else
			assert_null(elements(other)[i]);
	}
	plx_fill_array(thread, elements(array), elements(array)[7], COUNT);
	plx_collect(thread);
	for (uint64_t i = 0; i < COUNT; i++)
		assert_ptr_equal(elements(array)[i], elements(array)[0]);
	assert_int_equal(value_of(elements(array)[0]), 6);
	plx_store_array(thread, elements(array), elements(other), 0); /* nothing is a count too */
	plx_fill_array(thread, elements(array), NULL, 0);
	plx_handle_release(thread, array);
	plx_handle_release(thread, other);
}

/* ---- collecting ---- */

/* [I8] Cycles with no mutator activity in between find the same live set. */
static void test_same_live_set(void **state)
{
	struct plx_handle *list = plx_handle_create(thread, NULL);
	struct plx_stats first, again;

	(void)state;
	for (uint64_t i = 0; i < 20000; i++) {
		struct pair *pair = pair_make(i);

		if (i % 3 != 0)
			continue;
		pair->left = list->ref;
		plx_handle_set(thread, list, pair);
	}
	plx_collect(thread);
	plx_heap_stats(heap, &first);
	for (int i = 0; i < 5; i++) {
		plx_collect(thread);
		plx_heap_stats(heap, &again);
		assert_int_equal(again.live_bytes, first.live_bytes);
		assert_true(again.cycles > first.cycles);
	}
	assert_true(first.live_bytes >= 20000 / 3 * sizeof(struct pair));
	plx_handle_release(thread, list);
	plx_collect(thread);
	plx_heap_stats(heap, &again);
	assert_true(again.live_bytes < first.live_bytes);
}

/* Cycles of references and long chains are garbage like other garbage. */
static void test_garbage_is_reclaimed(void **state)
{
	struct plx_handle *head = plx_handle_create(thread, NULL);

	(void)state;
	/* Fifty times the heap, were nothing reclaimed; each round is one ring. */
	for (int round = 0; round < 200; round++) {
		struct pair *last = pair_make(0);
		struct plx_handle *end = plx_handle_create(thread, last);

		plx_handle_set(thread, head, end->ref);
		for (uint64_t i = 1; i < 120000; i++) {
			struct pair *pair = pair_make(i);

			pair->left = head->ref;
			plx_handle_set(thread, head, pair);
		}
		PLX_STORE(thread, &((struct pair *)end->ref)->left, (struct pair *)head->ref);
		assert_int_equal(value_of(head->ref), 119999);
		plx_handle_set(thread, head, NULL);
		plx_handle_release(thread, end);
	}
	plx_handle_release(thread, head);
}

static void test_sharing_is_kept(void **state)
{
	struct plx_handle *a = plx_handle_create(thread, pair_make(1));
	struct plx_handle *b = plx_handle_create(thread, pair_make(2));
	struct pair *shared = pair_make(3);

	(void)state;
	PLX_STORE(thread, &((struct pair *)a->ref)->left, shared);
	PLX_STORE(thread, &((struct pair *)b->ref)->right, shared);
	PLX_STORE(thread, &shared->left, shared); /* and a loop */
	for (int i = 0; i < 4; i++) {
		plx_collect(thread);
		shared = ((struct pair *)a->ref)->left;
		assert_ptr_equal(shared, ((struct pair *)b->ref)->right);
		assert_ptr_equal(shared, shared->left);
		assert_int_equal(value_of(shared), 3);
	}
	plx_handle_release(thread, a);
	plx_handle_release(thread, b);
}

static void test_statistics(void **state)
{
	struct plx_stats before, after;
	static struct plx_histogram pauses, handshakes;

	(void)state;
	plx_heap_stats(heap, &before);
	for (uint64_t i = 0; i < 10000; i++)
		pair_make(i);
	plx_collect(thread);
	plx_heap_stats(heap, &after);
	assert_int_equal(after.heap_max_bytes, 16 << 20);
	assert_true(after.cycles > before.cycles);
	assert_true(after.metadata_bytes > 0);
	assert_true(after.allocated_bytes >= before.allocated_bytes + 10000 * sizeof(struct pair));
	assert_true(after.used_bytes <= after.heap_max_bytes);
	plx_heap_distribution(heap, PLX_DISTRIBUTION_PAUSE_NS, &pauses);
	plx_heap_distribution(heap, PLX_DISTRIBUTION_HANDSHAKE_NS, &handshakes);
	assert_true(pauses.count >= after.flips); /* without own roots, nothing else is a pause */
	assert_int_equal(pauses.count > 0, after.pause_ns > 0);
	assert_int_equal(handshakes.count, after.handshakes);
	assert_true(pauses.count > 0 || after.handshake_ns > 0);
}

static void test_blocking(void **state)
{
	struct plx_handle *root = plx_handle_create(thread, pair_make(5));

	(void)state;
	for (int i = 0; i < 10; i++) {
		plx_block_enter(thread);
		plx_heap_collect(heap); /* allowed: nobody waits for this thread */
		plx_block_exit(thread);
		assert_int_equal(value_of(root->ref), 5);
	}
	plx_handle_release(thread, root);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_free_handles),
		TEST(test_scopes),
		TEST(test_handle_pushed_null),
		TEST(test_root_range),
		TEST(test_root_visitor),
		TEST(test_store_and_exchange),
		TEST(test_bulk_stores),
		TEST(test_same_live_set),
		TEST(test_garbage_is_reclaimed),
		TEST(test_sharing_is_kept),
		TEST(test_statistics),
		TEST(test_blocking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
