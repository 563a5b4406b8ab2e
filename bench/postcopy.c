/* bench/postcopy.c: a process moves while it runs: what minor faults give to post-copy migration,
 * beside UFFDIO_COPY.
 *
 * usage: postcopy [--mib N] [--threads N] [--mode minor|copy|all] [--warm MS]
 *
 * A source process keeps a memory image under constant verification: each thread owns some pages,
 * picks one at random, checks every word of it against the version it should have, and writes the
 * next version. Then it stops, and a destination process goes on at once with no page at all. Pages
 * come over a socket: those that somebody waits for first, the others in order. Downtime is from the
 * end of the last operation at the source to the end of the first at the destination.
 *
 *	minor	the image is a memfd mapped twice. A page is received straight into the alias, and
 *		UFFDIO_CONTINUE shows it when it is whole
 *	copy	private memory; a page is received into a buffer, and UFFDIO_COPY allocates and fills
 *
 * [PC-1] A page is shown only when it is whole: in `minor` mode it exists from its first byte on, so
 *	  a minor fault on it is answered only once `received` says so.
 * [PC-2] Versions live in memory that both processes share, outside of the image: a page that
 *	  arrived stale or torn is found at its next use.
 *
 * Exit status: 0 all pages arrived and were right, 1 not so, 2 usage, 77 a mode cannot be had. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gc/base/atomic.h"
#include "gc/base/clock.h"
#include "gc/os/uffd.h"
#include "gc/os/uffd_abi.h"

#define THREADS_MAX 16
#define RESUME UINT32_MAX /* in place of a page number: the source has stopped */

static size_t page_bytes, pages;
static unsigned thread_count = 2, warm_ms = 200;
static bool minor_mode;

/* Shared by both processes. */
struct journal {
	uint64_t stopped_ns, first_ns, complete_ns;
	uint64_t operations[2]; /* at the source, at the destination */
	uint64_t demanded, wrong;
	uint32_t versions[]; /* one a page, its owner's; then the first waits in ns, 64 bits each */
};

static struct journal *journal;
static uint64_t *first_wait_ns; /* 0: the page was there when it was first used */

/* One process's memory. */
static char *view, *alias;
static int memfd = -1, channel;
static uint8_t *received, *requested;
static struct gc_uffd uffd;
static uint32_t stop, at_destination;
static uint64_t received_count;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "postcopy: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void *map_shared(size_t bytes, int fd)
{
	int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (start == MAP_FAILED)
		die("mmap");
	return start;
}

/* --- the image -------------------------------------------------------------------------------- */

static uint64_t word_of(size_t page, uint32_t version, size_t word)
{
	uint64_t value = (page << 32 | version) * UINT64_C(0x9E3779B97F4A7C15) + word;

	return value ^ value >> 29;
}

static void page_write(size_t page, uint32_t version)
{
	uint64_t *words = (uint64_t *)(uintptr_t)(view + page * page_bytes);

	for (size_t word = 0; word < page_bytes / sizeof(*words); word++)
		words[word] = word_of(page, version, word);
}

static bool page_is_right(size_t page, uint32_t version)
{
	const uint64_t *words = (const uint64_t *)(uintptr_t)(view + page * page_bytes);

	for (size_t word = 0; word < page_bytes / sizeof(*words); word++)
		if (words[word] != word_of(page, version, word))
			return false;
	return true;
}

/* Use a page for the first time at the destination: what that took, if it was not there. */
static void page_first_use(size_t page)
{
	const volatile char *byte = view + page * page_bytes;
	uint64_t begin = gc_clock_ns();

	if (gc_load_acquire(&received[page]))
		return;
	(void)*byte;
	first_wait_ns[page] = gc_clock_ns() - begin;
}

static void page_use(size_t page)
{
	if (!page_is_right(page, journal->versions[page]))
		gc_add_relaxed(&journal->wrong, 1);
	page_write(page, ++journal->versions[page]);
}

/* A thread owns the pages that are its number modulo the number of threads. */
static void *work(void *argument)
{
	size_t own = (size_t)(uintptr_t)argument,
	       owned = (pages - own + thread_count - 1) / thread_count;
	uint64_t random = own * 977 + 1, operations = 0;
	uint8_t *used = calloc(pages, 1);

	if (!used)
		die("calloc");
	while (!gc_load_relaxed(&stop)) {
		size_t page;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		page = own + (random >> 33) % owned * thread_count;
		if (at_destination && !used[page])
			page_first_use(page);
		used[page] = 1;
		page_use(page);
		operations++;
		if (at_destination && operations == 1) {
			uint64_t none = 0;

			gc_cas_acq_rel(&journal->first_ns, &none, gc_clock_ns());
		}
	}
	gc_add_relaxed(&journal->operations[at_destination], operations);
	free(used);
	return NULL;
}

static void start_workers(pthread_t *threads)
{
	for (size_t i = 0; i < thread_count; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i) != 0)
			die("pthread_create");
}

