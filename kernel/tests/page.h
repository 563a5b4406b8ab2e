/* kernel/tests/page.h: what the page-level tests of userfaultfd minor faults share: a file mapped
 * twice with one mapping armed, threads that touch it, and the verdict of a test.
 *
 * Each test runs in a process of its own with a time limit, so that one that hangs or crashes is
 * one failure. The tests know the kernel's ABI only, nothing of the collector: they run on any
 * kernel, on the host as in the guest. */
#ifndef KERNEL_TESTS_PAGE_H
#define KERNEL_TESTS_PAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gc/os/uffd_abi.h"

#define PAGE_FEATURE_MINOR_HUGETLBFS (UINT64_C(1) << 9)
#define PAGE_FAULT_WRITE (UINT64_C(1) << 0)
#define PAGE_FAULT_MINOR (UINT64_C(1) << 2)

#define PAGE_SKIP 77

/* Fail this test, saying where and why. */
#define CHECK(condition, ...)                                                       \
	do {                                                                        \
		if (!(condition))                                                   \
			page_fail(__FILE__, __LINE__, #condition, " " __VA_ARGS__); \
	} while (0)

_Noreturn void page_fail(const char *file, int line, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
_Noreturn void page_skip(const char *why);

enum page_backing { PAGE_SHMEM, PAGE_HUGETLB };

/* One file, two shared mappings: `view` is armed, `alias` never. */
struct page_arena {
	int memfd, uffd;
	enum page_backing backing;
	size_t unit;  /* the page size of the backing */
	size_t bytes; /* of each mapping */
	char *view, *alias;
};

/* Map `units` pages of the backing twice, views aligned to 2 MiB. Skips the test when the backing
 * cannot be had. No page exists yet. */
void page_open(struct page_arena *arena, enum page_backing backing, size_t units);
void page_close(struct page_arena *arena);

/* Fill every page through the alias with the value page_value() gives. */
void page_fill(struct page_arena *arena);
uint64_t page_value(const struct page_arena *arena, size_t offset);
/* True if the page at `offset` of `mapping` holds what page_fill() wrote, at both ends. */
bool page_holds(const struct page_arena *arena, const char *mapping, size_t offset);

/* A userfaultfd for the arena; skips the test when the kernel lacks `features`. */
void page_uffd(struct page_arena *arena, uint64_t features);
/* Arm the whole view; returns the ioctls the kernel offers on it, or a negative errno. */
int64_t page_register(struct page_arena *arena, uint64_t mode);
int page_unregister(struct page_arena *arena, size_t offset, size_t bytes);
/* open + fill + userfaultfd + register MINOR: what most tests begin with. */
void page_armed(struct page_arena *arena, enum page_backing backing, size_t units);

/* UFFDIO_CONTINUE of a range of the view: 0 or a negative errno; *mapped as the kernel left it. */
int page_continue(struct page_arena *arena, size_t offset, size_t bytes, int64_t *mapped);

/* Wait for the next fault: offset of its page in the view, and its flags. */
size_t page_next_fault(struct page_arena *arena, uint64_t *flags);

/* A thread that reads, or writes, the first word of a page of the view. */
struct page_toucher {
	pthread_t thread;
	volatile uint64_t *word;
	bool writes;
	uint64_t value; /* read, or to be written */
};

void page_touch(struct page_toucher *toucher, struct page_arena *arena, size_t offset);
void page_touch_write(struct page_toucher *toucher, struct page_arena *arena, size_t offset,
		      uint64_t value);
uint64_t page_join(struct page_toucher *toucher);

/* The tests, by file; NULL-terminated. */
struct page_test {
	const char *name;
	void (*run)(void);
};

extern const struct page_test page_fault_tests[], page_race_tests[], page_file_tests[],
	page_remap_tests[], page_huge_tests[];

#endif
