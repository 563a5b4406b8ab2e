/* test/system/bad_input.c: every exported function, called wrongly: an error, or NULL, or in debug builds an end
 * that names the function and what is wrong. The calls are rows of bad_input.h; each runs in a child with
 * two heaps, so that whatever it breaks is gone.
 *
 *	bad_input [PART]	only the rows whose name contains PART */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <parallax/histogram.h>
#include <parallax/parallax.h>

#include "test/support/patience.h"
#include "test/support/process.h"

#define EXPECT(condition)                                                       \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			_exit(1);                                               \
		}                                                               \
	} while (0)

/* What a row has at hand. */
struct bad_input {
	struct plx_heap_config config;
	struct plx_heap *heap, *other, *destroyed;
	struct plx_thread *thread;  /* of `heap`, running */
	struct plx_thread *foreign; /* of `other`, another thread's */
	struct plx_thread *detached;
	struct plx_thread *spare;
	const struct plx_layout *layout, *other_layout;
	struct plx_handle *handle, *other_handle; /* each with an object */
	struct plx_guardian *guardian;
	struct plx_root_stack *stack;
	struct plx_native_stack *native;
	struct plx_listener listener;
	struct plx_histogram histogram;
	void *slots[16];
	char memory[4096];
};

/* ---- what rows give to the library ---- */

static uint64_t custom_size(uint64_t length, void *context)
{
	(void)context;
	return 16 + 8 * length;
}

static uint64_t absurd_size(uint64_t length, void *context)
{
	(void)length;
	return *(const uint64_t *)context;
}

static void custom_trace(void *object, uint64_t length, struct plx_slot_visitor *visitor,
			 void *context)
{
	(void)object, (void)length, (void)visitor, (void)context;
}

static void visitor(struct plx_root_visit *visit, void *context)
{
	(void)visit, (void)context;
}

static void pin_visit(void *object, const char *who, uint64_t count, void *context)
{
	(void)object, (void)who, (void)count, (void)context;
}

static struct plx_heap *heap_make(struct bad_input *it)
{
	struct plx_heap *heap = NULL;

	EXPECT(plx_heap_create(&it->config, &heap, NULL) == PLX_OK);
	return heap;
}

static uintptr_t classify(uint64_t word, void *context)
{
	(void)word, (void)context;
	return 0;
}

/* ---- the rows ---- */

static int wanted, reached;
static const char *wanted_name, *wanted_death;

/* True for the row that is wanted. */
static bool row(const char *name, const char *death)
{
	if (reached++ != wanted)
		return false;
	wanted_name = name;
	wanted_death = death;
	return true;
}

#define BAD(function, name, death, ...)         \
	if (row(#function ": " #name, death)) { \
		if (it == NULL)                 \
			return;                 \
		__VA_ARGS__;                    \
		return;                         \
	}
#define FINE(function, why)

/* Runs row number `wanted`; without `it`, only finds it. */
static void run_row(struct bad_input *it)
{
	reached = 0;
#include "test/system/bad_input.h"
}

/* ---- a child ---- */

static const struct plx_layout *layout_make(struct plx_heap *heap)
{
	static const size_t offset = sizeof(struct plx_header);

	return plx_layout_fixed(heap, 16, &offset, 1, NULL);
}

static void *foreign_main(void *argument)
{
	struct bad_input *it = argument;

	EXPECT(plx_thread_attach(it->other, &it->foreign, NULL) == PLX_OK);
	it->other_layout = layout_make(it->other);
	it->other_handle = plx_handle_create(it->foreign, plx_alloc(it->foreign, it->other_layout));
	plx_block_enter(it->foreign);
	/* Release: whoever sees it is done with the above. */
	__atomic_store_n(&it->spare, it->foreign, __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

static void prepare(struct bad_input *it)
{
	pthread_t id;

	plx_config_init(&it->config);
	EXPECT(plx_config_set(&it->config, "GC_HEAP_MAX", "8M", NULL) == PLX_OK);
	EXPECT(plx_config_set(&it->config, "GC_PLAN", "stw", NULL) == PLX_OK);
	it->destroyed = heap_make(it);
	it->heap = heap_make(it);
	it->other = heap_make(it);
	EXPECT(plx_heap_destroy(it->destroyed) == PLX_OK);
	EXPECT(plx_thread_attach(it->heap, &it->detached, NULL) == PLX_OK);
	plx_thread_detach(it->detached);
	EXPECT(pthread_create(&id, NULL, foreign_main, it) == 0);
	while (__atomic_load_n(&it->spare, __ATOMIC_ACQUIRE) == NULL) /* as above */
		usleep(100);
	it->spare = NULL;
	EXPECT(plx_thread_attach(it->heap, &it->thread, NULL) == PLX_OK);
	if (it->thread == it->detached) /* the same memory again */
		it->detached = (struct plx_thread *)it->memory;
	it->layout = layout_make(it->heap);
	it->handle = plx_handle_create(it->thread, plx_alloc(it->thread, it->layout));
	it->guardian = plx_guardian_create(it->heap, 0, NULL);
	it->stack = plx_root_stack_create(it->thread, 10, NULL);
	EXPECT(it->stack && it->layout && it->handle && it->handle->ref && it->guardian &&
	       it->other_handle);
}

static _Noreturn void child_main(int error_fd)
{
	static struct bad_input it;
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	dup2(error_fd, STDERR_FILENO);
	patience_begin(60);
	prepare(&it);
	run_row(&it);
	_exit(0);
}

/* ---- the parent ---- */

static bool dies(void)
{
#ifdef PLX_DEBUG
	return wanted_death != NULL;
#else
	return false;
#endif
}

/* The message names the function and what is wrong. */
static bool as_expected(int status, const char *text)
{
	char function[100];
	int length = (int)strcspn(wanted_name, ":");

	if (!dies())
		return WIFEXITED(status) && WEXITSTATUS(status) == 0;
	snprintf(function, sizeof(function), "misuse: %.*s: ", length, wanted_name);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(text, function) &&
	       strstr(text, wanted_death);
}

static bool try_row(void)
{
	static char text[1 << 16];
	int fds[2], status;
	pid_t child;

	if (pipe(fds) != 0)
		abort();
	fflush(NULL);
	child = fork();
	if (child == 0)
		child_main(fds[1]);
	close(fds[1]);
	process_read_all(fds[0], text, sizeof(text));
	close(fds[0]);
	if (child < 0 || waitpid(child, &status, 0) != child)
		abort();
	if (as_expected(status, text))
		return true;
	printf("bad_input: FAILED: %s: %s %d, expected %s\n%s", wanted_name,
	       WIFSIGNALED(status) ? "signal" : "exit",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	       dies() ? wanted_death : "an error", text);
	return false;
}

int main(int argc, char **argv)
{
	unsigned tried = 0, failed = 0;

	for (wanted = 0;; wanted++) {
		wanted_name = NULL;
		run_row(NULL);
		if (wanted_name == NULL)
			break;
		if ((argc > 1 && strstr(wanted_name, argv[1]) == NULL) ||
		    (wanted_death != NULL && !dies()))
			continue;
		tried++;
		failed += !try_row();
	}
	printf("bad_input: %u rows, %u failed\n", tried, failed);
	return failed != 0 || tried == 0;
}