static void stop_workers(pthread_t *threads)
{
	gc_store_relaxed(&stop, 1);
	for (size_t i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
}

/* --- the socket -------------------------------------------------------------------------------- */

static void send_all(const void *data, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t sent = send(channel, (const char *)data + done, bytes - done, MSG_NOSIGNAL);

		if (sent < 0)
			die("send");
		done += (size_t)sent;
	}
}

/* False at the end of the stream. */
static bool receive_all(void *data, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t got = recv(channel, (char *)data + done, bytes - done, 0);

		if (got < 0)
			die("recv");
		if (got == 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

/* --- the source -------------------------------------------------------------------------------- */

static void send_page(uint32_t page)
{
	if (requested[page])
		return; /* here: sent */
	requested[page] = 1;
	send_all(&page, sizeof(page));
	send_all(view + page * page_bytes, page_bytes);
}

/* Send everything; what is asked for goes first. */
static void serve(void)
{
	struct pollfd poller = {.fd = channel, .events = POLLIN};

	for (uint32_t next = 0; next < pages;) {
		uint32_t page;

		if (poll(&poller, 1, 0) > 0) {
			if (!receive_all(&page, sizeof(page)))
				return;
			send_page(page);
		} else {
			send_page(next++);
		}
	}
}

static int source(void)
{
	pthread_t threads[THREADS_MAX];
	uint32_t resume = RESUME;

	view = map_shared(pages * page_bytes, -1);
	requested = calloc(pages, 1);
	for (size_t page = 0; page < pages; page++)
		page_write(page, journal->versions[page] = 1);
	start_workers(threads);
	usleep(warm_ms * 1000);
	stop_workers(threads);
	journal->stopped_ns = gc_clock_ns();
	send_all(&resume, sizeof(resume));
	serve();
	shutdown(channel, SHUT_WR);
	/* Until the destination hangs up: its last requests are for what is on its way. */
	while (receive_all(&resume, sizeof(resume)))
		;
	return 0;
}

/* --- the destination --------------------------------------------------------------------------- */

static void request(size_t page)
{
	uint32_t number = (uint32_t)page;

	if (requested[page])
		return;
	requested[page] = 1;
	gc_add_relaxed(&journal->demanded, 1);
	send_all(&number, sizeof(number));
}

/* Show a page that is whole. */
static void show(size_t page, const char *buffer)
{
	char *to = view + page * page_bytes;
	int code = minor_mode ? gc_uffd_continue(&uffd, to, page_bytes, NULL)
			      : gc_uffd_copy(&uffd, to, buffer, page_bytes, NULL);

	if (code < 0) {
		errno = -code;
		die("resolving a fault");
	}
}

static void *answer_faults(void *argument)
{
	struct pollfd poller = {.fd = uffd.fd, .events = POLLIN};
	uintptr_t address;

	(void)argument;
	while (!gc_load_relaxed(&stop)) {
		size_t page;

		if (poll(&poller, 1, 20) <= 0 || gc_uffd_next_fault(&uffd, &address) <= 0)
			continue;
		page = (address - (uintptr_t)view) / page_bytes;
		if (!gc_load_acquire(&received[page]))
			request(page); /* [PC-1] */
		else if (minor_mode)
			show(page, NULL);
		else
			gc_uffd_wake(&uffd, view + page * page_bytes, page_bytes);
	}
	return NULL;
}

static void receive_pages(void)
{
	char *buffer = NULL;
	uint32_t page;

	if (posix_memalign((void **)&buffer, page_bytes, page_bytes) != 0)
		die("posix_memalign");
	while (receive_all(&page, sizeof(page))) {
		char *to = minor_mode ? alias + page * page_bytes : buffer;

		if (page >= pages || !receive_all(to, page_bytes))
			break;
		if (!minor_mode)
			show(page, buffer);
		gc_store_release(&received[page], 1);
		if (minor_mode)
			show(page, NULL);
		received_count++;
	}
	free(buffer);
}

static int prepare_destination(void)
{
	struct gc_uffdio_register armed = {.mode = GC_UFFDIO_REGISTER_MODE_MISSING};
	size_t bytes = pages * page_bytes;

	if (gc_uffd_open(&uffd, minor_mode ? GC_UFFD_MINOR : GC_UFFD_MISSING, false) < 0)
		return 77;
	if (minor_mode) {
		memfd = memfd_create("postcopy", MFD_CLOEXEC);
		if (memfd < 0 || ftruncate(memfd, (off_t)bytes) != 0)
			die("memfd");
		view = map_shared(bytes, memfd);
		alias = map_shared(bytes, memfd);
		armed.mode |= GC_UFFDIO_REGISTER_MODE_MINOR;
	} else {
		view = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
		if (view == MAP_FAILED)
			die("mmap");
	}
	armed.range = (struct gc_uffdio_range){(uintptr_t)view, bytes};
	if (ioctl(uffd.fd, GC_UFFDIO_REGISTER, &armed) != 0)
		die("UFFDIO_REGISTER");
	received = calloc(pages, 1);
	requested = calloc(pages, 1);
	return received && requested ? 0 : 1;
}

static int destination(void)
{
	pthread_t threads[THREADS_MAX], answerer;
	uint32_t resume;
	int code = prepare_destination();

	if (code != 0)
		return code;
	at_destination = 1;
	if (!receive_all(&resume, sizeof(resume)) || resume != RESUME)
		return 1;
	if (pthread_create(&answerer, NULL, answer_faults, NULL) != 0)
		die("pthread_create");
	start_workers(threads);
	receive_pages();
	journal->complete_ns = gc_clock_ns();
	usleep(20000);
	stop_workers(threads);
	pthread_join(answerer, NULL);
	for (size_t page = 0; page < pages; page++)
		if (!page_is_right(page, journal->versions[page]))
			journal->wrong++;
	return received_count == pages && journal->wrong == 0 ? 0 : 1;
}

/* --- both --------------------------------------------------------------------------------------- */

static int compare(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return a < b ? -1 : a > b;
}

static void report(void)
{
	size_t waits = 0;

	for (size_t page = 0; page < pages; page++)
		if (first_wait_ns[page])
			first_wait_ns[waits++] = first_wait_ns[page];
	qsort(first_wait_ns, waits, sizeof(*first_wait_ns), compare);
	printf("%-6s %9.2f %11.2f %8lu %8zu", minor_mode ? "minor" : "copy",
	       (double)(journal->first_ns - journal->stopped_ns) / 1e6,
	       (double)(journal->complete_ns - journal->stopped_ns) / 1e6,
	       (unsigned long)journal->demanded, waits);
	for (int percent = 50; percent <= 99; percent += 49)
		printf(" %9.1f",
		       waits ? (double)first_wait_ns[waits * (size_t)percent / 100] / 1e3 : 0);
	printf(" %9.1f %9lu %6lu\n", waits ? (double)first_wait_ns[waits - 1] / 1e3 : 0,
	       (unsigned long)journal->operations[1], (unsigned long)journal->wrong);
}

/* The parent ends: so do we. */
static void child_begins(int end)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	channel = end;
}

static int migrate(bool minor)
{
	size_t bytes = sizeof(*journal) + pages * sizeof(uint32_t) + (pages + 1) * sizeof(uint64_t);
	int ends[2], status[2];
	pid_t children[2];

	minor_mode = minor;
	journal = map_shared(bytes, -1);
	first_wait_ns = (uint64_t *)(uintptr_t)(((uintptr_t)&journal->versions[pages] + 7) & ~7ul);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		die("socketpair");
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		if (children[i] < 0)
			die("fork");
		if (children[i] == 0) {
			child_begins(ends[i]);
			close(ends[1 - i]);
			_exit(i == 0 ? source() : destination());
		}
	}
	close(ends[0]);
	close(ends[1]);
	for (int i = 1; i >= 0; i--) {
		if (waitpid(children[i], &status[i], 0) != children[i])
			die("waitpid");
		/* A source whose destination is gone has nobody to send to. */
		if (i == 1 && status[1] != 0)
			kill(children[0], SIGKILL);
	}
	if (WIFEXITED(status[1]) && WEXITSTATUS(status[1]) == 77) {
		printf("%-6s cannot be had here\n", minor ? "minor" : "copy");
		return 77;
	}
	report();
	munmap(journal, bytes);
	return status[0] == 0 && status[1] == 0 ? 0 : 1;
}

