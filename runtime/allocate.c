/* runtime/allocate.c: allocation out of line: refill, large objects, waiting, giving up.
 *
 * When there is no memory the thread waits for the cycle that runs, if one does; then for a whole one,
 * twice; then for one that stops the world and compacts without a budget. Other threads may be quicker to take what that freed: so as long as
 * the live data left room for the request, and such cycles win something, it tries again: two in a row that win
 * nothing (what room there is lies between pinned objects, say) leave nothing to hope for. At last the embedder's handler is asked
 * and NULL returned. Nothing is lost on the way.
 *
 * Who runs here: attached threads, running. */
#include "gc/base/clock.h"
#include "gc/collect/collect.h"
#include "gc/collect/fixed.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

#define ALLOCATE_CLEAR_BYTES GC_KIB(256) /* some 25 us between polls */
#define ALLOCATE_TRIES 32		 /* cycles that one allocation waits for, at the most */
#define ALLOCATE_BARREN 2		 /* emergency ones in a row that win nothing */

/* Whole size, or 0 when it could never fit. */
static uint64_t allocate_size(const struct plx_heap *heap, const struct gc_type *type,
			      uint64_t length)
{
	uint64_t bytes, product;

	if (length > PLX_LENGTH_MAX)
		return 0;
	if (type->kind == GC_TYPE_CUSTOM) {
		bytes = type->size(length, type->context);
	} else {
		if (__builtin_mul_overflow(length, (uint64_t)type->pub.element_bytes, &product) ||
		    __builtin_add_overflow(product, type->pub.fixed_bytes, &bytes))
			return 0;
	}
	if (bytes < sizeof(struct plx_header) || bytes > heap->gc.config.heap_max_bytes)
		return 0;
	return gc_round_up(bytes, PLX_GRANULE_BYTES);
}

/* Clearing takes long: the thread stays stoppable meanwhile. */
static void *allocate_large(struct plx_heap *heap, struct rt_thread *thread,
			    const struct gc_type *type, uint64_t header, uint64_t bytes)
{
	uint32_t head = gc_large_take(&heap->gc, &thread->gc, type, bytes);

	if (head == GC_REGION_NONE)
		return NULL;
	for (uint64_t at = 0; at < bytes; at += ALLOCATE_CLEAR_BYTES) {
		gc_large_clear(&heap->gc, head, at, gc_min(at + ALLOCATE_CLEAR_BYTES, bytes));
		plx_poll(&thread->gc.pub);
	}
	return gc_large_publish(&heap->gc, &thread->gc, type, head, header);
}

static void *allocate_try(struct plx_heap *heap, struct rt_thread *thread,
			  const struct gc_type *type, uint64_t header, uint64_t bytes, bool fixed)
{
	struct plx_tlab *tlab = &thread->gc.pub.tlab[type->pub.space];
	char *object;

	if (bytes > heap->gc.large_bytes)
		return allocate_large(heap, thread, type, header, bytes); /* never moves either */
	if (fixed)
		return gc_fixed_alloc(&heap->gc, &thread->gc, type, header, bytes);
	if (bytes > (uint64_t)(tlab->limit - tlab->top) &&
	    !gc_tlab_refill(&heap->gc, &thread->gc, type->pub.space, bytes))
		return NULL;
	object = tlab->top;
	tlab->top += bytes;
	*(uint64_t *)(void *)object = header;
	return object;
}

struct allocate_wait {
	bool whole, emergency, collected; /* a stall */
	uint32_t gate;			  /* pacing */
	uint64_t wait_ns;
};

static void allocate_stall_stand(struct rt_thread *thread, void *context)
{
	struct plx_heap *heap = thread->gc.pub.heap;
	struct allocate_wait *wait = context;

	rt_block_begin(thread);
	wait->collected = wait->whole || !rt_collector_wait_running(heap);
	if (wait->collected)
		rt_collector_wait(heap, wait->emergency ? "emergency" : "out of memory",
				  wait->emergency);
	plx_block_exit(&thread->gc.pub);
}

/* Wait for what the running cycle frees; if none runs, or `whole` is set, for one that starts now. */
static bool allocate_stall(struct plx_heap *heap, struct rt_thread *thread, uint64_t bytes,
			   bool whole, bool emergency)
{
	struct allocate_wait wait = {.whole = whole, .emergency = emergency};
	uint64_t start_ns = gc_clock_ns(), stall_ns;

	gc_add_relaxed(&heap->gc.stalled, 1); /* a hint for the plan */
	rt_stand(thread, allocate_stall_stand, &wait);
	gc_sub_relaxed(&heap->gc.stalled, 1); /* as above */
	stall_ns = gc_clock_ns() - start_ns;
	gc_add_relaxed(&heap->gc.stats.stalls, 1); /* statistics */
	gc_add_relaxed(&heap->gc.stats.stall_ns, stall_ns);
	GC_SPAN(thread->gc.events, stall, start_ns, stall_ns, bytes, emergency, 0, 0);
	rt_listeners_stall(heap, &(struct plx_stall){.thread = &thread->gc.pub,
						     .start_ns = start_ns,
						     .duration_ns = stall_ns,
						     .bytes = bytes,
						     .emergency = emergency});
	return wait.collected;
}

