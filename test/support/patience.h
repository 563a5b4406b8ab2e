/* test/support/patience.h: an end for a process that hangs, without a look at the clock: seconds in which it was
 * stopped (SIGSTOP, a suspended machine) are not counted, as alarm() would. */
#ifndef TEST_SUPPORT_PATIENCE_H
#define TEST_SUPPORT_PATIENCE_H

/* This process, not its children, ends by SIGALRM when it has been running for so many seconds from now; 0: never.
 * PLX_TEST_PATIENCE times as many, if that is set: for emulators. Takes SIGALRM and ITIMER_REAL. */
void patience_begin(unsigned seconds);

#endif
