/* bench/peers/main.c: what a user would take instead: the same work, the same chance and the same limit
 * of the heap on every peer, in one run of runs, alternating. See docs/benchmarks.md.
 *
 * The work is fixed, so all peers must come to the same checksum. Each figure is the median of the
 * rounds, and its spread is shown beside it: a machine that is not quiet betrays itself there. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/peers/peers.h"

#define MOST_ROUNDS 31
#define MIB (UINT64_C(1) << 20)
#define SLOW_SECONDS 5 /* and that many times the fastest: runs once */
#define SLOW_TIMES 10

/* What is taken from each run: paths in gc_pause's results. */
static const char *const figures[] = {
	"ops_per_second",
	"seconds",
	"cpu_seconds",
	"live_bytes",
	"pss_peak_bytes",
	"rss_peak_bytes",
	"cycles",
	"op_us.p50",
	"op_us.p90",
	"op_us.p99",
	"op_us.p999",
	"op_us.p9999",
	"op_us.max",
	"op_us.count",
	"arrival_us.p50",
	"arrival_us.p90",
	"arrival_us.p99",
	"arrival_us.p999",
	"arrival_us.p9999",
	"arrival_us.max",
	"arrival_us.count",
	"pause_us.p50",
	"pause_us.p90",
	"pause_us.p99",
	"pause_us.p999",
	"pause_us.p9999",
	"pause_us.max",
	"pause_us.count",
	"hiccup_us.p99",
	"hiccup_us.max",
	"mmu.1ms",
	"mmu.5ms",
	"mmu.20ms",
	"fragment.resident_full_bytes",
	"fragment.resident_before_bytes",
	"fragment.resident_after_bytes",
};
#define FIGURES (sizeof(figures) / sizeof(figures[0]))

/* What all rounds of one peer with one task found. */
struct outcome {
	const struct peer *peer;
	char message[160]; /* empty, or why there are no figures */
	char checksum[20];
	unsigned rounds;
	double values[FIGURES][MOST_ROUNDS]; /* sorted before they are shown */
};

struct comparison {
	unsigned rounds;
	uint64_t seed;
	unsigned works; /* bit masks */
	unsigned peers;
	bool quick, quiet;
	const char *json_path;
	struct peer_task tasks[PEER_WORKS];
	struct outcome outcomes[PEER_WORKS][PEERS_MOST];
};

static const char *const work_names[PEER_WORKS] = {"cache", "trees", "gcbench", "fragment"};

/* trees and gcbench make one pass over all depths in each thread; fragment one round. */
static void tasks_fill(struct comparison *comparison)
{
	bool quick = comparison->quick;
	struct peer_task tasks[PEER_WORKS] = {
		/* Enough for several cycles of a heap three times as large as what is alive. */
		{PEER_CACHE, "cache", 1, 16, 288 * MIB, 96 * MIB, 2000000},
		{PEER_TREES, "trees", 2, 20, 1024 * MIB, 64 * MIB, 2 * 294912},
		{PEER_GCBENCH, "gcbench", 2, 16, 1024 * MIB, 64 * MIB, 2 * 57344},
		{PEER_FRAGMENT, "fragment", 1, 16, 1152 * MIB, 563 * MIB, 1},
	};

	memcpy(comparison->tasks, tasks, sizeof(tasks));
	for (unsigned w = 0; quick && w < PEER_WORKS; w++) {
		comparison->tasks[w].heap_bytes /= 16;
		comparison->tasks[w].live_bytes /= 16;
		comparison->tasks[w].operations = tasks[w].operations / 16 + 1;
		comparison->tasks[w].depth = 13;
	}
}

static size_t figure_named(const char *path)
{
	size_t figure = 0;

	while (figure + 1 < FIGURES && strcmp(figures[figure], path) != 0)
		figure++;
	return figure;
}

static void outcome_take(struct comparison *comparison, struct outcome *outcome,
			 const struct peer_task *task, unsigned round)
{
	struct json_document document;
	const struct json *run;

	if (!peer_run(outcome->peer, task, comparison->seed + round, &document)) {
		snprintf(outcome->message, sizeof(outcome->message), "%s", document.message);
		json_close(&document);
		return;
	}
	run = json_get(document.root, "runs");
	run = run == NULL ? NULL : run->first;
	if (strcmp(json_string(run, "status", "no result"), "ok") != 0)
		snprintf(outcome->message, sizeof(outcome->message), "%s",
			 json_string(run, "message", "no result"));
	snprintf(outcome->checksum, sizeof(outcome->checksum), "%s",
		 json_string(run, "checksum", ""));
	for (size_t f = 0; f < FIGURES; f++)
		outcome->values[f][outcome->rounds] = json_number(run, figures[f], 0);
	outcome->rounds++;
	json_close(&document);
}

