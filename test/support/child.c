/* test/support/child.c: see child.h. */
#include "test/support/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void read_all(int from, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got;

	while ((got = read(from, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
}

int child_run(void (*act)(void), char *text, size_t size)
{
	int ends[2], status;
	pid_t pid;

	fflush(NULL);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		signal(SIGABRT, SIG_DFL);
		act();
		_exit(0);
	}
	close(ends[1]);
	read_all(ends[0], text, size);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}
