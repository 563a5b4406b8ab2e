/* gc/collect/fork.h: a heap when the process forks, as far as the collector is concerned. See fork.c. */
#ifndef GC_COLLECT_FORK_H
#define GC_COLLECT_FORK_H

#include "gc/base/fork.h"
#include "gc/heap/heap.h"
#include "gc/heap/view_fork.h"

/* All locks that threads may hold while no cycle runs and no mutator does. */
void gc_fork_locks(struct gc_heap *heap, enum gc_fork_step step);

/* Before the fork, locked: copy what is in use. 0, or a negative errno with `*step`. */
int gc_fork_copy_stw(struct gc_heap *heap, struct gc_view_fork *fork, const char **step);

/* In the child, when the views are there: what the parent's threads were about is no more. */
void gc_fork_settle_child(struct gc_heap *heap);

/* guardian.c, identity.c, supply.c, workers.c: what they keep to themselves. */
void gc_guardians_fork(struct gc_heap *heap, enum gc_fork_step step);
void gc_identities_fork(struct gc_heap *heap, enum gc_fork_step step);
void gc_supply_fork(struct gc_heap *heap, enum gc_fork_step step);
/* In the child: the threads are started anew, perhaps fewer. */
void gc_workers_restart(struct gc_heap *heap);
void gc_supply_restart(struct gc_heap *heap);

#endif
