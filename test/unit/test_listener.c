/* test/unit/test_listener.c: listeners: each function is called, where its header says, with figures that
 * agree with the statistics; adding and removing, also while cycles run; misuse. */
#include <parallax/parallax.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct plx_heap *heap;

static void make(const char *max, uint64_t plan)
{
	struct plx_heap_config config;
	struct plx_error error;

	plx_config_init(&config);
	assert_int_equal(plx_config_set(&config, "GC_HEAP_MAX", max, NULL), PLX_OK);
	config.plan = plan;
	config.evacuate = 1; /* all */
	config.resident_idle_ms = 0;
	if (plx_heap_create(&config, &heap, &error) != PLX_OK)
		fail_msg("%s", error.message);
}

/* What was heard. Functions of one listener run on several threads. */
struct heard {
	atomic_uint begins, ends, pauses, flips, stalls, returns;
	atomic_bool wrong;
	atomic_uint inside;
	uint64_t number, last_pause_ns, evacuated_bytes, returned_bytes, pause_ns, stall_ns;
	pid_t collector;
	pid_t mutator;
	struct plx_listener *self;
};

static void expect(struct heard *heard, bool condition)
{
	if (!condition)
		atomic_store(&heard->wrong, true);
}

/* What may be called from inside, and what is refused. */
static void call_back(struct heard *heard)
{
	struct plx_cycle_summary recent;
	struct plx_stats stats;

	plx_heap_stats(heap, &stats);
	plx_heap_recent_cycles(heap, &recent, 1);
	expect(heard, !plx_heap_contains(heap, heard));
	expect(heard, plx_heap_listener_add(heap, heard->self) == PLX_ERROR_MISUSE);
	expect(heard, plx_heap_listener_remove(heap, heard->self) == PLX_ERROR_MISUSE);
}

static void on_begin(void *context, uint64_t number, const char *cause)
{
	struct heard *heard = context;

	heard->collector = gettid();
	heard->number = number;
	expect(heard, strcmp(cause, "asked for") == 0 || strcmp(cause, "pacing") == 0 ||
			      strcmp(cause, "out of memory") == 0 ||
			      strcmp(cause, "emergency") == 0);
	atomic_fetch_add(&heard->begins, 1);
	call_back(heard);
}

static void on_end(void *context, const struct plx_cycle_summary *summary)
{
	struct heard *heard = context;
	struct plx_cycle_summary recent;

	expect(heard, gettid() == heard->collector);
	expect(heard, summary->number == heard->number);
	expect(heard, plx_heap_recent_cycles(heap, &recent, 1) == 1);
	expect(heard, memcmp(&recent, summary, sizeof(recent)) == 0);
	heard->evacuated_bytes += summary->evacuated_bytes;
	atomic_fetch_add(&heard->ends, 1);
	call_back(heard);
}

static void on_pause(void *context, const struct plx_pause *pause)
{
	struct heard *heard = context;

	expect(heard, gettid() == heard->collector);
	expect(heard, pause->cycle_number == heard->number);
	expect(heard, pause->reaching_ns <= pause->duration_ns);
	expect(heard, pause->start_ns >= heard->last_pause_ns);
	heard->last_pause_ns = pause->start_ns + pause->duration_ns;
	heard->pause_ns += pause->duration_ns;
	atomic_fetch_add(&heard->pauses, 1);
	call_back(heard);
}

static void on_flip(void *context, const struct plx_flip *flip)
{
	struct heard *heard = context;

	expect(heard, flip->cycle_number == heard->number && flip->evacuated_regions > 0);
	expect(heard, strcmp(flip->mode, "in pause") == 0); /* under the stw plan */
	atomic_fetch_add(&heard->flips, 1);
}

static void on_stall(void *context, const struct plx_stall *stall)
{
	struct heard *heard = context;

	expect(heard, gettid() == heard->mutator && stall->thread->heap == heap);
	expect(heard, stall->bytes >= 1 << 20);
	heard->stall_ns += stall->duration_ns;
	atomic_fetch_add(&heard->stalls, 1);
	call_back(heard);
}

static void on_return(void *context, uint64_t bytes)
{
	struct heard *heard = context;

	expect(heard, bytes > 0);
	heard->returned_bytes += bytes;
	atomic_fetch_add(&heard->returns, 1);
	call_back(heard);
}

static struct plx_listener listener_of(struct heard *heard)
{
	return (struct plx_listener){.context = heard,
				     .cycle_begin = on_begin,
				     .cycle_end = on_end,
				     .pause = on_pause,
				     .flip = on_flip,
				     .stall = on_stall,
				     .memory_returned = on_return};
}

struct node {
	struct plx_header header;
	struct node *next;
	char filler[500];
};

/* Lists of which every second node is garbage, and large objects until memory is short. */
static void churn(void)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	const struct plx_layout *nodes =
		plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	const struct plx_layout *bytes = plx_layout_bytes(heap, NULL);
	struct plx_thread *thread;
	struct plx_handle *list;

	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	list = plx_handle_create(thread, NULL);
	for (int i = 0; i < 4000; i++) {
		struct node *node = plx_alloc(thread, nodes);

		assert_non_null(node);
		if (i % 2 == 0) {
			node->next = list->ref;
			plx_handle_set(thread, list, node);
		}
	}
	plx_collect(thread);
	for (int i = 0; i < 40; i++)
		assert_non_null(plx_alloc_array(thread, bytes, 5 << 20));
	plx_handle_set(thread, list, NULL);
	plx_collect(thread);
	plx_thread_detach(thread);
}

