/* gc/os/probe_fault.c: fault capabilities, exercised: a page is armed, touched, resolved, compared.
 *
 * Thread delivery: a short-lived thread touches the page; this thread reads the fault, within a
 * time limit, makes the content through the alias and resolves. Whatever goes wrong, closing the
 * descriptor disarms the range and lets the toucher finish, so joining it cannot hang.
 *
 * SIGBUS delivery: this thread touches the page with a handler of ours in place, which resolves and
 * returns. If it cannot, it jumps out instead of faulting for ever. A SIGBUS that is not ours (a
 * heap of this process may be at work) goes to the handler that was there before.
 *
 * Who runs here: gc_probe_run, under its lock; the handler, in any thread. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include "gc/os/probe_parts.h"
#include "gc/os/sys.h"
#include "gc/os/uffd.h"

#define PROBE_PAGES 33 /* page 0 is faulted on; CONTINUE is timed on the others */
#define PROBE_TOUCH_LIMIT_MS 2000

struct probe_fault {
	struct gc_uffd uffd;
	struct gc_probe_scratch scratch;
	struct gc_capability *capability;
	volatile sig_atomic_t resolved; /* SIGBUS: times the handler ran */
	volatile int result;		/* SIGBUS: what the handler's resolve said */
};

/* Build page 0 in the alias, then map or copy it to where it is waited for. Nobody else does: a page that is stepped
 * over (EEXIST, ENOENT) is not there, and the toucher would wait for somebody to read its next fault. */
static int probe_resolve(struct probe_fault *fault)
{
	const struct gc_probe_scratch *scratch = &fault->scratch;
	size_t done = 0;
	int result;

	*(volatile uint64_t *)scratch->alias = gc_probe_pattern(7);
	result = fault->uffd.mode == GC_UFFD_MINOR
			 ? gc_uffd_continue(&fault->uffd, scratch->view, scratch->page_bytes, &done)
			 : gc_uffd_copy(&fault->uffd, scratch->view, scratch->alias,
					scratch->page_bytes, &done);
	return result == 0 && done < scratch->page_bytes ? -EIO : result;
}

/* Scratch memory, armed; after an error nothing is left, the descriptor included. */
static int probe_fault_arm(struct probe_fault *fault)
{
	bool shared = fault->uffd.mode == GC_UFFD_MINOR;
	struct gc_probe_scratch *scratch = &fault->scratch;
	size_t page_bytes, bytes;
	int result;

	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	bytes = (shared ? PROBE_PAGES : 1) * page_bytes;
	result = gc_probe_scratch_make(scratch, bytes, shared, fault->capability);
	if (result == 0 && shared) {
		/* Pages must exist, or the fault would be a missing one and not be reported. */
		gc_probe_step(fault->capability, "fallocate on a memfd");
		result = gc_sys->fallocate(scratch->memfd, 0, 0, (off_t)bytes);
	}
	if (result == 0) {
		gc_probe_step(fault->capability,
			      shared ? "registering shared memory for minor faults"
				     : "registering private memory for missing faults");
		result = gc_uffd_register(&fault->uffd, scratch->view, scratch->bytes);
	}
	if (result < 0) {
		gc_probe_scratch_drop(scratch);
		gc_uffd_close(&fault->uffd);
	}
	return result;
}

static int probe_fault_open(struct probe_fault *fault, enum gc_uffd_mode mode, bool sigbus)
{
	int result;

	gc_probe_step(fault->capability, "opening a userfaultfd");
	result = gc_uffd_open(&fault->uffd, mode, sigbus);
	return result < 0 ? result : probe_fault_arm(fault);
}

static void *probe_toucher(void *argument)
{
	return (void *)(uintptr_t) * (const volatile uint64_t *)argument;
}

static int probe_await(struct probe_fault *fault)
{
	struct pollfd poll_fd = {.fd = fault->uffd.fd, .events = POLLIN};
	uint64_t limit_ns = gc_probe_now_ns() + PROBE_TOUCH_LIMIT_MS * UINT64_C(1000000);
	uintptr_t address = 0;
	int result;

	gc_probe_step(fault->capability, "waiting for a fault to be reported");
	while (gc_probe_now_ns() < limit_ns) {
		result = gc_sys->poll(&poll_fd, 1, PROBE_TOUCH_LIMIT_MS);
		if (result < 0 && result != -EINTR)
			return result;
		result = gc_uffd_next_fault(&fault->uffd, &address);
		if (result < 0)
			return result;
		if (result == 1)
			return address == (uintptr_t)fault->scratch.view ? 0 : -EIO;
	}
	return -ETIMEDOUT;
}

