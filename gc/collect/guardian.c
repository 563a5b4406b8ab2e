/* gc/collect/guardian.c: objects that are handed back, instead of being freed, once nothing refers to them.
 *
 * A registration is an entry outside of the heap:
 *
 *            register (mutator)           ask (cycle)              publish (cycle)         poll (mutator)
 *      FREE -------------------> WATCHED ------------> DEAD -------------------------> READY ------------> FREE
 *                                   |      not marked;   |    marking is complete                           ^
 *                                   |      it is now     |                                                  |
 *                                   +--------------------+------------- destroy --------------------------+
 *
 * [GU-1] WATCHED entries keep nothing alive; DEAD and READY ones do. The object of a WATCHED entry is never
 *        freed: it is asked about before marking may end.
 * [GU-2] Guardians are asked when everything strongly reachable is marked, by priority, 0 first: of one
 *        priority all are asked before any of what they found is marked, and what they found is marked, with
 *        all it leads to, before the next priority is asked. So an object that another one of the same
 *        priority leads to is returned together with it; one of a lower priority waits.
 * [GU-3] Being asked is a part of marking: weak references to what is found dead hold, and ephemerons of which
 *        it is the key. A weak read may bring the same object back at the same time: then both have it.
 * [GU-4] What was found is published when marking is complete: until then nobody can take it apart, so
 *        the next priority sees all of it.
 * [GU-5] Entries hold addresses, so they have two: of before and after the flip. The second is entered
 *        after the plan, beside the mutators, piece by piece (`carried` tells how far); entries made
 *        meanwhile get both. In the flip only `generation` changes. A thread that looks at addresses is at
 *        no safepoint, so they are of one time.
 * [GU-6] A region may be un-chosen in the flip (pin.c): then its objects' first address counts, and is put
 *        into the place of the second beside the mutators.
 *
 * (After Dybvig, Bruggeman, Eby, "Guardians in a generation-based garbage collector", PLDI 1993; priorities
 * as in Whippet.) Who runs here: mutators; the cycle's thread. */
#include "gc/collect/guardian.h"

#include <time.h>

#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/fork.h"
#include "gc/collect/reference.h"
#include "gc/collect/workers.h"

#define NONE UINT32_MAX
#define ENTRIES_FIRST 256
#define GUARDIAN_PIECE 4096 /* entries between two releases of the lock */

enum entry_state { ENTRY_FREE, ENTRY_WATCHED, ENTRY_DEAD, ENTRY_READY };

struct guardian_entry {
	uintptr_t address[2];	      /* by generation [GU-5] */
	uintptr_t tag;		      /* the word that was registered, less the address */
	struct gc_guardian *guardian; /* NULL: destroyed while the entry was DEAD */
	uint32_t next; /* in a guardian's queue, in the list of the dead, or in the spare list */
	uint8_t state;
};

struct gc_guardians {
	pthread_mutex_t lock; /* a leaf but for satb_lock */
	pthread_cond_t more;
	/* Under lock. */
	struct guardian_entry *entries;
	uint32_t capacity, used, spare;
	uint64_t watched[GC_GUARDIAN_PRIORITIES];
	struct gc_guardian *all;
	/* Under lock, or in the flip's pause. */
	uint32_t generation, carried;
	bool repairing; /* [GU-6] */
	/* The cycle's thread. */
	bool asked, due;
	uint32_t dead_first, dead_last; /* written under lock too */
};

bool gc_guardians_create(struct gc_heap *heap)
{
	struct gc_guardians *guardians = gc_meta_alloc(sizeof(*guardians));
	pthread_condattr_t attributes;

	heap->guardians = guardians;
	if (!guardians)
		return false;
	pthread_mutex_init(&guardians->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&guardians->more, &attributes);
	pthread_condattr_destroy(&attributes);
	guardians->spare = guardians->dead_first = guardians->dead_last = NONE;
	return true;
}

void gc_guardians_destroy(struct gc_heap *heap)
{
	struct gc_guardians *guardians = heap->guardians;

	if (!guardians)
		return;
	while (guardians->all)
		gc_guardian_destroy(guardians->all);
	gc_meta_free(guardians->entries, guardians->capacity * sizeof(*guardians->entries));
	pthread_cond_destroy(&guardians->more);
	pthread_mutex_destroy(&guardians->lock);
	gc_meta_free(guardians, sizeof(*guardians));
}

