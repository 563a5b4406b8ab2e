/* bench/common/random.h: the one source of chance of tests and benchmarks: SplitMix64 (Steele, Lea, Flood 2014), so
 * that a printed seed makes the same choices again. A stream for each thread. */
#ifndef BENCH_COMMON_RANDOM_H
#define BENCH_COMMON_RANDOM_H

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

/* The stream of a thread follows from the seed and the thread's number. */
static inline void random_seed(struct random *random, uint64_t seed, uint64_t stream)
{
	random->state = random_mix(seed) ^ random_mix(~stream);
}

static inline uint64_t random_next(struct random *random)
{
	random->state += UINT64_C(0x9e3779b97f4a7c15);
	return random_mix(random->state);
}

/* Uniform below `limit`, which is below 2^32. The peers of bench/peers draw the same. */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
	return ((random_next(random) >> 32) * limit) >> 32;
}

/* True once in `times` calls on average. */
static inline bool random_once_in(struct random *random, uint64_t times)
{
	return random_below(random, times) == 0;
}

/* True with probability threshold / 2^32. */
static inline bool random_chance(struct random *random, uint64_t threshold)
{
	return random_next(random) >> 32 < threshold;
}

#endif
