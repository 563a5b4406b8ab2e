/* test/unit/test_fixed.c: the fixed space (parallax/fixed.h): fixed objects keep their addresses while all
 * else moves, have their references updated where they are, die when nothing refers to them, and go
 * on working as referents of everything, as buffers of system calls, and when memory runs out. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/collect/fixed.h"
#include "gc/collect/reference.h"
#include "runtime/world.h"
#include "test/support/inject.h"
#include "test/support/heap.h"

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes, *arrays, *bytes;

static bool heap_try_open(const char *plan, const char *delivery, const char *stacks)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	const char *const options[] = {
		"GC_HEAP_MAX", "32M", "GC_EVACUATE",	  "all",    "GC_VERIFY", "1",
		"GC_PLAN",     plan,  "GC_UFFD_DELIVERY", delivery, "GC_STACKS", stacks,
		NULL,
	};

	if (!test_heap_try(&heap, &thread, options))
		return false;
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	arrays = plx_layout_references(heap, NULL);
	bytes = plx_layout_bytes(heap, NULL);
	return true;
}

static void heap_open(void)
{
	assert_true(heap_try_open(NULL, NULL, NULL));
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

static struct plx_handle *handle_of(void *object)
{
	struct plx_handle *handle;

	assert_non_null(object);
	handle = plx_handle_create(thread, object);
	assert_non_null(handle);
	return handle;
}

static bool is_zero(const char *from, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (from[i])
			return false;
	return true;
}

/* ---- addresses, and what fixed objects refer to ---- */

#define PAIRS 3000

static struct plx_handle *fixed_nodes[PAIRS], *plain_nodes[PAIRS];
static void *fixed_at[PAIRS];

/* Each fixed node refers to a plain one, and that to the fixed node before. */
static void pairs_make(void)
{
	for (uint64_t i = 0; i < PAIRS; i++) {
		struct node *node;

		fixed_nodes[i] = handle_of(plx_alloc_fixed(thread, nodes, 0));
		plain_nodes[i] = handle_of(plx_alloc(thread, nodes));
		node = plain_nodes[i]->ref;
		node->value = 2 * i;
		node->next = i ? fixed_nodes[i - 1]->ref : NULL;
		node = fixed_nodes[i]->ref;
		fixed_at[i] = node;
		node->value = 2 * i + 1;
		PLX_STORE(thread, &node->next, plain_nodes[i]->ref);
	}
}

static uint64_t pairs_check(void)
{
	static void *plain_at[PAIRS];
	uint64_t moved = 0;

	for (uint64_t i = 0; i < PAIRS; i++) {
		const struct node *fixed = fixed_nodes[i]->ref, *plain = plain_nodes[i]->ref;

		assert_ptr_equal(fixed, fixed_at[i]);
		assert_int_equal(fixed->value, 2 * i + 1);
		assert_ptr_equal(fixed->next, plain);
		assert_int_equal(plain->value, 2 * i);
		assert_ptr_equal(plain->next, i ? fixed_at[i - 1] : NULL);
		moved += plain != plain_at[i];
		plain_at[i] = plain_nodes[i]->ref;
	}
	return moved;
}

static void pairs_drop(void)
{
	for (uint64_t i = 0; i < PAIRS; i++) {
		plx_handle_release(thread, fixed_nodes[i]);
		plx_handle_release(thread, plain_nodes[i]);
	}
}

static void stays(const char *plan, const char *delivery)
{
	if (!heap_try_open(plan, delivery, NULL))
		skip();
	pairs_make();
	assert_int_equal(stats().fixed_objects, PAIRS);
	assert_int_equal(stats().fixed_bytes, PAIRS * sizeof(struct node));
	plx_collect(thread);
	pairs_check();
	for (int i = 0; i < 6; i++) {
		plx_collect(thread);
		assert_true(pairs_check() > PAIRS / 2); /* all else moves */
	}
	assert_int_equal(stats().fixed_objects, PAIRS);
	pairs_drop();
	heap_close();
}

static void test_stays(void **state)
{
	(void)state;
	stays("minor", "thread");
	stays("minor", "sigbus");
	stays("copy", "thread");
	stays("copy", "sigbus");
	stays("stw", NULL);
}

/* ---- sizes ---- */

static void size_check(const struct plx_layout *layout, uint64_t length, uint64_t element_bytes,
		       struct plx_handle **kept)
{
	char *object = plx_alloc_fixed(thread, layout, length);
	bool leaf = layout == bytes;

