/* gc/heap/history.c: the names of region events. See history.h. */
#include "gc/heap/history.h"

const char *const gc_region_event_names[GC_REGION_EVENT_COUNT] = {
	[GC_REGION_TAKEN] = "taken",	  [GC_REGION_FREED] = "freed",
	[GC_REGION_EMPTIED] = "emptied",  [GC_REGION_TARGETED] = "target",
	[GC_REGION_CHOSEN] = "evacuated",
};
