/* test/support/list.c: see list.h. */
#include "test/support/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct plx_handle *test_list_make(struct plx_heap *heap, struct plx_thread *thread, uint64_t count)
{
	static const size_t offsets[] = {offsetof(struct test_item, next)};
	const struct plx_layout *items =
		plx_layout_fixed(heap, sizeof(struct test_item), offsets, 1, NULL);
	struct plx_handle *list = plx_handle_create(thread, NULL);

	for (uint64_t i = 0; i < count; i++) {
		struct test_item *item = plx_alloc(thread, items);

		assert_non_null(item);
		item->number = i;
		PLX_STORE(thread, &item->next, list->ref);
		plx_handle_set(thread, list, item);
	}
	return list;
}

bool test_list_is_whole(const struct test_item *first, uint64_t count)
{
	for (; first; first = first->next)
		if (count == 0 || first->number != --count)
			return false;
	return count == 0;
}
