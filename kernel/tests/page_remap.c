/* kernel/tests/page_remap.c: MREMAP_DONTUNMAP of shared mappings, which detaches a view in one step,
 * and the way back. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/tests/page.h"

#define UNITS 64

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static char *detach(char *from, char *to, size_t bytes)
{
	return mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
}

/* Detach `view` onto `alias`; skip where the kernel refuses it for shared mappings. */
static void detach_view(struct page_arena *arena)
{
	char *moved = detach(arena->view, arena->alias, arena->bytes);

	if (moved == MAP_FAILED && errno == EINVAL)
		page_skip("MREMAP_DONTUNMAP is refused on shared memory here");
	CHECK(moved == arena->alias);
}

static size_t resident(struct page_arena *arena, const char *mapping)
{
	size_t found = 0;

	for (size_t offset = 0; offset < arena->bytes; offset += arena->unit)
		found += page_holds(arena, mapping, offset);
	return found;
}

/* Both ranges go on showing the file. */
static void both_stay(void)
{
	struct page_arena arena;

	page_open(&arena, PAGE_SHMEM, UNITS);
	page_fill(&arena);
	CHECK(resident(&arena, arena.view) == UNITS);
	detach_view(&arena);
	CHECK(resident(&arena, arena.alias) == UNITS);
	CHECK(resident(&arena, arena.view) == UNITS);
	*(volatile uint64_t *)(uintptr_t)arena.view = 77;
	CHECK(*(volatile uint64_t *)(uintptr_t)arena.alias == 77);
	page_close(&arena);
}

/* The collector's flip: detach, arm, fault, continue, move the rest back. */
static void detach_and_arm(void)
{
	struct page_arena arena;
	struct page_toucher toucher;
	uint64_t flags;

	page_open(&arena, PAGE_SHMEM, UNITS);
	page_uffd(&arena, GC_UFFD_FEATURE_MINOR_SHMEM);
	page_fill(&arena);
	CHECK(resident(&arena, arena.view) == UNITS);
	detach_view(&arena);
	CHECK(page_register(&arena, GC_UFFDIO_REGISTER_MODE_MINOR) > 0);
	page_touch(&toucher, &arena, 5 * arena.unit);
	CHECK(page_next_fault(&arena, &flags) == 5 * arena.unit);
	CHECK(flags == PAGE_FAULT_MINOR);
	CHECK(page_continue(&arena, 5 * arena.unit, arena.unit, NULL) == 0);
	CHECK(page_join(&toucher) == page_value(&arena, 5 * arena.unit));
	CHECK(page_unregister(&arena, 0, arena.bytes) == 0);
	CHECK(detach(arena.alias, arena.view, arena.bytes) == arena.view);
	CHECK(resident(&arena, arena.view) == UNITS);
	page_close(&arena);
}

/* A size that grows or shrinks is no business of DONTUNMAP. */
static void sizes_must_agree(void)
{
	struct page_arena arena;

	page_open(&arena, PAGE_SHMEM, UNITS);
	page_fill(&arena);
	detach_view(&arena);
	CHECK(mremap(arena.view, arena.bytes, arena.bytes / 2,
		     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, arena.alias) == MAP_FAILED);
	CHECK(errno == EINVAL);
	page_close(&arena);
}

/* The old range is accounted for and can be unmapped without harm to the new one. */
static void old_range_goes(void)
{
	struct page_arena arena;

	page_open(&arena, PAGE_SHMEM, UNITS);
	page_fill(&arena);
	CHECK(resident(&arena, arena.view) == UNITS);
	detach_view(&arena);
	CHECK(munmap(arena.view, arena.bytes) == 0);
	CHECK(resident(&arena, arena.alias) == UNITS);
	munmap(arena.alias, arena.bytes);
	close(arena.memfd);
}

const struct page_test page_remap_tests[] = {
	{"both_stay", both_stay},
	{"detach_and_arm", detach_and_arm},
	{"sizes_must_agree", sizes_must_agree},
	{"old_range_goes", old_range_goes},
	{NULL, NULL},
};
