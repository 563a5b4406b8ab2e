/* bench/uffd_ops/suite.h: measuring one operation over batch sizes, and keeping what was found.
 *
 * An operation is three functions: `reset` brings the memory into the state it starts from, `call`
 * is what is timed, `check` compares the bytes. A round is one reset, calls that cover all pages,
 * and one check; each call is timed by itself, and nothing between two calls counts.
 *
 * A machine is seldom alone: a call during which the kernel gave the CPU to another thread took as
 * long as that one liked. Such calls are left out of the time per page, unless they are most of a round;
 * they are counted, and they are in the distribution over calls. */
#ifndef BENCH_UFFD_OPS_SUITE_H
#define BENCH_UFFD_OPS_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/uffd_ops/area.h"

struct quantiles {
	uint64_t count;
	double min, p50, p90, p99, max;
};

enum op_status { OP_OK, OP_WRONG, OP_ABSENT };

struct op_result {
	const char *name;
	char variant[64];
	enum op_status status;
	char why[160];
	size_t page_bytes, pages, batch, rounds;
	size_t preempted;	  /* calls of these rounds during which the thread lost its CPU */
	struct quantiles page_ns; /* over rounds, calls that were preempted left out */
	struct quantiles call_ns; /* over calls */
};

/* Which batch sizes make sense. */
enum op_batches {
	OP_EVERY,   /* 1, 4, 16, 64, 256, 4096, all */
	OP_EXTENTS, /* the same and what one page-table page maps */
	OP_ONE,	    /* single pages: faults */
	OP_WHOLE,   /* everything at once */
};

struct op {
	const char *name;
	enum op_batches batches;
	size_t runs; /* most runs of `batch` pages that one call takes; 0 counts as 1 */
	int (*reset)(void *context);
	/* Pages [page, page + count), in runs of `batch`. 0 or a negative errno. */
	int (*call)(void *context, size_t page, size_t count, size_t batch);
	bool (*check)(void *context);
};

struct suite {
	size_t bytes;	      /* of an area of ordinary pages */
	unsigned most_rounds; /* per operation and batch size */
	uint64_t budget_ns; /* the same; at least SUITE_LEAST_ROUNDS are made whatever they take */
	const char *only;   /* NULL: everything */
	bool verbose;
	int cpu, other_cpu; /* where it runs; another one, or -1 */
	struct op_result *results;
	size_t count, room;
	bool wrong;
};

#define SUITE_LEAST_ROUNDS 3

/* Is this operation asked for (--only)? */
bool suite_wants(const struct suite *suite, const char *name, const char *variant);

/* Measure over all batch sizes. An operation that fails at once is absent, with the errno's text;
 * one that fails later, or whose bytes are not right, is wrong. */
void suite_measure(struct suite *suite, const struct op *op, const char *variant, void *context,
		   size_t pages, size_t page_bytes);
void suite_absent(struct suite *suite, const char *name, const char *variant, const char *why);

/* The measured result of the largest batch that does not exceed `batch`, or of the smallest there is; NULL if there is none. */
const struct op_result *suite_find(const struct suite *suite, const char *name, const char *variant,
				   size_t batch);

/* Each file op_*.c adds the operations of one idea. */
void ops_memory(struct suite *suite);
void ops_resolve(struct suite *suite);
void ops_populate(struct suite *suite);
void ops_zap(struct suite *suite);
void ops_remap(struct suite *suite);
void ops_register(struct suite *suite);
void ops_fault(struct suite *suite);

#endif
