/* bench/gc_pause/work_index.h: `index`, an inverted index of real files: word -> files.
 *
 * Each thread owns a segment: every threads-th file, and a hash table of the words in them. It goes
 * through its files round after round; each is read again, its old postings are removed one by one
 * and its new ones added. Between these updates, by the update ratio, it looks words up in a
 * segment chosen at random. An operation is one posting removed, one added, or one query; reading and splitting a
 * file is left out of the measurement (it happens outside of the heap).
 *
 * In the heap: a segment is a reference array of buckets; a bucket chains terms; a term has its
 * word (a string) and a chain of postings, each for 64 consecutive files of the segment: a bit map,
 * and how often the word occurs in each. A document is a reference array of its terms.
 *
 * Queries take no lock on collected memory. Only a segment's owner changes it; postings never
 * change once published, they are replaced; every publication is one MEM_STORE (a release), read
 * with acquire loads; and what a reader has reached stays alive under it. A query has no safepoint
 * in it, so its references stay good. On malloc, locks (one for some of a segment's buckets) keep
 * readers off freed memory. */
#ifndef BENCH_GC_PAUSE_WORK_INDEX_H
#define BENCH_GC_PAUSE_WORK_INDEX_H

#include <string.h>

#include "bench/gc_pause/files.h"
#include "bench/gc_pause/work_thread.h"

#define INDEX_BLOCK 64 /* files per postings object */
#define INDEX_LOCKS 64 /* per segment; a power of two below the fewest buckets */

/* Acquire: pairs with the release in MEM_STORE, so that what the slot leads to is complete
 * [MO-PUBLISH]. */
#define INDEX_LOAD(slot) __atomic_load_n((slot), __ATOMIC_ACQUIRE)

struct index_string {
	struct plx_header header;
	char bytes[];
};

struct index_postings {
	struct plx_header header;
	struct index_postings *next; /* a later block */
	uint64_t block;
	uint64_t files;	   /* bit map */
	uint32_t counts[]; /* one for each bit set */
};

struct index_term {
	struct plx_header header;
	struct index_term *next;
	struct index_string *word;
	struct index_postings *postings;
	uint64_t hash;
};

struct index_array {
	struct plx_header header;
	void *slots[];
};

struct index_segment {
	mem_handle buckets;
	mem_handle documents;
	uint64_t mask;
	struct mem_lock locks[INDEX_LOCKS];
};

struct index_shared {
	mem_type array_type;
	mem_type string_type;
	mem_type postings_type;
	mem_type term_type;
	struct index_segment segments[];
};

struct index_part {
	struct index_segment *segment;
	struct words *words;
	uint64_t threshold;
	bool measuring;
};

static struct index_term **index_bucket(const struct index_segment *segment, uint64_t hash)
{
	struct index_array *buckets = segment->buckets->ref;

	return (struct index_term **)(void *)&buckets->slots[hash & segment->mask];
}

static struct mem_lock *index_lock(struct index_segment *segment, uint64_t hash)
{
	return &segment->locks[hash % INDEX_LOCKS];
}

static void index_prepare(struct work *work, struct mem *mem)
{
	static const size_t term_links[] = {8, 16, 24}, postings_links[] = {8};
	struct index_shared *shared =
		calloc(1, sizeof(*shared) + work->threads * sizeof(shared->segments[0]));

	(void)mem;
	if (shared == NULL)
		mem_die("out of memory");
	shared->array_type = mem_type_references(work);
	shared->string_type = mem_type_bytes(work);
	shared->postings_type = mem_type_trailing(work, sizeof(struct index_postings),
						  postings_links, 1, sizeof(uint32_t));
	shared->term_type = mem_type_fixed(work, sizeof(struct index_term), term_links, 3);
	work->shared = shared;
}

static bool index_same_word(const struct index_term *term, uint64_t hash, const char *text,
			    uint32_t length)
{
	const struct index_string *word = term->word;

	return term->hash == hash && plx_object_length(word) == length &&
	       memcmp(word->bytes, text, length) == 0;
}

