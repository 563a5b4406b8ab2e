/* runtime/choose.c: what a new heap will be: its size, its plan, its delivery. Chosen once; a demand
 * that cannot be met fails with the capability that is missing and how to get it.
 *
 * GC_USE_UFFD_MINOR and GC_PLAN are two names for one choice and must not contradict each other.
 *
 * Who runs here: the thread that creates the heap. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gc/collect/resolver.h"
#include "gc/os/probe.h"
#include "gc/os/sys.h"
#include "runtime/world.h"

#define HEAP_MAX_LOWEST GC_MIB(4)

static enum plx_status choose_sizes(struct plx_heap_config *config, struct plx_error *error)
{
	uint64_t region = config->region_bytes, page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (config->heap_max_bytes == 0)
		config->heap_max_bytes = gc_max(rt_usable_memory_bytes() / 4, GC_MIB(64));
	if (config->heap_max_bytes < HEAP_MAX_LOWEST || config->heap_max_bytes > GC_GIB(16384))
		return rt_error(error, PLX_ERROR_OPTION,
				"GC_HEAP_MAX must be between 4M and 16T, not %lu bytes",
				config->heap_max_bytes);
	if (region &&
	    (region < GC_KIB(64) || region > GC_MIB(2) || region & (region - 1) || region < page))
		return rt_error(error, PLX_ERROR_OPTION,
				"GC_REGION_BYTES must be a power of two from 64K to 2M, not %lu",
				region);
	if (config->heap_soft_max_bytes > config->heap_max_bytes)
		return rt_error(
			error, PLX_ERROR_OPTION,
			"GC_HEAP_SOFT_MAX (%lu bytes) is more than GC_HEAP_MAX (%lu); lower one "
			"or raise the other",
			config->heap_soft_max_bytes, config->heap_max_bytes);
	if (config->heap_policy > GC_SIZE_FIXED || config->heap_balance_ppm == 0 ||
	    config->heap_growth_percent == 0)
		return rt_error(error, PLX_ERROR_OPTION,
				"GC_HEAP_POLICY has no such number, or GC_HEAP_BALANCE or "
				"GC_HEAP_GROWTH is 0; start from plx_config_init");
	if (config->tlab_bytes > GC_MIB(1) || config->compact_budget_percent > 100)
		return rt_error(error, PLX_ERROR_OPTION,
				"GC_TLAB_BYTES is at most 1M and GC_COMPACT_BUDGET at most 100");
	return PLX_OK;
}

/* GC_PLAN and GC_USE_UFFD_MINOR together, as a plan or PLX_PLAN_AUTO. */
static enum plx_status choose_demand(const struct plx_heap_config *config, enum plx_plan *plan,
				     struct plx_error *error)
{
	*plan = (enum plx_plan)config->plan;
	if (config->use_uffd_minor == 1) {
		if (*plan != PLX_PLAN_AUTO && *plan != PLX_PLAN_MINOR)
			return rt_error(
				error, PLX_ERROR_OPTION,
				"GC_USE_UFFD_MINOR=1 demands the minor plan, but GC_PLAN=%s; unset "
				"one of them",
				plx_plan_name(*plan));
		*plan = PLX_PLAN_MINOR;
	}
	if (config->use_uffd_minor == 0) {
		if (*plan == PLX_PLAN_MINOR)
			return rt_error(
				error, PLX_ERROR_OPTION,
				"GC_USE_UFFD_MINOR=0 forbids the minor plan, but GC_PLAN=minor; "
				"unset one of them");
		if (*plan == PLX_PLAN_AUTO)
			*plan = PLX_PLAN_COPY;
	}
	return PLX_OK;
}

typedef const struct gc_capability *(*choose_lacks)(const struct gc_probe *probe, bool sigbus);

