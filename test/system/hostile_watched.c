/* test/system/hostile_watched.c: others look into the process while cycles run: a debugger that stops all
 * threads and goes away again, a process that reads heap pages from outside, the kernel that writes a core.
 * The program must not notice, and the core must hold no page twice, nor any that never existed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gc/os/sys.h"
#include "gc/os/uffd_abi.h"
#include "bench/common/random.h"
#include "test/support/hostile.h"
#include "test/support/process.h"
#include "test/support/share.h"

#define MIB (UINT64_C(1) << 20)

static const char *const deliveries[] = {"thread", "sigbus"};

/* ---- gdb ---- */

struct orders {
	const char *plan, *delivery;
	int fd;
};

static int live_until_told(void *context)
{
	const struct orders *orders = context;
	struct plx_error error = {0};
	struct plx_heap *heap = hostile_heap(orders->plan, orders->delivery, "16M", &error);
	char byte;

	if (heap == NULL)
		return error.status == PLX_ERROR_CAPABILITY ? 77 : 1;
	fcntl(orders->fd, F_SETFL, O_NONBLOCK);
	while (read(orders->fd, &byte, 1) < 0) /* until the parent is done with us */
		hostile_session(heap, 5);
	HOSTILE_CHECK(plx_heap_destroy(heap) == PLX_OK);
	return 0;
}

static int gdb_look(void *context)
{
	char pid[16];
	int null = open("/dev/null", O_RDWR);

	snprintf(pid, sizeof(pid), "%d", (int)*(pid_t *)context);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execlp("gdb", "gdb", "-nx", "-batch", "-p", pid, "-ex", "thread apply all backtrace 3",
	       "-ex", "detach", (char *)NULL);
	return 77;
}

static int run_gdb(void)
{
	int fds[2], status = 0;
	pid_t child;

	HOSTILE_CHECK(pipe(fds) == 0);
	child = hostile_child(live_until_told, &(struct orders){.fd = fds[0]});
	for (int i = 0; i < 2 && status == 0; i++) {
		usleep(20000);
		status = hostile_in_child(gdb_look, &child, 60);
	}
	HOSTILE_CHECK(write(fds[1], "x", 1) == 1);
	HOSTILE_CHECK(hostile_wait(child, 60) == 0);
	return status == 77 ? 77 : status != 0;
}

/* ---- reading from outside ---- */

/* The pages of the heap of `child`, as the kernel names them. False if it has none (now). */
static bool find_heap(pid_t child, uintptr_t *start, uintptr_t *end)
{
	char path[64], line[512];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)child);
	maps = fopen(path, "re");
	while (maps != NULL && !found && fgets(line, sizeof(line), maps) != NULL)
		found = strstr(line, "memfd:parallax-heap") != NULL &&
			sscanf(line, "%lx-%lx", start, end) == 2;
	if (maps != NULL)
		fclose(maps);
	return found;
}

/* Some of the first pages of some mapping; what comes of it is the reader's affair. */
static bool read_some(pid_t child, struct random *random)
{
	static char page[4096];
	uintptr_t start, end, offset = random_below(random, 16 * MIB) & ~UINT64_C(4095);
	struct iovec into = {page, sizeof(page)}, from;

	if (!find_heap(child, &start, &end))
		return false;
	if (random_once_in(random, 2) &&
	    end - start > 3072 * MIB) /* the leaves are in the second half */
		start += (end - start) / 2;
	from = (struct iovec){(void *)(start + offset), sizeof(page)};
	return process_vm_readv(child, &into, 1, &from, 1, 0) > 0;
}

#define MOST_READS 2000

static int run_read(void)
{
	for (int i = 0; i < 2; i++) {
		struct random random = {.state = 5};
		uint64_t reads = 0, tries = 0;
		int fds[2], status;
		pid_t child;

		HOSTILE_CHECK(pipe(fds) == 0);
		child = hostile_child(live_until_told,
				      &(struct orders){"minor", deliveries[i], fds[0]});
		/* The child lives for as long as we look. */
		while (reads < share_of(MOST_READS, 1) && !hostile_has_ended(child))
			for (int k = 0; k < 20; k++, tries++)
				reads += read_some(child, &random);
		HOSTILE_CHECK(write(fds[1], "x", 1) == 1);
		status = hostile_wait(child, 60);
		close(fds[0]);
		close(fds[1]);
		printf("%s: %lu of %lu reads gave something\n", deliveries[i], reads, tries);
		if (status != 0)
			return status;
	}
	return 0;
}

/* ---- reading at the worst moment ---- */

static atomic_uint looks;

