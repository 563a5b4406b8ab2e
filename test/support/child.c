/* test/support/child.c: see child.h. */
#include "test/support/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/support/process.h"

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
	process_read_all(ends[0], text, size);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}
