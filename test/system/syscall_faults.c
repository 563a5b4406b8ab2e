/* test/system/syscall_faults.c: [I7]: any failing system call leaves a heap that is valid.
 *
 * A dry run counts the calls of every entry of the system-call table while a heap is made and while
 * cycles run. Then, for each entry, each place it is called at (evenly sampled where there are many)
 * and each errno it may give, a child process repeats the session with that one call failing:
 *   while the heap is made: a clean error and nothing left behind, or a heap that works;
 *   while cycles run: the shadow model agrees and the cycles go on.
 * Calls that give memory or mappings back (close, munmap) are included: there the demand is only
 * that the heap stays right, since what could not be given back cannot but remain.
 *
 *	syscall_faults [--plan P] [--delivery D] [--threads N] [--cases N] [--entry NAME] [--lasting 1]
 *		[--random N --seed S]
 *
 * With --random so many calls are chosen at random instead; with --lasting 1 what may fail for ever does. In all
 * cases the plan that is reported has to be the one in force, by the calls it makes.
 *
 * The parent has one thread and forks; a child that hangs is killed and counts as a failure. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gc/os/uffd_abi.h"
#include "bench/common/random.h"
#include "test/support/hostile.h"
#include "test/support/inject.h"
#include "test/support/patience.h"
#include "test/support/process.h"
#include "test/support/share.h"
#include "test/support/shadow.h"
#include "test/support/tally.h"

#define CHILD_SECONDS 60 /* a hang, not a measure of speed: a child takes a fraction of a second */
#define SESSION_CYCLES 8
#define LEAK_SLACK_BYTES \
	(UINT64_C(48) << 20) /* below the heap, above what malloc and stacks take */

enum phase { PHASE_CREATION, PHASE_CYCLES, PHASE_COUNT };

static const char *const phase_names[] = {"heap creation", "cycles"};

#define ERRORS 8
#define PARTIAL (-1)

