/* test/support/inject.c: the table of system calls that fails on demand.
 *
 * A rule slot is FREE, WRITING or ARMED. Calls hold a slot by counting themselves in `readers`
 * before they look at its state; arming and disarming wait for that count to drop, so nobody reads
 * a rule while it is written. A signal handler that interrupts the writer sees a slot that is not
 * ARMED and passes by.
 *
 * Failures look like the kernel's: a failed CONTINUE or COPY writes its errno into the argument,
 * and a failed close has closed the descriptor all the same. */
#include "test/support/inject.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gc/os/uffd_abi.h"

enum { SLOT_FREE, SLOT_WRITING, SLOT_ARMED };

struct inject_slot {
	int state;
	int readers;
	uint64_t matches;
	uint64_t failures;
	struct inject_rule rule; /* written in WRITING, read in ARMED */
};

static struct inject_slot slots[INJECT_RULES];
static uint64_t calls[INJECT_ENTRY_COUNT];
static uint64_t request_calls[64]; /* by number, without the device's */
static uint64_t device_calls;

#define INJECT_NAME(type, name, parameters, arguments) #name,
static const char *const entry_names[] = {GC_SYS_TABLE(INJECT_NAME)};

/* splitmix64 (Steele, Lea, Flood 2014): a good enough hash of seed and call number. */
static uint64_t inject_mix(uint64_t value)
{
	value += UINT64_C(0x9E3779B97F4A7C15);
	value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
	return value ^ (value >> 31);
}

static bool inject_strikes(const struct inject_rule *rule, uint64_t number)
{
	uint64_t nth = rule->nth != 0 ? rule->nth : 1;

	switch (rule->mode) {
	case INJECT_ONCE:
		return number == nth;
	case INJECT_FROM:
		return number >= nth;
	case INJECT_ALWAYS:
		return true;
	case INJECT_RANDOM:
		return rule->one_in <= 1 ||
		       inject_mix(rule->seed ^ inject_mix(number)) % rule->one_in == 0;
	}
	return false;
}

/* The length field of a CONTINUE or COPY argument, and where its result goes. */
static bool inject_transfer(unsigned long request, void *argument, uint64_t **bytes, int64_t **done)
{
	if (request == GC_UFFDIO_CONTINUE) {
		struct gc_uffdio_continue *call = argument;

		*bytes = &call->range.bytes;
		*done = &call->mapped;
		return true;
	}
	if (request == GC_UFFDIO_COPY) {
		struct gc_uffdio_copy *call = argument;

		*bytes = &call->bytes;
		*done = &call->copied;
		return true;
	}
	return false;
}

static bool inject_matches_call(const struct inject_rule *rule, enum inject_entry entry,
				unsigned long request, void *argument)
{
	uint64_t *bytes;
	int64_t *done;

	if (rule->entry != entry)
		return false;
	if ((entry == INJECT_ioctl || entry == INJECT_madvise) && rule->request != 0 &&
	    rule->request != request)
		return false;
	if (!rule->partial)
		return true;
	return entry == INJECT_ioctl && inject_transfer(request, argument, &bytes, &done) &&
	       *bytes >= 2 * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* 0, a positive errno to fail with, or -1 for partial progress. */
static int inject_ask(struct inject_slot *slot, enum inject_entry entry, unsigned long request,
		      void *argument)
{
	int verdict = 0;

	/* Sequentially consistent, as the store of the state in inject_vacate: either we see that
	 * the slot is no longer armed, or the writer sees us. */
	__atomic_fetch_add(&slot->readers, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&slot->state, __ATOMIC_SEQ_CST) == SLOT_ARMED &&
	    inject_matches_call(&slot->rule, entry, request, argument)) {
		uint64_t number = __atomic_add_fetch(&slot->matches, 1, __ATOMIC_SEQ_CST);

		if (inject_strikes(&slot->rule, number)) {
			__atomic_fetch_add(&slot->failures, 1, __ATOMIC_SEQ_CST);
			verdict = slot->rule.partial ? -1 : slot->rule.error;
		}
	}
	__atomic_fetch_sub(&slot->readers, 1, __ATOMIC_SEQ_CST);
	return verdict;
}

static int inject_decide(enum inject_entry entry, unsigned long request, void *argument)
{
	/* Relaxed: a count, read when the calls of interest are over. */
	__atomic_fetch_add(&calls[entry], 1, __ATOMIC_RELAXED);
	for (int i = 0; i < INJECT_RULES; i++) {
		int verdict = inject_ask(&slots[i], entry, request, argument);

		if (verdict != 0)
			return verdict;
	}
	return 0;
}

