/* bench/peers/outcome.c: what the rounds of one peer with one workload found. See comparison.h. */
#include "bench/peers/comparison.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const figures[] = {
	"ops_per_second",
	"seconds",
	"cpu_seconds",
	"live_bytes",
	"pss_peak_bytes",
	"rss_peak_bytes",
	"cycles",
	"op_us.p50",
	"op_us.p90",
	"op_us.p99",
	"op_us.p999",
	"op_us.p9999",
	"op_us.max",
	"op_us.count",
	"arrival_us.p50",
	"arrival_us.p90",
	"arrival_us.p99",
	"arrival_us.p999",
	"arrival_us.p9999",
	"arrival_us.max",
	"arrival_us.count",
	"pause_us.p50",
	"pause_us.p90",
	"pause_us.p99",
	"pause_us.p999",
	"pause_us.p9999",
	"pause_us.max",
	"pause_us.count",
	"hiccup_us.p99",
	"hiccup_us.max",
	"mmu.1ms",
	"mmu.5ms",
	"mmu.20ms",
	"fragment.resident_full_bytes",
	"fragment.resident_before_bytes",
	"fragment.resident_after_bytes",
};
const size_t figures_count = sizeof(figures) / sizeof(figures[0]);
_Static_assert(sizeof(figures) / sizeof(figures[0]) <= MOST_FIGURES, "struct outcome");

static size_t figure_named(const char *path)
{
	size_t figure = 0;

	while (figure + 1 < figures_count && strcmp(figures[figure], path) != 0)
		figure++;
	return figure;
}

void outcome_take(struct outcome *outcome, const struct peer_task *task, uint64_t seed)
{
	char why[VALUE_WHY_BYTES];
	json_t *result = peer_run(outcome->peer, task, seed, why);
	const json_t *run = json_array_get(value_at(result, "runs"), 0);

	if (result == NULL) {
		snprintf(outcome->message, sizeof(outcome->message), "%.*s",
			 (int)sizeof(outcome->message) - 1, why);
		return;
	}
	if (strcmp(value_text(run, "status", "no result"), "ok") != 0)
		snprintf(outcome->message, sizeof(outcome->message), "%s",
			 value_text(run, "message", "no result"));
	snprintf(outcome->checksum, sizeof(outcome->checksum), "%s",
		 value_text(run, "checksum", ""));
	for (size_t f = 0; f < figures_count; f++)
		outcome->values[f][outcome->rounds] = value_number(run, figures[f], NAN);
	outcome->rounds++;
	json_decref(result);
}

double outcome_first_seconds(const struct outcome *outcome)
{
	return outcome->rounds > 0 ? outcome->values[figure_named("seconds")][0] : 0;
}

static int compare_values(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

void outcome_sort(struct outcome *outcome)
{
	for (size_t f = 0; f < figures_count; f++)
		qsort(outcome->values[f], outcome->rounds, sizeof(double), compare_values);
}

double outcome_median(const struct outcome *outcome, size_t figure)
{
	const double *values = outcome->values[figure];
	unsigned middle = outcome->rounds / 2;

	if (outcome->rounds % 2 != 0)
		return values[middle];
	return outcome->rounds == 0 ? 0 : (values[middle - 1] + values[middle]) / 2;
}

double outcome_median_of(const struct outcome *outcome, const char *path)
{
	return outcome_median(outcome, figure_named(path));
}

double outcome_spread_of(const struct outcome *outcome, const char *path)
{
	const double *values = outcome->values[figure_named(path)];

	return outcome->rounds < 2 || values[0] <= 0
		       ? 0
		       : 100 * (values[outcome->rounds - 1] / values[0] - 1);
}

bool outcome_exhausted(const struct outcome *outcome)
{
	return outcome->peer->kind == PEER_GUILE &&
	       strstr(outcome->message, "out of memory") != NULL;
}

bool outcome_well(const struct outcome *outcome)
{
	return outcome->message[0] == '\0' || outcome_exhausted(outcome) ||
	       peer_absent(outcome->peer)[0] != '\0';
}
