/* test/support/userfaultfd.h: the setup of unit tests that need minor faults. In a header, since system tests link
 * the rest of test/support and see no internals. */
#ifndef TEST_SUPPORT_USERFAULTFD_H
#define TEST_SUPPORT_USERFAULTFD_H

#include "gc/os/uffd.h"
#include "test/support/require.h"

/* A setup for cmocka: skips, or fails, where there are none. */
static inline int test_need_userfaultfd(void **state)
{
	struct gc_uffd uffd;
	int result = gc_uffd_open(&uffd, GC_UFFD_MINOR, false);

	(void)state;
	gc_uffd_close(&uffd);
	test_require("minor", result == 0);
	test_require("thread", result == 0);
	return 0;
}

#endif
