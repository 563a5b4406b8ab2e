/* test/unit/test_probe.c: the probe finds what is there, and when something fails it says so, ends,
 * and leaves nothing behind. */
#include "gc/os/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gc/os/sys.h"
#include "gc/os/uffd_abi.h"
#include "test/support/inject.h"
#include "test/support/require.h"

static struct gc_probe found; /* by an undisturbed probe */

/* What a probe must leave as it was. */
struct traces {
	size_t descriptors;
	size_t scratch_mappings;
	struct sigaction sigbus;
	sigset_t mask;
};

/* Mappings of the probe's memfds, and reservations about the size of its own (a sanitizer has
 * larger ones). */
static size_t count_scratch_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	size_t count = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		char *after_start, *after_end;
		unsigned long start = strtoul(line, &after_start, 16);
		unsigned long end = strtoul(after_start + 1, &after_end, 16);

		count += strstr(line, "parallax-probe") != NULL ||
			 (strncmp(after_end, " ---p", 5) == 0 && end - start >= 512ul << 20 &&
			  end - start < 4ul << 30);
	}
	fclose(maps);
	return count;
}

static void traces_take(struct traces *traces)
{
	memset(traces, 0, sizeof(*traces));
	for (int fd = 0; fd < 256; fd++)
		traces->descriptors += fcntl(fd, F_GETFD) >= 0;
	traces->scratch_mappings = count_scratch_mappings();
	sigaction(SIGBUS, NULL, &traces->sigbus);
	pthread_sigmask(SIG_SETMASK, NULL, &traces->mask);
}

static void traces_compare(const struct traces *before)
{
	struct traces after;

	traces_take(&after);
	assert_int_equal(after.descriptors, before->descriptors);
	assert_int_equal(after.scratch_mappings, before->scratch_mappings);
	assert_ptr_equal(after.sigbus.sa_sigaction, before->sigbus.sa_sigaction);
	assert_int_equal(after.sigbus.sa_flags, before->sigbus.sa_flags);
	assert_memory_equal(&after.mask, &before->mask, sizeof(sigset_t));
}

static void works_where_required(void **state)
{
	(void)state;
	test_require("minor", found.minor_thread.works || found.minor_sigbus.works);
	test_require("thread", found.minor_thread.works);
	test_require("sigbus", found.minor_sigbus.works);
	assert_true(found.memfd.works);
	assert_true(found.continue_page_ns > 0);
	assert_in_range(found.origin, 0, GC_UFFD_ORIGIN_COUNT - 1);
	assert_null(gc_probe_minor_lacks(&found, false));
	assert_null(gc_probe_minor_lacks(&found, true));
	if (found.remap_shared.works)
		assert_in_range(found.move_bytes, 8 << 20, 64 << 20);
}

static void leaves_nothing(void **state)
{
	struct traces before;
	struct gc_probe probe;

	(void)state;
	traces_take(&before);
	gc_probe_run(&probe);
	traces_compare(&before);
}

static void explains(void **state)
{
	struct gc_probe probe = found;
	char text[2048];

	(void)state;
	gc_probe_describe(&probe, text, sizeof(text));
	assert_non_null(strstr(text, "MREMAP_DONTUNMAP on shared memory"));
	probe.minor_thread =
		(struct gc_capability){.error = -EPERM, .step = "opening a userfaultfd"};
	gc_probe_explain(&probe, &probe.minor_thread, text, sizeof(text));
	assert_non_null(strstr(text, "opening a userfaultfd"));
	assert_non_null(strstr(text, "EPERM"));
	assert_non_null(strstr(text, "/dev/userfaultfd"));
	assert_non_null(strstr(text, "vm.unprivileged_userfaultfd"));
	assert_non_null(strstr(text, "seccomp"));
	assert_ptr_equal(gc_probe_minor_lacks(&probe, false), &probe.minor_thread);
	for (size_t size = 0; size < 200; size++) { /* bounded, always terminated */
		memset(text, 'x', sizeof(text));
		gc_probe_describe(&probe, text, size);
		if (size > 0)
			assert_true(strlen(text) < size);
		assert_int_equal(text[size], 'x');
	}
}

