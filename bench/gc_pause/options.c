/* bench/gc_pause/options.c: reading the command line. Nothing is guessed: an unknown word or a
 * malformed number ends the program with status 2. */
#include "bench/gc_pause/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <parallax/heap.h>

#include "bench/gc_pause/rounds.h"

#define MIB (UINT64_C(1) << 20)
#define MOST_THREADS 256

#define RUN_LISP_NAME(name) "lisp:" #name,

static const char *const workload_names[RUN_WORKLOADS] = {
	"cache", "trees", "gcbench", "index", "fragment", RUN_LISP_PROGRAMS(RUN_LISP_NAME)};
static const char *const plan_names[RUN_PLANS] = {"minor", "copy", "stw", "none"};
static const char *const delivery_names[2] = {"thread", "sigbus"};

const char *run_workload_name(enum run_workload workload)
{
	return workload_names[workload];
}

const char *run_plan_name(enum run_plan plan)
{
	return plan_names[plan];
}

const char *run_delivery_name(enum run_delivery delivery)
{
	return delivery == RUN_NO_DELIVERY ? "" : delivery_names[delivery];
}

enum option_code {
	OPTION_WORKLOAD = 256,
	OPTION_THREADS,
	OPTION_HEAP,
	OPTION_LIVE,
	OPTION_UPDATE_RATIO,
	OPTION_SECONDS,
	OPTION_OPERATIONS,
	OPTION_CYCLES,
	OPTION_ROUNDS,
	OPTION_PLAN,
	OPTION_DELIVERY,
	OPTION_SEED,
	OPTION_DEPTH,
	OPTION_HANDLES,
	OPTION_RANGE_SLOTS,
	OPTION_SWEEP,
	OPTION_QUICK,
	OPTION_HEAP_MAP,
	OPTION_DIRECTORY,
	OPTION_JSON,
	OPTION_QUIET,
	OPTION_BARE,
	OPTION_HELP,
	OPTION_RESULT_FD,
};

static const struct option long_options[] = {
	{"workload", required_argument, NULL, OPTION_WORKLOAD},
	{"threads", required_argument, NULL, OPTION_THREADS},
	{"heap", required_argument, NULL, OPTION_HEAP},
	{"live", required_argument, NULL, OPTION_LIVE},
	{"update-ratio", required_argument, NULL, OPTION_UPDATE_RATIO},
	{"seconds", required_argument, NULL, OPTION_SECONDS},
	{"operations", required_argument, NULL, OPTION_OPERATIONS},
	{"cycles", required_argument, NULL, OPTION_CYCLES},
	{"rounds", required_argument, NULL, OPTION_ROUNDS},
	{"plan", required_argument, NULL, OPTION_PLAN},
	{"delivery", required_argument, NULL, OPTION_DELIVERY},
	{"seed", required_argument, NULL, OPTION_SEED},
	{"depth", required_argument, NULL, OPTION_DEPTH},
	{"handles", required_argument, NULL, OPTION_HANDLES},
	{"range-slots", required_argument, NULL, OPTION_RANGE_SLOTS},
	{"sweep", no_argument, NULL, OPTION_SWEEP},
	{"quick", no_argument, NULL, OPTION_QUICK},
	{"heap-map", required_argument, NULL, OPTION_HEAP_MAP},
	{"dir", required_argument, NULL, OPTION_DIRECTORY},
	{"json", required_argument, NULL, OPTION_JSON},
	{"quiet", no_argument, NULL, OPTION_QUIET},
	{"bare", no_argument, NULL, OPTION_BARE},
	{"help", no_argument, NULL, OPTION_HELP},
	{"result-fd", required_argument, NULL, OPTION_RESULT_FD},
	{NULL, 0, NULL, 0},
};

