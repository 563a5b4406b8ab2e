/* test/system/hostile_clock.c: the clock jumps. Linked so that each clock_gettime of the library comes here
 * first (-Wl,--wrap=clock_gettime): CLOCK_MONOTONIC leaps ahead, as it does for a process that stood
 * still, and now and then one CPU's clock is a little behind another's; CLOCK_REALTIME is nonsense, so
 * whoever relied on it would not get far. The heap has to hold, and nobody may wait for long.
 *
 * Timed waits of the kernel do not come here: they go by the real clock, so a deadline made of a leapt one
 * is one that is over, or far ahead. */
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "test/support/hostile.h"

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_clock_gettime(clockid_t clock, struct timespec *now);

static atomic_bool jumping;
static atomic_ullong calls, ahead_ns;

#define MOST_AHEAD_NS UINT64_C(3600000000000)

/* Every 500th reading the clock leaps by up to a minute, until it is an hour ahead; every 97th is 50 us
 * behind. */
static uint64_t jump_ns(void)
{
	uint64_t call = atomic_fetch_add(&calls, 1), leap = call * 2654435761 % 60000000000;

	if (call % 500 == 499 && atomic_load(&ahead_ns) < MOST_AHEAD_NS)
		atomic_fetch_add(&ahead_ns, leap);
	return atomic_load(&ahead_ns) -
	       (call % 97 == 96 && atomic_load(&ahead_ns) > 50000 ? 50000 : 0);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = __real_clock_gettime(clock, now);
	uint64_t ns;

	if (result != 0 || !atomic_load(&jumping))
		return result;
	if (clock == CLOCK_REALTIME) {
		*now = (struct timespec){.tv_sec = (time_t)atomic_load(&calls) % 1000};
	} else if (clock == CLOCK_MONOTONIC) {
		ns = (uint64_t)now->tv_nsec + jump_ns();
		now->tv_sec += (time_t)(ns / 1000000000);
		now->tv_nsec = (long)(ns % 1000000000);
	}
	return result;
}

/* Seconds by the true clock. */
static double seconds(void)
{
	struct timespec now;

	__real_clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int live(void *context)
{
	double start = seconds();
	int status;

	atomic_store(&jumping, true);
	status = hostile_life(context, NULL, 30);
	printf("%s: %llu readings, %llu s ahead, took %.1f s\n", (const char *)context,
	       (unsigned long long)atomic_load(&calls),
	       (unsigned long long)atomic_load(&ahead_ns) / 1000000000, seconds() - start);
	HOSTILE_CHECK(status != 0 || atomic_load(&ahead_ns) > 1000000000);
	return status;
}

static int run_jumps(void)
{
	int status = hostile_in_child(live, (char[]){"minor"}, 60);

	return status == 0 ? hostile_in_child(live, (char[]){"stw"}, 60) : status;
}

static const struct hostile_case cases[] = {{"jumps", run_jumps}};

int main(int argc, char **argv)
{
	return hostile_main(cases, 1, argc, argv);
}
