/* test_handshake.c: runtime/handshake.c alone: threads poll, block, return, attach and detach at random
 * while one round follows the other, with no cycle running.
 *
 * [HS-1] each answers once, and never in the middle of what it does between two safepoints; [HS-2] none is
 * lost: a round returns only when whoever was attached at its begin has answered, and who comes later
 * has its regime; [HS-3] no round waits for a thread that stays blocked. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/world.h"
#include "bench/common/random.h"
#include "test/support/check.h"

#define THREADS 8
#define ROUNDS 400

static struct plx_heap *heap;
static uint32_t completed; /* atomic: the last round that has returned */
static uint32_t stop;	   /* atomic */
static uint64_t by_other;  /* atomic: answers that the collector gave */
static pthread_t collector;

/* The fields of a mutator that the test borrows, since nothing is allocated here: `regime` stands for
 * what a round changes; `busy` is only written by whoever may, so a race on it is a failure, seen
 * by ThreadSanitizer too. */
static uint32_t *regime_of(struct plx_thread *thread)
{
	return &thread->barrier;
}

static uint32_t *busy_of(struct plx_thread *thread)
{
	return &((struct gc_mutator *)thread)->satb_count;
}

static void answer(struct gc_heap *gc, struct gc_mutator *mutator)
{
	uint32_t regime = gc_load_relaxed(&gc->regime),
		 mine = gc_load_relaxed(&mutator->pub.barrier);

	CHECK(*busy_of(&mutator->pub) == 0);
	CHECK(mine == regime - 1 || mine == regime); /* it attached just before the round */
	*busy_of(&mutator->pub) = 0;
	gc_store_relaxed(&mutator->pub.barrier, regime);
	if (pthread_equal(pthread_self(), collector))
		gc_add_relaxed(&by_other, 1); /* read after all is done */
}

static void round_run(uint32_t number)
{
	gc_store_relaxed(&heap->gc.regime, number);
	rt_world.handshake(&heap->gc, answer);
	gc_store_release(&completed, number);
}

static struct plx_thread *attach(void)
{
	struct plx_thread *thread = NULL;

	CHECK(plx_thread_attach(heap, &thread, NULL) == PLX_OK);
	return thread;
}

/* Between two safepoints. What has been completed before has been answered. */
static void work(struct plx_thread *thread, struct random *random)
{
	uint32_t at_least = gc_load_acquire(&completed);

	CHECK(gc_load_relaxed(regime_of(thread)) >= at_least);
	*busy_of(thread) = 1;
	for (uint64_t i = random_below(random, 200); i > 0; i--)
		gc_cpu_relax();
	CHECK(*busy_of(thread) == 1);
	*busy_of(thread) = 0;
}

/* Sometimes until the round under way, or the next, has returned: if that one waited for this thread, it
 * never would. [HS-3] */
static void block(struct plx_thread *thread, struct random *random)
{
	uint32_t before = gc_load_relaxed(&completed); /* an older one is sooner over */
	bool long_enough = random_once_in(random, 2);

	plx_block_enter(thread);
	while (long_enough && gc_load_relaxed(&completed) == before && !gc_load_relaxed(&stop))
		usleep(10);
	plx_block_exit(thread);
}

/* Some do nothing but poll: what a poll loses nobody makes up for. */
static void *mutator_main(void *argument)
{
	struct random random = {random_mix((uintptr_t)argument)};
	uint64_t choices = (uintptr_t)argument % 4 == 1 ? 1 : 8;
	struct plx_thread *thread = attach();

	while (!gc_load_relaxed(&stop)) { /* late is one more turn */
		work(thread, &random);
		switch (choices - random_below(&random, choices)) {
		case 8:
			plx_thread_detach(thread);
			thread = attach();
			break;
		case 7:
		case 6:
			block(thread, &random);
			break;
		default:
			plx_poll(thread);
		}
	}
	plx_thread_detach(thread);
	return NULL;
}

static void test_rounds(void **state)
{
	pthread_t ids[THREADS];

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, mutator_main, (void *)(i + 1)), 0);
	/* And on until the collector has answered for somebody: a loaded machine may take its time. */
	for (uint32_t i = 1; i <= ROUNDS || gc_load_relaxed(&by_other) == 0; i++)
		round_run(i);
	gc_store_relaxed(&stop, 1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
}

static void *sleeper_main(void *argument)
{
	struct plx_thread *thread = attach();
	uint32_t *leave = argument;

	plx_block_enter(thread);
	gc_store_release(&leave[1], 1);
	while (!gc_load_acquire(&leave[0]))
		usleep(100);
	plx_block_exit(thread);
	CHECK(gc_load_relaxed(regime_of(thread)) == gc_load_acquire(&completed));
	plx_thread_detach(thread);
	return NULL;
}

/* The rounds can only end if none waits for the sleeper. */
static void test_blocked_threads_are_answered_for(void **state)
{
	uint32_t leave[2] = {0, 0}, first = gc_load_relaxed(&completed);
	pthread_t id;

	(void)state;
	assert_int_equal(pthread_create(&id, NULL, sleeper_main, leave), 0);
	while (!gc_load_acquire(&leave[1]))
		usleep(100);
	for (uint32_t i = first + 1; i <= first + 100; i++)
		round_run(i);
	gc_store_release(&leave[0], 1);
	pthread_join(id, NULL);
}

/* Blocks in the moment after it looked for a round and before it says so. */
static void *slow_blocker_main(void *argument)
{
	struct rt_thread *thread = rt_thread_of(attach());
	uint32_t *ready = argument, before = gc_load_acquire(&completed);

	gc_store_release(ready, 1);
	while (!rt_handshake_is_owed(thread))
		usleep(10);
	usleep(20000); /* the collector sleeps by now */
	rt_state_leave(thread, RT_BLOCKED);
	while (gc_load_acquire(&completed) == before)
		usleep(10);
	rt_state_enter(thread, RT_BLOCKED);
	plx_thread_detach(&thread->gc.pub);
	return NULL;
}

static void test_a_thread_that_blocks_wakes_the_collector(void **state)
{
	uint32_t ready = 0;
	pthread_t id;

	(void)state;
	assert_int_equal(pthread_create(&id, NULL, slow_blocker_main, &ready), 0);
	while (!gc_load_acquire(&ready))
		usleep(10);
	round_run(gc_load_relaxed(&completed) + 1);
	pthread_join(id, NULL);
}

static void test_nobody_is_attached(void **state)
{
	uint32_t next = gc_load_relaxed(&completed) + 1;

	(void)state;
	round_run(next);
	assert_int_equal(gc_load_relaxed(&heap->handshake.pending), 0);
}

static int setup(void **state)
{
	struct plx_heap_config config;

	(void)state;
	plx_config_init(&config);
	config.heap_max_bytes = 16 << 20;
	config.plan = PLX_PLAN_STW;
	config.yield_seed = 7;
	config.stop_report_ms = 0; /* a lost wake-up stays lost */
	collector = pthread_self();
	return plx_heap_create(&config, &heap, NULL) == PLX_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	gc_store_relaxed(&heap->gc.regime, 0);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_blocked_threads_are_answered_for),
		cmocka_unit_test(test_a_thread_that_blocks_wakes_the_collector),
		cmocka_unit_test(test_nobody_is_attached),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
