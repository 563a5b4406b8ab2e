/* test/unit/test_share.c: PLX_TEST_SHARE (test/support/share.h): rounding, the fewest, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "test/support/child.h"
#include "test/support/share.h"

static uint64_t with(const char *percent, uint64_t count, uint64_t least)
{
	setenv("PLX_TEST_SHARE", percent, 1);
	return share_of(count, least);
}

static void test_share(void **state)
{
	(void)state;
	unsetenv("PLX_TEST_SHARE");
	assert_int_equal(share_of(7, 1), 7);
	assert_int_equal(with("100", 7, 1), 7);
	assert_int_equal(with("20", 2000, 1), 400);
	assert_int_equal(with("20", 7, 1), 2); /* 1.4 */
	assert_int_equal(with("1", 3, 1), 1);
	assert_int_equal(with("1", 2000, 50), 50);
	assert_int_equal(with("1", 30, 50), 30); /* there are no more */
	assert_int_equal(with("5", 0, 1), 0);
}

static void ask(void)
{
	(void)share_of(100, 1);
}

/* Neither a whole run nor an empty one by mistake. */
static void test_refused(void **state)
{
	static const char *const wrong[] = {"", "0", "101", "-1", "20%", "half", "0.5"};
	char text[500];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		int status;

		setenv("PLX_TEST_SHARE", wrong[i], 1);
		status = child_run(ask, text, sizeof(text));
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
		assert_non_null(strstr(text, "PLX_TEST_SHARE="));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