/* ---- entries ---- */

/* Where the object of an entry is. [GU-5] [GU-6] */
static uintptr_t entry_object_locked(const struct gc_heap *heap, const struct guardian_entry *entry)
{
	const struct gc_guardians *guardians = heap->guardians;
	uintptr_t before = entry->address[!guardians->generation];

	if (guardians->repairing && gc_heap_region_bits(heap, before) & GC_REGION_UNCHOSEN)
		return before;
	return entry->address[guardians->generation];
}

static uint32_t entry_take_locked(struct gc_guardians *guardians)
{
	uint32_t index = guardians->spare;
	uint32_t wanted = guardians->capacity ? 2 * guardians->capacity : ENTRIES_FIRST;
	struct guardian_entry *bigger;

	if (index != NONE) {
		guardians->spare = guardians->entries[index].next;
		return index;
	}
	if (guardians->used == guardians->capacity) {
		bigger = gc_meta_resize(guardians->entries, guardians->capacity * sizeof(*bigger),
					wanted * sizeof(*bigger));
		if (!bigger)
			return NONE;
		guardians->entries = bigger;
		guardians->capacity = wanted;
	}
	return guardians->used++;
}

static void entry_free_locked(struct gc_guardians *guardians, uint32_t index)
{
	struct guardian_entry *entry = &guardians->entries[index];

	entry->state = ENTRY_FREE;
	entry->next = guardians->spare;
	guardians->spare = index;
}

static void list_append_locked(struct gc_guardians *guardians, uint32_t *first, uint32_t *last,
			       uint32_t index)
{
	guardians->entries[index].next = NONE;
	if (*first == NONE)
		*first = index;
	else
		guardians->entries[*last].next = index;
	*last = index;
}

/* Call `visit` for each entry, letting mutators in now and then. What is entered meanwhile may be seen or
 * not. */
static void guardians_each(struct gc_heap *heap,
			   void (*visit)(struct gc_heap *heap, uint32_t index, uint32_t argument),
			   uint32_t argument)
{
	struct gc_guardians *guardians = heap->guardians;
	uint32_t index = 0;
	bool more = true;

	while (more) {
		pthread_mutex_lock(&guardians->lock);
		for (uint32_t n = 0; n < GUARDIAN_PIECE && index < guardians->used; n++)
			visit(heap, index++, argument);
		more = index < guardians->used;
		pthread_mutex_unlock(&guardians->lock);
	}
}

/* ---- mutators ---- */

struct gc_guardian *gc_guardian_create(struct gc_heap *heap, uint32_t priority)
{
	struct gc_guardians *guardians = heap->guardians;
	struct gc_guardian *guardian = gc_meta_alloc(sizeof(*guardian));

	if (!guardian)
		return NULL;
	*guardian = (struct gc_guardian){heap, priority, NONE, NONE, NULL};
	pthread_mutex_lock(&guardians->lock);
	guardian->next = guardians->all;
	guardians->all = guardian;
	pthread_mutex_unlock(&guardians->lock);
	return guardian;
}

void gc_guardian_destroy(struct gc_guardian *guardian)
{
	struct gc_guardians *guardians = guardian->heap->guardians;
	struct gc_guardian **link = &guardians->all;

	pthread_mutex_lock(&guardians->lock);
	while (*link != guardian)
		link = &(*link)->next;
	*link = guardian->next;
	for (uint32_t i = 0; i < guardians->used; i++) {
		struct guardian_entry *entry = &guardians->entries[i];

		if (entry->state == ENTRY_FREE || entry->guardian != guardian)
			continue;
		entry->guardian = NULL;
		guardians->watched[guardian->priority] -= entry->state == ENTRY_WATCHED;
		if (entry->state != ENTRY_DEAD) /* those are linked: publish frees them */
			entry_free_locked(guardians, i);
	}
	pthread_mutex_unlock(&guardians->lock);
	gc_meta_free(guardian, sizeof(*guardian));
}

