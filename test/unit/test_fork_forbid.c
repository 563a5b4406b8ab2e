/* test/unit/test_fork_forbid.c: fork with GC_FORK=forbid: who uses a heap that is its parent's is told so, and
 * crashes for other reasons stay what they are; other programs inherit no descriptor, whatever GC_FORK is. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "test/unit/fork_heap.h"

static void use_alloc(void *argument)
{
	(void)argument;
	plx_alloc_array(thread, bytes, 100000);
}

static void use_collect(void *argument)
{
	(void)argument;
	plx_collect(thread);
}

static void use_heap_collect(void *argument)
{
	plx_block_exit(thread); /* never comes back */
	plx_heap_collect(argument);
}

static void use_block(void *argument)
{
	(void)argument;
	plx_block_enter(thread);
}

static void use_detach(void *argument)
{
	(void)argument;
	plx_thread_detach(thread);
}

static void use_attach(void *argument)
{
	plx_thread_attach(argument, &thread, NULL);
}

static void use_destroy(void *argument)
{
	plx_heap_destroy(argument);
}

static void use_stats(void *argument)
{
	(void)argument;
	stats();
}

static void use_poll(void *argument)
{
	(void)argument;
	thread->poll = 1; /* the first real request */
	plx_poll(thread);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CATCHES_FAULTS 1
static void use_read(void *argument)
{
	(void)argument;
	(void)*(volatile uint64_t *)&((struct node *)fixed_at)->value;
}

static void use_small_alloc(void *argument)
{
	(void)argument;
	plx_alloc(thread, nodes);
}

static void use_handle(void *argument)
{
	(void)argument;
	plx_handle_set(thread, list, NULL);
}

static void use_pin(void *argument)
{
	(void)argument;
	plx_pin(thread, fixed_at, "test");
}
#endif

static void forbidden(const char *plan)
{
	static void (*const uses[])(void *) = {
		use_alloc,  use_collect,     use_heap_collect, use_block, use_detach,
		use_attach, use_destroy,     use_stats,	       use_poll,
#ifdef CATCHES_FAULTS
		use_read,   use_small_alloc, use_handle,       use_pin,
#endif
	};

	if (!heap_open(plan, NULL, "forbid"))
		skip();
	for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++) {
		int status = child_of(uses[i], heap, true);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
		    !strstr(text, "this process is a child of fork") ||
		    !strstr(text, "GC_FORK=copy"))
			fail_msg("use %zu: status %#x, and it said:\n%s", i, (unsigned)status,
				 text);
	}
	plx_collect(thread);
	assert_true(heap_is_right(thread));
	heap_close();
}

static void test_forbidden(void **state)
{
	(void)state;
	forbidden("minor");
	forbidden("copy");
	forbidden("stw");
}

static void crash(void *argument)
{
	volatile int *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argument;
	*nowhere = 1;
}

/* A crash that is not ours stays what it is. */
static void test_other_crashes(void **state)
{
	int status;

	(void)state;
	heap_open(NULL, NULL, "forbid");
	status = child_of(crash, NULL, true);
#ifdef CATCHES_FAULTS
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
#endif
	assert_true(status != 0);
	assert_null(strstr(text, "child of fork"));
	heap_close();
}

/* ---- other programs ---- */

static const char *const list_descriptors[] = {"/bin/sh", "-c", "ls -l /proc/self/fd >&2", NULL};

static void exec_list(void *argument)
{
	(void)argument;
	execv(list_descriptors[0], (char *const *)(uintptr_t)list_descriptors);
}

static void says_nothing_of_ours(void)
{
	assert_non_null(strstr(text, "->"));
	assert_null(strstr(text, "parallax"));
	assert_null(strstr(text, "userfaultfd"));
	assert_null(strstr(text, "eventfd"));
}

/* posix_spawn and vfork run no handlers. */
static pid_t start_by_vfork(int error_end)
{
	pid_t child = vfork();

	if (child == 0) {
		dup2(error_end, STDERR_FILENO);
		execv(list_descriptors[0], (char *const *)(uintptr_t)list_descriptors);
		_exit(1);
	}
	return child;
}

static pid_t start_by_spawn(int error_end)
{
	posix_spawn_file_actions_t actions;
	pid_t child;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, error_end, STDERR_FILENO);
	assert_int_equal(posix_spawn(&child, list_descriptors[0], &actions, NULL,
				     (char *const *)(uintptr_t)list_descriptors, NULL),
			 0);
	posix_spawn_file_actions_destroy(&actions);
	return child;
}

static void spawn_list(pid_t (*start)(int error_end))
{
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = start(ends[1]);
	close(ends[1]);
	process_read_all(ends[0], text, sizeof(text));
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	must_pass(status);
}

static void other_programs(const char *plan, const char *mode)
{
	if (!heap_open(plan, NULL, mode))
		skip();
	must_pass(child_of(exec_list, NULL, true));
	says_nothing_of_ours();
	spawn_list(start_by_spawn);
	says_nothing_of_ours();
	spawn_list(start_by_vfork);
	says_nothing_of_ours();
	plx_collect(thread);
	assert_true(heap_is_right(thread));
	heap_close();
}

static void test_other_programs(void **state)
{
	(void)state;
	other_programs(NULL, "forbid");
	other_programs(NULL, "copy");
	other_programs("copy", "copy");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_other_crashes),
		cmocka_unit_test(test_other_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
