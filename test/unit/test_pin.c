/* test/unit/test_pin.c: pins: objects stay where they are and alive, counted and by name, at whatever
 * moment of a cycle they are pinned; what is held back is told; system calls work on pinned buffers.
 *
 * Pins that come between plan and flip are made by the verifier's hook, in the flip's pause: the heap is
 * then as a mutator that was quick enough would have left it. */
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/collect/verify.h"
#include "runtime/world.h"
#include "test/support/heap.h"

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
	uint64_t filling[29]; /* 256 bytes: a thousand in a region */
};

#define COUNT 8000 /* 2 MiB */

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes, *bytes;
static struct plx_handle *kept[COUNT];
static struct node *before[COUNT];

static void heap_open(const char *plan, const char *delivery, const char *flip)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	const char *const options[] = {
		"GC_HEAP_MAX",	    "32M",    "GC_EVACUATE", "all", "GC_VERIFY", "1",
		"GC_CYCLE_EVERY",   "1T",     "GC_FLIP",     flip,  "GC_PLAN",	 plan,
		"GC_UFFD_DELIVERY", delivery, NULL,
	};

	test_heap_open(&heap, &thread, options);
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	bytes = plx_layout_bytes(heap, NULL);
	assert_non_null(nodes);
	assert_non_null(bytes);
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

/* COUNT nodes in a row of addresses, each in a handle, each referring to the one before. Two collections
 * make their regions old enough to be evacuated. */
static void nodes_make(void)
{
	for (uint64_t i = 0; i < COUNT; i++) {
		struct node *node = plx_alloc(thread, nodes);

		assert_non_null(node);
		node->value = i;
		node->next = i ? kept[i - 1]->ref : NULL;
		kept[i] = plx_handle_create(thread, node);
		assert_non_null(kept[i]);
	}
	plx_collect(thread);
}

static void nodes_note(void)
{
	for (uint64_t i = 0; i < COUNT; i++)
		before[i] = kept[i]->ref;
}

/* Contents and references are right; how many are where they were noted? */
static uint64_t nodes_check(void)
{
	uint64_t unmoved = 0;

	for (uint64_t i = 0; i < COUNT; i++) {
		const struct node *node = kept[i]->ref;

		assert_int_equal(node->value, i);
		assert_ptr_equal(node->next, i ? kept[i - 1]->ref : NULL);
		unmoved += node == before[i];
	}
	return unmoved;
}

static void nodes_drop(void)
{
	for (uint64_t i = 0; i < COUNT; i++)
		plx_handle_release(thread, kept[i]);
}

/* ---- one object ---- */

static void test_stays(void **state)
{
	struct node *pinned;

	(void)state;
	heap_open(NULL, NULL, "auto");
	nodes_make();
	nodes_note();
	pinned = kept[COUNT / 2]->ref;
	assert_int_equal(plx_pin(thread, pinned, "test"), PLX_OK);
	for (int i = 0; i < 3; i++) {
		plx_collect(thread);
		assert_ptr_equal(kept[COUNT / 2]->ref, pinned);
		assert_true(nodes_check() < COUNT / 2); /* others move */
	}
	assert_true(stats().pin_held_regions >= 3);
	assert_int_equal(plx_unpin(thread, pinned, "test"), PLX_OK);
	plx_collect(thread);
	assert_ptr_not_equal(kept[COUNT / 2]->ref, pinned);
	nodes_drop();
	heap_close();
}

/* Nothing but the pin keeps it, and what it refers to, alive. */
static void test_keeps_alive(void **state)
{
	struct node *pinned, *child;

	(void)state;
	heap_open(NULL, NULL, "auto");
	pinned = plx_alloc(thread, nodes);
	pinned->value = 1;
	assert_int_equal(plx_pin(thread, pinned, "test"), PLX_OK);
	child = plx_alloc(thread, nodes);
	child->value = 2;
	PLX_STORE(thread, &pinned->next, child);
	for (int i = 0; i < 3; i++) {
		plx_collect(thread);
		for (int k = 0; k < 20000; k++)
			plx_alloc(thread, nodes); /* over whatever were freed */
		assert_int_equal(pinned->value, 1);
		assert_int_equal(pinned->next->value, 2);
	}
	assert_int_equal(plx_unpin(thread, pinned, "test"), PLX_OK);
	plx_collect(thread);
	plx_collect(thread);
	assert_true(stats().live_bytes < 4096);
	heap_close();
}

struct seen {
	void *object;
	uint64_t zlib, curl, pairs;
};

