/* test/schedule/explore.c: runs scenarios under many schedules; see --help, and docs/testing.md.
 *
 * Each run is a child of its own, forked from a process that has done nothing yet: so all runs begin alike, and
 * one that ends badly is one line of a report. Addresses are not random (the program starts itself again without).
 * What a child chose lies in shared memory. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/schedule/choose.h"
#include "test/schedule/scenario.h"
#include "test/support/require.h"

#define RUN_SECONDS 60 /* of the real clock: something waits where the scheduler does not see it */
#define MOST_DEVIATIONS 8

struct arguments {
	const char *scenario; /* NULL: all */
	uint64_t seed, seeds; /* the first, how many */
	int deviations;	      /* bounded search: at most so many; -1: none */
	uint64_t limit;	      /* of runs of the search */
	bool trace, hashes, twice, relaxed;
	const char *choices; /* a list to be repeated */
};

static struct arguments arguments = {
	.seed = 1, .seeds = 100, .deviations = -1, .limit = UINT64_MAX};
static struct choose_log *shared;
static uint64_t runs, points;

/* --- one run ----------------------------------------------------------------------------------------- */

static void child(const struct scenario *scenario, const struct choose_plan *plan, int output)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	if (!plan->trace)
		dup2(output, STDERR_FILENO);
	alarm(RUN_SECONDS);
	choose_begin(plan, shared);
	scenario_run(scenario);
	_exit(0);
}

static void describe_end(int status)
{
	static const char *const words[] = {"fatal", "schedule:", "misuse", "verify"};
	char *line = shared->output, *next;

	for (; *line; line = next) {
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		for (size_t i = 0; i < sizeof(words) / sizeof(*words) && !shared->failure[0]; i++)
			if (memmem(line, (size_t)(next - line), words[i], strlen(words[i])))
				snprintf(shared->failure, sizeof(shared->failure), "%.*s",
					 (int)strcspn(line, "\n"), line);
	}
	if (shared->failure[0])
		return;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(shared->failure, sizeof(shared->failure),
			 "hangs: something waits where the scheduler does not see it");
	else if (WIFSIGNALED(status))
		snprintf(shared->failure, sizeof(shared->failure), "%s",
			 strsignal(WTERMSIG(status)));
	else
		snprintf(shared->failure, sizeof(shared->failure), "exit %d", WEXITSTATUS(status));
}

/* True if all is well; otherwise what was wrong is in the log. */
static bool run(const struct scenario *scenario, const struct choose_plan *plan)
{
	int status, output = memfd_create("output", MFD_CLOEXEC);
	ssize_t length;
	pid_t pid;

	memset(shared, 0, offsetof(struct choose_log, deviations));
	pid = output < 0 ? -1 : fork();
	if (pid == 0)
		child(scenario, plan, output);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("schedule: no run");
		exit(1);
	}
	runs++;
	points += shared->points;
	if (status != 0) {
		length = pread(output, shared->output, sizeof(shared->output) - 1, 0);
		shared->output[length > 0 ? length : 0] = '\0';
		describe_end(status);
	}
	close(output);
	return status == 0;
}

/* --- what is said ------------------------------------------------------------------------------------- */

static void print_choices(const struct choose_log *log)
{
	if (log->deviation_count > CHOOSE_LIST)
		return;
	printf("  choices");
	for (uint32_t i = 0; i < log->deviation_count; i++)
		printf("%c%u>%u", i ? ',' : ' ', log->deviations[i].choice,
		       log->deviations[i].thread);
	printf("\n");
}

static void print_failure(const struct scenario *scenario, const struct choose_plan *plan)
{
	printf("%s: FAILED: %s\n", scenario->name, shared->failure);
	if (plan->random)
		printf("  again: ./dev schedule --scenario %s --seed %" PRIu64 " --seeds 1\n",
		       scenario->name, plan->seed);
	printf("  log %016" PRIx64 ", %" PRIu64 " points, %u choices, %u other than usual\n",
	       shared->hash, shared->points, shared->choices, shared->deviation_count);
	print_choices(shared);
	printf("%s", shared->output);
}

/* --- random ------------------------------------------------------------------------------------------- */

/* Two runs of one plan, byte for byte the same log? */
static bool repeats(const struct scenario *scenario, const struct choose_plan *plan, bool well)
{
	uint64_t hash = shared->hash, steps = shared->points;

	if (run(scenario, plan) == well && shared->hash == hash && shared->points == steps)
		return true;
	printf("%s: seed %" PRIu64 " DOES NOT REPEAT: log %016" PRIx64 " and %016" PRIx64
	       ", %" PRIu64 " and %" PRIu64 " points\n",
	       scenario->name, plan->seed, hash, shared->hash, steps, shared->points);
	return false;
}

