/* test/support/coverage.c: coverage builds only (PLX_COVERAGE): what a process has counted is written when it
 * ends, also where it ends by _exit or abort, as children of tests do. The linker sends the calls here
 * (--wrap); each program has this file. A process that a signal ends counts for nothing.
 *
 * Who runs here: whoever ends the process. */
#ifdef PLX_COVERAGE

#include <signal.h>

_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap_abort(void);
_Noreturn void __real__exit(int status);
_Noreturn void __real_abort(void);
void __gcov_dump(void);

/* Past a limit of file sizes it is lost, and no more than that; also where exit writes it, after this. */
__attribute__((destructor)) static void counts_may_be_lost(void)
{
	signal(SIGXFSZ, SIG_IGN);
}

static void counts_write(void)
{
	counts_may_be_lost();
	__gcov_dump();
}

void __wrap__exit(int status)
{
	counts_write();
	__real__exit(status);
}

void __wrap_abort(void)
{
	counts_write();
	__real_abort();
}

#else

typedef int coverage_is_off;

#endif
