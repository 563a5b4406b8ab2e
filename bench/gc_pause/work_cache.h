/* bench/gc_pause/work_cache.h: `cache`, a table of live entries under steady replacement.
 *
 * Each thread owns a stretch of the table. Slot i's entry links to the entries `step[0]` and
 * `step[1]` slots further on, wrapping round in the stretch. An operation picks a random slot;
 * with the update ratio's probability it replaces the entry, which costs three temporary objects
 * and three stores into old objects (the table and the two entries that link here, so that the
 * number of live entries stays what it is); else it follows four links and sums the payloads. */
#ifndef BENCH_GC_PAUSE_WORK_CACHE_H
#define BENCH_GC_PAUSE_WORK_CACHE_H

#include "bench/gc_pause/work_thread.h"

#define CACHE_PAYLOAD_MIN 16
#define CACHE_PAYLOAD_MAX 256
#define CACHE_CHASE 4

struct cache_entry {
	struct plx_header header;
	struct cache_entry *link[2];
	/* The payload: the slot, the seed of all that follows, and words made from the seed. */
	uint64_t payload[];
};

struct cache_temporary {
	struct plx_header header;
	struct cache_temporary *next;
	uint64_t value;
};

struct cache_table {
	struct plx_header header;
	struct cache_entry *slots[];
};

struct cache_shared {
	mem_type entry_type;
	mem_type temporary_type;
	mem_handle table;
	uint64_t entries;
};

struct cache_part {
	uint64_t begin;
	uint64_t count;
	uint64_t step[2];
};

static struct cache_table *cache_table(const struct worker *worker)
{
	return ((struct cache_shared *)worker->work->shared)->table->ref;
}

static void cache_prepare(struct work *work, struct mem *mem)
{
	static const size_t entry_links[] = {8, 16}, temporary_links[] = {8};
	size_t average_bytes = sizeof(struct cache_entry) + sizeof(void *) +
			       (CACHE_PAYLOAD_MIN + CACHE_PAYLOAD_MAX) / 2;
	struct cache_shared *shared = calloc(1, sizeof(*shared));
	mem_type table_type = mem_type_references(work);

	if (shared == NULL)
		mem_die("out of memory");
	shared->entry_type = mem_type_trailing(work, sizeof(struct cache_entry), entry_links, 2, 1);
	shared->temporary_type =
		mem_type_fixed(work, sizeof(struct cache_temporary), temporary_links, 1);
	shared->entries = work->options->live_bytes / average_bytes;
	if (shared->entries < 4 * work->threads)
		mem_die("--live is too small for so many threads");
	if (shared->entries > UINT32_MAX)
		mem_die("--live is too large: at most 2^32 entries");
	shared->table = mem_root(mem, mem_alloc_array(mem, table_type, shared->entries));
	work->shared = shared;
}

/* A fresh entry; its links are still NULL. A safepoint. */
static struct cache_entry *cache_entry_make(struct worker *worker, struct mem *mem, uint64_t slot,
					    uint64_t seed)
{
	const struct cache_shared *shared = worker->work->shared;
	uint64_t words =
		CACHE_PAYLOAD_MIN / 8 + seed % ((CACHE_PAYLOAD_MAX - CACHE_PAYLOAD_MIN) / 8 + 1);
	struct cache_entry *entry = mem_alloc_array(mem, shared->entry_type, words * 8);

	entry->payload[0] = slot;
	entry->payload[1] = seed;
	for (uint64_t i = 2; i < words; i++)
		entry->payload[i] = random_mix(seed + i);
	return entry;
}

static uint64_t cache_entry_sum(const struct cache_entry *entry)
{
	uint64_t words = plx_object_length(entry) / 8, sum = 0;

	for (uint64_t i = 0; i < words; i++)
		sum += entry->payload[i];
	return sum;
}

static uint64_t cache_wrap(const struct cache_part *part, uint64_t index)
{
	return index < part->count ? index : index - part->count;
}

/* Put a fresh entry into its place: link it up, then let the table and its neighbours see it. No
 * safepoint. */
static void cache_entry_publish(struct worker *worker, struct mem *mem, struct cache_entry *fresh,
				uint64_t index)
{
	const struct cache_part *part = worker->own;
	struct cache_entry **slots = cache_table(worker)->slots + part->begin;

	for (unsigned l = 0; l < 2; l++)
		fresh->link[l] = slots[cache_wrap(part, index + part->step[l])];
	for (unsigned l = 0; l < 2; l++) {
		uint64_t from = cache_wrap(part, index + part->count - part->step[l]);

		MEM_STORE(mem, &slots[from]->link[l], fresh);
	}
	MEM_STORE(mem, &slots[index], fresh);
}

