/* test/schedule/choose.h: who is next: a plan, and a log of what was chosen.
 *
 * Without a plan a thread runs until it has to wait, and then the next by number does. A run is this default and
 * the list of deviations from it: the number of the choice, and the thread that was taken instead. That list
 * repeats a run, however it came about.
 *
 * Random plans come from a seed, half of each kind: priorities that change at a few random choices (Burckhardt and
 * others, ASPLOS 2010), which finds bugs of depth d with a known probability; and a coin at each choice. The bounded search
 * tries all lists of at most N deviations (delay bounding: Emmi, Qadeer, Rakamaric, POPL 2011).
 *
 * Who runs here: the thread that runs; the explorer before and after. */
#ifndef TEST_SCHEDULE_CHOOSE_H
#define TEST_SCHEDULE_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "test/schedule/point.h"

#define CHOOSE_DEVIATIONS 65536
#define CHOOSE_RECORDS 262144
#define CHOOSE_LIST 64 /* deviations that a plan can name */

struct deviation {
	uint32_t choice, thread;
};

/* One choice that there was: what else could have been chosen. */
struct choose_record {
	uint16_t others; /* a bit for each thread that could have run instead of the default */
	uint8_t kind;	 /* enum schedule_kind; SCHEDULE_KINDS: the running thread had to wait */
};

struct choose_plan {
	bool random;
	uint64_t seed;
	uint32_t horizon;	  /* random: choices there are, about */
	uint32_t deviation_count; /* otherwise */
	struct deviation deviations[CHOOSE_LIST];
	bool record; /* for the bounded search */
	bool trace;  /* print each switch */
};

/* Of one run, in memory that the explorer shares. */
struct choose_log {
	uint64_t hash; /* of every point that any thread passed, and every choice */
	uint64_t points, switches, virtual_ns;
	uint32_t choices, deviation_count, record_count;
	bool diverged; /* the plan's list does not fit this program */
	char failure[240];
	char output[8192]; /* standard error of a run that failed */
	struct deviation deviations[CHOOSE_DEVIATIONS];
	struct choose_record records[CHOOSE_RECORDS];
};

void choose_begin(const struct choose_plan *plan, struct choose_log *log);
void choose_thread(unsigned number); /* there is a new one */
void choose_hash(uint64_t value);

/* At a point: `others` could run as well as `self`. Returns who does. */
unsigned choose_at_point(enum schedule_kind kind, unsigned self, uint32_t others);

/* `self` cannot go on; `others` is not empty. `spins`: it will be able to, soon. */
unsigned choose_next(unsigned self, uint32_t others, bool spins, bool free);

extern const struct choose_plan *choose_plan;
extern struct choose_log *choose_log;

#endif