#define ENTRY(name, lasts, ...) \
	{.entry = INJECT_##name, .lasting = (lasts), .errors = {__VA_ARGS__}},
#define ENTRY_REQUEST(number, lasts, ...) \
	{.entry = INJECT_ioctl,           \
	 .request = (number),             \
	 .name = #number,                 \
	 .lasting = (lasts),              \
	 .errors = {__VA_ARGS__}},

static const struct possible {
	enum inject_entry entry;
	unsigned long request; /* ioctl; 0: the entry is another */
	const char *name;
	bool lasting;
	int errors[ERRORS]; /* up to the first 0 */
} possible[] = {
#include "test/system/syscall_faults.h"
};

#define POSSIBLE (sizeof(possible) / sizeof(possible[0]))

static struct shadow_options options;
static uint64_t calls[PHASE_COUNT][POSSIBLE];
static char context[200];
static uint64_t random_cases;
static bool lasting;
static struct tally_figures *figures; /* shared with the children */

struct fault {
	enum phase phase;
	const struct possible *what;
	uint64_t nth;
	int error;
	bool lasting; /* from then on */
};

static const char *name_of(const struct possible *what)
{
	return what->name != NULL ? what->name : inject_entry_name(what->entry);
}

static int arm(const struct fault *fault)
{
	return inject_arm(&(struct inject_rule){
		.entry = fault->what->entry,
		.request = fault->what->request,
		.mode = fault->lasting ? INJECT_FROM : INJECT_ONCE,
		.nth = fault->nth,
		.error = fault->error == PARTIAL ? EAGAIN : fault->error,
		.partial = fault->error == PARTIAL,
	});
}

/* ---- what a child does ---- */

static struct plx_heap *heap_make(struct plx_error *error)
{
	struct plx_heap_config config;
	struct plx_heap *heap = NULL;

	shadow_config(&options, &config);
	if (plx_heap_create(&config, &heap, error) != PLX_OK && heap != NULL)
		abort();
	return heap;
}

static bool demanded_auto(void)
{
	return options.plan == NULL || strcmp(options.plan, "auto") == 0;
}

static _Noreturn void child_fail(const char *what)
{
	fprintf(stderr, "syscall_faults: %s: %s\n", context, what);
	_exit(1);
}

/* The plan that is reported is the one in force: no call was made that only another makes, and its own were. */
static void plan_check(const struct plx_heap *heap, const struct plx_stats *stats)
{
	uint64_t registers = inject_request_calls(GC_UFFDIO_REGISTER);
	uint64_t continues = inject_request_calls(GC_UFFDIO_CONTINUE);
	uint64_t copies = inject_request_calls(GC_UFFDIO_COPY);
	enum plx_plan plan = plx_heap_plan(heap);

	if ((plan != PLX_PLAN_MINOR && continues != 0) || (plan != PLX_PLAN_COPY && copies != 0) ||
	    (plan == PLX_PLAN_STW && registers != 0))
		child_fail("another plan is in force than is reported");
	if (plan != PLX_PLAN_STW && registers == 0 && stats->flips > stats->degraded)
		child_fail("the plan that is reported is not in force");
	if (plan != PLX_PLAN_MINOR && demanded_auto() && plx_heap_plan_reason(heap)[0] == '\0')
		child_fail("nothing says why there is no better plan");
}

static void session(struct plx_heap *heap)
{
	struct shadow_tally tally;
	struct plx_stats stats;

	inject_reset_calls(); /* making it tried what the kernel can do */
	shadow_run(heap, &options, &tally);
	plx_heap_stats(heap, &stats);
	__atomic_fetch_add(&figures->cycles, tally.cycles, __ATOMIC_RELAXED); /* figures */
	__atomic_fetch_add(&figures->objects, tally.compared_objects, __ATOMIC_RELAXED);
	__atomic_fetch_add(&figures->faults, stats.faults, __ATOMIC_RELAXED);
	if (tally.cycles < options.cycles)
		child_fail("the cycles did not go on");
	plan_check(heap, &stats);
}

static void destroy(struct plx_heap *heap)
{
	if (plx_heap_destroy(heap) != PLX_OK)
		child_fail("the heap could not be destroyed");
}

/* A whole life of a heap without faults, so that what libc and the library keep is there. */
static void warm_up(void)
{
	struct plx_heap *heap = heap_make(NULL);

	if (heap == NULL)
		child_fail("no heap even without a fault");
	session(heap);
	destroy(heap);
}

static void leak_check(const struct process_holdings *before, const struct fault *fault)
{
	struct process_holdings after;

	if (fault->what->entry == INJECT_close || fault->what->entry == INJECT_munmap)
		return;
	process_holdings_read(&after);
	if (after.fds != before->fds || after.file_mappings != before->file_mappings ||
	    after.threads != before->threads) {
		fprintf(stderr,
			"  descriptors %u -> %u, memfd mappings %u -> %u, threads %u -> %u\n",
			before->fds, after.fds, before->file_mappings, after.file_mappings,
			before->threads, after.threads);
		process_holdings_print();
		child_fail("something was left behind");
	}
#ifndef __SANITIZE_ADDRESS__
	if (after.mapped_bytes > before->mapped_bytes + LEAK_SLACK_BYTES)
		child_fail("address space was left behind");
#endif
}

static _Noreturn void child_run(const struct fault *fault)
{
	struct process_holdings before;
	struct plx_error error = {0};
	struct plx_heap *heap;
	int rule = -1;

	warm_up();
	process_holdings_read(&before);
	if (fault->phase == PHASE_CREATION)
		rule = arm(fault);
	heap = heap_make(&error);
	if (heap == NULL) {
		if (fault->phase != PHASE_CREATION)
			child_fail("no heap, without a fault");
		if (error.status == PLX_OK || error.message[0] == '\0')
			child_fail("creation failed without saying why");
		inject_disarm(rule);
		leak_check(&before, fault);
		_exit(2);
	}
	if (fault->phase == PHASE_CYCLES)
		rule = arm(fault);
	session(heap);
	inject_disarm(rule);
	destroy(heap);
	leak_check(&before, fault);
	_exit(inject_failures(rule) == 0 ? 3 : 0);
}

static void calls_read(enum phase phase)
{
	for (size_t i = 0; i < POSSIBLE; i++)
		calls[phase][i] = possible[i].request != 0
					  ? inject_request_calls(possible[i].request)
					  : inject_calls(possible[i].entry);
}

/* Counts the calls of an undisturbed life and sends them to the parent. */
static _Noreturn void child_count(int pipe_fd)
{
	struct plx_heap *heap;

	warm_up();
	inject_reset_calls();
	heap = heap_make(NULL);
	calls_read(PHASE_CREATION);
	session(heap);
	calls_read(PHASE_CYCLES);
	destroy(heap);
	if (write(pipe_fd, calls, sizeof(calls)) != (ssize_t)sizeof(calls))
		_exit(1);
	_exit(0);
}

/* ---- the parent ---- */

static pid_t spawn(void)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child < 0)
		abort();
	if (child == 0) {
		patience_begin(CHILD_SECONDS);
		shadow_context(context);
		inject_install();
	}
	return child;
}

