/* gc/collect/identity.c: identity hashes: a table outside of the heap, by address.
 *
 * An object that was never hashed has nothing: no word, no bit, and no work in any phase. One that was
 * has a node in the table, with a random number. The usual ways do not fit here: a hash made of the
 * address needs room in the object when it first moves, and then objects change their sizes on the way,
 * which forwarding by counting granules does not allow; and the header has no room for one.
 *
 * Objects move, so a node has two addresses and stands in two chains, of two generations:
 *
 *                              carry (cycle, after the plan)                 switch (flip)
 *      current: by old address -----------------------------> both chains ------------> the other is current
 *                             dead objects' nodes are freed
 *
 * [ID-1] Carrying goes by the current generation's buckets, piece by piece. A node made meanwhile for a
 *        bucket that was carried already (index below `carried`) enters both chains.
 * [ID-2] In the flip only `generation` changes. A thread in here is at no safepoint: its address, and the
 *        generation, are of one time.
 * [ID-3] Carrying allocates nothing: both generations' buckets are made together, and not resized meanwhile.
 *        So a hash, once given, is never lost.
 * [ID-4] A node is freed when no live object is at its address, as far as mark bits and black regions know.
 *        In a black region that may keep a dead object's node for a cycle; a new object at that very address
 *        then inherits the number, which is as good as any. A target region has no nodes when
 *        something moves there: it was free, so all in it were unmarked.
 *
 * [ID-5] A region may be un-chosen in the flip (pin.c), when its objects' nodes stand by the addresses that
 *        these would have got. Until they are put back, beside the mutators, who looks for an object of
 *        such a region looks for that address too. A node's address of the other generation is
 *        where its object was before the flip, or is, if the node was made since.
 *
 * One lock, held for the length of a chain. Who runs here: mutators; the cycle's thread. */
#include "gc/collect/identity.h"

#include "gc/base/clock.h"
#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "gc/collect/fork.h"
#include "gc/collect/reference.h"

#define NONE UINT32_MAX
#define NODES_FIRST 256
#define IDENTITY_PIECE 2048 /* buckets between two releases of the lock */

struct identity_node {
	uintptr_t address[2]; /* by generation */
	uint32_t next[2];     /* in its chain; [0] also in the spare list */
	uint32_t hash;
};

struct gc_identities {
	pthread_mutex_t lock; /* a leaf */
	/* Under lock. */
	struct identity_node *nodes;
	uint32_t capacity, used, spare, count;
	uint32_t *buckets[2]; /* by generation */
	uint32_t bucket_count;
	uint64_t random;
	bool carrying; /* from the start of a carry for a flip until the flip */
	/* Under lock, or in the flip's pause. */
	bool repairing; /* from a flip that un-chose a region until all is repaired [ID-5] */
	uint32_t generation, carried;
};

static void buckets_free(uint32_t *const buckets[2], uint32_t count)
{
	for (int i = 0; i < 2; i++)
		gc_meta_free(buckets[i], count * sizeof(uint32_t));
}

void gc_identities_destroy(struct gc_heap *heap)
{
	struct gc_identities *identities = heap->identities;

	if (!identities)
		return;
	gc_meta_free(identities->nodes, identities->capacity * sizeof(*identities->nodes));
	buckets_free(identities->buckets, identities->bucket_count);
	pthread_mutex_destroy(&identities->lock);
	gc_meta_free(identities, sizeof(*identities));
}

/* ---- chains ---- */

