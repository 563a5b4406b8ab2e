/* test/unit/test_trap.c: debug builds: who looks at memory that nobody may look at dies by SIGSEGV there
 * (gc/heap/trap.h), in each plan; and who may is let in.
 *
 * The deaths are those of child processes. Sees internals. */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/collect/collect.h"
#include "gc/os/sys.h"
#include "runtime/world.h"
#include "test/support/patience.h"
#include "test/support/process.h"

#ifdef PLX_DEBUG
#define NODES 20000

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes;
static struct plx_handle *list;
static const char *plan;

static void heap_open(void)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	struct plx_heap_config config;

	plx_config_init(&config);
	plx_config_from_environment(&config, NULL);
	plx_config_set(&config, "GC_HEAP_MAX", "32M", NULL);
	plx_config_set(&config, "GC_REGION_BYTES", "64K", NULL);
	plx_config_set(&config, "GC_EVACUATE", "all", NULL);
	plx_config_set(&config, "GC_CYCLE_EVERY", "1T", NULL);
	plx_config_set(&config, "GC_PLAN", plan, NULL);
	if (plx_heap_create(&config, &heap, NULL) != PLX_OK ||
	    plx_thread_attach(heap, &thread, NULL) != PLX_OK)
		_exit(77);
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	list = plx_handle_create(thread, NULL);
}

static void heap_close(void)
{
	plx_thread_detach(thread);
	if (plx_heap_destroy(heap) != PLX_OK)
		abort();
}

static void list_make(void)
{
	plx_handle_set(thread, list, NULL);
	for (uint64_t i = 0; i < NODES; i++) {
		struct node *node = plx_alloc(thread, nodes);

		node->value = i;
		node->next = list->ref;
		plx_handle_set(thread, list, node);
	}
}

static bool list_is_whole(void)
{
	uint64_t value = NODES;

	for (const struct node *node = list->ref; node; node = node->next)
		if (node->value != --value)
			return false;
	return value == 0;
}

/* One that lies in a region which is full, so that it moves. */
static struct node *some_node(void)
{
	struct node *node = list->ref;

	for (int i = 0; i < NODES / 2; i++)
		node = node->next;
	return node;
}

static void must(bool condition)
{
	if (!condition)
		_exit(1);
}

/* How a child ends that runs this with a heap of the plan. */
static int status_of(void (*run)(void))
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGSEGV, SIG_DFL); /* sanitizers catch it otherwise */
		signal(SIGBUS, SIG_DFL);
		patience_begin(60);
		heap_open();
		run();
		heap_close();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void dies(const char *with_plan, void (*run)(void))
{
	int status;

	plan = with_plan;
	status = status_of(run);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
		fail_msg("plan %s: the child was not killed by SIGSEGV, but has status %#x", plan,
			 (unsigned)status);
}

static void lives(const char *with_plan, void (*run)(void))
{
	int status;

	plan = with_plan;
	status = status_of(run);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	if (status != 0)
		fail_msg("plan %s: status %#x", plan, (unsigned)status);
}

static struct gc_traps *traps(void)
{
	return &heap->gc.regions.traps;
}

/* ---- evacuated regions ---- */

static void read_stale(void)
{
	struct node *stale;

	list_make();
	stale = some_node();
	plx_collect(thread);
	must(some_node() != stale);
	(void)*(volatile uint64_t *)&stale->value;
}

static void write_stale(void)
{
	struct node *stale;

	list_make();
	stale = some_node();
	plx_collect(thread);
	must(some_node() != stale);
	*(volatile uint64_t *)&stale->value = 1;
}

static void test_stale_reference(void **state)
{
	(void)state;
	dies("minor", read_stale);
	dies("minor", write_stale);
	dies("stw", read_stale);
	dies("stw", write_stale);
}

/* [TR-4] */
static void read_poison(void)
{
	struct node *stale;

	list_make();
	stale = some_node();
	plx_collect(thread);
	must(some_node() != stale);
	must(*(volatile uint64_t *)&stale->value == GC_POISON);
}

/* The memory itself, whatever its mapping allows. */
static void read_poison_of_file(void)
{
	uintptr_t stale;
	uint64_t word = 0;

	list_make();
	stale = (uintptr_t)&some_node()->value;
	plx_collect(thread);
	must(pread(heap->gc.view.memfd, &word, sizeof(word),
		   (off_t)(stale - (uintptr_t)heap->gc.view.heap)) == sizeof(word));
	must(word == GC_POISON);
}

static void test_poison(void **state)
{
	(void)state;
	lives("copy", read_poison);
	lives("minor", read_poison_of_file);
}

/* What was closed is used again; the flips in between move it in one piece [TR-2]; and what is still free
 * after a flip is closed again. */
