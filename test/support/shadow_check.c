/* test/support/shadow_check.c: the comparison of a thread's part of the heap with its shadow.
 *
 * The walk is iterative (chains are deep) and has no safepoint, so addresses are stable within it.
 * It does not wait for the collector: right after a flip its loads are the early touches that the
 * fault path has to serve. Rules checked for each object reached:
 *   one shadow, one address; one address, one shadow (for kinds without an id in them by a table);
 *   inside the heap, aligned, layout and length in the header, id, all other bytes, every edge.
 * Runs on the attached thread that owns the part. */
#include "test/support/shadow_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYOUT_MASK ((UINT64_C(1) << PLX_HEADER_LAYOUT_BITS) - 1)
#define PATH_STEPS 24

static const char *context_line;

void shadow_context(const char *line)
{
	context_line = line;
}

void shadow_vector_push(struct shadow_vector *vector, struct shadow_object *item)
{
	if (vector->count == vector->capacity) {
		vector->capacity = vector->capacity ? vector->capacity * 2 : 256;
		vector->items = realloc(vector->items, vector->capacity * sizeof(*vector->items));
		if (vector->items == NULL)
			abort();
	}
	vector->items[vector->count++] = item;
}

static void path_print(const struct shadow_object *shadow)
{
	char root[64];

	fprintf(stderr, "  path, from the object back to its root, as of walk %u:\n", shadow->pass);
	for (int i = 0; shadow != NULL && i < PATH_STEPS; i++, shadow = shadow->parent) {
		fprintf(stderr, "    %s id %#lx length %lu at %p\n", shadow_kind_name(shadow->kind),
			(unsigned long)shadow->id, (unsigned long)shadow->length, shadow->address);
		if (shadow->parent != NULL) {
			fprintf(stderr, "      in slot %zu (offset %zu) of\n", shadow->parent_slot,
				shadow_slot_offset(shadow->parent, shadow->parent_slot));
			continue;
		}
		shadow_root_describe(shadow->parent_slot, root, sizeof(root));
		fprintf(stderr, "      in %s\n", root);
		return;
	}
	fprintf(stderr, "    ... and further up\n");
}

void shadow_fail(struct shadow_thread *self, const struct shadow_object *shadow, const char *format,
		 ...)
{
	struct plx_stats stats;
	va_list arguments;

	plx_heap_stats(self->world->heap, &stats);
	flockfile(stderr);
	fprintf(stderr,
		"shadow: MISMATCH, seed %lu, thread %u, step %lu, walk %u, cycle %lu, flip %lu\n",
		(unsigned long)self->world->options->seed, self->number,
		(unsigned long)self->tally.steps, self->pass, (unsigned long)stats.cycles,
		(unsigned long)stats.flips);
	if (context_line != NULL)
		fprintf(stderr, "  %s\n", context_line);
	fprintf(stderr, "  ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	if (shadow != NULL)
		path_print(shadow);
	fflush(stderr);
	funlockfile(stderr);
	abort();
}

void shadow_fail_word(uintptr_t word)
{
	fprintf(stderr, "shadow: MISMATCH: a slot holds %#lx, which was never stored\n",
		(unsigned long)word);
	if (context_line != NULL)
		fprintf(stderr, "  %s\n", context_line);
	abort();
}

/* ---- the table of identities ---- */

static struct shadow_table_entry *table_find(struct shadow_table *table, uint64_t key,
					     uint32_t pass)
{
	size_t mask = table->capacity - 1;
	size_t i = random_mix(key) & mask;

	while (table->entries[i].pass == pass && table->entries[i].key != key)
		i = (i + 1) & mask;
	return &table->entries[i];
}

static void table_grow(struct shadow_table *table, uint32_t pass)
{
	struct shadow_table old = *table;

	table->capacity = old.capacity ? old.capacity * 2 : 1024;
	table->entries = calloc(table->capacity, sizeof(*table->entries));
	if (table->entries == NULL)
		abort();
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.entries[i].pass == pass)
			*table_find(table, old.entries[i].key, pass) = old.entries[i];
	}
	free(old.entries);
}

