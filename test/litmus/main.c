/* test/litmus/main.c: litmus [--rounds N] FILE...: each test by the model and on this machine.
 *
 * The outcome must be refused by the model, each weaker version allow it, and the machine never show it. How
 * often the machine shows it in the weaker versions says how much its silence is worth. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/litmus/litmus.h"
#include "test/support/share.h"

/* True if the model says of all versions what it should. */
static bool check_model(const struct litmus_test *test)
{
	uint64_t tried;
	bool right = true;

	if (litmus_allowed(test, &tried)) {
		printf("%s: the model allows the outcome\n", test->path);
		right = false;
	}
	printf("%-14s %6llu executions", test->tag, (unsigned long long)tried);
	for (int i = 0; i < test->weak_count; i++) {
		struct litmus_test weaker = *test;

		weaker.steps[test->weak[i].step].order = test->weak[i].order;
		if (litmus_allowed(&weaker, &tried))
			continue;
		printf("\n%s: step %d need not be as strong as it is", test->path,
		       test->weak[i].step + 1);
		right = false;
	}
	return right;
}

static bool check_machine(const struct litmus_test *test, uint64_t rounds)
{
	uint64_t seen = litmus_seen(test, rounds), weaker_seen = 0;

	for (int i = 0; i < test->weak_count; i++) {
		struct litmus_test weaker = *test;

		weaker.steps[test->weak[i].step].order = test->weak[i].order;
		weaker_seen += litmus_seen(&weaker, rounds / 8);
	}
	printf(", seen %llu times, %llu with weaker orders: %s\n", (unsigned long long)seen,
	       (unsigned long long)weaker_seen, test->path);
	return seen == 0;
}

int main(int argc, char **argv)
{
	uint64_t rounds = share_of(300000, 1);
	int bad = 0, done = 0;

	for (int i = 1; i < argc; i++) {
		struct litmus_test test;
		bool right;

		if (!strcmp(argv[i], "--rounds") && i + 1 < argc) {
			rounds = strtoull(argv[++i], NULL, 10);
			continue;
		}
		right = litmus_parse(argv[i], &test);
		right = right && check_model(&test);
		right = right && check_machine(&test, rounds);
		bad += !right;
		done++;
	}
	printf("\nlitmus: %d tests, %d failed\n", done, bad);
	return bad || !done;
}
