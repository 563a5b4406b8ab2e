/* test/support/foreign.h: a SIGBUS that is not the heap's: a touch of a mapping beyond the end of its file. */
#ifndef TEST_SUPPORT_FOREIGN_H
#define TEST_SUPPORT_FOREIGN_H

#include <setjmp.h>

/* Where the touch goes on when a handler has had it: by siglongjmp. */
extern sigjmp_buf foreign_jump;

/* Aborts if the touch succeeds. */
void foreign_touch(void);

#endif
