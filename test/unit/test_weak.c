/* test/unit/test_weak.c: weak objects, call by call, in one thread, and what happens when the collector's
 * lists of them cannot grow. What needs several threads is in test/system/weak.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

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
	};

	return cmocka_run_group_tests_name("weak", tests, NULL, NULL);
}
