/* kernel/tests/count.c: what UFFDIO_CONTINUE costs, in instructions.
 *
 * Meant for a guest with one CPU whose clock advances by one for each instruction (the emulator's
 * -icount shift=0,sleep=off): there the time-stamp counter counts instructions, and a figure repeats
 * almost exactly. Anywhere else the figures are time-stamp ticks and mean little.
 *
 * Prints "count NAME VALUE", instructions a page (pmd: for 8 MiB), the least of a few runs; user space's
 * share, a few instructions a call, is included. Copying is not counted: the emulator takes each round of a string
 * instruction for one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/tests/page.h"

/* A page table's worth: short, so that most runs are over before the clock or anybody else comes in
 * between; the least of many. */
#define PAGES 512
#define PMD_PAGES 2048 /* four huge pages */
#define RUNS 40

/* Of kernel/6.12 only. */
#define FEATURE_CONTINUE_SKIP (UINT64_C(1) << 27)
#define MODE_SKIP (UINT64_C(1) << 2)

static uint64_t ticks(void)
{
	return __builtin_ia32_rdtsc();
}

static int range_continue(struct page_arena *arena, size_t first, size_t count)
{
	return page_continue(arena, first * arena->unit, count * arena->unit, NULL);
}

/* Empty the view's page tables; the tables themselves stay. */
static void zap(struct page_arena *arena)
{
	CHECK(madvise(arena->view, arena->bytes, MADV_DONTNEED) == 0);
}

static void one_by_one(struct page_arena *arena)
{
	for (size_t page = 0; page < PAGES; page++)
		CHECK(range_continue(arena, page, 1) == 0);
}

static void whole(struct page_arena *arena)
{
	CHECK(range_continue(arena, 0, arena->bytes / arena->unit) == 0);
}

/* What a manager has to do whose pages may be mapped: step over each, and wake. */
static void step_over(struct page_arena *arena)
{
	for (size_t page = 0; page < PAGES; page++) {
		struct gc_uffdio_range range = {(uintptr_t)arena->view + page * arena->unit,
						arena->unit};

		CHECK(range_continue(arena, page, PAGES - page) == -EEXIST);
		CHECK(ioctl(arena->uffd, GC_UFFDIO_WAKE, &range) == 0);
	}
}

/* The same in one call. */
static void skip(struct page_arena *arena)
{
	struct gc_uffdio_continue request = {
		.range = {(uintptr_t)arena->view, arena->bytes},
		.mode = MODE_SKIP,
	};

	CHECK(ioctl(arena->uffd, GC_UFFDIO_CONTINUE, &request) == 0);
}

/* The least of a few runs, over all pages. */
static uint64_t least(struct page_arena *arena, void (*run)(struct page_arena *), bool mapped)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < RUNS; i++) {
		uint64_t begin, end;

		zap(arena);
		if (mapped)
			whole(arena);
		begin = ticks();
		run(arena);
		end = ticks();
		if (end - begin < best)
			best = end - begin;
	}
	return best;
}

static void count(const char *name, struct page_arena *arena, void (*run)(struct page_arena *),
		  bool mapped)
{
	printf("count %s %lu\n", name, (unsigned long)(least(arena, run, mapped) / PAGES));
}

static void arm(struct page_arena *arena, size_t pages, bool huge, uint64_t features)
{
	page_open(arena, PAGE_SHMEM, pages);
	if (huge) {
		madvise(arena->alias, arena->bytes, MADV_HUGEPAGE);
		madvise(arena->view, arena->bytes, MADV_HUGEPAGE);
	}
	page_uffd(arena, GC_UFFD_FEATURE_MINOR_SHMEM | features);
	page_fill(arena);
	CHECK(page_register(arena, GC_UFFDIO_REGISTER_MODE_MINOR) > 0);
}

int main(void)
{
	struct page_arena arena;

	arm(&arena, PAGES, false, 0); /* exits with PAGE_SKIP where there are no minor faults */
	count("page", &arena, one_by_one, false);
	count("range", &arena, whole, false);
	count("mapped", &arena, step_over, true);
	page_close(&arena);
	arm(&arena, PAGES, true, 0);
	CHECK(range_continue(&arena, 0, 1) == 0); /* from now on there is a page table */
	count("huge", &arena, whole, false);
	page_close(&arena);
	arm(&arena, PMD_PAGES, true, 0); /* none yet, nor after a zap of what has none */
	printf("count pmd %lu\n", (unsigned long)least(&arena, whole, false));
	page_close(&arena);
	arm(&arena, PAGES, false, FEATURE_CONTINUE_SKIP); /* exits with PAGE_SKIP elsewhere */
	count("skip", &arena, skip, true);
	page_close(&arena);
	return 0;
}
