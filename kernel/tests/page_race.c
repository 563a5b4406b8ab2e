/* kernel/tests/page_race.c: waiters, and what happens beside a fault: unregister, close, fork, zap,
 * a second resolver. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/tests/page.h"

#define WAITERS 4

/* Four threads stuck on four pages. */
static void stick(struct page_arena *arena, struct page_toucher *touchers)
{
	page_armed(arena, PAGE_SHMEM, 2 * WAITERS);
	for (size_t i = 0; i < WAITERS; i++)
		page_touch(&touchers[i], arena, i * arena->unit);
	for (size_t i = 0; i < WAITERS; i++)
		page_next_fault(arena, NULL);
}

static void all_finish(struct page_arena *arena, struct page_toucher *touchers, size_t first)
{
	for (size_t i = first; i < WAITERS; i++)
		CHECK(page_join(&touchers[i]) == page_value(arena, i * arena->unit));
}

/* Unregistering lets those that wait go on; the page cache serves them. Released kernels wake only
 * the waiters of MISSING ranges here and leave these asleep: a defect, which kernel/5.10 and
 * kernel/6.12 mend. PAGE_FIXED in the environment says that the kernel claims to be mended. */
static void unregister_with_waiters(void)
{
	struct page_toucher touchers[WAITERS];
	struct gc_uffdio_range range;
	struct page_arena arena;
	struct timespec limit;

	stick(&arena, touchers);
	CHECK(page_unregister(&arena, 0, arena.bytes) == 0);
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += getenv("PAGE_FIXED") ? 30 : 1;
	if (pthread_timedjoin_np(touchers[0].thread, NULL, &limit) != 0) {
		range = (struct gc_uffdio_range){(uintptr_t)arena.view, arena.bytes};
		CHECK(ioctl(arena.uffd, GC_UFFDIO_WAKE, &range) == 0);
		all_finish(&arena, touchers, 0);
		CHECK(!getenv("PAGE_FIXED"), "nobody woke the waiters");
		page_skip("known defect of this kernel: waiters stay asleep");
	}
	CHECK(touchers[0].value == page_value(&arena, 0));
	all_finish(&arena, touchers, 1);
	page_close(&arena);
}

static void close_with_waiters(void)
{
	struct page_toucher touchers[WAITERS];
	struct page_arena arena;

	stick(&arena, touchers);
	close(arena.uffd);
	arena.uffd = -1;
	all_finish(&arena, touchers, 0);
	page_close(&arena);
}

/* Several threads wait for one page: one CONTINUE wakes them all. */
static void many_on_one_page(void)
{
	struct page_toucher touchers[WAITERS];
	struct page_arena arena;

	page_armed(&arena, PAGE_SHMEM, 2);
	for (size_t i = 0; i < WAITERS; i++)
		page_touch(&touchers[i], &arena, 0);
	for (size_t i = 0; i < WAITERS; i++)
		page_next_fault(&arena, NULL);
	CHECK(page_continue(&arena, 0, arena.unit, NULL) == 0);
	for (size_t i = 0; i < WAITERS; i++)
		CHECK(page_join(&touchers[i]) == page_value(&arena, 0));
	page_close(&arena);
}

/* With DONTWAKE nobody is woken until UFFDIO_WAKE; with EEXIST neither. */
static void wake_is_separate(void)
{
	struct gc_uffdio_continue request;
	struct gc_uffdio_range range;
	struct page_toucher toucher;
	struct page_arena arena;

	page_armed(&arena, PAGE_SHMEM, 2);
	page_touch(&toucher, &arena, 0);
	page_next_fault(&arena, NULL);
	range = (struct gc_uffdio_range){(uintptr_t)arena.view, arena.unit};
	request = (struct gc_uffdio_continue){.range = range, .mode = 1 /* DONTWAKE */};
	CHECK(ioctl(arena.uffd, GC_UFFDIO_CONTINUE, &request) == 0);
	CHECK(page_continue(&arena, 0, arena.unit, NULL) == -EEXIST);
	CHECK(ioctl(arena.uffd, GC_UFFDIO_WAKE, &range) == 0);
	CHECK(page_join(&toucher) == page_value(&arena, 0));
	request.mode = UINT64_C(1) << 40;
	CHECK(ioctl(arena.uffd, GC_UFFDIO_CONTINUE, &request) == -1 && errno == EINVAL);
	page_close(&arena);
}

