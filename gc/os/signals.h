/* gc/os/signals.h: which signals may be put off: all but those that a thread's own mistakes raise, which are
 * fatal while they are blocked. */
#ifndef GC_OS_SIGNALS_H
#define GC_OS_SIGNALS_H

#include <signal.h>
#include <stddef.h>

static inline void gc_signals_fill(sigset_t *mask)
{
	static const int mistakes[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGABRT};

	sigfillset(mask);
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
		sigdelset(mask, mistakes[i]);
}

#endif