static void allocate_pace_stand(struct rt_thread *thread, void *context)
{
	const struct allocate_wait *wait = context;

	rt_block_begin(thread);
	gc_pace_wait(&thread->gc.pub.heap->gc, wait->gate, wait->wait_ns);
	plx_block_exit(&thread->gc.pub);
}

/* Mutators are ahead of their ration: wait a little. */
static void allocate_pace(struct plx_heap *heap, struct rt_thread *thread)
{
	struct allocate_wait wait = {0};
	uint64_t start_ns, paced_ns;

	wait.wait_ns = gc_pace_wait_ns(&heap->gc, &wait.gate);
	if (wait.wait_ns == 0)
		return;
	start_ns = gc_clock_ns();
	rt_stand(thread, allocate_pace_stand, &wait);
	paced_ns = gc_clock_ns() - start_ns;
	gc_add_relaxed(&heap->gc.stats.paced, 1); /* statistics */
	gc_add_relaxed(&heap->gc.stats.paced_ns, paced_ns);
	GC_SPAN(thread->gc.events, paced, start_ns, paced_ns, wait.wait_ns, 0, 0, 0);
}

/* Did the last cycle leave room for this request, had nobody else come first? */
static bool allocate_has_room(struct plx_heap *heap, uint64_t bytes)
{
	uint64_t live = gc_load_relaxed(&heap->gc.stats.live_bytes); /* of a cycle that has ended */
	uint64_t region = heap->gc.regions.region_bytes;

	return live + gc_round_up(bytes, region) + heap->gc.regions.reserve_regions * region <=
	       heap->gc.config.heap_max_bytes;
}

static void *allocate_give_up(struct plx_heap *heap, struct plx_thread *thread, uint64_t bytes)
{
	if (heap->oom_handler)
		heap->oom_handler(thread, bytes, heap->oom_context);
	return NULL;
}

static void *allocate(struct plx_thread *pub, const struct plx_layout *layout, uint64_t length,
		      bool fixed)
{
	struct plx_heap *heap = pub->heap;
	struct rt_thread *thread = rt_thread_of(pub);
	const struct gc_type *type = (const struct gc_type *)layout;
	uint64_t header = layout->header | length << PLX_HEADER_LENGTH_SHIFT;
	uint64_t bytes = allocate_size(heap, type, length);

	rt_fork_check(heap);
	GC_CHECK(TH_1, gc_load_relaxed(&thread->state) == RT_RUNNING);
	GC_CHECK(LI_2, !rt_listener_inside());
	if (bytes == 0)
		return allocate_give_up(heap, pub, length);
	plx_poll(pub);
	rt_torture_allocate(thread);
	if (gc_pace_wants_cycle(&heap->gc))
		rt_collector_request(heap, gc_cause_pacing);
	allocate_pace(heap, thread);
	for (int attempt = 0, waits = 0, barren = 0;; waits++) {
		void *object = allocate_try(heap, thread, type, header, bytes, fixed);
		uint64_t freed_bytes;

		if (object)
			return object;
		if (attempt > 2 && (attempt > ALLOCATE_TRIES || barren >= ALLOCATE_BARREN ||
				    !allocate_has_room(heap, bytes)))
			return allocate_give_up(heap, pub, bytes);
		/* Relaxed: the cycle that was waited for has added to it. */
		freed_bytes = gc_load_relaxed(&heap->gc.stats.freed_bytes);
		attempt += allocate_stall(heap, thread, bytes, waits > 0, attempt >= 2);
		if (gc_load_relaxed(&heap->gc.stats.freed_bytes) != freed_bytes) /* as above */
			barren = 0;
		else
			barren += attempt > 2;
	}
}

void *plx_alloc_slow(struct plx_thread *thread, const struct plx_layout *layout, uint64_t length)
{
	RT_USE_RUNNING(thread);
	RT_USE_LAYOUT(thread, layout);
	return allocate(thread, layout, length, false);
}

void *plx_alloc_fixed(struct plx_thread *thread, const struct plx_layout *layout, uint64_t length)
{
	RT_USE_RUNNING(thread);
	RT_USE_LAYOUT(thread, layout);
	GC_CHECK(FX_1, length == 0 || layout->element_bytes ||
			       ((const struct gc_type *)layout)->kind == GC_TYPE_CUSTOM);
	return allocate(thread, layout, length, true);
}
