/* test/support/child.h: what is to end a process is done in a child. For cmocka's tests. */
#ifndef TEST_SUPPORT_CHILD_H
#define TEST_SUPPORT_CHILD_H

#include <stddef.h>

/* Do `act` in a child process, which exits with 0 if that returns; SIGABRT ends it, as cmocka would not have
 * it. What it writes to standard error is in `text`, cut to `size` with its NUL. Its status, as waitpid's. */
int child_run(void (*act)(void), char *text, size_t size);

#endif
