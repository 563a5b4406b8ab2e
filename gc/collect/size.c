/* gc/collect/size.c: how much memory the heap should use: the soft limit, decided after each cycle.
 *
 * More memory means fewer cycles. Three policies say how much is worth it:
 *
 *   balance   The limit at which one more MiB would save just GC_HEAP_BALANCE millionths of a CPU.
 *             Marking costs live / speed; a cycle comes every extra / rate; so collecting takes
 *             live * rate / (speed * extra) of a CPU, and its derivative by `extra` is the price:
 *                 extra = sqrt(live * rate / (speed * price))
 *             (Kirisame, Shenoy, Panchekha: Optimal heap limits for reducing browser memory use,
 *             OOPSLA 2022.) Several heaps that follow it share memory as one would want.
 *   grow      GC_HEAP_GROWTH percent of what is live.
 *   fixed     Always GC_HEAP_SOFT_MAX.
 *
 * [SZ-1] The soft limit only decides when a cycle starts: whether memory can be had is decided by the
 *        hard limit alone, so a limit that is too low costs cycles, never an object.
 *
 * Who runs here: creation; the cycle's thread, after each cycle. */
#include <math.h>

#include "gc/base/clock.h"
#include "gc/collect/collect.h"
#include "gc/collect/workers.h"

#define SIZE_RATE_NEW 0.5	   /* weight of the newest measurement */
#define SIZE_LEAST_LIVE GC_KIB(64) /* below, a cycle's fixed costs decide */
#define SIZE_LEAST_CYCLE_NS 1e5

static uint64_t size_soft_max(const struct gc_heap *heap)
{
	uint64_t soft = heap->config.heap_soft_max_bytes, hard = heap->config.heap_max_bytes;

	return soft ? gc_min(soft, hard) : hard;
}

static uint64_t size_initial(const struct gc_heap *heap)
{
	if (heap->config.heap_policy == GC_SIZE_FIXED)
		return size_soft_max(heap);
	return gc_min(heap->config.heap_initial_bytes, size_soft_max(heap));
}

void gc_size_init(struct gc_heap *heap)
{
	heap->size = (struct gc_size){.start_ns = gc_clock_ns()};
	gc_store_relaxed(&heap->soft_limit_bytes, size_initial(heap)); /* a statistic */
}

static double size_smooth(double mean, double newest)
{
	return mean > 0 ? mean + SIZE_RATE_NEW * (newest - mean) : newest;
}

/* What this cycle tells: bytes allocated a nanosecond since the last one began, and live bytes a
 * nanosecond of CPU time spent on them (this thread's, and as much for each other worker). */
static void size_measure(struct gc_heap *heap, uint64_t live_bytes)
{
	struct gc_size *size = &heap->size;
	uint64_t at_start = gc_load_relaxed(&heap->allocated_at_cycle_start); /* own writing */
	double between_ns = (double)(heap->cycle.start_ns - size->start_ns);
	uint64_t cpu_ns = gc_clock_thread_ns();
	double spent_ns = (double)(cpu_ns - size->cpu_ns) * gc_workers_count(heap);

	size->rate = size_smooth(size->rate, (double)(at_start - size->start_bytes) /
						     fmax(between_ns, SIZE_LEAST_CYCLE_NS));
	size->speed =
		size_smooth(size->speed, (double)live_bytes / fmax(spent_ns, SIZE_LEAST_CYCLE_NS));
	size->start_ns = heap->cycle.start_ns;
	size->start_bytes = at_start;
	size->cpu_ns = cpu_ns;
}

/* CPU time that a cycle takes of what is live now, by the last ones' speed. */
double gc_size_cycle_ns(const struct gc_heap *heap)
{
	double speed = heap->size.speed;

	return speed > 0 ? (double)heap->cycle.live_bytes / speed : (double)heap->cycle.mark_ns;
}

double gc_size_extra_bytes(const struct gc_heap *heap, uint64_t live)
{
	const struct gc_size *size = &heap->size;
	double price = (double)heap->config.heap_balance_ppm / 1e6 / (double)GC_MIB(1);
	double live_bytes = (double)gc_max(live, SIZE_LEAST_LIVE);

	if (heap->config.heap_policy == GC_SIZE_FIXED)
		return fmax((double)size_soft_max(heap) - live_bytes, 0);
	if (size->speed <= 0) /* nothing measured yet */
		return live_bytes;
	if (heap->config.heap_policy == GC_SIZE_GROW)
		return live_bytes * (double)heap->config.heap_growth_percent / 100;
	return sqrt(live_bytes * size->rate / (size->speed * price));
}

/* Bytes that may be allocated from one cycle's start to the next one's. */
uint64_t gc_size_after_cycle(struct gc_heap *heap)
{
	uint64_t live = gc_max(heap->cycle.live_bytes, SIZE_LEAST_LIVE);
	uint64_t limit = size_soft_max(heap);

	size_measure(heap, live);
	if (heap->config.heap_policy != GC_SIZE_FIXED) {
		double wanted = (double)live + gc_size_extra_bytes(heap, live);

		limit = wanted < (double)limit ? (uint64_t)wanted : limit;
		limit = gc_max(limit, size_initial(heap));
	}
	gc_store_relaxed(&heap->soft_limit_bytes, limit); /* a statistic */
	return limit > live ? limit - live : 0;
}
