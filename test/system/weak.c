/* test/system/weak.c: what depends on liveness is exact: threads that keep a mirror of their objects and
 * of every way these can be reached, and compare after a collection of their own.
 *
 * Each thread has nodes of several kinds, linked at random, some of them roots, and a weak reference to each
 * one; some are guarded, and what guardians give back becomes a root. It links, drops, brings back through
 * weak reads, and collects, while a driver asks for one cycle after the other. After plx_collect what the mirror cannot reach must be gone, and what it can reach must
 * be there, with its contents: exactly.
 *
 * All threads also read weak references they share: once one of them has seen NULL, so does everybody; and
 * those that are made for a referent that stays are never NULL to anybody. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/common/random.h"
#include "test/support/shadow.h"
#include "test/support/tally.h"

#define CHECK(condition)                                                             \
	do {                                                                         \
		if (!(condition)) {                                                  \
			fprintf(stderr, "%s:%d: seed %lu: %s\n", __FILE__, __LINE__, \
				(unsigned long)seed, #condition);                    \
			abort();                                                     \
		}                                                                    \
	} while (0)

#define NODES 400
#define PAIRS 250
#define SHARED 16
#define FRESH 8
#define GUARDIANS 2
#define KEPT_EVERY 16 /* such nodes stay roots: no guardian may give them back */

/* Every kind begins like this; leaves end behind the id. */
struct node {
	struct plx_header header;
	uint64_t id;
	struct node *edge[2];
};

enum kind { KIND_FIXED, KIND_LEAF, KIND_LONG, KIND_LARGE, KIND_COUNT };

/* The mirror of a node. */
struct mirror {
	uint64_t id; /* 0: there is none */
	enum kind kind;
	int edge[2]; /* -1: NULL */
	bool root, reached;
	unsigned guarded[GUARDIANS]; /* registrations */
	uint32_t hash;		     /* 0: never asked for */
};

/* The mirror of an ephemeron. */
struct mirror_pair {
	bool exists;
	int key, value; /* nodes */
	uint64_t key_id, value_id;
};

struct actor {
	struct plx_thread *thread;
	struct random random;
	unsigned number;
	uint64_t next_id;
	struct mirror nodes[NODES];
	struct plx_handle *roots[NODES];
	struct plx_handle *weaks; /* a reference array: node -> weak reference */
	struct mirror_pair pairs[PAIRS];
	struct plx_handle *ephemerons; /* a reference array */
	struct plx_guardian *guardians[GUARDIANS];
	uint64_t given;
	uint64_t rounds, cleared, kept, revived, moved;
	const void *seen[NODES]; /* addresses as of the last check */
};

static uint64_t seed = 1;
static uint64_t rounds_wanted = 12;
static struct plx_heap *heap;
static const struct plx_layout *layouts[KIND_COUNT];
static const struct plx_layout *arrays;
static atomic_bool stop;

/* Weak references that all threads read; what is gone was seen gone by somebody. */
static struct plx_handle *shared;
static atomic_bool gone[SHARED];

/* Made anew all the time: a node, and a weak reference to it. */
static struct plx_handle *fresh, *fresh_weak;

static struct plx_weak *weak_of(const struct actor *self, int i)
{
	return ((struct plx_weak **)((char *)self->weaks->ref + sizeof(struct plx_header)))[i];
}

static struct plx_ephemeron *ephemeron_of(const struct actor *self, int p)
{
	char *slots = (char *)self->ephemerons->ref + sizeof(struct plx_header);

	return ((struct plx_ephemeron **)slots)[p];
}

/* ---- the mirror ---- */

static void reach(struct actor *self, int i)
{
	int stack[NODES], count = 0;

	if (i < 0 || self->nodes[i].reached)
		return;
	self->nodes[i].reached = true;
	stack[count++] = i;
	while (count > 0) {
		const struct mirror *node = &self->nodes[stack[--count]];

		for (int e = 0; e < 2; e++)
			if (node->edge[e] >= 0 && !self->nodes[node->edge[e]].reached) {
				self->nodes[node->edge[e]].reached = true;
				stack[count++] = node->edge[e];
			}
	}
}

