/* gc/os/sys.h: the one table of operating-system calls.
 *
 * Everything the collector asks of the kernel goes through `gc_sys`, so that a test can make any
 * call fail at any place. Convention of every entry: the result, or a negative errno; `errno`
 * itself is left as it was (several callers run in signal handlers). No retry happens here: EINTR
 * and EAGAIN are the callers' to handle, since what they mean differs.
 *
 * Who runs here: anybody, signal handlers included; nothing allocates or locks. The pointer is
 * swapped by tests only, while no heap is in use. */
#ifndef GC_OS_SYS_H
#define GC_OS_SYS_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* X(return type, name, parameters, arguments): pointers come back as intptr_t, so that every
 * result can carry a negative errno. */
#define GC_SYS_TABLE(X)                                                                         \
	X(int, memfd_create, (const char *name, unsigned flags), (name, flags))                 \
	X(int, add_seals, (int fd, int seals), (fd, seals))                                     \
	X(int, ftruncate, (int fd, off_t length), (fd, length))                                 \
	X(int, file_limit, (uint64_t * bytes), (bytes))                                         \
	X(int, fallocate, (int fd, int mode, off_t offset, off_t length),                       \
	  (fd, mode, offset, length))                                                           \
	X(intptr_t, mmap,                                                                       \
	  (void *address, size_t length, int protection, int flags, int fd, off_t offset),      \
	  (address, length, protection, flags, fd, offset))                                     \
	X(int, munmap, (void *address, size_t length), (address, length))                       \
	X(intptr_t, mremap,                                                                     \
	  (void *from, size_t from_length, size_t to_length, int flags, void *to),              \
	  (from, from_length, to_length, flags, to))                                            \
	X(int, madvise, (void *address, size_t length, int advice), (address, length, advice))  \
	X(int, mprotect, (void *address, size_t length, int protection),                        \
	  (address, length, protection))                                                        \
	X(int, mincore, (void *address, size_t length, unsigned char *vector),                  \
	  (address, length, vector))                                                            \
	X(int, open, (const char *path, int flags), (path, flags))                              \
	X(int, close, (int fd), (fd))                                                           \
	X(ssize_t, read, (int fd, void *into, size_t count), (fd, into, count))                 \
	X(ssize_t, write, (int fd, const void *from, size_t count), (fd, from, count))          \
	X(int, ioctl, (int fd, unsigned long request, void *argument), (fd, request, argument)) \
	X(int, poll, (struct pollfd * fds, nfds_t count, int timeout_ms),                       \
	  (fds, count, timeout_ms))                                                             \
	X(ssize_t, random, (void *into, size_t count), (into, count))                           \
	X(int, userfaultfd, (int flags), (flags))                                               \
	X(int, eventfd, (unsigned initial, int flags), (initial, flags))                        \
	X(int, sigaction, (int number, const struct sigaction *action, struct sigaction *old),  \
	  (number, action, old))                                                                \
	X(int, thread_mask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))     \
	X(int, sigaltstack, (const stack_t *stack, stack_t *old), (stack, old))                 \
	X(int, thread_signal, (int tid, int number), (tid, number))                             \
	X(int, stack_bounds, (void **low, size_t *bytes), (low, bytes))                         \
	X(long, futex,                                                                          \
	  (uint32_t * word, int operation, uint32_t value, const struct timespec *timeout),     \
	  (word, operation, value, timeout))                                                    \
	X(int, thread_create, (pthread_t * thread, void *(*entry)(void *), void *argument),     \
	  (thread, entry, argument))

#include <pthread.h>
#include <time.h>

#define GC_SYS_FIELD(type, name, parameters, arguments) type(*name) parameters;
struct gc_sys {
	GC_SYS_TABLE(GC_SYS_FIELD)
};
#undef GC_SYS_FIELD

extern const struct gc_sys gc_sys_real;
extern const struct gc_sys *gc_sys; /* what the collector calls; tests point it elsewhere */

#endif