/* A failure has to be the same one again, or the replay is worth nothing. */
static bool explore_random(const struct scenario *scenario, uint32_t horizon)
{
	struct choose_plan plan = {.random = true, .horizon = horizon, .trace = arguments.trace};
	bool well = true;

	for (uint64_t i = 0; i < arguments.seeds && well; i++) {
		plan.seed = arguments.seed + i;
		well = run(scenario, &plan);
		if (arguments.hashes)
			printf("%s %" PRIu64 " %016" PRIx64 " %" PRIu64 "\n", scenario->name,
			       plan.seed, shared->hash, shared->points);
		if (!well)
			print_failure(scenario, &plan);
		if (arguments.twice || !well)
			well &= repeats(scenario, &plan, well);
	}
	return well;
}

/* --- bounded: all lists of at most N deviations ----------------------------------------------------------- */

/* Where a list may go on: choices of one run, and who else could have been chosen. */
struct branches {
	uint32_t count;
	struct deviation *list;
};

static bool is_branch(const struct choose_record *record)
{
	return arguments.relaxed || record->kind != SCHEDULE_RELAXED;
}

/* Of the run that is in the log, from this choice on. */
static struct branches branches_take(uint32_t from)
{
	struct branches branches = {0};
	size_t most = 0;

	for (uint32_t c = from; c < shared->record_count; c++)
		if (is_branch(&shared->records[c]))
			most += (size_t)__builtin_popcount(shared->records[c].others);
	branches.list = calloc(most + 1, sizeof(*branches.list));
	for (uint32_t c = from; branches.list && c < shared->record_count; c++)
		for (uint32_t set = shared->records[c].others;
		     set && is_branch(&shared->records[c]); set &= set - 1)
			branches.list[branches.count++] =
				(struct deviation){c, (uint32_t)__builtin_ctz(set)};
	return branches;
}

/* Depth first. `plan` has been run, and its log is there. */
static bool search(const struct scenario *scenario, struct choose_plan *plan, uint64_t until)
{
	uint32_t depth = plan->deviation_count;
	uint32_t from = depth ? plan->deviations[depth - 1].choice + 1 : 0;
	struct branches branches;
	bool well = true;

	if (depth == (uint32_t)arguments.deviations)
		return true;
	branches = branches_take(from);
	plan->deviation_count = depth + 1;
	for (uint32_t i = 0; i < branches.count && well && runs < until; i++) {
		plan->deviations[depth] = branches.list[i];
		well = run(scenario, plan);
		if (!well)
			print_failure(scenario, plan);
		else if (shared->diverged)
			well = repeats(scenario, plan, false);
		else
			well = search(scenario, plan, until);
	}
	plan->deviation_count = depth;
	free(branches.list);
	return well;
}

static bool explore_bounded(const struct scenario *scenario)
{
	static struct choose_plan plan;
	uint64_t before = runs, until = before + arguments.limit;
	bool well;

	plan = (struct choose_plan){.record = true};
	well = run(scenario, &plan);
	if (!well)
		print_failure(scenario, &plan);
	well = well && search(scenario, &plan, until);
	printf("%s: %s schedules with at most %d deviations: %" PRIu64 " runs\n", scenario->name,
	       !well	      ? "FAILED among"
	       : runs < until ? "all"
			      : "the first of the",
	       arguments.deviations, runs - before);
	return well;
}

/* --- one list ------------------------------------------------------------------------------------------ */

/* "12>1,40>2" */
static bool choices_read(struct choose_plan *plan, const char *text)
{
	char *end;

	for (; *text; text = end) {
		struct deviation *next = &plan->deviations[plan->deviation_count];

		if (plan->deviation_count == sizeof(plan->deviations) / sizeof(*next))
			return false;
		next->choice = (uint32_t)strtoul(text, &end, 10);
		if (end == text || *end != '>')
			return false;
		next->thread = (uint32_t)strtoul(end + 1, &end, 10);
		plan->deviation_count++;
		if (*end && *end++ != ',')
			return false;
	}
	return true;
}

static bool explore_list(const struct scenario *scenario)
{
	struct choose_plan plan = {.trace = arguments.trace};
	bool well;

	if (!choices_read(&plan, arguments.choices)) {
		fprintf(stderr, "schedule: --choices wants CHOICE>THREAD,... in rising order\n");
		exit(2);
	}
	well = run(scenario, &plan);
	printf("%s: log %016" PRIx64 "%s\n", scenario->name, shared->hash,
	       shared->diverged ? ", but the list does not fit this program" : "");
	if (!well)
		print_failure(scenario, &plan);
	return well && repeats(scenario, &plan, well);
}

