/* test/system/ragged.c: the interleavings that the rounds of a cycle's start and end are made for, one by
 * one (gc/cycle.c [CY-2]-[CY-4]), with threads that poll only when they are told to.
 *
 * Nothing is evacuated, so objects keep their addresses, mark bits tell afterwards what the cycle found,
 * and there must not be a single pause, but where roots lie in own memory. `early` is the thread that
 * has answered the round in question, `late` the one that has not.
 *
 *	ragged [STORY] */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <parallax/histogram.h>

#include "runtime/world.h"
#include "test/support/check.h"

#define LIST_LENGTH 300000 /* takes a marker some milliseconds */

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
};

static struct plx_heap *heap;
static const struct plx_layout *layout;

static struct node *node_make(struct plx_thread *thread, uint64_t value)
{
	struct node *node = plx_alloc(thread, layout);

	CHECK(node);
	node->value = value;
	return node;
}

/* From memory that the thread has already: not a safepoint. */
static struct node *node_make_at_once(struct plx_thread *thread, uint64_t value)
{
	struct plx_tlab *tlab = &thread->tlab[PLX_SPACE_OBJECTS];

	CHECK((size_t)(tlab->limit - tlab->top) >= sizeof(struct node));
	return node_make(thread, value);
}

static void check_survived(const struct node *node, uint64_t value)
{
	CHECK(gc_heap_region_bits(&heap->gc, (uintptr_t)node) & GC_REGION_BLACK ||
	      gc_markbits_test(&heap->gc.markbits, gc_haddr(node)));
	CHECK(node->value == value);
}

/* ---- actors: threads that do what they are told ---- */

struct actor;
typedef void (*actor_step)(struct actor *);

struct actor {
	pthread_t id;
	struct plx_thread *thread;
	_Atomic actor_step step; /* NULL: done */
	atomic_bool polls;	 /* while it has nothing else to do */
	atomic_bool leaves;
};

static struct actor early, late, third;
static struct plx_handle *box, *result; /* box->ref->next is what the stories are about */
static struct node *x, *y;		/* looked at afterwards; in a story they stand for locals */

static void *actor_main(void *argument)
{
	struct actor *self = argument;

	CHECK(plx_thread_attach(heap, &self->thread, NULL) == PLX_OK);
	atomic_store(&self->step, NULL);
	while (!atomic_load(&self->leaves)) {
		actor_step step = atomic_load(&self->step);

		if (step) {
			step(self);
			atomic_store(&self->step, NULL);
		} else if (atomic_load(&self->polls)) {
			plx_poll(self->thread);
		}
		usleep(10);
	}
	plx_thread_detach(self->thread);
	return NULL;
}

static void order(struct actor *actor, actor_step step)
{
	atomic_store(&actor->step, step);
}

static void await(struct actor *actor)
{
	while (atomic_load(&actor->step))
		usleep(10);
}

static void tell(struct actor *actor, actor_step step)
{
	order(actor, step);
	await(actor);
}

static void step_poll(struct actor *self)
{
	plx_poll(self->thread);
}

static void actor_begin(struct actor *actor)
{
	atomic_store(&actor->polls, false);
	atomic_store(&actor->leaves, false);
	order(actor, step_poll); /* until it is attached */
	CHECK(pthread_create(&actor->id, NULL, actor_main, actor) == 0);
	await(actor);
}

static void actor_end(struct actor *actor)
{
	atomic_store(&actor->leaves, true);
	pthread_join(actor->id, NULL);
}

/* ---- the cycle ---- */

enum { ARM = 1, SETTLE, SNAPSHOT, FLUSH };

static pthread_t cycle_id;
static uint32_t cycle_round;
static uint64_t pauses_before;

static uint64_t pauses(void)
{
	static struct plx_histogram distribution;

	plx_heap_distribution(heap, PLX_DISTRIBUTION_PAUSE_NS, &distribution);
	return distribution.count;
}

