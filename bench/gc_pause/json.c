/* bench/gc_pause/json.c: the results as one JSON object. Field names are a contract: they are
 * listed in docs/benchmarks.md, and change only with it. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/gc_pause/report.h"
#include "bench/gc_pause/sweep.h"

static void json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < 0x20)
			fprintf(out, "\\u%04x", byte);
		else
			fputc(byte, out);
	}
	fputc('"', out);
}

static void json_text(FILE *out, const char *name, const char *text)
{
	fprintf(out, "\"%s\":", name);
	json_string(out, text);
	fputc(',', out);
}

static void json_count(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "\"%s\":%llu,", name, (unsigned long long)value);
}

static void json_real(FILE *out, const char *name, double value)
{
	fprintf(out, "\"%s\":%.6f,", name, value);
}

static void json_summary(FILE *out, const char *name, const struct summary *summary,
			 const char *after)
{
	fprintf(out,
		"\"%s\":{\"count\":%llu,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,"
		"\"p9999\":%.3f,\"max\":%.3f}%s",
		name, (unsigned long long)summary->count, summary->p50, summary->p90, summary->p99,
		summary->p999, summary->p9999, summary->max, after);
}

static void json_bare(FILE *out, const struct bare_result *bare)
{
	fprintf(out, "\"bare_fault_us\":{");
	json_summary(out, "sigbus", &bare->sigbus, ",");
	json_summary(out, "thread", &bare->thread, ",");
	json_summary(out, "sigbus_round_trip", &bare->sigbus_round_trip, ",");
	json_summary(out, "thread_round_trip", &bare->thread_round_trip, "},");
}

/* Checksums and seeds are strings: JSON readers lose integers above 2^53. */
static void json_identity(FILE *out, const struct result *result)
{
	static const char *const status[] = {"ok", "wrong", "unavailable", "failed"};
	char text[32];

	json_text(out, "workload", run_workload_name(result->workload));
	json_text(out, "plan", run_plan_name(result->plan));
	json_text(out, "delivery", run_delivery_name(result->delivery));
	json_text(out, "status", status[result->status]);
	json_text(out, "message", result->message);
	json_count(out, "threads", result->threads);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)result->seed);
	json_text(out, "seed", text);
	json_count(out, "heap_bytes", result->heap_bytes);
	json_count(out, "live_bytes", result->live_bytes);
	json_count(out, "handles", result->handles);
	json_count(out, "range_slots", result->range_slots);
	json_real(out, "update_ratio", result->update_ratio);
	if (result->axis != SWEEP_NONE) {
		json_text(out, "sweep", sweep_axis_name(result->axis));
		json_real(out, "sweep_value", result->axis_value);
	}
	json_real(out, "seconds", result->seconds);
	json_count(out, "cycles", result->cycles);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)result->checksum);
	json_text(out, "checksum", text);
	json_real(out, "ops_per_second", result->operations_per_second);
}

static void json_spread(FILE *out, const struct result *result)
{
	json_count(out, "rounds", result->rounds == 0 ? 1 : result->rounds);
	if (result->rounds > 1)
		fprintf(out,
			"\"spread\":{\"ops_per_second\":[%.6f,%.6f],\"pause_us.p50\":[%.3f,%.3f]},",
			result->rate_spread.low, result->rate_spread.high, result->pause_spread.low,
			result->pause_spread.high);
}

static void json_run(FILE *out, const struct result *result)
{
	fputc('{', out);
	json_identity(out, result);
	json_spread(out, result);
	json_summary(out, "pause_us", &result->pause, ",");
	json_summary(out, "flip_us", &result->flip, ",");
	json_summary(out, "op_us", &result->operation, ",");
	json_summary(out, "arrival_us", &result->arrival, ",");
	json_summary(out, "fault_us", &result->fault, ",");
	json_summary(out, "hiccup_us", &result->hiccup, ",");
	if (result->has_bare)
		json_bare(out, &result->bare);
	fprintf(out, "\"mmu\":{\"1ms\":%.4f,\"5ms\":%.4f,\"20ms\":%.4f},", result->mmu[0],
		result->mmu[1], result->mmu[2]);
	json_count(out, "dirty_pages", result->dirty_pages);
	json_count(out, "evacuated_bytes", result->evacuated_bytes);
	json_count(out, "updated_in_place_bytes", result->updated_in_place_bytes);
	json_count(out, "moved_back_bytes", result->moved_back_bytes);
	json_count(out, "continued_pages", result->continued_pages);
	json_count(out, "copied_pages", result->copied_pages);
	json_count(out, "stalls", result->stalls);
	json_count(out, "paced", result->paced);
	json_count(out, "paced_us", result->paced_us);
	json_count(out, "degraded", result->degraded);
	json_count(out, "rss_peak_bytes", result->rss_peak_bytes);
	json_count(out, "pss_peak_bytes", result->pss_peak_bytes);
	json_count(out, "metadata_bytes", result->metadata_bytes);
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
	json_text(out, "kernel", name.release);
	json_text(out, "machine", name.machine);
	json_count(out, "cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	if (bare != NULL)
		json_bare(out, bare);
	fprintf(out, "\"runs\":[");
	for (size_t i = 0; i < count; i++) {
		fputs(i == 0 ? "\n" : ",\n", out);
		json_run(out, &results[i]);
	}
	fputs("]}\n", out);
	failed = fflush(out) != 0 || ferror(out) != 0;
	if (!to_stdout)
		failed |= fclose(out) != 0;
	if (failed)
		fprintf(stderr, "gc_pause: %s: not written completely\n", path);
	return !failed;
}