	assert_non_null(object);
	assert_int_equal(plx_object_length(object), length);
	assert_true(is_zero(object + 8, length * element_bytes));
	if (leaf)
		memset(object + 8, 0x5a, length);
	else if (length)
		*(void **)(void *)(object + length * 8) = object; /* its last slot: itself */
	*kept = handle_of(object);
}

/* From a header alone to several regions; leaves come from the leaf range. */
static void test_sizes(void **state)
{
	static struct plx_handle *kept[400];
	static void *at[400];
	uint64_t region, leaf_range;
	int count = 0;

	(void)state;
	heap_open();
	region = stats().region_bytes;
	leaf_range = (uintptr_t)heap->gc.view.heap + heap->gc.view.range_bytes;
	for (uint64_t size = 0; size < 3 * region; size = size * 3 / 2 + 8) {
		size_check(arrays, size / 8, 8, &kept[count++]);
		assert_true((uintptr_t)kept[count - 1]->ref < leaf_range);
		size_check(bytes, size, 1, &kept[count++]);
		assert_true((uintptr_t)kept[count - 1]->ref >= leaf_range);
	}
	for (int i = 0; i < count; i++)
		at[i] = kept[i]->ref;
	for (int round = 0; round < 3; round++) {
		plx_collect(thread);
		for (int i = 0; i < count; i++) {
			char *object = kept[i]->ref;
			uint64_t length = plx_object_length(object);

			assert_ptr_equal(object, at[i]);
			if (i % 2 == 0 && length)
				assert_ptr_equal(*(void **)(void *)(object + length * 8), object);
			else if (i % 2 == 1 && length)
				assert_int_equal(object[8 + length - 1], 0x5a);
		}
	}
	for (int i = 0; i < count; i++)
		plx_handle_release(thread, kept[i]);
	plx_collect(thread);
	plx_collect(thread);
	assert_int_equal(stats().fixed_objects, 0);
	assert_int_equal(stats().fixed_bytes, 0);
	heap_close();
}

/* ---- dying, and being used again ---- */

static void test_dies(void **state)
{
	uint64_t used;

	(void)state;
	heap_open();
	plx_collect(thread);
	used = stats().used_bytes;
	/* Much more than there is memory for, were it not freed; each time all zero. */
	for (int i = 0; i < 60000; i++) {
		struct node *node = plx_alloc_fixed(thread, nodes, 0);
		char *buffer = plx_alloc_fixed(thread, bytes, 3000);

		assert_non_null(buffer);
		assert_true(is_zero(buffer + 8, 3000));
		memset(buffer + 8, 0xff, 3000);
		(void)node;
	}
	assert_true(stats().cycles > 3);
	plx_collect(thread);
	plx_collect(thread);
	assert_int_equal(stats().fixed_objects, 0);
	assert_true(stats().used_bytes <= used + 2 * stats().region_bytes); /* their regions too */
	heap_close();
}

/* Every other one lives: it stays whole, and what is free between is used. */
static void test_holes(void **state)
{
	static struct plx_handle *kept[2000];
	static void *at[2000];
	uint64_t again = 0;

	(void)state;
	heap_open();
	for (uint64_t i = 0; i < 2000; i++) {
		struct node *node = plx_alloc_fixed(thread, nodes, 0);

		node->value = i;
		at[i] = node;
		kept[i] = handle_of(node);
	}
	for (uint64_t i = 0; i < 2000; i += 2)
		plx_handle_set(thread, kept[i], NULL);
	plx_collect(thread);
	assert_int_equal(stats().fixed_objects, 1000);
	for (uint64_t i = 0; i < 1000; i++) {
		const struct node *node = plx_alloc_fixed(thread, nodes, 0);

		assert_null(node->next);
		assert_int_equal(node->value, 0);
		for (uint64_t k = 0; k < 2000; k += 2)
			again += node == at[k];
	}
	assert_true(again > 900);
	for (uint64_t i = 1; i < 2000; i += 2) {
		assert_ptr_equal(kept[i]->ref, at[i]);
		assert_int_equal(((struct node *)at[i])->value, i);
	}
	heap_close();
}

static uint64_t file_bytes(void)
{
	struct stat status;

	assert_int_equal(fstat(heap->gc.view.memfd, &status), 0);
	return (uint64_t)status.st_blocks * 512;
}

