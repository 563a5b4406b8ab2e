/* runtime/fault_thread.c: delivery by thread: reads faults from the userfaultfd and resolves them.
 *
 * While pages are away and a CPU is free (fewer mutators run than there are CPUs: a mutator that
 * waits for us has freed its own), the thread spins, since waking a sleeper takes several times as
 * long as resolving. Otherwise it sleeps in poll(2).
 *
 * Who runs here: this thread alone; the collector wakes it at the flip. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "gc/base/clock.h"
#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/collect/collect.h"
#include "gc/os/sys.h"
#include "runtime/world.h"

/* Resolve everything that is queued; true if there was anything. */
static bool fault_drain(struct plx_heap *heap, char *scratch)
{
	uintptr_t address;
	bool any = false;

	while (gc_uffd_next_fault(&heap->gc.uffd, &address) == 1) {
		uint64_t start_ns = gc_clock_ns(), fault_ns;

		gc_fault_serve_fault(&heap->gc, (struct gc_haddr){address}, scratch);
		fault_ns = gc_clock_ns() - start_ns;
		plx_histogram_record_shared(&heap->gc.distributions[PLX_DISTRIBUTION_FAULT_NS],
					    fault_ns);
		GC_SPAN(heap->fault_thread.events, fault, start_ns, fault_ns,
			gc_heap_page(&heap->gc, (struct gc_haddr){address}).n, 0, 0, 0);
		gc_add_relaxed(&heap->gc.stats.faults, 1); /* a statistic */
		any = true;
	}
	return any;
}

static bool fault_may_spin(struct plx_heap *heap)
{
	return gc_load_acquire(&heap->gc.armed) && heap->gc.config.spin_us && /* [MO-ARMED] */
	       gc_load_relaxed(&heap->attached) < heap->gc.cpus;	      /* a hint */
}

static void fault_spin(struct plx_heap *heap, char *scratch)
{
	uint64_t limit_ns = heap->gc.config.spin_us * 1000, last_ns = gc_clock_ns();

	while (fault_may_spin(heap)) {
		if (fault_drain(heap, scratch))
			last_ns = gc_clock_ns();
		else if (gc_clock_ns() - last_ns > limit_ns)
			return;
		gc_cpu_relax();
	}
}

static void *fault_main(void *argument)
{
	struct plx_heap *heap = argument;
	struct rt_fault_thread *self = &heap->fault_thread;
	char *scratch = gc_meta_alloc(heap->gc.view.page_bytes);
	struct pollfd fds[2] = {{.fd = heap->gc.uffd.fd, .events = POLLIN},
				{.fd = self->wake_fd, .events = POLLIN}};
	uint64_t count;

	GC_REQUIRE(scratch, "no memory for the fault thread's page");
	gc_event_ring_adopt(self->events);
	while (!gc_load_acquire(&self->quit)) { /* [MO-QUIT] */
		fault_spin(heap, scratch);
		gc_sys->poll(fds, 2, -1); /* any result: look at both */
		if (fds[1].revents & POLLIN)
			gc_sys->read(self->wake_fd, &count, sizeof(count));
		fault_drain(heap, scratch);
	}
	gc_meta_free(scratch, heap->gc.view.page_bytes);
	return NULL;
}

static void fault_thread_kick(struct plx_heap *heap)
{
	uint64_t one = 1;
	unsigned round = 0;

	/* Refused, it is repeated: whoever kicks may be about to join the thread. */
	while (gc_sys->write(heap->fault_thread.wake_fd, &one, sizeof(one)) < 0) {
		GC_REQUIRE(round < 1000000, "writing to an eventfd is refused");
		gc_backoff(&round);
	}
}

void rt_fault_thread_armed(struct plx_heap *heap, bool armed)
{
	if (armed && fault_may_spin(heap))
		fault_thread_kick(heap);
}

int rt_fault_thread_start(struct plx_heap *heap)
{
	struct rt_fault_thread *self = &heap->fault_thread;
	int error;

	gc_store_relaxed(&self->quit, 0); /* the thread is yet to be made */
	self->wake_fd = gc_sys->eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (self->wake_fd < 0)
		return self->wake_fd;
	self->events = gc_event_ring_take(&heap->gc.events, "fault thread", 0);
	error = gc_sys->thread_create(&self->thread, fault_main, heap);
	self->running = error >= 0;
	if (error < 0)
		gc_sys->close(self->wake_fd);
	return error;
}

void rt_fault_thread_stop(struct plx_heap *heap)
{
	struct rt_fault_thread *self = &heap->fault_thread;

	if (!self->running)
		return;
	gc_store_release(&self->quit, 1); /* [MO-QUIT] */
	fault_thread_kick(heap);
	pthread_join(self->thread, NULL);
	gc_sys->close(self->wake_fd);
	self->running = false;
}

void rt_fault_thread_forget(struct plx_heap *heap)
{
	if (heap->fault_thread.running)
		gc_sys->close(heap->fault_thread.wake_fd);
	heap->fault_thread.running = false;
}