static int wait_for(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			abort();
	}
	return status;
}

static void count_calls(void)
{
	int fds[2];
	ssize_t bytes;
	pid_t child;

	if (pipe(fds) != 0)
		abort();
	snprintf(context, sizeof(context), "dry run");
	child = spawn();
	if (child == 0)
		child_count(fds[1]);
	close(fds[1]);
	bytes = read(fds[0], calls, sizeof(calls));
	close(fds[0]);
	if (wait_for(child) != 0 || bytes != (ssize_t)sizeof(calls)) {
		fprintf(stderr, "syscall_faults: the dry run failed\n");
		exit(1);
	}
}

struct tally {
	unsigned survived, refused, not_reached, failed;
};

static void try(const struct fault *fault, struct tally *tally)
{
	pid_t child;
	int status;

	snprintf(context, sizeof(context), "call %lu of %s%s during %s fails with %s",
		 (unsigned long)fault->nth, name_of(fault->what),
		 fault->lasting ? " and all later ones" : "", phase_names[fault->phase],
		 fault->error == PARTIAL ? "EAGAIN, half done" : strerrorname_np(fault->error));
	child = spawn();
	if (child == 0)
		child_run(fault);
	status = wait_for(child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		tally->survived++;
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
		tally->refused++;
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 3) {
		tally->not_reached++;
	} else {
		tally->failed++;
		fprintf(stderr, "syscall_faults: FAILED: %s: child %s %d\n", context,
			WIFSIGNALED(status) ? "killed by signal" : "exited with",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
}

static unsigned errors_of(const struct possible *what)
{
	unsigned errors = 1; /* the table has one at least */

	while (errors < ERRORS && what->errors[errors] != 0)
		errors++;
	return errors;
}

/* The places of one entry in one phase, at most `most` of them, the first and the last included. Few places: every
 * errno at each. Many: they take turns, until each had one. */
static void try_entry(enum phase phase, size_t index, uint64_t most, struct tally *tally)
{
	const struct possible *what = &possible[index];
	uint64_t total = calls[phase][index];
	uint64_t places = total < most ? total : most;
	unsigned errors = errors_of(what);
	uint64_t tries = places == total ? places * errors : places > errors ? places : errors;

	for (uint64_t i = 0; places > 0 && i < tries; i++) {
		uint64_t place = places == total ? i / errors : i % places;
		struct fault fault = {
			.phase = phase, .what = what, .error = what->errors[i % errors]};

		fault.nth = places == 1 ? 1 : 1 + place * (total - 1) / (places - 1);
		if (fault.error == PARTIAL) /* few ranges are long enough for it */
			fault.nth = 1 + place;
		try(&fault, tally);
	}
}

/* What may fail for ever does, from its first call on, and from the middle. */
static void try_lasting(enum phase phase, size_t index, struct tally *tally)
{
	uint64_t total = calls[phase][index];

	for (uint64_t nth = 1; possible[index].lasting && nth <= total; nth += total / 2 + 1) {
		struct fault fault = {.phase = phase, .what = &possible[index], .lasting = true};

		fault.nth = nth;
		fault.error = possible[index].errors[0];
		try(&fault, tally);
	}
}

static void try_random(struct tally *tally)
{
	struct random random = {random_mix(options.seed)};

	for (uint64_t tried = 0; tried < random_cases;) {
		struct fault fault = {.phase = random_next(&random) % PHASE_COUNT};
		size_t index = random_next(&random) % POSSIBLE;
		uint64_t total = calls[fault.phase][index];

		if (total == 0)
			continue;
		fault.what = &possible[index];
		fault.error = fault.what->errors[random_next(&random) % errors_of(fault.what)];
		fault.nth = 1 + random_next(&random) % total;
		try(&fault, tally);
		tried++;
	}
}

static void try_all(const char *only, uint64_t most, struct tally *tally)
{
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		for (size_t i = 0; i < POSSIBLE; i++) {
			const char *name = name_of(&possible[i]);

			if (only != NULL && strcmp(only, name) != 0)
				continue;
			printf("syscall_faults: %s, %s: %lu calls\n", phase_names[phase], name,
			       (unsigned long)calls[phase][i]);
			if (lasting)
				try_lasting((enum phase)phase, i, tally);
			else
				try_entry((enum phase)phase, i, most, tally);
		}
	}
}

/* Every entry of the system-call table is tried. */
static void table_check(void)
{
	for (int entry = 0; entry < INJECT_ENTRY_COUNT; entry++) {
		size_t i = 0;

		while (i < POSSIBLE && possible[i].entry != (enum inject_entry)entry)
			i++;
		if (i == POSSIBLE) {
			fprintf(stderr, "syscall_faults: %s has no row\n",
				inject_entry_name((enum inject_entry)entry));
			exit(1);
		}
	}
}

static uint64_t parse(int argc, char **argv, const char **only)
{
	uint64_t most = 6;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--plan") == 0)
			options.plan = argv[i + 1];
		else if (strcmp(argv[i], "--delivery") == 0)
			options.delivery = argv[i + 1];
		else if (strcmp(argv[i], "--cases") == 0)
			most = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--entry") == 0)
			*only = argv[i + 1];
		else if (strcmp(argv[i], "--threads") == 0)
			options.threads = (unsigned)strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--lasting") == 0)
			lasting = strtoull(argv[i + 1], NULL, 10) != 0;
		else if (strcmp(argv[i], "--random") == 0)
			random_cases = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			options.seed = strtoull(argv[i + 1], NULL, 10);
		else
			exit(2);
	}
	return share_of(most, 1);
}

