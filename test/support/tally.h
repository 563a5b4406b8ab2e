/* test/support/tally.h: what a program did, in one line that test/soak.sh adds up. */
#ifndef TEST_SUPPORT_TALLY_H
#define TEST_SUPPORT_TALLY_H

#include <stdint.h>

struct tally_figures {
	uint64_t cycles;   /* of collection */
	uint64_t objects;  /* whose contents or fate were compared with what the program knows */
	uint64_t faults;   /* that mutators took on pages that a flip had taken away */
	uint64_t injected; /* system calls that were made to fail */
};

/* "tally: NAME cycles=N objects=N faults=N injected=N" on standard output. */
void tally_print(const char *name, const struct tally_figures *figures);

#endif
