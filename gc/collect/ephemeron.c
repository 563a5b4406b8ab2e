/* gc/collect/ephemeron.c: ephemerons: values that live as long as their keys do, chains included.
 *
 *      scanned, key not marked          key marked                       the value is marked
 *   E ------------------------> waiting ------------> followed ------------------------------>
 *    \                             |
 *     \  key marked or black,      | marking is complete, key still unmarked
 *      \ or outside of the heap    v
 *       ---> followed            broken: value and key become NULL (or by plx_ephemeron_break)
 *
 * Waiting ephemerons stand in a table outside of the heap, by key. A key that has any carries a bit in its
 * header, which whoever marks it has just read: so objects that are no keys cost nothing, each
 * ephemeron waits and is found once, and a chain of any length and order is resolved in linear time.
 * (The table by key is as in Hayes, "Ephemerons: a new finalization mechanism", 1997, and Whippet.)
 *
 * [EP-1] A waiting ephemeron is missed by nobody. It is entered, then the key's bit is set, then the key's
 *        mark is looked at; a marker marks the key, then looks at its bit [MO-KEY]. At least one of
 *        them sees the other. If the bit was there already, the table's lock does the same.
 * [EP-2] The value may change while its ephemeron waits: what is overwritten was logged, what is stored
 *        is reachable otherwise. So the value is read when the key is marked.
 * [EP-3] The table may fail to grow: then marking ends only when a walk through all marked ephemerons finds no
 *        marked key with an unmarked value. Slow, never wrong.
 * [EP-4] The bit stays when the key has been marked, and moves with its object: a hint that costs a look
 *        into the table once per cycle. Nothing else reads it.
 *
 * Reading is in reference.c: the key is the referent. Who runs here: workers; the cycle's thread. */
#include "gc/collect/ephemeron.h"

#include <parallax/weak.h>

#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/collect/reference.h"
#include "gc/collect/workers.h"

#define STRIPES 64
#define STRIPE_FIRST 256
#define STRIPE_KEEP 4096 /* nodes that stay allocated between cycles */
#define NONE UINT32_MAX

struct ephemeron_node {
	uintptr_t key;
	uintptr_t ephemeron; /* 0: not in use */
	uint32_t next;
};

/* A part of the table. */
struct ephemeron_stripe {
	pthread_mutex_t lock; /* a leaf */
	struct ephemeron_node *nodes;
	uint32_t *buckets; /* as many as nodes */
	uint32_t capacity, used, spare;
	uint64_t steps;
};

struct gc_ephemerons {
	struct ephemeron_stripe stripes[STRIPES];
	uint32_t missed; /* atomic [EP-3] */
};

bool gc_ephemerons_create(struct gc_heap *heap)
{
	struct gc_ephemerons *ephemerons = gc_meta_alloc(sizeof(*ephemerons));

	heap->references->ephemerons = ephemerons;
	if (!ephemerons)
		return false;
	for (int i = 0; i < STRIPES; i++) {
		pthread_mutex_init(&ephemerons->stripes[i].lock, NULL);
		ephemerons->stripes[i].spare = NONE;
	}
	return true;
}

static void stripe_release(struct ephemeron_stripe *stripe)
{
	gc_meta_free(stripe->nodes, stripe->capacity * sizeof(*stripe->nodes));
	gc_meta_free(stripe->buckets, stripe->capacity * sizeof(*stripe->buckets));
	stripe->nodes = NULL;
	stripe->buckets = NULL;
	stripe->capacity = 0;
}

void gc_ephemerons_destroy(struct gc_heap *heap)
{
	struct gc_ephemerons *ephemerons = heap->references->ephemerons;

	if (!ephemerons)
		return;
	for (int i = 0; i < STRIPES; i++) {
		stripe_release(&ephemerons->stripes[i]);
		pthread_mutex_destroy(&ephemerons->stripes[i].lock);
	}
	gc_meta_free(ephemerons, sizeof(*ephemerons));
}

/* ---- the table ---- */