int main(int argc, char **argv)
{
	struct tally tally = {0};
	const char *only = NULL;
	uint64_t most;

	figures = mmap(NULL, sizeof(*figures), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (figures == MAP_FAILED)
		abort();
	mallopt(M_ARENA_MAX, 1); /* else each thread's arena looks like leaked address space */
	shadow_options_init(&options);
	options.cycles = SESSION_CYCLES;
	options.objects = 2000;
	options.tolerate_null = true;
	options.heap_max = "64M";
	most = parse(argc, argv, &only);
	table_check();
	setenv("GC_EVACUATE", "all", 0);  /* a flip in every cycle */
	setenv("GC_STOP_REPORT", "0", 0); /* libunwind keeps two descriptors */
	if (spawn() == 0) { /* skips from a child, so that the parent keeps one thread */
		plx_heap_destroy(shadow_heap_create(&options));
		_exit(0);
	} else {
		int status;

		wait(&status);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	count_calls();
	if (random_cases)
		try_random(&tally);
	else
		try_all(only, most, &tally);
	printf("syscall_faults: %u survived, %u refused cleanly, %u not reached, %u failed\n",
	       tally.survived, tally.refused, tally.not_reached, tally.failed);
	figures->injected = tally.survived + tally.refused + tally.failed;
	tally_print("syscall_faults", figures);
	return tally.failed == 0 && tally.survived > 0 ? 0 : 1;
}
