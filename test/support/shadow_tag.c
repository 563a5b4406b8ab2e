/* test/support/shadow_tag.c: how references stand in slots (--tags): tagged, and among numbers that have the bits
 * of heap addresses.
 *
 * With --tags an edge that leads nowhere is, half of the time, such a number. Numbers are made so that one in seven
 * addresses can be one: a number that was taken for a reference and changed is noticed, sooner or later. The way of
 * tagging follows from the seed. Pure but for the thread's random numbers. */
#include "test/support/shadow_private.h"

#include <stdlib.h>

#define HIGH_BITS UINT64_C(0xffff000000000000)
#define HIGH_TAG UINT64_C(0x7ff9000000000000)
#define LOW_BITS UINT64_C(7)
#define NUMBERS (UINT64_C(1) << 20) /* addresses of 8 MiB */

enum way { WAY_LOW, WAY_HIGH, WAY_KINDS, WAY_COUNT };

static enum way way_of(const struct shadow_options *options)
{
	return (enum way)(options->seed % WAY_COUNT);
}

/* Kinds 1, 2 and 5 are references. */
static bool kind_is_reference(uint64_t word)
{
	return 0x26 >> (word & LOW_BITS) & 1;
}

static uintptr_t classify(uint64_t word, void *context)
{
	(void)context;
	return kind_is_reference(word) ? word & ~LOW_BITS : 0;
}

void shadow_tags_set(struct plx_heap *heap, const struct shadow_options *options)
{
	enum plx_status status = PLX_OK;

	if (!options->tags)
		return;
	switch (way_of(options)) {
	case WAY_LOW:
		status = plx_heap_set_tags(heap, LOW_BITS, 3, NULL);
		break;
	case WAY_HIGH:
		status = plx_heap_set_tags(heap, HIGH_BITS | LOW_BITS, HIGH_TAG | 1, NULL);
		break;
	default:
		status = plx_heap_set_classifier(heap, classify, NULL, NULL);
	}
	if (status != PLX_OK)
		abort();
}

static uint64_t tag_for(const struct shadow_thread *self, uintptr_t object)
{
	static const uint8_t kinds[] = {1, 2, 5};

	switch (way_of(self->world->options)) {
	case WAY_LOW:
		return 3;
	case WAY_HIGH:
		return HIGH_TAG | 1;
	default:
		return kinds[(object >> 4) % 3]; /* it keeps this one when it moves */
	}
}

static void *number_make(struct shadow_thread *self)
{
	uint64_t k = random_below(&self->random, NUMBERS);
	uint64_t low = way_of(self->world->options) == WAY_HIGH ? 1 : 4;

	if (random_once_in(&self->random, 2))
		return NULL;
	return (void *)(self->world->numbers_base + 8 * (k - k % 7 + 3) + low);
}

static bool number_is_one(const struct shadow_world *world, uintptr_t word)
{
	uint64_t k = ((word & ~LOW_BITS) - world->numbers_base) / 8;

	return k % 7 == 3 && k < NUMBERS + 7 &&
	       (word & LOW_BITS) == (way_of(world->options) == WAY_HIGH ? 1 : 4);
}

void *shadow_encode(struct shadow_thread *self, const char *object)
{
	if (!self->world->options->tags)
		return (void *)object;
	if (object == NULL)
		return number_make(self);
	return (void *)((uintptr_t)object + tag_for(self, (uintptr_t)object));
}

char *shadow_decode(const struct shadow_world *world, const void *slot_word)
{
	uintptr_t word = (uintptr_t)slot_word;
	bool is_reference;

	if (!world->options->tags || word == 0)
		return (char *)word;
	switch (way_of(world->options)) {
	case WAY_LOW:
		is_reference = (word & LOW_BITS) == 3;
		break;
	case WAY_HIGH:
		is_reference = (word & (HIGH_BITS | LOW_BITS)) == (HIGH_TAG | 1);
		break;
	default:
		is_reference = kind_is_reference(word);
	}
	if (is_reference)
		return (char *)(word & ~(HIGH_BITS | LOW_BITS));
	if (!number_is_one(world, word))
		shadow_fail_word(word);
	return NULL;
}
