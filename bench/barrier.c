/* bench/barrier.c: what the mutator's inline paths cost, one thread, nothing else running.
 *
 *   plain store      a reference store without a barrier: the floor
 *   PLX_STORE        the same with the barrier, while no cycle runs
 *   plx_poll         a safepoint poll
 *   bump a pointer   through a cleared buffer: the floor of the next
 *   plx_alloc 32     an object of 32 bytes, refills and collections included
 *   malloc/free 32   the same size from the process's allocator
 *
 * Prints the least, the median and the greatest time per operation over the rounds, in
 * nanoseconds. Options come from the environment (GC_*). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <parallax/parallax.h>

#define ROUNDS 21
#define BUMP_BYTES 65536
#define TARGETS 1024 /* objects stored into: 32 KiB, so that the cache does not decide */
#define OPERATIONS (UINT64_C(1) << 20)

struct cell {
	struct plx_header header;
	struct cell *first;
	struct cell *second;
	uint64_t value;
};

struct table {
	struct plx_header header;
	struct cell *cells[];
};

struct bench {
	struct plx_thread *thread;
	const struct plx_layout *cell_layout;
	struct plx_handle *table;
};

typedef void (*bench_body)(struct bench *bench);

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void check(bool works, const char *message)
{
	if (works)
		return;
	fprintf(stderr, "barrier: %s\n", message);
	exit(1);
}

/* No safepoint in these two loops: the references stay good. */
static void body_plain_store(struct bench *bench)
{
	struct table *table = bench->table->ref;

	for (uint64_t i = 0; i < OPERATIONS; i++) {
		struct cell *cell = table->cells[i % TARGETS];

		/* Release, as in the barrier, so that the difference is the barrier alone. */
		__atomic_store_n(&cell->first, table->cells[(i + 7) % TARGETS], __ATOMIC_RELEASE);
	}
}

static void body_barrier_store(struct bench *bench)
{
	struct table *table = bench->table->ref;

	for (uint64_t i = 0; i < OPERATIONS; i++) {
		struct cell *cell = table->cells[i % TARGETS];

		PLX_STORE(bench->thread, &cell->first, table->cells[(i + 7) % TARGETS]);
	}
}

static void body_poll(struct bench *bench)
{
	for (uint64_t i = 0; i < OPERATIONS; i++)
		plx_poll(bench->thread);
}

static void body_alloc(struct bench *bench)
{
	for (uint64_t i = 0; i < OPERATIONS; i++) {
		struct cell *cell = plx_alloc(bench->thread, bench->cell_layout);

		check(cell != NULL, "the heap is exhausted");
		cell->value = i;
	}
}

/* What plx_alloc adds to: bumping a pointer through a buffer that is cleared as TLABs are. */
static void body_bump(struct bench *bench)
{
	static char buffer[BUMP_BYTES] __attribute__((aligned(64)));
	char *top = buffer + BUMP_BYTES;

	for (uint64_t i = 0; i < OPERATIONS; i++) {
		struct cell *cell;

		if (PLX_UNLIKELY(sizeof(*cell) > (size_t)(buffer + BUMP_BYTES - top)))
			top = memset(buffer, 0, BUMP_BYTES);
		cell = (struct cell *)(void *)top;
		top += sizeof(*cell);
		cell->header.word = bench->cell_layout->header;
		cell->value = i;
		__asm__ volatile("" ::"r"(cell) : "memory");
	}
}

static void body_malloc(struct bench *bench)
{
	(void)bench;
	for (uint64_t i = 0; i < OPERATIONS; i++) {
		struct cell *volatile cell = malloc(sizeof(struct cell));

		check(cell != NULL, "out of memory");
		cell->value = i;
		free(cell);
	}
}

static int compare_real(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void measure(struct bench *bench, const char *name, bench_body body)
{
	double times[ROUNDS];

	body(bench);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start_ns = clock_ns();

		body(bench);
		times[round] = (double)(clock_ns() - start_ns) / (double)OPERATIONS;
		plx_poll(bench->thread);
	}
	qsort(times, ROUNDS, sizeof(times[0]), compare_real);
	printf("%-16s %8.2f %8.2f %8.2f\n", name, times[0], times[ROUNDS / 2], times[ROUNDS - 1]);
}

static void bench_setup(struct bench *bench, struct plx_heap *heap)
{
	static const size_t links[] = {offsetof(struct cell, first), offsetof(struct cell, second)};
	const struct plx_layout *table_layout;
	struct plx_error error;
	void *table;

	check(plx_thread_attach(heap, &bench->thread, &error) == PLX_OK, error.message);
	bench->cell_layout = plx_layout_fixed(heap, sizeof(struct cell), links, 2, &error);
	check(bench->cell_layout != NULL, error.message);
	table_layout = plx_layout_references(heap, &error);
	check(table_layout != NULL, error.message);
	table = plx_alloc_array(bench->thread, table_layout, TARGETS);
	check(table != NULL, "the heap is exhausted");
	bench->table = plx_handle_create(bench->thread, table);
	check(bench->table != NULL, "no memory for a handle");
	for (unsigned i = 0; i < TARGETS; i++) {
		struct cell *cell = plx_alloc(bench->thread, bench->cell_layout);

		check(cell != NULL, "the heap is exhausted");
		PLX_STORE(bench->thread, &((struct table *)bench->table->ref)->cells[i], cell);
	}
}

int main(void)
{
	struct plx_error error = {PLX_OK, ""};
	struct bench bench = {NULL, NULL, NULL};
	struct plx_heap *heap;

	check(plx_heap_create(NULL, &heap, &error) == PLX_OK, error.message);
	bench_setup(&bench, heap);
	printf("%-16s %8s %8s %8s  ns per operation\n", "", "least", "median", "most");
	measure(&bench, "plain store", body_plain_store);
	measure(&bench, "PLX_STORE", body_barrier_store);
	measure(&bench, "plx_poll", body_poll);
	measure(&bench, "bump a pointer", body_bump);
	measure(&bench, "plx_alloc 32", body_alloc);
	measure(&bench, "malloc/free 32", body_malloc);
	plx_handle_release(bench.thread, bench.table);
	plx_thread_detach(bench.thread);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}
