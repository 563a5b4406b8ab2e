/* test/fuzz/api.c: bytes as a program of the public API: a small heap, sixteen variables, and a mirror of what they
 * lead to, with which every walk compares. The first byte chooses the plan and what else the heap does
 * (verify, evacuate everything); then each operation takes a byte, and as many more as it needs; where the
 * bytes end there are zeroes. Debug builds check the library's own invariants meanwhile.
 *
 * The mirror knows what is reachable, so: what it reaches is there, with its contents; weak references to it
 * hold; pinned objects stay where they are; hashes do not change. One thread: races are for the shadow model. */
#include <parallax/parallax.h>

#include <string.h>

#include "test/fuzz/fuzz.h"

#define VARIABLES 16
#define OBJECTS_MOST 4096
#define EDGES_MOST 64
#define STEPS_MOST 2000

enum kind { NODE, REFERENCES, BYTES, KINDS };

struct node {
	struct plx_header header;
	uint64_t id;
	void *edges[2];
	uint64_t check;
};

/* One object as it should be; its place in `objects` is its id. */
struct mirror {
	enum kind kind;
	uint32_t length; /* edges, or bytes */
	uint32_t hash;	 /* 0: not asked for */
	bool seen;
	struct mirror *edges[EDGES_MOST];
};

/* What a variable is: a handle, or a slot of the root range, or neither while the thread is away. */
struct machine {
	const uint8_t *at, *end;
	struct plx_heap *heap;
	struct plx_thread *thread;
	const struct plx_layout *layouts[KINDS];
	struct plx_handle *variables[VARIABLES];
	struct mirror *shadows[VARIABLES];
	struct plx_handle *weak;
	struct mirror *weak_shadow;
	void *slots[2];
	struct mirror *slot_shadows[2];
	bool slots_added;
	struct {
		void *address;
		struct mirror *shadow;
	} pinned;
	struct plx_guardian *guardian;
	uint32_t count;
	struct mirror objects[OBJECTS_MOST];
};

static struct machine machine;

static uint8_t take(struct machine *m)
{
	return m->at < m->end ? *m->at++ : 0;
}

static unsigned variable(struct machine *m)
{
	return take(m) % VARIABLES;
}

/* ---- comparing ---- */

static uint64_t *bytes_of(void *object)
{
	return (uint64_t *)object + 1;
}

static void compare(struct machine *m, void *object, struct mirror *mirror);

static void compare_edge(struct machine *m, void *object, struct mirror *mirror)
{
	CHECK((object == NULL) == (mirror == NULL));
	if (object != NULL)
		compare(m, object, mirror);
}

/* Recursion is bounded by `seen`, and by OBJECTS_MOST. */
static void compare(struct machine *m, void *object, struct mirror *mirror)
{
	uint64_t id = (uint64_t)(mirror - m->objects) + 1;
	struct node *node = object;

	if (mirror->seen)
		return;
	mirror->seen = true;
	CHECK(plx_heap_contains(m->heap, object));
	switch (mirror->kind) {
	case NODE:
		CHECK(node->id == id && node->check == ~id);
		for (int i = 0; i < 2; i++)
			compare_edge(m, node->edges[i], mirror->edges[i]);
		break;
	case REFERENCES:
		CHECK(plx_object_length(object) == mirror->length);
		for (uint32_t i = 0; i < mirror->length; i++)
			compare_edge(m, (void *)bytes_of(object)[i], mirror->edges[i]);
		break;
	default:
		CHECK(plx_object_length(object) == mirror->length);
		for (uint32_t i = 0; i < mirror->length / 8; i++)
			CHECK(bytes_of(object)[i] == id + i);
	}
}

static void compare_all(struct machine *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		m->objects[i].seen = false;
	for (int i = 0; i < VARIABLES; i++)
		compare_edge(m, m->variables[i]->ref, m->shadows[i]);
	for (int i = 0; m->slots_added && i < 2; i++)
		compare_edge(m, m->slots[i], m->slot_shadows[i]);
	if (m->pinned.shadow != NULL)
		compare(m, m->pinned.address, m->pinned.shadow);
	if (m->weak->ref != NULL && m->weak_shadow != NULL && m->weak_shadow->seen)
		CHECK(plx_weak_get(m->thread, m->weak->ref) != NULL);
}