static void *collect_main(void *argument)
{
	(void)argument;
	plx_heap_collect(heap);
	return NULL;
}

static uint32_t round_now(void)
{
	return gc_load_acquire(&heap->handshake.round) - cycle_round;
}

static void await_round(uint32_t number)
{
	while (round_now() != number)
		usleep(10);
}

static void step_prepare(struct actor *self)
{
	struct node *first = node_make(self->thread, 1), *second;

	box = plx_handle_create(self->thread, first);
	result = plx_handle_create(self->thread, NULL);
	CHECK(box && result);
	second = node_make(self->thread, 2);
	PLX_STORE(self->thread, &((struct node *)box->ref)->next, second);
}

static void step_warm_up(struct actor *self)
{
	node_make(self->thread, 0);
}

/* Two actors with a TLAB each, one object in a handle with another below it, and a cycle that waits
 * for both to be armed. */
static void story_begin(actor_step prepare)
{
	actor_begin(&early);
	actor_begin(&late);
	tell(&early, prepare);
	tell(&late, step_warm_up);
	x = y = NULL;
	pauses_before = pauses();
	cycle_round = gc_load_acquire(&heap->handshake.round);
	CHECK(pthread_create(&cycle_id, NULL, collect_main, NULL) == 0);
	await_round(ARM);
}

static void cycle_await(void)
{
	atomic_store(&early.polls, true);
	atomic_store(&late.polls, true);
	pthread_join(cycle_id, NULL);
}

static void step_forget(struct actor *self)
{
	plx_handle_release(self->thread, box);
	plx_handle_release(self->thread, result);
}

static void story_end(uint64_t pauses_expected)
{
	CHECK(pauses() == pauses_before + pauses_expected);
	tell(&early, step_forget);
	actor_end(&early);
	actor_end(&late);
}

static void both_poll(uint32_t next)
{
	tell(&early, step_poll);
	tell(&late, step_poll);
	await_round(next);
}

/* ---- late has a new object that only it knows, and puts it where nobody will look ---- */

static void step_black_box(struct actor *self)
{
	struct node *black = node_make(self->thread, 3);

	CHECK(gc_heap_region_bits(&heap->gc, (uintptr_t)black) & GC_REGION_BLACK);
	PLX_STORE(self->thread, &((struct node *)box->ref)->next, black);
}

static void step_fill_black_box(struct actor *self)
{
	y = node_make_at_once(self->thread, 4);
	CHECK(!(gc_heap_region_bits(&heap->gc, (uintptr_t)y) & GC_REGION_BLACK));
	PLX_STORE(self->thread, &((struct node *)box->ref)->next->next, y);
}

static void test_a_stored_value_is_logged_until_the_snapshot(void)
{
	story_begin(step_prepare);
	both_poll(SETTLE);
	both_poll(SNAPSHOT);
	tell(&early, step_poll);
	tell(&early, step_black_box);
	tell(&late, step_fill_black_box);
	CHECK(round_now() == SNAPSHOT);
	cycle_await();
	check_survived(y, 4);
	story_end(0);
}

/* ---- early is armed and holds what late, which is not, takes out of the heap ---- */

static void step_take_second(struct actor *self)
{
	(void)self;
	x = ((struct node *)box->ref)->next;
}

static void step_cut(struct actor *self)
{
	PLX_STORE(self->thread, &((struct node *)box->ref)->next, NULL);
}

static void step_keep_below_new(struct actor *self)
{
	struct node *fresh = node_make_at_once(self->thread, 5);

	fresh->next = x; /* fresh: a plain store */
	CHECK(plx_handle_create(self->thread, fresh));
}

static void test_what_is_new_is_scanned_until_the_snapshot(void)
{
	story_begin(step_prepare);
	tell(&early, step_poll);
	tell(&early, step_take_second);
	tell(&late, step_cut);
	tell(&early, step_keep_below_new);
	cycle_await();
	check_survived(x, 2);
	story_end(0);
}