static bool pair_holds(const struct actor *self, const struct mirror_pair *pair)
{
	return pair->exists && self->nodes[pair->key].id == pair->key_id &&
	       self->nodes[pair->key].reached;
}

/* Values of ephemerons whose keys were reached; true if that was anything new. */
static bool reach_values(struct actor *self)
{
	bool any = false;

	for (int p = 0; p < PAIRS; p++) {
		const struct mirror_pair *pair = &self->pairs[p];

		if (!pair_holds(self, pair) || self->nodes[pair->value].reached)
			continue;
		CHECK(self->nodes[pair->value].id == pair->value_id);
		reach(self, pair->value);
		any = true;
	}
	return any;
}

static void trace(struct actor *self)
{
	for (int i = 0; i < NODES; i++)
		self->nodes[i].reached = false;
	for (int i = 0; i < NODES; i++)
		if (self->nodes[i].root)
			reach(self, i);
	while (reach_values(self))
		continue;
}

static void check_node(struct actor *self, int i, const struct node *object)
{
	const struct mirror *mirror = &self->nodes[i];

	CHECK(plx_heap_contains(heap, object));
	CHECK(object->id == mirror->id);
	if (mirror->root)
		CHECK(self->roots[i]->ref == object);
	if (mirror->hash)
		CHECK(plx_identity_hash(self->thread, object) == mirror->hash);
	for (int e = 0; mirror->kind != KIND_LEAF && e < 2; e++) {
		if (mirror->edge[e] < 0)
			CHECK(object->edge[e] == NULL);
		else
			CHECK(object->edge[e]->id == self->nodes[mirror->edge[e]].id);
	}
}

static void node_forget(struct actor *self, int i)
{
	self->nodes[i] = (struct mirror){.edge = {-1, -1}};
	self->seen[i] = NULL;
	self->cleared++;
}

/* The node, however weakly it is held; NULL when it is gone, which the mirror has to agree to. */
static struct node *node_read(struct actor *self, int i)
{
	struct node *object;

	if (self->nodes[i].id == 0)
		return NULL;
	object = plx_weak_get(self->thread, weak_of(self, i));
	if (object) {
		check_node(self, i, object);
		return object;
	}
	trace(self);
	CHECK(!self->nodes[i].reached);
	node_forget(self, i);
	return NULL;
}

/* ---- the steps ---- */

static void *allocate(struct actor *self, enum kind kind)
{
	static const uint64_t lengths[KIND_COUNT] = {0, 0, 3000, 200000};

	if (lengths[kind] == 0)
		return plx_alloc(self->thread, layouts[kind]);
	return plx_alloc_array(self->thread, layouts[kind], lengths[kind]);
}

static enum kind random_kind(struct actor *self)
{
	uint64_t dice = random_below(&self->random, 300);

	return dice == 0 ? KIND_LARGE : dice < 15 ? KIND_LONG : dice < 100 ? KIND_LEAF : KIND_FIXED;
}

static void weak_slot_set(struct actor *self, struct plx_handle *array, int i, void *object)
{
	char *slots = (char *)array->ref + sizeof(struct plx_header);

	plx_store(self->thread, slots + (size_t)i * sizeof(void *), object);
}

static void step_make(struct actor *self, int i)
{
	enum kind kind = random_kind(self);
	struct node *object = allocate(self, kind);
	struct plx_weak *weak;

	if (!object)
		return; /* a large one may not find room */
	object->id = (uint64_t)(self->number + 1) << 40 | self->next_id++;
	plx_handle_set(self->thread, self->roots[i], object);
	weak = plx_weak_create(self->thread, object);
	CHECK(weak != NULL);
	weak_slot_set(self, self->weaks, i, weak);
	object = self->roots[i]->ref;
	self->nodes[i] =
		(struct mirror){.id = object->id, .kind = kind, .edge = {-1, -1}, .root = true};
}

