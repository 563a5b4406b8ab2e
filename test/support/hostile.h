/* test/support/hostile.h: what the hostile_* tests share: cases by name, children with a deadline, and a
 * heap that has to hold its contents meanwhile.
 *
 * A program has a table of cases; `PROGRAM NAME` runs one, and its result is the exit status: 0, 1, or 77
 * where something the case needs is absent. What a case does to a process (limits, filters, users) it does
 * to a child. Parents have one thread when they fork. */
#ifndef TEST_SUPPORT_HOSTILE_H
#define TEST_SUPPORT_HOSTILE_H

#include <parallax/parallax.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#define HOSTILE_CHECK(condition)                                                        \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

/* Leave with status 77. */
#define HOSTILE_SKIP(...)                     \
	do {                                  \
		fprintf(stderr, "SKIP: ");    \
		fprintf(stderr, __VA_ARGS__); \
		fprintf(stderr, "\n");        \
		exit(77);                     \
	} while (0)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOSTILE_SANITIZED 1
#else
#define HOSTILE_SANITIZED 0
#endif

struct hostile_case {
	const char *name;
	int (*run)(void); /* exit status */
};

int hostile_main(const struct hostile_case *cases, size_t count, int argc, char **argv);

/* A child that runs `body` and exits with what it returns. */
pid_t hostile_child(int (*body)(void *context), void *context);

/* Wait for it; after `seconds` it is killed. Its exit status, or 128 and the signal that ended it. */
int hostile_wait(pid_t child, unsigned seconds);

/* Both. */
int hostile_in_child(int (*body)(void *context), void *context, unsigned seconds);

/* True if it ended within a millisecond from now. */
bool hostile_has_ended(pid_t child);

/* A heap of GC_* variables, of these options (NULL: automatic) and of `heap_max`; the error printed, NULL
 * if it could not be made. */
struct plx_heap *hostile_heap(const char *plan, const char *delivery, const char *heap_max,
			      struct plx_error *error);

/* Cycles of the shadow model on a heap; aborts when it does not agree. */
void hostile_session(struct plx_heap *heap, uint64_t cycles);

/* The same on a heap of its own, made and destroyed; the exit status. */
int hostile_life(const char *plan, const char *delivery, uint64_t cycles);

/* A list that grows until an allocation gives NULL, or has `most` nodes; how many it has. */
struct hostile_list {
	struct plx_thread *thread;
	const struct plx_layout *layout;
	struct plx_handle *head;
	uint64_t count;
};
void hostile_list_open(struct hostile_list *list, struct plx_heap *heap);
uint64_t hostile_list_fill(struct hostile_list *list, uint64_t most);
void hostile_list_check(const struct hostile_list *list);
void hostile_list_close(struct hostile_list *list);

#endif
