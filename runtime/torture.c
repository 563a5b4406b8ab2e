/* runtime/torture.c: GC_TORTURE: collecting at each new place that allocates, at every safepoint, or exactly
 * so often. See gc/heap/torture.h.
 *
 * A place is the return addresses of up to 16 frames, hashed. Places that were seen are in a table that only
 * grows; when it is full nothing is new any more.
 *
 * Who runs here: attached threads, running, at a safepoint; creation and destruction. */
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <unistd.h>

#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "runtime/world.h"

#define TORTURE_FRAMES 16
#define TORTURE_SITES 65536 /* a power of two */
#define TORTURE_PROBES 64

/* What a heap's options say together, and what follows for others of them. */
enum plx_status rt_torture_choose(struct plx_heap *heap, struct plx_error *error)
{
	struct plx_heap_config *config = &heap->gc.config;
	uint32_t flags = (uint32_t)(config->torture >> 32);
	uint32_t first = flags & (GC_TORTURE_MUTATOR_FIRST | GC_TORTURE_COLLECTOR_FIRST |
				  GC_TORTURE_ANY_FIRST);

	heap->gc.torture.flags = flags;
	heap->gc.torture.state = (config->torture & UINT32_MAX) * UINT64_C(0x9e3779b97f4a7c15) + 1;
	if (first & (first - 1))
		return rt_error(error, PLX_ERROR_OPTION,
				"GC_TORTURE: only one of mutator-first, collector-first and "
				"any-first");
	if (flags & GC_TORTURE_BYTES && config->cycle_every_bytes == 0)
		return rt_error(error, PLX_ERROR_OPTION,
				"GC_TORTURE=bytes collects each GC_CYCLE_EVERY bytes; set that, "
				"to 64K for example");
	if (flags & GC_TORTURE_PAGE_EXTENTS && config->heap_max_bytes > GC_MIB(64))
		return rt_error(error, PLX_ERROR_OPTION,
				"GC_TORTURE=page-extents may make every page a mapping of its own: "
				"GC_HEAP_MAX is at most 64M with it");
	if (flags & GC_TORTURE_SMALL_REGIONS && config->region_bytes == 0)
		config->region_bytes = gc_max(GC_KIB(64), (uint64_t)sysconf(_SC_PAGESIZE));
	if (flags & (GC_TORTURE_SITES | GC_TORTURE_BYTES))
		config->tlab_bytes = 0; /* every allocation comes by */
	return PLX_OK;
}

bool rt_torture_create(struct plx_heap *heap)
{
	if (!gc_torture_is(&heap->gc.torture, GC_TORTURE_SITES))
		return true;
	heap->torture_sites = gc_meta_alloc(TORTURE_SITES * sizeof(uint64_t));
	return heap->torture_sites != NULL;
}

void rt_torture_destroy(struct plx_heap *heap)
{
	gc_meta_free(heap->torture_sites, TORTURE_SITES * sizeof(uint64_t));
}

/* FNV-1a over return addresses; never 0. */
static uint64_t torture_site(void)
{
	void *frames[TORTURE_FRAMES];
	int count = unw_backtrace(frames, TORTURE_FRAMES);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (int i = 0; i < count; i++)
		hash = (hash ^ (uintptr_t)frames[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 29;
	return hash ? hash : 1;
}

/* Enter it; true if it was not there. */
static bool torture_site_is_new(struct plx_heap *heap, uint64_t site)
{
	for (uint64_t i = 0; i < TORTURE_PROBES; i++) {
		uint64_t *entry = &heap->torture_sites[(site + i) % TORTURE_SITES], empty = 0;

		/* Relaxed, also below: a number that is there or not; nothing hangs on it. */
		if (gc_load_relaxed(entry) == site)
			return false;
		if (gc_load_relaxed(entry) == 0 && gc_cas_relaxed(entry, &empty, site))
			return true;
		if (empty == site)
			return false;
	}
	return false;
}

static void torture_collect(struct rt_thread *thread)
{
	struct plx_thread *pub = &thread->gc.pub;

	plx_collect(pub);
	gc_add_relaxed(&pub->heap->gc.torture.collected, 1); /* a figure */
}

void rt_torture_poll(struct rt_thread *thread)
{
	struct plx_heap *heap = thread->gc.pub.heap;

	if (!gc_torture_is(&heap->gc.torture, GC_TORTURE_SAFEPOINTS))
		return;
	torture_collect(thread);
	/* The next poll comes by again. A request that this store joins is seen by then, too. */
	gc_store_seq_cst(&thread->gc.pub.poll, 1); /* [MO-ROUND] */
}

void rt_torture_allocate(struct rt_thread *thread)
{
	struct plx_heap *heap = thread->gc.pub.heap;
	struct gc_torture *torture = &heap->gc.torture;

	if (gc_torture_is(torture, GC_TORTURE_SITES) && torture_site_is_new(heap, torture_site())) {
		gc_add_relaxed(&torture->sites, 1); /* a figure */
		torture_collect(thread);
	}
	if (gc_torture_is(torture, GC_TORTURE_BYTES) && gc_pace_wants_cycle(&heap->gc))
		torture_collect(thread);
}