/* An idle heap gives the pages between fixed objects back to the kernel, and takes them again. */
static void test_purge(void **state)
{
	enum { COUNT = 400, LENGTH = 20000 };
	static struct plx_handle *kept[COUNT];
	uint64_t full, returned;

	(void)state;
	setenv("GC_RESIDENT_IDLE", "0", 1);
	assert_true(heap_try_open("minor", NULL, NULL));
	unsetenv("GC_RESIDENT_IDLE");
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < COUNT; i++) {
			char *buffer = plx_alloc_fixed(thread, bytes, LENGTH);

			assert_non_null(buffer);
			assert_true(is_zero(buffer + 8, LENGTH));
			memset(buffer + 8, i, LENGTH);
			if (!kept[i])
				kept[i] = handle_of(buffer);
			else if (i % 8)
				plx_handle_set(thread, kept[i], buffer);
		}
		full = file_bytes();
		returned = stats().returned_bytes;
		for (int i = 0; i < COUNT; i++)
			if (i % 8)
				plx_handle_set(thread, kept[i], NULL);
		plx_collect(thread);
		/* It is counted after it was given back. */
		while (file_bytes() > full / 2 || stats().returned_bytes - returned < full / 2)
			usleep(1000);
		for (int i = 0; i < COUNT; i += 8)
			for (int k = 0; k < LENGTH; k++)
				assert_int_equal(((uint8_t *)kept[i]->ref)[8 + k], (uint8_t)i);
	}
	heap_close();
}

/* ---- made while a cycle runs ---- */

static atomic_bool stop;

static void *collect_main(void *argument)
{
	(void)argument;
	while (!atomic_load(&stop))
		plx_heap_collect(heap);
	return NULL;
}

static void collector_join(pthread_t collector)
{
	atomic_store(&stop, true);
	plx_block_enter(thread);
	pthread_join(collector, NULL);
	plx_block_exit(thread);
}

/* Objects allocated in every state of a cycle, filled by plain stores, survive it with what they refer to. */
static void made_meanwhile(const char *plan, const char *delivery)
{
	enum { KEPT = 200 };
	struct plx_handle *kept[KEPT] = {NULL};
	uint64_t in_regime[8] = {0}, made = 0;
	pthread_t collector;

	if (!heap_try_open(plan, delivery, NULL))
		skip();
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&collector, NULL, collect_main, NULL), 0);
	for (int k = 0; k < KEPT; k++)
		kept[k] = handle_of(plx_alloc_fixed(thread, nodes, 0));
	while (made < 40000000 && (stats().flips < 6 || !in_regime[GC_REGIME_MARKING] ||
				   !in_regime[GC_REGIME_PLANNING])) {
		struct plx_scope scope;
		struct plx_handle *plain;
		struct node *fixed;

		plx_scope_enter(thread, &scope);
		plain = plx_handle_push(thread, plx_alloc(thread, nodes));
		((struct node *)plain->ref)->value = made;
		fixed = plx_alloc_fixed(thread, nodes, 0);
		fixed->value = made;
		fixed->next = plain->ref; /* plain store */
		in_regime[thread->barrier]++;
		plx_handle_set(thread, kept[made++ % KEPT], fixed);
		plx_scope_exit(thread, &scope);
		if (made % 64)
			continue;
		for (int k = 0; k < KEPT; k++) {
			fixed = kept[k]->ref;
			assert_true(!fixed->next || fixed->next->value == fixed->value);
		}
	}
	collector_join(collector);
	assert_true(stats().flips >= 6);
	heap_close();
}

static void test_made_meanwhile(void **state)
{
	(void)state;
	made_meanwhile("minor", "thread");
	made_meanwhile("minor", "sigbus");
	made_meanwhile("copy", "thread");
	made_meanwhile("stw", NULL);
}

/* ---- as referents ---- */

static void test_weakly(void **state)
{
	struct plx_guardian *guardian;
	struct plx_handle *weak, *ephemeron;
	struct node *node;
	void *value;
	uint32_t hash;

	(void)state;
	heap_open();
	guardian = plx_guardian_create(heap, 0, NULL);
	node = plx_alloc_fixed(thread, nodes, 0);
	hash = plx_identity_hash(thread, node);
	assert_int_equal(plx_pin(thread, node, "test"), PLX_OK);
	assert_int_equal(plx_guardian_register(thread, guardian, node, NULL), PLX_OK);
	weak = handle_of(plx_weak_create(thread, node));
	ephemeron = handle_of(plx_ephemeron_create(thread, node, node));
	for (int i = 0; i < 3; i++) { /* the pin alone keeps it */
		plx_collect(thread);
		assert_ptr_equal(plx_weak_get(thread, weak->ref), node);
		assert_ptr_equal(plx_ephemeron_get(thread, ephemeron->ref, &value), node);
		assert_int_equal(plx_identity_hash(thread, node), hash);
		assert_null(plx_guardian_poll(thread, guardian));
		assert_int_equal(stats().pins, 1);
		assert_int_equal(stats().pin_held_regions, 0); /* which costs nothing */
	}
	assert_int_equal(plx_unpin(thread, node, "test"), PLX_OK);
	plx_collect(thread);
	assert_ptr_equal(plx_guardian_poll(thread, guardian), node); /* given back, alive */
	assert_ptr_equal(plx_weak_get(thread, weak->ref), node);
	plx_collect(thread);
	plx_collect(thread);
	assert_null(plx_weak_get(thread, weak->ref));
	assert_null(plx_ephemeron_get(thread, ephemeron->ref, &value));
	assert_int_equal(stats().fixed_objects, 0);
	plx_handle_release(thread, weak);
	plx_handle_release(thread, ephemeron);
	heap_close();
}

