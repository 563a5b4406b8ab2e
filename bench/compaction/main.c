/* bench/compaction/main.c: the same heap image compacted by each plan, alone and beside a mutator, and how
 * the cost grows with what is alive, with what is dirty, and with the heap. docs/benchmarks.md says what
 * the figures do not show. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench/compaction/compaction.h"

#define MIB (UINT64_C(1) << 20)
#define MOST_RESULTS 256

struct contender {
	enum plx_plan plan;
	enum plx_delivery delivery;
};

static const struct contender contenders[] = {
	{PLX_PLAN_MINOR, PLX_DELIVERY_THREAD}, {PLX_PLAN_COPY, PLX_DELIVERY_THREAD},
	{PLX_PLAN_STW, PLX_DELIVERY_AUTO},     {PLX_PLAN_MINOR, PLX_DELIVERY_SIGBUS},
	{PLX_PLAN_COPY, PLX_DELIVERY_SIGBUS},
};

#define CONTENDERS 5
#define SWEEP_CONTENDERS 3 /* deliveries differ beside mutators only */

struct bench {
	const char *json;
	bool quick;
	unsigned rounds; /* 0: by default */
	struct image_shape base;
	struct run_result results[MOST_RESULTS];
	size_t count;
	bool bad;
};

static const struct option long_options[] = {
	{"rounds", required_argument, NULL, 'r'},
	{"quick", no_argument, NULL, 'q'},
	{"json", required_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void print_help(void)
{
	printf("usage: compaction [options]\n"
	       "Compacts the same heap image by each plan, once alone and once beside a mutator, and sweeps\n"
	       "over live fraction, dirty fraction and heap size.\n"
	       "\n"
	       "  --rounds N   images compacted for each row (default 3; --quick 1)\n"
	       "  --quick      small heaps, few points\n"
	       "  --json FILE  write all figures; - is standard output\n"
	       "  --help       this text\n"
	       "\n"
	       "Exit status: 0 all well (a plan that this kernel cannot run is no failure), 1 a run failed or\n"
	       "checksums differ, 2 usage. Options of the collector come from the environment, but for limit,\n"
	       "plan, delivery, and what to move.\n");
}

static void options_read(struct bench *bench, int argc, char **argv)
{
	int code;

	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		char *end = NULL;

		if (code == 'h')
			print_help(), exit(0);
		else if (code == 'q')
			bench->quick = true;
		else if (code == 'j')
			bench->json = optarg;
		else if (code == 'r')
			bench->rounds = (unsigned)strtoul(optarg, &end, 10);
		else
			exit(2); /* getopt has said why */
		if (end != NULL &&
		    (*end != '\0' || bench->rounds < 1 || bench->rounds > RUN_MOST_ROUNDS)) {
			fprintf(stderr, "compaction: --rounds %s: expected 1 to %d\n", optarg,
				RUN_MOST_ROUNDS);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "compaction: %s: no such option; see --help\n", argv[optind]);
		exit(2);
	}
}

/* One shape has one checksum. */
static void bench_compare(struct bench *bench, struct run_result *result)
{
	for (size_t i = 0; i < bench->count; i++) {
		const struct run_result *other = &bench->results[i];

		if (other->median.status != RUN_OK || result->median.status != RUN_OK ||
		    memcmp(&other->spec.shape, &result->spec.shape, sizeof(other->spec.shape)) !=
			    0 ||
		    other->median.checksum == result->median.checksum)
			continue;
		result->median.status = RUN_WRONG;
		snprintf(result->median.message, sizeof(result->median.message),
			 "the checksum differs from that of plan %s",
			 plx_plan_name(other->spec.plan));
	}
}

static void bench_add(struct bench *bench, const char *sweep, const struct contender *contender,
		      bool mutator, struct image_shape shape)
{
	struct run_spec spec = {sweep, contender->plan, contender->delivery, mutator, shape};
	bool quiet = bench->json != NULL && strcmp(bench->json, "-") == 0;
	struct run_result *result = &bench->results[bench->count];

	if (bench->count == MOST_RESULTS)
		abort(); /* the sweeps below are too long for the table */
	*result = run_rounds(&spec, bench->rounds);
	bench_compare(bench, result);
	report_row(quiet ? stderr : stdout, result, bench->count == 0);
	if (result->median.status == RUN_WRONG || result->median.status == RUN_FAILED)
		bench->bad = true;
	bench->count++;
}

static void bench_point(struct bench *bench, const char *sweep, struct image_shape shape)
{
	for (size_t i = 0; i < SWEEP_CONTENDERS; i++)
		bench_add(bench, sweep, &contenders[i], false, shape);
}

static void bench_base(struct bench *bench)
{
	for (unsigned mutator = 0; mutator < 2; mutator++)
		for (size_t i = 0; i < CONTENDERS; i++)
			bench_add(bench, "base", &contenders[i], mutator != 0, bench->base);
}

static void bench_sweeps(struct bench *bench)
{
	static const double shares[] = {0.05, 0.5, 0.1, 0.25, 0.75, 1.0}; /* quick: the first two */
	/* Not 1 GiB: compacting it takes a third of a second, but making its image several. */
	static const uint64_t heaps[] = {32 * MIB, 64 * MIB, 128 * MIB, 256 * MIB, 512 * MIB};
	size_t points = bench->quick ? 2 : 6, sizes = sizeof(heaps) / sizeof(heaps[0]);

	for (size_t i = 0; i < points; i++) {
		struct image_shape live = bench->base, dirty = bench->base, heap = bench->base;

		live.live_fraction = shares[i];
		dirty.dirty_fraction = shares[i];
		bench_point(bench, "live", live);
		bench_point(bench, "dirty", dirty);
		if (i < sizes) {
			heap.heap_bytes = heaps[i];
			bench_point(bench, "heap", heap);
		}
	}
}

static bool bench_write(const struct bench *bench)
{
	FILE *out = strcmp(bench->json, "-") == 0 ? stdout : fopen(bench->json, "w");
	bool good = out != NULL;

	if (good) {
		report_json(out, bench->results, bench->count, bench->quick);
		good = fflush(out) == 0 && !ferror(out);
	}
	if (out != NULL && out != stdout)
		good = fclose(out) == 0 && good;
	if (!good)
		fprintf(stderr, "compaction: %s: %s\n", bench->json, strerror(errno));
	return good;
}

int main(int argc, char **argv)
{
	static struct bench bench;

	options_read(&bench, argc, argv);
	if (bench.rounds == 0)
		bench.rounds = bench.quick ? 1 : 3;
	bench.base = (struct image_shape){bench.quick ? 32 * MIB : 128 * MIB, 0.25, 0.25};
	bench_base(&bench);
	bench_sweeps(&bench);
	if (bench.json != NULL && !bench_write(&bench))
		return 1;
	return bench.bad ? 1 : 0;
}
