/* test/unit/test_histogram.c: bucket geometry, precision, quantiles against a sorted copy, merging,
 * and recording by several threads at once. */
#include <parallax/histogram.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct plx_histogram one, other;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int clear(void **state)
{
	(void)state;
	memset(&one, 0, sizeof(one));
	memset(&other, 0, sizeof(other));
	return 0;
}

/* Buckets tile the values: each one's largest value maps to it, and the next value to the next. */
static void buckets_tile(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < PLX_HISTOGRAM_BUCKETS; i++) {
		uint64_t value = plx_histogram_bucket_value(i);

		assert_int_equal(plx_histogram_index(value), i);
		if (i + 1 < PLX_HISTOGRAM_BUCKETS)
			assert_int_equal(plx_histogram_index(value + 1), i + 1);
	}
	assert_int_equal(plx_histogram_bucket_value(PLX_HISTOGRAM_BUCKETS - 1),
			 (UINT64_C(1) << PLX_HISTOGRAM_VALUE_BITS) - 1);
	assert_int_equal(plx_histogram_index(0), 0);
	assert_int_equal(plx_histogram_index(UINT64_MAX), PLX_HISTOGRAM_BUCKETS - 1);
}

static void precision_is_three_digits(void **state)
{
	uint64_t seed = 42;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t value = next_random(&seed) >> (22 + next_random(&seed) % 42);
		uint64_t shown = plx_histogram_bucket_value(plx_histogram_index(value));

		assert_true(shown >= value);
		assert_true(shown - value <= value / 1024);
	}
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static void quantiles_match_a_sorted_copy(void **state)
{
	static const double fractions[] = {0, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
	enum { COUNT = 20000 };
	static uint64_t values[COUNT];
	uint64_t seed = 7, sum = 0;

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		values[i] = next_random(&seed) >> (24 + next_random(&seed) % 30);
		sum += values[i];
		plx_histogram_record(&one, values[i]);
	}
	qsort(values, COUNT, sizeof(*values), compare);
	assert_int_equal(one.count, COUNT);
	assert_int_equal(one.sum, sum);
	assert_int_equal(one.max, values[COUNT - 1]);
	for (size_t i = 0; i < sizeof(fractions) / sizeof(*fractions); i++) {
		size_t rank = (size_t)(fractions[i] * COUNT);
		uint64_t exact = values[rank > 0 ? rank - 1 : 0];
		uint64_t found = plx_histogram_quantile(&one, fractions[i]);

		assert_true(found >= exact);
		assert_true(found - exact <= exact / 1024);
	}
	assert_int_equal(plx_histogram_quantile(&one, 1), one.max);
}

static void few_values(void **state)
{
	(void)state;
	assert_int_equal(plx_histogram_quantile(&one, 0.5), 0);
	plx_histogram_record(&one, 1000003);
	assert_int_equal(plx_histogram_quantile(&one, 0), 1000003);
	assert_int_equal(plx_histogram_quantile(&one, 0.5), 1000003);
	assert_int_equal(plx_histogram_quantile(&one, 1), 1000003);
	clear(NULL);
	plx_histogram_record(&one, UINT64_MAX); /* beyond the last bucket: counted in it */
	assert_int_equal(one.max, UINT64_MAX);
	assert_int_equal(plx_histogram_quantile(&one, 0.5),
			 (UINT64_C(1) << PLX_HISTOGRAM_VALUE_BITS) - 1);
}

static void merging_adds(void **state)
{
	static struct plx_histogram all;
	uint64_t seed = 9;

	(void)state;
	memset(&all, 0, sizeof(all));
	for (int i = 0; i < 10000; i++) {
		uint64_t value = next_random(&seed) >> 30;

		plx_histogram_record(i % 3 == 0 ? &one : &other, value);
		plx_histogram_record(&all, value);
	}
	plx_histogram_merge(&one, &other);
	assert_memory_equal(&one, &all, sizeof(all));
}

#define THREADS 4
#define EACH 20000

static void *record_shared(void *argument)
{
	uint64_t seed = (uintptr_t)argument;

	for (int i = 0; i < EACH; i++)
		plx_histogram_record_shared(&one, next_random(&seed) >> 34);
	return NULL;
}

static void shared_recording_loses_nothing(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, record_shared, (void *)(i + 1)),
				 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (uint64_t i = 1; i <= THREADS; i++) {
		uint64_t seed = i;

		for (int n = 0; n < EACH; n++)
			plx_histogram_record(&other, next_random(&seed) >> 34);
	}
	assert_memory_equal(&one, &other, sizeof(one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(buckets_tile, clear),
		cmocka_unit_test_setup(precision_is_three_digits, clear),
		cmocka_unit_test_setup(quantiles_match_a_sorted_copy, clear),
		cmocka_unit_test_setup(few_values, clear),
		cmocka_unit_test_setup(merging_adds, clear),
		cmocka_unit_test_setup(shared_recording_loses_nothing, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
