/* test/support/number.h: numbers that the environment gives to tests. */
#ifndef TEST_SUPPORT_NUMBER_H
#define TEST_SUPPORT_NUMBER_H

/* What variable `name` says, from 1 to `most`; `otherwise` if it is not set. Anything else ends the test: status 2. */
unsigned long test_number_from(const char *name, unsigned long most, unsigned long otherwise);

#endif
