/* test/unit/test_fork.c: fork with GC_FORK=copy: a copied heap goes on in the child, and in its children,
 * whenever the fork comes; what cannot be copied is said, and costs the parent nothing. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "gc/collect/collect.h"
#include "runtime/world.h"
#include "test/support/inject.h"
#include "test/unit/fork_heap.h"

static unsigned descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void use_hard(struct plx_thread *self)
{
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 5000; i++)
			CHECK(plx_alloc_array(self, bytes, 200));
		CHECK(plx_alloc_fixed(self, bytes, 300));
		CHECK(plx_alloc_array(self, bytes, 1000000));
		CHECK(heap_is_right(self));
		plx_collect(self);
		CHECK(heap_is_right(self));
	}
}

static void *child_thread(void *argument)
{
	struct plx_thread *self;

	(void)argument;
	CHECK(plx_thread_attach(heap, &self, NULL) == PLX_OK);
	use_hard(self);
	plx_thread_detach(self);
	return NULL;
}

static void go_on(void *argument);

/* Everything a heap is for, in the child: children of its own, threads, and its end. */
static void go_on(void *argument)
{
	unsigned generations = *(unsigned *)argument;
	struct plx_stats before = stats();
	pthread_t other;

	CHECK(heap_is_right(thread));
	use_hard(thread);
	CHECK(stats().cycles > before.cycles);
	CHECK(stats().flips > before.flips);
	CHECK(pthread_create(&other, NULL, child_thread, NULL) == 0);
	plx_block_enter(thread);
	pthread_join(other, NULL);
	plx_block_exit(thread);
	CHECK(heap_is_right(thread));
	if (generations > 0) {
		int status;
		pid_t child;

		generations--;
		fflush(NULL);
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			go_on(&generations);
			_exit(0);
		}
		plx_collect(thread);
		CHECK(heap_is_right(thread));
		plx_block_enter(thread);
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		plx_block_exit(thread);
	}
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
}

static atomic_bool stop;
static atomic_uint begun;

/* A thread that begins or ends may be in malloc, and not every malloc outlives a fork (a sanitizer's does not). */
static void others_have_begun(unsigned count)
{
	while (atomic_load(&begun) < count)
		usleep(100);
	atomic_store(&begun, 0);
}

/* Others that are attached, in all states. */
static void *busy_main(void *argument)
{
	struct plx_thread *self;
	struct plx_scope scope;

	assert_int_equal(plx_thread_attach(heap, &self, NULL), PLX_OK);
	plx_scope_enter(self, &scope);
	plx_handle_push(self, plx_alloc_fixed(self, nodes, 0));
	atomic_fetch_add(&begun, 1);
	while (!atomic_load(&stop)) {
		for (int i = 0; i < 300; i++)
			plx_alloc_array(self, bytes, 300);
		plx_block_enter(self);
		usleep(argument ? 200 : 0);
		plx_block_exit(self);
	}
	plx_scope_exit(self, &scope);
	plx_thread_detach(self);
	return NULL;
}

static void *collect_main(void *argument)
{
	(void)argument;
	atomic_fetch_add(&begun, 1);
	while (!atomic_load(&stop))
		plx_heap_collect(heap);
	return NULL;
}

static void copied(const char *plan, const char *delivery)
{
	pthread_t others[3];
	unsigned count, generations = 1;

	if (!heap_open(plan, delivery, "copy"))
		skip();
	count = descriptors();
	must_pass(child_of(go_on, &generations, false));
	atomic_store(&stop, false);
	pthread_create(&others[0], NULL, busy_main, NULL);
	pthread_create(&others[1], NULL, busy_main, &stop);
	pthread_create(&others[2], NULL, collect_main, NULL);
	plx_block_enter(thread);
	others_have_begun(3);
	plx_block_exit(thread);
	for (int i = 0; i < 2; i++) {
		generations = 0;
		must_pass(child_of(go_on, &generations, false));
		assert_true(heap_is_right(thread));
		plx_collect(thread);
		assert_true(heap_is_right(thread));
	}
	atomic_store(&stop, true);
	plx_block_enter(thread);
	for (int i = 0; i < 3; i++)
		pthread_join(others[i], NULL);
	plx_block_exit(thread);
	assert_int_equal(descriptors(), count);
	heap_close();
}