void options_print_help(void)
{
	printf("usage: gc_pause [options]\n"
	       "Runs workloads on the collector, one plan after the other, and reports what they waited.\n"
	       "Each run is a process of its own. Without options: index, then cache, in all plans.\n"
	       "\n"
	       "  --workload W      cache, trees, gcbench, index, fragment, all of these, or a list: a,b;\n"
	       "                    or lisp:PROGRAM: deep, shallow, boyer, ... (docs/benchmarks.md)\n"
	       "  --plan P          minor, copy, stw, none (plain malloc), all, or a list\n"
	       "  --delivery D      thread, sigbus, all (for minor and copy)\n"
	       "  --threads N       mutator threads (default: one per CPU, at most 4)\n"
	       "  --heap BYTES      limit of the heap; K, M, G are powers of 1024 (cache: 384M, lisp: 512M, others: 192M)\n"
	       "  --live BYTES      live data to hold (cache: 128M, others: 64M; gcbench: by --depth)\n"
	       "  --update-ratio P  share of operations that replace something (default 0.5)\n"
	       "  --seconds S       length of a run (default 8)\n"
	       "  --operations N    fixed work, over all threads, in place of --seconds: checksums must agree\n"
	       "  --cycles N        ask for N cycles, evenly over the run, which lasts until they have ended\n"
	       "  --rounds N        make each run N times, all plans in turn; medians and their spread (default 1)\n"
	       "  --seed N          of all chance (default 1)\n"
	       "  --depth N         deepest tree of trees and gcbench (default 16)\n"
	       "  --handles N       more roots: handles, each to an object of its own (default 0)\n"
	       "  --range-slots N   more roots: slots of a root range, which pauses have to read (default 0)\n"
	       "  --sweep           cache over heap size, threads, handles, root slots, live share, update ratio\n"
	       "  --quick           with --sweep: few points, short runs\n"
	       "  --heap-map FILE   of one run: what each region is used for, over time (see bench/report)\n"
	       "  --dir DIR         what index reads (default /usr/include)\n"
	       "  --bare            only measure bare fault loops\n"
	       "  --json FILE       write all figures; - is standard output\n"
	       "  --quiet           no progress line, no table\n"
	       "  --help            this text\n"
	       "\n"
	       "Exit status: 0 all well, 1 a run failed or results differ, 2 usage.\n"
	       "\n"
	       "The collector's own options, from the environment. GC_PLAN, GC_USE_UFFD_MINOR and\n"
	       "GC_UFFD_DELIVERY narrow the default set of runs; --heap overrides GC_HEAP_MAX.\n"
	       "\n%s",
	       plx_config_help());
}

static bool complain(const char *name, const char *value, const char *accepted)
{
	fprintf(stderr, "gc_pause: --%s %s: expected %s\n", name, value, accepted);
	return false;
}

static bool parse_count(const char *name, const char *text, uint64_t lowest, uint64_t highest,
			bool suffixes, uint64_t *into)
{
	unsigned shift = 0;
	char accepted[96];
	uint64_t value;
	char *end;

	snprintf(accepted, sizeof(accepted), "a whole number from %llu to %llu%s",
		 (unsigned long long)lowest, (unsigned long long)highest,
		 suffixes ? ", with K, M or G if you like" : "");
	if (text[0] < '0' || text[0] > '9')
		return complain(name, text, accepted);
	errno = 0;
	value = strtoull(text, &end, 10);
	if (suffixes && *end != '\0') {
		const char *found = strchr("KMG", *end & ~0x20);

		if (found == NULL || end[1] != '\0')
			return complain(name, text, accepted);
		shift = 10 * (unsigned)(found - "KMG" + 1);
		end++;
	}
	if (errno != 0 || *end != '\0' || value > (UINT64_MAX >> shift))
		return complain(name, text, accepted);
	value <<= shift;
	if (value < lowest || value > highest)
		return complain(name, text, accepted);
	*into = value;
	return true;
}

static bool parse_real(const char *name, const char *text, double lowest, double highest,
		       double *into)
{
	char accepted[64];
	char *end;
	double value;

	snprintf(accepted, sizeof(accepted), "a number from %g to %g", lowest, highest);
	value = strtod(text, &end);
	if (end == text || *end != '\0' || !(value >= lowest && value <= highest))
		return complain(name, text, accepted);
	*into = value;
	return true;
}

/* A list of words separated by commas, or "all", which is the first `all` of them, as a bit mask. */
static bool parse_set(const char *name, const char *text, const char *const *words, unsigned count,
		      unsigned all, unsigned *into)
{
	char accepted[512] = "all";
	const char *at = text;
	unsigned set = 0;

	for (unsigned i = 0; i < count; i++) {
		strncat(accepted, ", ", sizeof(accepted) - strlen(accepted) - 1);
		strncat(accepted, words[i], sizeof(accepted) - strlen(accepted) - 1);
	}
	do {
		size_t length = strcspn(at, ",");
		unsigned found = 0;

		for (unsigned i = 0; i < count; i++)
			if (strlen(words[i]) == length && strncmp(words[i], at, length) == 0)
				found = 1u << i;
		if (length == 3 && strncmp(at, "all", 3) == 0)
			found = (1u << all) - 1;
		if (found == 0)
			return complain(name, text, accepted);
		set |= found;
		at += length;
	} while (*at++ == ',');
	*into = set;
	return true;
}

static bool parse_narrow(const char *name, const char *text, uint64_t lowest, uint64_t highest,
			 unsigned *into)
{
	uint64_t value;

	if (!parse_count(name, text, lowest, highest, false, &value))
		return false;
	*into = (unsigned)value;
	return true;
}