bool gc_guardian_register(struct gc_guardian *guardian, uintptr_t object, uintptr_t tag)
{
	struct gc_heap *heap = guardian->heap;
	struct gc_guardians *guardians = heap->guardians;
	struct guardian_entry *entry;
	uint32_t index;

	pthread_mutex_lock(&guardians->lock);
	index = entry_take_locked(guardians);
	if (index != NONE) {
		entry = &guardians->entries[index];
		*entry = (struct guardian_entry){
			.guardian = guardian, .state = ENTRY_WATCHED, .tag = tag};
		entry->address[0] = entry->address[1] = object;
		if (index < guardians->carried) /* [GU-5] */
			entry->address[!guardians->generation] = gc_heap_moved(heap, object);
		guardians->watched[guardian->priority]++;
	}
	pthread_mutex_unlock(&guardians->lock);
	return index != NONE;
}

uintptr_t gc_guardian_poll(struct gc_guardian *guardian, struct gc_mutator *mutator)
{
	struct gc_heap *heap = guardian->heap;
	struct gc_guardians *guardians = heap->guardians;
	uintptr_t object = 0, tag = 0;
	uint32_t index;

	pthread_mutex_lock(&guardians->lock);
	index = guardian->first;
	if (index != NONE) {
		guardian->first = guardians->entries[index].next;
		object = entry_object_locked(heap, &guardians->entries[index]);
		tag = guardians->entries[index].tag;
		entry_free_locked(guardians, index);
	}
	pthread_mutex_unlock(&guardians->lock);
	if (object && mutator->pub.barrier & GC_BARRIER_LOG) /* a root was dropped [B-1] */
		gc_satb_log_object(heap, mutator, object);
	return object ? object + tag : 0;
}

bool gc_guardian_wait(struct gc_guardian *guardian, uint64_t timeout_ns)
{
	struct gc_guardians *guardians = guardian->heap->guardians;
	struct timespec at;
	bool ready;

	clock_gettime(CLOCK_MONOTONIC, &at);
	timeout_ns += (uint64_t)at.tv_nsec;
	at.tv_sec += (time_t)(timeout_ns / 1000000000);
	at.tv_nsec = (long)(timeout_ns % 1000000000);
	pthread_mutex_lock(&guardians->lock);
	while (guardian->first == NONE &&
	       pthread_cond_timedwait(&guardians->more, &guardians->lock, &at) == 0)
		continue;
	ready = guardian->first != NONE;
	pthread_mutex_unlock(&guardians->lock);
	return ready;
}

/* ---- the cycle ---- */

void gc_guardians_begin(struct gc_heap *heap)
{
	heap->guardians->asked = false;
	heap->guardians->due = false;
}

static void guardian_mark_ready(struct gc_heap *heap, uint32_t index, uint32_t argument)
{
	struct gc_guardians *guardians = heap->guardians;
	const struct guardian_entry *entry = &guardians->entries[index];

	(void)argument;
	if (entry->state == ENTRY_READY)
		gc_mark_object(gc_workers_first(heap)->mark, entry->address[guardians->generation]);
}

/* As root pages are: what is taken out meanwhile is logged. */
void gc_guardians_mark_ready(struct gc_heap *heap)
{
	gc_yield_point();
	guardians_each(heap, guardian_mark_ready, 0);
}

static uint64_t guardians_watched(struct gc_guardians *guardians, uint32_t priority)
{
	uint64_t watched;

	pthread_mutex_lock(&guardians->lock);
	watched = guardians->watched[priority];
	pthread_mutex_unlock(&guardians->lock);
	return watched;
}

bool gc_guardians_due(struct gc_heap *heap)
{
	struct gc_guardians *guardians = heap->guardians;
	uint64_t watched = 0;

	if (guardians->asked)
		return false;
	for (uint32_t i = 0; i < GC_GUARDIAN_PRIORITIES; i++)
		watched += guardians_watched(guardians, i);
	guardians->due = watched != 0;
	return guardians->due;
}

static void guardian_find_dead(struct gc_heap *heap, uint32_t index, uint32_t priority)
{
	struct gc_guardians *guardians = heap->guardians;
	struct guardian_entry *entry = &guardians->entries[index];

	if (entry->state != ENTRY_WATCHED || entry->guardian->priority != priority ||
	    gc_reference_is_live(heap, entry->address[guardians->generation]))
		return;
	entry->state = ENTRY_DEAD;
	guardians->watched[priority]--;
	list_append_locked(guardians, &guardians->dead_first, &guardians->dead_last, index);
}

