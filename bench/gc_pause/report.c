/* bench/gc_pause/report.c: the table: a row per figure, a column per run, human units. */
#include "bench/gc_pause/report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LABEL_WIDTH 22
#define CELL_WIDTH 11
#define CELL_BYTES 24

typedef void (*report_cell)(const struct result *result, char *text);

static void put_us(char *text, uint64_t count, double us)
{
	if (count == 0)
		snprintf(text, CELL_BYTES, "-");
	else if (us < 1)
		snprintf(text, CELL_BYTES, "%.0f ns", us * 1e3);
	else if (us < 1000)
		snprintf(text, CELL_BYTES, "%.3g us", us);
	else if (us < 1e6)
		snprintf(text, CELL_BYTES, "%.3g ms", us / 1e3);
	else
		snprintf(text, CELL_BYTES, "%.3g s", us / 1e6);
}

static void put_scaled(char *text, double value, double step, const char *const *units)
{
	unsigned unit = 0;

	while (value >= 1000 && units[unit + 1] != NULL) {
		value /= step;
		unit++;
	}
	snprintf(text, CELL_BYTES, value < 100 && unit > 0 ? "%.3g%s" : "%.0f%s", value,
		 units[unit]);
}

static void put_bytes(char *text, uint64_t bytes)
{
	static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", NULL};

	if (bytes == 0)
		snprintf(text, CELL_BYTES, "-");
	else
		put_scaled(text, (double)bytes, 1024, units);
}

/* What malloc does not have is not a zero. */
static void put_count(char *text, const struct result *result, double count)
{
	static const char *const units[] = {"", " k", " M", " G", " T", NULL};

	if (count <= 0 && result->plan == RUN_NONE)
		snprintf(text, CELL_BYTES, "-");
	else
		put_scaled(text, count, 1000, units);
}

#define CELL_US(name, summary, field)                                       \
	static void name(const struct result *result, char *text)           \
	{                                                                   \
		put_us(text, result->summary.count, result->summary.field); \
	}
#define CELL_BYTES_OF(name, field)                                \
	static void name(const struct result *result, char *text) \
	{                                                         \
		put_bytes(text, result->field);                   \
	}
#define CELL_COUNT(name, field)                                   \
	static void name(const struct result *result, char *text) \
	{                                                         \
		put_count(text, result, (double)result->field);   \
	}
#define CELL_SHARE(name, window)                                                  \
	static void name(const struct result *result, char *text)                 \
	{                                                                         \
		snprintf(text, CELL_BYTES, "%.1f %%", 100 * result->mmu[window]); \
	}

CELL_COUNT(cell_rate, operations_per_second)
CELL_US(cell_op_p50, operation, p50)
CELL_US(cell_op_p99, operation, p99)
CELL_US(cell_op_p999, operation, p999)
CELL_US(cell_op_p9999, operation, p9999)
CELL_US(cell_op_max, operation, max)
CELL_US(cell_arrival_p50, arrival, p50)
CELL_US(cell_arrival_p99, arrival, p99)
CELL_US(cell_arrival_p999, arrival, p999)
CELL_SHARE(cell_mmu_1, 0)
CELL_SHARE(cell_mmu_5, 1)
CELL_SHARE(cell_mmu_20, 2)
CELL_COUNT(cell_cycles, cycles)
CELL_US(cell_pause_p50, pause, p50)
CELL_US(cell_pause_p99, pause, p99)
CELL_US(cell_pause_max, pause, max)
CELL_US(cell_flip_p50, flip, p50)
CELL_US(cell_flip_max, flip, max)
CELL_COUNT(cell_faults, fault.count)
CELL_US(cell_fault_p50, fault, p50)
CELL_US(cell_fault_p99, fault, p99)
CELL_US(cell_fault_max, fault, max)
CELL_COUNT(cell_dirty, dirty_pages)
CELL_BYTES_OF(cell_evacuated, evacuated_bytes)
CELL_BYTES_OF(cell_updated, updated_in_place_bytes)
CELL_BYTES_OF(cell_moved, moved_back_bytes)
CELL_COUNT(cell_continued, continued_pages)
CELL_COUNT(cell_copied, copied_pages)
CELL_COUNT(cell_stalls, stalls)
CELL_COUNT(cell_paced, paced)
CELL_COUNT(cell_degraded, degraded)
CELL_BYTES_OF(cell_live, live_bytes)
CELL_BYTES_OF(cell_rss, rss_peak_bytes)
CELL_BYTES_OF(cell_pss, pss_peak_bytes)
CELL_BYTES_OF(cell_metadata, metadata_bytes)
CELL_BYTES_OF(cell_full, fragment.full_bytes)
CELL_BYTES_OF(cell_before, fragment.before_bytes)
CELL_BYTES_OF(cell_after, fragment.after_bytes)
CELL_US(cell_hiccup_p99, hiccup, p99)
CELL_US(cell_hiccup_max, hiccup, max)

