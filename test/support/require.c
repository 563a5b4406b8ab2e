/* test/support/require.c: skip, or fail where skipping is not allowed. */
#include "test/support/require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool test_is_required(const char *capability)
{
	const char *list = getenv("PLX_TEST_REQUIRE");
	size_t length = strlen(capability);

	while (list != NULL && *list != '\0') {
		size_t word = strcspn(list, ", ");

		if (word == length && memcmp(list, capability, length) == 0)
			return true;
		list += word;
		list += strspn(list, ", ");
	}
	return false;
}

void test_require(const char *capability, bool available)
{
	if (available)
		return;
	if (test_is_required(capability)) {
		fprintf(stderr, "FAIL: '%s' is missing here, and PLX_TEST_REQUIRE lists it\n",
			capability);
		exit(1);
	}
	fprintf(stderr, "SKIP: '%s' is missing here\n", capability);
	exit(TEST_SKIP);
}
