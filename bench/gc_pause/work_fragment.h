/* bench/gc_pause/work_fragment.h: `fragment`, what holes cost.
 *
 * A round: each thread fills its slots with objects of mixed sizes; drops three quarters of them,
 * chosen at random; then fills the empty slots with objects of a larger size class until it holds
 * as many bytes as before. Memory that cannot move keeps a page for each surviving object. What the
 * process has resident is read when full, after the drop (and a collection and plx_heap_trim, or malloc_trim), and
 * after the larger objects. An operation is one allocation. Rounds are always completed. */
#ifndef BENCH_GC_PAUSE_WORK_FRAGMENT_H
#define BENCH_GC_PAUSE_WORK_FRAGMENT_H

#include "bench/gc_pause/monitor.h"
#include "bench/gc_pause/work_thread.h"

#define FRAGMENT_SMALL_WORDS 64	 /* payload: 1 to 64 words */
#define FRAGMENT_LARGE_WORDS 128 /* payload: 128 to 255 words */

struct fragment_object {
	struct plx_header header;
	struct fragment_object *link; /* to itself: a reference that moves with it */
	uint64_t words[];	      /* the seed, then words made from it */
};

struct fragment_table {
	struct plx_header header;
	struct fragment_object *slots[];
};

struct fragment_shared {
	mem_type table_type;
	mem_type object_type;
};

struct fragment_part {
	mem_handle table;
	uint64_t slots;
};

static void fragment_prepare(struct work *work, struct mem *mem)
{
	static const size_t links[] = {8};
	struct fragment_shared *shared = calloc(1, sizeof(*shared));

	(void)mem;
	if (shared == NULL)
		mem_die("out of memory");
	shared->table_type = mem_type_references(work);
	shared->object_type = mem_type_trailing(work, sizeof(struct fragment_object), links, 1, 8);
	work->shared = shared;
}

static void fragment_setup(struct worker *worker, struct mem *mem)
{
	const struct fragment_shared *shared = worker->work->shared;
	struct fragment_part *part = calloc(1, sizeof(*part));
	size_t average_bytes = sizeof(struct fragment_object) + 8 + FRAGMENT_SMALL_WORDS / 2 * 8;

	if (part == NULL)
		mem_die("out of memory");
	part->slots = worker->work->options->live_bytes / worker->work->threads / average_bytes;
	part->table = mem_root(mem, mem_alloc_array(mem, shared->table_type, part->slots));
	worker->own = part;
}

static struct fragment_object **fragment_slot(const struct worker *worker, uint64_t i)
{
	const struct fragment_part *part = worker->own;

	return &((struct fragment_table *)part->table->ref)->slots[i];
}

static uint64_t fragment_bytes(const struct fragment_object *object)
{
	return sizeof(*object) + plx_object_length(object) * 8;
}

/* Make an object in an empty slot. Returns its size. */
static uint64_t fragment_make(struct worker *worker, struct mem *mem, uint64_t i, uint64_t words)
{
	const struct fragment_shared *shared = worker->work->shared;
	struct fragment_object *object = mem_alloc_array(mem, shared->object_type, words);
	uint64_t seed = random_next(&worker->random);

	for (uint64_t w = 0; w < words; w++)
		object->words[w] = w == 0 ? seed : random_mix(seed + w);
	object->link = object;
	MEM_STORE(mem, fragment_slot(worker, i), object);
	/* The round's end is the deadline's only place: what this returns does not matter. */
	(void)recorder_step(worker->recorder);
	return fragment_bytes(object);
}

static void fragment_drop(struct worker *worker, struct mem *mem, uint64_t i)
{
	struct fragment_object *object = *fragment_slot(worker, i);

	if (object == NULL)
		return;
	MEM_STORE(mem, fragment_slot(worker, i), NULL);
	mem_free(mem, object);
}

/* Verify an object and add it to the checksum. */
static void fragment_check(struct worker *worker, uint64_t i)
{
	const struct fragment_object *object = *fragment_slot(worker, i);

	if (object == NULL)
		return;
	if (object->link != object)
		worker->wrong++;
	for (uint64_t w = 1; w < plx_object_length(object); w++)
		if (object->words[w] != random_mix(object->words[0] + w))
			worker->wrong++;
	worker->checksum += random_mix(object->words[0] + i);
}

static void fragment_note_full(struct work *work)
{
	work->fragment.full_bytes = monitor_resident_bytes();
}

static void fragment_note_before(struct work *work)
{
	work->fragment.before_bytes = monitor_resident_bytes();
}

static void fragment_note_after(struct work *work)
{
	work->fragment.after_bytes = monitor_resident_bytes();
}

/* Steps that all threads have to reach, outside of any operation. */
static void fragment_note(struct worker *worker, struct mem *mem, void (*note)(struct work *work))
{
	work_alone(worker, mem, note);
	recorder_resume(worker->recorder);
}

static void fragment_collect(struct worker *worker, struct mem *mem)
{
	work_wait(worker, mem);
	if (worker->number == 0)
		mem_collect(mem);
	work_wait(worker, mem);
}

static void fragment_round(struct worker *worker, struct mem *mem)
{
	const struct fragment_part *part = worker->own;
	uint64_t full_bytes = 0, held_bytes;

	for (uint64_t i = 0; i < part->slots; i++) {
		fragment_drop(worker, mem, i);
		full_bytes += fragment_make(
			worker, mem, i, 1 + random_below(&worker->random, FRAGMENT_SMALL_WORDS));
	}
	fragment_note(worker, mem, fragment_note_full);
	held_bytes = full_bytes;
	for (uint64_t i = 0; i < part->slots; i++) {
		if (random_below(&worker->random, 4) == 0)
			continue;
		held_bytes -= fragment_bytes(*fragment_slot(worker, i));
		fragment_drop(worker, mem, i);
		mem_poll(mem);
	}
	fragment_collect(worker, mem);
	fragment_note(worker, mem, fragment_note_before);
	for (uint64_t i = 0; i < part->slots && held_bytes < full_bytes; i++) {
		if (*fragment_slot(worker, i) != NULL)
			continue;
		held_bytes += fragment_make(
			worker, mem, i,
			FRAGMENT_LARGE_WORDS + random_below(&worker->random, FRAGMENT_LARGE_WORDS));
	}
	fragment_note(worker, mem, fragment_note_after);
}

static bool fragment_more(const struct worker *worker)
{
	const struct recorder *recorder = worker->recorder;

	return recorder->operations.count < recorder->operations_target &&
	       recorder->last_ns < recorder->deadline_ns;
}

/* Thread 0 decides for all, since rounds have barriers in them. */
static void fragment_operate(struct worker *worker, struct mem *mem)
{
	struct work *work = worker->work;
	bool more;

	do {
		fragment_round(worker, mem);
		if (worker->number == 0)
			work->more = fragment_more(worker);
		work_wait(worker, mem);
		more = work->more;
		work_wait(worker, mem);
		recorder_resume(worker->recorder);
	} while (more);
}

static void fragment_finish(struct worker *worker, struct mem *mem)
{
	const struct fragment_part *part = worker->own;

	for (uint64_t i = 0; i < part->slots; i++) {
		const struct fragment_object *object = *fragment_slot(worker, i);

		if (object != NULL)
			worker->live_bytes += fragment_bytes(object);
		fragment_check(worker, i);
		mem_poll(mem);
	}
}

WORK_DEFINE(fragment, true)

#endif