/* No safepoint. */
static struct index_term *index_find(const struct index_segment *segment, uint64_t hash,
				     const char *text, uint32_t length)
{
	struct index_term *term = INDEX_LOAD(index_bucket(segment, hash));

	while (term != NULL && !index_same_word(term, hash, text, length))
		term = INDEX_LOAD(&term->next);
	return term;
}

/* The slot that refers to the postings of `block`, or to what would follow them. No safepoint. */
static struct index_postings **index_postings_slot(struct index_term *term, uint64_t block)
{
	struct index_postings **slot = &term->postings;

	while (*slot != NULL && (*slot)->block < block)
		slot = &(*slot)->next;
	return slot;
}

/* Replace the postings of file `number` under the held term: with `count` occurrences, or without
 * the file if `count` is 0. Readers see the old or the new ones, whole. A safepoint. */
static void index_post(struct worker *worker, struct mem *mem, mem_handle term, uint64_t number,
		       uint32_t count)
{
	const struct index_shared *shared = worker->work->shared;
	uint64_t block = number / INDEX_BLOCK, bit = UINT64_C(1) << (number % INDEX_BLOCK);
	struct index_postings **slot = index_postings_slot(term->ref, block), *old = *slot, *fresh;
	uint64_t files = old != NULL && old->block == block ? old->files : 0;
	unsigned from = 0, to = 0;

	files = count != 0 ? files | bit : files & ~bit;
	if (files == 0) {
		MEM_STORE(mem, slot, old->next);
		mem_free(mem, old);
		return;
	}
	fresh = mem_alloc_array(mem, shared->postings_type, (unsigned)__builtin_popcountll(files));
	slot = index_postings_slot(term->ref, block);
	old = *slot != NULL && (*slot)->block == block ? *slot : NULL;
	fresh->block = block;
	fresh->files = files;
	fresh->next = old != NULL ? old->next : *slot;
	for (uint64_t rest = files | (old != NULL ? old->files : 0); rest != 0; rest &= rest - 1) {
		uint64_t lowest = rest & -rest;
		uint32_t was = old != NULL && (old->files & lowest) != 0 ? old->counts[from++] : 0;

		if ((files & lowest) != 0)
			fresh->counts[to++] = lowest == bit ? count : was;
	}
	MEM_STORE(mem, slot, fresh);
	if (old != NULL)
		mem_free(mem, old);
}

/* Find the term, or make it. Returns it in a handle of the caller's scope. A safepoint. */
static mem_handle index_intern(struct worker *worker, struct mem *mem, const char *text,
			       const struct word *word)
{
	const struct index_shared *shared = worker->work->shared;
	const struct index_part *part = worker->own;
	struct index_term *term = index_find(part->segment, word->hash, text, word->length), **slot;
	struct index_string *string;
	mem_handle held;

	if (term != NULL)
		return mem_hold(mem, term);
	string = mem_alloc_array(mem, shared->string_type, word->length);
	memcpy(string->bytes, text, word->length);
	held = mem_hold(mem, string);
	term = mem_alloc(mem, shared->term_type);
	slot = index_bucket(part->segment, word->hash);
	term->word = held->ref;
	term->hash = word->hash;
	term->next = *slot;
	MEM_STORE(mem, slot, term);
	return mem_hold(mem, term);
}

/* Take a term without postings out of its bucket. No safepoint. */
static void index_drop_term(struct worker *worker, struct mem *mem, struct index_term *term)
{
	const struct index_part *part = worker->own;
	struct index_term **slot = index_bucket(part->segment, term->hash);

	while (*slot != term)
		slot = &(*slot)->next;
	MEM_STORE(mem, slot, term->next);
	mem_free(mem, term->word);
	mem_free(mem, term);
}