static void see(void *object, const char *who, uint64_t count, void *context)
{
	struct seen *seen = context;

	assert_ptr_equal(object, seen->object);
	seen->pairs++;
	if (strcmp(who, "zlib") == 0)
		seen->zlib = count;
	else if (strcmp(who, "curl") == 0)
		seen->curl = count;
}

static void test_counts(void **state)
{
	char zlib[] = "zlib"; /* names are compared by their letters */
	struct seen seen = {0};
	struct node *node;

	(void)state;
	heap_open(NULL, NULL, "auto");
	node = plx_alloc(thread, nodes);
	assert_int_equal(plx_pin(thread, node, "zlib"), PLX_OK);
	assert_int_equal(plx_pin(thread, node, zlib), PLX_OK);
	assert_int_equal(plx_pin(thread, node, "curl"), PLX_OK);
	seen.object = node;
	plx_pins_each(heap, see, &seen);
	assert_int_equal(seen.pairs, 2);
	assert_int_equal(seen.zlib, 2);
	assert_int_equal(seen.curl, 1);
	assert_int_equal(stats().pins, 2);
	assert_int_equal(stats().pinned_regions, 1);
	assert_int_equal(plx_unpin(thread, node, "ssl"), PLX_ERROR_MISUSE);
	assert_int_equal(plx_unpin(thread, node, "curl"), PLX_OK);
	assert_int_equal(plx_unpin(thread, node, "curl"), PLX_ERROR_MISUSE);
	assert_int_equal(plx_unpin(thread, node, "zlib"), PLX_OK);
	plx_collect(thread);
	plx_collect(thread);
	assert_int_equal(stats().pinned_regions, 1); /* once is left */
	assert_int_equal(plx_unpin(thread, node, "zlib"), PLX_OK);
	assert_int_equal(stats().pins, 0);
	assert_int_equal(stats().pinned_regions, 0);
	heap_close();
}

static void test_misuse(void **state)
{
	struct node *node;
	int local;

	(void)state;
	heap_open(NULL, NULL, "auto");
	node = plx_alloc(thread, nodes);
	assert_int_equal(plx_unpin(thread, node, "test"), PLX_ERROR_MISUSE);
	assert_int_equal(plx_pin(thread, NULL, "test"), PLX_ERROR_MISUSE);
	assert_int_equal(plx_pin(thread, &local, "test"), PLX_ERROR_MISUSE);
	assert_int_equal(plx_pin(thread, (char *)node + 4, "test"), PLX_ERROR_MISUSE);
	assert_int_equal(plx_pin(thread, node, NULL), PLX_ERROR_MISUSE);
	assert_int_equal(stats().pins, 0);
	heap_close();
}

static void test_scopes(void **state)
{
	struct plx_pin_scope outer, inner;
	struct plx_scope handles;

	(void)state;
	heap_open(NULL, NULL, "auto");
	plx_scope_enter(thread, &handles);
	plx_pin_scope_enter(&outer, "outer");
	assert_int_equal(plx_pin_scoped(thread, &outer, NULL), PLX_OK);
	for (int i = 0; i < 100;
	     i++) { /* more than a scope holds by itself, than the table at first */
		struct node *node = plx_alloc(thread, nodes);

		node->value = (uint64_t)i;
		assert_int_equal(plx_pin_scoped(thread, &outer, node), PLX_OK);
	}
	plx_pin_scope_enter(&inner, "inner");
	assert_int_equal(plx_pin_scoped(thread, &inner, outer.objects[50]), PLX_OK);
	assert_int_equal(plx_pin_scoped(thread, &inner, &inner), PLX_ERROR_MISUSE);
	assert_int_equal(stats().pins, 101);
	plx_collect(thread);
	plx_collect(thread);
	plx_pin_scope_exit(thread, &inner);
	assert_int_equal(stats().pins, 100);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(((struct node *)outer.objects[i])->value, i);
	plx_pin_scope_exit(thread, &outer);
	assert_int_equal(stats().pins, 0);
	assert_int_equal(stats().pinned_regions, 0);
	plx_scope_exit(thread, &handles);
	heap_close();
}

/* ---- between plan and flip ---- */

static uint32_t step; /* pin every step-th chosen region */
static uint32_t late[4096], late_count, chosen_count;

/* A mutator pinned this region while the cycle was marking: after it had become a candidate. */
static uintptr_t marked_pin;

static void pin_while_marking(struct gc_heap *gc, enum gc_verify_place place)
{
	if (place == GC_VERIFY_MARK)
		gc_pin_region(gc, (struct gc_haddr){marked_pin});
}

