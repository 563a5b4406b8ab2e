/* bench/gc_pause/recorder.c: see recorder.h. Nothing here is called between two operations, save
 * recorder_note_stall. */
#include "bench/gc_pause/recorder.h"

#include <stdlib.h>
#include <sys/mman.h>

#define STALL_MEDIANS 10

struct recorder *recorder_create(void)
{
	struct recorder *recorder;
	size_t stall_bytes = RECORDER_STALLS * sizeof(struct recorder_stall);
	char *memory;

	/* Mapped, not allocated: only what is used becomes resident, and malloc is not disturbed. */
	memory = mmap(NULL, stall_bytes + sizeof(*recorder), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	recorder = (struct recorder *)(void *)(memory + stall_bytes);
	recorder->stalls = (struct recorder_stall *)(void *)memory;
	return recorder;
}

void recorder_destroy(struct recorder *recorder)
{
	size_t stall_bytes = RECORDER_STALLS * sizeof(struct recorder_stall);

	munmap(recorder->stalls, stall_bytes + sizeof(*recorder));
}

void recorder_start(struct recorder *recorder, uint64_t deadline_ns, uint64_t operations_target)
{
	/* Writing all of it also makes it resident: recording never faults. */
	memset(&recorder->operations, 0, sizeof(recorder->operations));
	recorder->stall_count = 0;
	recorder->deadline_ns = deadline_ns;
	recorder->operations_target = operations_target;
	recorder_resume(recorder);
}

void recorder_note_stall(struct recorder *recorder, uint64_t end_ns, uint64_t length_ns)
{
	struct recorder_stall *stall;

	stall = &recorder->stalls[recorder->stall_count++ & (RECORDER_STALLS - 1)];
	stall->end_ns = end_ns;
	stall->length_ns = length_ns;
}

void recorder_arrival(const struct plx_histogram *operations, struct plx_histogram *arrival)
{
	uint64_t longer = 0;

	memset(arrival, 0, sizeof(*arrival));
	for (uint32_t i = PLX_HISTOGRAM_BUCKETS; i-- > 0;) {
		uint64_t high = plx_histogram_bucket_value(i);
		uint64_t width = i == 0 ? 1 : high - plx_histogram_bucket_value(i - 1);
		uint64_t here = operations->buckets[i];

		/* Those that end in this bucket pass, on average, half of it. */
		arrival->buckets[i] = longer * width + here * width / 2;
		arrival->sum += arrival->buckets[i] * high;
		longer += here;
	}
	arrival->count = operations->count;
	arrival->max = operations->max;
}

/* A stretch of lost time, and how much was lost before it. */
struct loss {
	uint64_t start_ns;
	uint64_t end_ns;
	uint64_t before_ns;
};

/* The kept stalls that count as lost time, oldest first; they never overlap. Returns how many. */
static size_t losses_find(const struct recorder *recorder, struct loss *losses)
{
	uint64_t median_ns = plx_histogram_quantile(&recorder->operations, 0.5);
	uint64_t threshold_ns = STALL_MEDIANS * median_ns, lost_ns = 0;
	uint64_t first = 0;
	size_t count = 0;

	if (threshold_ns < RECORDER_STALL_NS)
		threshold_ns = RECORDER_STALL_NS;
	if (recorder->stall_count > RECORDER_STALLS)
		first = recorder->stall_count - RECORDER_STALLS;
	for (uint64_t i = first; i < recorder->stall_count; i++) {
		const struct recorder_stall *stall = &recorder->stalls[i & (RECORDER_STALLS - 1)];

		if (stall->length_ns <= threshold_ns)
			continue;
		losses[count].start_ns = stall->end_ns - stall->length_ns + median_ns;
		losses[count].end_ns = stall->end_ns;
		losses[count].before_ns = lost_ns;
		lost_ns += losses[count].end_ns - losses[count].start_ns;
		count++;
	}
	return count;
}

/* How much time was lost before the instant `at_ns`. */
static uint64_t losses_before(const struct loss *losses, size_t count, uint64_t at_ns)
{
	size_t low = 0, high = count;
	const struct loss *last;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (losses[middle].start_ns < at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return 0;
	last = &losses[low - 1];
	return last->before_ns + (at_ns < last->end_ns ? at_ns : last->end_ns) - last->start_ns;
}

double recorder_utilisation(const struct recorder *recorder, uint64_t window_ns)
{
	size_t kept = recorder->stall_count < RECORDER_STALLS ? recorder->stall_count
							      : RECORDER_STALLS;
	struct loss *losses = malloc((kept + 1) * sizeof(*losses));
	uint64_t worst_ns = 0;
	size_t count;

	if (losses == NULL)
		return 0;
	count = losses_find(recorder, losses);
	/* As a window slides, the loss in it is greatest where it begins with a loss or ends with one:
	 * elsewhere it can be slid one way or the other without losing any. */
	for (size_t i = 0; i < count; i++) {
		uint64_t start_ns = losses[i].start_ns, end_ns = losses[i].end_ns;
		uint64_t from_ns = losses_before(losses, count, start_ns + window_ns) -
				   losses_before(losses, count, start_ns);
		uint64_t until_ns = losses_before(losses, count, end_ns) -
				    losses_before(losses, count, end_ns - window_ns);

		worst_ns = from_ns > worst_ns ? from_ns : worst_ns;
		worst_ns = until_ns > worst_ns ? until_ns : worst_ns;
	}
	free(losses);
	return 1.0 - (double)worst_ns / (double)window_ns;
}
