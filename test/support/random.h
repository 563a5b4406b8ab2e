/* test/support/random.h: a small seeded generator (SplitMix64, Steele and others 2014), so that a
 * printed seed replays the same choices. One generator per thread. */
#ifndef TEST_SUPPORT_RANDOM_H
#define TEST_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

/* A bijection that spreads bits: also used to derive contents from ids. */
static inline uint64_t random_mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

static inline uint64_t random_next(struct random *random)
{
	random->state += UINT64_C(0x9e3779b97f4a7c15);
	return random_mix(random->state);
}

/* Uniform in [0, limit); limit must not be 0. The bias is below 2^-32 for the limits used. */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
	return random_next(random) % limit;
}

/* True once in `times` calls on average. */
static inline bool random_once_in(struct random *random, uint64_t times)
{
	return random_below(random, times) == 0;
}

#endif
