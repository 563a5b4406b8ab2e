/* test/unit/test_layouts.c: layouts as they are registered: what they refuse, what they promise to
 * inline allocation, and that objects of each come out zeroed, of the right length, and survive a
 * collection that moves them.
 *
 * One heap for the whole file; one attached thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <parallax/parallax.h>

static struct plx_heap *heap;
static struct plx_thread *thread;

static int setup(void **state)
{
	struct plx_heap_config config;

	(void)state;
	plx_config_init(&config);
	assert_int_equal(plx_config_from_environment(&config, NULL), PLX_OK);
	assert_int_equal(plx_config_set(&config, "GC_HEAP_MAX", "32M", NULL), PLX_OK);
	assert_int_equal(plx_config_set(&config, "GC_EVACUATE", "all", NULL), PLX_OK);
	assert_int_equal(plx_heap_create(&config, &heap, NULL), PLX_OK);
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : -1;
}

static void refused_fixed(size_t bytes, size_t offset)
{
	struct plx_error error = {0};
	const struct plx_layout *layout = plx_layout_fixed(heap, bytes, &offset, 1, &error);

	assert_null(layout);
	assert_int_not_equal(error.status, PLX_OK);
	assert_int_not_equal(error.message[0], '\0');
	assert_null(plx_layout_fixed(heap, bytes, &offset, 1, NULL));
}

static void test_refused(void **state)
{
	static const size_t good = 16, late = 24;
	struct plx_error error = {0};

	(void)state;
	refused_fixed(32, 12); /* unaligned */
	refused_fixed(32, 9);
	refused_fixed(32, 32); /* outside */
	refused_fixed(32, 28);
	refused_fixed(32, 4096);
	refused_fixed(32, SIZE_MAX - 7);
	refused_fixed(32, 0); /* that is the header */
	refused_fixed(16, 16);
	assert_null(plx_layout_fixed(heap, 0, NULL, 0, &error));
	assert_null(plx_layout_fixed(heap, 7, NULL, 0, &error));
	assert_null(plx_layout_trailing(heap, 4, NULL, 0, 1, false, &error));
	assert_null(plx_layout_trailing(heap, 24, &late, 1, 1, false, &error));
	assert_non_null(plx_layout_trailing(heap, 24, &good, 1, 1, false, &error));
}

static void test_inline_facts(void **state)
{
	static const size_t one = 8;
	const struct plx_layout *layout;

	(void)state;
	layout = plx_layout_fixed(heap, 24, &one, 1, NULL);
	assert_non_null(layout);
	assert_int_equal(layout->fixed_bytes, 24);
	assert_int_equal(layout->element_bytes, 0);
	assert_int_equal(layout->space, PLX_SPACE_OBJECTS);
	layout = plx_layout_fixed(heap, 21, NULL, 0, NULL); /* rounded up, and a leaf */
	assert_non_null(layout);
	assert_int_equal(layout->fixed_bytes, 24);
	assert_int_equal(layout->space, PLX_SPACE_LEAVES);
	layout = plx_layout_references(heap, NULL);
	assert_int_equal(layout->fixed_bytes, 8);
	assert_int_equal(layout->element_bytes, 8);
	assert_int_equal(layout->space, PLX_SPACE_OBJECTS);
	layout = plx_layout_bytes(heap, NULL);
	assert_int_equal(layout->fixed_bytes, 8);
	assert_int_equal(layout->element_bytes, 1);
	assert_int_equal(layout->space, PLX_SPACE_LEAVES);
}

static void test_lengths(void **state)
{
	static const uint64_t lengths[] = {0, 1, 7, 8, 9, 255, 4096, 65537, 3 << 20};
	const struct plx_layout *bytes = plx_layout_bytes(heap, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		unsigned char *object = plx_alloc_array(thread, bytes, lengths[i]);

		assert_non_null(object);
		assert_int_equal(plx_object_length(object), lengths[i]);
		assert_int_equal((uintptr_t)object % PLX_GRANULE_BYTES, 0);
		assert_true(plx_heap_contains(heap, object));
		for (uint64_t at = 8; at < 8 + lengths[i]; at++)
			assert_int_equal(object[at], 0);
	}
}

/* Fresh memory is zeroed also where objects have lain before. */
static void test_zeroed_after_reuse(void **state)
{
	static const size_t one = 16;
	const struct plx_layout *layout = plx_layout_fixed(heap, 136, &one, 1, NULL);

	(void)state;
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 30000; i++) {
			unsigned char *object = plx_alloc(thread, layout);

			assert_non_null(object);
			for (int at = 8; at < 136; at++)
				assert_int_equal(object[at], 0);
			memset(object + 24, 0xa5, 136 - 24);
		}
		plx_collect(thread);
	}
}

/* ---- each layout, its references and its data, through collections that move it ---- */

