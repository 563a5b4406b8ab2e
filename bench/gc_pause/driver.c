/* bench/gc_pause/driver.c: see driver.h. Each run is this program executed afresh, so that peaks of
 * memory and CPU time are that run's alone, and so that a run that dies takes no other with it. The
 * child sends back a struct result through a pipe. */
#include "bench/gc_pause/driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <parallax/heap.h>

#include "bench/gc_pause/bare.h"
#include "bench/gc_pause/files.h"
#include "bench/gc_pause/report.h"
#include "bench/gc_pause/result.h"
#include "bench/gc_pause/rounds.h"
#include "bench/gc_pause/sweep.h"

#define MOST_RUNS (RUN_WORKLOADS * RUN_PLANS * 2 + 2 * SWEEP_MOST_POINTS)
#define MOST_ARGUMENTS 40
#define ARGUMENT_BYTES 40

struct driver {
	const struct options *options;
	size_t count;
	struct result results[MOST_RUNS];
};

/* The command line of a child. Numbers are formatted into `storage`. */
struct arguments {
	char *words[MOST_ARGUMENTS];
	unsigned count;
	char storage[MOST_ARGUMENTS][ARGUMENT_BYTES];
};

static void argument_text(struct arguments *arguments, const char *name, const char *value)
{
	arguments->words[arguments->count++] = (char *)(uintptr_t)name;
	arguments->words[arguments->count++] = (char *)(uintptr_t)value;
}

static void argument_count(struct arguments *arguments, const char *name, uint64_t value)
{
	char *text = arguments->storage[arguments->count];

	snprintf(text, ARGUMENT_BYTES, "%llu", (unsigned long long)value);
	argument_text(arguments, name, text);
}

static void argument_real(struct arguments *arguments, const char *name, double value)
{
	char *text = arguments->storage[arguments->count];

	snprintf(text, ARGUMENT_BYTES, "%.17g", value);
	argument_text(arguments, name, text);
}

static void arguments_fill(struct arguments *arguments, const struct options *options,
			   const struct result *run, int result_fd)
{
	memset(arguments, 0, sizeof(*arguments));
	arguments->words[arguments->count++] = (char *)(uintptr_t) "gc_pause";
	argument_text(arguments, "--workload", run_workload_name(run->workload));
	argument_text(arguments, "--plan", run_plan_name(run->plan));
	if (run->delivery != RUN_NO_DELIVERY)
		argument_text(arguments, "--delivery", run_delivery_name(run->delivery));
	argument_count(arguments, "--threads", options->threads);
	argument_count(arguments, "--heap", options->heap_bytes);
	argument_count(arguments, "--live", options->live_bytes);
	argument_real(arguments, "--update-ratio", options->update_ratio);
	argument_real(arguments, "--seconds", options->seconds);
	if (options->operations > 0)
		argument_count(arguments, "--operations", options->operations);
	argument_count(arguments, "--cycles", options->cycles);
	argument_count(arguments, "--seed", options->seed);
	argument_count(arguments, "--depth", options->depth);
	argument_count(arguments, "--handles", options->handles);
	argument_count(arguments, "--range-slots", options->range_slots);
	if (options->heap_map_path != NULL)
		argument_text(arguments, "--heap-map", options->heap_map_path);
	argument_text(arguments, "--dir", options->directory);
	argument_count(arguments, "--result-fd", (uint64_t)result_fd);
	if (options->quiet)
		arguments->words[arguments->count++] = (char *)(uintptr_t) "--quiet";
}

static bool read_all(int fd, void *into, size_t bytes)
{
	size_t got = 0;

	while (got < bytes) {
		ssize_t now = read(fd, (char *)into + got, bytes - got);

		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0)
			return false;
		got += (size_t)now;
	}
	return true;
}

/* A run whose process did not send a result: say how the process ended. */
static void run_died(struct result *result, int status)
{
	result->status = RESULT_FAILED;
	if (WIFSIGNALED(status))
		snprintf(result->message, sizeof(result->message),
			 "the run's process was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(result->message, sizeof(result->message),
			 "the run's process ended with status %d", WEXITSTATUS(status));
}

static void run_refused(struct result *result, const char *call)
{
	result->status = RESULT_FAILED;
	snprintf(result->message, sizeof(result->message), "%s: %s", call, strerror(errno));
}

