/* test/unit/test_uffd.c: the userfaultfd wrapper: what it asks for, and that every answer of the
 * kernel, real or injected, ends in the range being resolved or in the right error. */
#include "gc/os/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "gc/os/sys.h"
#include "gc/os/uffd_abi.h"
#include "test/support/inject.h"
#include "test/support/require.h"
#include "test/support/userfaultfd.h"

#if __has_include(<linux/userfaultfd.h>)
#include <linux/userfaultfd.h>
#endif

#define PAGES 16

/* A range to be faulted on, the alias its content is written through, and a descriptor. */
struct range {
	struct gc_uffd uffd;
	size_t page_bytes, bytes;
	char *view, *alias; /* the alias of private memory is a buffer to copy from */
	int memfd;
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void range_open(struct range *range, enum gc_uffd_mode mode)
{
	int flags = mode == GC_UFFD_MINOR ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;

	range->page_bytes = page_size();
	range->bytes = PAGES * range->page_bytes;
	range->memfd = -1;
	if (mode == GC_UFFD_MINOR) {
		range->memfd = memfd_create("test", MFD_CLOEXEC);
		assert_true(range->memfd >= 0);
		assert_int_equal(ftruncate(range->memfd, (off_t)range->bytes), 0);
	}
	range->view = mmap(NULL, range->bytes, PROT_READ | PROT_WRITE, flags, range->memfd, 0);
	range->alias = mmap(NULL, range->bytes, PROT_READ | PROT_WRITE, flags, range->memfd, 0);
	assert_ptr_not_equal(range->view, MAP_FAILED);
	assert_ptr_not_equal(range->alias, MAP_FAILED);
	for (size_t i = 0; i < PAGES; i++)
		memset(range->alias + i * range->page_bytes, 'a' + (int)i, range->page_bytes);
	assert_int_equal(gc_uffd_open(&range->uffd, mode, false), 0);
	assert_int_equal(gc_uffd_register(&range->uffd, range->view, range->bytes), 0);
}

static void range_close(struct range *range)
{
	gc_uffd_close(&range->uffd);
	gc_uffd_close(&range->uffd); /* twice is harmless */
	munmap(range->view, range->bytes);
	munmap(range->alias, range->bytes);
	if (range->memfd >= 0)
		close(range->memfd);
}

static int range_fill(struct range *range, size_t first, size_t pages, size_t *done)
{
	size_t at = first * range->page_bytes, bytes = pages * range->page_bytes;

	if (range->uffd.mode == GC_UFFD_MINOR)
		return gc_uffd_continue(&range->uffd, range->view + at, bytes, done);
	return gc_uffd_copy(&range->uffd, range->view + at, range->alias + at, bytes, done);
}

static unsigned long range_request(const struct range *range)
{
	return range->uffd.mode == GC_UFFD_MINOR ? GC_UFFDIO_CONTINUE : GC_UFFDIO_COPY;
}

/* Every page is mapped and holds what it should; no fault is left to read. */
static void range_check(struct range *range)
{
	uintptr_t address;

	for (size_t i = 0; i < PAGES; i++) {
		const volatile char *page = range->view + i * range->page_bytes;

		assert_int_equal(page[0], 'a' + (int)i);
		assert_int_equal(page[range->page_bytes - 1], 'a' + (int)i);
	}
	assert_int_equal(gc_uffd_next_fault(&range->uffd, &address), 0);
}

static const enum gc_uffd_mode modes[] = {GC_UFFD_MINOR, GC_UFFD_MISSING};
#define FOR_EACH_MODE(range)                                                      \
	for (size_t mode_ = 0; mode_ < 2; mode_++)                                \
		for (bool once_ = (range_open(range, modes[mode_]), true); once_; \
		     once_ = (range_close(range), false))

static void abi_agrees_with_the_build_header(void **state)
{
	(void)state;
#ifdef UFFDIO_CONTINUE
	assert_int_equal(GC_UFFDIO_API, UFFDIO_API);
	assert_int_equal(GC_UFFDIO_REGISTER, UFFDIO_REGISTER);
	assert_int_equal(GC_UFFDIO_UNREGISTER, UFFDIO_UNREGISTER);
	assert_int_equal(GC_UFFDIO_WAKE, UFFDIO_WAKE);
	assert_int_equal(GC_UFFDIO_COPY, UFFDIO_COPY);
	assert_int_equal(GC_UFFDIO_CONTINUE, UFFDIO_CONTINUE);
	assert_int_equal(GC_UFFD_FEATURE_SIGBUS, UFFD_FEATURE_SIGBUS);
	assert_int_equal(GC_UFFD_FEATURE_MINOR_SHMEM, UFFD_FEATURE_MINOR_SHMEM);
	assert_int_equal(GC_UFFDIO_REGISTER_MODE_MINOR, UFFDIO_REGISTER_MODE_MINOR);
	assert_int_equal(sizeof(struct gc_uffd_message), sizeof(struct uffd_msg));
#else
	skip();
#endif
}

static void fills_a_range(void **state)
{
	struct range range;

	(void)state;
	FOR_EACH_MODE(&range)
	{
		size_t done = 0;

		errno = 4711;
		assert_int_equal(range_fill(&range, 0, PAGES, &done), 0);
		assert_int_equal(done, range.bytes);
		range_check(&range);
		assert_int_equal(range_fill(&range, 0, 0, &done), 0);
		assert_int_equal(done, 0);
		assert_int_equal(errno, 4711);
	}
}

static void steps_over_pages_already_there(void **state)
{
	struct range range;

	(void)state;
	FOR_EACH_MODE(&range)
	{
		size_t done = 0;

		assert_int_equal(range_fill(&range, 0, 1, NULL), 0);
		assert_int_equal(range_fill(&range, 5, 2, NULL), 0);
		assert_int_equal(range_fill(&range, PAGES - 1, 1, NULL), 0);
		assert_int_equal(range_fill(&range, 0, PAGES, &done), 0);
		assert_int_equal(done, range.bytes - 4 * range.page_bytes);
		range_check(&range);
		assert_int_equal(range_fill(&range, 0, PAGES, &done), 0);
		assert_int_equal(done, 0);
	}
}

static void unarmed_range_counts_as_resolved(void **state)
{
	struct range range;

	(void)state;
	FOR_EACH_MODE(&range)
	{
		size_t done = 1;

		assert_int_equal(gc_uffd_unregister(&range.uffd, range.view, range.bytes), 0);
		assert_int_equal(range_fill(&range, 0, PAGES, &done), 0);
		assert_int_equal(done, 0);
	}
}

/* The kernel answers ENOENT for a range that is armed in part; the armed part has to be done. */
static void partly_armed_range_is_filled_where_armed(void **state)
{
	struct range range;

	(void)state;
	FOR_EACH_MODE(&range)
	{
		size_t done = 0, from = 3 * range.page_bytes, bytes = 6 * range.page_bytes;

		assert_int_equal(gc_uffd_unregister(&range.uffd, range.view + from, bytes), 0);
		assert_int_equal(range_fill(&range, 0, PAGES, &done), 0);
		assert_int_equal(done, range.bytes - bytes);
		if (range.uffd.mode == GC_UFFD_MINOR)
			range_check(&range);
	}
}

static void hole_is_efault(void **state)
{
	struct range range;
	size_t done = 0;

	(void)state;
	range_open(&range, GC_UFFD_MINOR);
	assert_int_equal(fallocate(range.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   (off_t)(4 * range.page_bytes), (off_t)range.page_bytes),
			 0);
	assert_int_equal(range_fill(&range, 0, PAGES, &done), -EFAULT);
	assert_int_equal(done, 4 * range.page_bytes);
	range_close(&range);
}

/* Each transient answer, at each of the first calls, and at random. */
static void injected_answers_end_in_a_filled_range(void **state)
{
	static const int errors[] = {EAGAIN, EINTR, ENOENT};
	struct range range;

	(void)state;
	for (unsigned i = 0; i < 3 * 8; i++) {
		FOR_EACH_MODE(&range)
		{
			struct inject_rule rule = {.entry = INJECT_ioctl,
						   .request = range_request(&range),
						   .mode = i % 8 < 3 ? INJECT_ONCE : INJECT_RANDOM,
						   .nth = i % 8 + 1,
						   .one_in = 2,
						   .seed = i,
						   .error = errors[i / 8]};
			struct inject_rule half = {.entry = INJECT_ioctl,
						   .request = range_request(&range),
						   .mode = INJECT_ALWAYS,
						   .partial = true};

			inject_install();
			inject_arm(&half); /* makes several calls of one */
			inject_arm(&rule);
			assert_int_equal(range_fill(&range, 2, 1, NULL), 0);
			assert_int_equal(range_fill(&range, 0, PAGES, NULL), 0);
			inject_uninstall();
			if (errors[i / 8] ==
			    ENOENT) /* may leave a page out: it believes the answer */
				assert_int_equal(range_fill(&range, 0, PAGES, NULL), 0);
			range_check(&range);
		}
	}
}

static void partial_progress_is_finished(void **state)
{
	struct range range;

	(void)state;
	FOR_EACH_MODE(&range)
	{
		struct inject_rule rule = {.entry = INJECT_ioctl,
					   .request = range_request(&range),
					   .mode = INJECT_ALWAYS,
					   .partial = true};
		size_t done = 0;
		int armed;

		inject_install();
		armed = inject_arm(&rule);
		assert_int_equal(range_fill(&range, 0, PAGES, &done), 0);
		assert_int_equal(inject_failures(armed), 4); /* 16 -> 8 -> 4 -> 2 -> 1 left */
		assert_int_equal(inject_request_calls(range_request(&range)), 5);
		inject_uninstall();
		assert_int_equal(done, range.bytes);
		range_check(&range);
	}
}

static void lasting_refusals_are_reported(void **state)
{
	static const int errors[][2] = {{EAGAIN, EAGAIN}, {EINTR, EAGAIN},  {ENOMEM, ENOMEM},
					{EFAULT, EFAULT}, {EINVAL, EINVAL}, {ESRCH, ESRCH}};
	struct range range;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		FOR_EACH_MODE(&range)
		{
			struct inject_rule rule = {.entry = INJECT_ioctl,
						   .request = range_request(&range),
						   .mode = INJECT_ALWAYS,
						   .error = errors[i][0]};
			size_t done = 1;

			inject_install();
			inject_arm(&rule);
			assert_int_equal(range_fill(&range, 0, PAGES, &done), -errors[i][1]);
			inject_uninstall();
			assert_int_equal(done, 0);
			assert_int_equal(range_fill(&range, 0, PAGES, &done), 0);
			range_check(&range);
		}
	}
}

