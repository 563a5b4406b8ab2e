/* test/support/inject_storm.h: system calls that fail at random, many kinds at once, while a heap is in use. */
#ifndef TEST_SUPPORT_INJECT_STORM_H
#define TEST_SUPPORT_INJECT_STORM_H

#include <stdint.h>

/* From now on, one in `one_in` of the calls that a heap in use has to live with fails, each kind by itself.
 * inject_install() comes first; nothing that attaches or creates is touched. */
void inject_storm_begin(uint64_t one_in, uint64_t seed);

/* How many failed; then none does. */
uint64_t inject_storm_end(void);

#endif
