/* test/system/api_misuse.c: what the library does when it is used wrongly, or up to its limits: an
 * error or NULL, a heap that still works, and nothing left behind.
 *
 * Each case makes and destroys its own heap; all run in one process, one after the other. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/support/check.h"
#include "test/support/foreign.h"
#include "test/support/process.h"
#include "test/support/shadow.h"

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
	char filler[1000];
};

static struct plx_heap *heap_make(const char *heap_max)
{
	struct shadow_options options;

	shadow_options_init(&options);
	options.heap_max = heap_max;
	return shadow_heap_create(&options);
}

static struct plx_thread *attach(struct plx_heap *heap)
{
	struct plx_thread *thread = NULL;

	CHECK(plx_thread_attach(heap, &thread, NULL) == PLX_OK);
	CHECK(thread != NULL);
	return thread;
}

static const struct plx_layout *node_layout(struct plx_heap *heap)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	const struct plx_layout *layout =
		plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);

	CHECK(layout != NULL);
	return layout;
}

/* ---- threads and destruction ---- */

static void test_double_attach(void)
{
	struct plx_heap *heap = heap_make("16M");
	struct plx_thread *thread = attach(heap), *again = NULL;
	struct plx_error error = {0};

	CHECK(plx_thread_attach(heap, &again, &error) == PLX_ERROR_MISUSE);
	CHECK(error.status == PLX_ERROR_MISUSE && error.message[0] != '\0');
	plx_thread_detach(thread);
	thread = attach(heap);
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
}

static void test_destroy_while_attached(void)
{
	struct plx_heap *heap = heap_make("16M");
	struct plx_thread *thread = attach(heap);
	const struct plx_layout *layout = node_layout(heap);
	struct node *node;

	CHECK(plx_heap_destroy(heap) == PLX_ERROR_MISUSE);
	node = plx_alloc(thread, layout); /* it lives on */
	CHECK(node != NULL);
	plx_collect(thread);
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
}

/* ---- absurd lengths ---- */

static void test_absurd_lengths(void)
{
	static const uint64_t lengths[] = {UINT64_MAX,	       UINT64_MAX - 7,	  UINT64_MAX / 8,
					   PLX_LENGTH_MAX + 1, PLX_LENGTH_MAX,	  UINT64_C(1) << 36,
					   UINT64_C(1) << 32,  UINT64_C(64) << 20};
	struct plx_heap *heap = heap_make("16M");
	struct plx_thread *thread = attach(heap);
	const struct plx_layout *bytes = plx_layout_bytes(heap, NULL);
	const struct plx_layout *references = plx_layout_references(heap, NULL);
	const struct plx_layout *wide = plx_layout_trailing(heap, 16, NULL, 0, 4096, false, NULL);
	char *object;

	CHECK(bytes != NULL && references != NULL && wide != NULL);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		CHECK(plx_alloc_array(thread, bytes, lengths[i]) == NULL);
		CHECK(plx_alloc_array(thread, references, lengths[i]) == NULL);
		CHECK(plx_alloc_array(thread, wide, lengths[i]) == NULL);
	}
	object = plx_alloc_array(thread, bytes, 1000);
	CHECK(object != NULL && plx_object_length(object) == 1000);
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
}

/* ---- out of memory ---- */

struct exhaustion {
	unsigned calls;
	uint64_t requested_bytes;
	struct plx_thread *thread;
	jmp_buf *jump;
};

static void on_exhaustion(struct plx_thread *thread, uint64_t requested_bytes, void *context)
{
	struct exhaustion *seen = context;

	seen->calls++;
	seen->requested_bytes = requested_bytes;
	seen->thread = thread;
	if (seen->jump != NULL)
		longjmp(*seen->jump, 1);
}

/* A list until the heap is full; how many nodes fitted. */
static uint64_t list_fill(struct plx_thread *thread, const struct plx_layout *layout,
			  struct plx_handle *list)
{
	uint64_t count = 0;

	for (;;) {
		struct node *node = plx_alloc(thread, layout);

		if (node == NULL)
			return count;
		node->value = count++;
		node->next = list->ref;
		plx_handle_set(thread, list, node);
	}
}

static void list_check(const struct plx_handle *list, uint64_t count)
{
	const struct node *node = list->ref;

	for (; count-- > 0; node = node->next)
		CHECK(node != NULL && node->value == count);
	CHECK(node == NULL);
}

static void test_exhaustion(void)
{
	struct plx_heap *heap = heap_make("8M");
	struct plx_thread *thread = attach(heap);
	const struct plx_layout *layout = node_layout(heap);
	struct plx_handle *list = plx_handle_create(thread, NULL);
	struct exhaustion seen = {0};
	uint64_t count, first = 0;

	plx_heap_set_oom_handler(heap, on_exhaustion, &seen);
	for (unsigned round = 1; round <= 4; round++) {
		count = list_fill(thread, layout, list);
		CHECK(seen.calls == round && seen.thread == thread);
		CHECK(seen.requested_bytes >= sizeof(struct node));
		CHECK(count * sizeof(struct node) >= UINT64_C(8) << 18); /* a quarter at least */
		list_check(list, count); /* nothing was lost on the way */
		/* What fits once fits again: no memory stays behind. */
		first = round == 1 ? count : first;
		CHECK(count + first / 8 >= first);
		plx_handle_set(thread, list, NULL);
	}
	plx_handle_release(thread, list);
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
}