static void test_pin_after_candidates(void **state)
{
	(void)state;
	heap_open(NULL, NULL, "auto");
	nodes_make();
	nodes_note();
	marked_pin = (uintptr_t)before[COUNT / 2];
	gc_verify_tamper = pin_while_marking;
	plx_collect(thread);
	gc_verify_tamper = NULL;
	assert_ptr_equal(kept[COUNT / 2]->ref, marked_pin);
	assert_int_equal(stats().pin_held_regions, 1);
	assert_int_equal(stats().unchosen_regions, 0);
	assert_true(nodes_check() < COUNT / 2);
	gc_unpin_region(&heap->gc, (struct gc_haddr){marked_pin});
	nodes_drop();
	heap_close();
}

static void pin_late(struct gc_heap *gc, enum gc_verify_place place)
{
	if (place != GC_VERIFY_FLIP)
		return;
	for (int range = 0; range < GC_RANGE_COUNT; range++)
		for (uint32_t r = gc->cycle.evacuated_first[range]; r != GC_REGION_NONE;
		     r = gc->regions.table[r].next)
			if (chosen_count++ % step == 0) {
				gc_pin_region(gc, gc_region_start(&gc->regions, r));
				late[late_count++] = r;
			}
}

static bool is_late(const void *object)
{
	const struct gc_regions *regions = &heap->gc.regions;

	for (uint32_t i = 0; i < late_count; i++)
		if (gc_region_of(regions, (struct gc_haddr){(uintptr_t)object}) == late[i])
			return true;
	return false;
}

static void late_undo(void)
{
	for (uint32_t i = 0; i < late_count; i++)
		gc_unpin_region(&heap->gc, gc_region_start(&heap->gc.regions, late[i]));
	late_count = chosen_count = 0;
}

/* A region that was planned to move stays, whole; the rest moves; then all of it moves. */
static void unchoose(const char *plan, const char *delivery, const char *flip, uint32_t every)
{
	uint64_t unmoved = 0, zapped;

	heap_open(plan, delivery, flip);
	nodes_make();
	zapped = stats().flips_zapped;
	nodes_note();
	step = every;
	gc_verify_tamper = pin_late;
	plx_collect(thread);
	gc_verify_tamper = NULL;
	assert_true(late_count > 0);
	assert_int_equal(stats().unchosen_regions, late_count);
	assert_int_equal(stats().flips_zapped, zapped); /* [PN-2] the lists are without its pages */
	for (uint64_t i = 0; i < COUNT; i++)
		unmoved += is_late(before[i]);
	assert_true(unmoved > 0);
	assert_int_equal(nodes_check(), unmoved);
	for (uint64_t i = 0; i < COUNT; i++) /* each of those, no other */
		assert_int_equal(kept[i]->ref == before[i], is_late(before[i]));
	plx_collect(thread); /* with gaps in the targets of the cycle before */
	nodes_check();
	late_undo();
	nodes_note();
	plx_collect(thread);
	assert_true(nodes_check() < COUNT / 4);
	if (strcmp(flip, "zap") == 0)
		assert_true(stats().flips_zapped >
			    zapped); /* and without pins it would have been */
	nodes_drop();
	heap_close();
}

static void test_unchoose(void **state)
{
	(void)state;
	unchoose("minor", "thread", "detach", 2);
	unchoose("minor", "sigbus", "zap", 3);
	unchoose("copy", "thread", "auto", 2);
	unchoose("copy", "sigbus", "auto", 3);
	unchoose("stw", NULL, "auto", 2);
}

static void test_unchoose_all(void **state)
{
	(void)state;
	unchoose("minor", NULL, "zap", 1);
	unchoose("copy", NULL, "auto", 1);
	unchoose("stw", NULL, "auto", 1);
}

/* More than the list of late pins holds. */
static void pin_late_often(struct gc_heap *gc, enum gc_verify_place place)
{
	uint32_t first = late_count;

	pin_late(gc, place);
	for (uint32_t i = first; i < late_count; i++)
		for (int k = 0; k < 2 * GC_PINS_LATE_MAX; k++) {
			gc_pin_region(gc, gc_region_start(&gc->regions, late[i]));
			gc_unpin_region(gc, gc_region_start(&gc->regions, late[i]));
		}
}

static void test_unchoose_many(void **state)
{
	(void)state;
	heap_open(NULL, NULL, "auto");
	nodes_make();
	nodes_note();
	step = 2;
	gc_verify_tamper = pin_late_often;
	plx_collect(thread);
	gc_verify_tamper = NULL;
	assert_int_equal(stats().unchosen_regions, late_count);
	for (uint64_t i = 0; i < COUNT; i++)
		assert_int_equal(kept[i]->ref == before[i], is_late(before[i]));
	nodes_check();
	late_undo();
	nodes_drop();
	heap_close();
}

