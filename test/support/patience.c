/* test/support/patience.c: see patience.h. A timer that is due again and again while the process stands still gives one
 * signal when it goes on.
 *
 * Who runs here: the test's thread; the handler in any. */
#include "test/support/patience.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

static volatile sig_atomic_t patience_left;

static void patience_tick(int number)
{
	if (patience_left == 0 || --patience_left > 0)
		return;
	signal(number, SIG_DFL);
	raise(number); /* blocked until we return, and then the end */
}

static unsigned patience_factor(void)
{
	const char *text = getenv("PLX_TEST_PATIENCE");
	char *end;
	unsigned long times;

	if (text == NULL)
		return 1;
	times = strtoul(text, &end, 10);
	if (*end == '\0' && times >= 1 && times <= 1000)
		return (unsigned)times;
	fprintf(stderr, "PLX_TEST_PATIENCE=%s: not a number from 1 to 1000\n", text);
	exit(2);
}

void patience_begin(unsigned seconds)
{
	struct sigaction action = {.sa_handler = patience_tick, .sa_flags = SA_RESTART};
	const struct itimerval second = {{seconds != 0, 0}, {seconds != 0, 0}};

	patience_left = (sig_atomic_t)(seconds * patience_factor());
	if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &second, NULL) != 0)
		abort();
}