static void cell_bare(const struct result *result, char *text)
{
	const struct summary *bare = result->delivery == RUN_SIGBUS ? &result->bare.sigbus
								    : &result->bare.thread;

	put_us(text, bare->count, bare->p50);
}

static void cell_bare_round_trip(const struct result *result, char *text)
{
	const struct summary *bare = result->delivery == RUN_SIGBUS
					     ? &result->bare.sigbus_round_trip
					     : &result->bare.thread_round_trip;

	put_us(text, bare->count, bare->p50);
}

static void cell_rate_spread(const struct result *result, char *text)
{
	double middle = result->operations_per_second;

	snprintf(text, CELL_BYTES, "%+.0f%+.0f %%", 100 * (result->rate_spread.low / middle - 1),
		 100 * (result->rate_spread.high / middle - 1));
}

static void cell_pause_spread(const struct result *result, char *text)
{
	double middle = result->pause.p50;

	if (result->pause.count != 0)
		snprintf(text, CELL_BYTES, "%+.0f%+.0f %%",
			 100 * (result->pause_spread.low / middle - 1),
			 100 * (result->pause_spread.high / middle - 1));
	else
		put_us(text, 0, 0);
}

static void cell_cpu(const struct result *result, char *text)
{
	snprintf(text, CELL_BYTES, "%.2f s", result->cpu_seconds);
}

static void cell_checksum(const struct result *result, char *text)
{
	snprintf(text, CELL_BYTES, "%08x", (unsigned)(result->checksum ^ result->checksum >> 32));
}

static const struct row {
	const char *label;
	report_cell cell;
	bool fragment_only;
	bool rounds_only;
} rows[] = {
	{"operations/s", cell_rate, false, false},
	{"  its rounds", cell_rate_spread, false, true},
	{"op p50", cell_op_p50, false, false},
	{"op p99", cell_op_p99, false, false},
	{"op p99.9", cell_op_p999, false, false},
	{"op p99.99", cell_op_p9999, false, false},
	{"op max", cell_op_max, false, false},
	{"arrival wait p50", cell_arrival_p50, false, false},
	{"arrival wait p99", cell_arrival_p99, false, false},
	{"arrival wait p99.9", cell_arrival_p999, false, false},
	{"utilisation in 1 ms", cell_mmu_1, false, false},
	{"utilisation in 5 ms", cell_mmu_5, false, false},
	{"utilisation in 20 ms", cell_mmu_20, false, false},
	{"cycles", cell_cycles, false, false},
	{"pause p50", cell_pause_p50, false, false},
	{"  its rounds", cell_pause_spread, false, true},
	{"pause p99", cell_pause_p99, false, false},
	{"pause max", cell_pause_max, false, false},
	{"flip p50", cell_flip_p50, false, false},
	{"flip max", cell_flip_max, false, false},
	{"faults", cell_faults, false, false},
	{"fault p50", cell_fault_p50, false, false},
	{"  bare loop p50", cell_bare, false, false},
	{"  bare round trip p50", cell_bare_round_trip, false, false},
	{"fault p99", cell_fault_p99, false, false},
	{"fault max", cell_fault_max, false, false},
	{"dirty pages", cell_dirty, false, false},
	{"evacuated", cell_evacuated, false, false},
	{"updated in place", cell_updated, false, false},
	{"moved back", cell_moved, false, false},
	{"pages continued", cell_continued, false, false},
	{"pages copied", cell_copied, false, false},
	{"allocation stalls", cell_stalls, false, false},
	{"allocation paced", cell_paced, false, false},
	{"degraded", cell_degraded, false, false},
	{"live", cell_live, false, false},
	{"resident, full", cell_full, true, false},
	{"resident, 75% dropped", cell_before, true, false},
	{"resident, refilled", cell_after, true, false},
	{"RSS peak", cell_rss, false, false},
	{"PSS peak", cell_pss, false, false},
	{"collector metadata", cell_metadata, false, false},
	{"CPU", cell_cpu, false, false},
	{"machine hiccup p99", cell_hiccup_p99, false, false},
	{"machine hiccup max", cell_hiccup_max, false, false},
	{"checksum", cell_checksum, false, false},
};

