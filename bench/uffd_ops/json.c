/* bench/uffd_ops/json.c: the results as one JSON object. */
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/common/json.h"
#include "bench/uffd_ops/derived.h"
#include "bench/uffd_ops/report.h"

static void put_quantiles(FILE *out, const char *name, const struct quantiles *quantiles,
			  bool count)
{
	fprintf(out, ",\"%s\":{", name);
	if (count)
		fprintf(out, "\"count\":%llu,", (unsigned long long)quantiles->count);
	fprintf(out, "\"min\":%.3f,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}",
		quantiles->min, quantiles->p50, quantiles->p90, quantiles->p99, quantiles->max);
}

static void put_result(FILE *out, const struct op_result *result)
{
	static const char *const status[] = {"ok", "wrong", "absent"};

	fprintf(out, "{\"name\":\"%s\",\"variant\":", result->name);
	value_put_text(out, result->variant);
	fprintf(out, ",\"status\":\"%s\",\"why\":", status[result->status]);
	value_put_text(out, result->why);
	if (result->status == OP_OK) {
		fprintf(out,
			",\"page_bytes\":%zu,\"pages\":%zu,\"batch\":%zu,\"rounds\":%zu,"
			"\"preempted\":%zu",
			result->page_bytes, result->pages, result->batch, result->rounds,
			result->preempted);
		put_quantiles(out, "ns_per_page", &result->page_ns, false);
		put_quantiles(out, "ns_per_call", &result->call_ns, true);
	}
	fputc('}', out);
}

/* An array under construction: the comma before the next entry. */
struct list {
	FILE *out;
	const char *separator;
};

static void list_next(struct list *list)
{
	fputs(list->separator, list->out);
	list->separator = ",\n";
}

static void put_derived_row(struct list *list, const struct suite *suite, enum layout layout,
			    size_t heap_pages, size_t dirty_pages)
{
	enum method best = derived_best(suite, layout, heap_pages, dirty_pages);

	for (unsigned i = 0; i < METHODS; i++) {
		struct cost cost =
			derived_cost(suite, (enum method)i, layout, heap_pages, dirty_pages);

		if (!cost.known)
			continue;
		list_next(list);
		fprintf(list->out,
			"{\"method\":\"%s\",\"layout\":\"%s\",\"heap_pages\":%zu,"
			"\"dirty_pages\":%zu,\"pause_ns\":%.0f,\"total_ns\":%.0f,\"best\":%s}",
			derived_method_name((enum method)i), derived_layout_name(layout),
			heap_pages, dirty_pages, cost.pause_ns, cost.total_ns,
			i == (unsigned)best ? "true" : "false");
	}
}

static void put_derived(FILE *out, const struct suite *suite)
{
	struct list list = {out, "\n"};

	for (unsigned layout = 0; layout < LAYOUTS; layout++)
		for (size_t heap = 0; heap < DERIVED_HEAPS; heap++)
			for (size_t i = 0; i < DERIVED_COUNTS; i++) {
				size_t pages = derived_heap_pages(heap);
				size_t dirty = derived_dirty_pages(pages, i);

				if (dirty > 0)
					put_derived_row(&list, suite, (enum layout)layout, pages,
							dirty);
			}
}

static void put_crossover(void *context, enum layout layout, size_t heap_pages, size_t dirty_pages,
			  enum method method, enum method instead_of)
{
	struct list *list = context;

	list_next(list);
	fprintf(list->out,
		"{\"layout\":\"%s\",\"heap_pages\":%zu,\"dirty_pages\":%zu,\"method\":\"%s\","
		"\"instead_of\":\"%s\"}",
		derived_layout_name(layout), heap_pages, dirty_pages, derived_method_name(method),
		derived_method_name(instead_of));
}

void report_json(FILE *out, const struct suite *suite, bool quick)
{
	struct list results = {out, "\n"}, crossovers = {out, "\n"};
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	struct utsname machine;

	uname(&machine);
	fprintf(out, "{\"tool\":\"uffd_ops\",\"kernel\":");
	value_put_text(out, machine.release);
	fprintf(out, ",\"machine\":");
	value_put_text(out, machine.machine);
	fprintf(out, ",\"cpus\":%ld,\"page_bytes\":%zu,\"pages\":%zu,\"rounds\":%u,\"quick\":%s,",
		sysconf(_SC_NPROCESSORS_ONLN), page_bytes, suite->bytes / page_bytes,
		suite->most_rounds, quick ? "true" : "false");
	fprintf(out, "\n\"results\":[");
	for (size_t i = 0; i < suite->count; i++) {
		list_next(&results);
		put_result(out, &suite->results[i]);
	}
	fprintf(out, "],\n\"derived\":[");
	if (suite->only == NULL)
		put_derived(out, suite);
	fprintf(out, "],\n\"crossovers\":[");
	if (suite->only == NULL)
		derived_crossovers(suite, put_crossover, &crossovers);
	fprintf(out, "]}\n");
}
