/* gc/os/uffd.c: userfaultfd: getting a descriptor, and making the kernel's partial answers whole.
 *
 * Getting one: /dev/userfaultfd, then userfaultfd(2), then the same for user-mode faults only.
 * A descriptor whose UFFDIO_API failed is of no further use, so each try gets a fresh one.
 *
 * Resolving: CONTINUE and COPY work through a range and stop where something is in the way. What
 * they may answer, and what is done about it:
 *
 *	done > 0, EAGAIN	progress: go on behind it
 *	EEXIST			the first page is there already: step over it
 *	ENOENT			the range is not (wholly) armed in one mapping: try less of it; a single
 *				page that is not armed is nobody's to wait for: step over it
 *	EAGAIN, nothing done	the mm is busy: yield, try again, UFFD_IDLE_TRIES times
 *	EINTR			the same
 *	anything else		the caller's
 *
 * Every step either advances, or halves what is asked for, or uses up one idle try, so the loop
 * ends whatever the kernel says. Pages stepped over woke nobody: one WAKE of the whole range makes
 * up for them (under SIGBUS delivery nobody waits). With `skips` the kernel passes over mapped pages
 * itself and wakes for them: one call for a range, however scattered what was mapped in it.
 *
 * Who runs here: anybody; gc_uffd_continue, _copy, _wake and _next_fault also in faults. */
#include "gc/os/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "gc/os/sys.h"
#include "gc/os/uffd_abi.h"

/* Fruitless tries in a row before the caller gets EAGAIN; each yields the CPU. In a fault that is
 * harmless: the access is tried again and faults again. */
#define UFFD_IDLE_TRIES 4096

/* Messages that are not page faults, in a row. None is asked for, so none should come. */
#define UFFD_FOREIGN_MESSAGES 64

static int uffd_from_device(int flags)
{
	int device = gc_sys->open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd;

	if (device < 0)
		return device;
	fd = gc_sys->ioctl(device, GC_USERFAULTFD_IOC_NEW, (void *)(intptr_t)flags);
	gc_sys->close(device);
	return fd;
}

static int uffd_get(enum gc_uffd_origin origin)
{
	int flags = O_CLOEXEC | O_NONBLOCK;

	switch (origin) {
	case GC_UFFD_FROM_DEVICE:
		return uffd_from_device(flags);
	case GC_UFFD_FROM_SYSCALL:
		return gc_sys->userfaultfd(flags);
	default:
		return gc_sys->userfaultfd(flags | GC_UFFD_USER_MODE_ONLY);
	}
}

/* Ask for exactly the features wanted: the kernel refuses those it does not know with EINVAL. */
static int uffd_handshake(int fd, uint64_t features)
{
	struct gc_uffdio_api api = {.api = GC_UFFD_API, .features = features};
	int result = gc_sys->ioctl(fd, GC_UFFDIO_API, &api);

	if (result == -EINVAL)
		return -ENOTSUP;
	if (result < 0)
		return result;
	return (api.features & features) == features ? 0 : -ENOTSUP;
}

static int uffd_open(struct gc_uffd *uffd)
{
	uint64_t features = (uffd->mode == GC_UFFD_MINOR ? GC_UFFD_FEATURE_MINOR_SHMEM : 0) |
			    (uffd->sigbus ? GC_UFFD_FEATURE_SIGBUS : 0) |
			    (uffd->skips ? GC_UFFD_FEATURE_CONTINUE_SKIP : 0);
	int result = -ENOSYS;

	for (int origin = 0; origin < GC_UFFD_ORIGIN_COUNT; origin++) {
		int fd = uffd_get((enum gc_uffd_origin)origin);

		if (fd < 0) {
			result = fd;
			continue;
		}
		result = uffd_handshake(fd, features);
		if (result == 0) {
			uffd->fd = fd;
			uffd->origin = (enum gc_uffd_origin)origin;
			return 0;
		}
		gc_sys->close(fd);
		if (result ==
		    -ENOTSUP) /* one kernel, one set of features: the others lack it too */
			return result;
	}
	return result;
}