static void root_set(struct actor *self, int i, bool on)
{
	struct node *object = on ? node_read(self, i) : NULL;

	if (!on && i % KEPT_EVERY == 0)
		return;
	if (on && !object)
		return;
	if (on && !self->nodes[i].root) {
		trace(self);
		self->revived += !self->nodes[i].reached;
	}
	plx_handle_set(self->thread, self->roots[i], object);
	self->nodes[i].root = object != NULL;
}

/* Both ends are read weakly: any of them may have been unreachable until now. */
static void step_link(struct actor *self, int from, int to, int edge)
{
	struct node *source = node_read(self, from), *target = NULL;

	if (!source || self->nodes[from].kind == KIND_LEAF)
		return;
	if (to >= 0) {
		target = node_read(self, to);
		if (!target || self->nodes[from].id == 0)
			return;
	}
	PLX_STORE(self->thread, &source->edge[edge], target);
	self->nodes[from].edge[edge] = target ? to : -1;
}

static void step_garbage(struct actor *self)
{
	for (uint64_t n = random_below(&self->random, 40); n > 0; n--)
		allocate(self, random_once_in(&self->random, 2) ? KIND_LEAF : KIND_FIXED);
}

static void step_shared(struct actor *self)
{
	int i = (int)random_below(&self->random, SHARED);
	/* Acquire: pairs with the release below: what one has seen gone, nobody sees afterwards. */
	bool was_gone = atomic_load_explicit(&gone[i], memory_order_acquire);
	char *slots = (char *)shared->ref + sizeof(struct plx_header);
	struct plx_weak *weak = ((struct plx_weak **)slots)[i];
	const struct node *object = plx_weak_get(self->thread, weak);

	if (object) {
		CHECK(!was_gone);
		CHECK(object->id == (UINT64_C(1) << 60 | (uint64_t)i));
	} else {
		atomic_store_explicit(&gone[i], true, memory_order_release);
	}
}

static void pair_set(struct actor *self, int p, int key, int value)
{
	self->pairs[p] =
		(struct mirror_pair){true, key, value, self->nodes[key].id, self->nodes[value].id};
}

/* True while it is not broken; then both ends are what they have to be. */
static bool pair_check(struct actor *self, int p)
{
	const struct mirror_pair *pair = &self->pairs[p];
	const struct node *key;
	void *value;

	if (!pair->exists)
		return false;
	key = plx_ephemeron_get(self->thread, ephemeron_of(self, p), &value);
	if (!key) {
		CHECK(value == NULL);
		return false;
	}
	CHECK(key->id == pair->key_id);
	CHECK(((struct node *)value)->id == pair->value_id);
	return true;
}

static void step_pair_read(struct actor *self, int p)
{
	if (!self->pairs[p].exists || pair_check(self, p))
		return;
	trace(self);
	CHECK(!pair_holds(self, &self->pairs[p]));
	self->pairs[p].exists = false;
}

static void step_pair_make(struct actor *self, int p, int key, int value)
{
	struct node *key_object = node_read(self, key), *value_object = node_read(self, value);

	if (!key_object || !value_object)
		return;
	weak_slot_set(self, self->ephemerons, p,
		      plx_ephemeron_create(self->thread, key_object, value_object));
	CHECK(ephemeron_of(self, p) != NULL);
	pair_set(self, p, key, value);
}

static void step_pair(struct actor *self, int i, int j)
{
	int p = (int)random_below(&self->random, PAIRS);
	uint64_t dice = random_below(&self->random, 100);

	step_pair_read(self, p);
	if (!self->pairs[p].exists) {
		step_pair_make(self, p, i, j);
	} else if (dice < 20) { /* the key is held: it was read just now */
		struct node *value = node_read(self, j);

		if (!value)
			return;
		plx_ephemeron_set_value(self->thread, ephemeron_of(self, p), value);
		pair_set(self, p, self->pairs[p].key, j);
	} else if (dice < 24) {
		plx_ephemeron_break(self->thread, ephemeron_of(self, p));
		self->pairs[p].exists = false;
	} else if (dice < 28) {
		weak_slot_set(self, self->ephemerons, p, NULL);
		self->pairs[p].exists = false;
	}
}