static bool parse_one(struct options *options, int code, const char *name, const char *text)
{
	unsigned narrow;

	switch (code) {
	case OPTION_WORKLOAD:
		return parse_set(name, text, workload_names, RUN_WORKLOADS, RUN_OWN,
				 &options->workloads);
	case OPTION_PLAN:
		options->plans_given = strcmp(text, "all") != 0;
		return parse_set(name, text, plan_names, RUN_PLANS, RUN_PLANS, &options->plans);
	case OPTION_DELIVERY:
		options->deliveries_given = true;
		return parse_set(name, text, delivery_names, 2, 2, &options->deliveries);
	case OPTION_THREADS:
		return parse_narrow(name, text, 1, MOST_THREADS, &options->threads);
	case OPTION_HEAP:
		return parse_count(name, text, 4 * MIB, UINT64_C(1) << 44, true,
				   &options->heap_bytes);
	case OPTION_LIVE:
		return parse_count(name, text, 65536, UINT64_C(1) << 38, true,
				   &options->live_bytes);
	case OPTION_UPDATE_RATIO:
		options->update_ratio_given = true;
		return parse_real(name, text, 0, 1, &options->update_ratio);
	case OPTION_SECONDS:
		return parse_real(name, text, 0.01, 86400, &options->seconds);
	case OPTION_OPERATIONS:
		return parse_count(name, text, 1, UINT64_C(1) << 50, false, &options->operations);
	case OPTION_CYCLES:
		return parse_count(name, text, 0, 1000000, false, &options->cycles);
	case OPTION_ROUNDS:
		return parse_narrow(name, text, 1, ROUNDS_MOST, &options->rounds);
	case OPTION_SEED:
		return parse_count(name, text, 0, UINT64_MAX, false, &options->seed);
	case OPTION_DEPTH:
		return parse_narrow(name, text, 4, 24, &options->depth);
	case OPTION_HANDLES:
		return parse_count(name, text, 0, UINT64_C(1) << 30, false, &options->handles);
	case OPTION_RANGE_SLOTS:
		return parse_count(name, text, 0, UINT64_C(1) << 30, false, &options->range_slots);
	case OPTION_SWEEP:
		options->sweep = true;
		return true;
	case OPTION_QUICK:
		options->quick = true;
		return true;
	case OPTION_HEAP_MAP:
		options->heap_map_path = text;
		return true;
	case OPTION_DIRECTORY:
		options->directory = text;
		return true;
	case OPTION_JSON:
		options->json_path = text;
		return true;
	case OPTION_QUIET:
		options->quiet = true;
		return true;
	case OPTION_BARE:
		options->bare = true;
		return true;
	case OPTION_HELP:
		options->help = true;
		return true;
	case OPTION_RESULT_FD:
		if (!parse_narrow(name, text, 0, 65536, &narrow))
			return false;
		options->result_fd = (int)narrow;
		return true;
	default:
		return false; /* getopt has complained */
	}
}

bool options_parse(struct options *options, int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int code, which;

	memset(options, 0, sizeof(*options));
	options->workloads = 1u << RUN_INDEX | 1u << RUN_CACHE;
	options->plans = (1u << RUN_PLANS) - 1;
	options->deliveries = 1u << RUN_THREAD | 1u << RUN_SIGBUS;
	options->threads = cpus < 1 ? 1 : cpus > 4 ? 4 : (unsigned)cpus;
	options->seconds = 8;
	options->seed = 1;
	options->rounds = 1;
	options->depth = 16;
	options->directory = "/usr/include";
	options->result_fd = -1;
	while ((code = getopt_long(argc, argv, "", long_options, &which)) != -1) {
		const char *name = "";

		for (const struct option *o = long_options; o->name != NULL; o++)
			if (o->val == code)
				name = o->name;
		if (!parse_one(options, code, name, optarg)) {
			fprintf(stderr, "gc_pause: --help lists the options\n");
			return false;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "gc_pause: '%s' is not an option; --help lists them\n",
			argv[optind]);
		return false;
	}
	return true;
}

struct options options_for_workload(const struct options *options, enum run_workload workload)
{
	struct options filled = *options;

	filled.workloads = 1u << workload;
	if (filled.live_bytes == 0)
		filled.live_bytes = (workload == RUN_CACHE ? 128 : 64) * MIB;
	if (options->live_bytes == 0 && filled.heap_bytes != 0 &&
	    filled.live_bytes > filled.heap_bytes / 3)
		filled.live_bytes = filled.heap_bytes / 3;
	if (filled.heap_bytes == 0) {
		filled.heap_bytes = (workload == RUN_CACHE   ? 384
				     : run_is_lisp(workload) ? 512
							     : 192) *
				    MIB;
		if (options->live_bytes > filled.heap_bytes / 3)
			filled.heap_bytes = 3 * options->live_bytes;
	}
	if (!filled.update_ratio_given)
		filled.update_ratio = 0.5;
	return filled;
}
