/* test/schedule/seeded.c: programs with a bug, so that the explorer can show that it finds such. No heap in them. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/schedule/scenario.h"
#include "test/schedule/schedule.h"

#define ADDITIONS 3

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static unsigned sum;

static void both(void *(*one)(void *), void *(*other)(void *))
{
	pthread_t ids[2];

	schedule_begin();
	schedule_window(true);
	pthread_create(&ids[0], NULL, one, NULL);
	pthread_create(&ids[1], NULL, other, NULL);
	pthread_join(ids[0], NULL);
	pthread_join(ids[1], NULL);
	schedule_window(false);
}

/* Reads, and then writes what is one more: an addition between the two is lost. */
static void *race_main(void *unused)
{
	for (int i = 0; i < ADDITIONS; i++) {
		unsigned before = sum;

		SCHEDULE_POINT(SCHEDULE_STEP);
		sum = before + 1;
	}
	return unused;
}

void seeded_race(void)
{
	both(race_main, race_main);
	if (sum == 2 * ADDITIONS)
		return;
	fprintf(stderr, "schedule: %u additions of %u\n", sum, 2 * ADDITIONS);
	abort();
}

static void lock_both(pthread_mutex_t *one, pthread_mutex_t *other)
{
	pthread_mutex_lock(one);
	pthread_mutex_lock(other);
	pthread_mutex_unlock(other);
	pthread_mutex_unlock(one);
}

static void *forwards_main(void *unused)
{
	lock_both(&first, &second);
	return unused;
}

static void *backwards_main(void *unused)
{
	lock_both(&second, &first);
	return unused;
}

/* Two locks in both orders. */
void seeded_deadlock(void)
{
	both(forwards_main, backwards_main);
}