/* A child's mapping is not armed; what it writes is the parent's too. */
static void fork_child(void)
{
	struct page_arena arena;
	int status;
	pid_t child;

	page_armed(&arena, PAGE_SHMEM, 4);
	CHECK(page_continue(&arena, 0, arena.unit, NULL) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		bool right = page_holds(&arena, arena.view, 0) &&
			     page_holds(&arena, arena.view, 2 * arena.unit);

		*(volatile uint64_t *)(uintptr_t)(arena.view + 3 * arena.unit) = 99;
		_exit(right ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(status == 0, "status %#x", status);
	CHECK(page_continue(&arena, 3 * arena.unit, arena.unit, NULL) == 0);
	CHECK(*(volatile uint64_t *)(uintptr_t)(arena.view + 3 * arena.unit) == 99);
	page_close(&arena);
}

/* --- one thread drops mappings, two touch, two resolve ------------------------------------------ */

#define RACE_PAGES 64
#define RACE_ROUNDS 400

struct race {
	struct page_arena arena;
	atomic_bool stop; /* all relaxed: nothing is published with it */
	atomic_ulong wrong;
};

static void *race_touch(void *argument)
{
	struct race *race = argument;
	size_t page = 0;

	while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
		page = (page + 37) % RACE_PAGES;
		if (!page_holds(&race->arena, race->arena.view, page * race->arena.unit))
			atomic_fetch_add_explicit(&race->wrong, 1, memory_order_relaxed);
	}
	return NULL;
}

/* Resolve faults until told to stop; `wide` resolvers try everything at once, and so collide. */
static void race_resolve(struct race *race, bool wide)
{
	struct page_arena *arena = &race->arena;
	struct pollfd poller = {.fd = arena->uffd, .events = POLLIN};
	struct gc_uffd_message message;

	while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
		struct gc_uffdio_range range;
		size_t offset;
		int code;

		poll(&poller, 1, 10);
		if (read(arena->uffd, &message, sizeof(message)) != sizeof(message))
			continue;
		offset = (message.address - (uintptr_t)arena->view) & ~(arena->unit - 1);
		if (wide)
			page_continue(arena, 0, arena->bytes, NULL);
		do {
			code = page_continue(arena, offset, arena->unit, NULL);
		} while (code == -EAGAIN);
		/* ENOENT: unregistered at the end of the test. */
		CHECK(code == 0 || code == -EEXIST || code == -ENOENT, "code %d", code);
		range = (struct gc_uffdio_range){(uintptr_t)arena->view + offset, arena->unit};
		CHECK(ioctl(arena->uffd, GC_UFFDIO_WAKE, &range) == 0);
	}
}

static void *race_resolve_one(void *argument)
{
	race_resolve(argument, false);
	return NULL;
}

static void *race_resolve_wide(void *argument)
{
	race_resolve(argument, true);
	return NULL;
}

static void concurrent_zap(void)
{
	static struct race race;
	pthread_t touchers[2], resolvers[2];

	page_armed(&race.arena, PAGE_SHMEM, RACE_PAGES);
	CHECK(pthread_create(&resolvers[0], NULL, race_resolve_one, &race) == 0);
	CHECK(pthread_create(&resolvers[1], NULL, race_resolve_wide, &race) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&touchers[i], NULL, race_touch, &race) == 0);
	for (size_t round = 0; round < RACE_ROUNDS; round++) {
		size_t first = round * 5 % RACE_PAGES, count = round % 9 + 1;

		if (first + count > RACE_PAGES)
			count = RACE_PAGES - first;
		CHECK(madvise(race.arena.view + first * race.arena.unit, count * race.arena.unit,
			      MADV_DONTNEED) == 0);
	}
	/* Touchers first: a resolver that has left would leave them stuck. */
	CHECK(page_unregister(&race.arena, 0, race.arena.bytes) == 0);
	atomic_store_explicit(&race.stop, true, memory_order_relaxed);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(touchers[i], NULL) == 0 &&
		      pthread_join(resolvers[i], NULL) == 0);
	CHECK(atomic_load_explicit(&race.wrong, memory_order_relaxed) == 0);
	page_close(&race.arena);
}

const struct page_test page_race_tests[] = {
	{"unregister_with_waiters", unregister_with_waiters},
	{"close_with_waiters", close_with_waiters},
	{"many_on_one_page", many_on_one_page},
	{"wake_is_separate", wake_is_separate},
	{"fork_child", fork_child},
	{"concurrent_zap", concurrent_zap},
	{NULL, NULL},
};