static void each_function_is_called(void **state)
{
	struct heard heard = {.mutator = gettid()};
	struct plx_listener listener = listener_of(&heard);
	struct plx_stats stats;

	(void)state;
	heard.self = &listener;
	make("32M", PLX_PLAN_STW);
	assert_int_equal(plx_heap_listener_add(heap, &listener), PLX_OK);
	churn();
	while (atomic_load(&heard.returns) == 0)
		usleep(10000);
	assert_int_equal(plx_heap_listener_remove(heap, &listener), PLX_OK);
	plx_heap_stats(heap, &stats);
	assert_false(atomic_load(&heard.wrong));
	assert_int_equal(heard.begins, stats.cycles);
	assert_int_equal(heard.ends, stats.cycles);
	assert_int_equal(heard.flips, stats.flips);
	assert_int_equal(heard.pauses, stats.pauses);
	assert_int_equal(heard.stalls, stats.stalls);
	assert_int_equal(heard.pause_ns, stats.pause_ns);
	assert_int_equal(heard.stall_ns, stats.stall_ns);
	assert_int_equal(heard.evacuated_bytes, stats.evacuated_bytes);
	assert_true(heard.flips > 0 && heard.stalls > 0 && heard.returned_bytes > 0);
	assert_true(stats.freed_bytes > 0 && stats.next_bytes > 0);
	plx_heap_destroy(heap);
}

static void nothing_is_heard_after_the_removal(void **state)
{
	struct heard heard = {.mutator = gettid()};
	struct plx_listener listener = listener_of(&heard);

	(void)state;
	heard.self = &listener;
	make("32M", PLX_PLAN_STW);
	assert_int_equal(plx_heap_listener_add(heap, &listener), PLX_OK);
	plx_heap_collect(heap);
	assert_int_equal(heard.ends, 1);
	assert_int_equal(plx_heap_listener_remove(heap, &listener), PLX_OK);
	plx_heap_collect(heap);
	assert_int_equal(heard.ends, 1);
	plx_heap_destroy(heap);
}

static void misuse_and_limits(void **state)
{
	static struct plx_listener listeners[PLX_LISTENERS_MAX + 1]; /* nothing to call in them */

	(void)state;
	make("32M", PLX_PLAN_STW);
	assert_int_equal(plx_heap_listener_remove(heap, &listeners[0]), PLX_ERROR_MISUSE);
	for (int i = 0; i < PLX_LISTENERS_MAX; i++)
		assert_int_equal(plx_heap_listener_add(heap, &listeners[i]), PLX_OK);
	assert_int_equal(plx_heap_listener_add(heap, &listeners[3]), PLX_ERROR_MISUSE);
	assert_int_equal(plx_heap_listener_add(heap, &listeners[PLX_LISTENERS_MAX]),
			 PLX_ERROR_LIMIT);
	plx_heap_collect(heap);
	assert_int_equal(plx_heap_listener_remove(heap, &listeners[3]), PLX_OK);
	assert_int_equal(plx_heap_listener_add(heap, &listeners[PLX_LISTENERS_MAX]), PLX_OK);
	plx_heap_collect(heap);
	plx_heap_destroy(heap);
}

/* --- while cycles run --------------------------------------------------------------------------- */

static void note_inside(void *context, const struct plx_cycle_summary *summary)
{
	struct heard *heard = context;

	(void)summary;
	atomic_fetch_add(&heard->inside, 1);
	usleep(100);
	atomic_fetch_sub(&heard->inside, 1);
	atomic_fetch_add(&heard->ends, 1);
}

static void *collect_often(void *argument)
{
	atomic_bool *stop = argument;

	while (!atomic_load(stop))
		plx_heap_collect(heap);
	return NULL;
}

static void removal_waits_for_what_runs(void **state)
{
	struct heard heard = {.mutator = 0};
	struct plx_listener listener = {.context = &heard, .cycle_end = note_inside};
	atomic_bool stop = false;
	struct plx_thread *thread;
	pthread_t collects;

	(void)state;
	make("32M", PLX_PLAN_STW);
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	assert_int_equal(pthread_create(&collects, NULL, collect_often, &stop), 0);
	for (int i = 0; i < 200 || atomic_load(&heard.ends) < 20; i++) {
		assert_int_equal(plx_heap_listener_add(heap, &listener), PLX_OK);
		plx_poll(thread);
		usleep(i % 3 * 100);
		assert_int_equal(plx_heap_listener_remove(heap, &listener), PLX_OK);
		assert_int_equal(atomic_load(&heard.inside), 0);
		plx_poll(thread);
	}
	atomic_store(&stop, true);
	plx_block_enter(thread);
	pthread_join(collects, NULL);
	plx_block_exit(thread);
	plx_thread_detach(thread);
	plx_heap_destroy(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_function_is_called),
		cmocka_unit_test(nothing_is_heard_after_the_removal),
		cmocka_unit_test(misuse_and_limits),
		cmocka_unit_test(removal_waits_for_what_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