/* In how many files of some segment the word occurs. */
static void index_query(struct worker *worker, struct mem *mem, const char *text,
			const struct word *word)
{
	struct index_shared *shared = worker->work->shared;
	unsigned number = (unsigned)random_below(&worker->random, worker->work->threads);
	struct index_segment *segment = &shared->segments[number];
	const struct index_postings *postings = NULL;
	const struct index_term *term;
	uint64_t found = 0;

	mem_poll(mem);
	mem_lock_read(index_lock(segment, word->hash));
	term = index_find(segment, word->hash, text, word->length);
	if (term != NULL)
		postings = INDEX_LOAD(&term->postings);
	for (; postings != NULL; postings = INDEX_LOAD(&postings->next))
		found += (unsigned)__builtin_popcountll(postings->files);
	mem_unlock(index_lock(segment, word->hash));
	/* What another thread's segment holds at this moment is a matter of timing. */
	if (number == worker->number)
		worker->checksum += found * (word->hash | 1);
}

/* An update has been made: count it, and query as the update ratio says. False: end of run. */
static bool index_step(struct worker *worker, struct mem *mem)
{
	const struct index_part *part = worker->own;
	const struct words *words = part->words;

	if (!part->measuring)
		return true;
	if (!recorder_step(worker->recorder))
		return false;
	while (words->count > 0 && !random_chance(&worker->random, part->threshold)) {
		const struct word *word =
			&words->words[random_below(&worker->random, words->count)];

		index_query(worker, mem, words->text + word->offset, word);
		if (!recorder_step(worker->recorder))
			return false;
	}
	return true;
}

static struct index_array **index_document_slot(const struct index_part *part, uint64_t number)
{
	struct index_array *documents = part->segment->documents->ref;

	return (struct index_array **)(void *)&documents->slots[number];
}

static bool index_remove_file(struct worker *worker, struct mem *mem, uint64_t number)
{
	const struct index_part *part = worker->own;
	struct index_array *document = *index_document_slot(part, number);
	uint64_t length = document == NULL ? 0 : plx_object_length(document);
	mem_scope scope;

	for (uint64_t i = 0; i < length; i++) {
		struct mem_lock *lock;
		mem_handle term;

		mem_scope_enter(mem, &scope);
		mem_poll(mem);
		document = *index_document_slot(part, number);
		term = mem_hold(mem, document->slots[i]);
		lock = index_lock(part->segment, ((struct index_term *)term->ref)->hash);
		mem_lock_write(lock);
		index_post(worker, mem, term, number, 0);
		if (((struct index_term *)term->ref)->postings == NULL)
			index_drop_term(worker, mem, term->ref);
		mem_unlock(lock);
		mem_scope_exit(mem, &scope);
		if (!index_step(worker, mem))
			return false;
	}
	document = *index_document_slot(part, number);
	MEM_STORE(mem, index_document_slot(part, number), NULL);
	mem_free(mem, document);
	return true;
}

static bool index_add_file(struct worker *worker, struct mem *mem, uint64_t number)
{
	const struct index_shared *shared = worker->work->shared;
	const struct index_part *part = worker->own;
	const struct words *words = part->words;
	mem_scope scope, inner;
	mem_handle document;
	bool more = true;

	mem_scope_enter(mem, &scope);
	document = mem_hold(mem, mem_alloc_array(mem, shared->array_type, words->count));
	for (uint32_t i = 0; i < words->count && more; i++) {
		const struct word *word = &words->words[i];
		mem_handle term;

		mem_scope_enter(mem, &inner);
		mem_lock_write(index_lock(part->segment, word->hash));
		term = index_intern(worker, mem, words->text + word->offset, word);
		index_post(worker, mem, term, number, word->count);
		mem_unlock(index_lock(part->segment, word->hash));
		MEM_STORE(mem, &((struct index_array *)document->ref)->slots[i], term->ref);
		mem_scope_exit(mem, &inner);
		more = index_step(worker, mem);
	}
	MEM_STORE(mem, index_document_slot(part, number), document->ref);
	mem_scope_exit(mem, &scope);
	return more;
}

