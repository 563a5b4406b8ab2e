/* bench/peers/comparison.h: what a comparison is made of, and what came of it.
 *
 * main.c: the command line and the rounds. outcome.c: the figures of one peer with one workload. report.c: the table
 * and the JSON. start.c: how a run is started. */
#ifndef BENCH_PEERS_COMPARISON_H
#define BENCH_PEERS_COMPARISON_H

#include <stddef.h>

#include "bench/peers/peers.h"

#define MOST_ROUNDS 31
#define MOST_FIGURES 48
#define MIB (UINT64_C(1) << 20)

/* Paths in gc_pause's results, `figures_count` of them; those with the same word before the dot lie beside
 * each other. What a peer does not tell is NaN here, and in no result. */
extern const char *const figures[];
extern const size_t figures_count;

/* What all rounds of one peer with one task found. */
struct outcome {
	const struct peer *peer;
	char message[160]; /* empty, or why there are no figures */
	char checksum[20]; /* of the last round */
	unsigned rounds;
	double values[MOST_FIGURES][MOST_ROUNDS]; /* in the order of the rounds, until outcome_sort */
};

struct comparison {
	unsigned rounds; /* of each task; 0: as many as it asks for */
	uint64_t seed;
	unsigned works; /* bit masks */
	unsigned peers;
	bool quick, quiet;
	const char *json_path;
	struct peer_task tasks[PEER_WORKS];
	struct outcome outcomes[PEER_WORKS][PEERS_MOST];
};

/* Run the task once more and add what it found. */
void outcome_take(struct outcome *outcome, const struct peer_task *task, uint64_t seed);

/* Of the first round; 0 if there was none. */
double outcome_first_seconds(const struct outcome *outcome);

/* Before medians and spreads are asked for. */
void outcome_sort(struct outcome *outcome);
double outcome_median(const struct outcome *outcome, size_t figure);
double outcome_median_of(const struct outcome *outcome, const char *path);

/* The highest round above the lowest, in percent of the lowest. */
double outcome_spread_of(const struct outcome *outcome, const char *path);

/* Guile's objects need more than C's, and its memory cannot move: that the limit of `fragment` is too small for
 * it is a finding, not a failure. Of all others it is a failure. */
bool outcome_exhausted(const struct outcome *outcome);
bool outcome_well(const struct outcome *outcome);

void report_table(const struct comparison *comparison, enum peer_work work);
bool report_json(const struct comparison *comparison);

#endif
