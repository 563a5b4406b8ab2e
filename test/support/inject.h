/* test/support/inject.h: fault injection: a table of system calls in place of gc_sys whose entries
 * fail on demand.
 *
 *	inject_install();
 *	int rule = inject_arm(&(struct inject_rule){
 *		.entry = INJECT_ioctl, .request = GC_UFFDIO_CONTINUE,
 *		.mode = INJECT_ONCE, .nth = 3, .error = EAGAIN });
 *	... run ...
 *	inject_failures(rule) is how often it struck
 *	inject_disarm(rule);
 *	inject_uninstall();
 *
 * Thread safe. Calls through the table are also async-signal safe; arming and disarming are not,
 * and neither may be done from inside of a call that the table is serving. */
#ifndef TEST_SUPPORT_INJECT_H
#define TEST_SUPPORT_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "gc/os/sys.h"

/* INJECT_mmap, INJECT_ioctl, ...: one for each entry of GC_SYS_TABLE. */
#define INJECT_ENTRY_(type, name, parameters, arguments) INJECT_##name,
enum inject_entry { GC_SYS_TABLE(INJECT_ENTRY_) INJECT_ENTRY_COUNT };
#undef INJECT_ENTRY_

enum inject_mode {
	INJECT_ONCE,   /* the nth matching call */
	INJECT_FROM,   /* the nth matching call and every later one */
	INJECT_ALWAYS, /* every matching call */
	INJECT_RANDOM, /* each matching call with probability 1/one_in, from `seed` */
};

struct inject_rule {
	enum inject_entry entry;
	enum inject_mode mode;
	uint64_t nth;	       /* counted from 1 at arming; 0 is taken as 1 */
	uint64_t one_in;       /* INJECT_RANDOM; 0 is taken as 1 */
	uint64_t seed;	       /* INJECT_RANDOM: same seed, same call numbers */
	int error;	       /* positive errno to fail with */
	unsigned long request; /* ioctl: only this request; madvise: only this advice; 0: any */
	/* UFFDIO_CONTINUE and UFFDIO_COPY, ranges of two pages or more (others do not match): really do
	 * the first half of the range, then report EAGAIN with the bytes done; `error` is not used. */
	bool partial;
};

#define INJECT_RULES 16

/* Point gc_sys at the injecting table, with no rule armed and all counts 0; and back. Only while
 * no other thread uses gc_sys, or while the table is transparent (no rule armed). */
void inject_install(void);
void inject_uninstall(void);

/* Arm a rule: its number, or -1 when INJECT_RULES are armed. The first rule that strikes wins. */
int inject_arm(const struct inject_rule *rule);

/* Shorthand: the nth call of `entry` from now fails once with `error`. */
int inject_arm_once(enum inject_entry entry, uint64_t nth, int error);

/* Take a rule back; -1 is ignored. Waits until no call is looking at it. */
void inject_disarm(int rule);
void inject_disarm_all(void);

/* How often a rule struck since it was armed, and how many calls it was matched with; both remain
 * readable after disarming until the slot is used again. */
uint64_t inject_failures(int rule);
uint64_t inject_matches(int rule);

/* Calls of an entry, and of one userfaultfd ioctl, since inject_install or inject_reset_calls,
 * failed ones included. */
uint64_t inject_calls(enum inject_entry entry);
uint64_t inject_request_calls(unsigned long request);
void inject_reset_calls(void);

/* "mmap", "ioctl", ... */
const char *inject_entry_name(enum inject_entry entry);

#endif
