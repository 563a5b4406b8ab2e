/* bench/compaction/report.c: the table, and the JSON. */
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/compaction/compaction.h"
#include "bench/common/json.h"

static const char *const status_names[] = {"ok", "wrong", "unavailable", "failed"};

static const char *delivery_of(const struct run_spec *spec)
{
	return spec->plan == PLX_PLAN_STW ? "" : plx_delivery_name(spec->delivery);
}

static void print_head(FILE *out)
{
	fprintf(out, "%-5s %-5s %-6s %-7s %6s %5s %5s  %9s %9s %9s %8s %9s %8s %8s %8s %7s %8s\n",
		"sweep", "plan", "faults", "mutator", "heap", "live", "dirty", "ms", "least",
		"most", "CPU ms", "pause us", "faults", "new pg", "dirty pg", "MB out", "peak MB");
}

void report_row(FILE *out, const struct run_result *result, bool first)
{
	const struct run_spec *spec = &result->spec;
	const struct run_figures *figures = &result->median;

	if (first)
		print_head(out);
	fprintf(out, "%-5s %-5s %-6s %-7s %5lluM %5.2f %5.2f  ", spec->sweep,
		plx_plan_name(spec->plan), delivery_of(spec), spec->mutator ? "yes" : "no",
		(unsigned long long)(spec->shape.heap_bytes >> 20), spec->shape.live_fraction,
		spec->shape.dirty_fraction);
	if (figures->status != RUN_OK) {
		fprintf(out, "%s: %s\n", status_names[figures->status], figures->message);
		return;
	}
	fprintf(out, "%9.1f %9.1f %9.1f %8.1f %9.1f %8llu %8llu %8llu %7.1f %8.1f\n",
		figures->seconds * 1e3, result->seconds_min * 1e3, result->seconds_max * 1e3,
		figures->cpu_seconds * 1e3, figures->pause_us_max,
		(unsigned long long)figures->minor_faults,
		(unsigned long long)figures->pages_allocated,
		(unsigned long long)figures->dirty_pages, (double)figures->evacuated_bytes / 1e6,
		(double)figures->peak_bytes / 1e6);
	fflush(out);
}

static void put_count(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void put_spec(FILE *out, const struct run_spec *spec)
{
	fprintf(out,
		"{\"sweep\":\"%s\",\"plan\":\"%s\",\"delivery\":\"%s\",\"mutator\":%s,"
		"\"heap_bytes\":%llu,\"live_fraction\":%.3f,\"dirty_fraction\":%.3f",
		spec->sweep, plx_plan_name(spec->plan), delivery_of(spec),
		spec->mutator ? "true" : "false", (unsigned long long)spec->shape.heap_bytes,
		spec->shape.live_fraction, spec->shape.dirty_fraction);
}

static void put_result(FILE *out, const struct run_result *result)
{
	const struct run_figures *figures = &result->median;

	put_spec(out, &result->spec);
	fprintf(out, ",\"status\":\"%s\",\"message\":", status_names[figures->status]);
	value_put_text(out, figures->message);
	fprintf(out,
		",\"rounds\":%u,\"seconds\":%.6f,\"seconds_min\":%.6f,\"seconds_max\":%.6f,"
		"\"cpu_seconds\":%.6f,\"pause_us_max\":%.3f",
		result->rounds, figures->seconds, result->seconds_min, result->seconds_max,
		figures->cpu_seconds, figures->pause_us_max);
	put_count(out, "minor_faults", figures->minor_faults);
	put_count(out, "pages_allocated", figures->pages_allocated);
	put_count(out, "peak_bytes", figures->peak_bytes);
	put_count(out, "evacuated_bytes", figures->evacuated_bytes);
	put_count(out, "dirty_pages", figures->dirty_pages);
	put_count(out, "live_bytes", figures->live_bytes);
	put_count(out, "mutator_ops", figures->mutator_ops);
	fprintf(out, ",\"checksum\":\"%016llx\"}", (unsigned long long)figures->checksum);
}

void report_json(FILE *out, const struct run_result *results, size_t count, bool quick)
{
	struct utsname machine;

	uname(&machine);
	fprintf(out, "{\"tool\":\"compaction\",\"kernel\":");
	value_put_text(out, machine.release);
	fprintf(out, ",\"machine\":");
	value_put_text(out, machine.machine);
	fprintf(out, ",\"cpus\":%ld,\"page_bytes\":%ld,\"quick\":%s,\"results\":[",
		sysconf(_SC_NPROCESSORS_ONLN), sysconf(_SC_PAGESIZE), quick ? "true" : "false");
	for (size_t i = 0; i < count; i++) {
		fprintf(out, i == 0 ? "\n" : ",\n");
		put_result(out, &results[i]);
	}
	fprintf(out, "]}\n");
}
