/* parallax/histogram.h: a log-linear histogram of 64-bit values, header only, fixed size.
 *
 * Values below 2048 are counted exactly; above, each power of two is cut into 1024 equal buckets,
 * so a value is known to within 1/1024: three significant digits. Recording never allocates.
 * The idea is HdrHistogram's (Tene). plx_histogram_record is for one writer at a time; the
 * _shared form may be called by any number of threads and from signal handlers. */
#ifndef PARALLAX_HISTOGRAM_H
#define PARALLAX_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PLX_HISTOGRAM_SUB_BITS 10
#define PLX_HISTOGRAM_SUB (1u << PLX_HISTOGRAM_SUB_BITS)
#define PLX_HISTOGRAM_VALUE_BITS 42 /* 73 minutes in nanoseconds; larger values count there */
#define PLX_HISTOGRAM_BUCKETS \
	((PLX_HISTOGRAM_VALUE_BITS - PLX_HISTOGRAM_SUB_BITS + 1) * PLX_HISTOGRAM_SUB)

struct plx_histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t buckets[PLX_HISTOGRAM_BUCKETS];
};

static inline uint32_t plx_histogram_index(uint64_t value)
{
	uint64_t last = (UINT64_C(1) << PLX_HISTOGRAM_VALUE_BITS) - 1;
	uint32_t shift;

	if (value > last)
		value = last;
	if (value < 2 * PLX_HISTOGRAM_SUB)
		return (uint32_t)value;
	shift = 63 - (uint32_t)__builtin_clzll(value) - PLX_HISTOGRAM_SUB_BITS;
	return (shift << PLX_HISTOGRAM_SUB_BITS) + (uint32_t)(value >> shift);
}

/* The largest value that falls into a bucket. */
static inline uint64_t plx_histogram_bucket_value(uint32_t index)
{
	uint32_t shift;

	if (index < 2 * PLX_HISTOGRAM_SUB)
		return index;
	shift = (index >> PLX_HISTOGRAM_SUB_BITS) - 1;
	return (((uint64_t)index - ((uint64_t)shift << PLX_HISTOGRAM_SUB_BITS) + 1) << shift) - 1;
}

static inline void plx_histogram_record(struct plx_histogram *histogram, uint64_t value)
{
	histogram->buckets[plx_histogram_index(value)]++;
	histogram->count++;
	histogram->sum += value;
	if (value > histogram->max)
		histogram->max = value;
}

static inline void plx_histogram_record_shared(struct plx_histogram *histogram, uint64_t value)
{
	uint64_t max = __atomic_load_n(&histogram->max, __ATOMIC_RELAXED);

	/* Relaxed throughout: readers take a copy and tolerate a value that is only half in. */
	__atomic_fetch_add(&histogram->buckets[plx_histogram_index(value)], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&histogram->count, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&histogram->sum, value, __ATOMIC_RELAXED);
	while (value > max && !__atomic_compare_exchange_n(&histogram->max, &max, value, true,
							   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static inline void plx_histogram_merge(struct plx_histogram *into, const struct plx_histogram *from)
{
	for (uint32_t i = 0; i < PLX_HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
	into->count += from->count;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
}

/* The smallest recorded value that `fraction` (0 to 1) of all values do not exceed. */
static inline uint64_t plx_histogram_quantile(const struct plx_histogram *histogram,
					      double fraction)
{
	uint64_t total = 0, wanted, seen = 0;

	for (uint32_t i = 0; i < PLX_HISTOGRAM_BUCKETS; i++)
		total += histogram->buckets[i];
	if (total == 0)
		return 0;
	wanted = (uint64_t)(fraction * (double)total);
	if (wanted < 1)
		wanted = 1;
	for (uint32_t i = 0; i < PLX_HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen >= wanted) {
			uint64_t value = plx_histogram_bucket_value(i);
			return value < histogram->max ? value : histogram->max;
		}
	}
	return histogram->max;
}

#endif
