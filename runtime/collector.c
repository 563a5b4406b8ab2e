/* runtime/collector.c: the thread that runs cycles, and asking it for one.
 *
 * [CL-1] A wait returns when a cycle that started after the call has finished: the caller wants
 *        cycle number started + 1, whatever is under way.
 * [CL-2] A waiting mutator is BLOCKED, so the cycle does not wait for it.
 * [CL-3] A running mutator asks under the lock. So nobody stops the world while he has it: the
 *        stop would wait for one who waits for the lock.
 *
 * While idle, the thread gives free memory back by policy, off everybody's path. */
#include <errno.h>

#include "gc/base/clock.h"
#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "gc/collect/fixed.h"
#include "gc/collect/fork.h"
#include "gc/collect/guardian.h"
#include "gc/collect/identity.h"
#include "gc/collect/markpool.h"
#include "gc/collect/reference.h"
#include "gc/collect/workers.h"
#include "gc/os/sys.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

#define IDLE_POLL_MS 100

void rt_collector_request(struct plx_heap *heap, const char *cause)
{
	struct rt_collector *collector = &heap->collector;

	/* Relaxed: a second request for the same cycle is only superfluous; set from the request until
	 * the cycle has ended, so that what it frees is seen before the next is asked for. */
	if (gc_load_relaxed(&collector->requested))
		return;
	pthread_mutex_lock(&collector->lock);
	gc_store_relaxed(&collector->requested, 1);
	if (collector->wanted <= collector->finished) {
		collector->wanted = collector->finished + 1;
		collector->cause = cause;
	}
	pthread_cond_signal(&collector->wake);
	pthread_mutex_unlock(&collector->lock);
}

bool rt_collector_wait_running(struct plx_heap *heap)
{
	struct rt_collector *collector = &heap->collector;
	uint64_t running;
	bool any;

	pthread_mutex_lock(&collector->lock);
	running = collector->started;
	any = collector->finished < running;
	while (collector->finished < running && !collector->quit)
		pthread_cond_wait(&collector->done, &collector->lock);
	pthread_mutex_unlock(&collector->lock);
	return any;
}

void rt_collector_wait(struct plx_heap *heap, const char *cause, bool emergency)
{
	struct rt_collector *collector = &heap->collector;
	uint64_t mine;

	rt_fork_check(heap);
	GC_CHECK(LI_2, !rt_listener_inside());
	pthread_mutex_lock(&collector->lock);
	mine = collector->started + 1; /* [CL-1] */
	if (collector->wanted < mine) {
		collector->wanted = mine;
		collector->cause = cause;
	}
	collector->emergency |= emergency;
	pthread_cond_signal(&collector->wake);
	while (collector->finished < mine && !collector->quit)
		pthread_cond_wait(&collector->done, &collector->lock);
	pthread_mutex_unlock(&collector->lock);
}

/* How many regions may stay resident: the configured target, or a sixteenth above what is in use. While
 * mutators allocate, what they will use before the next cycle stays too: giving it back would only
 * make them fetch it again. */
static uint32_t idle_target_regions(const struct plx_heap *heap, bool allocating)
{
	const struct gc_regions *regions = &heap->gc.regions;
	uint64_t target = heap->gc.config.resident_target_bytes;
	uint32_t used = gc_load_relaxed(&regions->used); /* a hint, as the next */
	uint32_t trigger = gc_load_relaxed(&heap->gc.trigger_regions);

	if (target)
		return (uint32_t)(target >> regions->region_shift);
	return gc_max(used + used / 16 + 1, allocating ? trigger : 0);
}