static void test_copied(void **state)
{
	(void)state;
	copied("minor", "thread");
	copied("minor", "sigbus");
	copied("copy", "thread");
	copied("copy", "sigbus");
	copied("stw", NULL);
}

/* What the child holds open is its own, and no more than the parent holds. */
static void count_descriptors(void *argument)
{
	unsigned count = descriptors();

	if (count != *(unsigned *)argument)
		fprintf(stderr, "%u descriptors, not %u\n", count, *(unsigned *)argument);
	CHECK(count == *(unsigned *)argument);
}

static void test_descriptors(void **state)
{
	unsigned count;

	(void)state;
	heap_open(NULL, NULL, "copy");
	count = descriptors();
	must_pass(child_of(count_descriptors, &count, false));
	assert_int_equal(descriptors(), count);
	heap_close();
}

/* From a blocking region, and from a thread that is not attached. */
static void go_on_blocked(void *argument)
{
	plx_block_exit(thread);
	go_on(argument);
}

static void attach_and_go_on(void *argument)
{
	CHECK(plx_thread_attach(heap, &thread, NULL) == PLX_OK);
	go_on(argument);
}

static void *fork_unattached(void *argument)
{
	must_pass(child_of(attach_and_go_on, argument, false));
	return NULL;
}

static void test_from_anywhere(void **state)
{
	unsigned generations = 0;
	pthread_t other;

	(void)state;
	heap_open(NULL, NULL, "copy");
	plx_block_enter(thread);
	must_pass(child_of(go_on_blocked, &generations, false));
	pthread_create(&other, NULL, fork_unattached, &generations);
	pthread_join(other, NULL);
	plx_block_exit(thread);
	assert_true(heap_is_right(thread));
	heap_close();
}

/* One heap is copied; others are forbidden in the child all the same. */
static struct plx_heap *second;

static void use_second(void *argument)
{
	struct plx_stats now;

	CHECK(heap_is_right(thread));
	plx_collect(thread);
	plx_heap_stats(argument, &now);
}

static void test_two_heaps(void **state)
{
	struct plx_error error = {0};
	struct plx_thread *other;
	unsigned generations = 0;
	int status;

	(void)state;
	heap_open(NULL, NULL, "copy");
	assert_null(heap_make(NULL, NULL, "copy", &error));
	assert_int_equal(error.status, PLX_ERROR_LIMIT);
	assert_non_null(strstr(error.message, "GC_FORK=copy"));
	second = heap_make(NULL, NULL, "forbid", NULL);
	assert_non_null(second);
	assert_int_equal(plx_thread_attach(second, &other, NULL), PLX_OK);
	status = child_of(use_second, second, true);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "this process is a child of fork"));
	must_pass(child_of(go_on, &generations, false));
	plx_collect(other);
	plx_thread_detach(other);
	assert_int_equal(plx_heap_destroy(second), PLX_OK);
	heap_close();
	heap_open(NULL, NULL, "copy"); /* another one may be it now */
	must_pass(child_of(go_on, &generations, false));
	heap_close();
}

/* The trace is the parent's: the child adds nothing to it. */
static void test_trace(void **state)
{
	char name[] = "/tmp/plx-test-fork-XXXXXX", *end;
	unsigned generations = 0;
	ssize_t length;
	int file = mkstemp(name);

	(void)state;
	assert_true(file >= 0);
	setenv("GC_TRACE", name, 1);
	heap_open(NULL, NULL, "copy");
	unsetenv("GC_TRACE");
	plx_collect(thread);
	must_pass(child_of(go_on, &generations, false));
	plx_collect(thread);
	heap_close();
	length = pread(file, text, sizeof(text) - 1, 0);
	assert_true(length > 0 && (size_t)length < sizeof(text) - 1);
	text[length] = '\0';
	end = strstr(text, "\n]\n");
	assert_non_null(end); /* closed once, and that is the end */
	assert_int_equal(end + 3 - text, length);
	assert_null(strstr(strstr(text, "process_name") + 1, "process_name"));
	close(file);
	unlink(name);
}

