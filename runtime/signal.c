/* runtime/signal.c: delivery by SIGBUS: the mutator resolves its own faults.
 *
 * One handler for the process, chained in front of whoever was there. It finds the heap by address
 * in a small table; what is not ours goes to the other handlers, or back to the default action.
 *
 * [SG-1] Everything called here is safe in a signal handler: see gc/collect/fault.c.
 * [SG-2] Heaps enter and leave the table while their memory is untouched by mutators, so a fault in
 *        a heap always finds it.
 *
 * [SG-3] While it builds a page the handler is interrupted by no other handler of its thread, except for
 *        the thread's own mistakes: that one might touch the page, and wait for the one it interrupted.
 * [SG-4] Whoever has put a handler in front of ours is found before pages are taken away, and becomes
 *        the first of those that get what is not ours. It may call the one it replaced, which is ours: that
 *        call, with the same siginfo from further down the stack, goes on to the next of the chain.
 * [SG-5] A thread enters RUNNING with SIGBUS unblocked while pages are away: the kernel ends a process
 *        that faults with the signal blocked.
 *
 * Who runs here: creation and destruction of heaps under a lock; any thread in the handler. */
#include <alloca.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "gc/base/clock.h"
#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/os/signals.h"
#include "gc/os/sys.h"
#include "runtime/world.h"

#define SIGNAL_HEAPS_MAX 64
#define SIGNAL_STACK_BYTES 65536
#define SIGNAL_UNARMED_TRIES 1000
#define SIGNAL_LINKS_MAX 32	     /* different handlers that were found in front of ours */
#define SIGNAL_OWN_STACK_BYTES 16384 /* that a handler of ours may need, a page apart */

static pthread_mutex_t signal_lock = PTHREAD_MUTEX_INITIALIZER;
static struct plx_heap *signal_heaps[SIGNAL_HEAPS_MAX]; /* atomic */
static uint32_t signal_heap_count;			/* under signal_lock */
static __thread __attribute__((tls_model("initial-exec"))) uint32_t signal_unarmed_tries;

static struct plx_heap *signal_find(uintptr_t address)
{
	for (int i = 0; i < SIGNAL_HEAPS_MAX; i++) {
		struct plx_heap *heap = gc_load_acquire(&signal_heaps[i]); /* [MO-SIGHEAP] */

		if (heap && gc_heap_contains(&heap->gc, address))
			return heap;
	}
	return NULL;
}

/* --- what is not ours ---------------------------------------------------------------------------- */

/* A handler that was in front of ours, or there before it. Entered whole, and never changed. */
struct signal_link {
	struct sigaction action;
	const struct signal_link *earlier;
	uint32_t spent; /* atomic: SA_RESETHAND */
};

static struct signal_link signal_links[SIGNAL_LINKS_MAX]; /* under signal_lock */
static uint32_t signal_link_count;
static struct signal_link *signal_top; /* atomic [MO-SIGCHAIN] */

/* The call of another handler that is under way in this thread. [SG-4] */
struct signal_call {
	const siginfo_t *info;
	const void *context;
	uintptr_t frame;
	struct signal_link *link;
};

static __thread __attribute__((tls_model("initial-exec"))) struct signal_call signal_calling;

/* The default action: the faulting instruction runs into it again, without us; what was sent is sent again. */
static void signal_default(int number, const siginfo_t *info)
{
	gc_sys->sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
	if (info->si_code <= 0)
		gc_sys->thread_signal(rt_thread_id(), number);
}

/* As the kernel would have called it: with its mask on top of the interrupted code's. */
static void signal_call(struct signal_link *link, int number, siginfo_t *info, ucontext_t *context)
{
	sigset_t mask = context->uc_sigmask, before;

	for (int other = 1; other < NSIG; other++)
		if (sigismember(&link->action.sa_mask, other) == 1)
			sigaddset(&mask, other);
	if (!(link->action.sa_flags & SA_NODEFER))
		sigaddset(&mask, number);
	gc_sys->thread_mask(SIG_SETMASK, &mask, &before); /* refused: with ours */
	if (link->action.sa_flags & SA_SIGINFO)
		link->action.sa_sigaction(number, info, context);
	else
		link->action.sa_handler(number);
	gc_sys->thread_mask(SIG_SETMASK, &before, NULL);
}

static bool signal_is_handler(struct signal_link *link)
{
	uint32_t unspent = 0;

	if (!link || link->action.sa_handler == SIG_DFL || link->action.sa_handler == SIG_IGN)
		return false;
	/* Sequentially consistent for no other reason than that one of two wins. */
	return !(link->action.sa_flags & SA_RESETHAND) ||
	       gc_cas_seq_cst(&link->spent, &unspent, 1); /* [MO-SIGCHAIN] */
}