/* After a round all peers that took part in it have done the same work. */
static bool checksums_agree(const struct comparison *comparison, enum peer_work work,
			    unsigned rounds)
{
	const struct outcome *first = NULL;
	bool agree = true;

	for (unsigned p = 0; p < peers_count; p++) {
		const struct outcome *outcome = &comparison->outcomes[work][p];

		if (outcome->message[0] != '\0' || outcome->rounds != rounds)
			continue;
		if (first == NULL)
			first = outcome;
		if (strcmp(first->checksum, outcome->checksum) != 0) {
			fprintf(stderr, "peers: CHECKSUMS DIFFER: %s: %s %s, %s %s\n",
				work_names[work], first->peer->name, first->checksum,
				outcome->peer->name, outcome->checksum);
			agree = false;
		}
	}
	return agree;
}

/* One run shows that a peer is slower by far; the time is better spent on those that are not. */
static bool outcome_is_slow(const struct comparison *comparison, const struct outcome *outcome,
			    enum peer_work work)
{
	double fastest = 0, seconds = outcome->values[figure_named("seconds")][0];

	for (unsigned p = 0; p < peers_count; p++) {
		const struct outcome *other = &comparison->outcomes[work][p];
		double theirs = other->values[figure_named("seconds")][0];

		if (other->rounds > 0 && (fastest <= 0 || theirs < fastest))
			fastest = theirs;
	}
	return outcome->rounds > 0 && seconds >= SLOW_SECONDS && seconds > SLOW_TIMES * fastest;
}

