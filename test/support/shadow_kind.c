/* test/support/shadow_kind.c: the kinds of objects: where their references are, and what else is in
 * them.
 *
 * Every object that has room carries its id in its second word. All other bytes that are not
 * references hold a pattern that depends on the seed and on the place, so that a byte that was
 * lost, torn, or copied from elsewhere shows. Pure functions, called by any thread; the two layout
 * callbacks also run on the collector's threads and in signal handlers. */
#include "test/support/shadow_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_OFFSET 8
#define CUSTOM_PHASE_OFFSET 16
#define CUSTOM_FIXED_BYTES 24

struct shape {
	const char *name;
	size_t fixed_bytes;
	size_t element_bytes;
	bool element_is_reference;
	size_t reference_count;
	size_t references[6];
};

static const struct shape shapes[SHADOW_KIND_COUNT] = {
	[SHADOW_HEADER] = {"header", 8, 0, false, 0, {0}},
	[SHADOW_FIXED_SMALL] = {"fixed-small", 40, 0, false, 2, {16, 32}},
	[SHADOW_FIXED_SPARSE] = {"fixed-sparse", 1048, 0, false, 5, {24, 512, 520, 528, 1040}},
	[SHADOW_FIXED_LONG] = {"fixed-long", 9016, 0, false, 4, {16, 4088, 4096, 9008}},
	[SHADOW_REFERENCES] = {"references", 8, 8, true, 0, {0}},
	[SHADOW_BYTES] = {"bytes", 8, 1, false, 0, {0}},
	[SHADOW_TRAILING_REFERENCES] = {"trailing-references", 40, 8, true, 1, {24}},
	[SHADOW_TRAILING_BYTES] = {"trailing-bytes", 32, 1, false, 2, {16, 24}},
	[SHADOW_TRAILING_ODD] = {"trailing-odd", 28, 12, false, 1, {16}},
	[SHADOW_CUSTOM] = {"custom", CUSTOM_FIXED_BYTES, 8, false, 0, {0}},
	[SHADOW_POSTCARD] = {"postcard", 40, 1, false, 1, {16}},
};

const char *shadow_kind_name(enum shadow_kind kind)
{
	return shapes[kind].name;
}

static uint64_t custom_size(uint64_t length, void *context)
{
	(void)context;
	return CUSTOM_FIXED_BYTES + length * 8;
}

static void custom_trace(void *object, uint64_t length, struct plx_slot_visitor *visitor,
			 void *context)
{
	uint64_t phase = shadow_word(object, CUSTOM_PHASE_OFFSET);

	(void)context;
	for (uint64_t i = phase; i < length; i += 2)
		plx_slot_visit(visitor, (char *)object + CUSTOM_FIXED_BYTES + i * 8);
}

static const struct plx_layout *layout_register(struct plx_heap *heap, enum shadow_kind kind,
						struct plx_error *error)
{
	const struct shape *shape = &shapes[kind];

	switch (kind) {
	case SHADOW_REFERENCES:
		return plx_layout_references(heap, error);
	case SHADOW_BYTES:
		return plx_layout_bytes(heap, error);
	case SHADOW_CUSTOM:
		return plx_layout_custom(heap, custom_size, custom_trace, NULL, error);
	default:
		break;
	}
	if (shape->element_bytes == 0)
		return plx_layout_fixed(heap, shape->fixed_bytes, shape->references,
					shape->reference_count, error);
	return plx_layout_trailing(heap, shape->fixed_bytes, shape->references,
				   shape->reference_count, shape->element_bytes,
				   shape->element_is_reference, error);
}

void shadow_layouts_register(struct shadow_world *world)
{
	struct plx_error error = {0};

	for (int kind = 0; kind < SHADOW_KIND_COUNT; kind++) {
		for (int tries = shadow_tries(world); world->layouts[kind] == NULL && tries > 0;
		     tries--)
			world->layouts[kind] =
				layout_register(world->heap, (enum shadow_kind)kind, &error);
		if (world->layouts[kind] == NULL) {
			fprintf(stderr, "shadow: layout %s: %s\n", shapes[kind].name,
				error.message);
			abort();
		}
	}
}

bool shadow_has_id(enum shadow_kind kind, uint64_t length)
{
	if (kind == SHADOW_HEADER || kind == SHADOW_REFERENCES)
		return false;
	return kind != SHADOW_BYTES || length >= 8;
}

static uint64_t custom_phase(uint64_t id)
{
	return id & 1;
}