static _Noreturn void usage(void)
{
	fprintf(stderr,
		"usage: postcopy [--mib 1-4096] [--threads 1-%d] [--mode minor|copy|all] "
		"[--warm MS]\n",
		THREADS_MAX);
	exit(2);
}

int main(int argc, char **argv)
{
	const char *mode = "all";
	unsigned long mib = 64;
	int worst = 0;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 >= argc)
			usage();
		if (strcmp(argv[i], "--mib") == 0)
			mib = strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--threads") == 0)
			thread_count = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--mode") == 0)
			mode = argv[i + 1];
		else if (strcmp(argv[i], "--warm") == 0)
			warm_ms = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else
			usage();
	}
	if (mib < 1 || mib > 4096 || thread_count < 1 || thread_count > THREADS_MAX ||
	    (strcmp(mode, "all") != 0 && strcmp(mode, "minor") != 0 && strcmp(mode, "copy") != 0))
		usage();
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	pages = (mib << 20) / page_bytes;
	printf("%lu MiB, %u threads\n%-6s %9s %11s %8s %8s %9s %9s %9s %9s %6s\n", mib,
	       thread_count, "mode", "down ms", "complete ms", "demanded", "waits", "p50 us",
	       "p99 us", "max us", "ops after", "wrong");
	for (int minor = 1; minor >= 0; minor--) {
		int code;

		if (strcmp(mode, minor ? "copy" : "minor") == 0)
			continue;
		code = migrate(minor);
		if (code != 0 && worst != 1)
			worst = code;
	}
	return worst;
}
