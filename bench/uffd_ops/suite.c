/* bench/uffd_ops/suite.c: see suite.h. */
#include "bench/uffd_ops/suite.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include <parallax/histogram.h>

#include "bench/uffd_ops/kernel.h"

#define SUITE_SIZES 8
#define SUITE_MOST_ROUNDS 1000
#define SUITE_EXTENT_PAGES 512

static struct plx_histogram suite_calls; /* of the operation under way; too large for a stack */

bool suite_wants(const struct suite *suite, const char *name, const char *variant)
{
	char text[160], pattern[160];

	if (suite->only == NULL)
		return true;
	snprintf(text, sizeof(text), "%s/%s", name, variant);
	snprintf(pattern, sizeof(pattern), "*%s*", suite->only);
	return fnmatch(pattern, text, 0) == 0;
}

static struct op_result *suite_add(struct suite *suite, const char *name, const char *variant)
{
	struct op_result *result;

	if (suite->count == suite->room) {
		suite->room = suite->room == 0 ? 128 : suite->room * 2;
		suite->results = realloc(suite->results, suite->room * sizeof(*suite->results));
		if (suite->results == NULL) {
			fprintf(stderr, "uffd_ops: out of memory\n");
			exit(1);
		}
	}
	result = &suite->results[suite->count++];
	memset(result, 0, sizeof(*result));
	result->name = name;
	snprintf(result->variant, sizeof(result->variant), "%s", variant);
	return result;
}

void suite_absent(struct suite *suite, const char *name, const char *variant, const char *why)
{
	struct op_result *result;

	if (!suite_wants(suite, name, variant))
		return;
	result = suite_add(suite, name, variant);
	result->status = OP_ABSENT;
	snprintf(result->why, sizeof(result->why), "%s", why);
}

static int compare_real(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Nearest rank; sorts `values`. */
static struct quantiles quantiles_of(double *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), compare_real);
	return (struct quantiles){
		.count = count,
		.min = values[0],
		.p50 = values[(count - 1) / 2],
		.p90 = values[(count * 9 + 9) / 10 - 1],
		.p99 = values[(count * 99 + 99) / 100 - 1],
		.max = values[count - 1],
	};
}

static struct quantiles quantiles_of_calls(uint64_t least)
{
	return (struct quantiles){
		.count = suite_calls.count,
		.min = (double)least,
		.p50 = (double)plx_histogram_quantile(&suite_calls, 0.5),
		.p90 = (double)plx_histogram_quantile(&suite_calls, 0.9),
		.p99 = (double)plx_histogram_quantile(&suite_calls, 0.99),
		.max = (double)suite_calls.max,
	};
}

/* What one operation, variant and batch size needs while it runs. */
struct measurement {
	const struct op *op;
	void *context;
	size_t pages, batch;
	size_t rounds, preempted;
	uint64_t least_call_ns;
	double page_ns[SUITE_MOST_ROUNDS];
};

static int measure_calls(struct measurement *measurement, bool keep)
{
	size_t runs = measurement->op->runs > 0 ? measurement->op->runs : 1;
	size_t step = measurement->batch * runs;
	uint64_t sum_ns = 0, kept_ns = 0, preempted = kernel_preempted();
	size_t kept_pages = 0;

	for (size_t page = 0; page < measurement->pages; page += step) {
		size_t left = measurement->pages - page;
		size_t count = left < step ? left : step;
		uint64_t start_ns = kernel_now_ns(), took_ns, before = preempted;
		int result = measurement->op->call(measurement->context, page, count,
						   measurement->batch);

		took_ns = kernel_now_ns() - start_ns;
		if (result < 0)
			return result;
		sum_ns += took_ns;
		if (!keep)
			continue;
		preempted = kernel_preempted();
		measurement->preempted += preempted != before;
		kept_ns += preempted == before ? took_ns : 0;
		kept_pages += preempted == before ? count : 0;
		plx_histogram_record(&suite_calls, took_ns);
		if (took_ns < measurement->least_call_ns)
			measurement->least_call_ns = took_ns;
	}
	if (kept_pages < (measurement->pages + 1) / 2) {
		kept_pages = measurement->pages;
		kept_ns = sum_ns;
	}
	if (keep)
		measurement->page_ns[measurement->rounds++] = (double)kept_ns / (double)kept_pages;
	return 0;
}

