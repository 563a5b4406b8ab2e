/* test/support/tally.c: see tally.h. */
#include "test/support/tally.h"

#include <stdio.h>

void tally_print(const char *name, const struct tally_figures *figures)
{
	printf("tally: %s cycles=%lu objects=%lu faults=%lu injected=%lu\n", name,
	       (unsigned long)figures->cycles, (unsigned long)figures->objects,
	       (unsigned long)figures->faults, (unsigned long)figures->injected);
	fflush(stdout);
}