static void *toucher(void *argument)
{
	return (void *)(uintptr_t) * (const volatile char *)argument;
}

static void await_fault(struct range *range, uintptr_t expected)
{
	struct pollfd poll_fd = {.fd = range->uffd.fd, .events = POLLIN};
	uintptr_t address = 0;

	assert_int_equal(poll(&poll_fd, 1, 10000), 1);
	assert_int_equal(gc_uffd_next_fault(&range->uffd, &address), 1);
	assert_int_equal(address, expected);
	assert_int_equal(gc_uffd_next_fault(&range->uffd, &address), 0);
}

/* A waiter whose page somebody else mapped first is woken all the same. */
static void waiters_are_woken(void **state)
{
	struct range range;

	(void)state;
	for (int answer = 0; answer < 3; answer++) {
		FOR_EACH_MODE(&range)
		{
			char *page = range.view + 3 * range.page_bytes;
			pthread_t thread;
			void *value;

			assert_int_equal(pthread_create(&thread, NULL, toucher, page), 0);
			await_fault(&range, (uintptr_t)page);
			if (answer == 1) { /* mapped without a wake: our own fill gets EEXIST */
				struct gc_uffdio_continue minor = {
					.range = {(uintptr_t)page, range.page_bytes}, .mode = 1};
				struct gc_uffdio_copy copy = {.to = (uintptr_t)page,
							      .from = (uintptr_t)range.alias +
								      3 * range.page_bytes,
							      .bytes = range.page_bytes,
							      .mode = 1};
				bool is_minor = range.uffd.mode == GC_UFFD_MINOR;

				assert_int_equal(gc_sys->ioctl(range.uffd.fd, range_request(&range),
							       is_minor ? (void *)&minor
									: (void *)&copy),
						 0);
			}
			if (answer == 2) /* a neighbour disarmed: ENOENT for the whole */
				assert_int_equal(gc_uffd_unregister(&range.uffd,
								    page + range.page_bytes,
								    range.page_bytes),
						 0);
			assert_int_equal(range_fill(&range, 0, PAGES, NULL), 0);
			assert_int_equal(pthread_join(thread, &value), 0);
			assert_int_equal((uintptr_t)value, 'a' + 3);
		}
	}
}