static void **array_slot(struct plx_handle *array, int i)
{
	return (void **)((char *)array->ref + sizeof(struct plx_header)) + i;
}

/* The node is held before the weak reference is seen; and as long as a reader is at no safepoint, a cycle
 * that begins after it was replaced cannot end. */
static void step_fresh(struct actor *self)
{
	int i = (int)random_below(&self->random, FRESH);
	const struct plx_weak *found;
	const struct node *object;
	struct plx_scope scope;
	struct plx_handle *node;
	void *weak;

	if (random_once_in(&self->random, 4) && i % 2 == (int)self->number % 2) {
		plx_scope_enter(self->thread, &scope);
		node = plx_handle_push(self->thread, allocate(self, KIND_FIXED));
		CHECK(node && node->ref);
		((struct node *)node->ref)->id = UINT64_C(1) << 61 | (uint64_t)i;
		weak = plx_weak_create(self->thread, node->ref);
		plx_store(self->thread, array_slot(fresh, i), node->ref);
		plx_store(self->thread, array_slot(fresh_weak, i), weak);
		plx_scope_exit(self->thread, &scope);
	}
	i = (int)random_below(&self->random, FRESH);
	/* Acquire: pairs with the release of plx_store [MO-PUBLISH]. */
	found = __atomic_load_n((struct plx_weak **)array_slot(fresh_weak, i), __ATOMIC_ACQUIRE);
	if (!found)
		return;
	object = plx_weak_get(self->thread, found);
	CHECK(object != NULL);
	CHECK(object->id == (UINT64_C(1) << 61 | (uint64_t)i));
}

static int node_of(const struct actor *self, uint64_t id)
{
	for (int i = 0; i < NODES; i++)
		if (self->nodes[i].id == id)
			return i;
	return -1;
}

/* What a guardian gives back becomes a root. False if it has nothing. */
static bool guardian_take(struct actor *self, unsigned g)
{
	struct node *object = plx_guardian_poll(self->thread, self->guardians[g]);
	int i = object ? node_of(self, object->id) : -1;

	if (!object)
		return false;
	CHECK(i >= 0 && i % KEPT_EVERY != 0 && self->nodes[i].guarded[g] > 0);
	CHECK(plx_weak_get(self->thread, weak_of(self, i)) == object);
	check_node(self, i, object);
	self->nodes[i].guarded[g]--;
	plx_handle_set(self->thread, self->roots[i], object);
	self->nodes[i].root = true;
	self->given++;
	return true;
}

static void step_guardian(struct actor *self, int i)
{
	unsigned g = (unsigned)random_below(&self->random, GUARDIANS);
	struct node *object;

	if (random_once_in(&self->random, 4)) {
		guardian_take(self, g);
		return;
	}
	object = node_read(self, i);
	if (!object)
		return;
	CHECK(plx_guardian_register(self->thread, self->guardians[g], object, NULL) == PLX_OK);
	self->nodes[i].guarded[g]++;
}

static void step_hash(struct actor *self, int i)
{
	struct node *object = node_read(self, i);

	if (!object || self->nodes[i].hash)
		return;
	self->nodes[i].hash = plx_identity_hash(self->thread, object);
	CHECK(self->nodes[i].hash != 0);
}

static void step_any(struct actor *self)
{
	int i = (int)random_below(&self->random, NODES),
	    j = (int)random_below(&self->random, NODES);
	uint64_t dice = random_below(&self->random, 100);

	if (self->nodes[i].id == 0)
		step_make(self, i);
	else if (dice < 40)
		step_link(self, i, j, (int)random_below(&self->random, 2));
	else if (dice < 60)
		step_link(self, i, -1, (int)random_below(&self->random, 2));
	else if (dice < 80)
		root_set(self, i, false);
	else if (dice < 85)
		root_set(self, i, true);
	else if (dice < 90)
		node_read(self, i);
	else
		step_garbage(self);
	if (dice >= 30)
		step_pair(self, i, j);
	if (dice >= 95)
		step_guardian(self, i);
	else if (dice >= 90)
		step_hash(self, i);
	step_shared(self);
	step_fresh(self);
	plx_poll(self->thread);
}