static void test_exhaustion_by_longjmp(void)
{
	struct plx_heap *heap = heap_make("8M");
	struct plx_thread *thread = attach(heap);
	const struct plx_layout *layout = node_layout(heap);
	struct plx_handle *list = plx_handle_create(thread, NULL);
	jmp_buf jump;
	struct exhaustion seen = {.jump = &jump};

	plx_heap_set_oom_handler(heap, on_exhaustion, &seen);
	if (setjmp(jump) == 0) {
		list_fill(thread, layout, list);
		CHECK(!"the handler does not return");
	}
	CHECK(seen.calls == 1);
	plx_collect(thread); /* no lock was held, no state left half-way */
	plx_handle_set(thread, list, NULL);
	plx_collect(thread);
	CHECK(plx_alloc(thread, layout) != NULL);
	plx_handle_release(thread, list);
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
}

/* ---- heap creation ---- */

static void expect_refusal(const char *name, const char *value, const char *name2,
			   const char *value2)
{
	struct plx_heap_config config;
	struct plx_error error = {0};
	struct plx_heap *heap = (struct plx_heap *)&config;
	enum plx_status status;

	plx_config_init(&config);
	status = plx_config_set(&config, name, value, &error);
	if (status == PLX_OK && name2 != NULL)
		status = plx_config_set(&config, name2, value2, &error);
	if (status == PLX_OK) {
		status = plx_heap_create(&config, &heap, &error);
		CHECK(heap == NULL);
	}
	CHECK(status == PLX_ERROR_OPTION);
	CHECK(error.status == PLX_ERROR_OPTION && error.message[0] != '\0');
}

static void test_creation_errors(void)
{
	expect_refusal("GC_HEAP_MAX", "1K", NULL, NULL);
	expect_refusal("GC_USE_UFFD_MINOR", "1", "GC_PLAN", "copy");
	expect_refusal("GC_USE_UFFD_MINOR", "0", "GC_PLAN", "minor");
	expect_refusal("GC_REGION_BYTES", "100K", NULL, NULL);
	expect_refusal("GC_REGION_BYTES", "4M", NULL, NULL);
	expect_refusal("GC_NO_SUCH_OPTION", "1", NULL, NULL);
	expect_refusal("GC_PLAN", "", NULL, NULL);
}

/* ---- several heaps, several processes ---- */

struct session {
	struct plx_heap *heap;
	uint64_t seed;
};

static void *session_main(void *argument)
{
	struct session *session = argument;
	struct shadow_options options;
	struct shadow_tally tally;

	shadow_options_init(&options);
	options.cycles = 60;
	options.objects = 4000;
	options.seed = session->seed;
	options.large = false;
	shadow_run(session->heap, &options, &tally);
	CHECK(tally.cycles >= 60);
	return NULL;
}

/* Heaps of every plan and delivery the kernel has, all at work at once. */
static void test_two_heaps(void)
{
	static const struct {
		const char *plan, *delivery;
	} wanted[] = {{NULL, NULL}, {NULL, "sigbus"}, {"copy", "sigbus"}, {"stw", NULL}};
	struct session sessions[4];
	pthread_t ids[4];
	int count = 0;

	for (int i = 0; i < 4; i++) {
		struct shadow_options options;
		struct plx_heap_config config;
		struct plx_error error = {0};
		enum plx_status status;

		shadow_options_init(&options);
		options.plan = wanted[i].plan;
		options.delivery = wanted[i].delivery;
		options.heap_max = "16M";
		shadow_config(&options, &config);
		status = plx_heap_create(&config, &sessions[count].heap, &error);
		CHECK(status == PLX_OK || status == PLX_ERROR_CAPABILITY);
		sessions[count].seed = 700 + (uint64_t)i;
		count += status == PLX_OK;
	}
	CHECK(count >= 2);
	for (int i = 0; i < count; i++)
		CHECK(pthread_create(&ids[i], NULL, session_main, &sessions[i]) == 0);
	for (int i = 0; i < count; i++)
		pthread_join(ids[i], NULL);
	for (int i = 0; i < count; i++)
		CHECK(plx_heap_destroy(sessions[i].heap) == PLX_OK);
}