/* ---- operations ---- */

static void set(struct machine *m, unsigned to, void *object, struct mirror *mirror)
{
	plx_handle_set(m->thread, m->variables[to], object);
	m->shadows[to] = mirror;
}

static void make(struct machine *m, enum kind kind)
{
	static const unsigned scale[] = {1, 8, 64, 1024};
	unsigned to = variable(m), size = take(m);
	uint32_t length = kind == NODE	       ? 0
			  : kind == REFERENCES ? size % EDGES_MOST
					       : size / 4 * 8 * scale[size % 4];
	struct mirror *mirror = &m->objects[m->count];
	uint64_t id = m->count + 1;
	void *object;

	if (m->count == OBJECTS_MOST)
		return;
	object = kind == NODE ? plx_alloc(m->thread, m->layouts[kind])
			      : plx_alloc_array(m->thread, m->layouts[kind], length);
	if (object == NULL)
		return;
	*mirror = (struct mirror){.kind = kind, .length = length};
	m->count++;
	if (kind == NODE) {
		((struct node *)object)->id = id;
		((struct node *)object)->check = ~id;
		mirror->length = 2;
	}
	for (uint32_t i = 0; kind == BYTES && i < length / 8; i++)
		bytes_of(object)[i] = id + i;
	set(m, to, object, mirror);
}

/* The slot `which` of what a variable has; NULL if it has none. */
static void **slot_of(struct machine *m, unsigned which, unsigned index, struct mirror ***shadow)
{
	struct mirror *mirror = m->shadows[which];
	void *object = m->variables[which]->ref;

	if (mirror == NULL || mirror->kind == BYTES || mirror->length == 0)
		return NULL;
	index %= mirror->length;
	*shadow = &mirror->edges[index];
	return mirror->kind == NODE ? &((struct node *)object)->edges[index]
				    : (void **)(void *)&bytes_of(object)[index];
}

static void store(struct machine *m)
{
	unsigned into = variable(m), index = take(m), from = variable(m);
	struct mirror **shadow;
	void **slot = slot_of(m, into, index, &shadow);

	if (slot == NULL)
		return;
	plx_store(m->thread, slot, m->variables[from]->ref);
	*shadow = m->shadows[from];
}

static void load(struct machine *m)
{
	unsigned from = variable(m), index = take(m), to = variable(m);
	struct mirror **shadow;
	void **slot = slot_of(m, from, index, &shadow);

	if (slot != NULL)
		set(m, to, *slot, *shadow);
}

static void exchange(struct machine *m)
{
	unsigned into = variable(m), index = take(m), from = variable(m), expected = variable(m);
	struct mirror **shadow;
	void **slot = slot_of(m, into, index, &shadow);
	bool done;

	if (slot == NULL)
		return;
	done = plx_compare_exchange(m->thread, slot, m->variables[expected]->ref,
				    m->variables[from]->ref);
	CHECK(done == (*shadow == m->shadows[expected]));
	if (done)
		*shadow = m->shadows[from];
}

/* Between arrays, or within one, overlapping as it comes. */
static void store_many(struct machine *m)
{
	unsigned into = variable(m), from = variable(m), at = take(m), source = take(m);
	struct mirror *to = m->shadows[into], *with = m->shadows[from];
	uint32_t count = take(m);

	if (to == NULL || with == NULL || to->kind != REFERENCES || with->kind != REFERENCES ||
	    to->length == 0 || with->length == 0)
		return;
	at %= to->length;
	source %= with->length;
	count = count < to->length - at ? count : to->length - at;
	count = count < with->length - source ? count : with->length - source;
	plx_store_array(m->thread, &bytes_of(m->variables[into]->ref)[at],
			&bytes_of(m->variables[from]->ref)[source], count);
	memmove(&to->edges[at], &with->edges[source], count * sizeof(to->edges[0]));
}