static bool compare_work(struct comparison *comparison, enum peer_work work)
{
	bool agree = true;

	for (unsigned p = 0; p < peers_count; p++) {
		struct outcome *outcome = &comparison->outcomes[work][p];

		outcome->peer = &peers_known[p];
		snprintf(outcome->message, sizeof(outcome->message), "%s",
			 peer_absent(outcome->peer));
	}
	for (unsigned round = 0; round < comparison->rounds; round++) {
		for (unsigned p = 0; p < peers_count; p++) {
			struct outcome *outcome = &comparison->outcomes[work][p];

			if ((comparison->peers & 1u << p) == 0 || outcome->message[0] != '\0' ||
			    outcome_is_slow(comparison, outcome, work))
				continue;
			if (!comparison->quiet && isatty(STDERR_FILENO))
				fprintf(stderr, "\r%s, round %u of %u: %s\033[K", work_names[work],
					round + 1, comparison->rounds, outcome->peer->name);
			outcome_take(comparison, outcome, &comparison->tasks[work], round);
		}
		agree &= checksums_agree(comparison, work, round + 1);
	}
	if (!comparison->quiet && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return agree;
}

static int compare_values(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void outcome_sort(struct outcome *outcome)
{
	for (size_t f = 0; f < FIGURES; f++)
		qsort(outcome->values[f], outcome->rounds, sizeof(double), compare_values);
}

static double outcome_median(const struct outcome *outcome, size_t figure)
{
	const double *values = outcome->values[figure];
	unsigned middle = outcome->rounds / 2;

	if (outcome->rounds % 2 != 0)
		return values[middle];
	return outcome->rounds == 0 ? 0 : (values[middle - 1] + values[middle]) / 2;
}

static double median_of(const struct outcome *outcome, const char *path)
{
	return outcome_median(outcome, figure_named(path));
}

/* Largest over smallest, as a percentage above 1, of a figure's rounds. */
static double spread_of(const struct outcome *outcome, const char *path)
{
	const double *values = outcome->values[figure_named(path)];

	return outcome->rounds < 2 || values[0] <= 0
		       ? 0
		       : 100 * (values[outcome->rounds - 1] / values[0] - 1);
}

/* --- the table --------------------------------------------------------------------------------- */

static void put_us(double us)
{
	if (us <= 0)
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
	printf("%8.2f s", median_of(outcome, "seconds"));
	if (outcome->rounds > 1)
		printf("%6.0f%%", spread_of(outcome, "seconds"));
	else
		printf("%7s", "once");
	printf("%10.3g", median_of(outcome, "ops_per_second"));
	for (size_t t = 0; t < sizeof(times) / sizeof(times[0]); t++)
		put_us(median_of(outcome, times[t]));
	printf("%8.2f s%7.0f MiB\n", median_of(outcome, "cpu_seconds"),
	       median_of(outcome, "pss_peak_bytes") / (double)MIB);
}

static void table_print(const struct comparison *comparison, enum peer_work work)
{
	const struct peer_task *task = &comparison->tasks[work];

	printf("%s: %u thread%s, heap %llu MiB, %llu operations, medians of %u\n", task->name,
	       task->threads, task->threads == 1 ? "" : "s",
	       (unsigned long long)(task->heap_bytes / MIB), (unsigned long long)task->operations,
	       comparison->rounds);
	printf("%-18s%10s%7s%10s%10s%10s%10s%10s%10s%10s%11s\n", "", "time", "spread", "ops/s",
	       "op p99", "p99.99", "max", "wait 99.9", "pause max", "CPU", "PSS peak");
	for (unsigned p = 0; p < peers_count; p++)
		if ((comparison->peers & 1u << p) != 0)
			table_line(&comparison->outcomes[work][p]);
	putchar('\n');
}

/* --- JSON -------------------------------------------------------------------------------------- */

/* Paths with the same word before the dot lie beside each other and become one object. */
static void json_medians(FILE *out, const struct outcome *outcome)
{
	const char *open = "";
	size_t open_length = 0;

	for (size_t f = 0; f < FIGURES; f++) {
		const char *dot = strchr(figures[f], '.');
		size_t length = dot == NULL ? 0 : (size_t)(dot - figures[f]);

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

static void json_spread(FILE *out, const struct outcome *outcome)
{
	fputs(",\"spread\":{", out);
	for (size_t f = 0; f < FIGURES; f++)
		fprintf(out, "%s\"%s\":[%.6g,%.6g]", f == 0 ? "" : ",", figures[f],
			outcome->values[f][0], outcome->values[f][outcome->rounds - 1]);
	fputc('}', out);
}

static void json_outcome(FILE *out, const struct peer_task *task, const struct outcome *outcome)
{
	const char *status = outcome->message[0] == '\0' ? "ok"
			     : outcome->rounds == 0 && peer_absent(outcome->peer)[0] != '\0'
				     ? "absent"
				     : "failed";

	fprintf(out, "{\"workload\":\"%s\",\"peer\":\"%s\",\"describe\":", task->name,
		outcome->peer->name);
	json_write_string(out, outcome->peer->describe);
	fprintf(out, ",\"status\":\"%s\",\"message\":", status);
	json_write_string(out, outcome->message);
	fprintf(out,
		",\"threads\":%u,\"heap_bytes\":%llu,\"operations\":%llu,\"depth\":%u,\"rounds\":%u",
		task->threads, (unsigned long long)task->heap_bytes,
		(unsigned long long)task->operations, task->depth, outcome->rounds);
	if (outcome->message[0] == '\0') {
		json_medians(out, outcome);
		json_spread(out, outcome);
	}
	fputc('}', out);
}

static bool json_write(const struct comparison *comparison)
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
		"{\"tool\":\"peers\",\"kernel\":\"%s\",\"machine\":\"%s\",\"cpus\":%ld,\"rounds\":%u,"
		"\"seed\":\"%llu\",\"quick\":%s,\"results\":[",
		name.release, name.machine, sysconf(_SC_NPROCESSORS_ONLN), comparison->rounds,
		(unsigned long long)comparison->seed, comparison->quick ? "true" : "false");
	for (unsigned w = 0; w < PEER_WORKS; w++) {
		for (unsigned p = 0; p < peers_count; p++) {
			if ((comparison->works & 1u << w) == 0 ||
			    (comparison->peers & 1u << p) == 0)
				continue;
			fputs(comma, out);
			comma = ",\n";
			json_outcome(out, &comparison->tasks[w], &comparison->outcomes[w][p]);
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

/* --- the command line -------------------------------------------------------------------------- */

static void print_help(void)
{
	printf("usage: peers [options]\n"
	       "The same fixed work on this collector and on what a user might take instead, alternating.\n"
	       "\n"
	       "  --workload W   cache, trees, gcbench, fragment, all, or a list: a,b\n"
	       "  --peer P       all, or a list of those below\n"
	       "  --rounds N     runs of each (default 3, with --quick 1)\n"
	       "  --seed N       of the first round; the others count on from it (default 1)\n"
	       "  --quick        a sixteenth of the memory and of the work\n"
	       "  --json FILE    write all figures; - is standard output\n"
	       "  --quiet        no progress, no table\n"
	       "\n");
	for (unsigned p = 0; p < peers_count; p++) {
		const char *absent = peer_absent(&peers_known[p]);

		printf("  %-18s %-42s %s\n", peers_known[p].name, peers_known[p].describe,
		       absent[0] == '\0' ? "here" : absent);
	}
	printf("\nExit status: 0 all well, 1 a run failed or checksums differ, 2 usage.\n");
}

static const char *name_of_work(unsigned i)
{
	return work_names[i];
}

static const char *name_of_peer(unsigned i)
{
	return peers_known[i].name;
}

static bool parse_set(const char *text, unsigned count, const char *(*name)(unsigned),
		      unsigned *set)
{
	*set = 0;
	do {
		size_t length = strcspn(text, ",");
		unsigned found = 0;

		for (unsigned i = 0; i < count; i++)
			if (strlen(name(i)) == length && strncmp(name(i), text, length) == 0)
				found = 1u << i;
		if (length == 3 && strncmp(text, "all", 3) == 0)
			found = (1u << count) - 1;
		if (found == 0) {
			fprintf(stderr, "peers: '%.*s' is not known; --help lists what is\n",
				(int)length, text);
			return false;
		}
		*set |= found;
		text += length;
	} while (*text++ == ',');
	return true;
}

static bool parse_count(const char *name, const char *text, uint64_t most, uint64_t *into)
{
	char *end;

	errno = 0;
	*into = strtoull(text, &end, 10);
	if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && *into <= most)
		return true;
	fprintf(stderr, "peers: --%s %s: expected a whole number up to %llu\n", name, text,
		(unsigned long long)most);
	return false;
}

/* 0: go on; else the exit status plus 1. */
static int options_parse(struct comparison *comparison, int argc, char **argv)
{
	static const struct option options[] = {{"workload", required_argument, NULL, 'w'},
						{"peer", required_argument, NULL, 'p'},
						{"rounds", required_argument, NULL, 'r'},
						{"seed", required_argument, NULL, 's'},
						{"quick", no_argument, NULL, 'q'},
						{"json", required_argument, NULL, 'j'},
						{"quiet", no_argument, NULL, 'n'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	uint64_t rounds = 0;
	int code;

	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		bool good = true;

		switch (code) {
		case 'w':
			good = parse_set(optarg, PEER_WORKS, name_of_work, &comparison->works);
			break;
		case 'p':
			good = parse_set(optarg, peers_count, name_of_peer, &comparison->peers);
			break;
		case 'r':
			good = parse_count("rounds", optarg, MOST_ROUNDS, &rounds);
			break;
		case 's':
			good = parse_count("seed", optarg, UINT64_MAX, &comparison->seed);
			break;
		case 'j':
			comparison->json_path = optarg;
			break;
		case 'q':
			comparison->quick = true;
			break;
		case 'n':
			comparison->quiet = true;
			break;
		case 'h':
			print_help();
			return 1;
		default:
			good = false;
		}
		if (!good)
			return 3;
	}
	if (optind < argc) {
		fprintf(stderr, "peers: '%s' is not an option; --help lists them\n", argv[optind]);
		return 3;
	}
	comparison->rounds = rounds > 0 ? (unsigned)rounds : comparison->quick ? 1 : 3;
	return 0;
}

static bool outcome_well(const struct outcome *outcome)
{
	return outcome->message[0] == '\0' || peer_absent(outcome->peer)[0] != '\0';
}

int main(int argc, char **argv)
{
	static struct comparison comparison = {
		.seed = 1, .works = (1u << PEER_WORKS) - 1, .peers = (1u << PEERS_MOST) - 1};
	int status = options_parse(&comparison, argc, argv);
	bool well = true;

	if (status != 0)
		return status - 1;
	tasks_fill(&comparison);
	for (unsigned w = 0; w < PEER_WORKS; w++) {
		if ((comparison.works & 1u << w) == 0)
			continue;
		well &= compare_work(&comparison, (enum peer_work)w);
		for (unsigned p = 0; p < peers_count; p++) {
			outcome_sort(&comparison.outcomes[w][p]);
			if ((comparison.peers & 1u << p) != 0)
				well &= outcome_well(&comparison.outcomes[w][p]);
		}
		if (!comparison.quiet)
			table_print(&comparison, (enum peer_work)w);
	}
	if (comparison.json_path != NULL)
		well &= json_write(&comparison);
	return well ? 0 : 1;
}
