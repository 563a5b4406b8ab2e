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
 * [SZ-2] With balance, pages that do not exist yet have to be worth what making them costs, and the first
 *        access to them, which may be much more (gc_probe_page_ns). How long they will be of use nobody
 *        knows: several times as long as the program has allocated so far, at today's rate. So a heap
 *        grows with what has been allocated, as the one does who rents until what he has paid would have
 *        bought it (Karlin et al., Competitive snoopy caching, 1988). Pages that exist have been paid, so
 *        none are made in advance beyond the limit, or the limit would follow them. As much as is alive
 *        is always worth it.
 *
 * Who runs here: creation; the cycle's thread, after each cycle. */
#include <math.h>

#include "gc/base/clock.h"
#include "gc/collect/collect.h"
#include "gc/collect/workers.h"
#include "gc/os/probe.h"

#define SIZE_RATE_NEW 0.5	   /* weight of the newest measurement */
#define SIZE_LEAST_LIVE GC_KIB(64) /* below, a cycle's fixed costs decide */
#define SIZE_LEAST_CYCLE_NS 1e5
#define SIZE_LEAST_RATE 1e-9 /* bytes a nanosecond */
/* A cycle costs mutators more than the CPU time it is reckoned by: faults, barriers, and what died while it
 * marked. Hence 8: with 2 bench/peers' trees take a tenth longer, with 16 its gcbench does. */
#define SIZE_LASTS 8
#define SIZE_SUPPLIED 4 /* by how much a page is cheaper that another CPU makes in advance */

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
	if (heap->config.heap_policy == GC_SIZE_BALANCE) /* nobody else asks */
		heap->size.page_ns = gc_probe_page_ns(heap->view.memfd >= 0);
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

/* Where one more byte, which costs `price` of a CPU, would save just that. */
static double size_balance(const struct gc_size *size, double live_bytes, double price)
{
	return sqrt(live_bytes * size->rate / (size->speed * price));
}

/* [SZ-2] CPU time of a new page that mutators feel. */
static double size_page_ns(const struct gc_heap *heap)
{
	bool supplied = heap->supply.started && heap->world->cpu_to_spare(heap);

	return supplied ? heap->size.page_ns / SIZE_SUPPLIED : heap->size.page_ns;
}

/* [SZ-2] What is worth it in new pages, or in those that exist, whichever is more. */
static double size_balanced_extra(struct gc_heap *heap, double live_bytes)
{
	const struct gc_size *size = &heap->size;
	double price = (double)heap->config.heap_balance_ppm / 1e6 / (double)GC_MIB(1);
	double allocated = (double)gc_load_relaxed(&heap->allocated_bytes); /* statistic */
	double lasts_ns = SIZE_LASTS * allocated / fmax(size->rate, SIZE_LEAST_RATE);
	double byte_ns = size_page_ns(heap) / (double)heap->view.page_bytes;
	double with_pages = size_balance(size, live_bytes, price);
	double new = size_balance(size, live_bytes, price + byte_ns / fmax(lasts_ns, 1));
	double exists = (double)gc_regions_resident_bytes(&heap->regions) - live_bytes;

	return fmin(with_pages, fmax(fmax(new, live_bytes), exists));
}

double gc_size_extra_bytes(struct gc_heap *heap, uint64_t live)
{
	const struct gc_size *size = &heap->size;
	double live_bytes = (double)gc_max(live, SIZE_LEAST_LIVE);

	if (heap->config.heap_policy == GC_SIZE_FIXED)
		return fmax((double)size_soft_max(heap) - live_bytes, 0);
	if (size->speed <= 0) /* nothing measured yet */
		return live_bytes;
	if (heap->config.heap_policy == GC_SIZE_GROW)
		return live_bytes * (double)heap->config.heap_growth_percent / 100;
	return size_balanced_extra(heap, live_bytes);
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