/* A wake that is refused is asked for again: once a mutator slept for ever, its fault read and its page there. */
static void a_refused_wake_is_repeated(void **state)
{
	static const int errors[] = {EAGAIN, EINVAL, ESRCH, EINTR};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		struct gc_uffdio_continue there;
		struct range range;
		pthread_t thread;
		void *value;
		char *page;
		int rule;

		range_open(&range, GC_UFFD_MINOR);
		page = range.view + 3 * range.page_bytes;
		assert_int_equal(pthread_create(&thread, NULL, toucher, page), 0);
		await_fault(&range, (uintptr_t)page);
		there = (struct gc_uffdio_continue){.range = {(uintptr_t)page, range.page_bytes},
						    .mode = 1};
		assert_int_equal(gc_sys->ioctl(range.uffd.fd, GC_UFFDIO_CONTINUE, &there), 0);
		inject_install();
		rule = inject_arm(&(struct inject_rule){.entry = INJECT_ioctl,
							.request = GC_UFFDIO_WAKE,
							.mode = INJECT_ONCE,
							.error = errors[i]});
		assert_int_equal(gc_uffd_wake(&range.uffd, page, range.page_bytes), 0);
		assert_int_equal(inject_failures(rule), 1);
		inject_uninstall();
		assert_int_equal(pthread_join(thread, &value), 0);
		range_close(&range);
	}
}

