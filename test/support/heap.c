/* test/support/heap.c: see heap.h. */
#include "test/support/heap.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum plx_status test_heap_create(struct plx_heap **heap, const char *const *options,
				 struct plx_error *error)
{
	struct plx_heap_config config;

	plx_config_init(&config);
	assert_int_equal(plx_config_from_environment(&config, NULL), PLX_OK);
	for (; *options; options += 2)
		if (options[1])
			assert_int_equal(plx_config_set(&config, options[0], options[1], NULL),
					 PLX_OK);
	return plx_heap_create(&config, heap, error);
}

bool test_heap_try(struct plx_heap **heap, struct plx_thread **thread, const char *const *options)
{
	struct plx_error error = {0};

	*heap = NULL;
	if (test_heap_create(heap, options, &error) == PLX_ERROR_CAPABILITY) {
		print_message("%s\n", error.message);
		return false;
	}
	assert_non_null(*heap);
	assert_int_equal(plx_thread_attach(*heap, thread, NULL), PLX_OK);
	return true;
}

void test_heap_open(struct plx_heap **heap, struct plx_thread **thread, const char *const *options)
{
	if (!test_heap_try(heap, thread, options))
		skip();
}

void test_heap_close(struct plx_heap *heap, struct plx_thread *thread)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}
