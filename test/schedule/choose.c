/* test/schedule/choose.c: see choose.h. */
#include "test/schedule/choose.h"

#include "test/schedule/schedule.h"
#include "bench/common/random.h"

#define CHANGES_MOST 6

const struct choose_plan *choose_plan;
struct choose_log *choose_log;

static struct {
	struct random random;
	bool priorities; /* otherwise a coin */
	bool coarse;	 /* relaxed accesses are no choice */
	uint32_t coin;	 /* one in so many */
	uint32_t change_count, changes[CHANGES_MOST];
	uint64_t priority[SCHEDULE_THREADS], lowest;
	uint32_t next_deviation; /* of the plan's list */
} state;

static void random_begin(void)
{
	state.random.state = random_mix(choose_plan->seed + 1);
	state.priorities = random_once_in(&state.random, 2);
	state.coarse = random_once_in(&state.random, 2);
	state.coin = 1u << (2 * (1 + random_below(&state.random, 5)));
	state.lowest = UINT64_C(1) << 32;
	state.change_count = (uint32_t)random_below(&state.random, CHANGES_MOST + 1);
	for (uint32_t i = 0; i < state.change_count; i++)
		state.changes[i] =
			1 + (uint32_t)random_below(&state.random, choose_plan->horizon + 1);
}

void choose_begin(const struct choose_plan *plan, struct choose_log *log)
{
	choose_plan = plan;
	choose_log = log;
	if (plan->random)
		random_begin();
}

void choose_thread(unsigned number)
{
	state.priority[number] = (UINT64_C(1) << 32) + random_below(&state.random, 1u << 30);
}

void choose_hash(uint64_t value)
{
	choose_log->hash = random_mix(choose_log->hash ^ value) + value;
}

/* The next by number, after `self`. */
static unsigned by_turn(unsigned self, uint32_t set)
{
	uint32_t after = set & ~((2u << self) - 1);

	return (unsigned)__builtin_ctz(after ? after : set);
}

static unsigned at_random(uint32_t set)
{
	uint64_t skip = random_below(&state.random, (uint64_t)__builtin_popcount(set));

	while (skip--)
		set &= set - 1;
	return (unsigned)__builtin_ctz(set);
}

static unsigned highest(uint32_t set)
{
	unsigned best = (unsigned)__builtin_ctz(set);

	for (unsigned i = best; i < SCHEDULE_THREADS; i++)
		if (set >> i & 1 && state.priority[i] > state.priority[best])
			best = i;
	return best;
}

static void demote(unsigned thread)
{
	state.priority[thread] = --state.lowest;
}

static bool change_is_due(uint32_t choice)
{
	for (uint32_t i = 0; i < state.change_count; i++)
		if (state.changes[i] && state.changes[i] <= choice) {
			state.changes[i] = 0;
			return true;
		}
	return false;
}

static unsigned random_at_point(enum schedule_kind kind, unsigned self, uint32_t others)
{
	if (state.coarse && kind == SCHEDULE_RELAXED)
		return self;
	if (state.priorities) {
		if (change_is_due(choose_log->choices))
			demote(self);
		return highest(others | 1u << self);
	}
	return random_once_in(&state.random, state.coin) ? at_random(others) : self;
}

static unsigned random_next_thread(unsigned self, uint32_t others, bool spins)
{
	if (!state.priorities)
		return at_random(others);
	if (spins)
		demote(self);
	return highest(others);
}

/* What the plan's list says about this choice. */
static unsigned listed(unsigned usual, uint32_t possible)
{
	const struct deviation *next = &choose_plan->deviations[state.next_deviation];

	if (state.next_deviation == choose_plan->deviation_count ||
	    next->choice != choose_log->choices)
		return usual;
	state.next_deviation++;
	if (possible >> next->thread & 1)
		return next->thread;
	choose_log->diverged = true;
	return usual;
}

static void note(unsigned kind, unsigned usual, uint32_t possible, unsigned chosen)
{
	struct choose_log *log = choose_log;
	uint32_t choice = log->choices++;

	if (choose_plan->record && choice < CHOOSE_RECORDS) {
		log->records[choice] = (struct choose_record){
			.others = (uint16_t)(possible & ~(1u << usual)), .kind = (uint8_t)kind};
		log->record_count = choice + 1;
	}
	if (chosen != usual && log->deviation_count < CHOOSE_DEVIATIONS)
		log->deviations[log->deviation_count++] = (struct deviation){choice, chosen};
	choose_hash((uint64_t)choice << 8 | chosen);
}

unsigned choose_at_point(enum schedule_kind kind, unsigned self, uint32_t others)
{
	uint32_t possible = others | 1u << self;
	unsigned chosen = choose_plan->random ? random_at_point(kind, self, others)
					      : listed(self, possible);

	note(kind, self, possible, chosen);
	return chosen;
}

unsigned choose_next(unsigned self, uint32_t others, bool spins, bool free)
{
	unsigned usual = by_turn(self, others), chosen;

	if (!free)
		return usual;
	chosen = choose_plan->random ? random_next_thread(self, others, spins)
				     : listed(usual, others);
	note(SCHEDULE_KINDS, usual, others, chosen);
	return chosen;
}
