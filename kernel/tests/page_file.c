/* kernel/tests/page_file.c: where the file decides: holes, its end, swap, what may be armed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/tests/page.h"

#define UNITS 16

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static void punch(struct page_arena *arena, size_t offset, size_t bytes)
{
	CHECK(fallocate(arena->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			(off_t)bytes) == 0);
}

/* A hole cannot be continued; what precedes it can. Under MINOR alone it reads as zeroes. */
static void hole(void)
{
	struct page_arena arena;
	int64_t mapped;

	page_armed(&arena, PAGE_SHMEM, UNITS);
	punch(&arena, 4 * arena.unit, arena.unit);
	CHECK(page_continue(&arena, 4 * arena.unit, arena.unit, &mapped) == -EFAULT);
	CHECK(mapped == -EFAULT);
	CHECK(page_continue(&arena, 0, 8 * arena.unit, &mapped) == -EAGAIN);
	CHECK(mapped == (int64_t)(4 * arena.unit));
	CHECK(*(volatile uint64_t *)(uintptr_t)(arena.view + 4 * arena.unit) == 0);
	page_close(&arena);
}

/* MISSING and MINOR together: a hole is the one, a page that exists the other. */
static void missing_and_minor(void)
{
	struct page_arena arena;
	struct page_toucher toucher;
	struct gc_uffdio_copy copy;
	uint64_t flags;

	page_armed(&arena, PAGE_SHMEM, UNITS);
	CHECK(page_unregister(&arena, 0, arena.bytes) == 0);
	CHECK(page_register(&arena,
			    GC_UFFDIO_REGISTER_MODE_MINOR | GC_UFFDIO_REGISTER_MODE_MISSING) > 0);
	punch(&arena, 2 * arena.unit, arena.unit);
	page_touch(&toucher, &arena, 2 * arena.unit);
	CHECK(page_next_fault(&arena, &flags) == 2 * arena.unit);
	CHECK(flags == 0, "flags %#lx", (unsigned long)flags);
	copy = (struct gc_uffdio_copy){.to = (uintptr_t)arena.view + 2 * arena.unit,
				       .from = (uintptr_t)arena.alias + 3 * arena.unit,
				       .bytes = arena.unit};
	CHECK(ioctl(arena.uffd, GC_UFFDIO_COPY, &copy) == 0);
	CHECK(page_join(&toucher) == page_value(&arena, 3 * arena.unit));
	page_touch(&toucher, &arena, 3 * arena.unit);
	CHECK(page_next_fault(&arena, &flags) == 3 * arena.unit);
	CHECK(flags == PAGE_FAULT_MINOR, "flags %#lx", (unsigned long)flags);
	CHECK(page_continue(&arena, 3 * arena.unit, arena.unit, NULL) == 0);
	CHECK(page_join(&toucher) == page_value(&arena, 3 * arena.unit));
	page_close(&arena);
}

/* Past the end of the file there is nothing to continue, and nothing to wait for. */
static void end_of_file(void)
{
	struct page_arena arena;
	int64_t mapped;
	int code, status;
	pid_t child;

	page_armed(&arena, PAGE_SHMEM, UNITS);
	CHECK(ftruncate(arena.memfd, (off_t)(10 * arena.unit)) == 0);
	code = page_continue(&arena, 10 * arena.unit, arena.unit, &mapped);
	CHECK(code == -EFAULT || code == -EINVAL, "code %d", code);
	CHECK(page_continue(&arena, 8 * arena.unit, 4 * arena.unit, &mapped) == -EAGAIN);
	CHECK(mapped == (int64_t)(2 * arena.unit));
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		*(volatile char *)(arena.view + 12 * arena.unit) = 1;
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %#x", status);
	page_close(&arena);
}

/* The page is in the file, as page_fill() made sure, but not in memory. */
static bool is_swapped(struct page_arena *arena, size_t offset)
{
	unsigned char resident = 1;

	CHECK(mincore(arena->alias + offset, arena->unit, &resident) == 0);
	return !(resident & 1);
}

/* Drop the page from memory; false if it did not go to swap. */
static bool page_out(struct page_arena *arena, size_t offset)
{
	for (int attempt = 0; attempt < 50; attempt++) {
		madvise(arena->alias + offset, arena->unit, MADV_PAGEOUT);
		if (is_swapped(arena, offset))
			return true;
		/* It may sit in this CPU's batch of pages not yet on a list. */
		usleep(2000);
		CHECK(page_holds(arena, arena->alias, offset));
	}
	return false;
}

