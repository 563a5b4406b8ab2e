/* gc/collect/ambiguous.c: words that may be references: those of native stacks (GC_STACKS=ambiguous).
 *
 *   start   each mutator's stack is gone over when it takes its snapshot: words that point into white
 *           regions are noted. When all have theirs, the noted words are resolved to objects, which are
 *           marked like roots
 *   plan    stacks that no thread runs on are gone over: what their words point into is not chosen
 *   flip    the stacks are gone over once more, in the pause, but for those that nobody has run on since
 *           the plan: a chosen region that a word points into is un-chosen (pin.c)
 *
 * What a stack map tells of a frame is noted with the words, but keeps no region where it is: after all
 * un-choosing it is brought up to date, with the pointers derived from it [AM-4].
 *
 * A word is taken to mean the object it points to, into, or just behind the end of: compilers keep such
 * pointers instead of the first address.
 *
 * [AM-1] What a word means is found by walking its region from the start, object by object. That works in
 *        white regions once every mutator has its snapshot: nobody allocates in them any more; what is
 *        no object is zero (the rest of a TLAB, the gap of an un-chosen region); headers of dead
 *        objects remain.
 * [AM-2] An object that an earlier marking found dead must not come back to life: nobody has brought its
 *        slots up to date since. So the mark bits of the last marking are kept (`marked`), and of a region
 *        that was white in it (`judged`) only what they name is meant by any word. In other regions all
 *        objects are younger than that marking, or were moved by it, alive.
 * [AM-3] In between nothing has to be looked at: what a mutator loads after its snapshot will be marked
 *        anyway [CY-2], and only the flip moves.
 *
 * [AM-4] No un-choosing comes after the first reference was brought up to date. A slot that two frames list is
 *        visited twice: the second time it refers to no region that is evacuated [F-2].
 *
 * Who runs here: mutators and the cycle's thread (note); the cycle's thread (all else). */
#include <stdlib.h>

#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "gc/collect/fixed.h"

#define AMBIGUOUS_BATCH 128
#define AMBIGUOUS_MEANINGS 4 /* of one word, at the most */

bool gc_ambiguous_create(struct gc_heap *heap)
{
	struct gc_ambiguous *ambiguous = gc_meta_alloc(sizeof(*ambiguous));

	if (!ambiguous)
		return false;
	heap->ambiguous = ambiguous;
	pthread_mutex_init(&ambiguous->lock, NULL);
	ambiguous->marked = (struct gc_markbits){gc_meta_alloc(heap->view.total_bytes / 64),
						 heap->markbits.base};
	ambiguous->judged = gc_meta_alloc(heap->regions.count);
	ambiguous->held = gc_meta_alloc(heap->regions.count);
	return ambiguous->marked.words && ambiguous->judged && ambiguous->held;
}

void gc_ambiguous_destroy(struct gc_heap *heap)
{
	struct gc_ambiguous *ambiguous = heap->ambiguous;

	if (!ambiguous)
		return;
	gc_meta_free(ambiguous->marked.words, heap->view.total_bytes / 64);
	gc_meta_free(ambiguous->judged, heap->regions.count);
	gc_meta_free(ambiguous->held, heap->regions.count);
	gc_meta_free(ambiguous->words, ambiguous->capacity * sizeof(uintptr_t));
	pthread_mutex_destroy(&ambiguous->lock);
	gc_meta_free(ambiguous, sizeof(*ambiguous));
	heap->ambiguous = NULL;
}

/* [AM-2] Before the bits of the last marking are cleared. */
void gc_ambiguous_keep_bits(struct gc_heap *heap, struct gc_haddr start, uint64_t bytes)
{
	uint64_t word = gc_markbits_index(&heap->markbits, start) >> 6;

	if (heap->ambiguous)
		memcpy(&heap->ambiguous->marked.words[word], &heap->markbits.words[word],
		       bytes >> 6);
}

/* [AM-2] Marking is complete, and region `number` is being swept; or it is free from now on. */
void gc_ambiguous_judge(struct gc_heap *heap, uint32_t number, bool judged)
{
	if (heap->ambiguous)
		heap->ambiguous->judged[number] = judged;
}

/* --- the start ---------------------------------------------------------------------------------- */

