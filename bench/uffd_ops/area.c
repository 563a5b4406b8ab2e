/* bench/uffd_ops/area.c: see area.h. */
#include "bench/uffd_ops/area.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/uffd_ops/kernel.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define AREA_ALIGN ((size_t)1 << 30)
#define AREA_HUGE_BYTES ((size_t)2 << 20)

static const char *const kind_names[AREA_KINDS] = {"anon", "shmem", "shmem-thp", "hugetlb"};

const char *area_kind_name(enum area_kind kind)
{
	return kind_names[kind];
}

static bool area_say(char *why, size_t size, const char *what, int error)
{
	snprintf(why, size, "%s: %s", what, strerror(error));
	return false;
}

/* A number that stands in /proc/meminfo, in KiB. */
static size_t area_meminfo_kib(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "r");
	size_t value = 0;
	char line[128];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), "%*[: ]%zu", &value);
	if (file != NULL)
		fclose(file);
	return value;
}

static bool area_open(struct area *area, char *why, size_t size)
{
	unsigned flags = MFD_CLOEXEC | (area->kind == AREA_HUGETLB ? MFD_HUGETLB : 0);

	area->fd = -1;
	if (area->kind == AREA_ANON)
		return true;
	area->fd = memfd_create("uffd_ops", flags);
	if (area->fd < 0)
		return area_say(why, size, "memfd_create", errno);
	if (ftruncate(area->fd, (off_t)area->bytes) != 0)
		return area_say(why, size, "ftruncate", errno);
	if (area->kind != AREA_HUGETLB || fallocate(area->fd, 0, 0, (off_t)area->bytes) == 0)
		return true;
	snprintf(why, size, "no %zu huge pages of %zu KiB are free (vm.nr_hugepages)", area->pages,
		 area->page_bytes >> 10);
	return false;
}

static char *area_map_at(const struct area *area, char *at)
{
	int flags = area->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	return mmap(at, area->bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE,
		    area->fd, 0);
}

/* Room for two aligned ranges, and for one that is off by a page behind them. */
static bool area_map(struct area *area, char *why, size_t size)
{
	size_t span = (area->bytes + 2 * AREA_ALIGN - 1) & ~(AREA_ALIGN - 1);

	area->reserved_bytes = 2 * span + AREA_ALIGN;
	area->reserved = mmap(NULL, area->reserved_bytes, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area->reserved == MAP_FAILED)
		return area_say(why, size, "reserving address space", errno);
	area->view = (char *)(((uintptr_t)area->reserved + AREA_ALIGN - 1) &
			      ~(uintptr_t)(AREA_ALIGN - 1));
	area->alias = area->view + span;
	if (area_map_at(area, area->view) == MAP_FAILED ||
	    area_map_at(area, area->alias) == MAP_FAILED)
		return area_say(why, size, "mapping", errno);
	if (area->kind == AREA_ANON) /* huge pages of private memory are not what is measured */
		kernel_advise(area->view, area->bytes, MADV_NOHUGEPAGE),
			kernel_advise(area->alias, area->bytes, MADV_NOHUGEPAGE);
	return true;
}

/* Make the file's pages huge: as configured, or else by asking for just this. */
static bool area_make_huge(struct area *area, char *why, size_t size)
{
	size_t before_kib = area_meminfo_kib("ShmemHugePages"), after_kib;
	int collapsed;

	kernel_advise(area->alias, area->bytes, MADV_HUGEPAGE);
	memset(area->alias, 1, area->bytes);
	collapsed = kernel_advise(area->alias, area->bytes, MADV_COLLAPSE);
	after_kib = area_meminfo_kib("ShmemHugePages");
	kernel_advise(area->alias, area->bytes, MADV_DONTNEED);
	if (after_kib >= before_kib + (area->bytes >> 11)) /* half of them at least */
		return true;
	snprintf(why, size, "shared memory got no huge pages (%s/shmem_enabled; MADV_COLLAPSE: %s)",
		 "/sys/kernel/mm/transparent_hugepage", strerror(-collapsed));
	return false;
}

bool area_make(struct area *area, enum area_kind kind, size_t bytes, char *why, size_t why_size)
{
	bool huge = kind == AREA_HUGETLB || kind == AREA_SHMEM_THP, made;
	size_t unit = (size_t)sysconf(_SC_PAGESIZE);

	*area = (struct area){.kind = kind, .fd = -1, .page_bytes = unit};
	if (kind == AREA_HUGETLB)
		area->page_bytes = area_meminfo_kib("Hugepagesize") << 10;
	if (area->page_bytes == 0)
		return area_say(why, why_size, "hugetlb", ENOSYS);
	if (huge)
		unit = area->page_bytes > AREA_HUGE_BYTES ? area->page_bytes : AREA_HUGE_BYTES;
	area->bytes = (bytes + unit - 1) / unit * unit;
	area->pages = area->bytes / area->page_bytes;
	made = area_open(area, why, why_size) && area_map(area, why, why_size) &&
	       (kind != AREA_SHMEM_THP || area_make_huge(area, why, why_size));
	if (!made)
		area_drop(area);
	return made;
}

void area_drop(struct area *area)
{
	if (area->reserved != NULL && area->reserved != MAP_FAILED)
		munmap(area->reserved, area->reserved_bytes);
	if (area->fd >= 0)
		close(area->fd);
	area->reserved = NULL;
	area->fd = -1;
}

static uint64_t pattern_word(uint64_t seed, size_t index)
{
	return (seed + index) * UINT64_C(0x9e3779b97f4a7c15);
}

void pattern_write(void *to, size_t bytes, uint64_t seed)
{
	uint64_t *words = to;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = pattern_word(seed, i);
}

bool pattern_matches(const void *at, size_t bytes, uint64_t seed)
{
	const uint64_t *words = at;
	uint64_t difference = 0;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		difference |= words[i] ^ pattern_word(seed, i);
	return difference == 0;
}

bool pattern_is_zero(const void *at, size_t bytes)
{
	const uint64_t *words = at;
	uint64_t found = 0;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		found |= words[i];
	return found == 0;
}
