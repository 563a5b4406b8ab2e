/* kernel/tests/page_huge.c: what is mapped on the way, because a huge page or a whole page table can
 * be. Of an armed range each page must be asked for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/tests/page.h"

#define TABLE_BYTES ((size_t)1 << 30) /* what one page table of huge pages maps */

static void expect_minor(struct page_arena *arena, size_t offset)
{
	struct page_toucher toucher;
	uint64_t flags;

	page_touch(&toucher, arena, offset);
	CHECK(page_next_fault(arena, &flags) == offset);
	CHECK(flags == PAGE_FAULT_MINOR, "flags %#lx", (unsigned long)flags);
	CHECK(page_continue(arena, offset, arena->unit, NULL) == 0);
	page_join(&toucher);
}

/* A fault that fills a hole with a huge page maps the page that was touched. Released kernels map
 * the whole of it, so that what is written to it later through the alias is seen too early. */
static void hole_of_a_huge_page(void)
{
	struct page_arena arena;
	int code;

	page_open(&arena, PAGE_SHMEM, 1024);
	madvise(arena.view, arena.bytes, MADV_HUGEPAGE);
	page_uffd(&arena, GC_UFFD_FEATURE_MINOR_SHMEM);
	CHECK(page_register(&arena, GC_UFFDIO_REGISTER_MODE_MINOR) > 0);
	CHECK(*(volatile uint64_t *)(uintptr_t)(arena.view + 7 * arena.unit) == 0);
	code = page_continue(&arena, 8 * arena.unit, arena.unit, NULL);
	CHECK(code == 0 || code == -EEXIST || code == -EFAULT, "code %d", code);
	if (code == -EEXIST) {
		CHECK(!getenv("PAGE_FAULT_ONE"), "the whole huge page was mapped");
		page_skip("this kernel maps the whole huge page");
	}
	page_fill(&arena);
	expect_minor(&arena, 9 * arena.unit);
	CHECK(page_holds(&arena, arena.view, 9 * arena.unit));
	page_close(&arena);
}

/* A mapping at which page tables of huge pages can be shared, of memory that is not reserved. */
static char *map_table(int memfd)
{
	char *hole = mmap(NULL, 2 * TABLE_BYTES, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *start;

	CHECK(hole != MAP_FAILED);
	start = (char *)(((uintptr_t)hole + TABLE_BYTES - 1) & ~(TABLE_BYTES - 1));
	start = mmap(start, TABLE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED | MAP_NORESERVE, memfd, 0);
	CHECK(start != MAP_FAILED);
	return start;
}

static void open_tables(struct page_arena *arena)
{
	struct page_arena probe;

	page_open(&probe, PAGE_HUGETLB, 4); /* skips the test where there are no huge pages */
	page_uffd(&probe, PAGE_FEATURE_MINOR_HUGETLBFS);
	*arena = probe;
	munmap(probe.view, probe.bytes);
	munmap(probe.alias, probe.bytes);
	arena->bytes = TABLE_BYTES;
	CHECK(ftruncate(arena->memfd, (off_t)TABLE_BYTES) == 0);
	arena->view = map_table(arena->memfd);
	arena->alias = map_table(arena->memfd);
}

static void write_page(struct page_arena *arena, size_t page)
{
	*(volatile uint64_t *)(uintptr_t)(arena->alias + page * arena->unit) = page + 1;
}

static uint64_t read_page(const struct page_arena *arena, size_t page)
{
	return *(const volatile uint64_t *)(uintptr_t)(arena->view + page * arena->unit);
}

/* Two mappings of one file share their tables. One that is armed has its own from then on. */
static void table_shared_before(void)
{
	struct page_arena arena;

	open_tables(&arena);
	write_page(&arena, 0);
	CHECK(read_page(&arena, 0) == 1);
	CHECK(page_register(&arena, GC_UFFDIO_REGISTER_MODE_MINOR) > 0);
	write_page(&arena, 1);
	expect_minor(&arena, arena.unit);
	CHECK(read_page(&arena, 1) == 2);
	page_close(&arena);
}

/* Two that are armed do not begin to share: what is continued in one is not seen in the other. */
static void tables_of_two_views(void)
{
	struct page_arena arena, other;

	open_tables(&arena);
	other = arena;
	other.view = map_table(arena.memfd);
	CHECK(page_register(&arena, GC_UFFDIO_REGISTER_MODE_MINOR) > 0);
	CHECK(page_register(&other, GC_UFFDIO_REGISTER_MODE_MINOR) > 0);
	write_page(&arena, 0);
	write_page(&arena, 1);
	expect_minor(&arena, 0);
	expect_minor(&other, 0);
	CHECK(page_continue(&arena, arena.unit, arena.unit, NULL) == 0);
	expect_minor(&other, arena.unit);
	CHECK(read_page(&other, 1) == 2);
	munmap(other.view, other.bytes);
	page_close(&arena);
}

const struct page_test page_huge_tests[] = {
	{"hole_of_a_huge_page", hole_of_a_huge_page},
	{"table_shared_before", table_shared_before},
	{"tables_of_two_views", tables_of_two_views},
	{NULL, NULL},
};
