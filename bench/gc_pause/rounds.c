/* bench/gc_pause/rounds.c: see rounds.h. */
#include "bench/gc_pause/rounds.h"

#include <stddef.h>
#include <stdlib.h>

/* Figures by their place in struct result. */
static const size_t reals[] = {
	offsetof(struct result, seconds), offsetof(struct result, operations_per_second),
	offsetof(struct result, mmu[0]),  offsetof(struct result, mmu[1]),
	offsetof(struct result, mmu[2]),  offsetof(struct result, cpu_seconds),
};

static const size_t counts[] = {
	offsetof(struct result, live_bytes),
	offsetof(struct result, cycles),
	offsetof(struct result, dirty_pages),
	offsetof(struct result, evacuated_bytes),
	offsetof(struct result, updated_in_place_bytes),
	offsetof(struct result, moved_back_bytes),
	offsetof(struct result, continued_pages),
	offsetof(struct result, copied_pages),
	offsetof(struct result, stalls),
	offsetof(struct result, paced),
	offsetof(struct result, paced_us),
	offsetof(struct result, degraded),
	offsetof(struct result, rss_peak_bytes),
	offsetof(struct result, pss_peak_bytes),
	offsetof(struct result, metadata_bytes),
	offsetof(struct result, fragment.full_bytes),
	offsetof(struct result, fragment.before_bytes),
	offsetof(struct result, fragment.after_bytes),
};

static const size_t summaries[] = {
	offsetof(struct result, pause),	    offsetof(struct result, flip),
	offsetof(struct result, operation), offsetof(struct result, arrival),
	offsetof(struct result, fault),	    offsetof(struct result, hiccup),
};

static const size_t percentiles[] = {
	offsetof(struct summary, p50),	 offsetof(struct summary, p90),
	offsetof(struct summary, p99),	 offsetof(struct summary, p999),
	offsetof(struct summary, p9999),
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

/* Sorts the values. */
static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(values[0]), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static struct spread spread_of(const double *sorted, unsigned count)
{
	return (struct spread){sorted[0], sorted[count - 1]};
}

static const void *at(const struct result *result, size_t offset)
{
	return (const char *)result + offset;
}

static void combine_real(const struct result *rounds, unsigned count, size_t offset,
			 struct result *into)
{
	double values[ROUNDS_MOST];

	for (unsigned i = 0; i < count; i++)
		values[i] = *(const double *)at(&rounds[i], offset);
	*(double *)(void *)((char *)into + offset) = median(values, count);
	if (offset == offsetof(struct result, operations_per_second))
		into->rate_spread = spread_of(values, count);
}

static void combine_count(const struct result *rounds, unsigned count, size_t offset,
			  struct result *into)
{
	double values[ROUNDS_MOST];

	for (unsigned i = 0; i < count; i++)
		values[i] = (double)*(const uint64_t *)at(&rounds[i], offset);
	*(uint64_t *)(void *)((char *)into + offset) = (uint64_t)median(values, count);
}

/* Rounds in which nothing of the kind happened have no percentiles. */
static void combine_summary(const struct result *rounds, unsigned count, size_t offset,
			    struct result *into)
{
	struct summary *summary = (struct summary *)(void *)((char *)into + offset);
	double values[ROUNDS_MOST];

	*summary = (struct summary){0};
	for (size_t p = 0; p < COUNT_OF(percentiles); p++) {
		unsigned found = 0;

		for (unsigned i = 0; i < count; i++) {
			const struct summary *one = at(&rounds[i], offset);

			if (one->count != 0)
				values[found++] =
					*(const double *)(const void *)((const char *)one +
									percentiles[p]);
		}
		if (found == 0)
			return;
		*(double *)(void *)((char *)summary + percentiles[p]) = median(values, found);
		if (offset == offsetof(struct result, pause) && p == 0)
			into->pause_spread = spread_of(values, found);
	}
	for (unsigned i = 0; i < count; i++) {
		const struct summary *one = at(&rounds[i], offset);

		summary->count += one->count;
		if (one->max > summary->max)
			summary->max = one->max;
	}
}

void rounds_combine(const struct result *rounds, unsigned count, struct result *into)
{
	*into = rounds[0];
	into->rounds = count;
	for (unsigned i = 0; i < count; i++) {
		if (rounds[i].status != RESULT_OK) {
			*into = rounds[i];
			return;
		}
		into->checksum += i > 0 ? rounds[i].checksum : 0;
	}
	for (size_t f = 0; f < COUNT_OF(reals); f++)
		combine_real(rounds, count, reals[f], into);
	for (size_t f = 0; f < COUNT_OF(counts); f++)
		combine_count(rounds, count, counts[f], into);
	for (size_t f = 0; f < COUNT_OF(summaries); f++)
		combine_summary(rounds, count, summaries[f], into);
}
