/* bench/uffd_ops/report.c: the tables. */
#include "bench/uffd_ops/report.h"

#include <string.h>

#include "bench/uffd_ops/derived.h"

static double memcpy_page_ns(const struct suite *suite)
{
	const struct op_result *result = suite_find(suite, "memcpy", "shmem", 1);

	return result == NULL ? 0 : result->page_ns.p50;
}

static void print_result(FILE *out, const struct op_result *result, bool first, double memcpy_ns)
{
	fprintf(out, "%-17s %-34s ", first ? result->name : "", first ? result->variant : "");
	if (result->status != OP_OK) {
		fprintf(out, "%s: %s\n", result->status == OP_WRONG ? "WRONG" : "absent",
			result->why);
		return;
	}
	fprintf(out, "%8zu %9.1f %9.1f %9.1f %9.1f", result->batch, result->page_ns.min,
		result->page_ns.p50, result->page_ns.p90, result->page_ns.max);
	if (memcpy_ns > 0)
		fprintf(out, " %8.2f", result->page_ns.p50 / memcpy_ns);
	else
		fprintf(out, " %8s", "");
	fprintf(out, "  %10.0f %10.0f %10.0f\n", result->call_ns.p50, result->call_ns.p99,
		result->call_ns.max);
}

static void print_results(FILE *out, const struct suite *suite)
{
	double memcpy_ns = memcpy_page_ns(suite);

	fprintf(out, "%-17s %-34s %8s %39s %8s  %32s\n", "", "", "pages",
		"ns per page, over rounds", "in", "ns per call");
	fprintf(out, "%-17s %-34s %8s %9s %9s %9s %9s %8s  %10s %10s %10s\n", "primitive", "on",
		"a call", "min", "p50", "p90", "max", "memcpys", "p50", "p99", "max");
	for (size_t i = 0; i < suite->count; i++) {
		const struct op_result *result = &suite->results[i];
		bool first = i == 0 || strcmp(result[-1].variant, result->variant) != 0 ||
			     strcmp(result[-1].name, result->name) != 0;

		print_result(out, result, first, memcpy_ns);
	}
}

static void print_derived_row(FILE *out, const struct suite *suite, enum layout layout,
			      size_t heap_pages, size_t dirty_pages)
{
	enum method best = derived_best(suite, layout, heap_pages, dirty_pages);

	fprintf(out, "%-9s %9zu %9zu ", derived_layout_name(layout), heap_pages, dirty_pages);
	for (unsigned i = 0; i < METHODS; i++) {
		struct cost cost =
			derived_cost(suite, (enum method)i, layout, heap_pages, dirty_pages);

		if (!cost.known)
			fprintf(out, " %19s", "-");
		else
			fprintf(out, " %8.0f /%9.0f%c", cost.pause_ns / 1e3, cost.total_ns / 1e3,
				i == (unsigned)best ? '*' : ' ');
	}
	fputc('\n', out);
}

static void print_derived(FILE *out, const struct suite *suite)
{
	fprintf(out,
		"\nFrom these medians: making dirty pages consistent, in us: pause / in all. "
		"* costs least in all, in_pause left out.\n%-9s %9s %9s ",
		"dirty", "heap", "dirty");
	for (unsigned i = 0; i < METHODS; i++)
		fprintf(out, " %19s", derived_method_name((enum method)i));
	fputc('\n', out);
	for (unsigned layout = 0; layout < LAYOUTS; layout++)
		for (size_t heap = 0; heap < DERIVED_HEAPS; heap++)
			for (size_t i = 0; i < DERIVED_COUNTS; i++) {
				size_t pages = derived_heap_pages(heap);
				size_t dirty = derived_dirty_pages(pages, i);

				if (dirty > 0)
					print_derived_row(out, suite, (enum layout)layout, pages,
							  dirty);
			}
}

static void print_crossover(void *context, enum layout layout, size_t heap_pages,
			    size_t dirty_pages, enum method method, enum method instead_of)
{
	fprintf(context, "%-9s %9zu %9zu  %s instead of %s\n", derived_layout_name(layout),
		heap_pages, dirty_pages, derived_method_name(method),
		derived_method_name(instead_of));
}

void report_print(FILE *out, const struct suite *suite)
{
	print_results(out, suite);
	if (suite->only != NULL)
		return;
	print_derived(out, suite);
	fprintf(out,
		"\nFrom that many dirty pages on another method costs less in all:\n"
		"%-9s %9s %9s\n",
		"dirty", "heap", "dirty");
	derived_crossovers(suite, print_crossover, out);
}