int gc_uffd_open(struct gc_uffd *uffd, enum gc_uffd_mode mode, bool sigbus)
{
	*uffd = (struct gc_uffd){.fd = -1, .mode = mode, .sigbus = sigbus};
	return uffd_open(uffd);
}

int gc_uffd_open_skipping(struct gc_uffd *uffd, bool sigbus)
{
	*uffd = (struct gc_uffd){.fd = -1, .mode = GC_UFFD_MINOR, .sigbus = sigbus, .skips = true};
	return uffd_open(uffd);
}

void gc_uffd_close(struct gc_uffd *uffd)
{
	/* Nothing can be done about a failed close: Linux has released the descriptor anyway. */
	if (uffd->fd >= 0)
		gc_sys->close(uffd->fd);
	uffd->fd = -1;
}

/* For the requests that have no partial result. */
static int uffd_request(const struct gc_uffd *uffd, unsigned long request, void *argument)
{
	int result = -EINTR;

	for (unsigned tries = 0; tries < UFFD_IDLE_TRIES && result == -EINTR; tries++)
		result = gc_sys->ioctl(uffd->fd, request, argument);
	return result < 0 ? result : 0;
}

int gc_uffd_register(const struct gc_uffd *uffd, void *start, size_t bytes)
{
	bool minor = uffd->mode == GC_UFFD_MINOR;
	uint64_t needed = GC_UFFDIO_CAN_WAKE |
			  (minor ? GC_UFFDIO_CAN_CONTINUE : GC_UFFDIO_CAN_COPY);
	struct gc_uffdio_register call = {
		.range = {(uintptr_t)start, bytes},
		.mode = minor ? GC_UFFDIO_REGISTER_MODE_MINOR : GC_UFFDIO_REGISTER_MODE_MISSING,
	};
	int result = uffd_request(uffd, GC_UFFDIO_REGISTER, &call);

	if (result == 0 && (call.ioctls & needed) != needed) {
		gc_uffd_unregister(uffd, start, bytes);
		return -ENOTSUP;
	}
	return result;
}

int gc_uffd_unregister(const struct gc_uffd *uffd, void *start, size_t bytes)
{
	struct gc_uffdio_range range = {(uintptr_t)start, bytes};

	return uffd_request(uffd, GC_UFFDIO_UNREGISTER, &range);
}

int gc_uffd_wake(const struct gc_uffd *uffd, void *start, size_t bytes)
{
	struct gc_uffdio_range range = {(uintptr_t)start, bytes};
	int result = -EAGAIN;

	/* Who waits there sleeps until it is granted: their faults were read, and nobody will ask again. */
	for (unsigned tries = 0; tries < UFFD_IDLE_TRIES && result < 0; tries++) {
		if (tries > 0)
			sched_yield();
		result = uffd_request(uffd, GC_UFFDIO_WAKE, &range);
	}
	return result;
}

/* One CONTINUE (`from` NULL) or COPY. *done is set to what was done, never more than `bytes`. */
static int uffd_transfer(const struct gc_uffd *uffd, uintptr_t to, const char *from, size_t bytes,
			 size_t *done)
{
	int64_t reported;
	int result;

	/* The result field starts at 0: some errors leave it unwritten. */
	if (from == NULL) {
		struct gc_uffdio_continue call = {
			.range = {to, bytes},
			.mode = uffd->skips ? GC_UFFDIO_CONTINUE_MODE_SKIP : 0,
		};

		result = gc_sys->ioctl(uffd->fd, GC_UFFDIO_CONTINUE, &call);
		reported = call.mapped;
	} else {
		struct gc_uffdio_copy call = {.to = to, .from = (uintptr_t)from, .bytes = bytes};

		result = gc_sys->ioctl(uffd->fd, GC_UFFDIO_COPY, &call);
		reported = call.copied;
	}
	*done = 0;
	if (result >= 0)
		*done = bytes;
	else if (result == -EAGAIN && reported > 0)
		*done = (uint64_t)reported < bytes ? (size_t)reported : bytes;
	return result < 0 ? result : 0;
}