/* ---- at every phase ---- */

/* The collector's calls of the runtime, at each of which a fork is let loose. Rounds are counted from 1 and never
 * begin anew: a cycle that allocation asked for may still be on its way when the next begins. */
static struct gc_world watched;
static unsigned point, wanted_point;
static atomic_uint fork_due, noted, forked; /* the round for which it is */
static unsigned forks_in_cycles;
static bool stopped;	    /* the collector's, as the next */
static unsigned waited_for; /* a round */

/* At the first point at which the thread can tell that it is about to fork the cycle waits for it, however long it
 * takes to get a CPU. The fork itself waits for the cycle's end: so not for long. */
static void at_point(void)
{
	unsigned due;

	if (point++ == wanted_point)
		atomic_store(&fork_due, wanted_point + 1);
	due = atomic_load(&fork_due);
	if (stopped || waited_for >= due)
		return;
	waited_for = due;
	while (atomic_load(&noted) < due)
		usleep(100);
	for (int i = 0; i < 20 && atomic_load(&forked) < due; i++)
		usleep(100);
}

static void watched_stop(struct gc_heap *gc, enum gc_stop kind)
{
	at_point();
	rt_world.stop(gc, kind);
	stopped = true;
	at_point();
}

static void watched_resume(struct gc_heap *gc)
{
	at_point();
	stopped = false;
	rt_world.resume(gc);
	at_point();
}

static void watched_handshake(struct gc_heap *gc, gc_answer answer)
{
	at_point();
	rt_world.handshake(gc, answer);
	at_point();
}

static void watched_armed(struct gc_heap *gc, bool armed)
{
	at_point();
	rt_world.armed(gc, armed);
	at_point();
}

static void check_child(void *argument)
{
	CHECK(heap_is_right(thread));
	for (int i = 0; i < 2; i++) {
		plx_collect(thread);
		CHECK(heap_is_right(thread));
	}
	CHECK(*(unsigned *)argument == wanted_point);
}

static void note_cycle(void)
{
	pthread_mutex_lock(&heap->collector.lock);
	forks_in_cycles += heap->collector.started > heap->collector.finished;
	pthread_mutex_unlock(&heap->collector.lock);
	atomic_store(&noted, wanted_point + 1);
}

/* Running, it polls until it is told; blocked, it comes from the blocking region. It must not run out of memory,
 * which only comes back with the cycle that waits for it. */
static void fork_when_told(bool blocked)
{
	for (unsigned i = 0; atomic_load(&fork_due) <= wanted_point; i++) {
		if (i < 1000)
			plx_alloc_array(thread, bytes, 100);
		else
			plx_poll(thread);
		if (blocked) {
			plx_block_enter(thread);
			while (atomic_load(&fork_due) <= wanted_point)
				usleep(50);
			note_cycle();
			must_pass(child_of(go_on_blocked, (unsigned[]){0}, false));
			plx_block_exit(thread);
			return;
		}
	}
	note_cycle();
	must_pass(child_of(check_child, &wanted_point, false));
}

static void *one_cycle(void *argument)
{
	(void)argument;
	plx_heap_collect(heap);
	atomic_store(&fork_due, wanted_point + 1);   /* the cycle had fewer points */
	while (atomic_load(&forked) <= wanted_point) /* see others_have_begun */
		usleep(100);
	return NULL;
}