static uint32_t bucket_index(const struct gc_identities *identities, uintptr_t address)
{
	uint64_t mixed = (address >> GC_GRANULE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(mixed >> 32) & (identities->bucket_count - 1);
}

static void node_link_locked(struct gc_identities *identities, uint32_t index, uint32_t generation)
{
	struct identity_node *node = &identities->nodes[index];
	uint32_t *bucket =
		&identities
			 ->buckets[generation][bucket_index(identities, node->address[generation])];

	node->next[generation] = *bucket;
	*bucket = index;
}

static const struct identity_node *node_at_locked(const struct gc_identities *identities,
						  uintptr_t address)
{
	uint32_t generation = identities->generation;
	uint32_t index = identities->buckets[generation][bucket_index(identities, address)];

	while (index != NONE && identities->nodes[index].address[generation] != address)
		index = identities->nodes[index].next[generation];
	return index == NONE ? NULL : &identities->nodes[index];
}

static const struct identity_node *node_find_locked(const struct gc_heap *heap, uintptr_t object)
{
	const struct gc_identities *identities = heap->identities;
	const struct identity_node *node = node_at_locked(identities, object);

	if (node || !identities->repairing ||
	    !(gc_heap_region_bits(heap, object) & GC_REGION_UNCHOSEN))
		return node;
	return node_at_locked(
		identities,
		gc_forward_address(&heap->forward, (struct gc_haddr){object}).at); /* [ID-5] */
}

/* ---- growing ---- */

/* Both generations or none [ID-3]. Without memory chains only get longer. */
static void buckets_grow_locked(struct gc_identities *identities)
{
	uint32_t wanted = gc_max(2 * identities->bucket_count, NODES_FIRST);
	uint32_t *buckets[2] = {gc_meta_alloc(wanted * sizeof(uint32_t)),
				gc_meta_alloc(wanted * sizeof(uint32_t))};
	uint32_t generation = identities->generation, old = identities->bucket_count;
	uint32_t *chains = identities->buckets[generation];

	if (!buckets[0] || !buckets[1]) {
		buckets_free(buckets, wanted);
		return;
	}
	memset(buckets[generation], 0xff, wanted * sizeof(uint32_t));
	gc_meta_free(identities->buckets[!generation], old * sizeof(uint32_t));
	identities->buckets[0] = buckets[0];
	identities->buckets[1] = buckets[1];
	identities->bucket_count = wanted;
	for (uint32_t b = 0; b < old; b++)
		for (uint32_t index = chains[b], next; index != NONE; index = next) {
			next = identities->nodes[index].next[generation];
			node_link_locked(identities, index, generation);
		}
	gc_meta_free(chains, old * sizeof(uint32_t));
}

static bool nodes_grow_locked(struct gc_identities *identities)
{
	size_t old = identities->capacity * sizeof(*identities->nodes);
	uint32_t wanted = identities->capacity ? 2 * identities->capacity : NODES_FIRST;
	struct identity_node *bigger =
		gc_meta_resize(identities->nodes, old, wanted * sizeof(*bigger));

	if (!bigger)
		return false;
	identities->nodes = bigger;
	identities->capacity = wanted;
	return true;
}

static uint32_t node_take_locked(struct gc_identities *identities)
{
	uint32_t index = identities->spare;

	if (identities->count >= identities->bucket_count && !identities->carrying)
		buckets_grow_locked(identities);
	if (index != NONE) {
		identities->spare = identities->nodes[index].next[0];
		return index;
	}
	if (identities->used == identities->capacity && !nodes_grow_locked(identities))
		return NONE;
	return identities->used++;
}

bool gc_identities_create(struct gc_heap *heap)
{
	struct gc_identities *identities = gc_meta_alloc(sizeof(*identities));

	heap->identities = identities;
	if (!identities)
		return false;
	pthread_mutex_init(&identities->lock, NULL);
	identities->spare = NONE;
	identities->random = gc_clock_ns() ^ (uintptr_t)identities;
	buckets_grow_locked(identities); /* nobody else is here yet */
	return identities->bucket_count != 0;
}

/* ---- mutators ---- */

/* Splitmix64 (Steele, Lea, Flood 2014), its upper half; never 0. */
static uint32_t random_locked(struct gc_identities *identities)
{
	uint64_t x = identities->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x = (x ^ x >> 31) >> 32;
	return x ? (uint32_t)x : 1;
}

static uint32_t identity_make_locked(struct gc_heap *heap, uintptr_t object)
{
	struct gc_identities *identities = heap->identities;
	uint32_t index = node_take_locked(identities), generation = identities->generation;
	struct identity_node *node;

	if (index == NONE)
		return 0;
	node = &identities->nodes[index];
	node->hash = random_locked(identities);
	node->address[generation] = node->address[!generation] = object;
	node_link_locked(identities, index, generation);
	if (identities->carrying &&
	    bucket_index(identities, object) < identities->carried) { /* [ID-1] */
		node->address[!generation] = gc_heap_moved(heap, object);
		node_link_locked(identities, index, !generation);
	}
	identities->count++;
	return node->hash;
}

uint32_t gc_identity_hash(struct gc_heap *heap, uintptr_t object)
{
	struct gc_identities *identities = heap->identities;
	const struct identity_node *node;
	uint32_t hash;

	pthread_mutex_lock(&identities->lock);
	node = node_find_locked(heap, object);
	hash = node ? node->hash : identity_make_locked(heap, object);
	pthread_mutex_unlock(&identities->lock);
	return hash;
}

/* ---- the cycle ---- */

/* One bucket: free the nodes of the dead, and chain the others for after the flip. */
static void bucket_carry_locked(struct gc_heap *heap, uint32_t bucket, bool moves)
{
	struct gc_identities *identities = heap->identities;
	uint32_t generation = identities->generation;
	uint32_t *link = &identities->buckets[generation][bucket];

	while (*link != NONE) {
		uint32_t index = *link;
		struct identity_node *node = &identities->nodes[index];

		if (!gc_reference_is_live(heap, node->address[generation])) { /* [ID-4] */
			*link = node->next[generation];
			node->next[0] = identities->spare;
			identities->spare = index;
			identities->count--;
			continue;
		}
		link = &node->next[generation];
		if (moves) {
			node->address[!generation] = gc_heap_moved(heap, node->address[generation]);
			node_link_locked(identities, index, !generation);
		}
	}
}

static void carry_begin(struct gc_identities *identities, bool moves)
{
	pthread_mutex_lock(&identities->lock);
	identities->carrying = moves;
	identities->carried = 0;
	/* Small against what carrying touches; nobody else uses these. */
	if (moves && identities->bucket_count)
		memset(identities->buckets[!identities->generation], 0xff,
		       identities->bucket_count * sizeof(uint32_t));
	pthread_mutex_unlock(&identities->lock);
}

void gc_identities_carry(struct gc_heap *heap, bool moves)
{
	struct gc_identities *identities = heap->identities;
	bool more = true;

	carry_begin(identities, moves);
	for (uint32_t bucket = 0; more;) {
		pthread_mutex_lock(&identities->lock);
		for (uint32_t n = 0; n < IDENTITY_PIECE && bucket < identities->bucket_count; n++) {
			bucket_carry_locked(heap, bucket++, moves);
			identities->carried = bucket; /* [ID-1] */
		}
		more = bucket < identities->bucket_count;
		pthread_mutex_unlock(&identities->lock);
	}
}

/* [ID-2] */
void gc_identities_switch_stw(struct gc_heap *heap)
{
	struct gc_identities *identities = heap->identities;

	identities->generation = !identities->generation;
	identities->carrying = false;
	identities->repairing = heap->cycle.unchosen_count != 0;
}

static void bucket_repair_locked(const struct gc_heap *heap, uint32_t bucket)
{
	struct gc_identities *identities = heap->identities;
	uint32_t generation = identities->generation;
	uint32_t *link = &identities->buckets[generation][bucket];

	while (*link != NONE) {
		uint32_t index = *link;
		struct identity_node *node = &identities->nodes[index];
		uintptr_t before = node->address[!generation];

		if (node->address[generation] == before ||
		    !(gc_heap_region_bits(heap, before) & GC_REGION_UNCHOSEN)) {
			link = &node->next[generation];
			continue;
		}
		*link = node->next[generation];
		node->address[generation] = before;
		node_link_locked(identities, index, generation);
	}
}

/* [ID-5] No node is missed when buckets become more meanwhile: then all are chained anew, so all are looked
 * at again. */
void gc_identities_repair(struct gc_heap *heap)
{
	struct gc_identities *identities = heap->identities;
	uint32_t bucket = 0, bucket_count = 0;
	bool more = identities->repairing;

	while (more) {
		pthread_mutex_lock(&identities->lock);
		if (bucket_count != identities->bucket_count)
			bucket = 0;
		bucket_count = identities->bucket_count;
		for (uint32_t n = 0; n < IDENTITY_PIECE && bucket < bucket_count; n++)
			bucket_repair_locked(heap, bucket++);
		more = bucket < bucket_count;
		if (!more)
			identities->repairing = false;
		pthread_mutex_unlock(&identities->lock);
	}
}

void gc_identities_fork(struct gc_heap *heap, enum gc_fork_step step)
{
	gc_fork_mutex(&heap->identities->lock, step);
}
