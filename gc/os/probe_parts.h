/* gc/os/probe_parts.h: what the files of the probe share: scratch memory and the verdict. */
#ifndef GC_OS_PROBE_PARTS_H
#define GC_OS_PROBE_PARTS_H

#include "gc/os/probe.h"

/* A capability under test. Steps are recorded as they are tried, so that the last one recorded is
 * the one that failed. */
static inline void gc_probe_step(struct gc_capability *capability, const char *step)
{
	capability->step = step;
}

/* Scratch memory, mapped where faults are provoked (`view`) and where content is made (`alias`).
 * For shared scratch both map one memfd; for private scratch the alias is a separate buffer. */
struct gc_probe_scratch {
	size_t page_bytes, bytes;
	char *view, *alias; /* NULL when not mapped */
	int memfd;	    /* -1 when there is none */
};

/* 0 or a negative errno, after which nothing is left. Content is not made yet. */
int gc_probe_scratch_make(struct gc_probe_scratch *scratch, size_t bytes, bool shared,
			  struct gc_capability *capability);
void gc_probe_scratch_drop(struct gc_probe_scratch *scratch);

/* The word that page `index` of a pattern begins with. */
static inline uint64_t gc_probe_pattern(size_t index)
{
	return UINT64_C(0x50617261) << 32 | (uint64_t)(index + 1);
}

uint64_t gc_probe_now_ns(void);

/* Parts: each fills its own fields of `probe`. */
void gc_probe_fault_parts(struct gc_probe *probe);
void gc_probe_remap_parts(struct gc_probe *probe);
void gc_probe_move_part(struct gc_probe *probe); /* after the one above */
double gc_probe_page_part(bool shared);		 /* see gc_probe_page_ns */

#endif
