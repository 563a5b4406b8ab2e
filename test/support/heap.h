/* test/support/heap.h: heaps for tests: options by name over those of the environment.
 *
 *	test_heap_open(&heap, &thread, (const char *const[]){"GC_HEAP_MAX", "32M", "GC_PLAN", plan, NULL});
 *
 * NAME, VALUE, ..., NULL; a VALUE that is NULL leaves the option as it is. */
#ifndef TEST_SUPPORT_HEAP_H
#define TEST_SUPPORT_HEAP_H

#include <stdbool.h>

#include <parallax/parallax.h>

/* As plx_heap_create; an option that is refused is the test's own mistake, and fails it. */
enum plx_status test_heap_create(struct plx_heap **heap, const char *const *options,
				 struct plx_error *error);

/* A heap, and the calling thread attached to it. False, with the reason printed, if this kernel cannot do
 * the plan. */
bool test_heap_try(struct plx_heap **heap, struct plx_thread **thread, const char *const *options);

/* The same; then the test is skipped. For cmocka's tests only. */
void test_heap_open(struct plx_heap **heap, struct plx_thread **thread, const char *const *options);

/* Detach the calling thread and destroy the heap, which has to work. */
void test_heap_close(struct plx_heap *heap, struct plx_thread *thread);

#endif