static void signal_chain(int number, siginfo_t *info, void *context)
{
	struct signal_link *link = gc_load_acquire(&signal_top); /* [MO-SIGCHAIN] */
	uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
	struct signal_call outer = signal_calling;

	if (outer.info == info && outer.context == context && frame < outer.frame)
		link = (struct signal_link *)outer.link->earlier; /* [SG-4] */
	if (!signal_is_handler(link)) {
		if (!link || link->action.sa_handler != SIG_IGN || info->si_code > 0)
			signal_default(number, info);
		return;
	}
	signal_calling = (struct signal_call){info, context, frame, link};
	signal_call(link, number, info, context);
	signal_calling = outer;
}

static bool signal_is_same(const struct sigaction *a, const struct sigaction *b)
{
	return a->sa_sigaction == b->sa_sigaction && a->sa_flags == b->sa_flags;
}

/* Put a handler at the head of the chain. One that was in it before brings its own followers back. One that
 * finds no room is left out. */
static void signal_link_locked(const struct sigaction *action)
{
	struct signal_link *link = NULL;

	for (uint32_t i = 0; i < signal_link_count && !link; i++)
		if (signal_is_same(&signal_links[i].action, action))
			link = &signal_links[i];
	if (!link) {
		if (signal_link_count == SIGNAL_LINKS_MAX)
			return;
		link = &signal_links[signal_link_count++];
		link->action = *action;
		link->earlier = gc_load_acquire(&signal_top); /* [MO-SIGCHAIN] */
	}
	gc_store_release(&signal_top, link); /* [MO-SIGCHAIN] */
}

/* --- ours ---------------------------------------------------------------------------------------- */

/* Outside of a flip a SIGBUS in the heap is the kernel having no memory for a page, unless the
 * disarming has just overtaken the signal: then the retry succeeds. */
static void signal_check_unarmed(const struct plx_heap *heap, const void *address)
{
	if (gc_load_acquire(&heap->gc.armed)) { /* [MO-ARMED] */
		signal_unarmed_tries = 0;
		return;
	}
	GC_REQUIRE(
		++signal_unarmed_tries < SIGNAL_UNARMED_TRIES,
		"SIGBUS at %p of the heap outside of a collection: the kernel has no memory for the "
		"page (cgroup or tmpfs limit?); lower GC_HEAP_MAX",
		address);
}

/* The ring of the thread that faulted, if the heap is traced [EV-2]. */
static struct gc_event_ring *signal_events(const struct plx_heap *heap)
{
	const struct rt_thread *thread = heap->gc.events.level ? rt_thread_self(heap) : NULL;

	return thread ? thread->gc.events : NULL;
}

static void signal_handle(int number, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	struct plx_heap *heap = info->si_code > 0 ? signal_find(address) : NULL;
	int saved_errno = errno;

	if (heap) {
		uint64_t start_ns = gc_clock_ns(), fault_ns;

		signal_check_unarmed(heap, info->si_addr);
		gc_fault_resolve_fault(&heap->gc, (struct gc_haddr){address},
				       alloca(heap->gc.view.page_bytes));
		fault_ns = gc_clock_ns() - start_ns;
		plx_histogram_record_shared(&heap->gc.distributions[PLX_DISTRIBUTION_FAULT_NS],
					    fault_ns);
		GC_SPAN(signal_events(heap), fault, start_ns, fault_ns,
			gc_heap_page(&heap->gc, (struct gc_haddr){address}).n, 0, 0, 0);
		gc_add_relaxed(&heap->gc.stats.faults, 1); /* a statistic */
	} else {
		signal_chain(number, info, context);
	}
	errno = saved_errno;
}

/* Ours in front; what was there becomes the head of the chain. */
static int signal_install_locked(void)
{
	struct sigaction now,
		action = {.sa_sigaction = signal_handle,
			  .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};
	int error = gc_sys->sigaction(SIGBUS, NULL, &now);

	if (error < 0 || now.sa_sigaction == signal_handle)
		return error;
	signal_link_locked(&now);
	gc_signals_fill(&action.sa_mask); /* [SG-3] */
	return gc_sys->sigaction(SIGBUS, &action, NULL);
}

/* Give SIGBUS back, unless somebody installed a handler of their own since. */
static void signal_uninstall_locked(void)
{
	const struct signal_link *top = gc_load_acquire(&signal_top); /* [MO-SIGCHAIN] */
	struct sigaction now;

	if (top && gc_sys->sigaction(SIGBUS, NULL, &now) == 0 && now.sa_sigaction == signal_handle)
		gc_sys->sigaction(SIGBUS, &top->action, NULL);
}