/* The value stored for `key` in this walk; stores `value` and returns it if there was none. */
static const void *table_intern(struct shadow_table *table, uint64_t key, const void *value,
				uint32_t pass)
{
	struct shadow_table_entry *entry;

	if (table->count * 2 >= table->capacity)
		table_grow(table, pass);
	entry = table_find(table, key, pass);
	if (entry->pass != pass) {
		*entry = (struct shadow_table_entry){key, value, pass};
		table->count++;
	}
	return entry->value;
}

/* ---- one object ---- */

static void check_address(struct shadow_thread *self, const struct shadow_object *shadow,
			  const char *object)
{
	if (object == NULL)
		shadow_fail(self, shadow, "the reference is NULL");
	if ((uintptr_t)object % PLX_GRANULE_BYTES != 0)
		shadow_fail(self, shadow, "%p is not aligned", (const void *)object);
	if (!plx_heap_contains(self->world->heap, object))
		shadow_fail(self, shadow, "%p is outside of the heap", (const void *)object);
}

void shadow_check_identity(struct shadow_thread *self, struct shadow_pair pair)
{
	const struct shadow_object *shadow = pair.shadow;
	uint64_t layout = self->world->layouts[shadow->kind]->header & LAYOUT_MASK;
	uint64_t word;

	check_address(self, shadow, pair.object);
	word = shadow_word(pair.object, 0);
	if ((word & LAYOUT_MASK) != layout || plx_object_length(pair.object) != shadow->length)
		shadow_fail(self, shadow,
			    "id %#lx at %p: header %#lx, expected layout %#lx (%s) and length %lu",
			    (unsigned long)shadow->id, (void *)pair.object, (unsigned long)word,
			    (unsigned long)layout, shadow_kind_name(shadow->kind),
			    (unsigned long)shadow->length);
	if (!shadow_has_id(shadow->kind, shadow->length))
		return;
	word = shadow_word(pair.object, 8);
	if (word != shadow->id)
		shadow_fail(self, shadow, "at %p: id %#lx, expected %#lx", (void *)pair.object,
			    (unsigned long)word, (unsigned long)shadow->id);
}

/* A postcard verifies itself: all it holds follows from its id, and it names its successor. */
void shadow_check_postcard(struct shadow_thread *self, const char *object)
{
	uint64_t layout = self->world->layouts[SHADOW_POSTCARD]->header & LAYOUT_MASK;
	uint64_t depth = SHADOW_POSTCARD_DEPTH;
	uint64_t expected_id = 0;

	while (object != NULL) {
		struct shadow_object card = {.kind = SHADOW_POSTCARD};
		uint64_t next_id;
		size_t at;

		check_address(self, NULL, object);
		card.id = card.seed = shadow_word(object, 8);
		card.length = shadow_postcard_length(card.id);
		if ((shadow_word(object, 0) & LAYOUT_MASK) != layout ||
		    plx_object_length(object) != card.length)
			shadow_fail(self, NULL, "postcard id %#lx at %p: header %#lx",
				    (unsigned long)card.id, (const void *)object,
				    (unsigned long)shadow_word(object, 0));
		if (expected_id != 0 && card.id != expected_id)
			shadow_fail(self, NULL, "postcard at %p: id %#lx, expected %#lx",
				    (const void *)object, (unsigned long)card.id,
				    (unsigned long)expected_id);
		at = shadow_contents_differ(&card, object);
		if (at != 0 || shadow_word(object, 32) > depth)
			shadow_fail(self, NULL, "postcard id %#lx at %p: differs at offset %zu",
				    (unsigned long)card.id, (const void *)object, at ? at : 32);
		depth = shadow_word(object, 32) - 1;
		next_id = expected_id = shadow_word(object, 24);
		object = shadow_read(self, object + 16);
		if ((object == NULL) != (next_id == 0))
			shadow_fail(self, NULL, "postcard id %#lx: successor %p, expected id %#lx",
				    (unsigned long)card.id, (const void *)object,
				    (unsigned long)next_id);
	}
}

static void check_contents(struct shadow_thread *self, struct shadow_pair pair)
{
	size_t at;

	shadow_check_identity(self, pair);
	if (pair.shadow->kind == SHADOW_POSTCARD) {
		shadow_check_postcard(self, pair.object);
		return;
	}
	at = shadow_contents_differ(pair.shadow, pair.object);
	if (at != 0)
		shadow_fail(self, pair.shadow,
			    "id %#lx at %p: contents differ at offset %zu, word %#lx",
			    (unsigned long)pair.shadow->id, (void *)pair.object, at,
			    (unsigned long)shadow_word(pair.object, at & ~(size_t)7));
}