/* What a kernel or a machine says that cannot do it; anything else is this program's mistake. */
static bool error_means_absent(int error)
{
	return error == -EINVAL || error == -ENOSYS || error == -EOPNOTSUPP || error == -ENOTTY ||
	       error == -EPERM || error == -EACCES || error == -ENOMEM;
}

/* The first round is not kept: it finds caches, tables and the kernel's code cold. */
static enum op_status measure_round(struct measurement *measurement, bool keep,
				    struct op_result *result)
{
	int error = measurement->op->reset(measurement->context);

	if (error == 0)
		error = measure_calls(measurement, keep);
	if (error < 0) {
		snprintf(result->why, sizeof(result->why), "%s", strerror(-error));
		return !keep && error_means_absent(error) ? OP_ABSENT : OP_WRONG;
	}
	if (measurement->op->check(measurement->context))
		return OP_OK;
	snprintf(result->why, sizeof(result->why), "the bytes are not those expected");
	return OP_WRONG;
}

static void measure_batch(struct suite *suite, struct measurement *measurement,
			  struct op_result *result)
{
	uint64_t end_ns;

	memset(&suite_calls, 0, sizeof(suite_calls));
	measurement->rounds = measurement->preempted = 0;
	measurement->least_call_ns = UINT64_MAX;
	result->status = measure_round(measurement, false, result);
	end_ns = kernel_now_ns() + suite->budget_ns;
	while (result->status == OP_OK && measurement->rounds < suite->most_rounds &&
	       measurement->rounds < SUITE_MOST_ROUNDS &&
	       (measurement->rounds < SUITE_LEAST_ROUNDS || kernel_now_ns() < end_ns))
		result->status = measure_round(measurement, true, result);
	if (result->status == OP_WRONG)
		suite->wrong = true;
	if (result->status != OP_OK)
		return;
	result->rounds = measurement->rounds;
	result->preempted = measurement->preempted;
	result->page_ns = quantiles_of(measurement->page_ns, measurement->rounds);
	result->call_ns = quantiles_of_calls(measurement->least_call_ns);
}

static size_t batch_sizes(enum op_batches which, size_t pages, size_t sizes[SUITE_SIZES])
{
	static const size_t all[] = {1, 4, 16, 64, 256, SUITE_EXTENT_PAGES, 4096};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && which != OP_WHOLE; i++) {
		if (all[i] >= pages || (which == OP_ONE && i > 0))
			break;
		if (all[i] != SUITE_EXTENT_PAGES || which == OP_EXTENTS)
			sizes[count++] = all[i];
	}
	if (which != OP_ONE || count == 0)
		sizes[count++] = pages;
	return count;
}

void suite_measure(struct suite *suite, const struct op *op, const char *variant, void *context,
		   size_t pages, size_t page_bytes)
{
	static struct measurement measurement;
	size_t sizes[SUITE_SIZES], count = batch_sizes(op->batches, pages, sizes);

	if (!suite_wants(suite, op->name, variant))
		return;
	for (size_t i = 0; i < count; i++) {
		struct op_result *result = suite_add(suite, op->name, variant);

		result->page_bytes = page_bytes;
		result->pages = pages;
		result->batch = sizes[i];
		measurement = (struct measurement){
			.op = op, .context = context, .pages = pages, .batch = sizes[i]};
		measure_batch(suite, &measurement, result);
		if (suite->verbose)
			fprintf(stderr, "\r%-20s %-44s %6zu ", op->name, variant, sizes[i]);
		if (result->status == OP_ABSENT)
			break; /* not with other sizes either */
	}
}

const struct op_result *suite_find(const struct suite *suite, const char *name, const char *variant,
				   size_t batch)
{
	const struct op_result *found = NULL;

	for (size_t i = 0; i < suite->count; i++) {
		const struct op_result *result = &suite->results[i];

		if (result->status != OP_OK || strcmp(result->name, name) != 0 ||
		    strcmp(result->variant, variant) != 0)
			continue;
		if (found == NULL || result->batch <= batch)
			found = result;
	}
	return found;
}
