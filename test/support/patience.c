/* test/support/patience.c: see patience.h. A timer that is due again and again while the process stands still gives one
 * signal when it goes on.
 *
 * Who runs here: the test's thread; the handler in any. */
#include "test/support/patience.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#include "test/support/number.h"

static volatile sig_atomic_t patience_left;

static void patience_tick(int number)
{
	if (patience_left == 0 || --patience_left > 0)
		return;
	signal(number, SIG_DFL);
	raise(number); /* blocked until we return, and then the end */
}

void patience_begin(unsigned seconds)
{
	struct sigaction action = {.sa_handler = patience_tick, .sa_flags = SA_RESTART};
	const struct itimerval second = {{seconds != 0, 0}, {seconds != 0, 0}};

	patience_left = (sig_atomic_t)(seconds * test_number_from("PLX_TEST_PATIENCE", 1000, 1));
	if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &second, NULL) != 0)
		abort();
}