static struct plx_handle *boxed(const struct plx_layout *bytes, unsigned char value)
{
	unsigned char *object = plx_alloc_array(thread, bytes, 5);
	struct plx_handle *handle;

	assert_non_null(object);
	memset(object + 8, value, 5);
	handle = plx_handle_push(thread, object);
	assert_non_null(handle);
	return handle;
}

static void assert_box(const void *object, unsigned char value)
{
	assert_non_null(object);
	assert_int_equal(plx_object_length(object), 5);
	for (int at = 8; at < 13; at++)
		assert_int_equal(((const unsigned char *)object)[at], value);
}

static void *reference_at(const void *object, size_t offset)
{
	void *ref;

	memcpy(&ref, (const char *)object + offset, sizeof(ref));
	return ref;
}

static uint64_t custom_size(uint64_t length, void *context)
{
	return *(uint64_t *)context + length * 8;
}

/* The last element is the reference. */
static void custom_trace(void *object, uint64_t length, struct plx_slot_visitor *visitor,
			 void *context)
{
	if (length > 0)
		plx_slot_visit(visitor, (char *)object + *(uint64_t *)context + (length - 1) * 8);
}

struct sample {
	const struct plx_layout *layout;
	uint64_t length;
	size_t references[4]; /* offsets, 0 ends */
};

static void sample_survives(const struct sample *sample)
{
	const struct plx_layout *bytes = plx_layout_bytes(heap, NULL);
	struct plx_handle *holder, *box;
	struct plx_scope scope;

	plx_scope_enter(thread, &scope);
	holder = plx_handle_push(thread,
				 sample->layout->element_bytes || sample->length
					 ? plx_alloc_array(thread, sample->layout, sample->length)
					 : plx_alloc(thread, sample->layout));
	assert_non_null(holder);
	assert_non_null(holder->ref);
	for (int i = 0; i < 4 && sample->references[i] != 0; i++) {
		box = boxed(bytes, (unsigned char)(i + 1));
		plx_store(thread, (char *)holder->ref + sample->references[i], box->ref);
		plx_handle_set(thread, box, NULL);
	}
	for (int cycle = 0; cycle < 3; cycle++) {
		plx_collect(thread);
		assert_int_equal(plx_object_length(holder->ref), sample->length);
		for (int i = 0; i < 4 && sample->references[i] != 0; i++)
			assert_box(reference_at(holder->ref, sample->references[i]),
				   (unsigned char)(i + 1));
	}
	plx_scope_exit(thread, &scope);
}

static void test_references_survive(void **state)
{
	static const size_t few[] = {16, 40};
	static const size_t far[] = {8, 512, 520, 4096};
	static const size_t unsorted[] = {40, 8};
	static const size_t first[] = {8};
	static uint64_t custom_fixed = 32;
	struct sample samples[] = {
		{plx_layout_fixed(heap, 48, few, 2, NULL), 0, {16, 40}},
		{plx_layout_fixed(heap, 4104, far, 4, NULL), 0, {8, 512, 520, 4096}},
		{plx_layout_fixed(heap, 48, unsorted, 2, NULL), 0, {40, 8}},
		{plx_layout_references(heap, NULL), 3, {8, 16, 24}},
		{plx_layout_references(heap, NULL), 5000, {8, 20000, 40000}},
		{plx_layout_references(heap, NULL), 500000, {8, 2000000, 4000000}},
		{plx_layout_trailing(heap, 32, few, 1, 8, true, NULL), 4, {16, 32, 56}},
		{plx_layout_trailing(heap, 20, first, 1, 3, false, NULL), 11, {8}},
		{plx_layout_trailing(heap, 16, first, 1, 1, false, NULL), 3 << 20, {8}},
		{plx_layout_custom(heap, custom_size, custom_trace, &custom_fixed, NULL),
		 9,
		 {32 + 8 * 8}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		assert_non_null(samples[i].layout);
		sample_survives(&samples[i]);
	}
}

/* More layouts than fit a page of whatever table they are in; all remain valid. */
static void test_many_layouts(void **state)
{
	enum { COUNT = 5000 };
	static const struct plx_layout *layouts[COUNT];
	static const size_t one = 8;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		layouts[i] = plx_layout_fixed(heap, 16 + 8 * (i % 50), &one, 1, NULL);
		assert_non_null(layouts[i]);
	}
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(layouts[i]->fixed_bytes, 16 + 8 * (i % 50));
		assert_int_equal(i == 0 || layouts[i]->header != layouts[i - 1]->header, 1);
		assert_non_null(plx_alloc(thread, layouts[i]));
	}
	plx_collect(thread);
}

