/* test/system/threads.c: threads come, go, block and collect, and no cycle waits for one that is
 * not there or loses what one holds.
 *
 * Cases: churn (attach, allocate, detach, while cycles run), blocked (a cycle ends while threads
 * stand in blocking regions, and their roots survive), collectors (plx_collect of many threads at
 * once: each sees a cycle that started after its call), many (16 threads of the shadow model). */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/support/check.h"
#include "test/support/shadow.h"

struct node {
	struct plx_header header;
	uint64_t value;
	struct node *next;
};

static struct plx_heap *heap;
static const struct plx_layout *node_layout;
static atomic_bool stop;

static struct plx_thread *attach(void)
{
	struct plx_thread *thread = NULL;
	struct plx_error error = {0};

	if (plx_thread_attach(heap, &thread, &error) != PLX_OK) {
		fprintf(stderr, "attach: %s\n", error.message);
		abort();
	}
	return thread;
}

static uint64_t cycles(void)
{
	struct plx_stats stats;

	plx_heap_stats(heap, &stats);
	return stats.cycles;
}

/* A list of `count` nodes that hold base, base+1, ...; the last one made is first. */
static struct plx_handle *list_make(struct plx_thread *thread, uint64_t base, uint64_t count)
{
	struct plx_handle *list = plx_handle_create(thread, NULL);

	CHECK(list != NULL);
	for (uint64_t i = 0; i < count; i++) {
		struct node *node = plx_alloc(thread, node_layout);

		CHECK(node != NULL);
		node->value = base + i;
		node->next = list->ref;
		plx_handle_set(thread, list, node);
	}
	return list;
}

static void list_check(struct plx_handle *list, uint64_t base, uint64_t count)
{
	const struct node *node = list->ref;

	for (uint64_t i = count; i-- > 0; node = node->next) {
		CHECK(node != NULL);
		CHECK(node->value == base + i);
	}
	CHECK(node == NULL);
}

/* ---- churn ---- */

static void *churn_main(void *argument)
{
	uint64_t base = (uintptr_t)argument * 1000000;
	struct plx_handle *kept = NULL;

	/* Relaxed: a late stop is one more round. */
	for (uint64_t round = 0; !atomic_load_explicit(&stop, memory_order_relaxed); round++) {
		struct plx_thread *thread = attach();

		if (kept != NULL) { /* from the round before: free handles outlive the attachment */
			list_check(kept, base + round - 1, 100);
			plx_handle_release(thread, kept);
		}
		kept = list_make(thread, base + round, 100);
		plx_poll(thread);
		list_check(kept, base + round, 100);
		plx_thread_detach(thread);
	}
	if (kept != NULL) {
		struct plx_thread *thread = attach();

		plx_handle_release(thread, kept);
		plx_thread_detach(thread);
	}
	return NULL;
}

static void test_churn(void)
{
	pthread_t ids[6];
	uint64_t first = cycles();

	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < 6; i++)
		CHECK(pthread_create(&ids[i], NULL, churn_main, (void *)(i + 1)) == 0);
	for (int i = 0; i < 150; i++)
		plx_heap_collect(heap);
	atomic_store(&stop, true);
	for (int i = 0; i < 6; i++)
		pthread_join(ids[i], NULL);
	CHECK(cycles() >= first + 150);
}

/* ---- blocked ---- */

struct blocker {
	sem_t inside, leave;
	uint64_t base;
};

static void *blocker_main(void *argument)
{
	struct blocker *blocker = argument;
	struct plx_thread *thread = attach();
	struct plx_handle *list = list_make(thread, blocker->base, 2000);
	struct plx_handle *scoped;
	struct plx_scope scope;

	plx_scope_enter(thread, &scope);
	scoped = plx_handle_push(thread, list->ref);
	plx_block_enter(thread);
	sem_post(&blocker->inside);
	while (sem_wait(&blocker->leave) != 0)
		;
	plx_block_exit(thread);
	list_check(list, blocker->base, 2000);
	list_check(scoped, blocker->base, 2000);
	CHECK(scoped->ref == list->ref);
	plx_scope_exit(thread, &scope);
	plx_handle_release(thread, list);
	plx_thread_detach(thread);
	return NULL;
}

