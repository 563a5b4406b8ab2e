/* test/system/hostile_limits.c: resources that run out: a cgroup's memory, address space, descriptors, file
 * size, committed memory. What is expected: a refusal that names the limit, or NULL from an allocation, and
 * all the data still there; never a signal. Each case limits a child, and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/support/hostile.h"
#include "test/support/process.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* ---- a memory cgroup ---- */

#define CGROUP_BYTES (256 * MIB)

static bool file_write(const char *folder, const char *name, const char *text)
{
	char path[700];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

/* The group of the calling process for `controller` ("" means version 2), as in /proc/self/cgroup. */
static bool cgroup_own(const char *controller, char *path, size_t size)
{
	char line[600];
	bool found = false;
	FILE *file = fopen("/proc/self/cgroup", "re");

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		char *names = strchr(line, ':'), *end = names ? strchr(names + 1, ':') : NULL;

		if (end == NULL)
			continue;
		*end = '\0';
		end[1 + strcspn(end + 1, "\n")] = '\0';
		if (strcmp(names + 1, controller) != 0)
			continue;
		snprintf(path, size, "%s", strcmp(end + 1, "/") == 0 ? "" : end + 1);
		found = true;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

static bool cgroup_try(const char *mount, const char *controller, const char *limit,
		       const char *swap, const char *swap_limit, char *folder, size_t size)
{
	char own[400], bytes[32];

	if (!cgroup_own(controller, own, sizeof(own)))
		return false;
	snprintf(folder, size, "%s%s/plx-test-%d", mount, own, (int)getpid());
	if (mkdir(folder, 0755) != 0)
		return false;
	snprintf(bytes, sizeof(bytes), "%lu", CGROUP_BYTES);
	if (file_write(folder, limit, bytes)) {
		file_write(folder, swap, swap_limit ? swap_limit : bytes); /* where there is one */
		return true;
	}
	rmdir(folder);
	return false;
}

/* A group with CGROUP_BYTES of memory and no swap. */
static bool cgroup_make(char *folder, size_t size)
{
	return cgroup_try("/sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes",
			  "memory.memsw.limit_in_bytes", NULL, folder, size) ||
	       cgroup_try("/sys/fs/cgroup", "", "memory.max", "memory.swap.max", "0", folder, size);
}

static int fill_in_cgroup(void *context)
{
	struct plx_error error = {0};
	struct hostile_list list;
	struct plx_stats stats;
	struct plx_heap *heap;
	uint64_t first;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	HOSTILE_CHECK(file_write(context, "cgroup.procs", pid));
	heap = hostile_heap(NULL, NULL, NULL, &error);
	HOSTILE_CHECK(heap != NULL);
	plx_heap_stats(heap, &stats);
	printf("a heap of %lu MiB, in a group of %lu MiB\n", stats.heap_max_bytes / MIB,
	       CGROUP_BYTES / MIB);
	HOSTILE_CHECK(stats.heap_max_bytes <= CGROUP_BYTES / 2);
	hostile_list_open(&list, heap);
	first = hostile_list_fill(&list, UINT64_MAX);
	hostile_list_check(&list);
	HOSTILE_CHECK(first * 1000 > stats.heap_max_bytes / 4);
	plx_handle_set(list.thread, list.head, NULL); /* and once more, in the same memory */
	list.count = 0;
	HOSTILE_CHECK(hostile_list_fill(&list, UINT64_MAX) > first / 2);
	hostile_list_check(&list);
	hostile_list_close(&list);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

/* The default heap knows the group's limit, so a heap that is full means NULL and not the kernel's killer. */
static int run_cgroup(void)
{
	char folder[600];
	int status;

	if (!cgroup_make(folder, sizeof(folder)))
		HOSTILE_SKIP("no memory cgroup can be made here");
	status = hostile_in_child(fill_in_cgroup, folder, 120);
	for (int tries = 0; rmdir(folder) != 0 && tries < 100; tries++)
		usleep(10000);
	return status;
}

/* ---- RLIMIT_AS ---- */

static void limit_set(int resource, uint64_t most)
{
	struct rlimit limit;

	HOSTILE_CHECK(getrlimit((__rlimit_resource_t)resource, &limit) == 0);
	if (limit.rlim_max != RLIM_INFINITY && most > limit.rlim_max)
		HOSTILE_SKIP("a limit is lower already");
	limit.rlim_cur = most;
	HOSTILE_CHECK(setrlimit((__rlimit_resource_t)resource, &limit) == 0);
}

/* 0: it worked; 3: refused, with a sentence that says what to do. */
static int live_within_address_space(void *context)
{
	struct plx_error error = {0};
	struct process_holdings before, after;
	struct plx_heap *heap;

	process_holdings_read(&before);
	limit_set(RLIMIT_AS, *(const uint64_t *)context);
	heap = hostile_heap(NULL, NULL, "16M", &error);
	if (heap == NULL) {
		process_holdings_read(&after);
		HOSTILE_CHECK(after.fds == before.fds && after.threads == before.threads);
		HOSTILE_CHECK(after.file_mappings == before.file_mappings);
		HOSTILE_CHECK(strstr(error.message, "GC_HEAP_MAX") != NULL);
		HOSTILE_CHECK(strstr(error.message, "ulimit -v") != NULL);
		return 3;
	}
	hostile_session(heap, 6);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

static int run_address_space(void)
{
	static uint64_t limits[] = {GIB / 4, 2 * GIB, 5 * GIB, 9 * GIB, 12 * GIB, 32 * GIB};
	int status = 0;

	if (HOSTILE_SANITIZED)
		HOSTILE_SKIP("a sanitizer needs all of the address space");
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		status = hostile_in_child(live_within_address_space, &limits[i], 60);
		printf("RLIMIT_AS %5lu MiB: %s\n", limits[i] / MIB,
		       status == 0 ? "works" : "refused, and said why");
		if (status != 0 && status != 3)
			return 1;
	}
	return status; /* of the largest: it has to work */
}

/* Nothing more can be mapped, once the heap is there: side tables that would grow do not. */
static int fill_without_address_space(void *context)
{
	struct process_holdings holdings;
	struct plx_error error = {0};
	struct hostile_list list;
	struct plx_heap *heap;

	heap = hostile_heap(context, NULL, "16M", &error);
	if (heap == NULL)
		return error.status == PLX_ERROR_CAPABILITY ? 77 : 1;
	hostile_list_open(&list, heap);
	process_holdings_read(&holdings);
	limit_set(RLIMIT_AS, holdings.mapped_bytes);
	for (int round = 0; round < 3; round++) {
		HOSTILE_CHECK(hostile_list_fill(&list, UINT64_MAX) > 4000);
		hostile_list_check(&list);
		plx_collect(list.thread);
		hostile_list_check(&list);
		plx_handle_set(list.thread, list.head, NULL);
		list.count = 0;
	}
	hostile_list_close(&list);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

static int run_no_more_mappings(void)
{
	static const char *const plans[] = {"minor", "copy", "stw"};

	if (HOSTILE_SANITIZED)
		HOSTILE_SKIP("a sanitizer needs all of the address space");
	for (size_t i = 0; i < 3; i++) {
		int status = hostile_in_child(fill_without_address_space, (void *)plans[i], 60);

		printf("plan %s: status %d\n", plans[i], status);
		if (status != 0 && status != 77)
			return 1;
	}
	return 0;
}

/* ---- RLIMIT_NOFILE ---- */

/* As many descriptors as are needed for `most` more. */
static void limit_descriptors(unsigned most)
{
	uint64_t limit = 0;

	for (unsigned free_ones = 0; free_ones < most || fcntl((int)limit, F_GETFD) >= 0; limit++)
		free_ones += fcntl((int)limit, F_GETFD) < 0;
	limit_set(RLIMIT_NOFILE, limit);
}

static int live_with_descriptors(void *context)
{
	unsigned most = *(const unsigned *)context, before;
	struct process_holdings holdings;
	struct plx_error error = {0};
	struct plx_heap *heap;

	process_holdings_read(&holdings);
	before = holdings.fds;
	limit_descriptors(most);
	heap = hostile_heap(NULL, NULL, "16M", &error);
	limit_set(RLIMIT_NOFILE, 1024); /* the test itself reads /proc */
	process_holdings_read(&holdings);
	if (heap == NULL) {
		HOSTILE_CHECK(holdings.fds == before);
		HOSTILE_CHECK(strstr(error.message, "open files") != NULL);
		return 3;
	}
	printf("%u descriptors: plan %s%s%s\n", most, plx_plan_name(plx_heap_plan(heap)),
	       *plx_heap_plan_reason(heap) ? ", since " : "", plx_heap_plan_reason(heap));
	HOSTILE_CHECK(plx_heap_plan(heap) == PLX_PLAN_MINOR || *plx_heap_plan_reason(heap) != '\0');
	limit_descriptors(0); /* no more of them while cycles run */
	hostile_session(heap, 6);
	limit_set(RLIMIT_NOFILE, 1024);
	HOSTILE_CHECK(plx_heap_destroy(heap) == PLX_OK);
	process_holdings_read(&holdings);
	HOSTILE_CHECK(holdings.fds == before);
	return 0;
}

static int run_descriptors(void)
{
	int status = 3;

	for (unsigned most = 0; most <= 8; most++) {
		status = hostile_in_child(live_with_descriptors, &most, 60);
		if (status != 0 && status != 3)
			return 1;
	}
	return status;
}

/* ---- RLIMIT_FSIZE ---- */

static int live_with_small_files(void *context)
{
	struct plx_error error = {0};
	struct plx_heap *heap;

	limit_set(RLIMIT_FSIZE, *(const uint64_t *)context);
	heap = hostile_heap("minor", NULL, "16M", &error);
	HOSTILE_CHECK(heap == NULL && error.status == PLX_ERROR_CAPABILITY);
	HOSTILE_CHECK(strstr(error.message, "RLIMIT_FSIZE") != NULL);
	heap = hostile_heap(NULL, NULL, "16M", &error);
	HOSTILE_CHECK(heap != NULL && plx_heap_plan(heap) != PLX_PLAN_MINOR);
	HOSTILE_CHECK(strstr(plx_heap_plan_reason(heap), "RLIMIT_FSIZE") != NULL);
	hostile_session(heap, 6);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

static int live_with_files_just_large_enough(void *context)
{
	(void)context;
	limit_set(RLIMIT_FSIZE, 8 * GIB);
	return hostile_life("minor", NULL, 6);
}

/* The heap's file is larger than a file may be: not SIGXFSZ, but another plan. */
static int run_file_size(void)
{
	static uint64_t limits[] = {0, 4096, 16 * MIB, GIB};
	int status;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		status = hostile_in_child(live_with_small_files, &limits[i], 60);
		printf("RLIMIT_FSIZE %lu: status %d\n", limits[i], status);
		if (status != 0)
			return status == 77 ? 77 : 1;
	}
	return hostile_in_child(live_with_files_just_large_enough, NULL, 60);
}

/* ---- vm.overcommit_memory=2 ---- */

#define OVERCOMMIT "/proc/sys/vm/overcommit_memory"

static char overcommit_before[16];

static void overcommit_restore(void)
{
	file_write("/proc/sys/vm", "overcommit_memory", overcommit_before);
}

static int live_without_overcommit(void *context)
{
	struct plx_error error = {0};
	struct plx_heap *heap = hostile_heap(context, NULL, "16M", &error);

	if (heap == NULL) {
		HOSTILE_CHECK(error.status != PLX_OK && error.message[0] != '\0');
		return 3;
	}
	hostile_session(heap, 6);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

/* It concerns the whole machine, so it wants to be asked for: continuous integration does. The machine is
 * put back by a child that outlives whatever happens here. */
static int run_overcommit(void)
{
	static const char *const plans[] = {NULL, "copy", "stw"};
	int fd = open(OVERCOMMIT, O_RDONLY | O_CLOEXEC), status = 0, pipe_fds[2];
	ssize_t got = fd >= 0 ? read(fd, overcommit_before, sizeof(overcommit_before) - 1) : -1;
	char byte;

	if (getenv("PLX_TEST_MACHINE") == NULL)
		HOSTILE_SKIP("it changes the whole machine: set PLX_TEST_MACHINE=1 to allow it");
	if (HOSTILE_SANITIZED || got <= 0 || access(OVERCOMMIT, W_OK) != 0)
		HOSTILE_SKIP("vm.overcommit_memory cannot be changed here");
	close(fd);
	HOSTILE_CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
	if (fork() == 0) { /* reads the end of the file when the parent is gone, however it went */
		close(pipe_fds[1]);
		setsid();
		while (read(pipe_fds[0], &byte, 1) > 0)
			;
		overcommit_restore();
		_exit(0);
	}
	close(pipe_fds[0]);
	if (!file_write("/proc/sys/vm", "overcommit_memory", "2"))
		HOSTILE_SKIP("vm.overcommit_memory cannot be changed here");
	for (size_t i = 0; i < 3 && (status == 0 || status == 3); i++) {
		status = hostile_in_child(live_without_overcommit, (void *)plans[i], 60);
		printf("plan %s: %s\n", plans[i] ? plans[i] : "auto",
		       status == 0 ? "works" : "refused, and said why");
	}
	overcommit_restore();
	return status == 3 ? 0 : status;
}

static const struct hostile_case cases[] = {
	{"cgroup", run_cgroup},
	{"address-space", run_address_space},
	{"no-more-mappings", run_no_more_mappings},
	{"descriptors", run_descriptors},
	{"file-size", run_file_size},
	{"overcommit", run_overcommit},
};

int main(int argc, char **argv)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
