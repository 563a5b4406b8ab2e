/* test/unit/test_oracle.c: the double build (gc/collect/oracle.h) compares every page, in every plan, and a
 * page that is built wrongly ends the process with what is known about it.
 *
 * The damage is done in the flip's pause, by a root visitor, in a child process: then the verifier has
 * looked already, and nothing is built yet. Sees internals. */
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "gc/collect/oracle.h"
#include "runtime/world.h"
#include "test/support/child.h"
#include "test/support/patience.h"

#ifdef PLX_DEBUG
#define NODES 6000

struct node {
	struct plx_header header;
	struct node *next;
	struct node *other;
	uint64_t value;
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static struct plx_handle *list;
static const char *plan, *torture;
static void (*damage)(struct gc_heap *gc);
static char text[16384]; /* what the child wrote */

static void heap_open(void)
{
	struct plx_heap_config config;

	plx_config_init(&config);
	plx_config_from_environment(&config, NULL);
	plx_config_set(&config, "GC_HEAP_MAX", "32M", NULL);
	plx_config_set(&config, "GC_EVACUATE", "all", NULL);
	plx_config_set(&config, "GC_CYCLE_EVERY", "1T", NULL);
	plx_config_set(&config, "GC_PLAN", plan, NULL);
	if (torture)
		plx_config_set(&config, "GC_TORTURE", torture, NULL);
	if (plx_heap_create(&config, &heap, NULL) != PLX_OK ||
	    plx_thread_attach(heap, &thread, NULL) != PLX_OK)
		_exit(77);
}

static void list_make(void)
{
	static const size_t offsets[] = {offsetof(struct node, next), offsetof(struct node, other)};
	const struct plx_layout *nodes =
		plx_layout_fixed(heap, sizeof(struct node), offsets, 2, NULL);
	const struct plx_layout *arrays = plx_layout_references(heap, NULL);
	struct plx_handle *large = plx_handle_create(thread, NULL);
	void **array;

	list = plx_handle_create(thread, NULL);
	array = plx_alloc_array(thread, arrays, 100000);
	plx_handle_set(thread, large, array);
	for (uint64_t i = 0; i < 2 * NODES; i++) {
		struct node *node = plx_alloc(thread, nodes);

		node->value = i;
		if (i % 2)
			continue;
		node->next = list->ref;
		plx_handle_set(thread, list, node);
		array = large->ref;
		PLX_STORE(thread, &array[1 + i * 7], node);
	}
}

static struct node *some_node(void)
{
	struct node *node = list->ref;

	for (int i = 0; i < NODES / 2; i++)
		node = node->next;
	return node;
}

static struct node *victim;

static void damaging_visitor(struct plx_root_visit *visit, void *context)
{
	(void)visit, (void)context;
	if (gc_load_relaxed(&heap->gc.phase) == GC_PHASE_PLANNING) /* stopped */
		damage(&heap->gc);
}

static void child(void)
{
	patience_begin(60);
	heap_open();
	list_make();
	victim = some_node();
	if (damage && plx_root_visitor_add(thread, damaging_visitor, NULL, NULL) != PLX_OK)
		_exit(1);
	for (int i = 0; i < 4; i++)
		plx_collect(thread);
	if (gc_oracle_checked(&heap->gc) < 300)
		_exit(2);
	plx_thread_detach(thread);
	_exit(plx_heap_destroy(heap) == PLX_OK ? 0 : 3);
}

static void whole(const char *with_plan, const char *with_torture)
{
	int status;

	plan = with_plan;
	torture = with_torture;
	damage = NULL;
	status = child_run(child, text, sizeof(text));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	if (status != 0)
		fail_msg("plan %s: status %#x:\n%s", plan, (unsigned)status, text);
}

static void caught(const char *with_plan, void (*how)(struct gc_heap *gc))
{
	static const char *const words[] = {"double build: page", "[DB-1]", "offset",
					    "history: event", "region"};
	int status;

	plan = with_plan;
	torture = NULL;
	damage = how;
	status = child_run(child, text, sizeof(text));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("plan %s: not caught (status %#x):\n%s", plan, (unsigned)status, text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strstr(text, words[i]))
			fail_msg("`%s` is not in:\n%s", words[i], text);
}

/* ---- damages ---- */

static struct gc_forward_entry *victims_entry(struct gc_heap *gc)
{
	return gc_forward_entry(&gc->forward, gc_haddr(victim));
}

static void damage_target(struct gc_heap *gc)
{
	victims_entry(gc)->target += PLX_GRANULE_BYTES;
}

/* One granule less in front of all that follow in the entry. */
static void damage_live_bit(struct gc_heap *gc)
{
	victims_entry(gc)->live &= victims_entry(gc)->live - 1;
}

static void damage_mark(struct gc_heap *gc)
{
	uint64_t index = gc_markbits_index(&gc->markbits, gc_haddr(victim));

	gc->markbits.words[index / 64] &= ~(UINT64_C(1) << index % 64);
}

static void damage_source(struct gc_heap *gc)
{
	uint32_t number = gc->cycle.targets[0];
	struct gc_page page = gc_heap_page(gc, gc_region_start(&gc->regions, number));

	gc->target_source[page.n + 1] = gc->target_source[page.n + 2];
}

static void test_whole(void **state)
{
	(void)state;
	whole("minor", NULL);
	whole("minor", "gaps,page-extents,small-regions");
	whole("copy", NULL);
	whole("copy", "gaps,few-workers");
	whole("stw", NULL);
	whole("stw", "gaps");
}

static void test_forward_entry(void **state)
{
	(void)state;
	caught("minor", damage_target);
	caught("copy", damage_target);
	caught("stw", damage_target);
	caught("minor", damage_live_bit);
	caught("copy", damage_live_bit);
}

static void test_mark_bit(void **state)
{
	(void)state;
	caught("minor", damage_mark);
	caught("stw", damage_mark);
}

static void test_target_source(void **state)
{
	(void)state;
	caught("minor", damage_source);
	caught("copy", damage_source);
}

/* In a handler of SIGBUS, too: there is no lock to wait for, and nothing is allocated. */
static void test_sigbus(void **state)
{
	(void)state;
	setenv("GC_UFFD_DELIVERY", "sigbus", 1);
	caught("minor", damage_target);
	whole("minor", "mutator-first");
	unsetenv("GC_UFFD_DELIVERY");
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
		cmocka_unit_test(test_whole),	 cmocka_unit_test(test_forward_entry),
		cmocka_unit_test(test_mark_bit), cmocka_unit_test(test_target_source),
		cmocka_unit_test(test_sigbus),
#else
		cmocka_unit_test(test_none),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