static void driver_one(const struct options *options, struct result *result)
{
	struct arguments arguments;
	struct result answer;
	int pipes[2], status = 0;
	pid_t child;
	bool complete;

	if (pipe(pipes) != 0) {
		run_refused(result, "pipe");
		return;
	}
	arguments_fill(&arguments, options, result, pipes[1]);
	child = fork();
	if (child == 0) {
		close(pipes[0]);
		execv("/proc/self/exe", arguments.words);
		_exit(127);
	}
	close(pipes[1]);
	complete = child > 0 && read_all(pipes[0], &answer, sizeof(answer));
	close(pipes[0]);
	if (child < 0) {
		run_refused(result, "fork");
		return;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (complete)
		*result = answer;
	else
		run_died(result, status);
}

static void driver_add(struct driver *driver, enum run_workload workload, enum run_plan plan,
		       enum run_delivery delivery)
{
	struct result *result = &driver->results[driver->count++];
	struct options options = options_for_workload(driver->options, workload);

	memset(result, 0, sizeof(*result));
	result->workload = workload;
	result->plan = plan;
	result->delivery = delivery;
	result->threads = options.threads;
	result->seed = options.seed;
	result->heap_bytes = options.heap_bytes;
}

/* Make the runs from number `first` on, round by round, so that all plans see the same moods of the
 * machine. Each round has its own seed. */
static void driver_make(struct driver *driver, size_t first)
{
	static struct result made[RUN_PLANS * 2][ROUNDS_MOST];
	unsigned rounds = driver->options->rounds;

	for (unsigned round = 0; round < rounds; round++)
		for (size_t i = first; i < driver->count; i++) {
			struct options options =
				options_for_workload(driver->options, driver->results[i].workload);

			options.seed += round;
			made[i - first][round] = driver->results[i];
			driver_one(&options, &made[i - first][round]);
		}
	for (size_t i = first; i < driver->count; i++)
		rounds_combine(made[i - first], rounds, &driver->results[i]);
}

static void driver_workload(struct driver *driver, enum run_workload workload)
{
	const struct options *options = driver->options;
	size_t first = driver->count;

	for (unsigned plan = 0; plan < RUN_PLANS; plan++) {
		if ((options->plans & 1u << plan) == 0)
			continue;
		if (plan == RUN_NONE && run_is_lisp(workload) && !options->plans_given)
			continue; /* the Lisp is written for the collector */
		if (plan == RUN_STW || plan == RUN_NONE) {
			driver_add(driver, workload, (enum run_plan)plan, RUN_NO_DELIVERY);
			continue;
		}
		for (unsigned delivery = 0; delivery < 2; delivery++) {
			if ((options->deliveries & 1u << delivery) == 0)
				continue;
			/* The comparison needs no more than one way of delivery unless asked. */
			if (plan == RUN_COPY && delivery == RUN_SIGBUS &&
			    !options->deliveries_given)
				continue;
			driver_add(driver, workload, (enum run_plan)plan,
				   (enum run_delivery)delivery);
		}
	}
	driver_make(driver, first);
}

/* A point of the sweep: the plan that is best here, and beside it the copy plan where that tells most. */
static void driver_point(struct driver *driver, const struct sweep_point *point)
{
	static const enum run_plan plans[] = {RUN_MINOR, RUN_COPY};

	for (unsigned i = 0; i < (point->beside_copy ? 2 : 1); i++) {
		struct result *result = &driver->results[driver->count];
		struct options options = sweep_options(driver->options, point);

		if ((driver->options->plans & 1u << plans[i]) == 0)
			continue;
		driver->count++;
		memset(result, 0, sizeof(*result));
		result->workload = RUN_CACHE;
		result->plan = plans[i];
		result->delivery = (driver->options->deliveries & 1u << RUN_SIGBUS) != 0
					   ? RUN_SIGBUS
					   : RUN_THREAD;
		result->threads = options.threads;
		result->heap_bytes = options.heap_bytes;
		driver_one(&options, result);
		result->axis = point->axis;
		result->axis_value = point->value;
		result->seed = options.seed;
		if (!driver->options->quiet)
			sweep_report_line(sweep_out(driver->options), result);
	}
}

/* A heap that proves too small for what is alive in it is a finding, not a failure. */
static int driver_sweep(struct driver *driver)
{
	struct sweep_point points[SWEEP_MOST_POINTS];
	size_t count = sweep_points(driver->options, points);
	bool well = true;

	if (!driver->options->quiet)
		sweep_report_head(sweep_out(driver->options));
	for (size_t i = 0; i < count; i++)
		driver_point(driver, &points[i]);
	for (size_t i = 0; i < driver->count; i++)
		well &= driver->results[i].status != RESULT_WRONG;
	if (driver->options->json_path != NULL)
		well &= report_json(driver->options->json_path, driver->results, driver->count,
				    NULL);
	return well && driver->count > 0 ? 0 : 1;
}

/* Let the environment narrow the set of runs. False after a message. */
static bool driver_environment(struct options *options, bool *minor_demanded)
{
	struct plx_heap_config config;
	struct plx_error error;

	plx_config_init(&config);
	if (plx_config_from_environment(&config, &error) != PLX_OK) {
		fprintf(stderr, "gc_pause: %s\n", error.message);
		return false;
	}
	*minor_demanded = config.use_uffd_minor == 1;
	if (!options->plans_given && config.plan != PLX_PLAN_AUTO) {
		static const unsigned plans[] = {0, 1u << RUN_MINOR, 1u << RUN_COPY, 1u << RUN_STW};

		options->plans = plans[config.plan];
		options->plans_given = true;
	}
	if (config.use_uffd_minor == 0) {
		if (options->plans == 1u << RUN_MINOR) {
			fprintf(stderr, "gc_pause: plan minor contradicts GC_USE_UFFD_MINOR=0\n");
			return false;
		}
		options->plans &= ~(1u << RUN_MINOR);
	}
	if (!options->deliveries_given && config.delivery != PLX_DELIVERY_AUTO) {
		options->deliveries =
			1u << (config.delivery == PLX_DELIVERY_SIGBUS ? RUN_SIGBUS : RUN_THREAD);
		options->deliveries_given = true;
	}
	if (options->heap_bytes == 0)
		options->heap_bytes = config.heap_max_bytes;
	return true;
}

/* With fixed work, all plans must come to the same. */
static bool driver_checksums_agree(const struct driver *driver)
{
	const struct result *first = NULL;
	bool agree = true;

	if (driver->options->operations == 0)
		return true;
	for (size_t i = 0; i < driver->count; i++) {
		const struct result *result = &driver->results[i];

		if (result->status != RESULT_OK)
			continue;
		if (first != NULL && first->workload == result->workload &&
		    first->checksum != result->checksum) {
			fprintf(stderr, "gc_pause: CHECKSUMS DIFFER: %s: %016llx and %016llx\n",
				run_workload_name(first->workload),
				(unsigned long long)first->checksum,
				(unsigned long long)result->checksum);
			agree = false;
		}
		if (first == NULL || first->workload != result->workload)
			first = result;
	}
	return agree;
}

static bool driver_all_well(const struct driver *driver, bool minor_demanded)
{
	bool well = true;

	for (size_t i = 0; i < driver->count; i++) {
		const struct result *result = &driver->results[i];
		bool demanded = driver->options->plans_given ||
				(minor_demanded && result->plan == RUN_MINOR);

		if (result->status == RESULT_OK ||
		    (result->status == RESULT_UNAVAILABLE && !demanded))
			continue;
		well = false;
		/* Without a table this is the only place to say so. */
		if (driver->options->quiet)
			fprintf(stderr, "gc_pause: %s %s %s: %s\n",
				run_workload_name(result->workload), run_plan_name(result->plan),
				run_delivery_name(result->delivery), result->message);
	}
	return driver_checksums_agree(driver) && well;
}

static int driver_bare(const struct options *options)
{
	struct bare_result bare;
	bool written = true;

	bare_measure(&bare);
	if (!options->quiet)
		report_bare(stdout, &bare);
	if (options->json_path != NULL)
		written = report_json(options->json_path, NULL, 0, &bare);
	return written && bare.why_not[0] == '\0' ? 0 : 1;
}

/* The input is checked once, here, rather than by every run. */
static bool driver_input_exists(const struct options *options)
{
	struct word_files files;

	if ((options->workloads & 1u << RUN_INDEX) == 0 || options->sweep)
		return true;
	if (!word_files_list(&files, options->directory, 1))
		return false;
	for (uint32_t i = 0; i < files.count; i++)
		free(files.paths[i]);
	free(files.paths);
	return true;
}

/* Each run would overwrite the map of the one before. */
static bool driver_one_map(const struct options *options)
{
	unsigned deliveries = (unsigned)__builtin_popcount(options->deliveries);
	unsigned plan = options->plans & (options->plans - 1)
				? RUN_PLANS
				: (unsigned)__builtin_ctz(options->plans);
	bool one = __builtin_popcount(options->workloads) == 1 && !options->sweep &&
		   plan != RUN_PLANS && plan != RUN_NONE && (plan == RUN_STW || deliveries == 1);

	one = one && options->rounds == 1;
	if (options->heap_map_path != NULL && !one)
		fprintf(stderr,
			"gc_pause: --heap-map is of one run: give one --workload, one --plan that "
			"collects, one --delivery, and no --rounds\n");
	return options->heap_map_path == NULL || one;
}

int driver_run(struct options *options)
{
	/* The order of the default: real input first. */
	static const enum run_workload order[RUN_OWN] = {RUN_INDEX, RUN_CACHE, RUN_TREES,
							 RUN_GCBENCH, RUN_FRAGMENT};
	struct driver *driver;
	bool minor_demanded, well;

	if (!driver_environment(options, &minor_demanded) || !driver_input_exists(options) ||
	    !driver_one_map(options))
		return 2;
	if (options->bare)
		return driver_bare(options);
	driver = calloc(1, sizeof(*driver));
	if (driver == NULL)
		return 1;
	driver->options = options;
	if (options->sweep) {
		int status = driver_sweep(driver);

		free(driver);
		return status;
	}
	for (unsigned i = 0; i < RUN_WORKLOADS; i++) {
		enum run_workload workload = i < RUN_OWN ? order[i] : (enum run_workload)i;

		if ((options->workloads & 1u << workload) != 0)
			driver_workload(driver, workload);
	}
	if (!options->quiet)
		report_table(options->json_path != NULL && strcmp(options->json_path, "-") == 0
				     ? stderr
				     : stdout,
			     driver->results, driver->count);
	well = driver_all_well(driver, minor_demanded);
	if (options->json_path != NULL &&
	    !report_json(options->json_path, driver->results, driver->count, NULL))
		well = false;
	free(driver);
	return well ? 0 : 1;
}
