/* gc/heap/markbits.h: one bit per granule: "a live object starts here".
 *
 * [MB-1] After marking, a bit is set exactly at the start of every object that was reachable when
 *        marking began; objects allocated since get theirs when their TLAB is retired.
 * [MB-2] Bits change only between the start of marking and the flip; afterwards they are read-only
 *        until the next cycle clears them.
 *
 * Who runs here: markers set; unit builders (faults included) search. */
#ifndef GC_HEAP_MARKBITS_H
#define GC_HEAP_MARKBITS_H

#include <string.h>

#include "gc/base/atomic.h"
#include "gc/base/types.h"

#define GC_GRANULE_SHIFT 3

struct gc_markbits {
	uint64_t *words;
	uintptr_t base; /* heap-view address of bit 0 */
};

static inline uint64_t gc_markbits_index(const struct gc_markbits *bits, struct gc_haddr address)
{
	return (address.at - bits->base) >> GC_GRANULE_SHIFT;
}

static inline struct gc_haddr gc_markbits_address(const struct gc_markbits *bits, uint64_t index)
{
	return (struct gc_haddr){bits->base + (index << GC_GRANULE_SHIFT)};
}

static inline bool gc_markbits_test(const struct gc_markbits *bits, struct gc_haddr object)
{
	uint64_t index = gc_markbits_index(bits, object);

	/* Relaxed: a missed bit only costs the atomic try that follows. */
	return gc_load_relaxed(&bits->words[index >> 6]) >> (index & 63) & 1;
}

static inline void gc_markbits_prefetch(const struct gc_markbits *bits, struct gc_haddr object)
{
	__builtin_prefetch(&bits->words[gc_markbits_index(bits, object) >> 6], 1);
}

/* Set; true if this call did it. */
static inline bool gc_markbits_try_set(const struct gc_markbits *bits, struct gc_haddr object)
{
	uint64_t index = gc_markbits_index(bits, object);
	uint64_t bit = UINT64_C(1) << (index & 63);

	/* The bit decides who scans, and publishes nothing: what is scanned was reachable at the start
	 * handshake, which ordered it. But the header is looked at after it [MO-KEY]. */
	return !(gc_or_seq_cst(&bits->words[index >> 6], bit) & bit);
}

static inline bool gc_markbits_test_seq_cst(const struct gc_markbits *bits, struct gc_haddr object)
{
	uint64_t index = gc_markbits_index(bits, object);

	return gc_load_seq_cst(&bits->words[index >> 6]) >> (index & 63) & 1; /* [MO-KEY] */
}

/* First set bit in [from, to), or `to`. */
static inline uint64_t gc_markbits_next(const struct gc_markbits *bits, uint64_t from, uint64_t to)
{
	while (from < to) {
		uint64_t word = gc_load_relaxed(&bits->words[from >> 6]) >> (from & 63);

		if (word)
			return gc_min(from + (uint64_t)__builtin_ctzll(word), to);
		from = (from | 63) + 1;
	}
	return to;
}

/* Last set bit in [low, from], or UINT64_MAX. */
static inline uint64_t gc_markbits_previous(const struct gc_markbits *bits, uint64_t from,
					    uint64_t low)
{
	for (;;) {
		uint64_t word = gc_load_relaxed(&bits->words[from >> 6]) << (63 - (from & 63));

		if (word) {
			uint64_t found = from - (uint64_t)__builtin_clzll(word);
			return found >= low ? found : UINT64_MAX;
		}
		if ((from & ~UINT64_C(63)) <= low)
			return UINT64_MAX;
		from = (from & ~UINT64_C(63)) - 1;
	}
}

static inline void gc_markbits_clear(const struct gc_markbits *bits, struct gc_haddr start,
				     uint64_t bytes)
{
	memset(&bits->words[gc_markbits_index(bits, start) >> 6], 0, bytes >> 6);
}

#endif
