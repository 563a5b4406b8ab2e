/* test/support/require.h: tests that need something of the kernel skip where it is missing, unless
 * the environment insists.
 *
 * PLX_TEST_REQUIRE lists, separated by commas or blanks, what must be there: minor, sigbus, thread,
 * skip (UFFDIO_CONTINUE_MODE_SKIP, of patched kernels only).
 * Where it lists the word, a missing capability is a failure and not a skip. */
#ifndef TEST_SUPPORT_REQUIRE_H
#define TEST_SUPPORT_REQUIRE_H

#include <stdbool.h>

#define TEST_SKIP 77 /* exit status of a skipped test */

/* Return if `available`; else exit: 1 if PLX_TEST_REQUIRE lists the word, else TEST_SKIP. */
void test_require(const char *capability, bool available);

/* True if PLX_TEST_REQUIRE lists `capability`. */
bool test_is_required(const char *capability);

#endif
