/* test/litmus/litmus.h: small concurrent programs that stand for the tagged pairs of docs/memory-order.md.
 *
 * A test is a file in tests/: threads of loads and stores with their orders, each naming the line of code it
 * stands for, an outcome that must never be seen, and weaker orders with which it could be. parse.c reads it,
 * model.c finds all outcomes that C11 allows, machine.c runs it on this machine.
 *
 *   tag MO-READY                              which argument of memory-order.md
 *   init LOCATION VALUE                       0 unless told
 *   thread                                    then its steps, one a line:
 *   [if REGISTER=VALUE] KIND WHERE [VALUE [VALUE]] [ORDER] [-> REGISTER] [@ FILE: TEXT]
 *   never REGISTER=VALUE LOCATION=VALUE ...   the outcome; a location stands for its last value
 *   weaken STEP ORDER                         with this order of that step (from 1) it must be possible
 *
 * KIND: load, store V, add V, or V, swap V, cas OLD NEW, lock, unlock. WHERE: a location, or *REGISTER, the location whose
 * address the register holds. VALUE: a number, or &LOCATION. Steps without an order are relaxed, and stand for
 * plain accesses too. FILE: TEXT must be in the sources: the gate litmus_tests looks. */
#ifndef TEST_LITMUS_LITMUS_H
#define TEST_LITMUS_LITMUS_H

#include <stdbool.h>
#include <stdint.h>

enum { LITMUS_STEPS = 20, LITMUS_PLACES = 8, LITMUS_REGISTERS = 10, LITMUS_THREADS = 3 };

enum litmus_kind {
	LITMUS_LOAD,
	LITMUS_STORE,
	LITMUS_ADD,
	LITMUS_OR,
	LITMUS_SWAP,
	LITMUS_CAS,
	LITMUS_LOCK,
	LITMUS_UNLOCK
};

enum litmus_order {
	LITMUS_RELAXED,
	LITMUS_ACQUIRE,
	LITMUS_RELEASE,
	LITMUS_ACQ_REL,
	LITMUS_SEQ_CST
};

struct litmus_step {
	enum litmus_kind kind;
	enum litmus_order order;
	int thread;
	int place;	     /* or -1, then: */
	int through;	     /* the register that holds the address */
	uint64_t value, old; /* what is stored, or added; what a cas expects */
	int into;	     /* the register for what was read, or -1 */
	int guard;	     /* the register that decides whether this is done, or -1 */
	uint64_t guard_value;
};

struct litmus_claim { /* a register's or a location's value at the end */
	bool is_place;
	int which;
	uint64_t value;
};

struct litmus_weak {
	int step;
	enum litmus_order order;
};

struct litmus_test {
	const char *path;
	char tag[32];
	char places[LITMUS_PLACES][16], registers[LITMUS_REGISTERS][16];
	uint64_t init[LITMUS_PLACES];
	struct litmus_step steps[LITMUS_STEPS];
	struct litmus_claim never[6];
	struct litmus_weak weak[6];
	int place_count, register_count, step_count, thread_count, never_count, weak_count;
};

/* The value that stands for a location's address. */
#define LITMUS_ADDRESS(place) ((uint64_t)(place) + 100)

/* parse.c: false, having said why, if the file is not a test. */
bool litmus_parse(const char *path, struct litmus_test *test);

/* model.c: does C11 allow the outcome? *tried counts candidate executions. */
bool litmus_allowed(const struct litmus_test *test, uint64_t *tried);

/* machine.c: how many of `rounds` runs on this machine ended in the outcome. */
uint64_t litmus_seen(const struct litmus_test *test, uint64_t rounds);

static inline bool litmus_reads(enum litmus_kind kind)
{
	return kind != LITMUS_STORE && kind != LITMUS_UNLOCK;
}

#endif
