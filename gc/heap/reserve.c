/* gc/heap/reserve.c: see reserve.h. More is reserved than needed, by a random number of alignments; the range
 * lies at the low end of that, and the rest goes back at once. Where there is not so much address space (a limit,
 * or 39 bits of it), less randomness has to do, down to none.
 *
 * Who runs here: whoever makes or destroys a heap. */
#include "gc/heap/reserve.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gc/base/clock.h"
#include "gc/os/sys.h"

/* 16384 places; ThreadSanitizer wants mappings near those of the kernel. */
#ifdef __SANITIZE_THREAD__
#define RESERVE_BITS 6
#else
#define RESERVE_BITS 14
#endif

/* A random number, from the kernel's unless it has none for us yet. */
static uint64_t reserve_random(void)
{
	uint64_t value;

	if (gc_sys->random(&value, sizeof(value)) == sizeof(value))
		return value;
	return (gc_clock_ns() ^ (uintptr_t)&value) * UINT64_C(0x9e3779b97f4a7c15) >> 20;
}

static intptr_t reserve_try(uint64_t bytes)
{
	return gc_sys->mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			    0);
}

static void reserve_trim(uintptr_t from, uintptr_t to)
{
	if (from < to)
		gc_sys->munmap((void *)from, to - from);
}

intptr_t gc_reserve(uint64_t bytes, uint64_t align)
{
	uint64_t guard = (uint64_t)sysconf(_SC_PAGESIZE), random = reserve_random();
	uint64_t least = bytes + align + 2 * guard, span = 0;
	intptr_t raw = -ENOMEM;
	uintptr_t start;

	/* Whatever the error: under valgrind too much is EINVAL. */
	for (int bits = RESERVE_BITS; bits >= 0 && raw < 0 && raw > -4096; bits--) {
		span = least + (random & ((UINT64_C(1) << bits) - 1)) * align;
		raw = reserve_try(span); /* [RV-1] */
	}
	if (raw < 0 && raw > -4096)
		return raw;
	start = gc_round_up((uintptr_t)raw + guard, align);
	reserve_trim((uintptr_t)raw, start - guard); /* [RV-2] */
	reserve_trim(start + bytes + guard, (uintptr_t)raw + span);
	return (intptr_t)start;
}

void gc_unreserve(void *start, uint64_t bytes)
{
	uint64_t guard = (uint64_t)sysconf(_SC_PAGESIZE);

	gc_sys->munmap((char *)start - guard, bytes + 2 * guard);
}
