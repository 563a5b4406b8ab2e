/* test/system/stuck_thread.c: [TH-4]: a thread that keeps a collection waiting is named, with its stack,
 * and the collection succeeds as soon as it polls; one that ended without detaching is found out, and
 * collections go on. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <parallax/parallax.h>

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stdout, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

static struct plx_heap *heap;
static atomic_bool running, go_on;
static char report[16384];

/* What the library says on standard error between begin and end. */
static int capture_file, capture_before;

static void capture_begin(void)
{
	char name[] = "/tmp/stuck_thread.XXXXXX";

	capture_file = mkstemp(name);
	CHECK(capture_file >= 0);
	unlink(name);
	fflush(stderr);
	capture_before = dup(STDERR_FILENO);
	CHECK(dup2(capture_file, STDERR_FILENO) >= 0);
}

static void capture_read(void)
{
	ssize_t length = pread(capture_file, report, sizeof(report) - 1, 0);

	CHECK(length >= 0);
	report[length] = 0;
}

static void capture_end(void)
{
	capture_read();
	CHECK(dup2(capture_before, STDERR_FILENO) >= 0);
	close(capture_before);
	close(capture_file);
}

static struct plx_thread *attach(void)
{
	struct plx_thread *thread = NULL;
	struct plx_error error = {0};

	CHECK(plx_thread_attach(heap, &thread, &error) == PLX_OK);
	return thread;
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Named in the report: not static, so that the linker's table has it. */
void stuck_in_a_loop(void);
__attribute__((noinline)) void stuck_in_a_loop(void)
{
	atomic_store(&running, true);
	while (!atomic_load(&go_on))
		nap();
}

static void *stuck_main(void *argument)
{
	struct plx_thread *thread = attach();

	(void)argument;
	stuck_in_a_loop();
	plx_poll(thread);
	plx_thread_detach(thread);
	return NULL;
}

static void *collect_main(void *argument)
{
	(void)argument;
	plx_heap_collect(heap);
	return NULL;
}

static void test_a_stuck_thread_is_named(void)
{
	pthread_t stuck, collect;

	CHECK(pthread_create(&stuck, NULL, stuck_main, NULL) == 0);
	while (!atomic_load(&running))
		nap();
	capture_begin();
	CHECK(pthread_create(&collect, NULL, collect_main, NULL) == 0);
	do {
		nap();
		capture_read();
	} while (!strstr(report, "stuck_main") && !strstr(report, "cannot be shown"));
	atomic_store(&go_on, true);
	pthread_join(collect, NULL);
	pthread_join(stuck, NULL);
	capture_end();
	printf("%s", report);
	CHECK(strstr(report, "to reach a safepoint"));
	CHECK(strstr(report, "plx_block_enter"));
	CHECK(strstr(report, "  #0"));
}

static void *vanish_main(void *argument)
{
	(void)argument;
	attach();
	return NULL;
}

static void test_a_thread_that_ended_holds_nothing_up(void)
{
	pthread_t vanish;

	CHECK(pthread_create(&vanish, NULL, vanish_main, NULL) == 0);
	pthread_join(vanish, NULL);
	capture_begin();
	plx_heap_collect(heap);
	plx_heap_collect(heap);
	capture_end();
	printf("%s", report);
	CHECK(strstr(report, "ended without plx_thread_detach"));
	CHECK(!strstr(strstr(report, "ended without") + 1, "ended without"));
}

int main(void)
{
	struct plx_heap_config config;
	struct plx_error error = {0};

	plx_config_init(&config);
	config.heap_max_bytes = 16u << 20;
	config.stop_report_ms = 50;
	CHECK(plx_heap_create(&config, &heap, &error) == PLX_OK);
	test_a_stuck_thread_is_named();
	test_a_thread_that_ended_holds_nothing_up();
	/* The thread that ended is attached for good: the heap cannot be destroyed. */
	CHECK(plx_heap_destroy(heap) == PLX_ERROR_MISUSE);
	puts("stuck_thread: ok");
	return 0;
}
