/* kernel/tests/page.c: the shared part of the page-level tests; see page.h. */
#include "kernel/tests/page.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE_BYTES ((size_t)2 << 20)

void page_fail(const char *file, int line, const char *what, const char *format, ...)
{
	va_list arguments;

	printf("# %s:%d: %s", file, line, what);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf(" (errno %d)\n", errno);
	fflush(stdout);
	_exit(1);
}

void page_skip(const char *why)
{
	printf("# %s\n", why);
	fflush(stdout);
	_exit(PAGE_SKIP);
}

/* Shared mapping of the file at an address that huge pages can be mapped at. */
static char *map_aligned(int memfd, size_t bytes)
{
	char *hole = mmap(NULL, bytes + HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *start;

	CHECK(hole != MAP_FAILED);
	start = (char *)(((uintptr_t)hole + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));
	start = mmap(start, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memfd, 0);
	if (start == MAP_FAILED)
		page_skip("not enough pages of this backing");
	return start;
}

void page_open(struct page_arena *arena, enum page_backing backing, size_t units)
{
	unsigned int flags = backing == PAGE_HUGETLB ? MFD_CLOEXEC | MFD_HUGETLB : MFD_CLOEXEC;

	memset(arena, 0, sizeof(*arena));
	arena->backing = backing;
	arena->unit = backing == PAGE_HUGETLB ? HUGE_BYTES : (size_t)sysconf(_SC_PAGESIZE);
	arena->bytes = units * arena->unit;
	arena->uffd = -1;
	arena->memfd = memfd_create("page", flags);
	if (arena->memfd < 0 && backing == PAGE_HUGETLB)
		page_skip("no hugetlb memfd here");
	CHECK(arena->memfd >= 0);
	CHECK(ftruncate(arena->memfd, (off_t)arena->bytes) == 0);
	arena->view = map_aligned(arena->memfd, arena->bytes);
	arena->alias = map_aligned(arena->memfd, arena->bytes);
}

void page_close(struct page_arena *arena)
{
	munmap(arena->view, arena->bytes);
	munmap(arena->alias, arena->bytes);
	close(arena->memfd);
	if (arena->uffd >= 0)
		close(arena->uffd);
}

uint64_t page_value(const struct page_arena *arena, size_t offset)
{
	return UINT64_C(0x9E3779B97F4A7C15) * (offset / arena->unit + 1);
}

static uint64_t *last_word(const struct page_arena *arena, const char *mapping, size_t offset)
{
	return (uint64_t *)(uintptr_t)(mapping + offset + arena->unit - sizeof(uint64_t));
}

void page_fill(struct page_arena *arena)
{
	for (size_t offset = 0; offset < arena->bytes; offset += arena->unit) {
		*(uint64_t *)(uintptr_t)(arena->alias + offset) = page_value(arena, offset);
		*last_word(arena, arena->alias, offset) = ~page_value(arena, offset);
	}
}

bool page_holds(const struct page_arena *arena, const char *mapping, size_t offset)
{
	const volatile uint64_t *first = (const uint64_t *)(uintptr_t)(mapping + offset);
	const volatile uint64_t *last = last_word(arena, mapping, offset);

	return *first == page_value(arena, offset) && *last == ~page_value(arena, offset);
}

void page_uffd(struct page_arena *arena, uint64_t features)
{
	struct gc_uffdio_api api = {.api = GC_UFFD_API};
	int probe = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (probe < 0)
		page_skip("no userfaultfd(2) here");
	CHECK(ioctl(probe, GC_UFFDIO_API, &api) == 0);
	close(probe);
	if ((api.features & features) != features)
		page_skip("this kernel lacks the feature");
	arena->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	CHECK(arena->uffd >= 0);
	api = (struct gc_uffdio_api){.api = GC_UFFD_API, .features = features};
	CHECK(ioctl(arena->uffd, GC_UFFDIO_API, &api) == 0);
}

int64_t page_register(struct page_arena *arena, uint64_t mode)
{
	struct gc_uffdio_register request = {
		.range = {(uintptr_t)arena->view, arena->bytes},
		.mode = mode,
	};

	if (ioctl(arena->uffd, GC_UFFDIO_REGISTER, &request) != 0)
		return -errno;
	return (int64_t)request.ioctls;
}

int page_unregister(struct page_arena *arena, size_t offset, size_t bytes)
{
	struct gc_uffdio_range range = {(uintptr_t)arena->view + offset, bytes};

	return ioctl(arena->uffd, GC_UFFDIO_UNREGISTER, &range) == 0 ? 0 : -errno;
}

void page_armed(struct page_arena *arena, enum page_backing backing, size_t units)
{
	page_open(arena, backing, units);
	page_uffd(arena, backing == PAGE_HUGETLB ? PAGE_FEATURE_MINOR_HUGETLBFS
						 : GC_UFFD_FEATURE_MINOR_SHMEM);
	page_fill(arena);
	CHECK(page_register(arena, GC_UFFDIO_REGISTER_MODE_MINOR) > 0);
}

int page_continue(struct page_arena *arena, size_t offset, size_t bytes, int64_t *mapped)
{
	struct gc_uffdio_continue request = {.range = {(uintptr_t)arena->view + offset, bytes}};
	int code = ioctl(arena->uffd, GC_UFFDIO_CONTINUE, &request) == 0 ? 0 : -errno;

	if (mapped)
		*mapped = request.mapped;
	return code;
}

size_t page_next_fault(struct page_arena *arena, uint64_t *flags)
{
	struct pollfd poller = {.fd = arena->uffd, .events = POLLIN};
	struct gc_uffd_message message;

	do {
		CHECK(poll(&poller, 1, -1) == 1);
	} while (read(arena->uffd, &message, sizeof(message)) != sizeof(message));
	CHECK(message.event == GC_UFFD_EVENT_PAGEFAULT);
	if (flags)
		*flags = message.flags;
	return (message.address - (uintptr_t)arena->view) & ~(arena->unit - 1);
}

static void *touch(void *argument)
{
	struct page_toucher *toucher = argument;

	if (toucher->writes)
		*toucher->word = toucher->value;
	else
		toucher->value = *toucher->word;
	return NULL;
}

static void start(struct page_toucher *toucher, struct page_arena *arena, size_t offset)
{
	toucher->word = (uint64_t *)(uintptr_t)(arena->view + offset);
	CHECK(pthread_create(&toucher->thread, NULL, touch, toucher) == 0);
}

void page_touch(struct page_toucher *toucher, struct page_arena *arena, size_t offset)
{
	toucher->writes = false;
	start(toucher, arena, offset);
}

void page_touch_write(struct page_toucher *toucher, struct page_arena *arena, size_t offset,
		      uint64_t value)
{
	toucher->writes = true;
	toucher->value = value;
	start(toucher, arena, offset);
}

uint64_t page_join(struct page_toucher *toucher)
{
	CHECK(pthread_join(toucher->thread, NULL) == 0);
	return toucher->value;
}