/* --- all ------------------------------------------------------------------------------------------------- */

/* Nothing chosen at all: what random plans take as measure. */
static bool explore_usual(const struct scenario *scenario, uint32_t *choices)
{
	struct choose_plan plan = {0};
	bool well = run(scenario, &plan);

	*choices = shared->choices;
	if (!well)
		print_failure(scenario, &plan);
	return well;
}

static bool explore(const struct scenario *scenario)
{
	uint64_t before = runs, points_before = points;
	uint32_t choices;
	bool well;

	if (arguments.choices)
		return explore_list(scenario);
	if (arguments.deviations >= 0)
		return explore_bounded(scenario);
	well = explore_usual(scenario, &choices) && explore_random(scenario, choices);
	if (!arguments.hashes)
		printf("%s: %s, %" PRIu64 " runs, %" PRIu64
		       " points, %u choices unless something else is chosen\n",
		       scenario->name, well ? "well" : "FAILED", runs - before,
		       points - points_before, choices);
	return well;
}

static void help(void)
{
	printf("usage: schedule [OPTIONS]\n"
	       "  --scenario NAME   one of them, instead of all\n"
	       "  --seeds N         random schedules for each (100)\n"
	       "  --seed S          the first seed (1)\n"
	       "  --twice           each twice; the logs have to be the same\n"
	       "  --deviations N    instead: every schedule with at most N deviations from taking turns\n"
	       "  --relaxed         also at relaxed accesses\n"
	       "  --limit N         but no more than so many runs of each scenario\n"
	       "  --choices LIST    instead: that one, as a failure prints it\n"
	       "  --trace           print each switch of threads\n"
	       "  --hashes          print the hash of each log only\n\nscenarios:\n");
	for (unsigned i = 0; i < scenario_count; i++)
		printf("  %-10s %s\n", scenarios[i].name, scenarios[i].what);
}

static void arguments_read(int count, char **values)
{
	static const struct option options[] = {
		{"scenario", 1, NULL, 'n'}, {"seeds", 1, NULL, 'c'},	  {"seed", 1, NULL, 's'},
		{"twice", 0, NULL, '2'},    {"deviations", 1, NULL, 'd'}, {"limit", 1, NULL, 'l'},
		{"choices", 1, NULL, 'x'},  {"trace", 0, NULL, 't'},	  {"hashes", 0, NULL, 'a'},
		{"relaxed", 0, NULL, 'r'},  {"help", 0, NULL, 'h'},	  {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(count, values, "", options, NULL)) != -1)
		switch (option) {
		case 'n':
			arguments.scenario = optarg;
			break;
		case 'c':
			arguments.seeds = strtoull(optarg, NULL, 0);
			break;
		case 's':
			arguments.seed = strtoull(optarg, NULL, 0);
			break;
		case '2':
			arguments.twice = true;
			break;
		case 'd':
			arguments.deviations = atoi(optarg);
			break;
		case 'l':
			arguments.limit = strtoull(optarg, NULL, 0);
			break;
		case 'x':
			arguments.choices = optarg;
			break;
		case 't':
			arguments.trace = true;
			break;
		case 'a':
			arguments.hashes = true;
			break;
		case 'r':
			arguments.relaxed = true;
			break;
		case 'h':
			help();
			exit(0);
		default:
			help();
			exit(2);
		}
	if (arguments.deviations > MOST_DEVIATIONS)
		arguments.deviations = MOST_DEVIATIONS;
}

/* Addresses are the same in each process then; where that is refused, at least in each run of one. */
static void without_randomness(char **values)
{
	int now = personality(0xffffffff);

	if (now != -1 && !(now & ADDR_NO_RANDOMIZE) &&
	    personality((unsigned long)now | ADDR_NO_RANDOMIZE) != -1)
		execv("/proc/self/exe", values);
}

int main(int count, char **values)
{
	bool well = true, any = false;

	without_randomness(values);
	arguments_read(count, values);
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		perror("schedule");
		return 1;
	}
	test_require("minor", scenario_possible());
	for (unsigned i = 0; i < scenario_count; i++) {
		if (arguments.scenario ? strcmp(arguments.scenario, scenarios[i].name) != 0
				       : scenarios[i].whole != NULL)
			continue;
		any = true;
		well &= explore(&scenarios[i]);
	}
	if (!any) {
		fprintf(stderr, "schedule: no scenario %s; see --help\n", arguments.scenario);
		return 2;
	}
	return well ? 0 : 1;
}