static int probe_thread_touch(struct probe_fault *fault)
{
	pthread_t thread;
	void *seen = NULL;
	int result;

	gc_probe_step(fault->capability, "starting a thread");
	result = gc_sys->thread_create(&thread, probe_toucher, fault->scratch.view);
	if (result < 0)
		return result;
	result = probe_await(fault);
	if (result == 0) {
		gc_probe_step(fault->capability, fault->uffd.mode == GC_UFFD_MINOR
							 ? "UFFDIO_CONTINUE"
							 : "UFFDIO_COPY");
		result = probe_resolve(fault);
	}
	if (result < 0)
		gc_uffd_close(&fault->uffd); /* disarms, and so frees the toucher */
	pthread_join(thread, &seen);
	if (result < 0)
		return result;
	gc_probe_step(fault->capability, "comparing what the faulting thread saw");
	return (uintptr_t)seen == (uintptr_t)gc_probe_pattern(7) ? 0 : -EIO;
}

/* What the SIGBUS handler works on; set while it is installed. */
static struct probe_fault *probe_current;
static struct sigaction probe_previous;
static sigjmp_buf probe_escape;

static void probe_pass_on(int number, siginfo_t *info, void *context)
{
	if (probe_previous.sa_flags & SA_SIGINFO)
		probe_previous.sa_sigaction(number, info, context);
	else if (probe_previous.sa_handler != SIG_DFL && probe_previous.sa_handler != SIG_IGN)
		probe_previous.sa_handler(number);
	else /* the access is tried again, and then ends the process as it would have */
		gc_sys->sigaction(SIGBUS, &probe_previous, NULL);
}

static void probe_sigbus_fault(int number, siginfo_t *info, void *context)
{
	/* Acquire: pairs with the release in probe_sigbus_touch; other threads may run this too. */
	struct probe_fault *fault = __atomic_load_n(&probe_current, __ATOMIC_ACQUIRE);
	uintptr_t address = (uintptr_t)info->si_addr;

	if (fault == NULL || address < (uintptr_t)fault->scratch.view ||
	    address >= (uintptr_t)fault->scratch.view + fault->scratch.page_bytes) {
		probe_pass_on(number, info, context);
		return;
	}
	fault->result = probe_resolve(fault);
	if (fault->resolved++ > 0 || fault->result < 0)
		siglongjmp(probe_escape, 1);
}

/* Touch page 0 with the handler in place. -ELOOP: it resolved, but the page faulted again. */
static int probe_sigbus_access(struct probe_fault *fault)
{
	uint64_t seen;

	gc_probe_step(fault->capability, "resolving a fault in a SIGBUS handler");
	if (sigsetjmp(probe_escape, 1) != 0)
		return fault->result < 0 ? fault->result : -ELOOP;
	seen = *(const volatile uint64_t *)fault->scratch.view;
	if (fault->resolved == 0) {
		gc_probe_step(fault->capability, "waiting for a fault to raise SIGBUS");
		return -ETIMEDOUT;
	}
	gc_probe_step(fault->capability, "comparing what the faulting thread saw");
	return seen == gc_probe_pattern(7) ? 0 : -EIO;
}

static int probe_sigbus_touch(struct probe_fault *fault)
{
	struct sigaction action = {.sa_sigaction = probe_sigbus_fault,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK};
	sigset_t sigbus, mask;
	int result;

	sigemptyset(&action.sa_mask);
	sigemptyset(&sigbus);
	sigaddset(&sigbus, SIGBUS);
	gc_probe_step(fault->capability, "installing a SIGBUS handler");
	result = gc_sys->sigaction(SIGBUS, NULL, &probe_previous);
	if (result < 0)
		return result;
	/* Release: pairs with the acquire in the handler. */
	__atomic_store_n(&probe_current, fault, __ATOMIC_RELEASE);
	result = gc_sys->sigaction(SIGBUS, &action, NULL);
	if (result == 0) {
		/* Blocked, the signal would end the process. */
		pthread_sigmask(SIG_UNBLOCK, &sigbus, &mask);
		result = probe_sigbus_access(fault);
		pthread_sigmask(SIG_SETMASK, &mask, NULL);
		if (gc_sys->sigaction(SIGBUS, &probe_previous, NULL) < 0)
			/* Ours must not outlive this: straight to the kernel, past the table. */
			gc_sys_real.sigaction(SIGBUS, &probe_previous, NULL);
	}
	__atomic_store_n(&probe_current, NULL, __ATOMIC_RELEASE); /* as above */
	return result;
}

