/* gc/base/types.h: the kinds of address and index that must not be mixed up.
 *
 * One page of memory has two addresses. Mutators, references and mark bits speak heap view; the
 * collector, while pages are detached, reads and writes through the alias view. Each has a type of
 * its own, so that handing one to code that wants the other does not compile. */
#ifndef GC_BASE_TYPES_H
#define GC_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where mutators see a byte; also the value of a reference. */
struct gc_haddr {
	uintptr_t at;
};

/* Where the collector may touch that byte in this cycle: the alias, a buffer, or (with the world
 * stopped and nothing detached) the heap view itself. */
struct gc_aaddr {
	char *at;
};

/* A kernel page, counted from the start of the heap view. */
struct gc_page {
	uint32_t n;
};

/* What a slot holds: a reference, perhaps tagged, or anything else. See gc/heap/slot.h. */
struct gc_value {
	uintptr_t bits;
};

/* A plain word that may alias the embedder's pointer types. */
typedef uintptr_t gc_word __attribute__((__may_alias__));

static inline struct gc_haddr gc_haddr(const void *address)
{
	return (struct gc_haddr){(uintptr_t)address};
}

static inline uint64_t gc_round_up(uint64_t value, uint64_t power_of_two)
{
	return (value + power_of_two - 1) & ~(power_of_two - 1);
}

static inline uint64_t gc_round_down(uint64_t value, uint64_t power_of_two)
{
	return value & ~(power_of_two - 1);
}

static inline uint64_t gc_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t gc_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#define GC_KIB(n) ((uint64_t)(n) << 10)
#define GC_MIB(n) ((uint64_t)(n) << 20)
#define GC_GIB(n) ((uint64_t)(n) << 30)

#endif