/* What each capability says when one request or call is refused throughout. */
static void refusals_are_attributed(void **state)
{
	static const struct {
		enum inject_entry entry;
		unsigned long request;
		int error;
		size_t broken; /* offset of the capability that must not work */
		size_t intact; /* offset of one that must, if it did before */
	} cases[] = {
		{INJECT_memfd_create, 0, EACCES, offsetof(struct gc_probe, memfd),
		 offsetof(struct gc_probe, missing_thread)},
		{INJECT_ioctl, GC_UFFDIO_CONTINUE, EINVAL, offsetof(struct gc_probe, minor_sigbus),
		 offsetof(struct gc_probe, missing_sigbus)},
		{INJECT_ioctl, GC_UFFDIO_CONTINUE, EAGAIN, offsetof(struct gc_probe, minor_thread),
		 offsetof(struct gc_probe, missing_sigbus)},
		{INJECT_ioctl, GC_UFFDIO_COPY, ENOMEM, offsetof(struct gc_probe, missing_thread),
		 offsetof(struct gc_probe, minor_sigbus)},
		{INJECT_mremap, 0, EINVAL, offsetof(struct gc_probe, remap_shared),
		 offsetof(struct gc_probe, minor_thread)},
		{INJECT_thread_create, 0, EAGAIN, offsetof(struct gc_probe, minor_thread),
		 offsetof(struct gc_probe, minor_sigbus)},
		{INJECT_poll, 0, EINVAL, offsetof(struct gc_probe, missing_thread),
		 offsetof(struct gc_probe, missing_sigbus)},
		{INJECT_sigaction, 0, EINVAL, offsetof(struct gc_probe, minor_sigbus),
		 offsetof(struct gc_probe, minor_thread)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct gc_capability *broken, *intact, *before;
		struct inject_rule rule = {.entry = cases[i].entry,
					   .request = cases[i].request,
					   .mode = INJECT_ALWAYS,
					   .error = cases[i].error};
		struct traces traces;
		struct gc_probe probe;

		traces_take(&traces);
		inject_install();
		inject_arm(&rule);
		gc_probe_run(&probe);
		inject_uninstall();
		traces_compare(&traces);
		broken = (const void *)((const char *)&probe + cases[i].broken);
		intact = (const void *)((const char *)&probe + cases[i].intact);
		before = (const void *)((const char *)&found + cases[i].intact);
		assert_false(broken->works);
		assert_int_equal(broken->error, -cases[i].error);
		assert_non_null(broken->step);
		assert_int_equal(intact->works, before->works);
	}
}

/* Every call the probe makes fails once. munmap is left out: there is no answer to its failure. */
static void survives_any_single_failure(void **state)
{
	uint64_t calls[INJECT_ENTRY_COUNT];
	struct gc_probe probe;

	(void)state;
	inject_install();
	gc_probe_run(&probe);
	for (int entry = 0; entry < INJECT_ENTRY_COUNT; entry++)
		calls[entry] = inject_calls((enum inject_entry)entry);
	inject_uninstall();
	for (int entry = 0; entry < INJECT_ENTRY_COUNT; entry++) {
		/* A few of each: one probe takes tens of milliseconds. */
		uint64_t step = calls[entry] / 12 + 1;

		if (entry == INJECT_munmap)
			continue;
		for (uint64_t nth = 1; nth <= calls[entry]; nth += step) {
			struct traces traces;

			traces_take(&traces);
			inject_install();
			inject_arm_once((enum inject_entry)entry, nth, ENOMEM);
			gc_probe_run(&probe);
			inject_uninstall();
			traces_compare(&traces);
		}
	}
}

/* What a page costs is unknown where the kernel refuses one, and nothing is left behind. */
static void prices_a_page(void **state)
{
	const enum inject_entry entries[] = {INJECT_memfd_create, INJECT_mmap, INJECT_fallocate};
	struct traces traces;

	(void)state;
	traces_take(&traces);
	assert_true(gc_probe_page_ns(true) > 0);
	assert_true(gc_probe_page_ns(false) > 0);
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		inject_install();
		inject_arm_once(entries[i], 1, ENOMEM);
		assert_true(gc_probe_page_ns(true) == 0);
		inject_uninstall();
	}
	traces_compare(&traces);
}

static volatile sig_atomic_t foreign;
static sigjmp_buf foreign_escape;

static void foreign_handler(int number)
{
	(void)number;
	foreign++;
	siglongjmp(foreign_escape, 1);
}

/* The program's handler is back in place afterwards, and a blocked SIGBUS does no harm. */
static void restores_the_handler(void **state)
{
	struct sigaction action = {.sa_handler = foreign_handler, .sa_flags = SA_NODEFER};
	struct sigaction old;
	sigset_t sigbus, mask;
	struct gc_probe probe;

	(void)state;
	sigemptyset(&sigbus);
	sigaddset(&sigbus, SIGBUS);
	sigaction(SIGBUS, &action, &old);
	pthread_sigmask(SIG_BLOCK, &sigbus, &mask);
	gc_probe_run(&probe);
	assert_int_equal(probe.minor_sigbus.works, found.minor_sigbus.works);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (sigsetjmp(foreign_escape, 1) == 0)
		raise(SIGBUS);
	assert_int_equal(foreign, 1);
	sigaction(SIGBUS, &old, NULL);
}

static int probe_first(void **state)
{
	(void)state;
	gc_probe_run(&found);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(works_where_required),
		cmocka_unit_test(leaves_nothing),
		cmocka_unit_test(explains),
		cmocka_unit_test(refusals_are_attributed),
		cmocka_unit_test(prices_a_page),
		cmocka_unit_test(restores_the_handler),
		cmocka_unit_test(survives_any_single_failure),
	};

	return cmocka_run_group_tests(tests, probe_first, NULL);
}