/* False: no memory. */
static bool ambiguous_add(struct gc_ambiguous *ambiguous, const uintptr_t *words, size_t count)
{
	bool room = true;

	pthread_mutex_lock(&ambiguous->lock);
	if (ambiguous->count + count > ambiguous->capacity) {
		size_t wanted = gc_max(2 * ambiguous->capacity, (size_t)1024);
		uintptr_t *bigger = gc_meta_resize(ambiguous->words,
						   ambiguous->capacity * sizeof(uintptr_t),
						   wanted * sizeof(uintptr_t));

		room = bigger != NULL;
		if (room) {
			ambiguous->words = bigger;
			ambiguous->capacity = wanted;
		}
	}
	if (room) {
		memcpy(ambiguous->words + ambiguous->count, words, count * sizeof(uintptr_t));
		ambiguous->count += count;
	} else {
		ambiguous->overflowed = true;
	}
	pthread_mutex_unlock(&ambiguous->lock);
	return room;
}

/* An address, and what may end just before it. */
static inline uint32_t ambiguous_expand_address(const struct gc_heap *heap, uintptr_t word,
						uintptr_t into[2])
{
	uint32_t count = 0;

	if (word - (uintptr_t)heap->view.heap > heap->view.total_bytes)
		return 0;
	if (gc_heap_contains(heap, word))
		into[count++] = word;
	if (word % heap->regions.region_bytes == 0 && gc_heap_contains(heap, word - 1))
		into[count++] = word - 1;
	return count;
}

/* What a word may mean as an address, and by its tag. */
static inline uint32_t ambiguous_expand(const struct gc_heap *heap, uintptr_t word,
					uintptr_t into[AMBIGUOUS_MEANINGS])
{
	uint32_t count = ambiguous_expand_address(heap, word, into);
	uintptr_t address = gc_value_address(&heap->tags, (struct gc_value){word});

	if (address != word)
		count += ambiguous_expand_address(heap, address, into + count);
	return count;
}

/* Words of other threads' stacks and registers: sanitizers must not look. */
#define AMBIGUOUS_READS __attribute__((no_sanitize("address"), no_sanitize("thread")))

static AMBIGUOUS_READS void ambiguous_note(struct gc_heap *heap, const uintptr_t *low,
					   const uintptr_t *high)
{
	uintptr_t found[AMBIGUOUS_BATCH];
	uint32_t count = 0;

	for (const uintptr_t *at = low; at < high; at++) {
		count += ambiguous_expand(heap, *(const volatile uintptr_t *)at, &found[count]);
		if (count > AMBIGUOUS_BATCH - AMBIGUOUS_MEANINGS) {
			ambiguous_add(heap->ambiguous, found, count);
			count = 0;
		}
	}
	if (count)
		ambiguous_add(heap->ambiguous, found, count);
}

static void ambiguous_note_reference(struct gc_heap *heap, uintptr_t *slot,
				     uintptr_t *const *derived, uint32_t count)
{
	(void)derived, (void)count;
	ambiguous_note(heap, slot, slot + 1);
}

const struct gc_stack_visit gc_ambiguous_noting = {ambiguous_note, ambiguous_note_reference};

/* Before and after all mutators give their snapshots. */
void gc_ambiguous_begin(struct gc_heap *heap)
{
	if (heap->ambiguous)
		heap->world->stacks_begin(heap);
}

void gc_ambiguous_note_parked(struct gc_heap *heap)
{
	if (heap->ambiguous)
		heap->world->scan_parked(heap, GC_PARKED_NEW, &gc_ambiguous_noting);
}

static int ambiguous_compare(const void *a, const void *b)
{
	uintptr_t left = *(const uintptr_t *)a, right = *(const uintptr_t *)b;

	return left < right ? -1 : left > right;
}

static bool ambiguous_may_live(const struct gc_heap *heap, uint32_t number, struct gc_haddr object)
{
	return !heap->ambiguous->judged[number] ||
	       gc_markbits_test(&heap->ambiguous->marked, object); /* [AM-2] */
}

static void ambiguous_mark(struct gc_heap *heap, uint32_t number, struct gc_haddr object)
{
	if (ambiguous_may_live(heap, number, object))
		gc_mark_root_object(heap, object.at);
}

/* Does one of the sorted words mean the object [at, at + bytes)? Drops those before its end. */
static bool ambiguous_is_meant(const uintptr_t **words, size_t *count, uintptr_t at, uint64_t bytes)
{
	bool meant;

	while (*count && **words < at)
		(*words)++, (*count)--;
	meant = *count && **words <= at + bytes;
	while (*count && **words < at + bytes)
		(*words)++, (*count)--;
	return meant;
}