/* ---- a store that looked at its slot before another thread, not armed yet, changed it ---- */

static void step_store_first_half(struct actor *self)
{
	struct node *first = box->ref;

	CHECK(self->thread->barrier == GC_REGIME_ARMED);
	plx_barrier_slow(self->thread, &first->next, NULL);
}

static void step_store_second_half(struct actor *self)
{
	struct node *first = box->ref;

	(void)self;
	__atomic_store_n(&first->next, NULL, __ATOMIC_RELEASE);
}

static void step_store_unarmed(struct actor *self)
{
	CHECK(self->thread->barrier == 0);
	y = node_make_at_once(self->thread, 6);
	PLX_STORE(self->thread, &((struct node *)box->ref)->next, y);
}

static void step_keep_what_is_there(struct actor *self)
{
	struct node *fresh = node_make(self->thread, 7);

	fresh->next = ((struct node *)box->ref)->next;
	CHECK(fresh->next == y);
	CHECK(plx_handle_create(self->thread, fresh));
}

static void test_stores_settle_before_the_first_snapshot(void)
{
	story_begin(step_prepare);
	tell(&early, step_poll);
	tell(&early, step_store_first_half);
	tell(&late, step_store_unarmed);
	tell(&late, step_poll);
	await_round(SETTLE);
	tell(&late, step_poll);
	tell(&late, step_keep_what_is_there);
	tell(&early, step_store_second_half);
	CHECK(round_now() == SETTLE);
	cycle_await();
	check_survived(y, 6);
	story_end(0);
}

/* ---- what is marked only because it was logged, by a thread that has not flushed yet ---- */

static struct node *last_but_one;

static void step_prepare_list(struct actor *self)
{
	step_prepare(self);
	for (int i = 0; i < LIST_LENGTH; i++) {
		struct node *fresh = node_make(self->thread, 8);

		fresh->next = box->ref;
		plx_handle_set(self->thread, box, fresh);
	}
	for (last_but_one = box->ref; last_but_one->next->next; last_but_one = last_but_one->next)
		continue;
}

/* Its snapshot is the last, so marking begins now, at the other end of the list. */
static void step_cut_off_the_end(struct actor *self)
{
	struct node *black;

	plx_poll(self->thread);
	x = last_but_one->next;
	PLX_STORE(self->thread, &last_but_one->next, NULL);
	black = node_make(self->thread, 9);
	black->next = x;
	CHECK(plx_handle_create(self->thread, black));
}

static void test_marking_ends_after_the_last_flush(void)
{
	story_begin(step_prepare_list);
	both_poll(SETTLE);
	both_poll(SNAPSHOT);
	tell(&early, step_poll);
	atomic_store(&early.polls, true);
	tell(&late, step_cut_off_the_end);
	await_round(FLUSH);
	cycle_await();
	check_survived(x, 2);
	story_end(0);
}

/* ---- threads that come, go and block in the middle of a round ---- */

static void step_make_third(struct actor *self)
{
	y = node_make(self->thread, 10);
	CHECK(gc_heap_region_bits(&heap->gc, (uintptr_t)y) & GC_REGION_BLACK);
}

static void test_attach_in_the_middle(void)
{
	story_begin(step_prepare);
	actor_begin(&third);
	CHECK(round_now() == ARM && third.thread->barrier == GC_REGIME_ARMED);
	actor_end(&third);
	both_poll(SETTLE);
	both_poll(SNAPSHOT);
	actor_begin(&third);
	CHECK(round_now() == SNAPSHOT && third.thread->barrier == GC_REGIME_MARKING);
	tell(&third, step_make_third);
	atomic_store(&third.polls, true);
	cycle_await();
	CHECK(third.thread->barrier == GC_REGIME_IDLE);
	actor_end(&third);
	story_end(0);
}