static void phases(const char *plan, const char *delivery)
{
	unsigned last = 0;

	if (!heap_open(plan, delivery, "copy"))
		skip();
	forks_in_cycles = 0;
	fork_due = noted = forked = waited_for = 0;
	watched = rt_world;
	watched.stop = watched_stop;
	watched.resume = watched_resume;
	watched.handshake = watched_handshake;
	watched.armed = watched_armed;
	heap->gc.world = &watched;
	for (wanted_point = 0; wanted_point <= last; wanted_point++) {
		pthread_t collector;

		point = 0;
		assert_int_equal(pthread_create(&collector, NULL, one_cycle, NULL), 0);
		fork_when_told(wanted_point % 4 == 3);
		atomic_store(&forked, wanted_point + 1);
		plx_block_enter(thread);
		pthread_join(collector, NULL);
		plx_block_exit(thread);
		assert_true(heap_is_right(thread));
		if (wanted_point == 0) {
			last = point - 1;
			assert_true(point >= 4);
		}
	}
	assert_true(forks_in_cycles > last / 2);
	heap->gc.world = &rt_world;
	heap_close();
}

static void test_phases(void **state)
{
	(void)state;
	phases("minor", "thread");
	phases("copy", "sigbus");
	phases("stw", NULL);
}

/* ---- several at once ---- */

static pthread_barrier_t at_once; /* they begin and end together: see others_have_begun */

/* Attached and running: two such forks wait for each other without being waited for. */
static void *fork_often(void *argument)
{
	struct plx_thread *self;

	(void)argument;
	pthread_barrier_wait(&at_once);
	assert_int_equal(plx_thread_attach(heap, &self, NULL), PLX_OK);
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();
		int status = 0;

		if (child == 0) {
			patience_begin(CHILD_SECONDS);
			CHECK(heap_is_right(self));
			plx_collect(self);
			CHECK(heap_is_right(self));
			_exit(0);
		}
		plx_block_enter(self);
		assert_int_equal(waitpid(child, &status, 0), child);
		plx_block_exit(self);
		assert_int_equal(status, 0);
	}
	plx_thread_detach(self);
	pthread_barrier_wait(&at_once);
	return NULL;
}

static void test_at_once(void **state)
{
	pthread_t others[4];

	(void)state;
	heap_open(NULL, NULL, "copy");
	atomic_store(&stop, false);
	pthread_barrier_init(&at_once, NULL, 4);
	for (int i = 0; i < 3; i++)
		pthread_create(&others[i], NULL, fork_often, NULL);
	pthread_create(&others[3], NULL, collect_main, NULL);
	plx_block_enter(thread);
	others_have_begun(1);
	pthread_barrier_wait(&at_once);
	pthread_barrier_wait(&at_once);
	for (int i = 0; i < 3; i++)
		pthread_join(others[i], NULL);
	atomic_store(&stop, true);
	pthread_join(others[3], NULL);
	pthread_barrier_destroy(&at_once);
	plx_block_exit(thread);
	assert_true(heap_is_right(thread));
	heap_close();
}

/* ---- what fails ---- */

static void has_no_heap(void *argument)
{
	(void)argument;
	plx_collect(thread);
}

#define LATER 2

/* The parent says so, or the child does, and that child has no heap. The next one has. */
static void fails(enum inject_entry entry, unsigned long request, uint64_t nth, int error,
		  bool in_child)
{
	struct inject_rule rule = {.entry = entry,
				   .mode = nth == 0	  ? INJECT_ALWAYS
					   : nth == LATER ? INJECT_FROM
							  : INJECT_ONCE,
				   .nth = nth,
				   .error = error,
				   .request = request};
	char said[4096] = "";
	int before = dup(STDERR_FILENO), file = fileno(tmpfile()), status, armed;
	unsigned count = descriptors();
	ssize_t length;

	fflush(NULL);
	armed = inject_arm(&rule);
	dup2(file, STDERR_FILENO); /* of parent and child */
	status = child_of(has_no_heap, NULL, false);
	dup2(before, STDERR_FILENO);
	close(before);
	inject_disarm(armed);
	length = pread(file, said, sizeof(said) - 1, 0);
	assert_true(length > 0);
	said[length] = '\0';
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
	    !strstr(said, "parallax: fork: the heap could not be copied") ||
	    !strstr(said, strerror(error)) || !strstr(said, "this process is a child of fork") ||
	    !!strstr(said, "copied in the child") != in_child)
		fail_msg("%s: status %#x, and they said:\n%s", inject_entry_name(entry),
			 (unsigned)status, said);
	assert_int_equal(descriptors(), count - 1); /* but `before` */
	assert_true(heap_is_right(thread));
	plx_collect(thread);
	assert_true(heap_is_right(thread));
	must_pass(child_of(check_child, &wanted_point, false));
}