/* Weak objects may lie there, too. */
static void test_fixed_weak(void **state)
{
	struct plx_handle *weak, *referent;
	struct plx_weak *object;

	(void)state;
	heap_open();
	referent = handle_of(plx_alloc(thread, nodes));
	object = plx_alloc_fixed(thread, plx_weak_layout(heap), 0);
	object->referent = referent->ref;
	weak = handle_of(object);
	plx_collect(thread);
	plx_collect(thread);
	assert_ptr_equal(plx_weak_get(thread, weak->ref), referent->ref);
	heap->gc.references->list_limit = 0; /* [RF-4] found by a walk over all that is marked */
	plx_handle_set(thread, referent, NULL);
	plx_collect(thread);
	assert_null(plx_weak_get(thread, weak->ref));
	heap_close();
}

static void test_pin_misuse(void **state)
{
	struct node *node;

	(void)state;
	heap_open();
	node = plx_alloc_fixed(thread, nodes, 0);
	assert_int_equal(plx_pin(thread, &node->value, "test"), PLX_ERROR_MISUSE);
	assert_int_equal(plx_pin(thread, (char *)node - 8, "test"), PLX_ERROR_MISUSE);
	assert_int_equal(plx_pin(thread, node, "test"), PLX_OK);
	assert_int_equal(plx_unpin(thread, node, "test"), PLX_OK);
	heap_close();
}

/* ---- native stacks ---- */

static __attribute__((noinline)) uint64_t collect_with_local(uint64_t offset)
{
	char *volatile inside = plx_alloc_fixed(thread, nodes, 0);
	uint64_t value;

	((struct node *)inside)->value = 77;
	inside += offset;
	for (int i = 0; i < 3; i++)
		plx_collect(thread);
	for (int i = 0; i < 2000; i++)
		plx_alloc_fixed(thread, nodes, 0); /* over it, were it freed */
	value = ((struct node *)(inside - offset))->value;
	return value;
}

static void test_stack_words(void **state)
{
	(void)state;
	assert_true(heap_try_open(NULL, NULL, "ambiguous"));
	assert_int_equal(collect_with_local(0), 77);
	assert_int_equal(collect_with_local(13), 77);
	assert_int_equal(collect_with_local(sizeof(struct node)), 77); /* just behind it */
	heap_close();
}

/* ---- system calls ---- */

/* Out and in again through a pipe, with pages of everything else coming and going. */
static void system_calls(const char *plan, const char *delivery)
{
	enum { BUFFERS = 8, LENGTH = 20000 };
	struct plx_handle *buffers[BUFFERS];
	pthread_t collector;
	int ends[2];

	if (!heap_try_open(plan, delivery, NULL))
		skip();
	pairs_make();
	assert_int_equal(pipe(ends), 0);
	for (int i = 0; i < BUFFERS; i++)
		buffers[i] = handle_of(plx_alloc_fixed(thread, bytes, LENGTH));
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&collector, NULL, collect_main, NULL), 0);
	for (int round = 0; stats().flips < 6; round++) { /* however seldom the collector runs */
		char *out = (char *)buffers[round % BUFFERS]->ref + 8;
		char *in = (char *)buffers[(round + 1) % BUFFERS]->ref + 8;

		plx_block_enter(thread);
		assert_int_equal(getrandom(out, LENGTH, 0), LENGTH);
		assert_int_equal(write(ends[1], out, LENGTH), LENGTH);
		assert_int_equal(read(ends[0], in, LENGTH), LENGTH);
		assert_memory_equal(in, out, LENGTH);
		plx_block_exit(thread);
		plx_alloc_fixed(thread, bytes, 2000);
	}
	collector_join(collector);
	close(ends[0]);
	close(ends[1]);
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

/* ---- no memory ---- */

static uint64_t oom_calls;

