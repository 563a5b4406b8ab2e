/* test/support/share.h: PLX_TEST_SHARE: how many percent of a long test are run, where time is short. */
#ifndef TEST_SUPPORT_SHARE_H
#define TEST_SUPPORT_SHARE_H

#include <stdint.h>

/* So many percent of `count`, rounded up, but not fewer than `least` of them; all without the variable. It has to be
 * a number from 1 to 100, or the test ends here: what is misspelt must not pass for a whole run. */
uint64_t share_of(uint64_t count, uint64_t least);

#endif
