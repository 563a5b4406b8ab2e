/* bench/peers/report.c: the table and the JSON of a comparison. See comparison.h and docs/benchmarks.md. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/peers/comparison.h"

static void put_us(double us)
{
	if (!(us > 0))
		printf("%10s", "-");
	else if (us < 1000)
		printf("%7.3g us", us);
	else if (us < 1e6)
		printf("%7.3g ms", us / 1e3);
	else
		printf("%8.3g s", us / 1e6);
}

static void table_line(const struct outcome *outcome)
{
	static const char *const times[] = {"op_us.p99", "op_us.p9999", "op_us.max",
					    "arrival_us.p999", "pause_us.max"};

	printf("%-18s", outcome->peer->name);
	if (outcome->message[0] != '\0') {
		printf("  %s\n", outcome->message);
		return;
	}
	printf("%8.2f s", outcome_median_of(outcome, "seconds"));
	if (outcome->rounds > 1)
		printf("%6.0f%%", outcome_spread_of(outcome, "seconds"));
	else
		printf("%7s", "once");
	printf("%10.3g", outcome_median_of(outcome, "ops_per_second"));
	for (size_t t = 0; t < sizeof(times) / sizeof(times[0]); t++)
		put_us(outcome_median_of(outcome, times[t]));
	printf("%8.2f s%7.0f MiB\n", outcome_median_of(outcome, "cpu_seconds"),
	       outcome_median_of(outcome, "pss_peak_bytes") / (double)MIB);
}

void report_table(const struct comparison *comparison, enum peer_work work)
{
	const struct peer_task *task = &comparison->tasks[work];

	printf("%s: %u thread%s, heap %llu MiB, %llu operations, medians of %u\n", task->name,
	       task->threads, task->threads == 1 ? "" : "s",
	       (unsigned long long)(task->heap_bytes / MIB), (unsigned long long)task->operations,
	       task->rounds);
	printf("%-18s%10s%7s%10s%10s%10s%10s%10s%10s%10s%11s\n", "", "time", "spread", "ops/s",
	       "op p99", "p99.99", "max", "wait 99.9", "pause max", "CPU", "PSS peak");
	for (unsigned p = 0; p < peers_count; p++)
		if ((comparison->peers & 1u << p) != 0)
			table_line(&comparison->outcomes[work][p]);
	putchar('\n');
}

/* Paths with the same word before the dot lie beside each other and become one object. */
static void put_medians(FILE *out, const struct outcome *outcome)
{
	const char *open = "";
	size_t open_length = 0;

	for (size_t f = 0; f < figures_count; f++) {
		const char *dot = strchr(figures[f], '.');
		size_t length = dot == NULL ? 0 : (size_t)(dot - figures[f]);

		if (isnan(outcome_median(outcome, f)))
			continue;
		if (open_length > 0 &&
		    (length != open_length || strncmp(open, figures[f], length) != 0)) {
			fputc('}', out);
			open_length = 0;
		}
		fputc(',', out);
		if (length > 0 && open_length == 0)
			fprintf(out, "\"%.*s\":{", (int)length, figures[f]);
		open = figures[f];
		open_length = length;
		fprintf(out, "\"%s\":%.6g", dot == NULL ? figures[f] : dot + 1,
			outcome_median(outcome, f));
	}
	if (open_length > 0)
		fputc('}', out);
}

static void put_spread(FILE *out, const struct outcome *outcome)
{
	const char *comma = "";

	fputs(",\"spread\":{", out);
	for (size_t f = 0; f < figures_count; f++) {
		if (isnan(outcome_median(outcome, f)))
			continue;
		fprintf(out, "%s\"%s\":[%.6g,%.6g]", comma, figures[f], outcome->values[f][0],
			outcome->values[f][outcome->rounds - 1]);
		comma = ",";
	}
	fputc('}', out);
}

static void put_outcome(FILE *out, const struct peer_task *task, const struct outcome *outcome)
{
	const char *status = outcome->message[0] == '\0' ? "ok"
			     : outcome->rounds == 0 && peer_absent(outcome->peer)[0] != '\0'
				     ? "absent"
			     : outcome_exhausted(outcome) ? "exhausted"
							  : "failed";

	fprintf(out, "{\"workload\":\"%s\",\"peer\":\"%s\",\"describe\":", task->name,
		outcome->peer->name);
	value_put_text(out, outcome->peer->describe);
	fprintf(out, ",\"status\":\"%s\",\"message\":", status);
	value_put_text(out, outcome->message);
	fprintf(out,
		",\"threads\":%u,\"heap_bytes\":%llu,\"operations\":%llu,\"depth\":%u,\"rounds\":%u",
		task->threads, (unsigned long long)task->heap_bytes,
		(unsigned long long)task->operations, task->depth, outcome->rounds);
	if (outcome->message[0] == '\0') {
		put_medians(out, outcome);
		put_spread(out, outcome);
	}
	fputc('}', out);
}

bool report_json(const struct comparison *comparison)
{
	bool to_stdout = strcmp(comparison->json_path, "-") == 0, failed;
	FILE *out = to_stdout ? stdout : fopen(comparison->json_path, "we");
	const char *comma = "\n";
	struct utsname name;

	if (out == NULL) {
		fprintf(stderr, "peers: %s: %s\n", comparison->json_path, strerror(errno));
		return false;
	}
	uname(&name);
	fprintf(out,
		"{\"tool\":\"peers\",\"kernel\":\"%s\",\"machine\":\"%s\",\"cpus\":%ld,"
		"\"seed\":\"%llu\",\"quick\":%s,\"results\":[",
		name.release, name.machine, sysconf(_SC_NPROCESSORS_ONLN),
		(unsigned long long)comparison->seed, comparison->quick ? "true" : "false");
	for (unsigned w = 0; w < PEER_WORKS; w++) {
		for (unsigned p = 0; p < peers_count; p++) {
			if ((comparison->works & 1u << w) == 0 ||
			    (comparison->peers & 1u << p) == 0)
				continue;
			fputs(comma, out);
			comma = ",\n";
			put_outcome(out, &comparison->tasks[w], &comparison->outcomes[w][p]);
		}
	}
	fputs("]}\n", out);
	failed = fflush(out) != 0 || ferror(out) != 0;
	if (!to_stdout)
		failed |= fclose(out) != 0;
	if (failed)
		fprintf(stderr, "peers: %s: not written completely\n", comparison->json_path);
	return !failed;
}
