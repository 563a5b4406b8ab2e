/* bench/peers/main.c: what a user would take instead: the same work, the same chance and the same limit
 * of the heap on every peer, in one run of runs, alternating. See docs/benchmarks.md.
 *
 * The work is fixed, so all peers must come to the same checksum. Each figure is the median of the
 * rounds, and its spread is shown beside it: a machine that is not quiet betrays itself there. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/peers/comparison.h"

#define SLOW_SECONDS 5 /* and that many times the fastest: runs once */
#define SLOW_TIMES 10

static const char *const work_names[PEER_WORKS] = {"cache", "trees", "gcbench", "fragment"};

/* trees and gcbench make one pass over all depths in each thread; fragment one round. */
static void tasks_fill(struct comparison *comparison)
{
	bool quick = comparison->quick;
	struct peer_task tasks[PEER_WORKS] = {
		/* Enough for several cycles of a heap three times as large as what is alive. */
		{PEER_CACHE, "cache", 1, 16, 216 * MIB, 72 * MIB, 1500000, 3},
		/* Two threads on two CPUs feel the scheduler: more rounds, which are short. */
		{PEER_TREES, "trees", 2, 20, 1024 * MIB, 64 * MIB, 2 * 294912, 7},
		{PEER_GCBENCH, "gcbench", 2, 16, 1024 * MIB, 64 * MIB, 2 * 57344, 9},
		{PEER_FRAGMENT, "fragment", 1, 16, 576 * MIB, 281 * MIB, 1, 3},
	};

	memcpy(comparison->tasks, tasks, sizeof(tasks));
	for (unsigned w = 0; comparison->rounds > 0 && w < PEER_WORKS; w++)
		comparison->tasks[w].rounds = comparison->rounds;
	for (unsigned w = 0; quick && w < PEER_WORKS; w++) {
		/* Java wants some 40 MiB at least. */
		uint64_t part = w == PEER_CACHE ? 4 : w == PEER_FRAGMENT ? 8 : 16;

		comparison->tasks[w].heap_bytes /= part;
		comparison->tasks[w].live_bytes /= part;
		comparison->tasks[w].operations = tasks[w].operations / part + 1;
		comparison->tasks[w].depth = 13;
	}
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
static bool outcome_is_slow(const struct comparison *comparison, enum peer_work work,
			    const struct outcome *outcome)
{
	double fastest = 0, seconds = outcome_first_seconds(outcome);

	for (unsigned p = 0; p < peers_count; p++) {
		double other = outcome_first_seconds(&comparison->outcomes[work][p]);

		if (other > 0 && (fastest <= 0 || other < fastest))
			fastest = other;
	}
	return seconds >= SLOW_SECONDS && seconds > SLOW_TIMES * fastest;
}

static bool compare_work(struct comparison *comparison, enum peer_work work)
{
	unsigned rounds = comparison->tasks[work].rounds;
	bool agree = true;

	for (unsigned p = 0; p < peers_count; p++) {
		struct outcome *outcome = &comparison->outcomes[work][p];

		outcome->peer = &peers_known[p];
		snprintf(outcome->message, sizeof(outcome->message), "%s",
			 peer_absent(outcome->peer));
	}
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned p = 0; p < peers_count; p++) {
			struct outcome *outcome = &comparison->outcomes[work][p];

			if ((comparison->peers & 1u << p) == 0 || outcome->message[0] != '\0' ||
			    outcome_is_slow(comparison, work, outcome))
				continue;
			if (!comparison->quiet && isatty(STDERR_FILENO))
				fprintf(stderr, "\r%s, round %u of %u: %s\033[K", work_names[work],
					round + 1, rounds, outcome->peer->name);
			outcome_take(outcome, &comparison->tasks[work], comparison->seed + round);
		}
		agree &= checksums_agree(comparison, work, round + 1);
	}
	if (!comparison->quiet && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return agree;
}

/* Also when no table is wanted. */
static bool told_if_failed(const struct outcome *outcome, enum peer_work work)
{
	bool well = outcome_well(outcome);

	if (!well)
		fprintf(stderr, "peers: %s, %s: %s\n", work_names[work], outcome->peer->name,
			outcome->message);
	return well;
}

static void print_help(void)
{
	printf("usage: peers [options]\n"
	       "The same fixed work on this collector and on what a user might take instead, alternating.\n"
	       "\n"
	       "  --workload W   cache, trees, gcbench, fragment, all, or a list: a,b\n"
	       "  --peer P       all, or a list of those below\n"
	       "  --rounds N     runs of each (default 3; trees 7, gcbench 9; with --quick 1)\n"
	       "  --seed N       of the first round; the others count on from it (default 1)\n"
	       "  --quick        a sixteenth of the memory and of the work (cache: a quarter, fragment: an eighth)\n"
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
	comparison->rounds = rounds > 0 ? (unsigned)rounds : comparison->quick;
	return 0;
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
				well &= told_if_failed(&comparison.outcomes[w][p],
						       (enum peer_work)w);
		}
		if (!comparison.quiet)
			report_table(&comparison, (enum peer_work)w);
	}
	if (comparison.json_path != NULL)
		well &= report_json(&comparison);
	return well ? 0 : 1;
}
