/* gc/os/uffd.h: userfaultfd as the collector uses it: open, register, resolve, wake.
 *
 * The resolve calls swallow what is normal (see uffd.c) and finish partial work; what they
 * return is 0 when the range is resolved (by us or by somebody else) or a negative errno that the
 * caller has to act on. All of them may be called in a fault: they do not allocate, lock, or touch
 * errno. */
#ifndef GC_OS_UFFD_H
#define GC_OS_UFFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gc_uffd_mode { GC_UFFD_MINOR, GC_UFFD_MISSING };

/* How a descriptor was got; every later one is weaker. */
enum gc_uffd_origin {
	GC_UFFD_FROM_DEVICE,	/* /dev/userfaultfd */
	GC_UFFD_FROM_SYSCALL,	/* userfaultfd(2), kernel faults included */
	GC_UFFD_FROM_USER_MODE, /* UFFD_USER_MODE_ONLY: system calls on the range fail with EFAULT */
	GC_UFFD_ORIGIN_COUNT
};

struct gc_uffd {
	int fd; /* -1 when closed */
	enum gc_uffd_origin origin;
	enum gc_uffd_mode mode;
	bool sigbus;
	bool skips; /* CONTINUE passes over pages that are mapped, and wakes who waits for them */
};

/* Open for `mode`, with SIGBUS delivery or without. Non-blocking, close-on-exec. 0 or a negative
 * errno of the last attempt; -ENOTSUP when a descriptor was got but lacks the features. */
int gc_uffd_open(struct gc_uffd *uffd, enum gc_uffd_mode mode, bool sigbus);

/* The same for MINOR with UFFD_FEATURE_CONTINUE_SKIP, which a patched kernel has (kernel/README.md);
 * -ENOTSUP where it has not. */
int gc_uffd_open_skipping(struct gc_uffd *uffd, bool sigbus);
void gc_uffd_close(struct gc_uffd *uffd);

int gc_uffd_register(const struct gc_uffd *uffd, void *start, size_t bytes);
int gc_uffd_unregister(const struct gc_uffd *uffd, void *start, size_t bytes);

/* Map [start, start+bytes) of a MINOR range to the page-cache pages that are there, skipping what
 * is mapped already, waking all waiters. `*mapped_bytes` (may be NULL) counts what this call
 * mapped; with `skips`, what it found mapped as well. -EFAULT: a hole in the file. A range no longer
 * armed counts as resolved. */
int gc_uffd_continue(const struct gc_uffd *uffd, void *start, size_t bytes, size_t *mapped_bytes);

/* Fill [to, to+bytes) of a MISSING range from `from`, waking all waiters; pages already there are
 * left alone. -ENOMEM: no page to be had. */
int gc_uffd_copy(const struct gc_uffd *uffd, void *to, const void *from, size_t bytes,
		 size_t *copied_bytes);

/* Asked again while it is refused, since nobody else would wake them. */
int gc_uffd_wake(const struct gc_uffd *uffd, void *start, size_t bytes);

/* Next fault's address (page-aligned by the kernel), without blocking. 1 and *address; 0 when there
 * is none; a negative errno. Other events are skipped. */
int gc_uffd_next_fault(const struct gc_uffd *uffd, uintptr_t *address);

#endif