/* What was found since `after`, the last one known. Entries may move when a mutator registers. */
static bool guardians_mark_dead(struct gc_heap *heap, uint32_t after)
{
	struct gc_guardians *guardians = heap->guardians;
	uint32_t index;
	bool any = false;

	pthread_mutex_lock(&guardians->lock);
	index = after == NONE ? guardians->dead_first : guardians->entries[after].next;
	pthread_mutex_unlock(&guardians->lock);
	while (index != NONE) {
		uintptr_t object;

		pthread_mutex_lock(&guardians->lock);
		object = guardians->entries[index].address[guardians->generation];
		index = guardians->entries[index].next;
		pthread_mutex_unlock(&guardians->lock);
		gc_mark_object(gc_workers_first(heap)->mark, object);
		gc_add_relaxed(&heap->stats.guarded_found, 1); /* a statistic */
		any = true;
	}
	return any;
}

/* [GU-2] */
void gc_guardians_ask(struct gc_heap *heap)
{
	struct gc_guardians *guardians = heap->guardians;

	if (!guardians->due)
		return;
	guardians->due = false;
	guardians->asked = true;
	for (uint32_t priority = 0; priority < GC_GUARDIAN_PRIORITIES; priority++) {
		uint32_t last = guardians->dead_last;

		if (guardians_watched(guardians, priority) == 0)
			continue; /* what is registered just now is alive */
		guardians_each(heap, guardian_find_dead, priority);
		if (guardians_mark_dead(heap, last))
			gc_mark_drain(heap);
	}
}

/* [GU-4] */
void gc_guardians_publish(struct gc_heap *heap)
{
	struct gc_guardians *guardians = heap->guardians;

	while (guardians->dead_first != NONE) {
		pthread_mutex_lock(&guardians->lock);
		for (uint32_t n = 0; n < GUARDIAN_PIECE && guardians->dead_first != NONE; n++) {
			uint32_t index = guardians->dead_first;
			struct guardian_entry *entry = &guardians->entries[index];

			guardians->dead_first = entry->next;
			if (!entry->guardian) {
				entry_free_locked(guardians, index);
				continue;
			}
			entry->state = ENTRY_READY;
			list_append_locked(guardians, &entry->guardian->first,
					   &entry->guardian->last, index);
		}
		pthread_cond_broadcast(&guardians->more);
		pthread_mutex_unlock(&guardians->lock);
	}
	guardians->dead_last = NONE;
}

static void guardian_carry_locked(struct gc_heap *heap, struct guardian_entry *entry)
{
	uint32_t generation = heap->guardians->generation;

	if (entry->state != ENTRY_FREE)
		entry->address[!generation] = gc_heap_moved(heap, entry->address[generation]);
}

/* [GU-5] */
void gc_guardians_carry(struct gc_heap *heap)
{
	struct gc_guardians *guardians = heap->guardians;
	bool more = true;

	while (more) {
		pthread_mutex_lock(&guardians->lock);
		for (uint32_t n = 0; n < GUARDIAN_PIECE && guardians->carried < guardians->used;
		     n++)
			guardian_carry_locked(heap, &guardians->entries[guardians->carried++]);
		more = guardians->carried < guardians->used;
		if (!more)
			guardians->carried = UINT32_MAX; /* what is entered from now on, too */
		pthread_mutex_unlock(&guardians->lock);
	}
}

void gc_guardians_switch_stw(struct gc_heap *heap)
{
	struct gc_guardians *guardians = heap->guardians;

	guardians->generation = !guardians->generation;
	guardians->carried = 0;
	guardians->repairing = heap->cycle.unchosen_count != 0;
}

static void guardian_repair(struct gc_heap *heap, uint32_t index, uint32_t argument)
{
	struct guardian_entry *entry = &heap->guardians->entries[index];

	(void)argument;
	if (entry->state != ENTRY_FREE)
		entry->address[heap->guardians->generation] = entry_object_locked(heap, entry);
}

/* [GU-6] What is entered meanwhile needs no repair. */
void gc_guardians_repair(struct gc_heap *heap)
{
	struct gc_guardians *guardians = heap->guardians;

	if (!guardians->repairing)
		return;
	guardians_each(heap, guardian_repair, 0);
	pthread_mutex_lock(&guardians->lock);
	guardians->repairing = false;
	pthread_mutex_unlock(&guardians->lock);
}

void gc_guardians_fork(struct gc_heap *heap, enum gc_fork_step step)
{
	gc_fork_mutex(&heap->guardians->lock, step);
	gc_fork_cond(&heap->guardians->more, true, step);
}