static void on_oom(struct plx_thread *self, uint64_t requested, void *context)
{
	(void)self, (void)requested, (void)context;
	oom_calls++;
}

static void test_exhaustion(void **state)
{
	static struct plx_handle *kept[20000];
	uint64_t count = 0;
	void *object;

	(void)state;
	heap_open();
	oom_calls = 0;
	plx_heap_set_oom_handler(heap, on_oom, NULL);
	while ((object = plx_alloc_fixed(thread, bytes, 4000)) != NULL) {
		memset((char *)object + 8, (int)count, 4000);
		kept[count++] = handle_of(object);
	}
	assert_int_equal(oom_calls, 1);
	assert_true(stats().used_bytes <= stats().heap_max_bytes); /* */
	assert_true(count * 4096 > stats().heap_max_bytes / 2);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(((uint8_t *)kept[i]->ref)[8 + 3999], (uint8_t)i);
	for (uint64_t i = 0; i < count; i++)
		plx_handle_release(thread, kept[i]);
	assert_non_null(plx_alloc_fixed(thread, bytes, 4000)); /* after a collection */
	assert_int_equal(oom_calls, 1);
	assert_null(plx_alloc_fixed(thread, bytes, PLX_LENGTH_MAX + 1));
	assert_int_equal(oom_calls, 2);
	heap_close();
}

/* The kernel has no pages for an extent: once, the allocation comes after a collection; always, it is refused,
 * and what there was remains. */
static void test_refused_pages(void **state)
{
	struct plx_handle *first;
	void *object;
	int rule;

	(void)state;
	inject_install();
	if (!heap_try_open("minor", NULL, NULL)) {
		inject_uninstall();
		skip();
	}
	first = handle_of(plx_alloc_fixed(thread, bytes, 100));
	rule = inject_arm_once(INJECT_fallocate, 1, ENOSPC);
	assert_non_null(plx_alloc_fixed(thread, bytes, 5000));
	assert_int_equal(inject_failures(rule), 1);
	assert_int_equal(stats().degraded, 1);
	inject_disarm(rule);
	rule = inject_arm(&(struct inject_rule){
		.entry = INJECT_fallocate, .mode = INJECT_ALWAYS, .error = ENOMEM});
	assert_null(plx_alloc_fixed(thread, bytes, 9000));
	assert_int_equal(plx_object_length(first->ref), 100);
	inject_disarm(rule);
	object = plx_alloc_fixed(thread, bytes, 9000);
	assert_non_null(object);
	plx_handle_release(thread, first);
	plx_collect(thread);
	plx_collect(thread);
	assert_int_equal(stats().fixed_objects, 0);
	heap_close();
	inject_uninstall();
}

/* ---- many threads ---- */

static void *allocate_main(void *argument)
{
	struct plx_thread *self;
	struct plx_handle *kept[32] = {NULL};
	uint64_t seed = (uintptr_t)argument;

	assert_int_equal(plx_thread_attach(heap, &self, NULL), PLX_OK);
	for (int k = 0; k < 32; k++)
		kept[k] = plx_handle_create(self, NULL);
	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t length = (seed * 7919 + i * 104729) % 700;
		uint8_t *object = plx_alloc_fixed(self, bytes, length), *old;

		assert_non_null(object);
		assert_true(is_zero((char *)object + 8, length));
		memset(object + 8, (int)(length ^ seed), length);
		old = kept[i % 32]->ref;
		if (old) {
			uint64_t was = plx_object_length(old);

			for (uint64_t k = 0; k < was; k++)
				assert_int_equal(old[8 + k], (uint8_t)(was ^ seed));
		}
		plx_handle_set(self, kept[i % 32], object);
	}
	for (int k = 0; k < 32; k++)
		plx_handle_release(self, kept[k]);
	plx_thread_detach(self);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4], collector;

	(void)state;
	heap_open();
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&collector, NULL, collect_main, NULL), 0);
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, allocate_main, (void *)i), 0);
	plx_block_enter(thread);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	plx_block_exit(thread);
	collector_join(collector);
	plx_collect(thread);
	assert_int_equal(stats().fixed_objects, 0);
	heap_close();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stays),	      cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_dies),	      cmocka_unit_test(test_holes),
		cmocka_unit_test(test_purge),	      cmocka_unit_test(test_made_meanwhile),
		cmocka_unit_test(test_weakly),	      cmocka_unit_test(test_fixed_weak),
		cmocka_unit_test(test_pin_misuse),    cmocka_unit_test(test_stack_words),
		cmocka_unit_test(test_system_calls),  cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_refused_pages), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
