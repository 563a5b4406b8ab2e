/* bench/uffd_ops/op_fault.c: what one early touch costs the thread that makes it, by who resolves it:
 * a thread that sleeps in read(2) or polls, on the same CPU or another; the toucher itself in a SIGBUS
 * handler; and, without userfaultfd, mprotect and a SIGSEGV handler.
 *
 * The pages exist and hold their pattern; nothing has to be built. The resolver issues one CONTINUE
 * of one page. Both threads are pinned. Pages are touched in order, so that the mappings which mprotect
 * splits merge again at once: at random it would be slower. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/uffd_ops/fixture.h"
#include "bench/uffd_ops/kernel.h"

#define FAULT_MOST_PAGES 2048 /* or a quarter of --pages: more would only take longer */

struct faults {
	struct fixture fixture;
	int home_cpu, thread_cpu;
	bool spinning;
	bool stop; /* atomic */
};

static struct faults *faults_current; /* for the handlers */

static void faults_die(const char *what)
{
	ssize_t written = write(STDERR_FILENO, what, strlen(what));

	(void)written;
	_exit(1);
}

static int faults_reset(void *context)
{
	struct faults *faults = context;
	int result = fixture_empty_view(&faults->fixture);

	return result < 0 ? result : fixture_arm(&faults->fixture);
}

static int faults_touch(void *context, size_t page, size_t count, size_t batch)
{
	struct faults *faults = context;

	(void)count;
	(void)batch;
	(void)*(volatile char *)(faults->fixture.area.view + fixture_at(&faults->fixture, page));
	return 0;
}

static bool faults_check(void *context)
{
	struct faults *faults = context;

	return fixture_check_view(&faults->fixture);
}

static void faults_resolve(struct faults *faults, uintptr_t address)
{
	size_t page_bytes = faults->fixture.area.page_bytes;
	char *page = (char *)(address & ~(uintptr_t)(page_bytes - 1));

	if (kernel_continue(faults->fixture.uffd, page, page_bytes) < 0)
		faults_die("uffd_ops: CONTINUE failed in a fault\n");
}

/* A thread that sleeps is stopped by one more touch, of the first page: it must not leave before that has
 * been resolved, although it may see the word already when it returns from the fault before. */
static bool faults_over(const struct faults *faults, uintptr_t resolved)
{
	uintptr_t first = (uintptr_t)faults->fixture.area.view + fixture_at(&faults->fixture, 0);

	/* Relaxed: the stopper touches that page after the store, and the kernel orders that. */
	return __atomic_load_n(&faults->stop, __ATOMIC_RELAXED) &&
	       (faults->spinning || resolved / faults->fixture.area.page_bytes ==
					    first / faults->fixture.area.page_bytes);
}

static void *faults_thread(void *argument)
{
	struct faults *faults = argument;
	struct gc_uffd_message message;
	uintptr_t resolved = 0;

	kernel_pin(faults->thread_cpu);
	while (!faults_over(faults, resolved)) {
		ssize_t got = read(faults->fixture.uffd, &message, sizeof(message));

		if (got == (ssize_t)sizeof(message) && message.event == GC_UFFD_EVENT_PAGEFAULT) {
			resolved = (uintptr_t)message.address;
			faults_resolve(faults, resolved);
		} else if (faults->thread_cpu == faults->home_cpu) {
			sched_yield();
		}
	}
	return NULL;
}

static const struct op fault = {"fault_round_trip", OP_ONE,	  0,
				faults_reset,	    faults_touch, faults_check};

static void faults_measure(struct suite *suite, struct faults *faults, const struct op *op,
			   const char *variant)
{
	suite_measure(suite, op, variant, faults, faults->fixture.area.pages,
		      faults->fixture.area.page_bytes);
}

static bool faults_begin(struct suite *suite, struct faults *faults, const char *variant,
			 uint64_t features, bool nonblocking)
{
	size_t bytes = FAULT_MOST_PAGES * (size_t)sysconf(_SC_PAGESIZE);

	memset(faults, 0, sizeof(*faults));
	if (!suite_wants(suite, fault.name, variant))
		return false;
	faults->home_cpu = suite->cpu;
	if (fixture_make(&faults->fixture, AREA_SHMEM,
			 bytes < suite->bytes / 4 ? bytes : suite->bytes / 4, 0,
			 GC_UFFDIO_REGISTER_MODE_MINOR)) {
		fixture_fill_alias(&faults->fixture);
		if (features == 0)
			return true;
		faults->fixture.uffd = kernel_uffd_open(features, nonblocking);
		if (faults->fixture.uffd >= 0)
			return true;
		snprintf(faults->fixture.why, sizeof(faults->fixture.why), "userfaultfd: %s",
			 strerror(-faults->fixture.uffd));
		fixture_drop(&faults->fixture);
	}
	suite_absent(suite, fault.name, variant, faults->fixture.why);
	return false;
}

