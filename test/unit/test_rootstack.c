/* test/unit/test_rootstack.c: root stacks: what is on them lives and follows its objects, in every plan and
 * delivery and at every place of a cycle; what is not costs nothing; the pause does not see their depth.
 *
 * The heap's `world` is wrapped: before and after each handshake, and before and after each pause, the collector's
 * thread waits until the test's thread has used its stacks. So every phase is met, every time. */
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/collect/collect.h"
#include "gc/collect/rootstack.h"
#include "runtime/world.h"
#include "bench/common/random.h"
#include "test/support/heap.h"

struct node {
	struct plx_header header;
	struct node *twin;
	uint64_t value;
};

#define SLOTS 100000

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes;
static struct plx_root_stack *stack;
static uint64_t expected[SLOTS]; /* 0: NULL */
static struct random dice;
static const char *supply = "2"; /* regions whose pages are made ahead */
static uint64_t last_value;

struct combination {
	const char *plan, *delivery, *flip;
};

static const struct combination combinations[] = {
	{"minor", "thread", "detach"}, {"minor", "sigbus", "detach"}, {"minor", "thread", "zap"},
	{"minor", "sigbus", "zap"},    {"copy", "thread", "auto"},    {"copy", "sigbus", "auto"},
	{"stw", NULL, "auto"},
};

#define COMBINATIONS (sizeof(combinations) / sizeof(*combinations))

static bool heap_open_as(const struct combination *how, const char *heap_max)
{
	static const size_t offsets[] = {offsetof(struct node, twin)};
	const char *const options[] = {
		"GC_HEAP_MAX",	  heap_max,  "GC_EVACUATE",	 "all",		"GC_VERIFY", "1",
		"GC_CYCLE_EVERY", "1T",	     "GC_FLIP",		 how->flip,	"GC_SUPPLY", supply,
		"GC_PLAN",	  how->plan, "GC_UFFD_DELIVERY", how->delivery, NULL,
	};

	if (!test_heap_try(&heap, &thread, options))
		return false;
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	assert_non_null(nodes);
	return true;
}

static void heap_open(void)
{
	static const struct combination any = {NULL, NULL, "auto"};

	assert_true(heap_open_as(&any, "64M"));
}