static void test_detach_in_the_middle(void)
{
	for (uint32_t round = ARM; round <= SNAPSHOT; round++) {
		story_begin(step_prepare);
		for (uint32_t before = ARM; before < round; before++)
			both_poll(before + 1);
		actor_end(&late); /* in place of an answer */
		cycle_await();
		actor_begin(&late);
		story_end(0);
	}
}

static void step_enter(struct actor *self)
{
	plx_block_enter(self->thread);
}

static void step_exit(struct actor *self)
{
	plx_block_exit(self->thread);
}

/* Blocked before the cycle, or in place of an answer; back in the middle of it, or after it. */
static void test_block_in_the_middle(void)
{
	for (uint32_t round = ARM; round <= SNAPSHOT; round++) {
		story_begin(step_prepare);
		for (uint32_t before = ARM; before < round; before++)
			both_poll(before + 1);
		tell(&late, step_enter);
		if (round < SNAPSHOT) {
			tell(&early, step_poll);
			await_round(round + 1); /* answered for */
			tell(&late, step_exit);
		} else {
			atomic_store(&early.polls, true);
			pthread_join(cycle_id, NULL); /* it does not wait for late */
			CHECK(late.thread->barrier == GC_REGIME_IDLE);
			tell(&late, step_exit);
			CHECK(pthread_create(&cycle_id, NULL, collect_main, NULL) == 0);
		}
		cycle_await();
		story_end(0);
	}
}

/* ---- roots in own memory: a pause, and nobody uses them before it ---- */

static struct node *own_root;

static void step_register(struct actor *self)
{
	own_root = y = node_make_at_once(self->thread, 11);
	CHECK(plx_root_range_add(self->thread, &own_root, 1, NULL) == PLX_OK);
}

static void step_unregister(struct actor *self)
{
	CHECK(plx_root_range_remove(self->thread, &own_root) == PLX_OK);
}

static void test_a_root_is_registered_in_the_middle(void)
{
	story_begin(step_prepare);
	order(&early, step_register);
	tell(&late, step_poll);
	await_round(SETTLE); /* early waits, BLOCKED */
	CHECK(atomic_load(&early.step));
	cycle_await();
	await(&early);
	check_survived(own_root, 11);
	CHECK(own_root == y);
	tell(&early, step_unregister);
	story_end(1);
}

/* ---- the same as with a slot, for a handle that three threads write ---- */

static void step_set_first_half(struct actor *self)
{
	CHECK(self->thread->barrier == GC_REGIME_ARMED);
	plx_handle_set_slow(self->thread, result, NULL);
}

static void step_set_second_half(struct actor *self)
{
	(void)self;
	__atomic_store_n(&result->ref, NULL, __ATOMIC_RELEASE);
}

static void step_set_result(struct actor *self)
{
	y = node_make_at_once(self->thread, 12);
	plx_handle_set(self->thread, result, y);
}

static void step_keep_result(struct actor *self)
{
	struct node *black = node_make(self->thread, 13);

	CHECK(gc_heap_region_bits(&heap->gc, (uintptr_t)black) & GC_REGION_BLACK);
	black->next = result->ref;
	CHECK(black->next == y);
	CHECK(plx_handle_create(self->thread, black));
}

static void test_what_a_handle_is_given_is_logged_until_the_snapshot(void)
{
	story_begin(step_prepare);
	actor_begin(&third);
	both_poll(SETTLE);
	tell(&third, step_poll);
	both_poll(SNAPSHOT);
	tell(&third, step_set_first_half);
	tell(&late, step_set_result);
	tell(&early, step_poll);
	tell(&early, step_keep_result);
	tell(&third, step_set_second_half);
	CHECK(round_now() == SNAPSHOT);
	atomic_store(&third.polls, true);
	cycle_await();
	check_survived(y, 12);
	actor_end(&third);
	story_end(0);
}

/* ---- a root stack that late fills without a snapshot, and that early, which has one, takes over ---- */

static struct plx_root_stack *stack;

