/* test/support/hold.c: see hold.h. */
#include "test/support/hold.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "gc/os/sys.h"
#include "runtime/world.h"

enum hold_state { HOLD_OFF, HOLD_WANTED, HOLD_HELD };

static struct gc_sys hold_table;
static struct plx_heap *hold_heap;
void (*hold_each_call)(void);
static uint32_t hold_state, hold_ended; /* atomic */
static pthread_t hold_thread;

static void hold_nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* On the cycle's thread, with pages away. */
static void hold_here(void)
{
	uint32_t wanted = HOLD_WANTED;

	if (hold_each_call)
		hold_each_call();
	if (gc_load_acquire(&hold_state) != HOLD_WANTED ||
	    !pthread_equal(pthread_self(), hold_heap->collector.thread) ||
	    gc_load_relaxed(&hold_heap->gc.phase) != GC_PHASE_MOVING ||
	    !gc_load_acquire(&hold_heap->gc.armed) ||
	    !gc_cas_seq_cst(&hold_state, &wanted, HOLD_HELD))
		return;
	while (gc_load_acquire(&hold_state) == HOLD_HELD)
		hold_nap();
}

static intptr_t hold_mremap(void *from, size_t from_length, size_t to_length, int flags, void *to)
{
	hold_here();
	return gc_sys_real.mremap(from, from_length, to_length, flags, to);
}

static int hold_ioctl(int fd, unsigned long request, void *argument)
{
	hold_here();
	return gc_sys_real.ioctl(fd, request, argument);
}

static int hold_madvise(void *address, size_t length, int advice)
{
	hold_here();
	return gc_sys_real.madvise(address, length, advice);
}

void hold_install(void)
{
	hold_table = gc_sys_real;
	hold_table.mremap = hold_mremap;
	hold_table.ioctl = hold_ioctl;
	hold_table.madvise = hold_madvise;
	gc_sys = &hold_table;
}

void hold_uninstall(void)
{
	gc_sys = &gc_sys_real;
}

void hold_next(struct plx_heap *heap)
{
	hold_heap = heap;
	gc_store_release(&hold_state, HOLD_WANTED);
}

static void *hold_main(void *unused)
{
	plx_heap_collect(hold_heap);
	gc_store_release(&hold_ended, 1);
	return unused;
}

void hold_collect(void)
{
	gc_store_release(&hold_ended, 0);
	if (pthread_create(&hold_thread, NULL, hold_main, NULL) != 0)
		abort();
}

bool hold_wait(struct plx_thread *thread)
{
	while (gc_load_acquire(&hold_state) != HOLD_HELD) {
		if (gc_load_acquire(&hold_ended))
			return false;
		plx_poll(thread);
	}
	return true;
}

void hold_release(struct plx_thread *thread)
{
	gc_store_release(&hold_state, HOLD_OFF);
	while (!gc_load_acquire(&hold_ended))
		plx_poll(thread);
	pthread_join(hold_thread, NULL);
}
