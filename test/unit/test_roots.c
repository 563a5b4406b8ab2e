/* test/unit/test_roots.c: many roots: handles and words of a root stack. What marking them leads to is shared by all
 * workers, the pause does not look at them, and a thread that drops many lets others go on meanwhile.
 *
 * Counted, not timed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/collect/collect.h"
#include "runtime/world.h"
#include "test/support/heap.h"

/* More than marking lets wait at once, and no round number of it. */
#define ROOTS 150000
#define CHAIN 3 /* objects behind each */

struct node {
	struct plx_header header;
	struct node *next;
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes;

static void heap_open(const char *torture, const char *heap_max)
{
	static const size_t offsets[] = {offsetof(struct node, next)};

	test_heap_open(&heap, &thread,
		       (const char *const[]){"GC_HEAP_MAX", heap_max, "GC_EVACUATE", "all",
					     "GC_CYCLE_EVERY", "1T", "GC_WORKERS", "2",
					     "GC_TORTURE", torture, NULL});
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	assert_non_null(nodes);
}

static void heap_close(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

static void *chain_make(void)
{
	struct node *first = NULL;
	struct plx_handle *kept;
	struct plx_scope scope;

	plx_scope_enter(thread, &scope);
	kept = plx_handle_push(thread, NULL);
	for (int i = 0; i < CHAIN; i++) {
		struct node *node = plx_alloc(thread, nodes);

		assert_non_null(node);
		node->next = kept->ref;
		plx_handle_set(thread, kept, node);
	}
	first = kept->ref;
	plx_scope_exit(thread, &scope);
	return first;
}

static void chain_check(const struct node *node)
{
	for (int i = 0; i < CHAIN; i++, node = node->next)
		assert_non_null(node);
	assert_null(node);
}

/* Of the last cycle: what was marked while all workers were there to help. */
static uint64_t marked_together(void)
{
	return gc_load_relaxed(&heap->gc.cycle.marked_together);
}

static void test_handles_are_marked_together(void **state)
{
	static struct plx_handle *handles[ROOTS];

	(void)state;
	heap_open(NULL, "128M");
	for (size_t i = 0; i < ROOTS; i++) {
		handles[i] = plx_handle_create(thread, chain_make());
		assert_non_null(handles[i]);
	}
	plx_collect(thread); /* what is allocated during a cycle is not marked by it */
	plx_collect(thread);
	assert_int_equal(marked_together(), ROOTS * CHAIN);
	for (size_t i = 0; i < ROOTS; i++)
		chain_check(handles[i]->ref);
	heap_close();
}

static void test_stack_words_are_marked_together(void **state)
{
	struct plx_root_stack *stack;

	(void)state;
	heap_open(NULL, "128M");
	stack = plx_root_stack_create(thread, ROOTS, NULL);
	assert_non_null(stack);
	for (size_t i = 0; i < ROOTS; i++)
		assert_true(plx_root_stack_push(stack, chain_make()));
	plx_collect(thread);
	plx_collect(thread);
	assert_int_equal(marked_together(), ROOTS * CHAIN);
	for (size_t i = 0; i < ROOTS; i++)
		chain_check(stack->base[i]);
	heap_close();
}

static uint64_t cycles(void)
{
	struct plx_stats stats;

	plx_heap_stats(heap, &stats);
	return stats.cycles;
}

/* Under GC_TORTURE=safepoints each poll is a collection. */
static void test_detaching_polls(void **state)
{
	size_t page, pages = 8;
	uint64_t before;

	(void)state;
	heap_open("safepoints", "16M");
	page = heap->gc.view.page_bytes / sizeof(struct plx_handle);
	for (size_t i = 0; i < pages * page; i++)
		assert_non_null(plx_handle_push(thread, NULL));
	before = cycles();
	plx_thread_detach(thread);
	assert_in_range(cycles() - before, pages - 1, pages + 2);
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	heap_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handles_are_marked_together),
		cmocka_unit_test(test_stack_words_are_marked_together),
		cmocka_unit_test(test_detaching_polls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