static void step_prepare_stack(struct actor *self)
{
	step_prepare(self);
	stack = plx_root_stack_create(self->thread, 100, NULL);
	CHECK(stack);
}

static void step_push_new(struct actor *self)
{
	CHECK(self->thread->barrier == GC_REGIME_ARMED);
	y = node_make_at_once(self->thread, 14);
	CHECK(plx_root_stack_push(stack, y));
}

static void step_hide_below_black(struct actor *self, struct node *what)
{
	struct node *black = node_make(self->thread, 15);

	CHECK(gc_heap_region_bits(&heap->gc, (uintptr_t)black) & GC_REGION_BLACK);
	black->next = what;
	plx_handle_set(self->thread, result, black);
}

static void step_pop_to_black(struct actor *self)
{
	step_hide_below_black(self, plx_root_stack_pop(self->thread, stack));
}

static void step_read_to_black(struct actor *self)
{
	step_hide_below_black(self, stack->base[0]);
}

static void step_pop(struct actor *self)
{
	CHECK(plx_root_stack_pop(self->thread, stack) == y);
}

static void step_destroy_stack(struct actor *self)
{
	CHECK(plx_root_stack_destroy(self->thread, stack) == PLX_OK);
}

static void test_what_is_popped_is_logged(void)
{
	story_begin(step_prepare_stack);
	both_poll(SETTLE);
	both_poll(SNAPSHOT);
	tell(&late, step_push_new);
	tell(&early, step_poll);
	tell(&early, step_pop_to_black);
	CHECK(round_now() == SNAPSHOT);
	cycle_await();
	check_survived(y, 14);
	tell(&early, step_destroy_stack);
	story_end(0);
}

/* Here late takes it off again, while it has no snapshot; or destroys the whole stack. */
static void stack_story(actor_step take_away, bool is_left)
{
	story_begin(step_prepare_stack);
	both_poll(SETTLE);
	both_poll(SNAPSHOT);
	tell(&late, step_push_new);
	tell(&early, step_poll);
	tell(&early, step_read_to_black);
	tell(&late, take_away);
	CHECK(round_now() == SNAPSHOT);
	cycle_await();
	check_survived(y, 14);
	if (is_left)
		tell(&early, step_destroy_stack);
	story_end(0);
}

static void test_what_is_popped_without_a_snapshot_is_logged(void)
{
	stack_story(step_pop, true);
}

static void test_a_stack_is_destroyed_in_the_middle(void)
{
	stack_story(step_destroy_stack, false);
}

static const struct {
	const char *name;
	void (*run)(void);
} stories[] = {
	{"insertion", test_a_stored_value_is_logged_until_the_snapshot},
	{"white", test_what_is_new_is_scanned_until_the_snapshot},
	{"settle", test_stores_settle_before_the_first_snapshot},
	{"flush", test_marking_ends_after_the_last_flush},
	{"attach", test_attach_in_the_middle},
	{"detach", test_detach_in_the_middle},
	{"block", test_block_in_the_middle},
	{"handle", test_what_a_handle_is_given_is_logged_until_the_snapshot},
	{"register", test_a_root_is_registered_in_the_middle},
	{"stack", test_what_is_popped_is_logged},
	{"stack-armed", test_what_is_popped_without_a_snapshot_is_logged},
	{"stack-destroyed", test_a_stack_is_destroyed_in_the_middle},
};

int main(int argc, char **argv)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	struct plx_heap_config config;
	struct plx_error error = {0};

	plx_config_init(&config);
	config.heap_max_bytes = 64 << 20;
	config.evacuate = 2; /* none */
	CHECK(plx_heap_create(&config, &heap, &error) == PLX_OK);
	layout = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		if (argc > 1 && strcmp(argv[1], stories[i].name) != 0)
			continue;
		printf("ragged: %s\n", stories[i].name);
		fflush(stdout);
		stories[i].run();
	}
	CHECK(plx_heap_destroy(heap) == PLX_OK);
	return 0;
}
