/* test/fuzz/fuzz.h: what a fuzz target gives: one function that takes any bytes, and comes back. libFuzzer calls
 * it with bytes that reach new code; replay.c with the files of test/fuzz/corpus. Whatever is wrong ends the
 * process. */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/support/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
