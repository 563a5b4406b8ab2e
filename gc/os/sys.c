/* gc/os/sys.c: the real system calls behind gc/os/sys.h.
 *
 * Invariant: every entry returns its result or a negative errno, and errno after it is what it was
 * before it, so that a signal handler may call any entry and return.
 *
 * Who runs here: anybody, signal handlers included, except thread_create. */
#include "gc/os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gc/os/signals.h"

/* Turn libc's "-1 and errno" into the convention, putting errno back. */
#define SYS_RESULT(type, call)                 \
	do {                                   \
		int saved = errno;             \
		type result = (type)(call);    \
                                               \
		if (result == (type)-1)        \
			result = (type)-errno; \
		errno = saved;                 \
		return result;                 \
	} while (0)

static int sys_memfd_create(const char *name, unsigned flags)
{
	SYS_RESULT(int, memfd_create(name, flags));
}

static int sys_add_seals(int fd, int seals)
{
	SYS_RESULT(int, fcntl(fd, F_ADD_SEALS, seals));
}

/* How large a file may become; UINT64_MAX: as large as it likes. */
static int sys_file_limit(uint64_t *bytes)
{
	struct rlimit limit;
	int saved = errno, result = getrlimit(RLIMIT_FSIZE, &limit) < 0 ? -errno : 0;

	errno = saved;
	*bytes = result < 0 || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
	return result;
}

/* Beyond RLIMIT_FSIZE the kernel would send SIGXFSZ, which ends the program. */
static int sys_ftruncate(int fd, off_t length)
{
	uint64_t most;

	if (sys_file_limit(&most) == 0 && (uint64_t)length > most)
		return -EFBIG;
	SYS_RESULT(int, ftruncate(fd, length));
}

static int sys_fallocate(int fd, int mode, off_t offset, off_t length)
{
	SYS_RESULT(int, fallocate(fd, mode, offset, length));
}

static intptr_t sys_mmap(void *address, size_t length, int protection, int flags, int fd,
			 off_t offset)
{
	SYS_RESULT(intptr_t, mmap(address, length, protection, flags, fd, offset));
}

static int sys_munmap(void *address, size_t length)
{
	SYS_RESULT(int, munmap(address, length));
}

static intptr_t sys_mremap(void *from, size_t from_length, size_t to_length, int flags, void *to)
{
	SYS_RESULT(intptr_t, mremap(from, from_length, to_length, flags, to));
}

static int sys_madvise(void *address, size_t length, int advice)
{
	SYS_RESULT(int, madvise(address, length, advice));
}

static int sys_mprotect(void *address, size_t length, int protection)
{
	SYS_RESULT(int, mprotect(address, length, protection));
}

static int sys_mincore(void *address, size_t length, unsigned char *vector)
{
	SYS_RESULT(int, mincore(address, length, vector));
}

static int sys_open(const char *path, int flags)
{
	SYS_RESULT(int, open(path, flags, 0600));
}

static int sys_close(int fd)
{
	SYS_RESULT(int, close(fd));
}

static ssize_t sys_read(int fd, void *into, size_t count)
{
	SYS_RESULT(ssize_t, read(fd, into, count));
}

static ssize_t sys_write(int fd, const void *from, size_t count)
{
	SYS_RESULT(ssize_t, write(fd, from, count));
}

static int sys_ioctl(int fd, unsigned long request, void *argument)
{
	SYS_RESULT(int, ioctl(fd, request, argument));
}

static int sys_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	SYS_RESULT(int, poll(fds, count, timeout_ms));
}

/* Never waits: early in a boot there may be none yet. */
static ssize_t sys_random(void *into, size_t count)
{
	SYS_RESULT(ssize_t, getrandom(into, count, GRND_NONBLOCK));
}

static int sys_userfaultfd(int flags)
{
#ifdef SYS_userfaultfd
	SYS_RESULT(int, syscall(SYS_userfaultfd, flags));
#else
	(void)flags;
	return -ENOSYS;
#endif
}

static int sys_eventfd(unsigned initial, int flags)
{
	SYS_RESULT(int, eventfd(initial, flags));
}

static int sys_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	SYS_RESULT(int, sigaction(number, action, old));
}

static int sys_thread_mask(int how, const sigset_t *set, sigset_t *old)
{
	return -pthread_sigmask(how, set, old); /* leaves errno alone */
}

static int sys_sigaltstack(const stack_t *stack, stack_t *old)
{
	SYS_RESULT(int, sigaltstack(stack, old));
}

/* By the kernel's number, which is an error and not undefined when the thread has gone. */
static int sys_thread_signal(int tid, int number)
{
	SYS_RESULT(int, syscall(SYS_tgkill, getpid(), tid, number));
}

static long sys_futex(uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
	SYS_RESULT(long, syscall(SYS_futex, word, operation, value, timeout, NULL, 0));
}

#ifdef __SANITIZE_ADDRESS__
/* A thread that begins allocates in the sanitizer's runtime, whose locks fork does not look after: a child
 * forked just then would wait for ever. So a thread counts as made once it is past that. */
struct sys_start {
	void *(*entry)(void *);
	void *argument;
	sem_t begun;
};

static void *sys_start_main(void *argument)
{
	struct sys_start *start = argument;
	void *(*entry)(void *) = start->entry;
	void *entry_argument = start->argument;

	sem_post(&start->begun);
	return entry(entry_argument);
}

static int sys_start_thread(pthread_t *thread, void *(*entry)(void *), void *argument)
{
	struct sys_start start = {.entry = entry, .argument = argument};
	int error;

	sem_init(&start.begun, 0, 0);
	error = pthread_create(thread, NULL, sys_start_main, &start);
	while (error == 0 && sem_wait(&start.begun) != 0)
		continue; /* EINTR */
	sem_destroy(&start.begun);
	return error;
}
#else
static int sys_start_thread(pthread_t *thread, void *(*entry)(void *), void *argument)
{
	return pthread_create(thread, NULL, entry, argument);
}
#endif

/* The new thread starts with every signal blocked but those that its own mistakes raise: signals
 * meant for the program must not land on a thread it does not know. */
static int sys_thread_create(pthread_t *thread, void *(*entry)(void *), void *argument)
{
	int saved = errno, error;
	sigset_t blocked, old;

	gc_signals_fill(&blocked);
	pthread_sigmask(SIG_BLOCK, &blocked, &old);
	error = sys_start_thread(thread, entry, argument);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return -error;
}

/* Where the calling thread's stack is mapped: its lowest address, and how much. */
static int sys_stack_bounds(void **low, size_t *bytes)
{
	int saved = errno, error;
	pthread_attr_t attributes;

	error = pthread_getattr_np(pthread_self(), &attributes);
	if (error == 0) {
		error = pthread_attr_getstack(&attributes, low, bytes);
		pthread_attr_destroy(&attributes);
	}
	errno = saved;
	return -error;
}

#define SYS_ENTRY(type, name, parameters, arguments) .name = sys_##name,
const struct gc_sys gc_sys_real = {GC_SYS_TABLE(SYS_ENTRY)};
const struct gc_sys *gc_sys = &gc_sys_real;
