/* runtime/heap.c: the public life of a heap: create, ask, destroy.
 *
 * Creation goes up a ladder (sizes and plan; views and tables; userfaultfd; threads or handler) and
 * down again from wherever it fails, so that nothing is left behind.
 *
 * Who runs here: any thread. */
#include <errno.h>
#include <string.h>

#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/oracle.h"
#include "gc/collect/resolver.h"
#include "gc/collect/rootstack.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

static enum plx_status heap_configure(struct plx_heap *heap, const struct plx_heap_config *config,
				      struct plx_error *error)
{
	if (config) {
		heap->gc.config = *config;
	} else {
		enum plx_status status;

		plx_config_init(&heap->gc.config);
		status = plx_config_from_environment(&heap->gc.config, error);
		if (status != PLX_OK)
			return status;
	}
	if (heap->gc.config.yield_seed)
		gc_store_relaxed(&gc_yield_state, heap->gc.config.yield_seed); /* see yield.h */
	return rt_choose(heap, error);
}

static int heap_open_uffd(struct plx_heap *heap)
{
	heap->gc.uffd.fd = -1;
	if (!heap->gc.resolver->concurrent)
		return 0;
	if (heap->gc.resolver->uffd_mode == GC_UFFD_MINOR && heap->uffd_skips)
		return gc_uffd_open_skipping(&heap->gc.uffd, heap->delivery == PLX_DELIVERY_SIGBUS);
	return gc_uffd_open(&heap->gc.uffd, heap->gc.resolver->uffd_mode,
			    heap->delivery == PLX_DELIVERY_SIGBUS);
}

static void heap_close_uffd(struct plx_heap *heap)
{
	if (heap->gc.uffd.fd >= 0)
		gc_uffd_close(&heap->gc.uffd);
}

static int heap_start_delivery(struct plx_heap *heap)
{
	if (!heap->gc.resolver->concurrent)
		return 0;
	if (heap->delivery == PLX_DELIVERY_SIGBUS)
		return rt_signal_add(heap);
	return rt_fault_thread_start(heap);
}

int rt_heap_reopen(struct plx_heap *heap, const char **step)
{
	int error;

	*step = "userfaultfd";
	heap_close_uffd(heap);
	error = heap_open_uffd(heap);
	if (error < 0 || heap->delivery == PLX_DELIVERY_SIGBUS) /* its handler is inherited */
		return error;
	*step = "starting fault delivery";
	return heap_start_delivery(heap);
}

static void heap_stop_delivery(struct plx_heap *heap)
{
	if (heap->delivery == PLX_DELIVERY_SIGBUS)
		rt_signal_remove(heap);
	else
		rt_fault_thread_stop(heap);
}

static void heap_init_runtime(struct plx_heap *heap)
{
	pthread_mutex_init(&heap->threads_lock, NULL);
	rt_roots_init(heap);
	rt_handles_init(heap);
	rt_telemetry_init(heap);
	rt_pins_init(heap);
	rt_native_stacks_init(heap);
	rt_stackmaps_init(heap);
	rt_listeners_init(heap);
	heap->gc.world = &rt_world;
	gc_pace_init(&heap->gc);
}

static void heap_destroy_runtime(struct plx_heap *heap)
{
	rt_listeners_destroy(heap);
	rt_telemetry_destroy(heap);
	rt_stackmaps_destroy(heap);
	rt_native_stacks_destroy(heap);
	rt_pins_destroy(heap);
	rt_handles_destroy(heap);
	rt_roots_destroy(heap);
	pthread_mutex_destroy(&heap->threads_lock);
}

static enum plx_status heap_fail(struct plx_error *error, const char *step, int code)
{
	enum plx_status status = code == -ENOMEM ? PLX_ERROR_MEMORY : PLX_ERROR_SYSTEM;

	return rt_error(error, status, "creating the heap failed: %s: %s%s", step, strerror(-code),
			code != -ENOMEM ? ""
					: " (a smaller GC_HEAP_MAX needs less address space; "
					  "ulimit -v limits it)");
}

/* Everything above the views. `*step` names what failed. */
static int heap_start(struct plx_heap *heap, const char **step)
{
	int error;

	*step = "allocating tables for GC_TORTURE and the double build";
	if (!rt_torture_create(heap) || !gc_oracle_create(&heap->gc))
		return -ENOMEM;
	*step = "userfaultfd";
	error = heap_open_uffd(heap);
	if (error < 0)
		return error;
	*step = "starting fault delivery";
	error = heap_start_delivery(heap);
	if (error < 0) {
		heap_close_uffd(heap);
		return error;
	}
	*step = "starting the collector thread";
	error = rt_collector_start(heap);
	if (error < 0) {
		rt_collector_stop(heap);
		heap_stop_delivery(heap);
		heap_close_uffd(heap);
	}
	return error;
}

/* What is left when no thread of the collector runs any more. */
static void heap_free(struct plx_heap *heap)
{
	rt_trace_close(heap);
	rt_torture_destroy(heap);
	gc_oracle_destroy(&heap->gc);
	heap_destroy_runtime(heap);
	gc_rootstacks_destroy(&heap->gc);
	gc_heap_destroy(&heap->gc);
	gc_meta_free(heap, sizeof(*heap));
}

