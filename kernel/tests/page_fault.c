/* kernel/tests/page_fault.c: what a minor fault reports, and what UFFDIO_CONTINUE maps. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/tests/page.h"

#define UNITS 16

/* Touch every page, one after the other; each fault is MINOR and is resolved on its own. */
static void touch_all(struct page_arena *arena)
{
	for (size_t offset = 0; offset < arena->bytes; offset += arena->unit) {
		struct page_toucher toucher;
		uint64_t flags;
		int64_t mapped;

		page_touch(&toucher, arena, offset);
		CHECK(page_next_fault(arena, &flags) == offset);
		CHECK(flags == PAGE_FAULT_MINOR, "flags %#lx", (unsigned long)flags);
		CHECK(page_continue(arena, offset, arena->unit, &mapped) == 0);
		CHECK(mapped == (int64_t)arena->unit);
		CHECK(page_join(&toucher) == page_value(arena, offset));
		CHECK(page_holds(arena, arena->view, offset));
	}
}

static void contents(void)
{
	struct page_arena arena;

	page_armed(&arena, PAGE_SHMEM, UNITS);
	touch_all(&arena);
	page_close(&arena);
}

static void hugetlb(void)
{
	struct page_arena arena;

	page_armed(&arena, PAGE_HUGETLB, 2);
	touch_all(&arena);
	page_close(&arena);
}

/* What is written after a fault reaches the file, and so the alias. */
static void write_fault(void)
{
	struct page_arena arena;
	struct page_toucher toucher;
	uint64_t flags;

	page_armed(&arena, PAGE_SHMEM, UNITS);
	page_touch_write(&toucher, &arena, 3 * arena.unit, 42);
	CHECK(page_next_fault(&arena, &flags) == 3 * arena.unit);
	CHECK(flags == (PAGE_FAULT_MINOR | PAGE_FAULT_WRITE), "flags %#lx", (unsigned long)flags);
	/* The collector's way: finish the page through the alias, then let it be seen. */
	*(uint64_t *)(uintptr_t)(arena.alias + 4 * arena.unit - 8) = 7;
	CHECK(page_continue(&arena, 3 * arena.unit, arena.unit, NULL) == 0);
	page_join(&toucher);
	CHECK(*(uint64_t *)(uintptr_t)(arena.alias + 3 * arena.unit) == 42);
	CHECK(*(uint64_t *)(uintptr_t)(arena.view + 4 * arena.unit - 8) == 7);
	page_close(&arena);
}

/* A page continued after a read fault may be written without another fault. */
static void writable(void)
{
	struct page_arena arena;

	page_armed(&arena, PAGE_SHMEM, UNITS);
	CHECK(page_continue(&arena, 0, arena.bytes, NULL) == 0);
	for (size_t offset = 0; offset < arena.bytes; offset += arena.unit) {
		CHECK(page_holds(&arena, arena.view, offset));
		*(volatile uint64_t *)(uintptr_t)(arena.view + offset) = offset;
	}
	for (size_t offset = 0; offset < arena.bytes; offset += arena.unit)
		CHECK(*(uint64_t *)(uintptr_t)(arena.alias + offset) == offset);
	page_close(&arena);
}

/* Without write permission the page is mapped for reading only, and stays so. */
static void read_only(void)
{
	struct page_arena arena;

	page_armed(&arena, PAGE_SHMEM, UNITS);
	CHECK(mprotect(arena.view, arena.bytes, PROT_READ) == 0);
	CHECK(page_continue(&arena, 0, arena.bytes, NULL) == 0);
	for (size_t offset = 0; offset < arena.bytes; offset += arena.unit)
		CHECK(page_holds(&arena, arena.view, offset));
	CHECK(mprotect(arena.view, arena.bytes, PROT_READ | PROT_WRITE) == 0);
	*(volatile uint64_t *)(uintptr_t)arena.view = 5;
	CHECK(*(uint64_t *)(uintptr_t)arena.alias == 5);
	page_close(&arena);
}

/* A range that meets a page already mapped stops there, says how far it came, and a second call
 * that begins with such a page says EEXIST. */