static struct timespec idle_deadline(uint64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

static uint64_t collector_returned_bytes(struct gc_regions *regions)
{
	uint64_t bytes;

	pthread_mutex_lock(&regions->lock);
	bytes = regions->returned_bytes;
	pthread_mutex_unlock(&regions->lock);
	return bytes;
}

static void collector_return_memory(struct plx_heap *heap, uint32_t target_regions, bool allocating)
{
	struct gc_regions *regions = &heap->gc.regions;
	uint64_t before = collector_returned_bytes(regions), returned;

	gc_trim(&heap->gc, target_regions);
	if (!allocating)
		gc_fixed_purge(&heap->gc);
	returned = collector_returned_bytes(regions) - before;
	if (returned == 0)
		return;
	GC_INSTANT(heap->gc.cycle_events, returned, returned, 0, 0, 0);
	rt_log_returned(heap, returned);
	rt_listeners_memory_returned(heap, returned);
}

/* plx_heap_trim: all that is free, at once. The lock is held on entry and return. False: nobody asked, or it
 * has to wait. */
static bool collector_trim_asked_locked(struct plx_heap *heap)
{
	struct rt_collector *collector = &heap->collector;
	const struct gc_regions *regions = &heap->gc.regions;
	uint64_t wanted = collector->trims_wanted;

	if (wanted == collector->trims_done || collector->held || collector->quit)
		return false;
	pthread_mutex_unlock(&collector->lock);
	collector_return_memory(
		heap, (uint32_t)(heap->gc.config.resident_target_bytes >> regions->region_shift),
		false);
	pthread_mutex_lock(&collector->lock);
	collector->trims_done = wanted;
	pthread_cond_broadcast(&collector->done);
	return true;
}

/* Give memory back if it has been idle. True when nothing is left to be given back later. */
static bool collector_trim(struct plx_heap *heap, uint64_t *allocated_bytes)
{
	uint64_t now_bytes = gc_load_relaxed(&heap->gc.allocated_bytes); /* a hint */
	bool allocating = now_bytes != *allocated_bytes && heap->gc.config.resident_idle_ms;

	*allocated_bytes = now_bytes;
	collector_return_memory(heap, idle_target_regions(heap, allocating), allocating);
	return !allocating;
}

/* Wait for work. The lock is held on entry and return. */
static void collector_idle_locked(struct plx_heap *heap)
{
	struct rt_collector *collector = &heap->collector;
	uint64_t idle_since_ns = gc_clock_ns();
	uint64_t allocated_bytes = gc_load_relaxed(&heap->gc.allocated_bytes); /* a hint */
	bool trimmed = false;

	collector_trim_asked_locked(heap); /* also when one cycle follows the other */
	while ((collector->held || collector->wanted <= collector->finished) && !collector->quit) {
		uint64_t idle_ms = (gc_clock_ns() - idle_since_ns) / 1000000;
		struct timespec deadline = idle_deadline(IDLE_POLL_MS);

		if (collector_trim_asked_locked(heap))
			continue;
		if (!trimmed && !collector->held && idle_ms >= heap->gc.config.resident_idle_ms) {
			pthread_mutex_unlock(&collector->lock);
			trimmed = collector_trim(heap, &allocated_bytes);
			pthread_mutex_lock(&collector->lock);
			idle_since_ns = gc_clock_ns();
			continue;
		}
		collector->resting = true;
		pthread_cond_broadcast(&collector->done); /* rt_collector_hold waits for this too */
		if (trimmed)
			pthread_cond_wait(&collector->wake, &collector->lock);
		else
			pthread_cond_timedwait(&collector->wake, &collector->lock, &deadline);
		collector->resting = false;
	}
}

/* Of the cycle that begins. */
static uint64_t collector_cycle_number(const struct plx_heap *heap)
{
	return gc_load_relaxed(&heap->gc.stats.cycles) + 1; /* this thread counts them */
}

static void *collector_main(void *argument)
{
	struct plx_heap *heap = argument;
	struct rt_collector *collector = &heap->collector;

	gc_event_ring_adopt(heap->gc.cycle_events);
	pthread_mutex_lock(&collector->lock);
	for (;;) {
		const char *cause;
		bool emergency;

		collector_idle_locked(heap);
		if (collector->quit)
			break;
		collector->started++;
		gc_store_relaxed(&collector->requested, 1); /* under the lock */
		cause = collector->cause;
		emergency = collector->emergency;
		collector->emergency = false;
		pthread_mutex_unlock(&collector->lock);
		rt_listeners_cycle_begin(heap, collector_cycle_number(heap), cause);
		gc_cycle_run(&heap->gc, cause, emergency);
		rt_telemetry_cycle(heap);
		pthread_mutex_lock(&collector->lock);
		collector->finished = collector->started;
		gc_store_relaxed(&collector->requested, 0); /* under the lock */
		pthread_cond_broadcast(&collector->done);
		pthread_mutex_unlock(&collector->lock);
		rt_trace_write(heap);
		pthread_mutex_lock(&collector->lock);
	}
	pthread_mutex_unlock(&collector->lock);
	return NULL;
}

/* Half the CPUs: the other half is the mutators'. */
static uint32_t collector_workers(const struct plx_heap *heap)
{
	if (heap->gc.config.workers)
		return (uint32_t)heap->gc.config.workers;
	return gc_min(gc_max(heap->gc.cpus / 2, 1u), 8u);
}

void rt_collector_hold(struct plx_heap *heap)
{
	struct rt_collector *collector = &heap->collector;

	pthread_mutex_lock(&collector->lock);
	collector->held = true;
	while (!collector->resting && !collector->quit)
		pthread_cond_wait(&collector->done, &collector->lock);
	pthread_mutex_unlock(&collector->lock); /* [CL-3] */
}

void rt_collector_let_go(struct plx_heap *heap)
{
	struct rt_collector *collector = &heap->collector;

	pthread_mutex_lock(&collector->lock);
	collector->held = false;
	pthread_cond_signal(&collector->wake);
	pthread_mutex_unlock(&collector->lock);
}

/* Whoever waited for a cycle is no more. */
void rt_collector_renew(struct plx_heap *heap)
{
	struct rt_collector *collector = &heap->collector;

	gc_fork_mutex(&collector->lock, GC_FORK_RENEW);
	gc_fork_cond(&collector->wake, true, GC_FORK_RENEW);
	gc_fork_cond(&collector->done, true, GC_FORK_RENEW);
	collector->wanted = collector->finished = collector->started;
	collector->emergency = collector->quit = collector->resting = collector->held = false;
	collector->started_thread = false;
	collector->trims_done = collector->trims_wanted;
	gc_store_relaxed(&collector->requested, 0); /* there is one thread */
}

int rt_collector_restart(struct plx_heap *heap)
{
	struct rt_collector *collector = &heap->collector;
	int error;

	gc_workers_restart(&heap->gc);
	error = gc_sys->thread_create(&collector->thread, collector_main, heap);
	collector->started_thread = error >= 0;
	if (error >= 0)
		gc_supply_restart(&heap->gc);
	return error;
}

int rt_collector_start(struct plx_heap *heap)
{
	struct rt_collector *collector = &heap->collector;
	int error;

	rt_collector_renew(heap);
	heap->gc.cycle_events = gc_event_ring_take(&heap->gc.events, "collector", 0);
	heap->gc.mark_pool = gc_mark_pool_create();
	if (!heap->gc.mark_pool || !gc_references_create(&heap->gc) ||
	    !gc_guardians_create(&heap->gc) || !gc_identities_create(&heap->gc) ||
	    !gc_fixed_create(&heap->gc) ||
	    (heap->gc.config.stacks && !gc_ambiguous_create(&heap->gc)) ||
	    gc_workers_create(&heap->gc, collector_workers(heap)) < 0)
		return -ENOMEM;
	error = gc_sys->thread_create(&collector->thread, collector_main, heap);
	collector->started_thread = error >= 0;
	if (error >= 0)
		gc_supply_start(&heap->gc);
	return error;
}

void rt_collector_stop(struct plx_heap *heap)
{
	struct rt_collector *collector = &heap->collector;

	if (collector->started_thread) {
		pthread_mutex_lock(&collector->lock);
		collector->quit = true;
		pthread_cond_signal(&collector->wake);
		pthread_mutex_unlock(&collector->lock);
		pthread_join(collector->thread, NULL);
	}
	gc_supply_stop(&heap->gc);
	gc_workers_destroy(&heap->gc);
	gc_fixed_destroy(&heap->gc);
	gc_identities_destroy(&heap->gc);
	gc_guardians_destroy(&heap->gc);
	gc_references_destroy(&heap->gc);
	gc_ambiguous_destroy(&heap->gc);
	gc_mark_pool_destroy(heap->gc.mark_pool);
}

struct collect_wish {
	const char *cause;
	bool emergency;
};

static void collect_stand(struct rt_thread *thread, void *context)
{
	const struct collect_wish *wish = context;

	rt_block_begin(thread);
	rt_collector_wait(thread->gc.pub.heap, wish->cause, wish->emergency);
	plx_block_exit(&thread->gc.pub);
}

void rt_collector_stand(struct rt_thread *thread, const char *cause, bool emergency)
{
	rt_stand(thread, collect_stand, &(struct collect_wish){cause, emergency});
}

void plx_collect(struct plx_thread *thread)
{
	RT_USE_RUNNING(thread);
	rt_collector_stand(rt_thread_of(thread), "asked for", false);
}

void plx_heap_collect(struct plx_heap *heap)
{
	RT_USE_HEAP(heap);
	struct rt_thread *thread = rt_thread_self(heap);

	/* An attached thread must not make the cycle wait for itself. */
	if (thread && gc_load_relaxed(&thread->state) == RT_RUNNING) /* its own state */
		plx_collect(&thread->gc.pub);
	else
		rt_collector_wait(heap, "asked for", false);
}

static void trim_wait(struct plx_heap *heap)
{
	struct rt_collector *collector = &heap->collector;
	uint64_t mine;

	rt_fork_check(heap);
	GC_CHECK(LI_2, !rt_listener_inside());
	pthread_mutex_lock(&collector->lock);
	mine = ++collector->trims_wanted;
	pthread_cond_signal(&collector->wake);
	while (collector->trims_done < mine && !collector->quit)
		pthread_cond_wait(&collector->done, &collector->lock);
	pthread_mutex_unlock(&collector->lock);
}

static void trim_stand(struct rt_thread *thread, void *context)
{
	rt_block_begin(thread);
	trim_wait(context);
	plx_block_exit(&thread->gc.pub);
}

void plx_heap_trim(struct plx_heap *heap)
{
	RT_USE_HEAP(heap);
	struct rt_thread *thread = rt_thread_self(heap);

	/* As in plx_heap_collect: the cycle that is waited for may be waiting for this thread. */
	if (thread && gc_load_relaxed(&thread->state) == RT_RUNNING) /* its own state */
		rt_stand(thread, trim_stand, heap);
	else
		trim_wait(heap);
}