static void fill_many(struct machine *m)
{
	unsigned into = variable(m), from = variable(m), at = take(m);
	struct mirror *to = m->shadows[into];

	if (to == NULL || to->kind != REFERENCES || to->length == 0)
		return;
	at %= to->length;
	plx_fill_array(m->thread, &bytes_of(m->variables[into]->ref)[at], m->variables[from]->ref,
		       to->length - at);
	for (uint32_t i = at; i < to->length; i++)
		to->edges[i] = m->shadows[from];
}

/* Handles of a scope, more than a page of them now and then; a collection while they are there. */
static void scope(struct machine *m)
{
	unsigned from = variable(m), count = take(m) * (take(m) % 4 == 0 ? 8 : 1);
	struct plx_handle *last = NULL;
	struct plx_scope opened;

	plx_scope_enter(m->thread, &opened);
	for (unsigned i = 0; i < count; i++)
		last = plx_handle_push(m->thread, m->variables[from]->ref);
	if (take(m) % 2)
		plx_collect(m->thread);
	CHECK(last == NULL || last->ref == m->variables[from]->ref);
	plx_scope_exit(m->thread, &opened);
}

static void pin(struct machine *m)
{
	unsigned which = variable(m);

	if (m->pinned.shadow != NULL) {
		CHECK(plx_unpin(m->thread, m->pinned.address, "fuzz") == PLX_OK);
		m->pinned.shadow = NULL;
	} else if (m->shadows[which] != NULL) {
		if (plx_pin(m->thread, m->variables[which]->ref, "fuzz") != PLX_OK)
			return;
		m->pinned.address = m->variables[which]->ref;
		m->pinned.shadow = m->shadows[which];
	}
}

static void weak(struct machine *m)
{
	unsigned which = variable(m);
	struct plx_weak *made = plx_weak_create(m->thread, m->variables[which]->ref);

	if (made == NULL)
		return;
	plx_handle_set(m->thread, m->weak, made);
	m->weak_shadow = m->shadows[which];
}

static void weak_read(struct machine *m)
{
	unsigned to = variable(m);
	void *object = m->weak->ref ? plx_weak_get(m->thread, m->weak->ref) : NULL;

	if (object != NULL)
		set(m, to, object, m->weak_shadow);
}

static void hash(struct machine *m)
{
	unsigned which = variable(m);
	uint32_t value;

	if (m->shadows[which] == NULL)
		return;
	value = plx_identity_hash(m->thread, m->variables[which]->ref);
	CHECK(m->shadows[which]->hash == 0 || m->shadows[which]->hash == value);
	m->shadows[which]->hash = value;
}

/* What comes back is dropped: that it is whole is for the verifier. */
static void guard(struct machine *m)
{
	unsigned which = variable(m);

	if (m->shadows[which] != NULL)
		plx_guardian_register(m->thread, m->guardian, m->variables[which]->ref, NULL);
	plx_guardian_poll(m->thread, m->guardian);
}

static void range(struct machine *m)
{
	unsigned which = take(m) % 2, from = variable(m);

	if (!m->slots_added) {
		memset(m->slots, 0, sizeof(m->slots));
		memset(m->slot_shadows, 0, sizeof(m->slot_shadows));
		CHECK(plx_root_range_add(m->thread, m->slots, 2, NULL) == PLX_OK);
		m->slots_added = true;
	} else if (which == 0 && m->shadows[from] == NULL) {
		CHECK(plx_root_range_remove(m->thread, m->slots) == PLX_OK);
		m->slots_added = false;
	} else {
		m->slots[which] = m->variables[from]->ref;
		m->slot_shadows[which] = m->shadows[from];
	}
}

/* Away for a moment, in one of the two ways; a cycle runs meanwhile, or not. */
static void leave(struct machine *m)
{
	uint8_t how = take(m);

	if (how % 2) {
		plx_thread_detach(m->thread);
		if (how & 2)
			plx_heap_collect(m->heap);
		CHECK(plx_thread_attach(m->heap, &m->thread, NULL) == PLX_OK);
	} else {
		plx_block_enter(m->thread);
		if (how & 2)
			plx_heap_collect(m->heap);
		if (how & 4)
			plx_heap_trim(m->heap);
		plx_block_exit(m->thread);
	}
}

