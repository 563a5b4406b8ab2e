/* kernel/tests/page_main.c: runs the page-level tests, each in a child with a time limit.
 *
 *	page_tests [NAME]
 *
 * Prints a line per test and a tally. Exit status: 0 all passed or skipped, 1 one failed, 77 all
 * were skipped, 2 no such test. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/tests/page.h"

#define LIMIT_SECONDS 60

static unsigned passed, failed, skipped;

static void run(const struct page_test *test)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		alarm(LIMIT_SECONDS);
		test->run();
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("page_tests");
		failed++;
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		passed++;
		printf("ok %s\n", test->name);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == PAGE_SKIP) {
		skipped++;
		printf("skip %s\n", test->name);
	} else {
		failed++;
		printf("FAILED %s (wait status %#x)\n", test->name, (unsigned)status);
	}
}

int main(int argc, char **argv)
{
	const struct page_test *const suites[] = {page_fault_tests, page_file_tests,
						  page_race_tests, page_remap_tests,
						  page_huge_tests};

	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		for (const struct page_test *test = suites[i]; test->name; test++)
			if (argc < 2 || strcmp(argv[1], test->name) == 0)
				run(test);
	printf("page_tests: %u passed, %u failed, %u skipped\n", passed, failed, skipped);
	if (passed + failed + skipped == 0)
		return 2;
	if (failed)
		return 1;
	return passed ? 0 : PAGE_SKIP;
}