static uint64_t key_hash(uintptr_t key)
{
	return (key >> GC_GRANULE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct ephemeron_stripe *stripe_of(struct gc_heap *heap, uintptr_t key)
{
	return &heap->references->ephemerons->stripes[key_hash(key) >> 58];
}

static uint32_t *bucket_of(const struct ephemeron_stripe *stripe, uintptr_t key)
{
	return &stripe->buckets[key_hash(key) >> 16 & (stripe->capacity - 1)];
}

static void stripe_link_locked(struct ephemeron_stripe *stripe, uint32_t index)
{
	uint32_t *bucket = bucket_of(stripe, stripe->nodes[index].key);

	stripe->nodes[index].next = *bucket;
	*bucket = index;
}

static bool stripe_grow_locked(struct ephemeron_stripe *stripe, uint32_t limit)
{
	uint32_t old = stripe->capacity, wanted = old ? 2 * old : STRIPE_FIRST;
	uint32_t *buckets = wanted / 2 < limit ? gc_meta_alloc(wanted * sizeof(*buckets)) : NULL;
	struct ephemeron_node *nodes;

	if (!buckets)
		return false;
	nodes = gc_meta_resize(stripe->nodes, old * sizeof(*nodes), wanted * sizeof(*nodes));
	if (!nodes) {
		gc_meta_free(buckets, wanted * sizeof(*buckets));
		return false;
	}
	gc_meta_free(stripe->buckets, old * sizeof(*buckets));
	stripe->nodes = nodes;
	stripe->buckets = buckets;
	stripe->capacity = wanted;
	memset(buckets, 0xff, wanted * sizeof(*buckets));
	for (uint32_t i = 0; i < stripe->used; i++)
		if (nodes[i].ephemeron)
			stripe_link_locked(stripe, i);
	return true;
}

static bool stripe_enter_locked(struct ephemeron_stripe *stripe, uintptr_t key, uintptr_t ephemeron,
				uint32_t limit)
{
	uint32_t index = stripe->spare;

	stripe->steps++;
	if (index != NONE) {
		stripe->spare = stripe->nodes[index].next;
	} else {
		if (stripe->used == stripe->capacity && !stripe_grow_locked(stripe, limit))
			return false;
		index = stripe->used++;
	}
	stripe->nodes[index] = (struct ephemeron_node){key, ephemeron, NONE};
	stripe_link_locked(stripe, index);
	return true;
}

/* Take one ephemeron that waits for this key out of the table; 0 if there is none. */
static uintptr_t stripe_take_locked(struct ephemeron_stripe *stripe, uintptr_t key)
{
	uint32_t *link;

	if (stripe->capacity == 0)
		return 0;
	for (link = bucket_of(stripe, key); *link != NONE; link = &stripe->nodes[*link].next) {
		struct ephemeron_node *node = &stripe->nodes[*link];
		uint32_t index = *link;
		uintptr_t ephemeron = node->ephemeron;

		stripe->steps++;
		if (node->key != key)
			continue;
		*link = node->next;
		node->ephemeron = 0;
		node->next = stripe->spare;
		stripe->spare = index;
		return ephemeron;
	}
	return 0;
}

/* ---- marking ---- */

static gc_word *ephemeron_key(uintptr_t ephemeron)
{
	return (gc_word *)(ephemeron + offsetof(struct plx_ephemeron, key));
}

static gc_word *ephemeron_value(uintptr_t ephemeron)
{
	return (gc_word *)(ephemeron + offsetof(struct plx_ephemeron, value));
}

static void ephemeron_follow(struct gc_mark *mark, uintptr_t ephemeron)
{
	gc_mark_value(mark, gc_slot_load(ephemeron_value(ephemeron))); /* [EP-2] */
}

void gc_ephemeron_key_marked(struct gc_heap *heap, struct gc_mark *mark, uintptr_t key)
{
	struct ephemeron_stripe *stripe = stripe_of(heap, key);
	uintptr_t ephemeron;

	pthread_mutex_lock(&stripe->lock);
	while ((ephemeron = stripe_take_locked(stripe, key)) != 0)
		ephemeron_follow(mark, ephemeron);
	pthread_mutex_unlock(&stripe->lock);
}

static bool ephemeron_wait(struct gc_heap *heap, uintptr_t ephemeron, uintptr_t key)
{
	struct ephemeron_stripe *stripe = stripe_of(heap, key);
	bool entered;

	pthread_mutex_lock(&stripe->lock);
	entered = stripe_enter_locked(stripe, key, ephemeron, heap->references->list_limit);
	pthread_mutex_unlock(&stripe->lock);
	return entered;
}

void gc_ephemeron_found(struct gc_heap *heap, struct gc_mark *mark, uintptr_t ephemeron)
{
	/* Relaxed: it may only become NULL. */
	uintptr_t key = gc_value_object(heap, gc_slot_load(ephemeron_key(ephemeron)));

	gc_reference_flag(heap, ephemeron_key(ephemeron));
	gc_reference_flag(heap, ephemeron_value(ephemeron));
	if (!key || gc_reference_is_live(heap, key)) {
		ephemeron_follow(mark, ephemeron);
		return;
	}
	gc_yield_point();			     /* the key may be marked just now [EP-1] */
	if (!ephemeron_wait(heap, ephemeron, key)) { /* [EP-3] */
		/* Relaxed: read by the cycle's thread when the markers are done [WK-2]. */
		gc_store_relaxed(&heap->references->ephemerons->missed, 1);
		gc_store_relaxed(&heap->references->incomplete, 1);
		return;
	}
	if (!(gc_load_relaxed((uint64_t *)key) & GC_HEADER_KEY)) /* a hint: set it again */
		gc_or_seq_cst((uint64_t *)key, GC_HEADER_KEY);	 /* [MO-KEY] */
	if (gc_markbits_test_seq_cst(&heap->markbits, (struct gc_haddr){key})) /* [MO-KEY] */
		gc_ephemeron_key_marked(heap, mark, key);		       /* [EP-1] */
}

/* ---- when the table could not grow ---- */

struct ephemeron_rescan {
	struct gc_mark *mark;
	bool any;
};

static void ephemeron_look(struct gc_heap *heap, uintptr_t object, const struct gc_type *type,
			   void *context)
{
	struct ephemeron_rescan *rescan = context;
	uintptr_t key, value;

	if (type->kind != GC_TYPE_EPHEMERON)
		return;
	key = gc_value_object(heap, gc_slot_load(ephemeron_key(object))); /* as above */
	value = gc_value_object(heap, gc_slot_load(ephemeron_value(object)));
	if ((key && !gc_reference_is_live(heap, key)) || !value ||
	    gc_reference_is_live(heap, value))
		return;
	gc_mark_object(rescan->mark, value);
	rescan->any = true;
}

bool gc_ephemerons_rescan(struct gc_heap *heap)
{
	struct ephemeron_rescan rescan = {gc_workers_first(heap)->mark, false};

	if (gc_load_relaxed(&heap->references->ephemerons->missed)) /* [WK-2] */
		gc_references_each_marked(heap, ephemeron_look, &rescan);
	return rescan.any;
}

uint64_t gc_ephemerons_waiting(struct gc_heap *heap)
{
	uint64_t waiting = 0;

	for (int i = 0; i < STRIPES; i++) {
		const struct ephemeron_stripe *stripe = &heap->references->ephemerons->stripes[i];

		for (uint32_t n = 0; n < stripe->used; n++)
			waiting += stripe->nodes[n].ephemeron != 0;
	}
	return waiting;
}

/* ---- breaking ---- */

/* True if it was broken by this call. The value first: who reads NULL as key finds no value. */
bool gc_ephemeron_break(const struct gc_heap *heap, uintptr_t ephemeron)
{
	/* Relaxed: it may only become NULL. */
	uintptr_t key = gc_value_object(heap, gc_slot_load(ephemeron_key(ephemeron)));

	if (!key || gc_reference_is_live(heap, key))
		return false;
	gc_store_relaxed(ephemeron_value(ephemeron), 0); /* the next store releases it */
	gc_store_release(ephemeron_key(ephemeron), 0);	 /* [MO-WEAK] */
	return true;
}

static void stripe_clear(struct gc_heap *heap, struct ephemeron_stripe *stripe)
{
	uint64_t broken = 0;

	for (uint32_t i = 0; i < stripe->used; i++)
		if (stripe->nodes[i].ephemeron)
			broken += gc_ephemeron_break(heap, stripe->nodes[i].ephemeron);
	gc_add_relaxed(&heap->stats.ephemerons_broken, broken); /* statistics */
	gc_add_relaxed(&heap->stats.ephemeron_steps, stripe->steps);
	stripe->steps = 0;
	if (stripe->capacity > STRIPE_KEEP)
		stripe_release(stripe);
	else if (stripe->used)
		memset(stripe->buckets, 0xff, stripe->capacity * sizeof(*stripe->buckets));
	stripe->used = 0;
	stripe->spare = NONE;
}

void gc_ephemerons_clear_work(struct gc_worker *worker)
{
	struct gc_heap *heap = worker->heap;

	/* No marker runs: each stripe has one owner. */
	for (uint32_t i = worker->index; i < STRIPES; i += gc_workers_count(heap))
		stripe_clear(heap, &heap->references->ephemerons->stripes[i]);
}

void gc_ephemerons_begin(struct gc_heap *heap)
{
	gc_store_relaxed(&heap->references->ephemerons->missed, 0); /* no marker runs */
}
