/* bench/peers/on_bdwgc.c: every workload compiled for bdwgc, in the place of on_malloc.c. The program
 * is gc_pause with this one file exchanged; its plan `none` is bdwgc. PEER_INCREMENTAL=1 in the
 * environment makes it incremental (bdwgc's own variable for that has a name that this collector would
 * take for an option of its own). */
#include "bench/peers/memory_bdwgc.h"

#include "bench/gc_pause/work_cache.h"
#include "bench/gc_pause/work_fragment.h"
#include "bench/gc_pause/work_gcbench.h"
#include "bench/gc_pause/work_index.h"
#include "bench/gc_pause/work_trees.h"

const work_thread_entry MEM_TABLE[RUN_OWN] = {
	[RUN_CACHE] = cache_thread,	  [RUN_TREES] = trees_thread,
	[RUN_GCBENCH] = gcbench_thread,	  [RUN_INDEX] = index_thread,
	[RUN_FRAGMENT] = fragment_thread,
};

static struct work_foreign foreign;
static pthread_once_t foreign_once = PTHREAD_ONCE_INIT;

/* Called by the collecting thread, under the collector's own lock. */
static void bdwgc_event(GC_EventType event)
{
	static uint64_t stop_ns;

	if (event == GC_EVENT_PRE_STOP_WORLD)
		stop_ns = recorder_clock_ns();
	else if (event == GC_EVENT_POST_START_WORLD)
		plx_histogram_record(&foreign.pause, recorder_clock_ns() - stop_ns);
	else if (event == GC_EVENT_END)
		foreign.cycles++;
}

/* The main thread has to make the heap, before any other thread. */
__attribute__((constructor)) static void bdwgc_init(void)
{
	GC_INIT();
	GC_allow_register_threads();
	if (getenv("PEER_INCREMENTAL") != NULL)
		GC_enable_incremental();
}

static void bdwgc_watch(void)
{
	GC_set_on_collection_event(bdwgc_event);
}

void bdwgc_begin(struct work *work)
{
	pthread_once(&foreign_once, bdwgc_watch);
	GC_set_max_heap_size(work->options->heap_bytes);
	/* Relaxed: all threads store the same, long before thread 0 reads it behind a barrier. */
	__atomic_store_n(&work->foreign, &foreign, __ATOMIC_RELAXED);
}