static void heap_stop(struct plx_heap *heap)
{
	rt_collector_stop(heap);
	heap_stop_delivery(heap);
	heap_close_uffd(heap);
	heap_free(heap);
}

enum plx_status plx_heap_create(const struct plx_heap_config *config, struct plx_heap **into,
				struct plx_error *error)
{
	RT_USE(into, "`heap` is NULL: nowhere to put the heap");
	struct plx_heap *heap = gc_meta_alloc(sizeof(*heap));
	enum plx_status status;
	const char *step = "";
	int code;

	*into = NULL;
	if (error)
		*error = (struct plx_error){.status = PLX_OK};
	if (!heap)
		return rt_error(error, PLX_ERROR_MEMORY, "no memory for a heap");
	rt_backtrace_install();
	status = heap_configure(heap, config, error);
	if (status != PLX_OK) {
		gc_meta_free(heap, sizeof(*heap));
		return status;
	}
	code = gc_heap_create(&heap->gc, heap->gc.resolver->backing, &step);
	if (code < 0) {
		gc_meta_free(heap, sizeof(*heap));
		return heap_fail(error, step, code);
	}
	heap_init_runtime(heap);
	status = rt_trace_open(heap, error);
	code = status == PLX_OK ? heap_start(heap, &step) : 0;
	if (status == PLX_OK && code < 0)
		status = heap_fail(error, step, code);
	if (status != PLX_OK) {
		heap_free(heap);
		return status;
	}
	status = rt_fork_add(heap, error);
	if (status != PLX_OK) {
		heap_stop(heap);
		return status;
	}
	rt_log_plan(heap);
	rt_misuse_heap_made(heap);
	*into = heap;
	return PLX_OK;
}

enum plx_status plx_heap_destroy(struct plx_heap *heap)
{
	RT_USE_HEAP(heap);
	bool attached;

	rt_fork_check(heap);
	pthread_mutex_lock(&heap->threads_lock);
	attached = heap->threads != NULL;
	pthread_mutex_unlock(&heap->threads_lock);
	if (attached)
		return PLX_ERROR_MISUSE;
	rt_misuse_heap_gone(heap);
	rt_fork_remove(heap);
	heap_stop(heap);
	return PLX_OK;
}

enum plx_plan plx_heap_plan(const struct plx_heap *heap)
{
	RT_USE_HEAP(heap);
	return heap->gc.resolver->plan;
}

enum plx_delivery plx_heap_delivery(const struct plx_heap *heap)
{
	RT_USE_HEAP(heap);
	return heap->delivery;
}

const char *plx_heap_plan_reason(const struct plx_heap *heap)
{
	RT_USE_HEAP(heap);
	return heap->plan_reason;
}

bool plx_heap_scans_stacks(const struct plx_heap *heap)
{
	RT_USE_HEAP(heap);
	return heap->gc.ambiguous != NULL;
}

bool plx_heap_contains(const struct plx_heap *heap, const void *address)
{
	RT_USE_HEAP(heap);
	return gc_heap_contains(&heap->gc, (uintptr_t)address);
}

void plx_heap_set_oom_handler(struct plx_heap *heap, plx_oom_handler handler, void *context)
{
	RT_USE_HEAP(heap);
	heap->oom_handler = handler;
	heap->oom_context = context;
}

/* Word by word, since they are counted on meanwhile: fields may be of slightly different moments. */
static void stats_copy(struct plx_stats *into, const struct plx_stats *from)
{
	_Static_assert(sizeof(*into) % sizeof(uint64_t) == 0,
		       "struct plx_stats is made of uint64_t");
	for (size_t i = 0; i < sizeof(*into) / sizeof(uint64_t); i++)
		((uint64_t *)into)[i] = gc_load_relaxed(&((const uint64_t *)from)[i]);
}

void plx_heap_stats(struct plx_heap *heap, struct plx_stats *stats)
{
	RT_USE_HEAP(heap);
	RT_USE(stats, "`stats` is NULL");
	struct gc_regions *regions = &heap->gc.regions;

	rt_fork_check(heap);
	stats_copy(stats, &heap->gc.stats);
	pthread_mutex_lock(&regions->lock);
	stats->heap_max_bytes = heap->gc.config.heap_max_bytes;
	stats->soft_limit_bytes = gc_load_relaxed(&heap->gc.soft_limit_bytes); /* a statistic */
	stats->region_bytes = regions->region_bytes;
	stats->used_bytes = (uint64_t)regions->used << regions->region_shift;
	stats->resident_bytes = (uint64_t)(regions->used + regions->resident_free)
				<< regions->region_shift;
	stats->allocated_bytes = heap->gc.allocated_bytes;
	stats->returned_bytes = regions->returned_bytes;
	stats->next_bytes = (uint64_t)gc_load_relaxed(&heap->gc.trigger_regions) /* a hint */
			    << regions->region_shift;
	pthread_mutex_unlock(&regions->lock);
	rt_pins_stats(heap, stats);
	stats->metadata_bytes = gc_heap_metadata_bytes(&heap->gc);
}

void plx_heap_distribution(struct plx_heap *heap, enum plx_distribution which,
			   struct plx_histogram *into)
{
	RT_USE_HEAP(heap);
	RT_USE(into, "`into` is NULL");
	RT_USE(which < PLX_DISTRIBUTION_COUNT, "there is no such distribution");
	*into = heap->gc.distributions[which];
}