/* ---- system calls on pinned buffers ---- */

#define BUFFERS 40
#define BUFFER_BYTES 30000

static atomic_bool stop;

static void *collect_main(void *argument)
{
	(void)argument;
	while (!atomic_load(&stop))
		plx_heap_collect(heap);
	return NULL;
}

/* Out and in again through a pipe, with both ends in buffers that were moved a moment ago. */
static void buffers_use(const int *pipe_ends, struct plx_handle **buffers, int round)
{
	struct plx_header *from = buffers[round % BUFFERS]->ref;
	struct plx_header *to = buffers[(round + 1) % BUFFERS]->ref;
	char *out = (char *)(from + 1), *in = (char *)(to + 1);

	assert_int_equal(plx_pin(thread, from, "pipe"), PLX_OK);
	assert_int_equal(plx_pin(thread, to, "pipe"), PLX_OK);
	plx_block_enter(thread);
	assert_int_equal(getrandom(out, BUFFER_BYTES, 0), BUFFER_BYTES);
	assert_int_equal(write(pipe_ends[1], out, BUFFER_BYTES), BUFFER_BYTES);
	assert_int_equal(read(pipe_ends[0], in, BUFFER_BYTES), BUFFER_BYTES);
	assert_int_equal(send(pipe_ends[2], out, 2000, 0), 2000);
	assert_int_equal(recv(pipe_ends[3], out, 2000, MSG_WAITALL), 2000);
	assert_memory_equal(in, out, BUFFER_BYTES);
	plx_block_exit(thread);
	assert_int_equal(plx_unpin(thread, from, "pipe"), PLX_OK);
	assert_int_equal(plx_unpin(thread, to, "pipe"), PLX_OK);
}

static void system_calls(const char *plan, const char *delivery)
{
	struct plx_handle *buffers[BUFFERS];
	pthread_t collector;
	int ends[4];

	heap_open(plan, delivery, "auto");
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends + 2), 0);
	for (int i = 0; i < BUFFERS; i++) {
		void *buffer = plx_alloc_array(thread, bytes, BUFFER_BYTES);

		assert_non_null(buffer);
		buffers[i] = plx_handle_create(thread, buffer);
	}
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&collector, NULL, collect_main, NULL), 0);
	/* The collector runs when it gets a CPU: by flips, not by rounds. */
	for (int round = 0; stats().flips < 10; round++)
		buffers_use(ends, buffers, round);
	atomic_store(&stop, true);
	plx_block_enter(thread);
	pthread_join(collector, NULL);
	plx_block_exit(thread);
	for (int i = 0; i < 4; i++)
		close(ends[i]);
	for (int i = 0; i < BUFFERS; i++)
		plx_handle_release(thread, buffers[i]);
	heap_close();
}

static void test_system_calls(void **state)
{
	(void)state;
	system_calls("minor", "thread");
	system_calls("minor", "sigbus");
	system_calls("copy", "thread");
	system_calls("copy", "sigbus");
	system_calls("stw", NULL);
}

/* A pinned object in each region, and nothing else alive: there is room, but no cycle can win any of it. That is
 * found out by a few, not by as many as would be tried while cycles win something. */
static void test_room_that_pins_hold_is_given_up_soon(void **state)
{
	uintptr_t region = 0;
	struct plx_stats now;
	struct node *node;

	(void)state;
	test_heap_open(&heap, &thread, (const char *const[]){"GC_HEAP_MAX", "8M", NULL});
	nodes = plx_layout_fixed(heap, sizeof(struct node), (size_t[]){offsetof(struct node, next)},
				 1, NULL);
	assert_non_null(nodes);
	while ((node = plx_alloc(thread, nodes)) != NULL) {
		if ((uintptr_t)node / stats().region_bytes != region)
			assert_int_equal(plx_pin(thread, node, "everywhere"), PLX_OK);
		region = (uintptr_t)node / stats().region_bytes;
	}
	now = stats();
	assert_true(now.live_bytes < now.heap_max_bytes / 4);
	assert_true(now.stalls <= 10);
	heap_close();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stays),
		cmocka_unit_test(test_keeps_alive),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_pin_after_candidates),
		cmocka_unit_test(test_unchoose),
		cmocka_unit_test(test_unchoose_all),
		cmocka_unit_test(test_unchoose_many),
		cmocka_unit_test(test_system_calls),
		cmocka_unit_test(test_room_that_pins_hold_is_given_up_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
