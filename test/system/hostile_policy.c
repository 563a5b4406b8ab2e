/* test/system/hostile_policy.c: rules that forbid: seccomp filters, users without rights, no huge pages.
 * What is expected: the best plan that is left, with the reason for it; where a plan was demanded, a refusal
 * that names what is missing and how to get it; filters that come later cost pauses, and nothing else.
 *
 * Each case changes a child of its own: filters, user, mount namespace. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gc/os/uffd_abi.h"
#include "test/support/hostile.h"

/* ---- seccomp ---- */

#define RULES_MOST 8

struct filter {
	struct sock_filter code[4 * RULES_MOST + 4];
	unsigned short count;
};

static void filter_add(struct filter *filter, struct sock_filter one)
{
	HOSTILE_CHECK(filter->count < sizeof(filter->code) / sizeof(filter->code[0]));
	filter->code[filter->count++] = one;
}

static void filter_open(struct filter *filter)
{
	filter->count = 0;
	filter_add(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							offsetof(struct seccomp_data, nr)));
}

/* That call gives that error. */
static void filter_refuse(struct filter *filter, long call, int error)
{
	filter_add(filter,
		   (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1));
	filter_add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
							SECCOMP_RET_ERRNO | (uint32_t)error));
}

/* The device gives no userfaultfd either; last, since it loads something else. */
static void filter_refuse_device(struct filter *filter, int error)
{
	filter_add(filter,
		   (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3));
	filter_add(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							offsetof(struct seccomp_data, args[1])));
	filter_add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							(uint32_t)GC_USERFAULTFD_IOC_NEW, 0, 1));
	filter_add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
							SECCOMP_RET_ERRNO | (uint32_t)error));
}

/* For all threads. */
static void filter_install(struct filter *filter)
{
	struct sock_fprog program = {.filter = filter->code};

	filter_add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	program.len = filter->count;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
		HOSTILE_SKIP("no seccomp filters here: %s", strerror(errno));
}

/* A heap of the plan that is left; `why` is in the reason. And what a demand for `demanded` says. */
static int degrade(enum plx_plan left, const char *why, const char *demanded)
{
	struct plx_error error = {0};
	struct plx_heap *heap = hostile_heap(NULL, NULL, "16M", &error);

	HOSTILE_CHECK(heap != NULL);
	printf("plan %s, since %s\n", plx_plan_name(plx_heap_plan(heap)),
	       plx_heap_plan_reason(heap));
	HOSTILE_CHECK(plx_heap_plan(heap) == left);
	HOSTILE_CHECK(strstr(plx_heap_plan_reason(heap), why) != NULL);
	hostile_session(heap, 8);
	HOSTILE_CHECK(plx_heap_destroy(heap) == PLX_OK);
	heap = hostile_heap(demanded, NULL, "16M", &error);
	HOSTILE_CHECK(heap == NULL && error.status == PLX_ERROR_CAPABILITY);
	HOSTILE_CHECK(strstr(error.message, why) != NULL);
	return 0;
}

static int without_userfaultfd(void *context)
{
	struct filter filter;
	int error = *(const int *)context;

	filter_open(&filter);
	filter_refuse(&filter, SYS_userfaultfd, error);
	filter_refuse_device(&filter, error);
	filter_install(&filter);
	degrade(PLX_PLAN_STW, "seccomp", "minor");
	return degrade(PLX_PLAN_STW, "userfaultfd", "copy");
}

static int run_seccomp(void)
{
	static int errors[] = {EPERM, ENOSYS};
	int status = 0;

	for (int i = 0; i < 2 && status == 0; i++)
		status = hostile_in_child(without_userfaultfd, &errors[i], 60);
	return status;
}

static int without_memfd(void *context)
{
	struct filter filter;

	(void)context;
	if (hostile_life("copy", NULL, 1) != 0)
		HOSTILE_SKIP("no copy plan here, even without a filter");
	filter_open(&filter);
	filter_refuse(&filter, SYS_memfd_create, EPERM);
	filter_install(&filter);
	return degrade(PLX_PLAN_COPY, "memfd_create", "minor");
}

static int run_seccomp_memfd(void)
{
	return hostile_in_child(without_memfd, NULL, 60);
}