/* The delivery wanted, or with `auto` the first that works; NULL capability when it does. */
static const struct gc_capability *choose_delivery(struct plx_heap *heap,
						   const struct gc_probe *probe, choose_lacks lacks)
{
	uint64_t wanted = heap->gc.config.delivery;
	const struct gc_capability *missing = NULL;

	for (int sigbus = 0; sigbus <= 1; sigbus++) {
		if (wanted != PLX_DELIVERY_AUTO && (wanted == PLX_DELIVERY_SIGBUS) != sigbus)
			continue;
		missing = lacks(probe, sigbus);
		heap->delivery = sigbus ? PLX_DELIVERY_SIGBUS : PLX_DELIVERY_THREAD;
		if (!missing)
			return NULL;
	}
	return missing;
}

/* Why the plan cannot be had; a sentence. The heap's file may be too large where everything else works. */
static void choose_explain(const struct gc_probe *probe, const struct gc_capability *missing,
			   char *why, size_t size)
{
	static const struct gc_capability too_large = {.error = -EFBIG, .step = "sizing a memfd"};

	gc_probe_explain(probe, missing ? missing : &too_large, why, size);
}

static enum plx_status choose_refuse(const char *why, enum plx_plan plan, struct plx_error *error)
{
	return rt_error(error, PLX_ERROR_CAPABILITY, "the %s plan cannot be served here: %s",
			plx_plan_name(plan), why);
}

/* May the heap's file be as large as it has to be? It is a sparse one. */
static bool choose_file_fits(const struct plx_heap_config *config)
{
	uint64_t most;

	return gc_sys->file_limit(&most) < 0 || gc_heap_file_bytes(config->heap_max_bytes) <= most;
}

/* Take the plan of `resolver` if it can be had; else `why`, as large as plan_reason, says why not. */
static bool choose_plan(struct plx_heap *heap, const struct gc_probe *probe,
			const struct gc_resolver *resolver, choose_lacks lacks, char *why)
{
	const struct gc_capability *missing = choose_delivery(heap, probe, lacks);

	heap->gc.resolver = resolver;
	if (!missing &&
	    (resolver->backing != GC_BACKING_SHARED || choose_file_fits(&heap->gc.config)))
		return true;
	choose_explain(probe, missing, why, sizeof(heap->plan_reason));
	return false;
}

/* `plan` is a demand, or PLX_PLAN_AUTO. A lesser plan keeps the reason why it is not minor. */
static enum plx_status choose_best(struct plx_heap *heap, enum plx_plan plan,
				   struct plx_error *error)
{
	char *reason = heap->plan_reason, why[sizeof(heap->plan_reason)];
	struct gc_probe probe;

	gc_probe_plans(&probe);
	if (plan != PLX_PLAN_COPY) {
		heap->uffd_skips = probe.continue_skip.works && heap->gc.config.kernel_ext;
		if (choose_plan(heap, &probe, &gc_resolver_minor, gc_probe_minor_lacks, reason))
			return PLX_OK;
		if (plan == PLX_PLAN_MINOR)
			return choose_refuse(reason, plan, error);
	}
	if (choose_plan(heap, &probe, &gc_resolver_copy, gc_probe_copy_lacks, why))
		return PLX_OK;
	if (plan == PLX_PLAN_COPY)
		return choose_refuse(why, plan, error);
	heap->gc.resolver = &gc_resolver_stw;
	heap->delivery = PLX_DELIVERY_THREAD;
	return PLX_OK;
}

enum plx_status rt_choose(struct plx_heap *heap, struct plx_error *error)
{
	enum plx_plan plan;
	enum plx_status status = choose_sizes(&heap->gc.config, error);

	if (status == PLX_OK)
		status = rt_torture_choose(heap, error);
	if (status == PLX_OK)
		status = choose_demand(&heap->gc.config, &plan, error);
	if (status != PLX_OK)
		return status;
	heap->gc.resolver = &gc_resolver_stw;
	heap->delivery = PLX_DELIVERY_THREAD;
	return plan == PLX_PLAN_STW ? PLX_OK : choose_best(heap, plan, error);
}