static size_t columns_that_fit(FILE *out)
{
	struct winsize size;
	size_t width = 100;

	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		width = size.ws_col;
	else if (getenv("COLUMNS") != NULL && atoi(getenv("COLUMNS")) > 0)
		width = (size_t)atoi(getenv("COLUMNS"));
	return width < LABEL_WIDTH + 2 * CELL_WIDTH ? 1 : (width - LABEL_WIDTH) / CELL_WIDTH;
}

static bool has_figures(const struct result *result)
{
	return result->status == RESULT_OK || result->status == RESULT_WRONG;
}

/* One block of columns, [first, first + count) of the runs of one workload. */
static void report_block(FILE *out, const struct result *results, size_t count)
{
	char text[CELL_BYTES];

	fprintf(out, "%-*s", LABEL_WIDTH, "plan");
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%*s", CELL_WIDTH,
			results[i].plan == RUN_NONE ? "malloc" : run_plan_name(results[i].plan));
	fprintf(out, "\n%-*s", LABEL_WIDTH, "delivery");
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%*s", CELL_WIDTH, run_delivery_name(results[i].delivery));
	fputc('\n', out);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		if ((rows[r].fragment_only && results[0].workload != RUN_FRAGMENT) ||
		    (rows[r].rounds_only && results[0].rounds < 2))
			continue;
		fprintf(out, "%-*s", LABEL_WIDTH, rows[r].label);
		for (size_t i = 0; i < count; i++) {
			snprintf(text, sizeof(text), "-");
			if (has_figures(&results[i]))
				rows[r].cell(&results[i], text);
			fprintf(out, "%*s", CELL_WIDTH, text);
		}
		fputc('\n', out);
	}
}

static void report_messages(FILE *out, const struct result *results, size_t count)
{
	static const char *const words[] = {"", "WRONG", "not available", "FAILED"};

	for (size_t i = 0; i < count; i++)
		if (results[i].status != RESULT_OK)
			fprintf(out, "%s %s%s%s: %s: %s\n", run_workload_name(results[i].workload),
				run_plan_name(results[i].plan),
				results[i].delivery == RUN_NO_DELIVERY ? "" : "+",
				run_delivery_name(results[i].delivery), words[results[i].status],
				results[i].message);
}

void report_table(FILE *out, const struct result *results, size_t count)
{
	size_t fit = columns_that_fit(out), same, block;
	char heap[CELL_BYTES];

	for (size_t i = 0; i < count; i += same) {
		for (same = 1;
		     i + same < count && results[i + same].workload == results[i].workload;)
			same++;
		put_bytes(heap, results[i].heap_bytes);
		fprintf(out, "%s: %u thread%s, heap %s, seed %llu\n",
			run_workload_name(results[i].workload), results[i].threads,
			results[i].threads == 1 ? "" : "s", heap,
			(unsigned long long)results[i].seed);
		for (size_t at = 0; at < same; at += block) {
			block = same - at < fit ? same - at : fit;
			fputc('\n', out);
			report_block(out, results + i + at, block);
		}
		report_messages(out, results + i, same);
		fputc('\n', out);
	}
}

static void report_bare_line(FILE *out, const char *label, const struct summary *summary)
{
	char p50[CELL_BYTES], p99[CELL_BYTES], max[CELL_BYTES];

	put_us(p50, summary->count, summary->p50);
	put_us(p99, summary->count, summary->p99);
	put_us(max, summary->count, summary->max);
	fprintf(out, "%-*s%*s%*s%*s\n", LABEL_WIDTH, label, CELL_WIDTH, p50, CELL_WIDTH, p99,
		CELL_WIDTH, max);
}

void report_bare(FILE *out, const struct bare_result *bare)
{
	fprintf(out, "%-*s%*s%*s%*s\n", LABEL_WIDTH, "bare fault loops", CELL_WIDTH, "p50",
		CELL_WIDTH, "p99", CELL_WIDTH, "max");
	report_bare_line(out, "sigbus", &bare->sigbus);
	report_bare_line(out, "sigbus round trip", &bare->sigbus_round_trip);
	report_bare_line(out, "thread", &bare->thread);
	report_bare_line(out, "thread round trip", &bare->thread_round_trip);
	if (bare->why_not[0] != '\0')
		fprintf(out, "not all could run: %s\n", bare->why_not);
}
