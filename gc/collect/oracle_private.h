/* gc/collect/oracle_private.h: what the files of the double build share. See oracle.h. */
#ifndef GC_COLLECT_ORACLE_PRIVATE_H
#define GC_COLLECT_ORACLE_PRIVATE_H

#include "gc/collect/oracle.h"

/* More than threads that may build at once, usually; with fewer they wait. */
#define GC_ORACLE_SLOTS 32

struct gc_oracle_slot {
	uint32_t busy; /* atomic [MO-ORACLE] */
	char *before;  /* the page as it was */
	char *second;  /* as it is built the second way */
};

/* One object that moves. */
struct gc_oracle_place {
	uintptr_t from, to;
};

/* A part of the list: of one source region, or of one target; in order of both addresses. */
struct gc_oracle_part {
	uint32_t first, count;
};

struct gc_oracle {
	/* The plan writes; read-only from the flip on. [DB-4] */
	struct gc_oracle_place *places;
	size_t count, capacity;
	bool lost;				  /* no memory: this cycle is not checked */
	struct gc_oracle_part *sources, *targets; /* per region */
	uint32_t source;			  /* region under way */
	uint32_t flip;				  /* counts */
	/* Relaxed atomics: a hint where a walk may start, see oracle_build.c. */
	uint64_t *walks; /* per page */
	uint64_t checked, skipped;
	struct gc_oracle_slot slots[GC_ORACLE_SLOTS];
};

/* What stopped the second way: it met something that no building can be right with. */
struct gc_oracle_trouble {
	const char *what; /* NULL: nothing */
	uintptr_t at;	  /* heap address of the object or slot */
	uintptr_t word;
};

/* oracle_build.c: the second way, from slot->before into slot->second. */
void gc_oracle_build(struct gc_heap *heap, struct gc_page page, const struct gc_oracle_slot *slot,
		     struct gc_oracle_trouble *trouble);
/* Where the plan put an object; 0: nowhere. */
uintptr_t gc_oracle_forward(const struct gc_heap *heap, uintptr_t object);

/* oracle_report.c */
__attribute__((noreturn)) void gc_oracle_fail(const struct gc_heap *heap, struct gc_page page,
					      const char *into, const struct gc_oracle_slot *slot,
					      const struct gc_oracle_trouble *trouble);

#endif