/* Before and after moves, and whatever else stands in the header: a hash, a key of an ephemeron. */
static void test_layout_of_object(void **state)
{
	static const size_t one = 8;
	static uint64_t custom_fixed = 16;
	const struct plx_layout *layouts[] = {
		plx_layout_fixed(heap, 24, &one, 1, NULL), plx_layout_bytes(heap, NULL),
		plx_layout_references(heap, NULL),
		plx_layout_custom(heap, custom_size, custom_trace, &custom_fixed, NULL)};
	enum { COUNT = sizeof(layouts) / sizeof(*layouts) };
	struct plx_handle *objects[COUNT];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		objects[i] = plx_handle_create(thread, i ? plx_alloc_array(thread, layouts[i], 5)
							 : plx_alloc(thread, layouts[0]));
		assert_non_null(objects[i]->ref);
		assert_ptr_equal(plx_object_layout(heap, objects[i]->ref), layouts[i]);
	}
	for (int i = 0; i < COUNT; i++)
		plx_identity_hash(thread, objects[i]->ref);
	for (int cycle = 0; cycle < 4; cycle++) {
		for (int i = 0; i < COUNT; i++) {
			assert_non_null(plx_alloc_array(thread, layouts[1], 3000)); /* garbage */
			assert_ptr_equal(plx_object_layout(heap, objects[i]->ref), layouts[i]);
		}
		plx_collect(thread);
	}
	assert_null(plx_object_layout(heap, NULL));
	assert_null(plx_object_layout(heap, objects));
	for (int i = 0; i < COUNT; i++)
		plx_handle_release(thread, objects[i]);
}

/* A word in front says how many of the words behind it are references: the last ones. */
struct telling {
	struct plx_header header;
	uint64_t references;
};

static uint64_t telling_size(uint64_t length, void *context)
{
	(void)context;
	return sizeof(struct telling) + length * 8;
}

static void telling_trace(void *object, uint64_t length, struct plx_slot_visitor *visitor,
			  void *context)
{
	const struct telling *telling = object;

	(void)context;
	for (uint64_t i = length - telling->references; i < length; i++)
		plx_slot_visit(visitor, (char *)object + sizeof(*telling) + i * 8);
}

/* A large object, several extents long, whose trace callback reads its beginning, where nothing else has to
 * be done, to find the slots of its end. */
static void large_custom(const char *plan, const char *delivery)
{
	enum { LENGTH = 1 << 20, REFERENCES = 100 }; /* 8 MiB */
	const struct plx_layout *layout, *bytes;
	struct plx_heap_config settings;
	struct plx_handle *large, *box;
	struct telling *telling;

	plx_config_init(&settings);
	assert_int_equal(plx_config_from_environment(&settings, NULL), PLX_OK);
	plx_config_set(&settings, "GC_HEAP_MAX", "64M", NULL);
	plx_config_set(&settings, "GC_REGION_BYTES", "2M", NULL);
	plx_config_set(&settings, "GC_EVACUATE", "all", NULL);
	plx_config_set(&settings, "GC_PLAN", plan, NULL);
	plx_config_set(&settings, "GC_UFFD_DELIVERY", delivery, NULL);
	if (plx_heap_create(&settings, &heap, NULL) != PLX_OK)
		skip();
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	layout = plx_layout_custom(heap, telling_size, telling_trace, NULL, NULL);
	bytes = plx_layout_bytes(heap, NULL);
	large = plx_handle_create(thread, plx_alloc_array(thread, layout, LENGTH));
	telling = large->ref;
	telling->references = REFERENCES;
	for (int i = 0; i < REFERENCES; i++) {
		box = boxed(bytes, (unsigned char)i);
		plx_store(thread,
			  (char *)large->ref + sizeof(*telling) + (size_t)(LENGTH - 1 - i) * 8,
			  box->ref);
		plx_handle_set(thread, box, NULL);
	}
	for (int cycle = 0; cycle < 3; cycle++) {
		plx_collect(thread);
		for (int i = 0; i < REFERENCES; i++)
			assert_box(reference_at(large->ref,
						sizeof(*telling) + (size_t)(LENGTH - 1 - i) * 8),
				   (unsigned char)i);
		for (int i = 0; i < 200; i++) /* the boxes' region fills up, and moves */
			assert_non_null(plx_alloc_array(thread, bytes, 20000));
	}
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

static void test_large_custom(void **state)
{
	struct plx_heap *shared_heap = heap;
	struct plx_thread *shared_thread = thread;

	(void)state;
	large_custom("minor", "thread");
	large_custom("minor", "sigbus");
	large_custom("copy", "thread");
	large_custom("copy", "sigbus");
	large_custom("stw", "thread");
	heap = shared_heap;
	thread = shared_thread;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_inline_facts),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_zeroed_after_reuse),
		cmocka_unit_test(test_references_survive),
		cmocka_unit_test(test_many_layouts),
		cmocka_unit_test(test_layout_of_object),
		cmocka_unit_test(test_large_custom),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
