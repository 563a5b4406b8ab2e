/* bench/guard/guard.c: what the guard counts instructions of: the paths that everything depends on,
 * each repeated so often that what surrounds it does not matter. Run by guard.sh under callgrind.
 *
 * Each part stands between guard_begin and guard_end, where callgrind starts and ends a dump, and
 * says on standard output what the dump is for:
 *
 *	METRIC UNITS FUNCTION[+FUNCTION] [WITHOUT]
 *
 * instructions of FUNCTION with all it calls, less those of WITHOUT, by UNITS. (Marking follows each
 * root page at once, so hardly anything is left to gc_mark_drain.) With --compiler it only names what
 * it was compiled by, for the baseline.
 *
 * Nothing here depends on time or chance: one mutator, one worker, plan stw, and cycles only when asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <parallax/parallax.h>

#include "gc/base/atomic.h"
#include "gc/heap/heap.h"

#define OBJECTS 20000
#define SLOTS 200000
#define SLOTS_A_PAGE 512
#define FEW 64

struct cell {
	struct plx_header header;
	struct cell *next;
	uint64_t payload[6];
};

struct guard {
	struct plx_heap *heap;
	struct plx_thread *thread;
	const struct plx_layout *cells, *references;
	struct plx_handle *root;
};

void guard_begin(void);
void guard_end(void);
void guard_alloc(struct guard *guard);
void guard_store(struct guard *guard, struct cell *cell, struct cell *value);
void guard_poll(struct guard *guard);

/* Empty, and never inlined: callgrind knows them by name. */
__attribute__((noinline)) void guard_begin(void)
{
	__asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void guard_end(void)
{
	__asm__ volatile("" ::: "memory");
}

static void guard_require(bool works, const char *message)
{
	if (works)
		return;
	fprintf(stderr, "guard: %s\n", message);
	exit(1);
}

static void guard_open(struct guard *guard, const char *evacuate)
{
	struct plx_heap_config config;
	struct plx_error error = {PLX_OK, ""};

	plx_config_init(&config);
	guard_require(plx_config_set(&config, "GC_PLAN", "stw", &error) == PLX_OK &&
			      plx_config_set(&config, "GC_WORKERS", "1", &error) == PLX_OK &&
			      plx_config_set(&config, "GC_HEAP_MAX", "32M", &error) == PLX_OK &&
			      plx_config_set(&config, "GC_COMPACT_BUDGET", "100", &error) ==
				      PLX_OK &&
			      plx_config_set(&config, "GC_EVACUATE", evacuate, &error) == PLX_OK &&
			      plx_heap_create(&config, &guard->heap, &error) == PLX_OK &&
			      plx_thread_attach(guard->heap, &guard->thread, &error) == PLX_OK,
		      error.message);
	/* Pacing goes by time. Relaxed: only this thread allocates. */
	gc_store_relaxed(&((struct gc_heap *)guard->heap)->trigger_regions, UINT32_MAX);
	guard->cells = plx_layout_fixed(guard->heap, sizeof(struct cell),
					(size_t[]){offsetof(struct cell, next)}, 1, NULL);
	guard->references = plx_layout_references(guard->heap, NULL);
	guard->root = plx_handle_create(guard->thread, NULL);
	guard_require(guard->cells != NULL && guard->references != NULL && guard->root != NULL,
		      "no memory");
}

static void guard_close(struct guard *guard)
{
	plx_thread_detach(guard->thread);
	guard_require(plx_heap_destroy(guard->heap) == PLX_OK, "the heap could not be destroyed");
}

static struct cell *guard_cell(struct guard *guard)
{
	struct cell *cell = plx_alloc(guard->thread, guard->cells);

	guard_require(cell != NULL, "the heap is exhausted");
	return cell;
}

static void *guard_array(struct guard *guard, uint64_t length)
{
	void *array = plx_alloc_array(guard->thread, guard->references, length);

	guard_require(array != NULL, "the heap is exhausted");
	return array;
}

__attribute__((noinline)) void guard_alloc(struct guard *guard)
{
	for (int i = 0; i < OBJECTS; i++)
		((struct cell *)plx_alloc(guard->thread, guard->cells))->next = NULL;
}

/* The new value is the old one, so that each turn is like the one before. */
__attribute__((noinline)) void guard_store(struct guard *guard, struct cell *cell,
					   struct cell *value)
{
	for (int i = 0; i < OBJECTS; i++)
		PLX_STORE(guard->thread, &cell->next, value);
}

__attribute__((noinline)) void guard_poll(struct guard *guard)
{
	for (int i = 0; i < OBJECTS; i++)
		plx_poll(guard->thread);
}

static void part_mutator(void)
{
	struct guard guard;
	struct cell *cell, *value;

	guard_open(&guard, "none");
	guard_begin();
	guard_alloc(&guard);
	guard_end();
	printf("alloc %d guard_alloc plx_alloc_slow\n", OBJECTS);
	cell = guard_cell(&guard);
	plx_handle_set(guard.thread, guard.root, cell);
	value = guard_cell(&guard);
	cell = guard.root->ref;
	cell->next = value; /* no safepoint from here on */
	guard_begin();
	guard_store(&guard, cell, value);
	guard_end();
	printf("store_idle %d guard_store\n", OBJECTS);
	/* What the start of marking does to a mutator; the log grows and dies with the heap. */
	guard.thread->barrier = GC_BARRIER_LOG;
	guard_begin();
	guard_store(&guard, cell, value);
	guard_end();
	guard.thread->barrier = 0;
	printf("store_marking %d guard_store\n", OBJECTS);
	guard_begin();
	guard_poll(&guard);
	guard_end();
	printf("poll %d guard_poll\n", OBJECTS);
	guard_close(&guard);
}

/* One measured cycle. */
static void guard_collect(struct guard *guard, bool moves)
{
	struct plx_stats before, after;

	plx_heap_stats(guard->heap, &before);
	guard_begin();
	plx_collect(guard->thread);
	guard_end();
	plx_heap_stats(guard->heap, &after);
	guard_require(after.cycles == before.cycles + 1 &&
			      (after.evacuated_bytes > before.evacuated_bytes) == moves,
		      "it was not the cycle that was wanted");
}

/* A table of cells, all alive; every second cell allocated is garbage, so that moving pays. */
static void guard_table_of_cells(struct guard *guard)
{
	plx_handle_set(guard->thread, guard->root, guard_array(guard, OBJECTS));
	for (uint64_t i = 0; i < OBJECTS; i++) {
		struct cell *cell = guard_cell(guard);
		void **table = guard->root->ref;

		plx_store(guard->thread, &table[1 + i], cell);
		guard_cell(guard);
	}
}

static void part_mark(void)
{
	struct guard guard;

	guard_open(&guard, "none");
	guard_table_of_cells(&guard);
	guard_collect(&guard, false);
	printf("mark_object %d gc_mark_root_pages+gc_mark_drain\n", OBJECTS);
	guard_close(&guard);
}

static void part_evacuate(void)
{
	struct guard guard;

	guard_open(&guard, "all");
	guard_table_of_cells(&guard);
	guard_collect(&guard, true);
	printf("evacuate_object %d gc_move_stw\n", OBJECTS);
	guard_close(&guard);
}

/* An array that stays, of which every `step`th slot refers to one of a few cells that move. */
static void part_update(const char *mark, const char *update, uint64_t step, uint64_t units)
{
	struct guard guard;
	struct plx_handle *few;

	guard_open(&guard, "all");
	plx_handle_set(guard.thread, guard.root, guard_array(&guard, SLOTS));
	few = plx_handle_create(guard.thread, guard_array(&guard, FEW));
	guard_require(few != NULL, "no memory");
	for (uint64_t i = 0; i < FEW; i++) {
		struct cell *cell = guard_cell(&guard);

		plx_store(guard.thread, (void **)few->ref + 1 + i, cell);
		guard_cell(&guard);
	}
	for (int i = 0; i < OBJECTS; i++)
		guard_cell(&guard); /* fills the region that the few are in */
	for (uint64_t i = 0; i < SLOTS; i += step) {
		void **array = guard.root->ref, **table = few->ref;

		plx_store(guard.thread, &array[1 + i], table[1 + i / step % FEW]);
	}
	guard_collect(&guard, true);
	if (mark != NULL)
		printf("%s %llu gc_mark_root_pages+gc_mark_drain\n", mark,
		       (unsigned long long)units);
	else
		printf("%s %llu gc_move_stw\n", update, (unsigned long long)units);
	guard_close(&guard);
}

#ifdef __clang__
#define COMPILER "clang-%d-%s\n", __clang_major__
#else
#define COMPILER "gcc-%d-%s\n", __GNUC__
#endif
#ifdef __x86_64__
#define MACHINE "x86_64"
#else
#define MACHINE "other"
#endif

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--compiler") == 0) {
		printf(COMPILER, MACHINE);
		return 0;
	}
	part_mutator();
	part_mark();
	part_update("mark_slot", NULL, 1, SLOTS);
	part_update(NULL, "update_slot", 1, SLOTS);
	part_update(NULL, "update_page", SLOTS_A_PAGE, (SLOTS + SLOTS_A_PAGE - 1) / SLOTS_A_PAGE);
	part_evacuate();
	return 0;
}
