/* gc/heap/view_fork.h: the memory of a heap that is copied by fork. See view_fork.c. */
#ifndef GC_HEAP_VIEW_FORK_H
#define GC_HEAP_VIEW_FORK_H

#include "gc/heap/view.h"

struct gc_view_fork {
	int memfd;     /* the copy; -1: none, the kernel copies private memory */
	char *at;      /* where it is mapped while it is filled */
	bool inherits; /* the views are inherited by children just now */
};

/* In the parent, nothing detached, nobody writing. 0, or a negative errno with `*step`; whatever is returned,
 * gc_view_fork_end comes after the fork. */
int gc_view_fork_begin(const struct gc_view *view, struct gc_view_fork *fork, const char **step);
/* Copy what is at [start, start+bytes), whole pages. */
int gc_view_fork_copy(const struct gc_view *view, const struct gc_view_fork *fork,
		      struct gc_haddr start, uint64_t bytes);
/* The copy is complete. */
void gc_view_fork_filled(const struct gc_view *view, struct gc_view_fork *fork);

/* In the parent, after the fork. */
void gc_view_fork_end(const struct gc_view *view, struct gc_view_fork *fork);

/* In the child: the views show the copy. */
int gc_view_fork_adopt(struct gc_view *view, struct gc_view_fork *fork, const char **step);

/* In a child that gets no heap: close what was inherited; whoever touches the heap's addresses gets SIGSEGV,
 * and nothing else is mapped there. */
void gc_view_fork_forbid(struct gc_view *view, struct gc_view_fork *fork);

#endif