/* A program that locks itself in when it is ready: no cycle asks for a new descriptor. */
static int filter_when_ready(void *context)
{
	struct plx_error error = {0};
	struct plx_heap *heap = hostile_heap("minor", context, "16M", &error);
	struct filter filter;

	if (heap == NULL)
		return error.status == PLX_ERROR_CAPABILITY ? 77 : 1;
	filter_open(&filter);
	filter_refuse(&filter, SYS_userfaultfd, EPERM);
	filter_refuse(&filter, SYS_memfd_create, EPERM);
	filter_refuse(&filter, SYS_openat, EPERM);
	filter_refuse(&filter, SYS_socket, EPERM);
	filter_refuse(&filter, SYS_execve, EPERM);
	filter_refuse_device(&filter, EPERM);
	filter_install(&filter);
	hostile_session(heap, 10);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

static int run_seccomp_when_ready(void)
{
	int status = hostile_in_child(filter_when_ready, (char[]){"thread"}, 60);

	return status == 0 ? hostile_in_child(filter_when_ready, (char[]){"sigbus"}, 60) : status;
}

/* From one moment on page tables cannot be moved: objects move inside the pause. */
static int without_mremap(void *context)
{
	struct plx_error error = {0};
	struct plx_heap *heap = hostile_heap("minor", context, "16M", &error);
	struct plx_stats stats;
	struct filter filter;

	if (heap == NULL)
		return error.status == PLX_ERROR_CAPABILITY ? 77 : 1;
	hostile_session(heap, 3);
	filter_open(&filter);
	filter_refuse(&filter, SYS_mremap, EPERM);
	filter_install(&filter);
	hostile_session(heap, 6);
	plx_heap_stats(heap, &stats);
	printf("%lu refusals\n", (unsigned long)stats.degraded);
	HOSTILE_CHECK(stats.degraded > 0);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

static int run_seccomp_mremap(void)
{
	setenv("GC_FLIP", "detach", 1);
	setenv("GC_EVACUATE", "all", 1);
	return hostile_in_child(without_mremap, (char[]){"thread"}, 60);
}

/* ---- users ---- */

#define NOBODY 65534

static void become_nobody(void)
{
	if (getuid() != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		HOSTILE_SKIP("not root: no other user to become");
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static bool describes(const char *words)
{
	static char text[8192];

	plx_capabilities_describe(text, sizeof(text));
	return strstr(text, words) != NULL;
}

/* Another /dev/userfaultfd, in a mount namespace of our own, with these permissions. */
static void device_replace(mode_t mode)
{
	char folder[] = "/tmp/plx-device-XXXXXX", node[64];
	struct stat device;

	if (getuid() != 0 || stat("/dev/userfaultfd", &device) != 0)
		HOSTILE_SKIP("not root, or a kernel without /dev/userfaultfd");
	HOSTILE_CHECK(mkdtemp(folder) != NULL);
	snprintf(node, sizeof(node), "%s/node", folder);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", folder, "tmpfs", 0, "mode=755") != 0 ||
	    mknod(node, S_IFCHR | 0600, device.st_rdev) != 0 || chmod(node, mode) != 0 ||
	    mount(node, "/dev/userfaultfd", NULL, MS_BIND, NULL) != 0) {
		int error = errno;

		rmdir(folder);
		HOSTILE_SKIP("no device of our own: %s", strerror(error));
	}
	umount2(folder, MNT_DETACH);
	rmdir(folder);
}

static int as_nobody_with_device(void *context)
{
	int fd;

	(void)context;
	device_replace(0666);
	become_nobody();
	fd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	HOSTILE_CHECK(fd >= 0);
	close(fd);
	HOSTILE_CHECK(describes("userfaultfd from                             /dev/userfaultfd"));
	HOSTILE_CHECK(hostile_life("minor", "thread", 8) == 0);
	return hostile_life("minor", "sigbus", 8);
}

static int run_nobody_with_device(void)
{
	return hostile_in_child(as_nobody_with_device, NULL, 90);
}

/* Where policy leaves user-mode faults only, these are enough. */
static int as_nobody_without_device(void *context)
{
	struct plx_error error = {0};
	struct plx_heap *heap;

	(void)context;
	device_replace(0600);
	become_nobody();
	HOSTILE_CHECK(open("/dev/userfaultfd", O_RDWR | O_CLOEXEC) < 0);
	heap = hostile_heap(NULL, NULL, "16M", &error);
	HOSTILE_CHECK(heap != NULL);
	printf("plan %s %s\n", plx_plan_name(plx_heap_plan(heap)), plx_heap_plan_reason(heap));
	if (describes("user mode only") || describes("userfaultfd(2)\n"))
		HOSTILE_CHECK(plx_heap_plan(heap) == PLX_PLAN_MINOR);
	else
		HOSTILE_CHECK(strstr(plx_heap_plan_reason(heap), "/dev/userfaultfd") != NULL);
	hostile_session(heap, 8);
	HOSTILE_CHECK(plx_heap_destroy(heap) == PLX_OK);
	return hostile_life(NULL, "sigbus", 8);
}

static int run_nobody_without_device(void)
{
	return hostile_in_child(as_nobody_without_device, NULL, 90);
}

/* ---- vm.memfd_noexec=2 ---- */

static int without_executable_files(void *context)
{
	int fd = open("/proc/sys/vm/memfd_noexec", O_WRONLY | O_CLOEXEC);

	(void)context;
	if (fd < 0 || write(fd, "2", 1) != 1)
		HOSTILE_SKIP("vm.memfd_noexec cannot be set here");
	close(fd);
	if (memfd_create("plain", MFD_CLOEXEC | 0x10) >= 0) /* MFD_EXEC */
		HOSTILE_SKIP("vm.memfd_noexec does nothing here");
	return hostile_life("minor", NULL, 6);
}

/* The setting is of a PID namespace. */
static int in_namespace(void *context)
{
	if (getuid() != 0 || unshare(CLONE_NEWPID) != 0)
		HOSTILE_SKIP("no PID namespace of our own");
	return hostile_in_child(without_executable_files, context, 60);
}

static int run_memfd_noexec(void)
{
	return hostile_in_child(in_namespace, NULL, 60);
}

/* ---- no transparent huge pages ---- */

static int without_huge_pages(void *context)
{
	HOSTILE_CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
	return hostile_life(context, NULL, 8);
}

static int run_no_huge_pages(void)
{
	int status = hostile_in_child(without_huge_pages, (char[]){"minor"}, 60);

	return status == 0 ? hostile_in_child(without_huge_pages, (char[]){"copy"}, 60) : status;
}

static const struct hostile_case cases[] = {
	{"seccomp", run_seccomp},
	{"seccomp-memfd", run_seccomp_memfd},
	{"seccomp-when-ready", run_seccomp_when_ready},
	{"seccomp-mremap", run_seccomp_mremap},
	{"nobody-with-device", run_nobody_with_device},
	{"nobody-without-device", run_nobody_without_device},
	{"memfd-noexec", run_memfd_noexec},
	{"no-huge-pages", run_no_huge_pages},
};

int main(int argc, char **argv)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
