/* test/support/list.h: a list of numbered objects, small enough that each of its pages holds many, for tests that
 * only want to know whether all of them came through. */
#ifndef TEST_SUPPORT_LIST_H
#define TEST_SUPPORT_LIST_H

#include <stdbool.h>

#include <parallax/parallax.h>

struct test_item {
	struct plx_header header;
	struct test_item *next;
	uint64_t number;
};

/* `count` of them, the last number first, held by a handle. For cmocka's tests only. */
struct plx_handle *test_list_make(struct plx_heap *heap, struct plx_thread *thread, uint64_t count);

/* All of them in their order? Never waits. */
bool test_list_is_whole(const struct test_item *first, uint64_t count);

#endif