static void heap_close(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

static struct plx_root_stack *stack_make(size_t slots)
{
	struct plx_root_stack *made = plx_root_stack_create(thread, slots, NULL);

	assert_non_null(made);
	return made;
}

static uint64_t used_bytes(void)
{
	struct plx_stats stats;

	plx_heap_stats(heap, &stats);
	return stats.used_bytes;
}

/* A node and its twin, which refers back. Each is followed by garbage, so that moving changes distances. */
static struct node *node_make(uint64_t value)
{
	struct plx_handle *first;
	struct plx_scope scope;
	struct node *node, *twin;

	plx_scope_enter(thread, &scope);
	node = plx_alloc(thread, nodes);
	assert_non_null(node);
	node->value = value;
	first = plx_handle_push(thread, node);
	assert_non_null(plx_alloc(thread, nodes));
	twin = plx_alloc(thread, nodes);
	assert_non_null(twin);
	twin->value = ~value;
	node = first->ref;
	twin->twin = node;
	PLX_STORE(thread, &node->twin, twin);
	plx_scope_exit(thread, &scope);
	return node;
}

static void node_check(const struct node *node, uint64_t value)
{
	if (value == 0) {
		assert_null(node);
		return;
	}
	assert_int_equal(node->value, value);
	assert_int_equal(node->twin->value, ~value);
	assert_ptr_equal(node->twin->twin, node);
}

static size_t depth(void)
{
	return (size_t)(stack->top - stack->base);
}

static void push_new(void)
{
	struct node *node = node_make(++last_value);

	expected[depth()] = node->value;
	assert_true(plx_root_stack_push(stack, node));
}

static void check_all(void)
{
	for (size_t i = 0; i < depth(); i++)
		node_check(stack->base[i], expected[i]);
}

/* ---- one thread, no cycle under way ---- */

static void test_a_stack(void **state)
{
	struct plx_root_stack *small;
	void **base;
	int words[700];

	(void)state;
	heap_open();
	small = stack_make(700); /* less than two pages */
	base = small->base;
	assert_ptr_equal(small->top, base);
	assert_ptr_equal(small->limit, base + 700);
	for (int i = 0; i < 700; i++)
		assert_true(plx_root_stack_push(small, &words[i]));
	assert_false(plx_root_stack_push(small, &words[0])); /* full: nothing happens */
	assert_ptr_equal(small->top, small->limit);
	plx_root_stack_set(thread, small, 3, NULL);
	assert_null(small->base[3]);
	for (int i = 699; i > 400; i--)
		assert_ptr_equal(plx_root_stack_pop(thread, small), &words[i]);
	plx_root_stack_drop(thread, small, 397);
	assert_null(plx_root_stack_pop(thread, small));
	assert_ptr_equal(plx_root_stack_pop(thread, small), &words[2]);
	assert_ptr_equal(small->base, base);
	assert_int_equal(plx_root_stack_destroy(thread, small), PLX_OK);
	heap_close();
}

static void test_errors(void **state)
{
	struct plx_root_stack *mine, unknown = {0};
	struct plx_error error = {0};

	(void)state;
	heap_open();
	assert_null(plx_root_stack_create(thread, 0, &error));
	assert_int_equal(error.status, PLX_ERROR_MISUSE);
	assert_null(plx_root_stack_create(thread, 64u << 20, &error));
	assert_int_equal(error.status, PLX_ERROR_MEMORY);
	assert_non_null(strstr(error.message, "GC_HEAP_MAX"));
	assert_null(plx_root_stack_create(thread, SIZE_MAX, &error));
	assert_int_equal(error.status, PLX_ERROR_MEMORY);
	assert_int_equal(plx_root_stack_destroy(thread, &unknown), PLX_ERROR_MISUSE);
	mine = stack_make(10);
	assert_int_equal(plx_root_stack_destroy(thread, mine), PLX_OK);
	assert_int_equal(plx_root_stack_destroy(thread, mine), PLX_ERROR_MISUSE);
	heap_close();
}

/* What a collection frees makes room for a stack. */
static void test_making_room(void **state)
{
	(void)state;
	heap_open();
	for (int i = 0; i < 1500000; i++)
		assert_non_null(plx_alloc(thread, nodes));
	stack = stack_make((48u << 20) / sizeof(void *));
	assert_int_equal(plx_root_stack_destroy(thread, stack), PLX_OK);
	heap_close();
}

static void test_above_the_top_nothing_lives(void **state)
{
	struct plx_handle *weak;

	(void)state;
	heap_open();
	stack = stack_make(10000);
	push_new();
	weak = plx_handle_create(thread, NULL);
	plx_handle_set(thread, weak, plx_weak_create(thread, stack->base[0]));
	plx_collect(thread);
	assert_ptr_equal(plx_weak_get(thread, weak->ref), stack->base[0]);
	plx_root_stack_drop(thread, stack, 1);
	plx_collect(thread);
	assert_null(plx_weak_get(thread, weak->ref));
	heap_close(); /* with the stack still there */
}

/* ---- memory ---- */

static uint64_t file_bytes(void)
{
	struct stat status;

	assert_int_equal(fstat(heap->gc.view.memfd, &status), 0);
	return (uint64_t)status.st_blocks * 512;
}

static void test_memory(void **state)
{
	static const struct combination minor = {"minor", NULL, "auto"};
	uint64_t used, resident;

	(void)state;
	supply = "0"; /* nothing but the stack is to grow */
	if (!heap_open_as(&minor, "128M"))
		skip();
	node_make(1); /* a handle's page and a TLAB exist */
	used = used_bytes();
	resident = file_bytes();
	stack = stack_make((64u << 20) / sizeof(void *));
	assert_true(used_bytes() - used == 64u << 20);
	assert_true(file_bytes() == resident);
	for (int i = 0; i < 3000; i++)
		assert_true(plx_root_stack_push(stack, NULL));
	plx_collect(thread);
	plx_collect(thread);
	assert_true(file_bytes() - resident < 4u << 20);
	assert_int_equal(plx_root_stack_destroy(thread, stack), PLX_OK);
	plx_collect(thread);
	assert_true(used_bytes() < used + (4u << 20));
	heap_close();
	supply = "2";
}

/* ---- every place of a cycle ---- */

static atomic_int wanted; /* place + 1: the test's thread is to act */
static atomic_bool cycle_over;
static const struct gc_world *real_world;
static struct gc_world hooked_world;
static int place;
static void (*act)(int place);

/* On the collector's thread, while mutators run. */
static void hook(void)
{
	atomic_store(&wanted, ++place);
	while (atomic_load(&wanted))
		usleep(10);
}

static void hooked_handshake(struct gc_heap *gc, gc_answer answer)
{
	hook();
	real_world->handshake(gc, answer);
	hook(); /* behind the snapshots this comes before the marker */
}

static void hooked_stop(struct gc_heap *gc, enum gc_stop kind)
{
	hook();
	real_world->stop(gc, kind);
}

static void hooked_resume(struct gc_heap *gc)
{
	real_world->resume(gc);
	hook();
}

static void *collect_main(void *argument)
{
	(void)argument;
	plx_heap_collect(heap);
	atomic_store(&cycle_over, true);
	return NULL;
}

static void world_hook(void)
{
	real_world = heap->gc.world;
	hooked_world = *real_world;
	hooked_world.handshake = hooked_handshake;
	hooked_world.stop = hooked_stop;
	hooked_world.resume = hooked_resume;
	heap->gc.world = &hooked_world;
}

/* One cycle, `action` at each of its places; how many there were. */
static int cycle_with(void (*action)(int place))
{
	pthread_t collector;

	act = action;
	place = 0;
	atomic_store(&cycle_over, false);
	assert_int_equal(pthread_create(&collector, NULL, collect_main, NULL), 0);
	while (!atomic_load(&cycle_over)) {
		if (atomic_load(&wanted)) {
			act(place);
			atomic_store(&wanted, 0);
		}
		plx_poll(thread);
	}
	pthread_join(collector, NULL);
	return place;
}

static void pop_checked(void)
{
	size_t index = depth() - 1;

	node_check(plx_root_stack_pop(thread, stack), expected[index]);
}

static void act_randomly(int at)
{
	(void)at;
	for (size_t n = random_below(&dice, depth() / 2 + 1); n > 0; n--)
		pop_checked();
	for (size_t n = random_below(&dice, 700); n > 0; n--)
		push_new();
	for (size_t n = random_below(&dice, 1200); n > 0 && depth() > 0; n--) {
		size_t from = random_below(&dice, depth());

		expected[depth()] = expected[from];
		assert_true(plx_root_stack_push(stack, stack->base[from]));
	}
	for (int n = 0; n < 10 && depth() > 0; n++) {
		size_t index = random_below(&dice, depth());

		expected[index] = 0;
		plx_root_stack_set(thread, stack, index, NULL);
	}
}

static void test_every_place(void **state)
{
	(void)state;
	dice.state = 4711;
	for (size_t i = 0; i < COMBINATIONS; i++) {
		if (!heap_open_as(&combinations[i], "64M"))
			continue;
		stack = stack_make(SLOTS);
		world_hook();
		for (int cycle = 0; cycle < 4; cycle++) {
			assert_true(cycle_with(act_randomly) >= 2);
			check_all();
		}
		heap->gc.world = real_world;
		heap_close();
	}
}

/* The stack grows by more pages than the late list holds, at the last moment. */
static void act_grow(int at)
{
	(void)at;
	/* Relaxed: hints for the test. */
	if (gc_load_relaxed(&heap->gc.phase) != GC_PHASE_PLANNING)
		return;
	while (depth() < 60000) {
		expected[depth()] = expected[depth() % 100];
		assert_true(plx_root_stack_push(stack, stack->base[depth() % 100]));
	}
}

static void test_growing_before_the_flip(void **state)
{
	(void)state;
	for (size_t i = 0; i < COMBINATIONS - 1; i++) {
		if (!heap_open_as(&combinations[i], "64M"))
			continue;
		stack = stack_make(SLOTS);
		for (int n = 0; n < 100; n++)
			push_new();
		world_hook();
		cycle_with(act_grow);
		assert_int_equal(depth(), 60000);
		check_all();
		heap->gc.world = real_world;
		heap_close();
	}
}

/* Taken off after all snapshots and before the marker comes, and hidden below a black object. */
static struct plx_handle *black;

static void act_hide(int at)
{
	struct node *fresh;

	(void)at;
	if (thread->barrier != GC_REGIME_MARKING || black->ref)
		return;
	fresh = plx_alloc(thread, nodes);
	assert_non_null(fresh);
	assert_true(gc_heap_region_bits(&heap->gc, (uintptr_t)fresh) & GC_REGION_BLACK);
	fresh->twin = plx_root_stack_pop(thread, stack);
	plx_handle_set(thread, black, fresh);
}

static void test_popped_while_marking(void **state)
{
	struct node *fresh;

	(void)state;
	heap_open();
	stack = stack_make(1000);
	black = plx_handle_create(thread, NULL);
	push_new();
	world_hook();
	cycle_with(act_hide);
	heap->gc.world = real_world;
	fresh = black->ref;
	assert_non_null(fresh);
	node_check(fresh->twin, last_value);
	heap_close();
}

static void act_replace(int at)
{
	(void)at;
	check_all();
	assert_int_equal(plx_root_stack_destroy(thread, stack), PLX_OK);
	stack = stack_make(SLOTS);
	for (int n = 0; n < 700; n++)
		push_new();
}

static void test_destroyed_at_every_place(void **state)
{
	uint64_t used;

	(void)state;
	for (size_t i = 0; i < COMBINATIONS; i++) {
		if (!heap_open_as(&combinations[i], "64M"))
			continue;
		stack = stack_make(SLOTS);
		plx_collect(thread);
		used = used_bytes();
		world_hook();
		for (int cycle = 0; cycle < 3; cycle++)
			cycle_with(act_replace);
		heap->gc.world = real_world;
		check_all();
		plx_root_stack_drop(thread, stack, depth());
		plx_collect(thread);
		plx_collect(thread);
		assert_true(used_bytes() <= used + 4 * heap->gc.regions.region_bytes);
		heap_close();
	}
}

/* ---- depth ---- */

#define DEEP 1000000

static uint32_t built_in_pause, dirty_stack_pages;

static void counting_resume(struct gc_heap *gc)
{
	struct gc_page first = gc_heap_page(gc, gc_haddr(stack->base));
	uint32_t pages = DEEP * sizeof(void *) / gc->view.page_bytes + 1;

	for (uint32_t i = 0; i < pages && gc->pause_kind == GC_STOP_FLIP; i++) {
		struct gc_page page = {first.n + i};

		built_in_pause += gc_page_state(&gc->pages, page) != GC_PAGE_DETACHED;
		dirty_stack_pages += gc_unit_is_dirty(gc, page);
	}
	real_world->resume(gc);
}

static void deep_flip(size_t words)
{
	plx_root_stack_drop(thread, stack, depth());
	for (size_t i = 0; i < words; i++)
		assert_true(plx_root_stack_push(stack,
						i < 10 ? node_make(i + 1) : stack->base[i % 10]));
	plx_collect(thread); /* so that the nodes' region is not allocated in any more */
	built_in_pause = dirty_stack_pages = 0;
	plx_collect(thread);
	for (size_t i = 0; i < words; i++)
		node_check(stack->base[i], i % 10 + 1);
}

static void test_depth_is_not_seen_by_the_pause(void **state)
{
	static const struct combination minor = {"minor", NULL, "detach"};
	static const size_t depths[] = {DEEP, 10, DEEP / 100, DEEP};

	(void)state;
	if (!heap_open_as(&minor, "64M"))
		skip();
	heap->gc.config.verify = 0; /* else there are more pauses */
	stack = stack_make(DEEP);
	real_world = heap->gc.world;
	hooked_world = *real_world;
	hooked_world.resume = counting_resume;
	heap->gc.world = &hooked_world;
	for (size_t i = 0; i < sizeof(depths) / sizeof(*depths); i++) {
		size_t bytes = depths[i] * sizeof(void *), page = heap->gc.view.page_bytes;

		deep_flip(depths[i]);
		assert_int_equal(built_in_pause, 0);
		assert_int_equal(dirty_stack_pages, (bytes + page - 1) / page);
	}
	heap->gc.world = real_world;
	heap_close();
}

/* ---- threads ---- */

static void *other_main(void *argument)
{
	struct plx_thread *test = thread;

	(void)argument;
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	if (stack) {
		check_all();
		pop_checked();
		assert_int_equal(plx_root_stack_destroy(thread, stack), PLX_OK);
		stack = NULL;
	} else {
		stack = stack_make(2000);
		for (int i = 0; i < 1000; i++)
			push_new();
	}
	plx_thread_detach(thread);
	thread = test;
	return NULL;
}

static void other_thread(void)
{
	pthread_t other;

	plx_block_enter(thread);
	assert_int_equal(pthread_create(&other, NULL, other_main, NULL), 0);
	pthread_join(other, NULL);
	plx_block_exit(thread);
}

static void test_it_changes_hands(void **state)
{
	(void)state;
	heap_open();
	stack = NULL;
	other_thread(); /* makes it, fills it, ends */
	plx_collect(thread);
	check_all();
	pop_checked();
	push_new();
	plx_collect(thread);
	other_thread(); /* destroys it */
	assert_null(stack);
	heap_close();
}

/* ---- misuse ---- */

static void misuse_attached(void)
{
	struct plx_heap *other;
	struct plx_thread *other_thread_of_it;

	assert_int_equal(plx_heap_create(NULL, &other, NULL), PLX_OK);
	assert_int_equal(plx_thread_attach(other, &other_thread_of_it, NULL), PLX_OK);
	plx_root_stack_check(other_thread_of_it, stack, 0);
}

static void *check_main(void *argument)
{
	(void)argument;
	plx_root_stack_check(NULL, stack, 0);
	return NULL;
}

static void misuse_not_attached(void)
{
	pthread_t other;

	pthread_create(&other, NULL, check_main, NULL);
	pthread_join(other, NULL);
}

static void misuse_empty(void)
{
#ifdef PLX_DEBUG
	plx_root_stack_drop(thread, stack, depth());
	plx_root_stack_pop(thread, stack);
#else
	plx_root_stack_check(thread, stack, depth() + 1);
#endif
}

static void misuse_index(void)
{
#ifdef PLX_DEBUG
	plx_root_stack_set(thread, stack, depth(), NULL);
#else
	plx_root_stack_check(thread, stack, depth() + 1);
#endif
}

static void misuse_top(void)
{
	stack->top = stack->limit + 1;
	plx_root_stack_check(thread, stack, 0);
}

static void misuse_blocked(void)
{
	plx_block_enter(thread);
	plx_root_stack_check(thread, stack, 0);
}

static void expect_death(void (*misuse)(void), const char *message)
{
	char text[4096] = "";
	size_t used = 0;
	ssize_t got;
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL); /* cmocka's would go on */
		heap_open();
		stack = stack_make(100);
		push_new();
		misuse();
		_exit(0);
	}
	close(ends[1]);
	while ((got = read(ends[0], text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)got;
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	if (!strstr(text, message))
		fail_msg("expected `%s`, got: %s", message, text);
}

static void test_misuse(void **state)
{
	(void)state;
	expect_death(misuse_attached, "another thread's, or of another heap");
	expect_death(misuse_not_attached, "not attached");
	expect_death(misuse_empty, "words are popped off");
	expect_death(misuse_index, "indexed on, a root stack that holds 1");
	expect_death(misuse_top, "changed by hand");
	expect_death(misuse_blocked, "inside of a blocking region");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stack),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_making_room),
		cmocka_unit_test(test_above_the_top_nothing_lives),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_every_place),
		cmocka_unit_test(test_growing_before_the_flip),
		cmocka_unit_test(test_popped_while_marking),
		cmocka_unit_test(test_destroyed_at_every_place),
		cmocka_unit_test(test_depth_is_not_seen_by_the_pause),
		cmocka_unit_test(test_it_changes_hands),
		cmocka_unit_test(test_misuse), /* forks before it makes a heap */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
