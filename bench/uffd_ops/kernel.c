/* bench/uffd_ops/kernel.c: see kernel.h. */
#include "bench/uffd_ops/kernel.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gc/os/mman_abi.h"

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

#define KERNEL_BUSY_TRIES 1000

struct kernel_zeropage {
	struct gc_uffdio_range range;
	uint64_t mode;
	int64_t zeroed; /* out */
};

#define KERNEL_ZEROPAGE _IOWR(GC_UFFDIO_TYPE, 0x04, struct kernel_zeropage)
#define KERNEL_MOVE _IOWR(GC_UFFDIO_TYPE, 0x05, struct gc_uffdio_copy) /* the same five fields */

static int kernel_ask(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

/* Where /dev/userfaultfd may not be used, system calls on the range are not needed here either. */
static int kernel_uffd_get(int flags)
{
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC), fd = -1;

	if (device >= 0) {
		fd = ioctl(device, GC_USERFAULTFD_IOC_NEW, flags);
		close(device);
	}
	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, flags);
	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, flags | GC_UFFD_USER_MODE_ONLY);
	return fd < 0 ? -errno : fd;
}

int kernel_uffd_open(uint64_t features, bool nonblocking)
{
	struct gc_uffdio_api api = {.api = GC_UFFD_API, .features = features};
	int fd = kernel_uffd_get(O_CLOEXEC | (nonblocking ? O_NONBLOCK : 0)), result;

	if (fd < 0)
		return fd;
	result = kernel_ask(fd, GC_UFFDIO_API, &api);
	if (result == 0)
		return fd;
	close(fd);
	return result == -EINVAL ? -ENOTSUP : result;
}

int kernel_register(int uffd, void *start, size_t bytes, uint64_t mode)
{
	struct gc_uffdio_register call = {.range = {(uintptr_t)start, bytes}, .mode = mode};

	return kernel_ask(uffd, GC_UFFDIO_REGISTER, &call);
}

int kernel_unregister(int uffd, void *start, size_t bytes)
{
	struct gc_uffdio_range range = {(uintptr_t)start, bytes};

	return kernel_ask(uffd, GC_UFFDIO_UNREGISTER, &range);
}

/* Take one answer into account: `done` is what the kernel reports in its out field. */
static int kernel_step(int result, int64_t done, size_t *at, size_t bytes, unsigned *tries)
{
	if (result == 0)
		*at = bytes;
	else if (result == -EAGAIN && done > 0)
		*at += (size_t)done;
	else if (result != -EAGAIN || ++*tries > KERNEL_BUSY_TRIES)
		return result;
	return 0;
}

int kernel_continue(int uffd, void *start, size_t bytes)
{
	unsigned tries = 0;
	int result = 0;

	for (size_t at = 0; at < bytes && result == 0;) {
		struct gc_uffdio_continue call = {.range = {(uintptr_t)start + at, bytes - at}};

		result = kernel_ask(uffd, GC_UFFDIO_CONTINUE, &call);
		result = kernel_step(result, call.mapped, &at, bytes, &tries);
	}
	return result;
}

static int kernel_transfer(int uffd, unsigned long request, uintptr_t to, uintptr_t from,
			   size_t bytes)
{
	unsigned tries = 0;
	int result = 0;

	for (size_t at = 0; at < bytes && result == 0;) {
		struct gc_uffdio_copy call = {
			.to = to + at, .from = from + at, .bytes = bytes - at};

		result = kernel_ask(uffd, request, &call);
		result = kernel_step(result, call.copied, &at, bytes, &tries);
	}
	return result;
}

int kernel_copy(int uffd, void *to, const void *from, size_t bytes)
{
	return kernel_transfer(uffd, GC_UFFDIO_COPY, (uintptr_t)to, (uintptr_t)from, bytes);
}

int kernel_move(int uffd, void *to, void *from, size_t bytes)
{
	return kernel_transfer(uffd, KERNEL_MOVE, (uintptr_t)to, (uintptr_t)from, bytes);
}

int kernel_zeropage(int uffd, void *start, size_t bytes)
{
	unsigned tries = 0;
	int result = 0;

	for (size_t at = 0; at < bytes && result == 0;) {
		struct kernel_zeropage call = {.range = {(uintptr_t)start + at, bytes - at}};

		result = kernel_ask(uffd, KERNEL_ZEROPAGE, &call);
		result = kernel_step(result, call.zeroed, &at, bytes, &tries);
	}
	return result;
}

int kernel_remap(void *from, void *to, size_t bytes)
{
	void *moved =
		mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);

	return moved == MAP_FAILED ? -errno : 0;
}

int kernel_advise(void *start, size_t bytes, int advice)
{
	return madvise(start, bytes, advice) < 0 ? -errno : 0;
}

int kernel_advise_runs(int pidfd, char *start, size_t bytes, size_t run_bytes)
{
	struct iovec runs[KERNEL_MOST_RUNS];
	size_t count = 0;
	ssize_t done;

	for (size_t at = 0; at < bytes; at += run_bytes) {
		size_t left = bytes - at;

		if (count == KERNEL_MOST_RUNS)
			return -E2BIG;
		runs[count++] = (struct iovec){start + at, left < run_bytes ? left : run_bytes};
	}
	done = syscall(SYS_process_madvise, pidfd, runs, count, MADV_DONTNEED, 0);
	if (done < 0)
		return -errno;
	return (size_t)done == bytes ? 0 : -EIO;
}

int kernel_protect(void *start, size_t bytes, int protection)
{
	return mprotect(start, bytes, protection) < 0 ? -errno : 0;
}

int kernel_punch(int fd, size_t offset, size_t bytes)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			 (off_t)bytes) < 0
		       ? -errno
		       : 0;
}

uint64_t kernel_preempted(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_nivcsw;
}

void kernel_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int kernel_other_cpu(int cpu)
{
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return -1;
	for (int other = 0; other < CPU_SETSIZE; other++)
		if (other != cpu && CPU_ISSET(other, &allowed))
			return other;
	return -1;
}
