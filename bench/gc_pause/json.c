/* bench/gc_pause/json.c: the results as one JSON object. Field names are a contract: they are
 * listed in docs/benchmarks.md, and change only with it. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/gc_pause/report.h"
#include "bench/gc_pause/sweep.h"
#include "bench/common/json.h"

static void put_text(FILE *out, const char *name, const char *text)
{
	fprintf(out, "\"%s\":", name);
	value_put_text(out, text);
	fputc(',', out);
}

static void put_count(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "\"%s\":%llu,", name, (unsigned long long)value);
}

static void put_real(FILE *out, const char *name, double value)
{
	fprintf(out, "\"%s\":%.6f,", name, value);
}

static void put_summary(FILE *out, const char *name, const struct summary *summary,
			const char *after)
{
	fprintf(out,
		"\"%s\":{\"count\":%llu,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,"
		"\"p9999\":%.3f,\"max\":%.3f}%s",
		name, (unsigned long long)summary->count, summary->p50, summary->p90, summary->p99,
		summary->p999, summary->p9999, summary->max, after);
}

static void put_bare(FILE *out, const struct bare_result *bare)
{
	fprintf(out, "\"bare_fault_us\":{");
	put_summary(out, "sigbus", &bare->sigbus, ",");
	put_summary(out, "thread", &bare->thread, ",");
	put_summary(out, "sigbus_round_trip", &bare->sigbus_round_trip, ",");
	put_summary(out, "thread_round_trip", &bare->thread_round_trip, "},");
}

/* Checksums and seeds are strings: JSON readers lose integers above 2^53. */
static void put_identity(FILE *out, const struct result *result)
{
	static const char *const status[] = {"ok", "wrong", "unavailable", "failed"};
	char text[32];

	put_text(out, "workload", run_workload_name(result->workload));
	put_text(out, "plan", run_plan_name(result->plan));
	put_text(out, "delivery", run_delivery_name(result->delivery));
	put_text(out, "status", status[result->status]);
	put_text(out, "message", result->message);
	put_count(out, "threads", result->threads);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)result->seed);
	put_text(out, "seed", text);
	put_count(out, "heap_bytes", result->heap_bytes);
	put_count(out, "live_bytes", result->live_bytes);
	put_count(out, "handles", result->handles);
	put_count(out, "range_slots", result->range_slots);
	put_real(out, "update_ratio", result->update_ratio);
	if (result->axis != SWEEP_NONE) {
		put_text(out, "sweep", sweep_axis_name(result->axis));
		put_real(out, "sweep_value", result->axis_value);
	}
	put_real(out, "seconds", result->seconds);
	put_count(out, "cycles", result->cycles);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)result->checksum);
	put_text(out, "checksum", text);
	put_real(out, "ops_per_second", result->operations_per_second);
}

static void put_spread(FILE *out, const struct result *result)
{
	put_count(out, "rounds", result->rounds == 0 ? 1 : result->rounds);
	if (result->rounds > 1)
		fprintf(out,
			"\"spread\":{\"ops_per_second\":[%.6f,%.6f],\"pause_us.p50\":[%.3f,%.3f]},",
			result->rate_spread.low, result->rate_spread.high, result->pause_spread.low,
			result->pause_spread.high);
}

static void put_run(FILE *out, const struct result *result)
{
	fputc('{', out);
	put_identity(out, result);
	put_spread(out, result);
	put_summary(out, "pause_us", &result->pause, ",");
	put_summary(out, "flip_us", &result->flip, ",");
	put_summary(out, "op_us", &result->operation, ",");
	put_summary(out, "arrival_us", &result->arrival, ",");
	put_summary(out, "fault_us", &result->fault, ",");
	put_summary(out, "hiccup_us", &result->hiccup, ",");
	if (result->has_bare)
		put_bare(out, &result->bare);
	fprintf(out, "\"mmu\":{\"1ms\":%.4f,\"5ms\":%.4f,\"20ms\":%.4f},", result->mmu[0],
		result->mmu[1], result->mmu[2]);
	put_count(out, "dirty_pages", result->dirty_pages);
	put_count(out, "evacuated_bytes", result->evacuated_bytes);
	put_count(out, "updated_in_place_bytes", result->updated_in_place_bytes);
	put_count(out, "moved_back_bytes", result->moved_back_bytes);
	put_count(out, "continued_pages", result->continued_pages);
	put_count(out, "copied_pages", result->copied_pages);
	put_count(out, "stalls", result->stalls);
	put_count(out, "paced", result->paced);
	put_count(out, "paced_us", result->paced_us);
	put_count(out, "degraded", result->degraded);
	put_count(out, "rss_peak_bytes", result->rss_peak_bytes);
	put_count(out, "pss_peak_bytes", result->pss_peak_bytes);
	put_count(out, "metadata_bytes", result->metadata_bytes);
	if (result->workload == RUN_FRAGMENT)
		fprintf(out,
			"\"fragment\":{\"resident_full_bytes\":%llu,\"resident_before_bytes\":%llu,"
			"\"resident_after_bytes\":%llu},",
			(unsigned long long)result->fragment.full_bytes,
			(unsigned long long)result->fragment.before_bytes,
			(unsigned long long)result->fragment.after_bytes);
	fprintf(out, "\"cpu_seconds\":%.6f}", result->cpu_seconds);
}

bool report_json(const char *path, const struct result *results, size_t count,
		 const struct bare_result *bare)
{
	bool to_stdout = strcmp(path, "-") == 0, failed;
	FILE *out = to_stdout ? stdout : fopen(path, "we");
	struct utsname name;

	if (out == NULL) {
		fprintf(stderr, "gc_pause: %s: %s\n", path, strerror(errno));
		return false;
	}
	uname(&name);
	fprintf(out, "{\"tool\":\"gc_pause\",");
	put_text(out, "kernel", name.release);
	put_text(out, "machine", name.machine);
	put_count(out, "cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	if (bare != NULL)
		put_bare(out, bare);
	fprintf(out, "\"runs\":[");
	for (size_t i = 0; i < count; i++) {
		fputs(i == 0 ? "\n" : ",\n", out);
		put_run(out, &results[i]);
	}
	fputs("]}\n", out);
	failed = fflush(out) != 0 || ferror(out) != 0;
	if (!to_stdout)
		failed |= fclose(out) != 0;
	if (failed)
		fprintf(stderr, "gc_pause: %s: not written completely\n", path);
	return !failed;
}
