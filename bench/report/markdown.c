/* bench/report/markdown.c: the README's performance section, so that no figure in it is typed by hand. */
#include <string.h>

#include "bench/report/report.h"

/* The result of one tool in a bundle. `swept` tells a sweep's apart, which has the same tool. */
static const struct json *part_of(const struct json *bundle, const char *tool, bool swept)
{
	JSON_EACH(part, json_get(bundle, "parts"))
	{
		const struct json *result = json_get(part, "result"),
				  *runs = json_get(result, "runs");
		bool sweep = runs != NULL && json_get(runs->first, "sweep") != NULL;

		if (strcmp(json_string(result, "tool", ""), tool) == 0 && sweep == swept)
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

static bool is_ok(const struct json *run)
{
	return strcmp(json_string(run, "status", ""), "ok") == 0;
}

static void put_times(FILE *out, const struct json *run)
{
	put_time(out, json_number(run, "pause_us.p50", 0));
	put_time(out, json_number(run, "pause_us.p99", 0));
	put_time(out, json_number(run, "pause_us.max", 0));
	put_time(out, json_number(run, "op_us.p9999", 0));
	put_time(out, json_number(run, "arrival_us.p999", 0));
}

/* How far the lowest and the highest of the rounds lie from the median. */
static void put_spread(FILE *out, const struct json *run, const char *path)
{
	const struct json *spread = json_get(json_get(run, "spread"), path);
	double median = json_number(run, path, 0);

	if (json_number(run, "rounds", 1) < 2 || spread == NULL || median <= 0)
		fputs(" once |", out);
	else
		fprintf(out, " %+.0f %+.0f %% |", 100 * (spread->first->number / median - 1),
			100 * (spread->first->next->number / median - 1));
}

/* Operations per second in millions or thousands, and the peak of memory. */
static void put_rest(FILE *out, const struct json *run)
{
	double rate = json_number(run, "ops_per_second", 0);

	if (rate >= 1e6)
		fprintf(out, " %.3g M |", rate / 1e6);
	else
		fprintf(out, " %.3g k |", rate / 1e3);
	put_spread(out, run, "ops_per_second");
	fprintf(out, " %.0f MiB |\n", json_number(run, "pss_peak_bytes", 0) / 1048576);
}

static void markdown_plans(FILE *out, const struct json *pause)
{
	if (pause == NULL)
		return;
	fputs("\n| workload, plan | pause p50 | p99 | max | operation p99.99 | wait p99.9 | operations/s | spread | PSS peak |\n"
	      "|---|---|---|---|---|---|---|---|---|\n",
	      out);
	JSON_EACH(run, json_get(pause, "runs"))
	{
		const char *plan = json_string(run, "plan", "?");

		if (!is_ok(run))
			continue;
		fprintf(out, "| %s, %s%s%s |", json_string(run, "workload", "?"),
			strcmp(plan, "none") == 0 ? "malloc" : plan,
			json_string(run, "delivery", "")[0] == '\0' ? "" : " + ",
			json_string(run, "delivery", ""));
		put_times(out, run);
		put_rest(out, run);
	}
}

static void markdown_heap(FILE *out, const struct json *sweep)
{
	if (sweep == NULL)
		return;
	fputs("\nPauses by heap size (`cache`, one thread, half of the heap alive, plan `minor`):\n\n"
	      "| heap | pause p50 | p99 | max | operation p99.99 | wait p99.9 | operations/s | spread | PSS peak |\n"
	      "|---|---|---|---|---|---|---|---|---|\n",
	      out);
	JSON_EACH(run, json_get(sweep, "runs"))
	{
		if (!is_ok(run) || strcmp(json_string(run, "sweep", ""), "heap") != 0 ||
		    strcmp(json_string(run, "plan", ""), "minor") != 0)
			continue;
		fprintf(out, "| %.0f MiB |", json_number(run, "sweep_value", 0) / 1048576);
		put_times(out, run);
		put_rest(out, run);
	}
}

static void markdown_peers(FILE *out, const struct json *peers)
{
	if (peers == NULL)
		return;
	fprintf(out,
		"\nBeside what you might use instead, the same fixed work (medians of %.0f; who takes more than "
		"ten times the fastest runs once):\n\n"
		"| workload, peer | time | spread | pause max | operation p99.99 | wait p99.9 | CPU | PSS peak |\n"
		"|---|---|---|---|---|---|---|---|\n",
		json_number(peers, "rounds", 0));
	JSON_EACH(run, json_get(peers, "results"))
	{
		fprintf(out, "| %s, %s |", json_string(run, "workload", "?"),
			json_string(run, "peer", "?"));
		if (!is_ok(run)) {
			fprintf(out, " %s | | | | | | |\n", json_string(run, "status", "?"));
			continue;
		}
		put_time(out, json_number(run, "seconds", 0) * 1e6);
		put_spread(out, run, "seconds");
		put_time(out, json_number(run, "pause_us.max", 0));
		put_time(out, json_number(run, "op_us.p9999", 0));
		put_time(out, json_number(run, "arrival_us.p999", 0));
		fprintf(out, " %.3g s | %.0f MiB |\n", json_number(run, "cpu_seconds", 0),
			json_number(run, "pss_peak_bytes", 0) / 1048576);
	}
}

void markdown_write(FILE *out, const struct json *bundle, const char *path)
{
	fprintf(out,
		"Linux %s, %s, %.0f CPUs; `%s`; all figures are in [%s](%s), and none of them was typed by "
		"hand. `spread` is how far the rounds lie from the median. What they do not show is in [docs/benchmarks.md](docs/benchmarks.md).\n",
		json_string(bundle, "kernel", "?"), json_string(bundle, "machine", "?"),
		json_number(bundle, "cpus", 0), json_string(bundle, "command", "?"), path, path);
	markdown_plans(out, part_of(bundle, "gc_pause", false));
	markdown_heap(out, part_of(bundle, "gc_pause", true));
	markdown_peers(out, part_of(bundle, "peers", false));
}
