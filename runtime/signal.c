/* runtime/signal.c: delivery by SIGBUS: the mutator resolves its own faults.
 *
 * One handler for the process, chained in front of whoever was there. It finds the heap by address
 * in a small table; what is not ours goes to the earlier handler, or back to the default action.
 *
 * [SG-1] Everything called here is safe in a signal handler: see gc/collect/fault.c.
 * [SG-2] Heaps enter and leave the table while their memory is untouched by mutators, so a fault in
 *        a heap always finds it.
 *
 * Who runs here: creation and destruction of heaps under a lock; any thread in the handler. */
#include <alloca.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "gc/base/clock.h"
#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "gc/os/sys.h"
#include "runtime/world.h"

#define SIGNAL_HEAPS_MAX 64
#define SIGNAL_STACK_BYTES 65536
#define SIGNAL_UNARMED_TRIES 1000

static pthread_mutex_t signal_lock = PTHREAD_MUTEX_INITIALIZER;
static struct plx_heap *signal_heaps[SIGNAL_HEAPS_MAX]; /* atomic */
static uint32_t signal_heap_count;			/* under signal_lock */
static struct sigaction signal_earlier;
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

static void signal_chain(int number, siginfo_t *info, void *context)
{
	if (signal_earlier.sa_flags & SA_SIGINFO) {
		signal_earlier.sa_sigaction(number, info, context);
		return;
	}
	if (signal_earlier.sa_handler != SIG_DFL && signal_earlier.sa_handler != SIG_IGN) {
		signal_earlier.sa_handler(number);
		return;
	}
	/* Default: let the faulting instruction run into it again, without us. */
	gc_sys->sigaction(SIGBUS, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

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

static int signal_install(void)
{
	struct sigaction action = {.sa_sigaction = signal_handle,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};

	sigemptyset(&action.sa_mask);
	return gc_sys->sigaction(SIGBUS, &action, &signal_earlier);
}

/* Give SIGBUS back, unless somebody installed a handler of their own since. */
static void signal_uninstall(void)
{
	struct sigaction now;

	if (gc_sys->sigaction(SIGBUS, NULL, &now) == 0 && now.sa_sigaction == signal_handle)
		gc_sys->sigaction(SIGBUS, &signal_earlier, NULL);
}

int rt_signal_add(struct plx_heap *heap)
{
	int error = -EMFILE;

	pthread_mutex_lock(&signal_lock);
	if (signal_heap_count < SIGNAL_HEAPS_MAX)
		error = signal_heap_count == 0 ? signal_install() : 0;
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
				signal_uninstall();
			break;
		}
	pthread_mutex_unlock(&signal_lock);
}

/* The handler builds a page on its stack: a thread without an alternate stack gets one, so that a
 * fault at the very end of a small stack does not overflow it. */
int rt_signal_stack_add(struct rt_thread *thread)
{
	stack_t stack, old;
	int error = gc_sys->sigaltstack(NULL, &old);

	if (error < 0 || !(old.ss_flags & SS_DISABLE))
		return error;
	thread->signal_stack_bytes =
		SIGNAL_STACK_BYTES + 2 * thread->gc.pub.heap->gc.view.page_bytes;
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

void rt_signal_stack_remove(struct rt_thread *thread)
{
	stack_t none = {.ss_flags = SS_DISABLE};

	if (!thread->signal_stack)
		return;
	gc_sys->sigaltstack(&none, NULL);
	gc_meta_free(thread->signal_stack, thread->signal_stack_bytes);
	thread->signal_stack = NULL;
}