static void next_fault_survives_interruption(void **state)
{
	struct range range;
	uintptr_t address;
	int armed;

	(void)state;
	range_open(&range, GC_UFFD_MINOR);
	inject_install();
	armed = inject_arm_once(INJECT_read, 1, EINTR);
	assert_int_equal(gc_uffd_next_fault(&range.uffd, &address), 0);
	assert_int_equal(inject_failures(armed), 1);
	inject_arm_once(INJECT_read, 1, EIO);
	assert_int_equal(gc_uffd_next_fault(&range.uffd, &address), -EIO);
	inject_uninstall();
	range_close(&range);
}

static size_t descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Origins are tried in order of strength, and a refused one leaves no descriptor behind. */
static void open_falls_back(void **state)
{
	static const struct {
		enum inject_entry entry;
		unsigned long request;
		int error;
		bool twice;
		int result;
		enum gc_uffd_origin origin;
	} cases[] = {
		{INJECT_open, 0, ENOENT, false, 0, GC_UFFD_FROM_SYSCALL},
		{INJECT_ioctl, GC_USERFAULTFD_IOC_NEW, ENOTTY, false, 0, GC_UFFD_FROM_SYSCALL},
		{INJECT_ioctl, GC_UFFDIO_API, EINVAL, false, -ENOTSUP, GC_UFFD_FROM_DEVICE},
		{INJECT_ioctl, GC_UFFDIO_API, EPERM, false, 0, GC_UFFD_FROM_SYSCALL},
		{INJECT_open, 0, EACCES, true, 0, GC_UFFD_FROM_USER_MODE},
	};

	struct gc_uffd strongest;

	(void)state;
	assert_int_equal(gc_uffd_open(&strongest, GC_UFFD_MINOR, false), 0);
	gc_uffd_close(&strongest);
	if (strongest.origin != GC_UFFD_FROM_DEVICE) /* the cases count on all three */
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct inject_rule rule = {.entry = cases[i].entry,
					   .request = cases[i].request,
					   .mode = INJECT_ONCE,
					   .error = cases[i].error};
		size_t before = descriptors();
		struct gc_uffd uffd;

		inject_install();
		inject_arm(&rule);
		if (cases[i].twice)
			inject_arm_once(INJECT_userfaultfd, 1, EPERM);
		assert_int_equal(gc_uffd_open(&uffd, GC_UFFD_MINOR, false), cases[i].result);
		inject_uninstall();
		if (cases[i].result == 0)
			assert_int_equal(uffd.origin, cases[i].origin);
		else
			assert_int_equal(uffd.fd, -1);
		gc_uffd_close(&uffd);
		assert_int_equal(descriptors(), before);
	}
}

static void open_reports_the_last_error(void **state)
{
	struct gc_uffd uffd;

	(void)state;
	inject_install();
	inject_arm_once(INJECT_open, 1, ENOENT);
	inject_arm(&(struct inject_rule){
		.entry = INJECT_userfaultfd, .mode = INJECT_ALWAYS, .error = ENOSYS});
	assert_int_equal(gc_uffd_open(&uffd, GC_UFFD_MISSING, true), -ENOSYS);
	assert_int_equal(inject_calls(INJECT_userfaultfd), 2);
	inject_uninstall();
	assert_int_equal(uffd.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(abi_agrees_with_the_build_header),
		cmocka_unit_test(fills_a_range),
		cmocka_unit_test(steps_over_pages_already_there),
		cmocka_unit_test(unarmed_range_counts_as_resolved),
		cmocka_unit_test(partly_armed_range_is_filled_where_armed),
		cmocka_unit_test(hole_is_efault),
		cmocka_unit_test(injected_answers_end_in_a_filled_range),
		cmocka_unit_test(partial_progress_is_finished),
		cmocka_unit_test(lasting_refusals_are_reported),
		cmocka_unit_test(waiters_are_woken),
		cmocka_unit_test(a_refused_wake_is_repeated),
		cmocka_unit_test(next_fault_survives_interruption),
		cmocka_unit_test(open_falls_back),
		cmocka_unit_test(open_reports_the_last_error),
	};

	return cmocka_run_group_tests(tests, test_need_userfaultfd, NULL);
}