/* ---- the comparison ---- */

static void check_exact(struct actor *self)
{
	for (unsigned g = 0; g < GUARDIANS; g++)
		while (guardian_take(self, g))
			continue;
	trace(self);
	for (int p = 0; p < PAIRS; p++) {
		bool holds = pair_holds(self, &self->pairs[p]);

		CHECK(pair_check(self, p) == holds);
		self->pairs[p].exists = holds;
	}
	for (int i = 0; i < NODES; i++) {
		struct node *object;

		if (self->nodes[i].id == 0)
			continue;
		object = plx_weak_get(self->thread, weak_of(self, i));
		CHECK((object != NULL) == self->nodes[i].reached);
		for (unsigned g = 0; g < GUARDIANS; g++)
			CHECK(object || self->nodes[i].guarded[g] == 0);
		if (!object) {
			node_forget(self, i);
			continue;
		}
		check_node(self, i, object);
		self->moved += self->seen[i] && self->seen[i] != object;
		self->seen[i] = object;
		self->kept++;
	}
}

static void actor_round(struct actor *self)
{
	for (int n = 0; n < 3000; n++)
		step_any(self);
	plx_collect(self->thread);
	check_exact(self);
	self->rounds++;
}

static void actor_open(struct actor *self)
{
	struct plx_error error = {0};
	void *array;

	if (plx_thread_attach(heap, &self->thread, &error) != PLX_OK) {
		fprintf(stderr, "weak: %s\n", error.message);
		abort();
	}
	array = plx_alloc_array(self->thread, arrays, NODES);
	CHECK(array != NULL);
	self->weaks = plx_handle_create(self->thread, array);
	array = plx_alloc_array(self->thread, arrays, PAIRS);
	CHECK(array != NULL);
	self->ephemerons = plx_handle_create(self->thread, array);
	for (unsigned g = 0; g < GUARDIANS; g++)
		CHECK((self->guardians[g] = plx_guardian_create(heap, 3 * g, NULL)) != NULL);
	for (int i = 0; i < NODES; i++) {
		self->nodes[i] = (struct mirror){.edge = {-1, -1}};
		self->roots[i] = plx_handle_create(self->thread, NULL);
		CHECK(self->roots[i] != NULL);
	}
}

static void *actor_main(void *argument)
{
	struct actor *self = argument;

	actor_open(self);
	while (self->rounds < rounds_wanted)
		actor_round(self);
	plx_thread_detach(self->thread);
	return NULL;
}

static void *drive(void *argument)
{
	(void)argument;
	while (!atomic_load(&stop)) {
		plx_heap_collect(heap);
		usleep(200);
	}
	return NULL;
}

/* The shared referents die when their handle goes, somewhere in the middle of it all. */
static struct plx_handle *shared_make(struct plx_thread *thread)
{
	struct plx_handle *strong =
		plx_handle_create(thread, plx_alloc_array(thread, arrays, SHARED));

	shared = plx_handle_create(thread, plx_alloc_array(thread, arrays, SHARED));
	fresh = plx_handle_create(thread, plx_alloc_array(thread, arrays, FRESH));
	fresh_weak = plx_handle_create(thread, plx_alloc_array(thread, arrays, FRESH));
	for (int i = 0; i < SHARED; i++) {
		struct node *node = plx_alloc(thread, layouts[i % 2 ? KIND_LEAF : KIND_FIXED]);
		struct plx_weak *weak;
		size_t at = sizeof(struct plx_header) + (size_t)i * sizeof(void *);

		node->id = UINT64_C(1) << 60 | (uint64_t)i;
		plx_store(thread, (char *)strong->ref + at, node);
		weak = plx_weak_create(thread, node);
		plx_store(thread, (char *)shared->ref + at, weak);
	}
	return strong;
}

