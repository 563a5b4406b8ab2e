/* bench/compaction/compaction.h: what is run, and what came of it. */
#ifndef BENCH_COMPACTION_COMPACTION_H
#define BENCH_COMPACTION_COMPACTION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <parallax/parallax.h>

#define RUN_MOST_ROUNDS 32

enum run_status { RUN_OK, RUN_WRONG, RUN_UNAVAILABLE, RUN_FAILED };

/* The same image for every plan: a matter of these three numbers alone. */
struct image_shape {
	uint64_t heap_bytes;
	double live_fraction;  /* of the small objects */
	double dirty_fraction; /* of the pages that stay */
};

struct run_spec {
	const char *sweep;
	enum plx_plan plan;
	enum plx_delivery delivery; /* PLX_DELIVERY_AUTO: the plan has none */
	bool mutator;
	struct image_shape shape;
};

/* Of one cycle. Plain data: it comes through a pipe. */
struct run_figures {
	enum run_status status;
	char message[480];
	double seconds, cpu_seconds;
	double pause_us_max;
	uint64_t minor_faults, pages_allocated, peak_bytes;
	uint64_t evacuated_bytes, dirty_pages, live_bytes;
	uint64_t mutator_ops, checksum;
};

struct run_result {
	struct run_spec spec;
	unsigned rounds;
	double seconds_min, seconds_max;
	struct run_figures median; /* each figure's own; pause and peak: the largest */
};

/* image.c: build it, and what it holds. */
struct image {
	struct plx_heap *heap;
	struct plx_thread *thread;
	const struct plx_layout *cell_layout;
	struct plx_handle *arrays; /* a table of the arrays that stay */
	uint64_t array_count, chains;
	uint64_t array_length, chain_step; /* in slots */
};

/* False with `why` when memory does not suffice. The thread is the caller's. */
bool image_build(struct image *image, const struct image_shape *shape, char *why, size_t size);
/* One chain of objects; the sum depends on every object and their order. No safepoint. */
uint64_t image_chain_sum(const struct image *image, uint64_t chain);
uint64_t image_checksum(const struct image *image);

/* run.c: one cycle, in a process of its own. */
struct run_figures run_once(const struct run_spec *spec);
/* Several, and their medians. */
struct run_result run_rounds(const struct run_spec *spec, unsigned rounds);

/* report.c */
void report_row(FILE *out, const struct run_result *result, bool first);
/* Field names are a contract: docs/benchmarks.md lists them. */
void report_json(FILE *out, const struct run_result *results, size_t count, bool quick);

#endif
