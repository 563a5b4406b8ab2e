/* test/system/hostile_signals.c: what others do to a process while cycles run: stop and continue it, signal
 * it thousands of times a second, make it fork all the time, change the clock under it. The heap has to hold,
 * and its cycles have to go on. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/common/random.h"
#include "test/support/hostile.h"
#include "test/support/share.h"

static const char *const deliveries[] = {"thread", "sigbus"};

static int for_each_delivery(int (*body)(void *context), unsigned seconds)
{
	int status = 0;

	for (int i = 0; i < 2 && status == 0; i++)
		status = hostile_in_child(body, (void *)deliveries[i], seconds);
	return status;
}

/* ---- SIGSTOP and SIGCONT ---- */

static int live(void *context)
{
	return hostile_life(NULL, context, share_of(60, 1));
}

/* Stopped for long enough that every wait in the collector runs over. */
static int run_stopped(void)
{
	for (int i = 0; i < 2; i++) {
		pid_t child = hostile_child(live, (void *)deliveries[i]);
		struct random random = {.state = 11 + (uint64_t)i};
		unsigned stops = 0;
		int status;

		while (!hostile_has_ended(child)) {
			kill(child, SIGSTOP);
			usleep((useconds_t)(1000 + random_below(&random, 4000)));
			kill(child, SIGCONT);
			usleep((useconds_t)random_below(&random, 10000));
			stops++;
		}
		status = hostile_wait(child, 10);
		printf("%s: stopped %u times\n", deliveries[i], stops);
		if (status != 0 || stops == 0)
			return status != 0 ? status : 1;
	}
	return 0;
}

/* ---- a storm of signals ---- */

#define ENOUGH_ALARMS 100

static atomic_uint alarms;

static void on_alarm(int number)
{
	int saved = errno;

	(void)number;
	/* Relaxed: a count. */
	atomic_fetch_add_explicit(&alarms, 1, memory_order_relaxed);
	errno = saved;
}

/* No SA_RESTART: what can end with EINTR does. The timer is the process's: any thread gets it that
 * does not block it. */
static int live_in_a_storm(void *context)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
	int status;

	HOSTILE_CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	HOSTILE_CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	do /* a fast machine is done before many have come */
		status = hostile_life(NULL, context, share_of(60, 1));
	while (status == 0 && atomic_load(&alarms) <= ENOUGH_ALARMS);
	setitimer(ITIMER_REAL, &never, NULL);
	printf("%s: %u signals\n", (const char *)context, atomic_load(&alarms));
	return status;
}

static int run_storm(void)
{
	return for_each_delivery(live_in_a_storm, 120);
}

/* ---- children ---- */

static atomic_bool forking_stops;
static atomic_uint forks;

/* A program that was started from here has three descriptors, and those of the test's log. */
static int check_inherited(void)
{
	char path[64], target[256];

	for (int fd = 3; fd < 256; fd++) {
		ssize_t bytes;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		bytes = readlink(path, target, sizeof(target) - 1);
		if (bytes <= 0)
			continue;
		target[bytes] = '\0';
		if (strstr(target, "parallax") || strstr(target, "userfaultfd") ||
		    strstr(target, "eventfd")) {
			fprintf(stderr, "a child has inherited %d: %s\n", fd, target);
			return 1;
		}
	}
	return 0;
}

/* What fork leaves: no mapping of a heap that could be read. */
static bool child_sees_heap(void)
{
	char line[512];
	bool seen = false;
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "memfd:parallax-heap") != NULL && strstr(line, " ---") == NULL) {
			fprintf(stderr, "a child has %s", line);
			seen = true;
		}
	return seen;
}

static void wait_well(pid_t child)
{
	int status;

	HOSTILE_CHECK(child > 0 && waitpid(child, &status, 0) == child);
	HOSTILE_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *forking_main(void *unused)
{
	static char program[] = "/proc/self/exe", what[] = "inherited";
	char *arguments[] = {program, what, NULL}, *environment[] = {NULL};

	(void)unused;
	for (unsigned i = 0; !atomic_load(&forking_stops); i++) {
		pid_t child;

		if (i % 8 == 7) {
			HOSTILE_CHECK(posix_spawn(&child, arguments[0], NULL, NULL, arguments,
						  environment) == 0);
			wait_well(child);
		} else {
			child = fork();
			if (child == 0)
				_exit(i % 8 == 0 ? child_sees_heap() : 0);
			wait_well(child);
		}
		atomic_fetch_add(&forks, 1);
	}
	return NULL;
}

#define ENOUGH_FORKS 10

static int live_forking(void *context)
{
	pthread_t thread;
	int status;

	HOSTILE_CHECK(pthread_create(&thread, NULL, forking_main, NULL) == 0);
	do /* one life and more, until there were enough */
		status = hostile_life(NULL, context, share_of(30, 1));
	while (status == 0 && atomic_load(&forks) <= ENOUGH_FORKS);
	atomic_store(&forking_stops, true);
	pthread_join(thread, NULL);
	printf("%s: %u children\n", (const char *)context, atomic_load(&forks));
	return status;
}

static int run_forks(void)
{
	return for_each_delivery(live_forking, 120);
}

static const struct hostile_case cases[] = {
	{"stopped", run_stopped},
	{"storm", run_storm},
	{"forks", run_forks},
	{"inherited", check_inherited}, /* not a case of CTest: what `forks` starts */
};

int main(int argc, char **argv)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
