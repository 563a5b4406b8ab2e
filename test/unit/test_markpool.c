/* test_markpool.c: markers that share work and find the end together [MP-1].
 *
 * Each marker counts down what it is given: a reference of value v stands for v more, given away or kept.
 * Every unit of work has to be done exactly once, by however many markers, and no marker may leave
 * while another still works. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gc/base/atomic.h"
#include "gc/collect/markpool.h"

#define MARKERS 4
#define ROUNDS 200
#define DEPTH 12 /* a reference of value d leads to two of value d - 1 */

struct marker {
	struct gc_mark_pool *pool;
	uint64_t *done, *left;
	uintptr_t stack[2 * GC_MARK_CHUNK];
	uint32_t count;
};

static void marker_drain(struct marker *marker)
{
	while (marker->count) {
		uintptr_t value = marker->stack[--marker->count];

		gc_add_relaxed(marker->done, 1); /* read after the join */
		if (value > 1) {
			marker->stack[marker->count++] = value - 1;
			marker->stack[marker->count++] = value - 1;
		}
		if (marker->count > 1 && gc_mark_pool_is_hungry(marker->pool) &&
		    gc_mark_pool_give(marker->pool, marker->stack, 1))
			marker->stack[0] = marker->stack[--marker->count];
	}
}

static void *marker_main(void *argument)
{
	struct marker *marker = argument;
	struct gc_mark_chunk *chunk;

	for (;;) {
		marker_drain(marker);
		/* Nobody may have left while somebody still had work. */
		chunk = gc_mark_pool_take(marker->pool);
		if (!chunk)
			break;
		assert_int_equal(gc_load_relaxed(marker->left), 0);
		for (uint32_t i = 0; i < chunk->count; i++)
			marker->stack[marker->count++] = chunk->refs[i];
		gc_mark_pool_return(marker->pool, chunk);
	}
	gc_add_relaxed(marker->left, 1); /* a witness, not a lock */
	return NULL;
}

static void run_round(struct gc_mark_pool *pool, uint32_t markers)
{
	static struct marker marker[MARKERS];
	pthread_t thread[MARKERS];
	uint64_t done = 0, left = 0;

	gc_mark_pool_begin(pool, markers);
	for (uint32_t i = 0; i < markers; i++) {
		marker[i] = (struct marker){.pool = pool, .done = &done, .left = &left};
		if (i == 0)
			marker[i].stack[marker[i].count++] = DEPTH;
		assert_int_equal(pthread_create(&thread[i], NULL, marker_main, &marker[i]), 0);
	}
	for (uint32_t i = 0; i < markers; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(done, (1u << DEPTH) - 1);
	assert_int_equal(left, markers);
	assert_false(gc_mark_pool_is_hungry(pool));
}

static void test_all_work_is_done_once(void **state)
{
	struct gc_mark_pool *pool = gc_mark_pool_create();

	(void)state;
	assert_non_null(pool);
	for (int round = 0; round < ROUNDS; round++)
		run_round(pool, 1 + (uint32_t)round % MARKERS);
	gc_mark_pool_destroy(pool);
}

static void test_alone_it_ends_at_once(void **state)
{
	struct gc_mark_pool *pool = gc_mark_pool_create();

	(void)state;
	assert_non_null(pool);
	gc_mark_pool_begin(pool, 1);
	assert_null(gc_mark_pool_take(pool));
	gc_mark_pool_destroy(pool);
}

/* What was given is found, in chunks as they were. */
static void test_what_is_given_is_taken(void **state)
{
	struct gc_mark_pool *pool = gc_mark_pool_create();
	uintptr_t refs[3] = {8, 16, 24};
	struct gc_mark_chunk *chunk;

	(void)state;
	assert_non_null(pool);
	gc_mark_pool_begin(pool, 1);
	assert_true(gc_mark_pool_give(pool, refs, 3));
	chunk = gc_mark_pool_take(pool);
	assert_non_null(chunk);
	assert_int_equal(chunk->count, 3);
	assert_memory_equal(chunk->refs, refs, sizeof(refs));
	gc_mark_pool_return(pool, chunk);
	assert_null(gc_mark_pool_take(pool));
	gc_mark_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_work_is_done_once),
		cmocka_unit_test(test_alone_it_ends_at_once),
		cmocka_unit_test(test_what_is_given_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