/* Go through all files once. The clock starts again before the thread returns to the heap, so that
 * a pause it meets there is not lost to the measurement. */
static bool index_round(struct worker *worker, struct mem *mem)
{
	const struct index_part *part = worker->own;
	const struct word_files *files = worker->work->files;

	for (uint32_t f = worker->number; f < files->count; f += worker->work->threads) {
		uint64_t number = f / worker->work->threads;

		mem_block_enter(mem);
		words_read(part->words, files->paths[f]);
		if (part->measuring)
			recorder_resume(worker->recorder);
		mem_block_exit(mem);
		if (!index_remove_file(worker, mem, number) || !index_add_file(worker, mem, number))
			return false;
	}
	return true;
}

static void index_setup(struct worker *worker, struct mem *mem)
{
	struct index_shared *shared = worker->work->shared;
	struct index_segment *segment = &shared->segments[worker->number];
	const struct word_files *files = worker->work->files;
	struct index_part *part = calloc(1, sizeof(*part));
	uint64_t buckets = 1024;

	if (part == NULL)
		mem_die("out of memory");
	part->words = words_create(files->largest_bytes);
	if (part->words == NULL)
		mem_die("out of memory");
	while (buckets < files->bytes / worker->work->threads / 256)
		buckets *= 2;
	segment->mask = buckets - 1;
	segment->buckets = mem_root(mem, mem_alloc_array(mem, shared->array_type, buckets));
	segment->documents =
		mem_root(mem, mem_alloc_array(mem, shared->array_type,
					      files->count / worker->work->threads + 1));
	for (unsigned l = 0; l < INDEX_LOCKS; l++)
		mem_lock_init(&segment->locks[l]);
	part->segment = segment;
	part->threshold = work_update_threshold(worker->work);
	worker->own = part;
	index_round(worker, mem);
	part->measuring = true;
}

/* A thread whose files hold no word at all (or that has no file) has nothing to do. */
static void index_operate(struct worker *worker, struct mem *mem)
{
	uint64_t before;

	do {
		before = worker->recorder->operations.count;
	} while (index_round(worker, mem) && worker->recorder->operations.count > before);
}

/* Add up the index as it is: which word occurs where and how often, in no particular order. */
static void index_finish_term(struct worker *worker, const struct index_term *term)
{
	const struct index_postings *postings = term->postings;
	uint64_t number, before = 0;

	worker->live_bytes += sizeof(*term) + sizeof(*term->word) + plx_object_length(term->word);
	if (postings == NULL)
		worker->wrong++;
	for (; postings != NULL; postings = postings->next) {
		const uint32_t *counts = postings->counts;

		if ((uint64_t)__builtin_popcountll(postings->files) !=
			    plx_object_length(postings) ||
		    (before != 0 && postings->block < before))
			worker->wrong++;
		before = postings->block + 1;
		worker->live_bytes += sizeof(*postings) + plx_object_length(postings) * 4;
		for (uint64_t rest = postings->files; rest != 0; rest &= rest - 1) {
			number = postings->block * INDEX_BLOCK + (unsigned)__builtin_ctzll(rest);
			worker->checksum += random_mix(term->hash ^ number << 20 ^ *counts++);
		}
	}
}

static void index_finish(struct worker *worker, struct mem *mem)
{
	struct index_part *part = worker->own;
	uint64_t documents = plx_object_length(part->segment->documents->ref);

	part->measuring = false;
	for (uint64_t b = 0; b <= part->segment->mask; b++) {
		const struct index_term *term;

		for (term = *index_bucket(part->segment, b); term != NULL; term = term->next)
			index_finish_term(worker, term);
		mem_poll(mem);
	}
	for (uint64_t d = 0; d < documents; d++) {
		const struct index_array *document = *index_document_slot(part, d);

		if (document != NULL)
			worker->live_bytes += sizeof(*document) + plx_object_length(document) * 8;
	}
}

WORK_DEFINE(index, false)

#endif
