/* test/unit/test_sys.c: each entry of the system-call table gives its result or a negative errno
 * and leaves errno alone; and the injecting table does what its rules say. */
#include "gc/os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/support/inject.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define MARK 4711 /* no errno: shows that errno was not written */

#define ASSERT_ERROR(call, error)                   \
	do {                                        \
		errno = MARK;                       \
		assert_int_equal((call), -(error)); \
		assert_int_equal(errno, MARK);      \
	} while (0)

static void failures_are_negative_errnos(void **state)
{
	static const char missing[] = "/proc/self/no-such-file";
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	char *page = mmap(NULL, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pollfd poll_fd = {.fd = -1};
	stack_t tiny = {.ss_sp = page, .ss_size = 1};
	struct rlimit files;
	unsigned char byte;
	uint32_t word = 1;

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	ASSERT_ERROR(gc_sys->memfd_create("x", ~0u), EINVAL);
	ASSERT_ERROR(gc_sys->add_seals(-1, F_SEAL_SHRINK), EBADF);
	ASSERT_ERROR(gc_sys->ftruncate(-1, 0), EBADF);
	ASSERT_ERROR(gc_sys->fallocate(-1, 0, 0, 1), EBADF);
	ASSERT_ERROR(gc_sys->mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
	ASSERT_ERROR(gc_sys->munmap(page + 1, page_bytes), EINVAL);
	ASSERT_ERROR(gc_sys->mremap(page + 1, page_bytes, page_bytes, MREMAP_MAYMOVE, NULL),
		     EINVAL);
	ASSERT_ERROR(gc_sys->madvise(page + 1, page_bytes, MADV_DONTNEED), EINVAL);
	ASSERT_ERROR(gc_sys->mprotect(page + 1, page_bytes, PROT_READ), EINVAL);
	ASSERT_ERROR(gc_sys->mincore(page + 1, page_bytes, &byte), EINVAL);
	ASSERT_ERROR(gc_sys->open(missing, O_RDONLY), ENOENT);
	ASSERT_ERROR(gc_sys->close(-1), EBADF);
	ASSERT_ERROR(gc_sys->read(-1, &byte, 1), EBADF);
	ASSERT_ERROR(gc_sys->write(-1, &byte, 1), EBADF);
	ASSERT_ERROR(gc_sys->ioctl(-1, 0, NULL), EBADF);
	if (files.rlim_cur != RLIM_INFINITY && !SANITIZED) /* which would read the whole array */
		ASSERT_ERROR(gc_sys->poll(&poll_fd, (nfds_t)files.rlim_cur + 1, 0), EINVAL);
	errno = MARK;
	assert_true(gc_sys->userfaultfd(~0) < 0); /* EINVAL, EPERM or ENOSYS, by policy */
	assert_int_equal(errno, MARK);
	ASSERT_ERROR(gc_sys->eventfd(0, ~0), EINVAL);
	ASSERT_ERROR(gc_sys->sigaction(SIGKILL, &(struct sigaction){.sa_handler = SIG_IGN}, NULL),
		     EINVAL);
	ASSERT_ERROR(gc_sys->sigaltstack(&tiny, NULL), ENOMEM);
	ASSERT_ERROR(gc_sys->futex(&word, FUTEX_WAIT, 0, NULL), EAGAIN);
	munmap(page, page_bytes);
}

static void *thread_entry(void *argument)
{
	pthread_sigmask(SIG_SETMASK, NULL, argument);
	return argument;
}

static void refused_thread_is_eagain(void **state)
{
	struct rlimit saved, tight;
	pthread_t thread;
	int result;

	(void)state;
	if (SANITIZED) /* a sanitizer does not survive without address space */
		skip();
	assert_int_equal(getrlimit(RLIMIT_AS, &saved), 0);
	tight = saved;
	tight.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
	errno = MARK;
	result = gc_sys->thread_create(&thread, thread_entry, NULL);
	assert_int_equal(setrlimit(RLIMIT_AS, &saved), 0);
	assert_int_equal(result, -EAGAIN);
	assert_int_equal(errno, MARK);
}

/* Collector threads take no signal meant for the program, only those of their own making. */
static void threads_start_with_signals_blocked(void **state)
{
	sigset_t inside, before, after;
	pthread_t thread;

	(void)state;
	sigemptyset(&before); /* the kernel fills only a part of the type */
	after = before;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(gc_sys->thread_create(&thread, thread_entry, &inside), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(sigismember(&inside, SIGTERM), 1);
	assert_int_equal(sigismember(&inside, SIGPROF), 1);
	assert_int_equal(sigismember(&inside, SIGBUS), 0);
	assert_int_equal(sigismember(&inside, SIGSEGV), 0);
}

static void results_come_through(void **state)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	struct pollfd poll_fd = {.events = POLLIN};
	uint64_t count = 3;
	intptr_t page;
	int fd;

	(void)state;
	errno = MARK;
	fd = gc_sys->eventfd(0, EFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(gc_sys->write(fd, &count, sizeof(count)), sizeof(count));
	poll_fd.fd = fd;
	assert_int_equal(gc_sys->poll(&poll_fd, 1, 0), 1);
	count = 0;
	assert_int_equal(gc_sys->read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 3);
	assert_int_equal(gc_sys->close(fd), 0);
	page = gc_sys->mmap(NULL, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(page > 0);
	assert_int_equal(gc_sys->munmap((void *)page, page_bytes), 0);
	assert_int_equal(errno, MARK);
}

static uint64_t strikes(const struct inject_rule *rule, int tries)
{
	uint64_t pattern = 0;
	int armed = inject_arm(rule);

	for (int i = 0; i < tries; i++)
		pattern |= (uint64_t)(gc_sys->eventfd(0, ~0) == -ENOSPC) << i;
	assert_int_equal(inject_matches(armed), tries);
	assert_int_equal(inject_failures(armed), __builtin_popcountll(pattern));
	inject_disarm(armed);
	return pattern;
}

static void rules_strike_as_told(void **state)
{
	struct inject_rule rule = {.entry = INJECT_eventfd, .error = ENOSPC};
	uint64_t random, other;

	(void)state;
	inject_install();
	rule.mode = INJECT_ONCE;
	rule.nth = 3;
	assert_int_equal(strikes(&rule, 8), 0x04);
	rule.mode = INJECT_FROM;
	assert_int_equal(strikes(&rule, 8), 0xFC);
	rule.mode = INJECT_ALWAYS;
	assert_int_equal(strikes(&rule, 8), 0xFF);
	rule.mode = INJECT_RANDOM;
	rule.one_in = 4;
	rule.seed = 1;
	random = strikes(&rule, 60);
	assert_int_equal(strikes(&rule, 60), random);
	assert_in_range(__builtin_popcountll(random), 5, 30);
	rule.seed = 2;
	other = strikes(&rule, 60);
	assert_true(other != random);
	assert_int_equal(inject_calls(INJECT_eventfd), 3 * 8 + 3 * 60);
	assert_int_equal(inject_calls(INJECT_mmap), 0);
	assert_string_equal(inject_entry_name(INJECT_eventfd), "eventfd");
	inject_uninstall();
	assert_ptr_equal(gc_sys, &gc_sys_real);
}

static void rules_are_limited_and_selective(void **state)
{
	struct inject_rule rule = {
		.entry = INJECT_ioctl, .request = 1234, .mode = INJECT_ALWAYS, .error = ENOSPC};
	int fd;

	(void)state;
	inject_install();
	assert_true(inject_arm(&rule) >= 0);
	assert_int_equal(gc_sys->ioctl(-1, 1234, NULL), -ENOSPC);
	assert_int_equal(gc_sys->ioctl(-1, 1235, NULL), -EBADF);
	for (int i = 1; i < INJECT_RULES; i++)
		assert_true(inject_arm(&rule) >= 0);
	assert_int_equal(inject_arm(&rule), -1);
	inject_disarm(-1);
	inject_disarm_all();
	assert_int_equal(gc_sys->ioctl(-1, 1234, NULL), -EBADF);
	fd = dup(0);
	inject_arm_once(INJECT_close, 1, EIO);
	assert_int_equal(gc_sys->close(fd), -EIO);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed all the same, as Linux does */
	inject_uninstall();
}

static void *call_often(void *argument)
{
	for (int i = 0; i < 20000; i++)
		gc_sys->eventfd(0, ~0);
	return argument;
}

/* Arming and disarming while other threads call: every failure is counted once, none is lost. */
static void rules_change_under_load(void **state)
{
	struct inject_rule rule = {.entry = INJECT_eventfd, .mode = INJECT_ALWAYS, .error = ENOSPC};
	pthread_t threads[3];

	(void)state;
	inject_install();
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, NULL), 0);
	for (int i = 0; i < 2000; i++) {
		int armed = inject_arm(&rule);

		inject_disarm(armed);
		assert_int_equal(inject_failures(armed), inject_matches(armed));
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(inject_calls(INJECT_eventfd), 3 * 20000);
	inject_uninstall();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_are_negative_errnos),
		cmocka_unit_test(refused_thread_is_eagain),
		cmocka_unit_test(threads_start_with_signals_blocked),
		cmocka_unit_test(results_come_through),
		cmocka_unit_test(rules_strike_as_told),
		cmocka_unit_test(rules_are_limited_and_selective),
		cmocka_unit_test(rules_change_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