size_t shadow_slot_count(enum shadow_kind kind, uint64_t length, uint64_t id)
{
	const struct shape *shape = &shapes[kind];

	if (kind == SHADOW_CUSTOM)
		return (length + 1 - custom_phase(id)) / 2;
	if (kind == SHADOW_POSTCARD)
		return 0; /* its reference never changes: the walk checks it by itself */
	return shape->reference_count + (shape->element_is_reference ? length : 0);
}

size_t shadow_slot_offset(const struct shadow_object *shadow, size_t slot)
{
	const struct shape *shape = &shapes[shadow->kind];

	if (shadow->kind == SHADOW_CUSTOM)
		return CUSTOM_FIXED_BYTES + (2 * slot + custom_phase(shadow->id)) * 8;
	if (slot < shape->reference_count)
		return shape->references[slot];
	return shape->fixed_bytes + (slot - shape->reference_count) * 8;
}

/* Slots from here on are adjacent; the slot count when none are. */
size_t shadow_first_contiguous_slot(const struct shadow_object *shadow)
{
	return shapes[shadow->kind].element_is_reference ? shapes[shadow->kind].reference_count
							 : shadow->edge_count;
}

uint64_t shadow_postcard_length(uint64_t id)
{
	return random_mix(id) % 96;
}

static uint64_t pattern_word(uint64_t seed, size_t offset)
{
	return seed + (offset >> 3) * UINT64_C(0x9e3779b97f4a7c15);
}

static void pattern_fill(uint64_t seed, char *object, size_t start, size_t end)
{
	while (start < end) {
		uint64_t word = pattern_word(seed, start);
		size_t skip = start & 7;
		size_t bytes = 8 - skip < end - start ? 8 - skip : end - start;

		memcpy(object + start, (char *)&word + skip, bytes);
		start += bytes;
	}
}

/* Whole words first: large objects are compared after every cycle. */
static size_t pattern_differ(uint64_t seed, const char *object, size_t start, size_t end)
{
	while (start < end) {
		uint64_t word = pattern_word(seed, start);
		size_t skip = start & 7;
		size_t bytes = 8 - skip < end - start ? 8 - skip : end - start;

		if (bytes == 8 ? shadow_word(object, start) != word
			       : memcmp(object + start, (char *)&word + skip, bytes) != 0)
			return start;
		start += bytes;
	}
	return 0;
}

/* The bytes that are neither header, id nor reference, run by run: false after the last. */
static bool next_run(const struct shadow_object *shadow, size_t *index, size_t *start, size_t *end)
{
	const struct shape *shape = &shapes[shadow->kind];
	size_t first = shadow_has_id(shadow->kind, shadow->length) ? 16 : 8;
	size_t i = (*index)++;

	if (shadow->kind == SHADOW_CUSTOM) {
		size_t element = 2 * i + 1 - custom_phase(shadow->id);

		*start = CUSTOM_FIXED_BYTES + element * 8;
		*end = *start + 8;
		return element < shadow->length;
	}
	if (shadow->kind == SHADOW_POSTCARD)
		first = shape->fixed_bytes; /* the words before it have meanings of their own */
	if (shadow->kind == SHADOW_POSTCARD || shape->reference_count == 0) {
		if (i > 0)
			return false;
		*start = first;
	} else {
		if (i > shape->reference_count)
			return false;
		*start = i == 0 ? first : shape->references[i - 1] + 8;
		if (i < shape->reference_count) {
			*end = shape->references[i];
			return true;
		}
	}
	*end = shape->fixed_bytes;
	if (!shape->element_is_reference)
		*end += shadow->length * shape->element_bytes;
	return true;
}

void shadow_contents_fill(const struct shadow_object *shadow, char *object)
{
	size_t index = 0, start, end;

	if (shadow_has_id(shadow->kind, shadow->length))
		memcpy(object + ID_OFFSET, &shadow->id, sizeof(shadow->id));
	if (shadow->kind == SHADOW_CUSTOM) {
		uint64_t phase = custom_phase(shadow->id);

		__atomic_store_n((uint64_t *)(void *)(object + CUSTOM_PHASE_OFFSET), phase,
				 __ATOMIC_RELAXED);
	}
	while (next_run(shadow, &index, &start, &end))
		pattern_fill(shadow->seed, object, start, end);
}

size_t shadow_contents_differ(const struct shadow_object *shadow, const char *object)
{
	size_t index = 0, start, end, at;

	while (next_run(shadow, &index, &start, &end)) {
		at = pattern_differ(shadow->seed, object, start, end);
		if (at != 0)
			return at;
	}
	return 0;
}
