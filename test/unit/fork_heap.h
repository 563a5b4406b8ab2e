/* test/unit/fork_heap.h: what the tests of fork share: a heap with something of each kind in it, children, and
 * whether what they and the parent have is right. Each program has its own. */
#ifndef TEST_UNIT_FORK_HEAP_H
#define TEST_UNIT_FORK_HEAP_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "test/support/heap.h"
#include "test/support/patience.h"
#include "test/support/process.h"

#define CHILD_SECONDS 60
#define NODES 2000

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
};

/* In a child nothing of cmocka's may run. */
#define CHECK(condition)                                                                       \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			fprintf(stderr, "child: %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(9);                                                              \
		}                                                                              \
	} while (0)

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes, *bytes;
static struct plx_handle *list, *fixed, *weak;
static void *fixed_at;
static char text[65536]; /* what a child wrote */

static struct plx_heap *heap_make(const char *plan, const char *delivery, const char *mode,
				  struct plx_error *error)
{
	const char *const options[] = {
		"GC_HEAP_MAX",
		"16M",
		"GC_EVACUATE",
		"all",
		"GC_WORKERS",
		"2",
		"GC_FORK",
		mode,
		"GC_PLAN",
		plan,
		"GC_UFFD_DELIVERY",
		delivery,
		"GC_STOP_REPORT",
		"0", /* libunwind would open descriptors of its own */
		NULL,
	};
	struct plx_heap *made = NULL;

	test_heap_create(&made, options, error);
	return made;
}

/* A list from a handle, a fixed node, a weak reference. */
static bool heap_open(const char *plan, const char *delivery, const char *mode)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	struct plx_error error = {0};

	heap = heap_make(plan, delivery, mode, &error);
	if (!heap && error.status == PLX_ERROR_CAPABILITY) {
		print_message("%s\n", error.message);
		return false;
	}
	assert_non_null(heap);
	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	bytes = plx_layout_bytes(heap, NULL);
	list = plx_handle_create(thread, NULL);
	for (uint64_t i = 0; i < NODES; i++) {
		struct node *node = plx_alloc(thread, nodes);

		node->value = i;
		node->next = list->ref;
		plx_handle_set(thread, list, node);
		plx_alloc_array(thread, bytes, 200); /* garbage */
	}
	fixed_at = plx_alloc_fixed(thread, nodes, 0);
	fixed = plx_handle_create(thread, fixed_at);
	((struct node *)fixed_at)->value = 4711;
	PLX_STORE(thread, &((struct node *)fixed_at)->next, list->ref);
	weak = plx_handle_create(thread, NULL);
	plx_handle_set(thread, weak, plx_weak_create(thread, list->ref));
	return true;
}

static void heap_close(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

static bool heap_is_right(struct plx_thread *self)
{
	const struct node *node = list->ref;

	if (fixed->ref != fixed_at || ((struct node *)fixed_at)->value != 4711 ||
	    ((struct node *)fixed_at)->next != list->ref ||
	    plx_weak_get(self, weak->ref) != list->ref)
		return false;
	for (uint64_t i = NODES; i-- > 0; node = node->next)
		if (node->value != i)
			return false;
	return node == NULL;
}

static struct plx_stats stats(void)
{
	struct plx_stats now;

	plx_heap_stats(heap, &now);
	return now;
}

/* ---- children ---- */

/* Fork; the child's standard error goes to `text` if asked for. Its status. */
static int child_of(void (*run)(void *), void *argument, bool listen)
{
	struct sigaction usual = {.sa_handler = SIG_DFL}, before;
	int ends[2], status = 0;
	pid_t child;

	fflush(NULL);
	assert_int_equal(pipe(ends), 0);
	sigaction(SIGSEGV, &usual, &before); /* not cmocka's */
	child = fork();
	assert_true(child >= 0);
	if (child > 0)
		sigaction(SIGSEGV, &before, NULL);
	if (child == 0) {
		patience_begin(CHILD_SECONDS);
		if (listen)
			dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		run(argument);
		_exit(0);
	}
	close(ends[1]);
	process_read_all(ends[0], text, sizeof(text));
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void must_pass(int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("a child ended with status %#x:\n%s", (unsigned)status, text);
}

#endif
