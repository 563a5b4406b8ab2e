/* bench/gc_pause/bare.c: bare fault loops on a scratch memfd that is mapped twice, as a heap is: one
 * view armed, the other making the pages exist. Each loop touches every page once, drops the
 * armed view's page-table entries, and begins again.
 *
 *   sigbus  the touching thread's own SIGBUS handler issues CONTINUE
 *   thread  a second thread spins on the userfaultfd and issues CONTINUE
 *
 * Both are measured as the resolver sees it (from delivery until the page is attached, which is
 * what the collector's fault_us measures) and as the touching thread does (round trip).
 *
 * Whoever fails to resolve disarms the view, so that no thread waits for ever. */
#include "bench/gc_pause/bare.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/gc_pause/recorder.h"
#include "gc/os/uffd.h"

#define BARE_PAGES 256
#define BARE_ROUNDS 16

struct bare {
	struct gc_uffd uffd;
	char *view;
	char *alias;
	size_t page_bytes;
	size_t bytes;
	bool one_cpu;
	bool stop;  /* atomic: the resolver thread is to end */
	int failed; /* atomic: negative errno of a CONTINUE */
	struct plx_histogram resolve;
	struct plx_histogram round_trip;
};

static struct bare *bare_current; /* for the signal handler */

static void bare_resolve(struct bare *bare, uintptr_t address)
{
	uint64_t start_ns = recorder_clock_ns();
	char *page = (char *)(address & ~(bare->page_bytes - 1));
	int status = gc_uffd_continue(&bare->uffd, page, bare->page_bytes, NULL);

	plx_histogram_record(&bare->resolve, recorder_clock_ns() - start_ns);
	if (status == 0)
		return;
	/* Relaxed: read after the loop, which this very disarming lets end. */
	__atomic_store_n(&bare->failed, status, __ATOMIC_RELAXED);
	gc_uffd_unregister(&bare->uffd, bare->view, bare->bytes);
}

static void bare_on_sigbus(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)number;
	(void)context;
	bare_resolve(bare_current, (uintptr_t)info->si_addr);
	errno = saved;
}

static void *bare_thread(void *argument)
{
	struct bare *bare = argument;
	uintptr_t address;

	/* Relaxed: a late answer is only a few more turns. */
	while (!__atomic_load_n(&bare->stop, __ATOMIC_RELAXED)) {
		if (gc_uffd_next_fault(&bare->uffd, &address) == 1)
			bare_resolve(bare, address);
		else if (bare->one_cpu)
			sched_yield();
	}
	return NULL;
}

/* Touch all pages, again and again. */
static void bare_touch(struct bare *bare)
{
	for (unsigned round = 0; round < BARE_ROUNDS; round++) {
		for (size_t i = 0; i < BARE_PAGES; i++) {
			const volatile char *byte = bare->view + i * bare->page_bytes;
			uint64_t start_ns = recorder_clock_ns();

			(void)*byte;
			plx_histogram_record(&bare->round_trip, recorder_clock_ns() - start_ns);
		}
		madvise(bare->view, bare->bytes, MADV_DONTNEED);
	}
}

static void bare_explain(struct bare_result *result, const char *loop, int status)
{
	if (result->why_not[0] == '\0')
		snprintf(result->why_not, sizeof(result->why_not), "%s: %s", loop,
			 strerror(-status));
}

static int bare_sigbus_loop(struct bare *bare)
{
	struct sigaction action, old;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = bare_on_sigbus;
	action.sa_flags = SA_SIGINFO;
	if (sigaction(SIGBUS, &action, &old) != 0)
		return -errno;
	bare_touch(bare);
	sigaction(SIGBUS, &old, NULL);
	return bare->failed;
}

static int bare_thread_loop(struct bare *bare)
{
	pthread_t thread;
	int status;

	bare->stop = false;
	status = pthread_create(&thread, NULL, bare_thread, bare);
	if (status != 0)
		return -status;
	bare_touch(bare);
	__atomic_store_n(&bare->stop, true, __ATOMIC_RELAXED); /* see bare_thread */
	pthread_join(thread, NULL);
	return bare->failed;
}

/* One loop, from an open descriptor to its two summaries. */
static int bare_loop(struct bare *bare, bool sigbus, struct summary *resolve,
		     struct summary *round_trip)
{
	int status = gc_uffd_open(&bare->uffd, GC_UFFD_MINOR, sigbus);

	if (status != 0)
		return status;
	bare->failed = 0;
	memset(&bare->resolve, 0, sizeof(bare->resolve));
	memset(&bare->round_trip, 0, sizeof(bare->round_trip));
	madvise(bare->view, bare->bytes, MADV_DONTNEED);
	status = gc_uffd_register(&bare->uffd, bare->view, bare->bytes);
	if (status == 0) {
		status = sigbus ? bare_sigbus_loop(bare) : bare_thread_loop(bare);
		gc_uffd_unregister(&bare->uffd, bare->view, bare->bytes);
	}
	gc_uffd_close(&bare->uffd);
	if (status != 0)
		return status;
	summary_fill(resolve, &bare->resolve);
	summary_fill(round_trip, &bare->round_trip);
	return 0;
}

static int bare_map(struct bare *bare)
{
	int fd = memfd_create("gc_pause-bare", MFD_CLOEXEC), status = 0;

	if (fd < 0)
		return -errno;
	bare->view = bare->alias = MAP_FAILED;
	if (ftruncate(fd, (off_t)bare->bytes) == 0) {
		bare->view = mmap(NULL, bare->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		bare->alias = mmap(NULL, bare->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (bare->view == MAP_FAILED || bare->alias == MAP_FAILED)
		status = -errno;
	else
		memset(bare->alias, 1, bare->bytes);
	close(fd);
	return status;
}

static void bare_unmap(struct bare *bare)
{
	if (bare->view != MAP_FAILED)
		munmap(bare->view, bare->bytes);
	if (bare->alias != MAP_FAILED)
		munmap(bare->alias, bare->bytes);
}

void bare_measure(struct bare_result *result)
{
	struct bare *bare = calloc(1, sizeof(*bare));
	int status;

	memset(result, 0, sizeof(*result));
	if (bare == NULL) {
		bare_explain(result, "setup", -ENOMEM);
		return;
	}
	bare->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	bare->bytes = BARE_PAGES * bare->page_bytes;
	bare->one_cpu = sysconf(_SC_NPROCESSORS_ONLN) < 2;
	bare_current = bare;
	status = bare_map(bare);
	if (status != 0) {
		bare_explain(result, "setup", status);
	} else {
		status = bare_loop(bare, true, &result->sigbus, &result->sigbus_round_trip);
		if (status != 0)
			bare_explain(result, "sigbus", status);
		status = bare_loop(bare, false, &result->thread, &result->thread_round_trip);
		if (status != 0)
			bare_explain(result, "thread", status);
	}
	bare_unmap(bare);
	bare_current = NULL;
	free(bare);
}
