/* test/support/number.c: see number.h. */
#include "test/support/number.h"

#include <stdio.h>
#include <stdlib.h>

unsigned long test_number_from(const char *name, unsigned long most, unsigned long otherwise)
{
	const char *text = getenv(name);
	char *end;
	unsigned long number;

	if (text == NULL)
		return otherwise;
	number = strtoul(text, &end, 10);
	if (*end == '\0' && number >= 1 && number <= most)
		return number;
	fprintf(stderr, "%s=%s: not a number from 1 to %lu\n", name, text, most);
	exit(2);
}
