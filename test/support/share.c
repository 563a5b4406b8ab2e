/* test/support/share.c: see share.h. */
#include "test/support/share.h"

#include "test/support/number.h"

static uint64_t share_percent(void)
{
	return test_number_from("PLX_TEST_SHARE", 100, 100);
}

uint64_t share_of(uint64_t count, uint64_t least)
{
	uint64_t wanted = count * share_percent() / 100 + (count * share_percent() % 100 != 0);

	least = least < count ? least : count;
	return wanted < least ? least : wanted;
}