static void cache_setup(struct worker *worker, struct mem *mem)
{
	const struct cache_shared *shared = worker->work->shared;
	struct cache_part *part = calloc(1, sizeof(*part));

	if (part == NULL)
		mem_die("out of memory");
	worker->own = part;
	part->begin = work_part_begin(shared->entries, worker->work->threads, worker->number);
	part->count = work_part_begin(shared->entries, worker->work->threads, worker->number + 1) -
		      part->begin;
	part->step[0] = 1 + random_below(&worker->random, part->count - 1);
	part->step[1] = 1 + random_below(&worker->random, part->count - 1);
	for (uint64_t i = 0; i < part->count; i++) {
		struct cache_entry *entry = cache_entry_make(worker, mem, part->begin + i,
							     random_next(&worker->random));

		MEM_STORE(mem, &cache_table(worker)->slots[part->begin + i], entry);
	}
	for (uint64_t i = 0; i < part->count; i++) {
		struct cache_entry **slots = cache_table(worker)->slots + part->begin;

		for (unsigned l = 0; l < 2; l++)
			MEM_STORE(mem, &slots[i]->link[l],
				  slots[cache_wrap(part, i + part->step[l])]);
		mem_poll(mem);
	}
}

/* Three temporary objects, linked; what they hold becomes the new entry's seed. */
static uint64_t cache_temporaries(struct worker *worker, struct mem *mem)
{
	const struct cache_shared *shared = worker->work->shared;
	struct cache_temporary *temporary, *next;
	mem_handle last;
	mem_scope scope;
	uint64_t seed = 0;

	mem_scope_enter(mem, &scope);
	last = mem_hold(mem, NULL);
	for (unsigned i = 0; i < 3; i++) {
		temporary = mem_alloc(mem, shared->temporary_type);
		temporary->next = last->ref;
		temporary->value = random_next(&worker->random);
		last = mem_hold(mem, temporary);
	}
	for (temporary = last->ref; temporary != NULL; temporary = next) {
		next = temporary->next;
		seed = random_mix(seed ^ temporary->value);
		mem_free(mem, temporary);
	}
	mem_scope_exit(mem, &scope);
	return seed;
}

static void cache_replace(struct worker *worker, struct mem *mem, uint64_t index)
{
	const struct cache_part *part = worker->own;
	uint64_t seed = cache_temporaries(worker, mem);
	struct cache_entry *fresh = cache_entry_make(worker, mem, part->begin + index, seed);
	struct cache_entry *old = cache_table(worker)->slots[part->begin + index];

	worker->checksum += seed ^ old->payload[1];
	cache_entry_publish(worker, mem, fresh, index);
	mem_free(mem, old);
}

static void cache_chase(struct worker *worker, uint64_t index)
{
	const struct cache_part *part = worker->own;
	const struct cache_entry *entry = cache_table(worker)->slots[part->begin + index];
	uint64_t sum = 0;

	for (unsigned i = 0; i < CACHE_CHASE; i++) {
		unsigned l = entry->payload[1] >> i & 1;

		sum = sum * 31 + cache_entry_sum(entry);
		index = cache_wrap(part, index + part->step[l]);
		entry = entry->link[l];
		if (PLX_UNLIKELY(entry->payload[0] != part->begin + index)) {
			worker->wrong++;
			return;
		}
	}
	worker->checksum += sum;
}

static void cache_operate(struct worker *worker, struct mem *mem)
{
	const struct cache_part *part = worker->own;
	uint64_t threshold = work_update_threshold(worker->work);

	do {
		uint64_t index = random_below(&worker->random, part->count);

		mem_poll(mem);
		if (random_chance(&worker->random, threshold))
			cache_replace(worker, mem, index);
		else
			cache_chase(worker, index);
	} while (recorder_step(worker->recorder));
}

/* Every entry still holds what its seed says, and links where it should. */
static void cache_finish(struct worker *worker, struct mem *mem)
{
	const struct cache_part *part = worker->own;

	for (uint64_t i = 0; i < part->count; i++) {
		struct cache_entry **slots = cache_table(worker)->slots + part->begin;
		const struct cache_entry *entry = slots[i];
		uint64_t words = plx_object_length(entry) / 8;

		worker->live_bytes += sizeof(*entry) + words * 8 + sizeof(void *);
		if (entry->payload[0] != part->begin + i)
			worker->wrong++;
		for (uint64_t w = 2; w < words; w++)
			if (entry->payload[w] != random_mix(entry->payload[1] + w))
				worker->wrong++;
		for (unsigned l = 0; l < 2; l++)
			if (entry->link[l] != slots[cache_wrap(part, i + part->step[l])])
				worker->wrong++;
		worker->checksum += random_mix(entry->payload[1] + i);
		mem_poll(mem);
	}
}

WORK_DEFINE(cache, false)

#endif