static void partial_range(void)
{
	struct page_arena arena;
	int64_t mapped;

	page_armed(&arena, PAGE_SHMEM, UNITS);
	CHECK(page_continue(&arena, 5 * arena.unit, arena.unit, &mapped) == 0);
	CHECK(page_continue(&arena, 0, arena.bytes, &mapped) == -EAGAIN);
	CHECK(mapped == (int64_t)(5 * arena.unit), "mapped %ld", (long)mapped);
	CHECK(page_continue(&arena, 5 * arena.unit, 2 * arena.unit, &mapped) == -EEXIST);
	CHECK(mapped == -EEXIST);
	CHECK(page_continue(&arena, 6 * arena.unit, arena.bytes - 6 * arena.unit, &mapped) == 0);
	CHECK(mapped == (int64_t)(arena.bytes - 6 * arena.unit));
	for (size_t offset = 0; offset < arena.bytes; offset += arena.unit)
		CHECK(page_holds(&arena, arena.view, offset));
	page_close(&arena);
}

/* Every range within a huge page maps exactly its own pages. */
static void huge_parts(void)
{
	struct page_arena arena;
	size_t pages = 1024;

	page_open(&arena, PAGE_SHMEM, pages);
	madvise(arena.alias, arena.bytes, MADV_HUGEPAGE);
	madvise(arena.view, arena.bytes, MADV_HUGEPAGE);
	page_uffd(&arena, GC_UFFD_FEATURE_MINOR_SHMEM);
	page_fill(&arena);
	CHECK(page_register(&arena, GC_UFFDIO_REGISTER_MODE_MINOR) > 0);
	for (size_t first = 0, count = 1; first < pages;
	     first += count, count = count * 3 % 127 + 1) {
		size_t end = first + count < pages ? first + count : pages;
		unsigned char seen[1024];
		int64_t mapped;

		CHECK(page_continue(&arena, first * arena.unit, (end - first) * arena.unit,
				    &mapped) == 0);
		CHECK(mapped == (int64_t)((end - first) * arena.unit));
		CHECK(mincore(arena.view, arena.bytes, seen) == 0);
		for (size_t page = first; page < end; page++)
			CHECK(page_holds(&arena, arena.view, page * arena.unit), "page %zu", page);
	}
	page_close(&arena);
}

/* A whole huge page at once, where the view's page table is still empty; then what changes is
 * seen on both sides, and a part of it can be dropped and continued again. */
static void huge_whole(void)
{
	struct page_arena arena;
	int64_t mapped;

	page_open(&arena, PAGE_SHMEM, 2048);
	madvise(arena.alias, arena.bytes, MADV_HUGEPAGE);
	madvise(arena.view, arena.bytes, MADV_HUGEPAGE);
	page_uffd(&arena, GC_UFFD_FEATURE_MINOR_SHMEM);
	page_fill(&arena);
	CHECK(page_register(&arena, GC_UFFDIO_REGISTER_MODE_MINOR) > 0);
	CHECK(page_continue(&arena, 0, arena.bytes, &mapped) == 0);
	CHECK(mapped == (int64_t)arena.bytes);
	for (size_t offset = 0; offset < arena.bytes; offset += arena.unit)
		CHECK(page_holds(&arena, arena.view, offset));
	*(volatile uint64_t *)(uintptr_t)(arena.view + 700 * arena.unit) = 11;
	CHECK(*(uint64_t *)(uintptr_t)(arena.alias + 700 * arena.unit) == 11);
	CHECK(madvise(arena.view + 600 * arena.unit, 3 * arena.unit, MADV_DONTNEED) == 0);
	CHECK(page_continue(&arena, 600 * arena.unit, 3 * arena.unit, &mapped) == 0);
	CHECK(mapped == (int64_t)(3 * arena.unit));
	CHECK(page_holds(&arena, arena.view, 601 * arena.unit));
	page_close(&arena);
}

const struct page_test page_fault_tests[] = {
	{"contents", contents},	    {"hugetlb", hugetlb},	{"write_fault", write_fault},
	{"writable", writable},	    {"read_only", read_only},	{"partial_range", partial_range},
	{"huge_parts", huge_parts}, {"huge_whole", huge_whole}, {NULL, NULL},
};