/* [AM-1] Mark what the words mean, which are sorted and all of one region; or, without words, all objects
 * that may be meant. `end` is where the region's objects end. */
static void ambiguous_walk(struct gc_heap *heap, uint32_t number, uintptr_t end,
			   const uintptr_t *words, size_t count)
{
	uintptr_t at = gc_region_start(&heap->regions, number).at;
	bool all = !words;

	while (at < end && (all || count)) {
		uint64_t header = gc_header_at((const char *)at), bytes;

		if (header == 0) {
			at += PLX_GRANULE_BYTES;
			continue;
		}
		GC_CHECK(AM_1, (header & GC_TYPE_MAX) != 0);
		GC_CHECK(AM_1, (header & GC_TYPE_MAX) < gc_load_relaxed(&heap->types.count));
		bytes = gc_type_size(gc_type_of(&heap->types, header), header);
		if (all || ambiguous_is_meant(&words, &count, at, bytes))
			ambiguous_mark(heap, number, (struct gc_haddr){at});
		at += bytes;
	}
}

/* What is to be known of a region, at one moment. */
struct ambiguous_region {
	enum gc_region_kind kind;
	uint32_t head;
	uintptr_t end;
	bool white; /* objects in it may be dead, and it does not change */
};

static struct ambiguous_region ambiguous_look(struct gc_heap *heap, uint32_t number)
{
	struct gc_regions *regions = &heap->regions;
	struct ambiguous_region look;
	const struct gc_region *region;

	pthread_mutex_lock(&regions->lock);
	look.head = gc_region_head(regions, number);
	region = &regions->table[look.head];
	look.kind = region->kind;
	look.end = gc_region_start(regions, look.head).at + region->allocated_bytes;
	look.white = !region->current &&
		     !(gc_load_relaxed(&regions->bits[look.head]) & GC_REGION_BLACK); /* */
	pthread_mutex_unlock(&regions->lock);
	return look;
}

/* [FX-4] The objects before, and behind whose end a word may point, are asked for too. */
static void ambiguous_resolve_fixed(struct gc_heap *heap, uint32_t number, const uintptr_t *words,
				    size_t count)
{
	uintptr_t start = gc_region_start(&heap->regions, number).at;
	bool all = !words;

	if (all)
		count = heap->regions.region_bytes / PLX_GRANULE_BYTES;
	for (size_t i = 0; i < count; i++) {
		uintptr_t word = all ? start + i * PLX_GRANULE_BYTES : words[i];
		uintptr_t at = gc_fixed_object_at(heap, word);
		uintptr_t before = word > start ? gc_fixed_object_at(heap, word - 1) : 0;

		if (at)
			gc_mark_root_object(heap, at);
		if (before && before != at)
			gc_mark_root_object(heap, before);
	}
}

static void ambiguous_resolve_region(struct gc_heap *heap, uint32_t number, const uintptr_t *words,
				     size_t count)
{
	struct ambiguous_region look = ambiguous_look(heap, number);
	uintptr_t head = gc_region_start(&heap->regions, look.head).at;

	if (!look.white)
		return;
	if (look.kind == GC_REGION_LARGE)
		gc_mark_root_object(heap, head);
	else if (look.kind == GC_REGION_SMALL)
		ambiguous_walk(heap, number, look.end, words, count);
	else if (look.kind == GC_REGION_FIXED)
		ambiguous_resolve_fixed(heap, number, words, count);
}

/* There was no memory to note a word: whatever could be meant by one is. */
static void ambiguous_mark_all(struct gc_heap *heap)
{
	for (int i = 0; i < GC_RANGE_COUNT; i++) {
		const struct gc_region_range *range = &heap->regions.ranges[i];

		for (uint32_t r = range->first; r < range->first + gc_range_high_water(range); r++)
			ambiguous_resolve_region(heap, r, NULL, 0);
	}
}

/* Every mutator has its snapshot, and marking begins. */
void gc_ambiguous_resolve(struct gc_heap *heap)
{
	struct gc_ambiguous *ambiguous = heap->ambiguous;
	size_t from = 0;

	if (!ambiguous)
		return;
	if (ambiguous->count) /* qsort wants an array even where there is nothing */
		qsort(ambiguous->words, ambiguous->count, sizeof(uintptr_t), ambiguous_compare);
	for (size_t i = 1; i <= ambiguous->count; i++) {
		uint32_t shift = heap->regions.region_shift;
		uintptr_t base = (uintptr_t)heap->view.heap;

		if (i < ambiguous->count && (ambiguous->words[i] - base) >> shift ==
						    (ambiguous->words[from] - base) >> shift)
			continue;
		ambiguous_resolve_region(heap,
					 gc_region_of(&heap->regions,
						      (struct gc_haddr){ambiguous->words[from]}),
					 ambiguous->words + from, i - from);
		from = i;
	}
	if (ambiguous->overflowed)
		ambiguous_mark_all(heap);
	ambiguous->count = 0;
	ambiguous->overflowed = false;
}

