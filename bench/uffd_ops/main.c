/* bench/uffd_ops/main.c: what the kernel's operations cost that a collector could be made of, one at a
 * time, over batch sizes and kinds of memory, against memcpy; and what follows for a heap. See
 * docs/benchmarks.md for what the figures do not show. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/uffd_ops/kernel.h"
#include "bench/uffd_ops/report.h"
#include "bench/uffd_ops/suite.h"

#define DEFAULT_PAGES 5120 /* more than the largest batch; each round makes them anew */
#define DEFAULT_ROUNDS 100
#define DEFAULT_BUDGET_NS UINT64_C(120000000)
#define QUICK_PAGES 512
#define QUICK_ROUNDS 15
#define QUICK_BUDGET_NS UINT64_C(15000000)

struct options {
	const char *only, *json;
	unsigned long pages, rounds; /* 0: by default */
	bool quick;
};

static const struct option long_options[] = {
	{"only", required_argument, NULL, 'o'},
	{"pages", required_argument, NULL, 'p'},
	{"rounds", required_argument, NULL, 'r'},
	{"quick", no_argument, NULL, 'q'},
	{"json", required_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void print_help(void)
{
	printf("usage: uffd_ops [options]\n"
	       "Measures userfaultfd's requests and what could stand in for them, page by page.\n"
	       "\n"
	       "  --only PATTERN  those whose PRIMITIVE/MEMORY contains PATTERN; * and ? are wildcards\n"
	       "  --pages N       ordinary pages to work on (default %d; --quick %d)\n"
	       "  --rounds N      most rounds for each batch size (default %d; --quick %d); fewer,\n"
	       "                  but at least %d, if they take longer than %d ms (--quick %d)\n"
	       "  --quick         a few seconds in all; figures are rough\n"
	       "  --json FILE     write all figures; - is standard output\n"
	       "  --help          this text\n"
	       "\n"
	       "Exit status: 0 all well, 1 bytes did not arrive or a file could not be written, 2 usage.\n",
	       DEFAULT_PAGES, QUICK_PAGES, DEFAULT_ROUNDS, QUICK_ROUNDS, SUITE_LEAST_ROUNDS,
	       (int)(DEFAULT_BUDGET_NS / 1000000), (int)(QUICK_BUDGET_NS / 1000000));
}

static unsigned long parse_count(const char *name, const char *text, unsigned long lowest,
				 unsigned long highest)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= lowest &&
	    value <= highest)
		return value;
	fprintf(stderr, "uffd_ops: --%s %s: expected a whole number from %lu to %lu\n", name, text,
		lowest, highest);
	exit(2);
}

static void options_read(struct options *options, int argc, char **argv)
{
	int code;

	while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (code == 'o')
			options->only = optarg;
		else if (code == 'p')
			options->pages = parse_count("pages", optarg, 16, 1ul << 22);
		else if (code == 'r')
			options->rounds = parse_count("rounds", optarg, SUITE_LEAST_ROUNDS, 1000);
		else if (code == 'q')
			options->quick = true;
		else if (code == 'j')
			options->json = optarg;
		else if (code == 'h')
			print_help(), exit(0);
		else
			exit(2); /* getopt has said why */
	}
	if (optind < argc) {
		fprintf(stderr, "uffd_ops: %s: no such option; see --help\n", argv[optind]);
		exit(2);
	}
}

static bool write_json(const struct options *options, const struct suite *suite)
{
	FILE *out = stdout;
	bool good;

	if (strcmp(options->json, "-") != 0)
		out = fopen(options->json, "w");
	if (out == NULL) {
		fprintf(stderr, "uffd_ops: %s: %s\n", options->json, strerror(errno));
		return false;
	}
	report_json(out, suite, options->quick);
	good = fflush(out) == 0 && !ferror(out);
	if (out != stdout)
		good = fclose(out) == 0 && good;
	if (!good)
		fprintf(stderr, "uffd_ops: %s: could not be written\n", options->json);
	return good;
}

static void suite_run(struct suite *suite)
{
	ops_memory(suite);
	ops_resolve(suite);
	ops_populate(suite);
	ops_zap(suite);
	ops_remap(suite);
	ops_register(suite);
	ops_fault(suite);
	if (suite->verbose)
		fprintf(stderr, "\r%76s\r", "");
}

int main(int argc, char **argv)
{
	struct options options = {NULL, NULL, 0, 0, false};
	struct suite suite = {.verbose = isatty(STDERR_FILENO) == 1};
	bool written = true;

	options_read(&options, argc, argv);
	suite.only = options.only;
	suite.budget_ns = options.quick ? QUICK_BUDGET_NS : DEFAULT_BUDGET_NS;
	suite.most_rounds = options.quick ? QUICK_ROUNDS : DEFAULT_ROUNDS;
	suite.bytes = options.quick ? QUICK_PAGES : DEFAULT_PAGES;
	if (options.rounds > 0)
		suite.most_rounds = (unsigned)options.rounds;
	if (options.pages > 0)
		suite.bytes = options.pages;
	suite.bytes *= (size_t)sysconf(_SC_PAGESIZE);
	suite.cpu = sched_getcpu();
	suite.other_cpu = kernel_other_cpu(suite.cpu);
	kernel_pin(suite.cpu);
	suite_run(&suite);
	if (suite.count == 0) {
		fprintf(stderr, "uffd_ops: nothing matches --only %s; run without it for a list\n",
			options.only);
		return 2;
	}
	if (options.json == NULL || strcmp(options.json, "-") != 0)
		report_print(stdout, &suite);
	if (options.json != NULL)
		written = write_json(&options, &suite);
	free(suite.results);
	return suite.wrong || !written ? 1 : 0;
}