/* Time CONTINUE of single pages; the scratch has some to spare. */
static uint64_t probe_time_continue(struct probe_fault *fault)
{
	const struct gc_probe_scratch *scratch = &fault->scratch;
	uint64_t start_ns = gc_probe_now_ns();

	for (size_t i = 1; i < PROBE_PAGES; i++)
		if (gc_uffd_continue(&fault->uffd, scratch->view + i * scratch->page_bytes,
				     scratch->page_bytes, NULL) < 0)
			return 0;
	return (gc_probe_now_ns() - start_ns) / (PROBE_PAGES - 1);
}

static void probe_fault_part(struct gc_probe *probe, struct gc_capability *capability,
			     enum gc_uffd_mode mode, bool sigbus)
{
	struct probe_fault fault = {.capability = capability, .uffd = {.fd = -1}};
	int result = probe_fault_open(&fault, mode, sigbus);

	if (result == 0) {
		probe->origin = fault.uffd.origin;
		result = sigbus ? probe_sigbus_touch(&fault) : probe_thread_touch(&fault);
		if (result == 0 && mode == GC_UFFD_MINOR && probe->continue_page_ns == 0)
			probe->continue_page_ns = probe_time_continue(&fault);
		gc_uffd_close(&fault.uffd);
		gc_probe_scratch_drop(&fault.scratch);
	}
	capability->error = result;
	capability->works = result == 0;
}

/* One page is mapped, then all of them are asked for: a single call has to do it. */
static int probe_skip_run(struct probe_fault *fault)
{
	const struct gc_probe_scratch *scratch = &fault->scratch;
	char *second = scratch->view + scratch->page_bytes;
	size_t mapped = 0;
	int result;

	for (size_t i = 0; i < PROBE_PAGES; i++)
		*(volatile uint64_t *)(scratch->alias + i * scratch->page_bytes) =
			gc_probe_pattern(i);
	gc_probe_step(fault->capability, "UFFDIO_CONTINUE");
	result = gc_uffd_continue(&fault->uffd, second, scratch->page_bytes, NULL);
	gc_probe_step(fault->capability, "UFFDIO_CONTINUE_MODE_SKIP");
	if (result == 0)
		result = gc_uffd_continue(&fault->uffd, scratch->view, scratch->bytes, &mapped);
	if (result < 0)
		return result;
	/* Else the kernel did not pass over the page; the wrapper did. */
	if (mapped != scratch->bytes)
		return -ENOTSUP;
	gc_probe_step(fault->capability, "comparing what was mapped");
	gc_uffd_unregister(&fault->uffd, scratch->view, scratch->bytes);
	for (size_t i = 0; i < PROBE_PAGES; i++)
		if (*(volatile uint64_t *)(scratch->view + i * scratch->page_bytes) !=
		    gc_probe_pattern(i))
			return -EIO;
	return 0;
}

static void probe_skip_part(struct gc_probe *probe)
{
	struct gc_capability *capability = &probe->continue_skip;
	struct probe_fault fault = {.capability = capability, .uffd = {.fd = -1}};
	int result;

	gc_probe_step(capability, "opening a userfaultfd with UFFD_FEATURE_CONTINUE_SKIP");
	result = gc_uffd_open_skipping(&fault.uffd, false);
	if (result == 0)
		result = probe_fault_arm(&fault);
	if (result == 0) {
		result = probe_skip_run(&fault);
		gc_uffd_close(&fault.uffd);
		gc_probe_scratch_drop(&fault.scratch);
	}
	capability->error = result;
	capability->works = result == 0;
}

void gc_probe_fault_parts(struct gc_probe *probe)
{
	probe_fault_part(probe, &probe->minor_thread, GC_UFFD_MINOR, false);
	probe_fault_part(probe, &probe->minor_sigbus, GC_UFFD_MINOR, true);
	probe_fault_part(probe, &probe->missing_thread, GC_UFFD_MISSING, false);
	probe_fault_part(probe, &probe->missing_sigbus, GC_UFFD_MISSING, true);
	probe_skip_part(probe);
}