static void step(struct machine *m)
{
	unsigned which, other;

	switch (take(m) % 20) {
	case 0:
	case 1:
		make(m, NODE);
		break;
	case 2:
		make(m, REFERENCES);
		break;
	case 3:
		make(m, BYTES);
		break;
	case 4:
		store(m);
		break;
	case 5:
		load(m);
		break;
	case 6:
		which = variable(m);
		set(m, which, NULL, NULL);
		break;
	case 7:
		which = variable(m);
		other = variable(m);
		set(m, which, m->variables[other]->ref, m->shadows[other]);
		break;
	case 8:
		plx_collect(m->thread);
		compare_all(m);
		break;
	case 9:
		exchange(m);
		break;
	case 10:
		store_many(m);
		break;
	case 11:
		fill_many(m);
		break;
	case 12:
		scope(m);
		break;
	case 13:
		pin(m);
		break;
	case 14:
		weak(m);
		break;
	case 15:
		weak_read(m);
		break;
	case 16:
		hash(m);
		break;
	case 17:
		guard(m);
		break;
	case 18:
		range(m);
		break;
	default:
		leave(m);
	}
}

/* ---- a life ---- */

static void option(struct plx_heap_config *config, const char *name, const char *value)
{
	CHECK(plx_config_set(config, name, value, NULL) == PLX_OK);
}

/* Most are stop-the-world: they start ten times as fast. */
static bool open_heap(struct machine *m)
{
	struct plx_heap_config config;
	uint8_t choice = take(m);

	plx_config_init(&config);
	option(&config, "GC_HEAP_MAX", choice & 8 ? "4M" : "8M");
	option(&config, "GC_REGION_BYTES", "64K");
	option(&config, "GC_WORKERS", choice & 16 ? "2" : "1");
	option(&config, "GC_EVACUATE", choice & 32 ? "all" : "auto");
	option(&config, "GC_FLIP", choice & 64 ? "zap" : "auto");
	option(&config, "GC_UFFD_DELIVERY", choice & 128 ? "thread" : "sigbus");
	option(&config, "GC_PLAN", choice % 8 == 1 ? "minor" : choice % 8 == 2 ? "copy" : "stw");
	option(&config, "GC_VERIFY", "before,mark,flip,after");
	return plx_heap_create(&config, &m->heap, NULL) == PLX_OK;
}

static void open_machine(struct machine *m)
{
	static const size_t offsets[] = {offsetof(struct node, edges),
					 offsetof(struct node, edges) + sizeof(void *)};

	CHECK(plx_thread_attach(m->heap, &m->thread, NULL) == PLX_OK);
	m->layouts[NODE] = plx_layout_fixed(m->heap, sizeof(struct node), offsets, 2, NULL);
	m->layouts[REFERENCES] = plx_layout_references(m->heap, NULL);
	m->layouts[BYTES] = plx_layout_bytes(m->heap, NULL);
	m->guardian = plx_guardian_create(m->heap, 0, NULL);
	m->weak = plx_handle_create(m->thread, NULL);
	for (int i = 0; i < VARIABLES; i++)
		m->variables[i] = plx_handle_create(m->thread, NULL);
}

static void close_machine(struct machine *m)
{
	compare_all(m);
	plx_collect(m->thread);
	compare_all(m);
	if (m->pinned.shadow != NULL)
		CHECK(plx_unpin(m->thread, m->pinned.address, "fuzz") == PLX_OK);
	if (m->slots_added)
		CHECK(plx_root_range_remove(m->thread, m->slots) == PLX_OK);
	for (int i = 0; i < VARIABLES; i++)
		plx_handle_release(m->thread, m->variables[i]);
	plx_thread_detach(m->thread);
	CHECK(plx_heap_destroy(m->heap) == PLX_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = &machine;

	memset(m, 0, offsetof(struct machine, objects));
	m->at = data;
	m->end = data + size;
	if (!open_heap(m)) /* a plan that this kernel lacks */
		return 0;
	open_machine(m);
	for (int i = 0; i < STEPS_MOST && m->at < m->end; i++)
		step(m);
	close_machine(m);
	return 0;
}