/* ioctl, madvise and close have wrappers of their own, hence unused. */
#define INJECT_WRAPPER(type, name, parameters, arguments)                  \
	__attribute__((unused)) static type inject_plain_##name parameters \
	{                                                                  \
		int error = inject_decide(INJECT_##name, 0, NULL);         \
                                                                           \
		if (error != 0)                                            \
			return (type)-error;                               \
		return gc_sys_real.name arguments;                         \
	}
GC_SYS_TABLE(INJECT_WRAPPER)

static int inject_close(int fd)
{
	int error = inject_decide(INJECT_close, 0, NULL);
	int result = gc_sys_real.close(fd);

	return error != 0 ? -error : result;
}

static int inject_madvise(void *address, size_t length, int advice)
{
	int error = inject_decide(INJECT_madvise, (unsigned long)advice, NULL);

	return error != 0 ? -error : gc_sys_real.madvise(address, length, advice);
}

static int inject_half(int fd, unsigned long request, void *argument)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t *bytes = NULL, whole;
	int64_t *done = NULL;
	int result;

	if (!inject_transfer(request, argument, &bytes, &done))
		return gc_sys_real.ioctl(fd, request, argument);
	whole = *bytes;
	*bytes = whole / page_bytes / 2 * page_bytes;
	result = gc_sys_real.ioctl(fd, request, argument);
	*bytes = whole;
	return result == 0 ? -EAGAIN : result;
}

static void inject_count_request(unsigned long request)
{
	if (request == GC_USERFAULTFD_IOC_NEW)
		__atomic_fetch_add(&device_calls, 1, __ATOMIC_RELAXED); /* a count, as above */
	else if (_IOC_TYPE(request) == GC_UFFDIO_TYPE && _IOC_NR(request) < 64)
		__atomic_fetch_add(&request_calls[_IOC_NR(request)], 1, __ATOMIC_RELAXED);
}

static int inject_ioctl(int fd, unsigned long request, void *argument)
{
	int error = inject_decide(INJECT_ioctl, request, argument);
	uint64_t *bytes;
	int64_t *done;

	inject_count_request(request);
	if (error < 0)
		return inject_half(fd, request, argument);
	if (error == 0)
		return gc_sys_real.ioctl(fd, request, argument);
	if (inject_transfer(request, argument, &bytes, &done))
		*done = -error;
	return -error;
}

#define INJECT_FIELD(type, name, parameters, arguments) .name = inject_plain_##name,
static struct gc_sys inject_table = {GC_SYS_TABLE(INJECT_FIELD)};

void inject_install(void)
{
	inject_disarm_all();
	inject_reset_calls();
	inject_table.ioctl = inject_ioctl;
	inject_table.madvise = inject_madvise;
	inject_table.close = inject_close;
	gc_sys = &inject_table;
}

void inject_uninstall(void)
{
	inject_disarm_all();
	gc_sys = &gc_sys_real;
}

/* Close the slot and wait until no call looks at it. */
static void inject_vacate(struct inject_slot *slot, int state)
{
	__atomic_store_n(&slot->state, state, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&slot->readers, __ATOMIC_SEQ_CST) != 0)
		sched_yield();
}

int inject_arm(const struct inject_rule *rule)
{
	for (int i = 0; i < INJECT_RULES; i++) {
		int expected = SLOT_FREE;

		if (!__atomic_compare_exchange_n(&slots[i].state, &expected, SLOT_WRITING, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue;
		inject_vacate(&slots[i], SLOT_WRITING);
		slots[i].rule = *rule;
		__atomic_store_n(&slots[i].matches, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&slots[i].failures, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&slots[i].state, SLOT_ARMED, __ATOMIC_SEQ_CST);
		return i;
	}
	return -1;
}

int inject_arm_once(enum inject_entry entry, uint64_t nth, int error)
{
	return inject_arm(&(struct inject_rule){
		.entry = entry, .mode = INJECT_ONCE, .nth = nth, .error = error});
}

void inject_disarm(int rule)
{
	if (rule >= 0)
		inject_vacate(&slots[rule], SLOT_FREE);
}

void inject_disarm_all(void)
{
	for (int i = 0; i < INJECT_RULES; i++)
		inject_disarm(i);
}

uint64_t inject_failures(int rule)
{
	return rule >= 0 ? __atomic_load_n(&slots[rule].failures, __ATOMIC_SEQ_CST) : 0;
}

uint64_t inject_matches(int rule)
{
	return rule >= 0 ? __atomic_load_n(&slots[rule].matches, __ATOMIC_SEQ_CST) : 0;
}

uint64_t inject_calls(enum inject_entry entry)
{
	return __atomic_load_n(&calls[entry], __ATOMIC_SEQ_CST);
}

uint64_t inject_request_calls(unsigned long request)
{
	if (request == GC_USERFAULTFD_IOC_NEW)
		return __atomic_load_n(&device_calls, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&request_calls[_IOC_NR(request) & 63], __ATOMIC_SEQ_CST);
}

void inject_reset_calls(void)
{
	for (int i = 0; i < INJECT_ENTRY_COUNT; i++)
		__atomic_store_n(&calls[i], 0, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 64; i++)
		__atomic_store_n(&request_calls[i], 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&device_calls, 0, __ATOMIC_SEQ_CST);
}

const char *inject_entry_name(enum inject_entry entry)
{
	return entry < INJECT_ENTRY_COUNT ? entry_names[entry] : "?";
}