static void faults_by_thread(struct suite *suite, const char *variant, bool spinning,
			     bool elsewhere)
{
	struct faults faults;
	pthread_t thread;

	if (!faults_begin(suite, &faults, variant, GC_UFFD_FEATURE_MINOR_SHMEM, spinning))
		return;
	faults.spinning = spinning;
	faults.thread_cpu = elsewhere ? suite->other_cpu : suite->cpu;
	if (faults.thread_cpu < 0) {
		suite_absent(suite, fault.name, variant, "there is only one CPU");
	} else if (pthread_create(&thread, NULL, faults_thread, &faults) != 0) {
		suite_absent(suite, fault.name, variant, "no thread to be had");
	} else {
		faults_measure(suite, &faults, &fault, variant);
		__atomic_store_n(&faults.stop, true, __ATOMIC_RELAXED); /* see faults_thread */
		if (!spinning && faults_reset(&faults) == 0)
			faults_touch(&faults, 0, 1, 1); /* wakes it */
		pthread_join(thread, NULL);
	}
	fixture_drop(&faults.fixture);
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)number;
	(void)context;
	faults_resolve(faults_current, (uintptr_t)info->si_addr);
	errno = saved;
}

static void on_sigsegv(int number, siginfo_t *info, void *context)
{
	const struct area *area = &faults_current->fixture.area;
	uintptr_t at = (uintptr_t)info->si_addr & ~(uintptr_t)(area->page_bytes - 1);
	int saved = errno;

	(void)number;
	(void)context;
	if (at < (uintptr_t)area->view || at >= (uintptr_t)area->view + area->bytes ||
	    kernel_protect((void *)at, area->page_bytes, PROT_READ | PROT_WRITE) < 0)
		faults_die("uffd_ops: a SIGSEGV that is not the benchmark's\n");
	errno = saved;
}

static void faults_by_signal(struct suite *suite, struct faults *faults, const struct op *op,
			     const char *variant, int number,
			     void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action, old;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = handler;
	action.sa_flags = SA_SIGINFO;
	faults_current = faults;
	if (sigaction(number, &action, &old) != 0) {
		suite_absent(suite, fault.name, variant, strerror(errno));
	} else {
		faults_measure(suite, faults, op, variant);
		sigaction(number, &old, NULL);
	}
	faults_current = NULL;
	fixture_drop(&faults->fixture);
}

/* All pages mapped, none accessible. */
static int protected_reset(void *context)
{
	struct faults *faults = context;
	const struct area *area = &faults->fixture.area;
	int result = kernel_protect(area->view, area->bytes, PROT_READ | PROT_WRITE);

	if (result == 0)
		result = fixture_fill_view(&faults->fixture);
	return result < 0 ? result : kernel_protect(area->view, area->bytes, PROT_NONE);
}

void ops_fault(struct suite *suite)
{
	static const struct op segv = {"fault_round_trip", OP_ONE,	 0,
				       protected_reset,	   faults_touch, faults_check};
	struct faults faults;

	faults_by_thread(suite, "thread, blocking, same CPU", false, false);
	faults_by_thread(suite, "thread, blocking, other CPU", false, true);
	faults_by_thread(suite, "thread, spinning, same CPU", true, false);
	faults_by_thread(suite, "thread, spinning, other CPU", true, true);
	if (faults_begin(suite, &faults, "SIGBUS",
			 GC_UFFD_FEATURE_MINOR_SHMEM | GC_UFFD_FEATURE_SIGBUS, false))
		faults_by_signal(suite, &faults, &fault, "SIGBUS", SIGBUS, on_sigbus);
	if (faults_begin(suite, &faults, "mprotect and SIGSEGV", 0, false))
		faults_by_signal(suite, &faults, &segv, "mprotect and SIGSEGV", SIGSEGV,
				 on_sigsegv);
}