/* ---- the walk ---- */

static void check_unique(struct shadow_thread *self, struct shadow_pair pair)
{
	const void *seen;

	if (pair.shadow->kind == SHADOW_POSTCARD) {
		seen = table_intern(&self->table, pair.shadow->id << 1 | 1, pair.object,
				    self->pass);
		if (seen != pair.object)
			shadow_fail(self, pair.shadow, "postcard id %#lx is both at %p and at %p",
				    (unsigned long)pair.shadow->id, seen, (void *)pair.object);
	} else if (!shadow_has_id(pair.shadow->kind, pair.shadow->length)) {
		seen = table_intern(&self->table, (uintptr_t)pair.object, pair.shadow, self->pass);
		if (seen != pair.shadow)
			shadow_fail(self, pair.shadow,
				    "two objects, of ids %#lx and %#lx, are at %p",
				    (unsigned long)((const struct shadow_object *)seen)->id,
				    (unsigned long)pair.shadow->id, (void *)pair.object);
	}
}

/* Follow one edge, from `parent` (NULL: a root). */
static void walk_edge(struct shadow_thread *self, struct shadow_object *parent, size_t slot,
		      struct shadow_pair to)
{
	if (to.shadow == NULL) {
		if (to.object != NULL)
			shadow_fail(self, parent, "slot or root %zu: found %p, expected NULL", slot,
				    (void *)to.object);
		return;
	}
	if (to.shadow->pass == self->pass) {
		if (to.shadow->address != to.object)
			shadow_fail(
				self, to.shadow,
				"id %#lx is at %p by this path, and slot or root %zu of id %#lx says %p",
				(unsigned long)to.shadow->id, to.shadow->address, slot,
				parent ? (unsigned long)parent->id : 0ul, (void *)to.object);
		return;
	}
	if (to.shadow->address != NULL && to.shadow->address != to.object) {
		if (to.shadow->fixed)
			shadow_fail(self, to.shadow, "id %#lx is fixed, but moved from %p to %p",
				    (unsigned long)to.shadow->id, to.shadow->address,
				    (void *)to.object);
		self->tally.moved_objects++;
	}
	to.shadow->pass = self->pass;
	to.shadow->address = to.object;
	to.shadow->parent = parent;
	to.shadow->parent_slot = slot;
	check_address(self, to.shadow, to.object);
	check_unique(self, to);
	shadow_vector_push(&self->pending, to.shadow);
}

static void walk(struct shadow_thread *self)
{
	for (size_t root = 0; root < shadow_root_count(self); root++)
		walk_edge(self, NULL, root, shadow_root_get(self, root));
	while (self->pending.count > 0) {
		struct shadow_object *shadow = self->pending.items[--self->pending.count];
		char *object = shadow->address;

		check_contents(self, (struct shadow_pair){object, shadow});
		for (size_t slot = 0; slot < shadow->edge_count; slot++) {
			void *found = shadow_read(self, object + shadow_slot_offset(shadow, slot));

			walk_edge(self, shadow, slot,
				  (struct shadow_pair){found, shadow->edges[slot]});
		}
	}
}

/* Forget the shadows of garbage. */
static void sweep(struct shadow_thread *self)
{
	size_t kept = 0;

	for (size_t i = 0; i < self->all.count; i++) {
		if (self->all.items[i]->pass == self->pass)
			self->all.items[kept++] = self->all.items[i];
		else
			free(self->all.items[i]);
	}
	self->all.count = kept;
	self->live = kept;
}

void shadow_compare(struct shadow_thread *self)
{
	uint64_t moved_before = self->tally.moved_objects;
	struct plx_stats stats;

	plx_heap_stats(self->world->heap, &stats);
	self->pass++;
	self->table.count = 0;
	walk(self);
	sweep(self);
	self->tally.comparisons++;
	self->tally.compared_objects += self->live;
	/* What moved did so in a cycle that had not ended when the walk began. */
	if (self->tally.moved_objects != moved_before && stats.cycles == self->cycles_seen)
		self->tally.comparisons_early++;
	self->cycles_seen = stats.cycles;
}
