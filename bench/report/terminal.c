/* bench/report/terminal.c: the main table: a line per run, its pauses and what its mutators felt. */
#include <string.h>

#include "bench/report/report.h"

static void put_us(FILE *out, double us)
{
	if (us <= 0)
		fprintf(out, "%11s", "-");
	else if (us < 1000)
		fprintf(out, "%8.3g us", us);
	else if (us < 1e6)
		fprintf(out, "%8.3g ms", us / 1e3);
	else
		fprintf(out, "%9.3g s", us / 1e6);
}

static void put_run(FILE *out, const char *first, const char *second, const json_t *run)
{
	static const char *const times[] = {"pause_us.p50", "pause_us.p99", "pause_us.max",
					    "op_us.p9999",  "op_us.max",    "arrival_us.p999"};

	fprintf(out, "%-10s%-22s", first, second);
	if (strcmp(value_text(run, "status", ""), "ok") != 0) {
		fprintf(out, "  %s: %s\n", value_text(run, "status", "?"),
			value_text(run, "message", ""));
		return;
	}
	for (size_t t = 0; t < sizeof(times) / sizeof(times[0]); t++)
		put_us(out, value_number(run, times[t], 0));
	fprintf(out, "%11.3g%8.0f MiB%8.2f s\n", value_number(run, "ops_per_second", 0),
		value_number(run, "pss_peak_bytes", 0) / 1048576,
		value_number(run, "cpu_seconds", 0));
}

static void put_head(FILE *out)
{
	fprintf(out, "%-32s%11s%11s%11s%11s%11s%11s%11s%12s%10s\n", "", "pause p50", "pause p99",
		"pause max", "op p99.99", "op max", "wait p99.9", "ops/s", "PSS peak", "CPU");
}

static void put_pause(FILE *out, const json_t *root)
{
	const json_t *run;
	size_t i;

	put_head(out);
	json_array_foreach (value_at(root, "runs"), i, run) {
		const char *sweep = value_text(run, "sweep", NULL);
		char name[64];

		if (sweep != NULL)
			snprintf(name, sizeof(name), "%s %.6g %s", sweep,
				 value_number(run, "sweep_value", 0), value_text(run, "plan", "?"));
		else
			snprintf(name, sizeof(name), "%s %s", value_text(run, "plan", "?"),
				 value_text(run, "delivery", ""));
		put_run(out, value_text(run, "workload", "?"), name, run);
	}
	fputc('\n', out);
}

static void put_peers(FILE *out, const json_t *root)
{
	const json_t *run;
	size_t i;

	put_head(out);
	json_array_foreach (value_at(root, "results"), i, run)
		put_run(out, value_text(run, "workload", "?"), value_text(run, "peer", "?"), run);
	fputc('\n', out);
}

static void put_crossovers(FILE *out, const json_t *root)
{
	const json_t *cross;
	size_t i;

	json_array_foreach (value_at(root, "crossovers"), i, cross)
		fprintf(out, "%s dirty pages of %.0f: from %.0f on, %s needs less time than %s\n",
			value_text(cross, "layout", "?"), value_number(cross, "heap_pages", 0),
			value_number(cross, "dirty_pages", 0), value_text(cross, "method", "?"),
			value_text(cross, "instead_of", "?"));
	fputc('\n', out);
}

static void put_compaction(FILE *out, const json_t *root)
{
	const json_t *run;
	size_t i;

	fprintf(out, "%-10s%-22s%10s%11s%11s%13s%13s\n", "sweep", "plan", "time", "CPU",
		"pause max", "pages made", "peak");
	json_array_foreach (value_at(root, "results"), i, run) {
		char name[64];

		snprintf(name, sizeof(name), "%s %s%s", value_text(run, "plan", "?"),
			 value_text(run, "delivery", ""),
			 json_is_true(value_at(run, "mutator")) ? "+mutator" : "");
		fprintf(out, "%-10s%-22s%8.3f s%9.3f s%8.0f us%13.0f%9.0f MiB\n",
			value_text(run, "sweep", "?"), name, value_number(run, "seconds", 0),
			value_number(run, "cpu_seconds", 0), value_number(run, "pause_us_max", 0),
			value_number(run, "pages_allocated", 0),
			value_number(run, "peak_bytes", 0) / 1048576);
	}
	fputc('\n', out);
}

void terminal_write(FILE *out, const struct result_set *sets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct result_set *set = &sets[i];

		if (strcmp(set->tool, "gc_pause") == 0)
			put_pause(out, set->root);
		else if (strcmp(set->tool, "peers") == 0)
			put_peers(out, set->root);
		else if (strcmp(set->tool, "uffd_ops") == 0)
			put_crossovers(out, set->root);
		else if (strcmp(set->tool, "compaction") == 0)
			put_compaction(out, set->root);
	}
}