static void layouts_register(void)
{
	static const size_t edges[] = {offsetof(struct node, edge),
				       offsetof(struct node, edge) + 8};

	layouts[KIND_FIXED] = plx_layout_fixed(heap, sizeof(struct node), edges, 2, NULL);
	layouts[KIND_LEAF] = plx_layout_fixed(heap, 16, NULL, 0, NULL);
	layouts[KIND_LONG] = layouts[KIND_LARGE] =
		plx_layout_trailing(heap, sizeof(struct node), edges, 2, 1, false, NULL);
	arrays = plx_layout_references(heap, NULL);
}

static uint64_t judged; /* weak references and ephemerons that were compared with the mirror */

static void run(unsigned threads)
{
	struct actor *actors = calloc(threads, sizeof(*actors));
	pthread_t *ids = calloc(threads + 1, sizeof(*ids));
	struct plx_handle *strong;
	struct plx_thread *thread;

	CHECK(actors && ids && plx_thread_attach(heap, &thread, NULL) == PLX_OK);
	strong = shared_make(thread);
	for (unsigned i = 0; i < threads; i++) {
		actors[i].number = i;
		actors[i].next_id = 1;
		actors[i].random.state = random_mix(seed * 1000 + i);
		CHECK(pthread_create(&ids[i], NULL, actor_main, &actors[i]) == 0);
	}
	CHECK(pthread_create(&ids[threads], NULL, drive, NULL) == 0);
	for (int i = 0; i < SHARED; i++) {
		plx_block_enter(thread);
		usleep(3000);
		plx_block_exit(thread);
		plx_store(thread, (char *)strong->ref + sizeof(struct plx_header) + (size_t)i * 8,
			  NULL);
	}
	plx_block_enter(thread);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	atomic_store(&stop, true);
	pthread_join(ids[threads], NULL);
	plx_block_exit(thread);
	plx_thread_detach(thread);
	for (unsigned i = 0; i < threads; i++)
		judged += actors[i].cleared + actors[i].kept;
	for (unsigned i = 0; i < threads; i++)
		printf("weak: thread %u: %lu cleared, %lu kept, %lu brought back, %lu moved, "
		       "%lu given back by guardians\n",
		       i, (unsigned long)actors[i].cleared, (unsigned long)actors[i].kept,
		       (unsigned long)actors[i].revived, (unsigned long)actors[i].moved,
		       (unsigned long)actors[i].given);
	free(actors);
	free(ids);
}

int main(int argc, char **argv)
{
	struct shadow_options options;
	struct plx_stats stats;
	unsigned threads = 2;

	shadow_options_init(&options);
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--plan") == 0)
			options.plan = argv[i + 1];
		else if (strcmp(argv[i], "--delivery") == 0)
			options.delivery = argv[i + 1];
		else if (strcmp(argv[i], "--heap") == 0)
			options.heap_max = argv[i + 1];
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds_wanted = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--threads") == 0)
			threads = (unsigned)strtoull(argv[i + 1], NULL, 10);
		else
			return 2;
	}
	heap = shadow_heap_create(&options);
	layouts_register();
	run(threads);
	plx_heap_stats(heap, &stats);
	printf("weak: seed %lu: %lu cycles, %lu flips, %lu weak references cleared, "
	       "%lu ephemerons broken\n",
	       (unsigned long)seed, (unsigned long)stats.cycles, (unsigned long)stats.flips,
	       (unsigned long)stats.weak_cleared, (unsigned long)stats.ephemerons_broken);
	tally_print("weak", &(struct tally_figures){.cycles = stats.cycles,
						    .objects = judged,
						    .faults = stats.faults});
	CHECK(stats.weak_cleared > 0 && stats.ephemerons_broken > 0);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}