/* A page in swap is there all the same: a fault on it is minor, and CONTINUE reads it in. */
static void swapped_out(void)
{
	struct page_arena arena;
	struct page_toucher toucher;
	uint64_t flags;
	int64_t mapped;

	page_armed(&arena, PAGE_SHMEM, UNITS);
	for (size_t offset = 0; offset < arena.bytes; offset += arena.unit) {
		if (!page_out(&arena, offset))
			page_skip("no swap to speak of");
	}
	page_touch(&toucher, &arena, 2 * arena.unit);
	CHECK(page_next_fault(&arena, &flags) == 2 * arena.unit);
	CHECK(flags == PAGE_FAULT_MINOR, "flags %#lx", (unsigned long)flags);
	CHECK(page_continue(&arena, 2 * arena.unit, arena.unit, NULL) == 0);
	CHECK(page_join(&toucher) == page_value(&arena, 2 * arena.unit));
	CHECK(page_continue(&arena, 3 * arena.unit, arena.bytes - 3 * arena.unit, &mapped) == 0);
	CHECK(mapped == (int64_t)(arena.bytes - 3 * arena.unit));
	for (size_t offset = 2 * arena.unit; offset < arena.bytes; offset += arena.unit)
		CHECK(page_holds(&arena, arena.view, offset));
	page_close(&arena);
}

/* A page continued and only read must still survive being dropped from memory. */
static void swapped_after(void)
{
	struct page_arena arena;

	page_armed(&arena, PAGE_SHMEM, UNITS);
	CHECK(page_continue(&arena, 0, arena.bytes, NULL) == 0);
	for (size_t offset = 0; offset < arena.bytes; offset += arena.unit) {
		CHECK(page_holds(&arena, arena.view, offset));
		CHECK(madvise(arena.view + offset, arena.unit, MADV_PAGEOUT) == 0);
		madvise(arena.alias + offset, arena.unit, MADV_PAGEOUT);
	}
	for (size_t offset = 0; offset < arena.bytes; offset += arena.unit)
		CHECK(page_holds(&arena, arena.alias, offset), "offset %#zx", offset);
	page_close(&arena);
}

/* Only files in memory can be armed for minor faults, and only they offer CONTINUE. */
static void what_may_be_armed(void)
{
	struct page_arena arena, other;
	int64_t ioctls;

	page_open(&arena, PAGE_SHMEM, UNITS);
	page_uffd(&arena, GC_UFFD_FEATURE_MINOR_SHMEM);
	ioctls = page_register(&arena, GC_UFFDIO_REGISTER_MODE_MINOR);
	CHECK(ioctls > 0 && (ioctls & (int64_t)GC_UFFDIO_CAN_CONTINUE), "ioctls %#lx",
	      (long)ioctls);
	CHECK(page_unregister(&arena, 0, arena.bytes) == 0);
	ioctls = page_register(&arena, GC_UFFDIO_REGISTER_MODE_MISSING);
	CHECK(ioctls > 0 && !(ioctls & (int64_t)GC_UFFDIO_CAN_CONTINUE), "ioctls %#lx",
	      (long)ioctls);
	CHECK(page_register(&arena, 0) == -EINVAL);
	CHECK(page_register(&arena, UINT64_C(1) << 40) == -EINVAL);
	other = arena;
	other.view =
		mmap(NULL, arena.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(other.view != MAP_FAILED);
	CHECK(page_register(&other, GC_UFFDIO_REGISTER_MODE_MINOR) == -EINVAL);
	CHECK(page_continue(&other, 0, other.unit, NULL) < 0);
	page_close(&arena);
}

static long shmem_kib(void)
{
	char line[128];
	long kib = -1;
	FILE *file = fopen("/proc/meminfo", "re");

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Shmem: %ld kB", &kib) == 1)
			break;
	fclose(file);
	return kib;
}

/* No page is kept alive by a reference that CONTINUE took and nobody gave back. */
static void nothing_leaks(void)
{
	struct page_arena arena;
	long before = shmem_kib();

	for (int round = 0; round < 4; round++) {
		page_armed(&arena, PAGE_SHMEM, 2048);
		CHECK(page_continue(&arena, 100 * arena.unit, arena.unit, NULL) == 0);
		CHECK(page_continue(&arena, 0, arena.bytes, NULL) == -EAGAIN);
		CHECK(page_continue(&arena, 101 * arena.unit, 1000 * arena.unit, NULL) == 0);
		page_close(&arena);
	}
	for (int wait = 0; wait < 100 && shmem_kib() - before > 4096; wait++)
		usleep(20000);
	CHECK(shmem_kib() - before <= 4096, "%ld KiB stayed", shmem_kib() - before);
}

const struct page_test page_file_tests[] = {
	{"hole", hole},
	{"missing_and_minor", missing_and_minor},
	{"end_of_file", end_of_file},
	{"swapped_out", swapped_out},
	{"swapped_after", swapped_after},
	{"what_may_be_armed", what_may_be_armed},
	{"nothing_leaks", nothing_leaks},
	{NULL, NULL},
};
