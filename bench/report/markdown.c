/* bench/report/markdown.c: the README's performance section, so that no figure in it is typed by hand. */
#include <string.h>

#include "bench/report/report.h"

/* The result of one tool in a bundle. `swept` tells a sweep's apart, which has the same tool. */
static const json_t *part_of(const json_t *bundle, const char *tool, bool swept)
{
	const json_t *part;
	size_t i;

	json_array_foreach (value_at(bundle, "parts"), i, part) {
		const json_t *result = value_at(part, "result"), *runs = value_at(result, "runs");
		bool sweep = value_at(json_array_get(runs, 0), "sweep") != NULL;

		if (strcmp(value_text(result, "tool", ""), tool) == 0 && sweep == swept)
			return result;
	}
	return NULL;
}

static void put_time(FILE *out, double us)
{
	if (us <= 0)
		fputs(" - |", out);
	else if (us < 999.5)
		fprintf(out, " %.3g µs |", us);
	else if (us < 999500)
		fprintf(out, " %.3g ms |", us / 1e3);
	else
		fprintf(out, " %.3g s |", us / 1e6);
}

static bool is_ok(const json_t *run)
{
	return strcmp(value_text(run, "status", ""), "ok") == 0;
}

static void put_times(FILE *out, const json_t *run)
{
	put_time(out, value_number(run, "pause_us.p50", 0));
	put_time(out, value_number(run, "pause_us.p99", 0));
	put_time(out, value_number(run, "pause_us.max", 0));
	put_time(out, value_number(run, "op_us.p9999", 0));
	put_time(out, value_number(run, "arrival_us.p999", 0));
}

/* How far the lowest and the highest of the rounds lie from the median. */
static void put_spread(FILE *out, const json_t *run, const char *path)
{
	const json_t *spread = json_object_get(value_at(run, "spread"), path);
	double low = json_number_value(json_array_get(spread, 0)),
	       high = json_number_value(json_array_get(spread, 1)),
	       median = value_number(run, path, 0);

	if (value_number(run, "rounds", 1) < 2 || spread == NULL || median <= 0)
		fputs(" once |", out);
	else
		fprintf(out, " %+.0f %+.0f %% |", 100 * (low / median - 1),
			100 * (high / median - 1));
}

/* Operations per second in millions or thousands, and the peak of memory. */
static void put_rest(FILE *out, const json_t *run)
{
	double rate = value_number(run, "ops_per_second", 0);

	if (rate >= 1e6)
		fprintf(out, " %.3g M |", rate / 1e6);
	else
		fprintf(out, " %.3g k |", rate / 1e3);
	put_spread(out, run, "ops_per_second");
	fprintf(out, " %.0f MiB |\n", value_number(run, "pss_peak_bytes", 0) / 1048576);
}

static void markdown_plans(FILE *out, const json_t *pause)
{
	const json_t *run;
	size_t i;

	if (pause == NULL)
		return;
	fputs("\n| workload, plan | pause p50 | p99 | max | operation p99.99 | wait p99.9 | operations/s | spread | PSS peak |\n"
	      "|---|---|---|---|---|---|---|---|---|\n",
	      out);
	json_array_foreach (value_at(pause, "runs"), i, run) {
		const char *plan = value_text(run, "plan", "?");

		if (!is_ok(run))
			continue;
		fprintf(out, "| %s, %s%s%s |", value_text(run, "workload", "?"),
			strcmp(plan, "none") == 0 ? "malloc" : plan,
			value_text(run, "delivery", "")[0] == '\0' ? "" : " + ",
			value_text(run, "delivery", ""));
		put_times(out, run);
		put_rest(out, run);
	}
}

static void markdown_heap(FILE *out, const json_t *sweep)
{
	const json_t *run;
	size_t i;

	if (sweep == NULL)
		return;
	fputs("\nPauses by heap size (`cache`, one thread, half of the heap alive, plan `minor`):\n\n"
	      "| heap | pause p50 | p99 | max | operation p99.99 | wait p99.9 | operations/s | spread | PSS peak |\n"
	      "|---|---|---|---|---|---|---|---|---|\n",
	      out);
	json_array_foreach (value_at(sweep, "runs"), i, run) {
		if (!is_ok(run) || strcmp(value_text(run, "sweep", ""), "heap") != 0 ||
		    strcmp(value_text(run, "plan", ""), "minor") != 0)
			continue;
		fprintf(out, "| %.0f MiB |", value_number(run, "sweep_value", 0) / 1048576);
		put_times(out, run);
		put_rest(out, run);
	}
}

static void markdown_peers(FILE *out, const json_t *peers)
{
	double fewest = 0, most = 0;
	char rounds_text[48];
	const json_t *run;
	size_t i;

	if (peers == NULL)
		return;
	json_array_foreach (value_at(peers, "results"), i, run) {
		double rounds = value_number(run, "rounds", 0);

		if (rounds > 1 && (fewest <= 0 || rounds < fewest))
			fewest = rounds;
		most = rounds > most ? rounds : most;
	}
	snprintf(rounds_text, sizeof(rounds_text), fewest < most ? "%.0f to %.0f" : "%.0f", fewest,
		 most);
	fprintf(out,
		"\nBeside what you might use instead, the same fixed work (medians of %s rounds; who takes more than "
		"ten times the fastest runs once):\n\n"
		"| workload, peer | time | spread | pause max | operation p99.99 | wait p99.9 | CPU | PSS peak |\n"
		"|---|---|---|---|---|---|---|---|\n",
		rounds_text);
	json_array_foreach (value_at(peers, "results"), i, run) {
		fprintf(out, "| %s, %s |", value_text(run, "workload", "?"),
			value_text(run, "peer", "?"));
		if (!is_ok(run)) {
			fprintf(out, " %s | | | | | | |\n", value_text(run, "status", "?"));
			continue;
		}
		put_time(out, value_number(run, "seconds", 0) * 1e6);
		put_spread(out, run, "seconds");
		put_time(out, value_number(run, "pause_us.max", 0));
		put_time(out, value_number(run, "op_us.p9999", 0));
		put_time(out, value_number(run, "arrival_us.p999", 0));
		fprintf(out, " %.3g s | %.0f MiB |\n", value_number(run, "cpu_seconds", 0),
			value_number(run, "pss_peak_bytes", 0) / 1048576);
	}
}

void markdown_write(FILE *out, const json_t *bundle, const char *path)
{
	fprintf(out,
		"Linux %s, %s, %.0f CPUs; `%s`; all figures are in [%s](%s), and none of them was typed by "
		"hand. `spread` is how far the rounds lie from the median. What they do not show is in [docs/benchmarks.md](docs/benchmarks.md).\n",
		value_text(bundle, "kernel", "?"), value_text(bundle, "machine", "?"),
		value_number(bundle, "cpus", 0), value_text(bundle, "command", "?"), path, path);
	markdown_plans(out, part_of(bundle, "gc_pause", false));
	markdown_heap(out, part_of(bundle, "gc_pause", true));
	markdown_peers(out, part_of(bundle, "peers", false));
}