static void test_failures(void **state)
{
	(void)state;
	inject_install();
	if (!heap_open("minor", "thread", "copy")) {
		inject_uninstall();
		skip();
	}
	fails(INJECT_madvise, MADV_DOFORK, 1, ENOMEM, false);
	fails(INJECT_memfd_create, 0, 1, EMFILE, false);
	fails(INJECT_ftruncate, 0, 1, EINVAL, false);
	fails(INJECT_add_seals, 0, 1, EPERM, false);
	fails(INJECT_mmap, 0, 1, ENOMEM, false);
	fails(INJECT_fallocate, 0, 3, ENOSPC, false);
	fails(INJECT_mmap, 0, LATER, ENOMEM, true); /* those of the child */
	fails(INJECT_eventfd, 0, 0, EMFILE, true);
	fails(INJECT_thread_create, 0, 0, EAGAIN, true); /* the fault thread */
	fails(INJECT_thread_create, 0, 3, EAGAIN, true); /* the collector */
	heap_close();
	heap_open("copy", "sigbus", "copy");
	fails(INJECT_madvise, MADV_DOFORK, 1, EINVAL, false);
	fails(INJECT_madvise, MADV_DONTFORK, 1, EINVAL, true);
	heap_close();
	inject_uninstall();
}

/* A helper that cannot be had is done without. */
static void test_fewer_helpers(void **state)
{
	unsigned generations = 0;
	int rule;

	(void)state;
	inject_install();
	if (!heap_open("minor", "thread", "copy")) {
		inject_uninstall();
		skip();
	}
	rule = inject_arm_once(INJECT_thread_create, 2, EAGAIN);
	must_pass(child_of(go_on, &generations, false));
	inject_disarm(rule);
	heap_close();
	inject_uninstall();
}

/* [CL-3] Once a mutator asked for a cycle just when a fork had made the collector rest: it waited for the
 * lock, and the fork for it to come to a safepoint. Here it asks at that very moment. */
static void test_asking_while_it_rests(void **state)
{
	uint64_t cycles;
	struct plx_stats stats;

	(void)state;
	if (!heap_open("minor", "thread", "copy"))
		skip();
	plx_collect(thread);
	plx_heap_stats(heap, &stats);
	cycles = stats.cycles;
	rt_collector_hold(heap);
	patience_begin(CHILD_SECONDS);
	rt_collector_request(heap, "asked for"); /* running: it must come back */
	patience_begin(0);
	usleep(20000);
	plx_heap_stats(heap, &stats);
	assert_int_equal(stats.cycles, cycles); /* nothing begins */
	rt_collector_let_go(heap);
	plx_collect(thread);
	plx_heap_stats(heap, &stats);
	assert_true(stats.cycles > cycles);
	heap_close();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copied),	      cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_from_anywhere), cmocka_unit_test(test_two_heaps),
		cmocka_unit_test(test_trace),	      cmocka_unit_test(test_phases),
		cmocka_unit_test(test_at_once),	      cmocka_unit_test(test_failures),
		cmocka_unit_test(test_fewer_helpers), cmocka_unit_test(test_asking_while_it_rests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