/* Where a fill stands. */
struct uffd_fill {
	size_t at;     /* bytes behind us */
	size_t chunk;  /* most to ask for at once */
	size_t done;   /* bytes that we mapped or copied */
	unsigned idle; /* fruitless tries in a row */
	bool skipped;  /* some page was stepped over, so its waiters were not woken */
};

/* Take one answer into account: 0 to go on, or the error to stop with. */
static int uffd_fill_step(struct uffd_fill *fill, int result, size_t asked, size_t done,
			  size_t page_bytes)
{
	if (done > 0) {
		fill->at += done;
		fill->done += done;
		fill->idle = 0;
		if (result == 0 && fill->chunk <= SIZE_MAX / 2)
			fill->chunk *= 2;
		return 0;
	}
	switch (result) {
	case -ENOENT:
		if (asked > page_bytes) {
			fill->chunk = asked / page_bytes / 2 * page_bytes;
			return 0;
		}
		__attribute__((fallthrough));
	case -EEXIST:
		fill->at += page_bytes;
		fill->skipped = true;
		fill->idle = 0;
		return 0;
	case -EAGAIN:
	case -EINTR:
		if (++fill->idle >= UFFD_IDLE_TRIES)
			return -EAGAIN;
		sched_yield();
		return 0;
	default:
		return result;
	}
}

static int uffd_fill_range(const struct gc_uffd *uffd, uintptr_t to, const char *from, size_t bytes,
			   size_t *done_bytes)
{
	struct uffd_fill fill = {.chunk = bytes};
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	int result = 0, woken = 0;

	while (fill.at < bytes && result == 0) {
		size_t left = bytes - fill.at, asked = left < fill.chunk ? left : fill.chunk, done;
		const char *source = from != NULL ? from + fill.at : NULL;

		result = uffd_transfer(uffd, to + fill.at, source, asked, &done);
		result = uffd_fill_step(&fill, result, asked, done, page_bytes);
	}
	if (fill.skipped && !uffd->sigbus)
		woken = gc_uffd_wake(uffd, (void *)to, bytes);
	if (done_bytes != NULL)
		*done_bytes = fill.done;
	return result != 0 ? result : woken;
}

/* CONTINUE of kernels before 6.9 orders nothing: what was written to the page through the alias has
 * to be visible before the page can be reached through the new mapping. GCC's thread sanitizer
 * knows no fences, and two addresses of one page are beyond it anyway. */
static void uffd_fence(void)
{
#ifndef __SANITIZE_THREAD__
	__atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

int gc_uffd_continue(const struct gc_uffd *uffd, void *start, size_t bytes, size_t *mapped_bytes)
{
	uffd_fence();
	return uffd_fill_range(uffd, (uintptr_t)start, NULL, bytes, mapped_bytes);
}

int gc_uffd_copy(const struct gc_uffd *uffd, void *to, const void *from, size_t bytes,
		 size_t *copied_bytes)
{
	return uffd_fill_range(uffd, (uintptr_t)to, from, bytes, copied_bytes);
}

int gc_uffd_next_fault(const struct gc_uffd *uffd, uintptr_t *address)
{
	for (unsigned tries = 0; tries < UFFD_FOREIGN_MESSAGES; tries++) {
		struct gc_uffd_message message;
		ssize_t got = gc_sys->read(uffd->fd, &message, sizeof(message));

		if (got == -EINTR)
			continue;
		if (got == -EAGAIN || got == 0)
			return 0;
		if (got < 0)
			return (int)got;
		if (got != (ssize_t)sizeof(message))
			return -EIO;
		if (message.event == GC_UFFD_EVENT_PAGEFAULT) {
			*address = (uintptr_t)message.address;
			return 1;
		}
	}
	return 0;
}
