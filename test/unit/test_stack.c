/* test/unit/test_stack.c: GC_STACKS=ambiguous: what C locals refer to stays alive and where it is, in every
 * plan and delivery; what they do not is free to move and to die; the dead are not brought back.
 *
 * How it fares with threads and time is the shadow model's (`--locals`). */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/collect/verify.h"
#include "gc/os/sys.h"
#include "runtime/world.h"
#include "test/support/heap.h"

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
	uint64_t filling[29]; /* 256 bytes: a thousand in a region */
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes, *bytes;

static void heap_open(const char *stacks, const char *plan, const char *delivery)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	const char *const options[] = {
		"GC_HEAP_MAX",	    "32M",    "GC_EVACUATE", "all",  "GC_VERIFY", "1",
		"GC_CYCLE_EVERY",   "1T",     "GC_STACKS",   stacks, "GC_PLAN",	  plan,
		"GC_UFFD_DELIVERY", delivery, NULL,
	};

	test_heap_open(&heap, &thread, options);
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	bytes = plx_layout_bytes(heap, NULL);
}

static void heap_close(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

static struct plx_stats stats(void)
{
	struct plx_stats now;

	plx_heap_stats(heap, &now);
	return now;
}

static struct node *node_make(uint64_t value)
{
	struct node *node = plx_alloc(thread, nodes);

	assert_non_null(node);
	node->value = value;
	return node;
}

/* Something to move, and to overwrite what was freed. */
static __attribute__((noinline)) void litter(void)
{
	for (int i = 0; i < 5000; i++)
		node_make(UINT64_MAX);
}

/* Overwrite what calls have left below on the stack. */
static __attribute__((noinline)) void stack_wipe(void)
{
	volatile char words[16384];

	memset((char *)words, 0, sizeof(words));
	__asm__ volatile("" : : "r"(words) : "memory");
}

/* Did the last marking find what `hidden` is the complement of the address of? */
static bool is_marked(uintptr_t hidden)
{
	return gc_markbits_test(&heap->gc.markbits, (struct gc_haddr){~hidden});
}

/* ---- what a local keeps ---- */

static __attribute__((noinline)) void hold(void)
{
	struct node *whole = node_make(1);
	uint64_t *inside = &node_make(2)->value;
	struct node *list = node_make(3);
	char *leaf = plx_alloc_array(thread, bytes, 1000);
	char *large = plx_alloc_array(thread, bytes, 3 << 20);
	char *volatile behind; /* all there is: the address just behind the object */

	assert_non_null(leaf);
	assert_non_null(large);
	list->next = node_make(4);
	leaf += 500;
	memset(leaf, 'x', 500);
	large += 1 << 20;
	memset(large, 'y', 1000);
	behind = (char *)(node_make(5) + 1);
	for (int i = 0; i < 4; i++) {
		litter();
		plx_collect(thread);
		assert_int_equal(whole->value, 1);
		assert_int_equal(*inside, 2);
		assert_int_equal(list->value, 3);
		assert_int_equal(list->next->value, 4);
		assert_int_equal(leaf[499], 'x');
		assert_int_equal(large[999], 'y');
		assert_int_equal(((struct node *)(void *)behind - 1)->value, 5);
		if (i > 0) /* not allocated during that cycle, so marked by it */
			assert_true(is_marked(~((uintptr_t)behind - sizeof(struct node))));
	}
}

static void test_locals(void **state)
{
	static const char *const plans[][2] = {{"minor", "thread"},
					       {"minor", "sigbus"},
					       {"copy", "thread"},
					       {"copy", "sigbus"},
					       {"stw", NULL}};

	(void)state;
	for (int i = 0; i < 5; i++) {
		heap_open("ambiguous", plans[i][0], plans[i][1]);
		hold();
		assert_true(stats().stack_held_regions > 0);
		assert_true(stats().live_bytes > 3 << 20);
		stack_wipe();
		for (int k = 0; k < 3; k++)
			plx_collect(thread);
		assert_true(stats().live_bytes < 64 << 10); /* and no longer than that */
		heap_close();
	}
}

/* Every word of a page of the stack is a reference: they all count, in frames and registers. */
static __attribute__((noinline)) uint64_t hold_many(uint64_t depth)
{
	struct node *a = node_make(depth), *b = node_make(depth + 1), *c = node_make(depth + 2);
	struct node *d = node_make(depth + 3), *e = node_make(depth + 4);
	uint64_t sum;

	plx_poll(thread);
	sum = depth < 200 ? hold_many(depth + 1) : (plx_collect(thread), plx_collect(thread), 0);
	assert_int_equal(a->value, depth);
	assert_int_equal(b->value, depth + 1);
	assert_int_equal(c->value, depth + 2);
	assert_int_equal(d->value, depth + 3);
	assert_int_equal(e->value, depth + 4);
	return sum + a->value;
}

static void test_frames(void **state)
{
	(void)state;
	heap_open("ambiguous", NULL, NULL);
	assert_true(plx_heap_scans_stacks(heap));
	assert_int_equal(hold_many(0), 200 * 201 / 2);
	heap_close();
}

static void test_precise(void **state)
{
	struct node *volatile node;

	(void)state;
	heap_open("precise", NULL, NULL);
	assert_false(plx_heap_scans_stacks(heap));
	node = node_make(1);
	assert_non_null(node);
	plx_collect(thread);
	plx_collect(thread);
	assert_int_equal(stats().live_bytes, 0);
	assert_int_equal(stats().stack_held_regions, 0);
	heap_close();
}

/* ---- the dead ---- */

/* `dead` refers to what was freed since it died, from a region that something keeps: a word that happens
 * to be its address must not make the marker follow that. [AM-2] */
/* The complement of the address of a node that nobody refers to. */
static __attribute__((noinline)) uintptr_t make_dead(void)
{
	struct node *node = node_make(2);

	node->next = node_make(3);
	return ~(uintptr_t)node;
}

static void test_dead_stay_dead(void **state)
{
	struct plx_handle *neighbour;
	struct node *volatile word;
	uintptr_t hidden;

	(void)state;
	heap_open("ambiguous", NULL, NULL);
	neighbour = plx_handle_create(thread, node_make(1));
	assert_int_equal(plx_pin(thread, neighbour->ref, "test"), PLX_OK);
	hidden = make_dead();
	for (int i = 0; i < 3; i++) { /* the first may find what registers still hold */
		stack_wipe();
		litter();
		plx_collect(thread);
	}
	assert_false(is_marked(hidden));
	word = (struct node *)~hidden;
	plx_collect(thread);
	assert_false(is_marked(hidden));
	assert_int_equal(word->value, 2); /* it is still there, but nobody follows it */
	assert_int_equal(((struct node *)neighbour->ref)->value, 1);
	assert_int_equal(plx_unpin(thread, neighbour->ref, "test"), PLX_OK);
	plx_handle_release(thread, neighbour);
	heap_close();
}

/* ---- no memory ---- */

static void lose_words(struct gc_heap *gc, enum gc_verify_place place)
{
	if (place == GC_VERIFY_BEFORE)
		gc->ambiguous->overflowed = true;
}

static void test_words_lost(void **state)
{
	struct plx_handle *kept;
	uint64_t live;

	(void)state;
	heap_open("ambiguous", NULL, NULL);
	kept = plx_handle_create(thread, node_make(1));
	litter();
	gc_verify_tamper = lose_words;
	plx_collect(thread);
	gc_verify_tamper = NULL;
	live = stats().live_bytes;
	assert_true(live >= 5000 * sizeof(struct node)); /* nobody refers to them */
	stack_wipe();
	plx_collect(thread);
	plx_collect(thread);
	assert_true(stats().live_bytes < 64 << 10);
	assert_int_equal(((struct node *)kept->ref)->value, 1);
	plx_handle_release(thread, kept);
	heap_close();
}

static int no_bounds(void **low, size_t *size)
{
	(void)low, (void)size;
	return -ENOENT;
}

static void test_no_bounds(void **state)
{
	struct gc_sys failing = gc_sys_real;
	struct plx_error error = {0};

	(void)state;
	heap_open("ambiguous", NULL, NULL);
	plx_thread_detach(thread);
	failing.stack_bounds = no_bounds;
	gc_sys = &failing;
	assert_int_equal(plx_thread_attach(heap, &thread, &error), PLX_ERROR_SYSTEM);
	gc_sys = &gc_sys_real;
	assert_non_null(strstr(error.message, "GC_STACKS=ambiguous"));
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

/* ---- other threads ---- */

static sem_t inside, leave;

static void *block_main(void *argument)
{
	struct plx_thread *self = NULL;
	struct node *node;

	(void)argument;
	assert_int_equal(plx_thread_attach(heap, &self, NULL), PLX_OK);
	node = plx_alloc(self, nodes);
	node->value = 7;
	plx_block_enter(self);
	sem_post(&inside);
	sem_wait(&leave);
	plx_block_exit(self);
	assert_int_equal(node->value, 7);
	plx_thread_detach(self);
	return NULL;
}

static void test_blocked(void **state)
{
	pthread_t other;

	(void)state;
	heap_open("ambiguous", NULL, NULL);
	sem_init(&inside, 0, 0);
	sem_init(&leave, 0, 0);
	assert_int_equal(pthread_create(&other, NULL, block_main, NULL), 0);
	sem_wait(&inside);
	for (int i = 0; i < 4; i++) {
		litter();
		plx_collect(thread);
	}
	sem_post(&leave);
	plx_block_enter(thread);
	pthread_join(other, NULL);
	plx_block_exit(thread);
	heap_close();
}

/* Ends while blocked, against the rules; its stack is unmapped. */
static void *vanish_main(void *argument)
{
	struct plx_thread *self = NULL;

	assert_int_equal(plx_thread_attach(heap, &self, NULL), PLX_OK);
	plx_block_enter(self);
	return argument;
}

static void test_vanished(void **state)
{
	pthread_attr_t attributes;
	pthread_t other;

	(void)state;
	heap_open("ambiguous", NULL, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 96 << 20); /* more than libc keeps for reuse */
	assert_int_equal(pthread_create(&other, &attributes, vanish_main, NULL), 0);
	plx_block_enter(thread);
	pthread_join(other, NULL);
	plx_block_exit(thread);
	litter();
	plx_collect(thread);
	plx_collect(thread);
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_ERROR_MISUSE); /* it never detached */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locals),	   cmocka_unit_test(test_frames),
		cmocka_unit_test(test_precise),	   cmocka_unit_test(test_dead_stay_dead),
		cmocka_unit_test(test_words_lost), cmocka_unit_test(test_no_bounds),
		cmocka_unit_test(test_blocked),	   cmocka_unit_test(test_vanished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
