/* test/schedule/scenario.h: small programs of two or three mutators, a collector, and what must hold.
 *
 * Each is run with a heap of 8 MiB, regions of 64 KiB, everything evacuated, and the heap verifier at every place
 * of every cycle unless it says otherwise. Objects carry a number and contents that follow from it; a check that
 * fails ends the process.
 *
 * Who runs here: mutators, and the thread that asks for the cycles (number 0, not attached meanwhile). */
#ifndef TEST_SCHEDULE_SCENARIO_H
#define TEST_SCHEDULE_SCENARIO_H

#include <stdbool.h>

#include <parallax/parallax.h>

#define STAGE_ROOTS 8
#define ACTORS_MOST 3

struct node {
	struct plx_header header;
	struct node *link[3];
	uint64_t id;
	uint64_t contents[11];
};

struct stage {
	struct plx_heap *heap;
	const struct plx_layout *layout;
	struct plx_handle *roots[STAGE_ROOTS];
	bool done; /* the cycles are over: mutators finish */
	/* Of "weak": somebody has read NULL; nothing holds the referent any more. */
	bool seen_clear, dropped;
};

struct actor {
	struct stage *stage;
	const struct scenario *scenario;
	struct plx_thread *thread;
	unsigned number, rounds;
};

struct scenario {
	const char *name, *what;
	unsigned actors, cycles;
	const char *const *options; /* NAME, VALUE, ..., NULL: over those of all */
	void (*prepare)(struct actor *);
	void (*round)(struct actor *); /* until the cycles are over */
	void (*check)(struct actor *); /* when everybody has gone */
	void (*whole)(void); /* instead of all that: seeded.c, run only when it is named */
};

void seeded_race(void);
void seeded_deadlock(void);

extern const struct scenario scenarios[];
extern const unsigned scenario_count;

/* Is there what the scenarios need of the kernel? */
bool scenario_possible(void);

/* The whole of it, under the scheduler. */
void scenario_run(const struct scenario *scenario);

#endif