static void reuse(void)
{
	struct process_holdings before, after;
	struct plx_stats stats;

	list_make();
	process_holdings_read(&before);
	for (int i = 0; i < 12; i++) {
		list_make();
		plx_collect(thread);
		must(list_is_whole());
		must(traps()->count > 0);
	}
	process_holdings_read(&after);
	must(after.file_mappings <= before.file_mappings + 2 * traps()->count);
	plx_heap_stats(heap, &stats);
	must(stats.flips >= 12 && stats.degraded == 0);
	must(traps()->regions_closed > 12);
	for (uint32_t r = 0; r < heap->gc.regions.count; r++)
		must(traps()->states[r] == 0 || /* no trap, or closed */
		     (traps()->states[r] == 2 && heap->gc.regions.table[r].kind == GC_REGION_FREE));
}

static void test_reuse(void **state)
{
	(void)state;
	lives("minor", reuse);
	lives("stw", reuse);
}

/* ---- refused ---- */

static int mprotect_refuses;

static int refusing_mprotect(void *address, size_t length, int protection)
{
	if (protection == PROT_NONE || mprotect_refuses-- > 0)
		return -ENOMEM;
	return gc_sys_real.mprotect(address, length, protection);
}

/* [TR-3] Nothing can be closed; opening takes several tries. */
static void refused(void)
{
	static struct gc_sys table;

	list_make();
	plx_collect(thread);
	must(list_is_whole() && traps()->count > 0);
	table = gc_sys_real;
	table.mprotect = refusing_mprotect;
	mprotect_refuses = 3;
	gc_sys = &table;
	for (int i = 0; i < 4; i++) {
		list_make();
		plx_collect(thread);
		must(list_is_whole());
	}
	must(traps()->refused > 0 && !traps()->alias_closed && mprotect_refuses <= 0);
	gc_sys = &gc_sys_real;
	list_make();
	plx_collect(thread);
	must(list_is_whole() && traps()->alias_closed);
}

static void test_refused(void **state)
{
	(void)state;
	lives("minor", refused);
}

/* ---- the alias ---- */

static volatile uint64_t *alias_of(const void *object)
{
	return (volatile uint64_t *)(void *)((char *)(uintptr_t)object + heap->gc.view.delta);
}

static void read_alias(void)
{
	list_make();
	plx_collect(thread);
	(void)*alias_of(list->ref);
}

static void read_alias_of_new_heap(void)
{
	list_make();
	(void)*alias_of(list->ref);
}

static void read_alias_of_leaf(void)
{
	const struct plx_layout *bytes = plx_layout_bytes(heap, NULL);
	struct plx_handle *leaf;

	list_make();
	leaf = plx_handle_create(thread, plx_alloc_array(thread, bytes, 100));
	plx_collect(thread);
	must(traps()->alias_closings >= 2);
	(void)*alias_of(leaf->ref);
}

static void test_alias(void **state)
{
	(void)state;
	dies("minor", read_alias);
	dies("minor", read_alias_of_new_heap);
	dies("minor", read_alias_of_leaf);
	dies("copy", read_alias);
}

/* ---- the heap view in the flip ---- */

/* A root visitor, in the flip's pause, looks at an object. In the pause at the start it may. */
static void peeking_visitor(struct plx_root_visit *visit, void *context)
{
	(void)visit;
	if (gc_load_relaxed(&heap->gc.phase) == GC_PHASE_PLANNING) /* stopped */
		(void)**(volatile uint64_t **)context;
}

static void peek(void)
{
	static volatile uint64_t *object;

	list_make();
	object = list->ref;
	must(plx_root_visitor_add(thread, peeking_visitor, &object, NULL) == PLX_OK);
	plx_collect(thread);
}

/* A leaf that is pinned may be read at any time. [TR-5] */
static void peek_pinned(void)
{
	const struct plx_layout *bytes = plx_layout_bytes(heap, NULL);
	static volatile uint64_t *object;
	void *leaf;

	list_make();
	leaf = plx_alloc_array(thread, bytes, 100);
	must(plx_pin(thread, leaf, "test") == PLX_OK);
	object = leaf;
	must(plx_root_visitor_add(thread, peeking_visitor, &object, NULL) == PLX_OK);
	plx_collect(thread);
	must(traps()->heap_closings == 0);
	must(plx_unpin(thread, leaf, "test") == PLX_OK);
	must(plx_root_visitor_remove(thread, peeking_visitor, &object) == PLX_OK);
	plx_collect(thread);
	must(traps()->heap_closings == 1 && !traps()->heap_closed);
}

static void test_flip(void **state)
{
	(void)state;
	dies("minor", peek);
	dies("copy", peek);
	lives("minor", peek_pinned);
	setenv("GC_FLIP", "zap", 1);
	dies("minor", peek);
	unsetenv("GC_FLIP");
}
#else
static void test_none(void **state)
{
	(void)state;
	skip();
}
#endif

int main(void)
{
	static const struct CMUnitTest tests[] = {
#ifdef PLX_DEBUG
		cmocka_unit_test(test_stale_reference), cmocka_unit_test(test_poison),
		cmocka_unit_test(test_reuse),		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_alias),		cmocka_unit_test(test_flip),
#else
		cmocka_unit_test(test_none),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