/* Pages are about to be taken away. [SG-4] */
int rt_signal_ensure(void)
{
	int error;

	pthread_mutex_lock(&signal_lock);
	error = signal_install_locked();
	pthread_mutex_unlock(&signal_lock);
	return error;
}

int rt_signal_add(struct plx_heap *heap)
{
	int error = -EMFILE;

	pthread_mutex_lock(&signal_lock);
	if (signal_heap_count < SIGNAL_HEAPS_MAX)
		error = signal_install_locked();
	for (int i = 0; error == 0 && i < SIGNAL_HEAPS_MAX; i++)
		if (!gc_load_acquire(&signal_heaps[i])) {	  /* [MO-SIGHEAP] */
			gc_store_release(&signal_heaps[i], heap); /* [MO-SIGHEAP] */
			signal_heap_count++;
			break;
		}
	pthread_mutex_unlock(&signal_lock);
	return error;
}

void rt_signal_remove(struct plx_heap *heap)
{
	pthread_mutex_lock(&signal_lock);
	for (int i = 0; i < SIGNAL_HEAPS_MAX; i++)
		if (gc_load_acquire(&signal_heaps[i]) == heap) {  /* [MO-SIGHEAP] */
			gc_store_release(&signal_heaps[i], NULL); /* [MO-SIGHEAP] */
			if (--signal_heap_count == 0)
				signal_uninstall_locked();
			break;
		}
	pthread_mutex_unlock(&signal_lock);
}

/* --- the thread that takes faults ----------------------------------------------------------------- */

static int signal_unblock(bool *was_blocked)
{
	sigset_t bus, old;
	int error;

	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	error = gc_sys->thread_mask(SIG_UNBLOCK, &bus, &old);
	*was_blocked = error == 0 && sigismember(&old, SIGBUS) == 1;
	return error;
}

/* [SG-5] */
void rt_signal_unblock(struct rt_thread *thread)
{
	bool was_blocked;
	unsigned round = 0;

	while (signal_unblock(&was_blocked) < 0) {
		GC_REQUIRE(round < 1000, "SIGBUS cannot be unblocked, and pages are away");
		gc_backoff(&round);
	}
	thread->signal_was_blocked |= was_blocked;
}

/* The handler builds a page on its stack: a thread without an alternate stack gets one, so that a fault at
 * the very end of a small stack does not overflow it; so does one whose own is too small, which it gets
 * back when it detaches. */
static int signal_stack_give(struct rt_thread *thread)
{
	uint64_t page_bytes = thread->gc.pub.heap->gc.view.page_bytes;
	stack_t stack, *old = &thread->signal_stack_before;
	int error = gc_sys->sigaltstack(NULL, old);

	if (error < 0 || old->ss_flags & SS_ONSTACK ||
	    (!(old->ss_flags & SS_DISABLE) && old->ss_size >= SIGNAL_OWN_STACK_BYTES + page_bytes))
		return error;
	thread->signal_stack_bytes = SIGNAL_STACK_BYTES + 2 * page_bytes;
	thread->signal_stack = gc_meta_alloc(thread->signal_stack_bytes);
	if (!thread->signal_stack)
		return -ENOMEM;
	stack = (stack_t){.ss_sp = thread->signal_stack, .ss_size = thread->signal_stack_bytes};
	error = gc_sys->sigaltstack(&stack, NULL);
	if (error < 0) {
		gc_meta_free(thread->signal_stack, thread->signal_stack_bytes);
		thread->signal_stack = NULL;
	}
	return error;
}

int rt_signal_stack_add(struct rt_thread *thread)
{
	int error = signal_unblock(&thread->signal_was_blocked);

	return error < 0 ? error : signal_stack_give(thread);
}

/* Ours goes, unless the thread has put another one in its place since. */
static void signal_stack_take(struct rt_thread *thread)
{
	stack_t now = {0};

	if (!thread->signal_stack)
		return;
	if (gc_sys->sigaltstack(NULL, &now) < 0 || now.ss_sp == thread->signal_stack)
		gc_sys->sigaltstack(&thread->signal_stack_before, NULL);
	gc_meta_free(thread->signal_stack, thread->signal_stack_bytes);
	thread->signal_stack = NULL;
}

void rt_signal_stack_remove(struct rt_thread *thread)
{
	sigset_t bus;

	signal_stack_take(thread);
	if (!thread->signal_was_blocked)
		return;
	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	gc_sys->thread_mask(SIG_BLOCK, &bus, NULL);
}

void rt_signal_fork(enum gc_fork_step step)
{
	gc_fork_mutex(&signal_lock, step);
}