/* Just before a range is armed somebody reads it from outside, as a debugger would: [FL-6]. */
static int looked_at_ioctl(int fd, unsigned long request, void *argument)
{
	static char page[4096];

	if (request == GC_UFFDIO_REGISTER) {
		const struct gc_uffdio_register *call = argument;
		uint64_t most = call->range.bytes < 16 * MIB ? call->range.bytes : 16 * MIB;

		for (uint64_t at = 0; at < most; at += sizeof(page)) {
			struct iovec into = {page, sizeof(page)};
			struct iovec from = {(void *)(call->range.start + at), sizeof(page)};

			atomic_fetch_add(&looks,
					 process_vm_readv(getpid(), &into, 1, &from, 1, 0) > 0);
		}
	}
	return gc_sys_real.ioctl(fd, request, argument);
}

static int live_looked_at(void *context)
{
	static struct gc_sys table;
	struct plx_error error = {0};
	struct plx_heap *heap;

	table = gc_sys_real;
	table.ioctl = looked_at_ioctl;
	setenv("GC_FLIP", context, 1);
	setenv("GC_EVACUATE", "all", 1);
	heap = hostile_heap("minor", "sigbus", "16M", &error);
	if (heap == NULL)
		return error.status == PLX_ERROR_CAPABILITY ? 77 : 1;
	gc_sys = &table;
	hostile_session(heap, 8);
	gc_sys = &gc_sys_real;
	printf("%s: %u pages read before they were armed\n", (const char *)context,
	       atomic_load(&looks));
	HOSTILE_CHECK(atomic_load(&looks) > 0);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

static int run_flip(void)
{
	int status = hostile_in_child(live_looked_at, (char[]){"detach"}, 60);

	return status == 0 ? hostile_in_child(live_looked_at, (char[]){"zap"}, 60) : status;
}

/* ---- a core ---- */

static int dump_core(void *context)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct plx_error error = {0};
	struct hostile_list list;
	struct plx_heap *heap = hostile_heap(context, NULL, "32M", &error);

	if (heap == NULL)
		return error.status == PLX_ERROR_CAPABILITY ? 77 : 1;
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	HOSTILE_CHECK(setrlimit(RLIMIT_CORE, &unlimited) == 0);
	hostile_list_open(&list, heap);
	hostile_list_fill(&list, 12000);
	plx_collect(list.thread);
	hostile_list_check(&list);
	signal(SIGABRT, SIG_DFL);
	abort();
}

static bool core_is_a_plain_file(void)
{
	char pattern[128] = "";
	FILE *file = fopen("/proc/sys/kernel/core_pattern", "re");

	if (file != NULL) {
		if (fgets(pattern, sizeof(pattern), file) == NULL)
			pattern[0] = '\0';
		fclose(file);
	}
	return strncmp(pattern, "core", 4) == 0;
}

/* The core in the working folder, and it is gone. */
static bool core_take(struct stat *core, pid_t child)
{
	char numbered[32];

	snprintf(numbered, sizeof(numbered), "core.%d", (int)child);
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "core" : numbered;

		if (stat(name, core) == 0)
			return unlink(name) == 0;
	}
	return false;
}

/* 32 MiB of heap, hence not 4 GiB of file, twice; with what the test and libc have. */
#define CORE_MOST_BYTES (160 * MIB)

static int run_core(void)
{
	static const char *const plans[] = {"minor", "copy", "stw"};
	char folder[] = "/tmp/plx-core-XXXXXX";
	int failed = 0;

	if (HOSTILE_SANITIZED || !core_is_a_plain_file())
		HOSTILE_SKIP("cores are not files in the working folder here");
	HOSTILE_CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	for (int i = 0; i < 3; i++) {
		pid_t child = hostile_child(dump_core, (void *)plans[i]);
		int status = hostile_wait(child, 60);
		struct stat core;

		if (status == 77)
			continue;
		if (status != 128 + SIGABRT || !core_take(&core, child)) {
			printf("%s: no core (status %d)\n", plans[i], status);
			failed = 1;
			continue;
		}
		printf("%s: a core of %lu MiB, of them %lu on disk\n", plans[i],
		       (uint64_t)core.st_size / MIB, (uint64_t)core.st_blocks * 512 / MIB);
		failed |= (uint64_t)core.st_blocks * 512 > CORE_MOST_BYTES;
	}
	HOSTILE_CHECK(chdir("/") == 0 && rmdir(folder) == 0);
	return failed;
}

static const struct hostile_case cases[] = {
	{"gdb", run_gdb},
	{"read", run_read},
	{"flip", run_flip},
	{"core", run_core},
};

int main(int argc, char **argv)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
