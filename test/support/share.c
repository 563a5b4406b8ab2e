/* test/support/share.c: see share.h. */
#include "test/support/share.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t share_percent(void)
{
	const char *text = getenv("PLX_TEST_SHARE");
	char *end;
	unsigned long percent;

	if (text == NULL)
		return 100;
	percent = strtoul(text, &end, 10);
	if (*end == '\0' && percent >= 1 && percent <= 100)
		return percent;
	fprintf(stderr, "PLX_TEST_SHARE=%s: not a number of percent from 1 to 100\n", text);
	exit(2);
}

uint64_t share_of(uint64_t count, uint64_t least)
{
	uint64_t wanted = count * share_percent() / 100 + (count * share_percent() % 100 != 0);

	least = least < count ? least : count;
	return wanted < least ? least : wanted;
}