/* One thread attached to two heaps, each a stranger to the other's addresses. */
static void test_thread_in_two_heaps(void)
{
	struct plx_heap *heaps[2] = {heap_make("16M"), heap_make("16M")};
	struct plx_thread *threads[2] = {attach(heaps[0]), attach(heaps[1])};
	struct plx_handle *lists[2];

	for (int i = 0; i < 2; i++) {
		const struct plx_layout *layout = node_layout(heaps[i]);

		lists[i] = plx_handle_create(threads[i], NULL);
		for (uint64_t n = 0; n < 500; n++) {
			struct node *node = plx_alloc(threads[i], layout);

			CHECK(node != NULL);
			node->value = n;
			node->next = lists[i]->ref;
			plx_handle_set(threads[i], lists[i], node);
		}
		CHECK(plx_heap_contains(heaps[i], lists[i]->ref));
		CHECK(!plx_heap_contains(heaps[1 - i], lists[i]->ref));
	}
	for (int round = 0; round < 6; round++)
		plx_collect(threads[round % 2]);
	for (int i = 0; i < 2; i++) {
		list_check(lists[i], 500);
		plx_handle_release(threads[i], lists[i]);
		plx_thread_detach(threads[i]);
		CHECK(plx_heap_destroy(heaps[i]) == PLX_OK);
	}
}

static void test_fork(void)
{
	struct plx_heap *heap = heap_make("16M");
	struct plx_thread *thread = attach(heap);
	const struct plx_layout *layout = node_layout(heap);
	struct plx_handle *list = plx_handle_create(thread, NULL);

	for (uint64_t n = 0; n < 300; n++) {
		struct node *node = plx_alloc(thread, layout);

		CHECK(node != NULL);
		node->value = n;
		node->next = list->ref;
		plx_handle_set(thread, list, node);
	}
	for (int i = 0; i < 3; i++) {
		pid_t child = fork();
		int status = 0;

		CHECK(child >= 0);
		if (child == 0)
			_exit(7);
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		plx_collect(thread);
		list_check(list, 300);
	}
	plx_handle_release(thread, list);
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
}

/* ---- a SIGBUS that is not ours ---- */

static volatile sig_atomic_t foreign_count;

static void on_foreign_sigbus(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
	foreign_count++;
	siglongjmp(foreign_jump, 1);
}

static void test_foreign_sigbus(void)
{
	struct sigaction action = {.sa_sigaction = on_foreign_sigbus,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct sigaction previous;
	struct shadow_options options;
	struct plx_heap_config config;
	struct plx_heap *heap;
	struct plx_thread *thread;

	CHECK(sigaction(SIGBUS, &action, &previous) == 0);
	foreign_count = 0;
	shadow_options_init(&options);
	options.delivery = "sigbus";
	shadow_config(&options, &config);
	if (plx_heap_create(&config, &heap, NULL) == PLX_OK) {
		foreign_touch(); /* from a thread that is not attached */
		thread = attach(heap);
		foreign_touch();
		plx_collect(thread);
		foreign_touch();
		CHECK(foreign_count == 3);
		plx_thread_detach(thread);
		CHECK(plx_heap_destroy(heap) == PLX_OK);
	} else {
		printf("api_misuse: no SIGBUS delivery here, its chain is not tested\n");
	}
	foreign_count = 0;
	foreign_touch(); /* and afterwards it is all ours again */
	CHECK(foreign_count == 1);
	CHECK(sigaction(SIGBUS, &previous, NULL) == 0);
}

/* ---- leaks ---- */

static void heap_once(void)
{
	struct plx_heap *heap = heap_make("8M");
	struct plx_thread *thread = attach(heap);
	const struct plx_layout *layout = node_layout(heap);

	for (int i = 0; i < 50; i++)
		CHECK(plx_alloc(thread, layout) != NULL);
	plx_collect(thread);
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
}

static void test_no_leak(void)
{
	struct process_holdings first, last;

	for (int i = 0; i < 20; i++) /* caches fill: thread stacks, metadata */
		heap_once();
	process_holdings_read(&first);
	for (int i = 0; i < 200; i++)
		heap_once();
	process_holdings_read(&last);
	printf("api_misuse: %u -> %u descriptors, %u -> %u mappings, %u -> %u threads\n", first.fds,
	       last.fds, first.mappings, last.mappings, first.threads, last.threads);
	if (last.fds != first.fds || last.file_mappings != first.file_mappings)
		process_holdings_print();
	CHECK(last.fds == first.fds);
	CHECK(last.file_mappings == first.file_mappings);
	CHECK(last.threads == first.threads);
	CHECK(last.mappings < first.mappings + 50); /* malloc may have split a few of its own */
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"double attach", test_double_attach},
	{"destroy while attached", test_destroy_while_attached},
	{"absurd lengths", test_absurd_lengths},
	{"exhaustion", test_exhaustion},
	{"exhaustion by longjmp", test_exhaustion_by_longjmp},
	{"creation errors", test_creation_errors},
	{"two heaps", test_two_heaps},
	{"a thread in two heaps", test_thread_in_two_heaps},
	{"fork", test_fork},
	{"foreign SIGBUS", test_foreign_sigbus},
	{"no leak", test_no_leak},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc > 1 && strcmp(argv[1], cases[i].name) != 0)
			continue;
		printf("api_misuse: %s\n", cases[i].name);
		fflush(stdout);
		cases[i].run();
	}
	return 0;
}