/* The cycles below can only end if none of them waits for the threads that sleep: those leave their
 * blocking regions after all cycles. */
static void test_blocked(void)
{
	struct blocker blockers[4];
	pthread_t ids[4];
	uint64_t first;

	for (int i = 0; i < 4; i++) {
		CHECK(sem_init(&blockers[i].inside, 0, 0) == 0);
		CHECK(sem_init(&blockers[i].leave, 0, 0) == 0);
		blockers[i].base = (uint64_t)i << 32;
		CHECK(pthread_create(&ids[i], NULL, blocker_main, &blockers[i]) == 0);
	}
	for (int i = 0; i < 4; i++) {
		while (sem_wait(&blockers[i].inside) != 0)
			;
	}
	first = cycles();
	for (int i = 0; i < 20; i++)
		plx_heap_collect(heap);
	CHECK(cycles() >= first + 20);
	for (int i = 0; i < 4; i++)
		sem_post(&blockers[i].leave);
	for (int i = 0; i < 4; i++)
		pthread_join(ids[i], NULL);
}

/* ---- collectors ---- */

static void *collector_main(void *argument)
{
	struct plx_thread *thread = attach();
	struct plx_handle *list = list_make(thread, (uintptr_t)argument, 500);

	for (int i = 0; i < 40; i++) {
		uint64_t before = cycles();

		plx_collect(thread);
		CHECK(cycles() > before);
		list_check(list, (uintptr_t)argument, 500);
	}
	plx_handle_release(thread, list);
	plx_thread_detach(thread);
	return NULL;
}

/* A weak consequence of "a cycle that started after the call": a cycle already under way when the
 * call is made ends first, and may not be the one counted. So each call must be followed by a cycle
 * in which an object dropped before the call is dead. */
static void test_collect_is_fresh(void)
{
	struct plx_thread *thread = attach();
	struct plx_stats stats;

	for (int i = 0; i < 10; i++) {
		struct plx_handle *list = list_make(thread, 7, 40000);
		uint64_t with_list;

		plx_collect(thread);
		plx_heap_stats(heap, &stats);
		with_list = stats.live_bytes;
		CHECK(with_list >= 40000 * sizeof(struct node));
		plx_handle_release(thread, list);
		plx_collect(thread);
		plx_heap_stats(heap, &stats);
		CHECK(stats.live_bytes + 30000 * sizeof(struct node) < with_list);
	}
	plx_thread_detach(thread);
}

static void test_collectors(void)
{
	pthread_t ids[8];

	for (uintptr_t i = 0; i < 8; i++)
		CHECK(pthread_create(&ids[i], NULL, collector_main, (void *)(i << 20)) == 0);
	for (int i = 0; i < 8; i++)
		pthread_join(ids[i], NULL);
	test_collect_is_fresh();
}

/* ---- many ---- */

static void test_many(void)
{
	struct shadow_options options;
	struct shadow_tally tally;

	shadow_options_init(&options);
	options.threads = 16;
	options.cycles = 60;
	options.objects = 16000;
	options.large = false;
	shadow_run(heap, &options, &tally);
	CHECK(tally.cycles >= options.cycles);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"churn", test_churn},
	{"blocked", test_blocked},
	{"collectors", test_collectors},
	{"many", test_many},
};

int main(void)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	struct shadow_options options;

	shadow_options_init(&options);
	heap = shadow_heap_create(&options);
	node_layout = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	CHECK(node_layout != NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		printf("threads: %s\n", cases[i].name);
		fflush(stdout);
		cases[i].run();
	}
	CHECK(plx_heap_destroy(heap) == PLX_OK);
	return 0;
}