/* --- the plan and the flip ---------------------------------------------------------------------- */

typedef void (*ambiguous_visit)(struct gc_heap *heap, uintptr_t word);

/* Each region that one of the words points into. */
static AMBIGUOUS_READS void ambiguous_each_region(struct gc_heap *heap, const uintptr_t *low,
						  const uintptr_t *high, ambiguous_visit visit)
{
	uintptr_t found[AMBIGUOUS_MEANINGS];

	for (const uintptr_t *at = low; at < high; at++) {
		uintptr_t word = *(const volatile uintptr_t *)at;

		for (uint32_t count = ambiguous_expand(heap, word, found); count > 0; count--)
			visit(heap, found[count - 1]);
	}
}

static void ambiguous_hold(struct gc_heap *heap, uintptr_t word)
{
	heap->ambiguous->held[gc_region_of(&heap->regions, (struct gc_haddr){word})] = 1;
}

static void ambiguous_hold_words(struct gc_heap *heap, const uintptr_t *low, const uintptr_t *high)
{
	ambiguous_each_region(heap, low, high, ambiguous_hold);
}

static const struct gc_stack_visit ambiguous_holding = {ambiguous_hold_words, NULL};

/* Before the plan. */
void gc_ambiguous_hold_parked(struct gc_heap *heap)
{
	if (!heap->ambiguous)
		return;
	memset(heap->ambiguous->held, 0, heap->regions.count);
	heap->world->scan_parked(heap, GC_PARKED_ALL, &ambiguous_holding);
}

bool gc_ambiguous_holds(const struct gc_heap *heap, uint32_t number)
{
	return heap->ambiguous && heap->ambiguous->held[number];
}

static void ambiguous_unchoose(struct gc_heap *heap, uintptr_t word)
{
	if (gc_heap_region_bits(heap, word) & GC_REGION_EVACUATED)
		heap->cycle.held_by_stacks += gc_unchoose_stw(
			heap, gc_region_of(&heap->regions, (struct gc_haddr){word}));
}

static void ambiguous_keep_stw(struct gc_heap *heap, const uintptr_t *low, const uintptr_t *high)
{
	ambiguous_each_region(heap, low, high, ambiguous_unchoose);
}

static const struct gc_stack_visit ambiguous_keeping = {ambiguous_keep_stw, NULL};

static void ambiguous_flip_one(struct gc_heap *heap, struct gc_mutator *mutator)
{
	heap->world->scan_stack(heap, mutator, &ambiguous_keeping);
}

void gc_ambiguous_flip_stw(struct gc_heap *heap)
{
	if (!heap->ambiguous)
		return;
	heap->world->each_mutator(heap, ambiguous_flip_one);
	heap->world->scan_parked(heap, GC_PARKED_UNHELD, &ambiguous_keeping);
}

/* [AM-4] */
static AMBIGUOUS_READS void ambiguous_forward_reference_stw(struct gc_heap *heap, uintptr_t *slot,
							    uintptr_t *const *derived,
							    uint32_t count)
{
	struct gc_value value = {*slot};
	uintptr_t object = gc_value_object(heap, value), moved;

	if (!object)
		return;
	moved = gc_heap_moved(heap, object);
	*slot = gc_value_moved(value, object, moved).bits;
	for (uint32_t i = 0; i < count; i++)
		*derived[i] += moved - object;
}

static const struct gc_stack_visit ambiguous_forwarding = {NULL, ambiguous_forward_reference_stw};

static void ambiguous_forward_one(struct gc_heap *heap, struct gc_mutator *mutator)
{
	heap->world->scan_stack(heap, mutator, &ambiguous_forwarding);
}

/* What is precise on native stacks. */
void gc_ambiguous_forward_stw(struct gc_heap *heap)
{
	if (!heap->ambiguous)
		return;
	heap->world->each_mutator(heap, ambiguous_forward_one);
	heap->world->scan_parked(heap, GC_PARKED_ANY, &ambiguous_forwarding);
}
