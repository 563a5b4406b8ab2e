/* bench/gc_pause/on_parallax.c: every workload compiled for the collector; see workload.h. */
#include "bench/gc_pause/memory_parallax.h"

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
