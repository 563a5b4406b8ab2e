/* runtime/frames.h: walking a native stack frame by frame, with stack maps; see frames.c. */
#ifndef RUNTIME_FRAMES_H
#define RUNTIME_FRAMES_H

#include <parallax/stackmap.h>

#include "runtime/spill.h"
#include "runtime/world.h"

#ifdef __x86_64__
#define RT_FRAMES 1
#else
#define RT_FRAMES 0
#endif

/* Which of the registers that calls preserve has this number in DWARF, or -1. */
static inline int rt_saved_by_dwarf(unsigned number)
{
	switch (number) {
	case 3:
		return RT_RBX;
	case 6:
		return RT_RBP;
	case 12:
		return RT_R12;
	case 13:
		return RT_R13;
	case 14:
		return RT_R14;
	case 15:
		return RT_R15;
	}
	return -1;
}

/* stackmap.c */
const struct rt_stackmap *rt_stackmap_find_locked(const struct rt_stackmaps *maps,
						  uintptr_t return_address);
const struct plx_stackmap_site *rt_stackmap_site(const struct rt_stackmap *entry,
						 uintptr_t return_address);

/* frames.c: hand out what is on a stack, each frame as its map says, or as ambiguous words. */
void rt_frames_walk(struct plx_heap *heap, const struct rt_stack *stack,
		    const struct gc_stack_visit *visit);

#endif
