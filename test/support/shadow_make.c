/* test/support/shadow_make.c: choosing objects at random, and making them in heap and shadow.
 *
 * Choosing is also the "read" of the model: whatever a random path passes is checked. Runs on the
 * attached thread that owns the part. What allocates is a safepoint; nothing else here is. */
#include "test/support/shadow_private.h"

#include <stdlib.h>
#include <string.h>

static const struct shadow_pair nothing;

/* ---- choosing ---- */

/* The end of a random path from a random root; what is passed on the way is checked. */
static struct shadow_pair random_path(struct shadow_thread *self)
{
	struct shadow_pair at = nothing;
	unsigned hops = (unsigned)random_below(&self->random, 10);

	for (int tries = 0; at.shadow == NULL && tries < 6; tries++)
		at = shadow_root_get(self, random_below(&self->random, shadow_root_count(self)));
	if (at.shadow == NULL)
		return nothing;
	shadow_check_identity(self, at);
	while (hops-- > 0 && at.shadow->edge_count > 0) {
		size_t slot = random_below(&self->random, at.shadow->edge_count);
		struct shadow_pair next = {NULL, at.shadow->edges[slot]};

		next.object = shadow_read(self, at.object + shadow_slot_offset(at.shadow, slot));
		if ((next.object == NULL) != (next.shadow == NULL))
			shadow_fail(self, at.shadow, "read of id %#lx slot %zu: %p",
				    (unsigned long)at.shadow->id, slot, (void *)next.object);
		if (next.shadow == NULL)
			break;
		shadow_check_identity(self, next);
		at = next;
	}
	return at;
}

/* Large objects are held by their own root alone: else a few references to them fill the heap. */
struct shadow_pair shadow_random_pair(struct shadow_thread *self)
{
	struct shadow_pair pair = random_path(self);

	return pair.shadow != NULL && pair.shadow->length >= SHADOW_LARGE_LENGTH ? nothing : pair;
}

/* With at least one reference slot; may be large. */
struct shadow_pair shadow_random_parent(struct shadow_thread *self)
{
	for (int tries = 0; tries < 8; tries++) {
		struct shadow_pair pair = random_path(self);

		if (pair.shadow != NULL && pair.shadow->edge_count > 0)
			return pair;
	}
	return nothing;
}

size_t shadow_random_root(struct shadow_thread *self)
{
	size_t root = random_below(&self->random, shadow_root_count(self));

	return root == SHADOW_LARGE_ROOT ? 0 : root;
}

enum shadow_kind shadow_random_kind(struct shadow_thread *self)
{
	static const uint8_t weights[SHADOW_POSTCARD] = {5, 26, 8, 1, 14, 18, 10, 10, 4, 4};
	unsigned dice = (unsigned)random_below(&self->random, 100);
	int kind = 0;

	while (dice >= weights[kind])
		dice -= weights[kind++];
	return (enum shadow_kind)kind;
}

uint64_t shadow_random_length(struct shadow_thread *self, enum shadow_kind kind)
{
	bool longer = random_once_in(&self->random, 150);

	switch (kind) {
	case SHADOW_REFERENCES:
	case SHADOW_TRAILING_REFERENCES:
	case SHADOW_CUSTOM:
		return random_below(&self->random, longer ? 2500 : 12);
	case SHADOW_BYTES:
	case SHADOW_TRAILING_BYTES:
		return random_below(&self->random, longer ? 20000 : 160);
	case SHADOW_TRAILING_ODD:
		return random_below(&self->random, longer ? 1000 : 9);
	default:
		return 0;
	}
}

/* ---- making objects ---- */

struct shadow_object *shadow_new(struct shadow_thread *self, enum shadow_kind kind, uint64_t length,
				 uint64_t id)
{
	size_t edges = shadow_slot_count(kind, length, id);
	struct shadow_object *shadow;

	shadow = calloc(1, sizeof(*shadow) + edges * sizeof(shadow->edges[0]));
	if (shadow == NULL)
		abort();
	shadow->id = id;
	shadow->kind = kind;
	shadow->length = length;
	shadow->edge_count = edges;
	shadow->seed = kind == SHADOW_POSTCARD ? id : random_next(&self->random);
	shadow_vector_push(&self->all, shadow);
	return shadow;
}

/* The bare heap object; a safepoint. */
char *shadow_allocate(struct shadow_thread *self, enum shadow_kind kind, uint64_t length,
		      bool fixed, bool may_fail)
{
	const struct plx_layout *layout = self->world->layouts[kind];
	char *object;

	if (fixed)
		object = plx_alloc_fixed(self->thread, layout, length);
	else if (layout->element_bytes == 0 && kind != SHADOW_CUSTOM)
		object = plx_alloc(self->thread, layout);
	else
		object = plx_alloc_array(self->thread, layout, length);
	if (object == NULL) {
		self->tally.null_allocations++;
		if (!may_fail && !self->world->options->tolerate_null)
			shadow_fail(self, NULL, "allocation of %s, length %lu: NULL with %lu live",
				    shadow_kind_name(kind), (unsigned long)length,
				    (unsigned long)self->live);
		return NULL;
	}
	self->tally.allocations++;
	self->tally.fixed += fixed;
	return object;
}

/* References of fresh objects must be NULL. The two ends and a few between are looked at. */
static void check_fresh(struct shadow_thread *self, struct shadow_pair pair)
{
	size_t step = pair.shadow->edge_count / 64 + 1;

	for (size_t slot = 0; slot < pair.shadow->edge_count; slot += step) {
		void *found = shadow_load(pair.object + shadow_slot_offset(pair.shadow, slot));

		if (found != NULL)
			shadow_fail(self, NULL, "fresh %s of length %lu at %p: slot %zu holds %p",
				    shadow_kind_name(pair.shadow->kind),
				    (unsigned long)pair.shadow->length, (void *)pair.object, slot,
				    found);
	}
}

struct shadow_pair shadow_make(struct shadow_thread *self, enum shadow_kind kind, uint64_t length,
			       bool may_fail)
{
	bool fixed = random_once_in(&self->random, 12);
	struct shadow_pair fresh = {shadow_allocate(self, kind, length, fixed, may_fail), NULL};

	if (fresh.object == NULL)
		return nothing;
	fresh.shadow = shadow_new(self, kind, length,
				  (uint64_t)(self->number + 1) << 40 | self->next_id++);
	fresh.shadow->fixed = fixed || length >= SHADOW_LARGE_LENGTH;
	check_fresh(self, fresh);
	shadow_contents_fill(fresh.shadow, fresh.object);
	return fresh;
}

/* An initialising store: no barrier. */
void shadow_link_fresh(struct shadow_thread *self, struct shadow_pair fresh, size_t slot,
		       struct shadow_pair to)
{
	void *ref = shadow_encode(self, to.object);

	fresh.shadow->edges[slot] = to.shadow;
	memcpy(fresh.object + shadow_slot_offset(fresh.shadow, slot), &ref, sizeof(ref));
}

void shadow_link(struct shadow_thread *self, struct shadow_pair from, size_t slot,
		 struct shadow_pair to)
{
	void **place = (void **)(from.object + shadow_slot_offset(from.shadow, slot));

	if (from.shadow->edges[slot] != NULL) {
		self->tally.nulls += to.object == NULL;
		self->tally.overwrites += to.object != NULL;
	}
	from.shadow->edges[slot] = to.shadow;
	PLX_STORE(self->thread, place, shadow_encode(self, to.object));
}
