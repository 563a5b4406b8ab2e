/* runtime/pin.c: who pins what.
 *
 * A table of pairs (object, name), each with a count and a free handle: the handle is what keeps the
 * object alive, so that marking knows nothing of pins. What keeps it in place is the count of its region,
 * gc/collect/pin.c. Since a pinned object does not move, its address is a good key.
 *
 * [RN-1] The region is pinned before the handle is made, and unpinned after it is released: at no time
 *        is there a pin whose object could move. Neither is a safepoint.
 *
 * Who runs here: attached threads; any thread (each); the cycle's thread (log). */
#include <stdio.h>
#include <string.h>

#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "gc/collect/fixed.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

#define PIN_BUCKETS_FIRST 64

struct rt_pin {
	struct rt_pin *next;
	void *object;
	const char *who;
	uint64_t count;
	struct plx_handle *handle;
};

void rt_pins_init(struct plx_heap *heap)
{
	pthread_mutex_init(&heap->pins.lock, NULL);
}

void rt_pins_destroy(struct plx_heap *heap)
{
	struct rt_pins *pins = &heap->pins;

	for (uint64_t i = 0; i < pins->capacity; i++)
		while (pins->buckets[i]) {
			struct rt_pin *pin = pins->buckets[i];

			pins->buckets[i] = pin->next;
			gc_meta_free(pin, sizeof(*pin));
		}
	gc_meta_free(pins->buckets, pins->capacity * sizeof(struct rt_pin *));
	pthread_mutex_destroy(&pins->lock);
}

static struct rt_pin **pin_bucket(const struct rt_pins *pins, const void *object)
{
	uint64_t mixed = ((uintptr_t)object >> 3) * UINT64_C(0x9e3779b97f4a7c15);

	return &pins->buckets[mixed >> 32 & (pins->capacity - 1)];
}

static bool pins_grow_locked(struct rt_pins *pins)
{
	struct rt_pins old = *pins;
	uint64_t capacity = old.capacity ? 2 * old.capacity : PIN_BUCKETS_FIRST;
	struct rt_pin **buckets;

	if (pins->count < pins->capacity)
		return true;
	buckets = gc_meta_alloc(capacity * sizeof(struct rt_pin *));
	if (!buckets)
		return old.capacity != 0; /* longer chains will do */
	pins->buckets = buckets;
	pins->capacity = capacity;
	for (uint64_t i = 0; i < old.capacity; i++)
		while (old.buckets[i]) {
			struct rt_pin *pin = old.buckets[i], **bucket;

			old.buckets[i] = pin->next;
			bucket = pin_bucket(pins, pin->object);
			pin->next = *bucket;
			*bucket = pin;
		}
	gc_meta_free(old.buckets, old.capacity * sizeof(struct rt_pin *));
	return true;
}

/* The link that leads to the pin, or to NULL at its chain's end. */
static struct rt_pin **pin_find_locked(const struct rt_pins *pins, const void *object,
				       const char *who)
{
	struct rt_pin **link = pin_bucket(pins, object);

	while (*link && ((*link)->object != object || strcmp((*link)->who, who) != 0))
		link = &(*link)->next;
	return link;
}

static bool pin_add_locked(struct plx_thread *thread, void *word, void *object, const char *who)
{
	struct rt_pins *pins = &thread->heap->pins;
	struct rt_pin *pin, **bucket;

	if (!pins_grow_locked(pins))
		return false;
	pin = *pin_find_locked(pins, object, who);
	if (pin) {
		pin->count++;
		return true;
	}
	pin = gc_meta_alloc(sizeof(*pin));
	if (!pin)
		return false;
	*pin = (struct rt_pin){.object = object, .who = who, .count = 1};
	gc_pin_region(&thread->heap->gc, gc_haddr(object)); /* [RN-1] */
	pin->handle = plx_handle_create(thread, word);
	if (!pin->handle) {
		gc_unpin_region(&thread->heap->gc, gc_haddr(object));
		gc_meta_free(pin, sizeof(*pin));
		return false;
	}
	bucket = pin_bucket(pins, object);
	pin->next = *bucket;
	*bucket = pin;
	pins->count++;
	return true;
}

/* An object that has just moved may lie in a leaf page that is not back yet: system calls could not read
 * it. Touched once, the page is there, and leaf regions that are no targets are never taken away. */
static void pin_touch(struct plx_heap *heap, const char *object)
{
	const struct gc_heap *gc = &heap->gc;
	uint64_t header, bytes;

	if (!(gc_heap_region_bits(gc, (uintptr_t)object) & GC_REGION_TARGET))
		return;
	header = gc_header_at(object);
	bytes = gc_type_size(gc_type_of(&gc->types, header), header);
	for (uint64_t at = 0; at < bytes; at += gc->view.page_bytes)
		(void)*(const volatile char *)(object + at);
	(void)*(const volatile char *)(object + bytes - 1);
}

/* What can be told without reading memory that might not be an object's. */
static bool pin_is_object(const struct plx_heap *heap, const void *object)
{
	const struct gc_regions *regions = &heap->gc.regions;
	uint32_t number;

	if (!object || (uintptr_t)object % PLX_GRANULE_BYTES != 0)
		return false;
	/* The region of a reachable object does not change its kind. */
	number = gc_region_of(regions, (struct gc_haddr){(uintptr_t)object});
	if (regions->table[number].kind == GC_REGION_FIXED)
		return gc_fixed_is_start(&heap->gc, gc_haddr(object));
	return regions->table[number].kind == GC_REGION_SMALL ||
	       (regions->table[number].kind == GC_REGION_LARGE &&
		gc_region_start(regions, number).at == (uintptr_t)object);
}

enum plx_status plx_pin(struct plx_thread *thread, void *word, const char *who)
{
	RT_USE_RUNNING(thread);
	struct plx_heap *heap = thread->heap;
	void *object = rt_object_of(heap, word);
	bool done;

	/* Relaxed: its own state. */
	GC_CHECK(TH_1, gc_load_relaxed(&rt_thread_of(thread)->state) == RT_RUNNING);
	if (!who || !pin_is_object(heap, object))
		return PLX_ERROR_MISUSE;
	pthread_mutex_lock(&heap->pins.lock);
	done = pin_add_locked(thread, word, object, who);
	pthread_mutex_unlock(&heap->pins.lock);
	if (!done)
		return PLX_ERROR_MEMORY;
	pin_touch(heap, object);
	return PLX_OK;
}

enum plx_status plx_unpin(struct plx_thread *thread, void *word, const char *who)
{
	RT_USE_RUNNING(thread);
	struct rt_pins *pins = &thread->heap->pins;
	const void *object = rt_object_of(thread->heap, word);
	struct rt_pin *pin = NULL, **link;

	GC_CHECK(TH_1, gc_load_relaxed(&rt_thread_of(thread)->state) == RT_RUNNING); /* as above */
	pthread_mutex_lock(&pins->lock);
	if (pins->capacity && who) {
		link = pin_find_locked(pins, object, who);
		pin = *link;
		if (pin && --pin->count == 0) {
			*link = pin->next;
			pins->count--;
			plx_handle_release(thread, pin->handle);
			gc_unpin_region(&thread->heap->gc, gc_haddr(object)); /* [RN-1] */
			gc_meta_free(pin, sizeof(*pin));
		}
	}
	pthread_mutex_unlock(&pins->lock);
	return pin ? PLX_OK : PLX_ERROR_MISUSE;
}

/* ---- scopes ---- */

void plx_pin_scope_enter(struct plx_pin_scope *scope, const char *who)
{
	RT_USE(scope, "`scope` is NULL");
	scope->who = who;
	scope->objects = scope->few;
	scope->count = 0;
	scope->capacity = PLX_PIN_SCOPE_FEW;
}

static bool pin_scope_grow(struct plx_pin_scope *scope)
{
	uint64_t bytes = scope->capacity * sizeof(void *);
	void **bigger;

	if (scope->count < scope->capacity)
		return true;
	bigger = scope->objects == scope->few ? gc_meta_alloc(2 * bytes)
					      : gc_meta_resize(scope->objects, bytes, 2 * bytes);
	if (!bigger)
		return false;
	if (scope->objects == scope->few)
		memcpy(bigger, scope->few, bytes);
	scope->objects = bigger;
	scope->capacity *= 2;
	return true;
}

enum plx_status plx_pin_scoped(struct plx_thread *thread, struct plx_pin_scope *scope, void *object)
{
	RT_USE(scope, "`scope` is NULL");
	enum plx_status status;

	if (!object)
		return PLX_OK;
	if (!pin_scope_grow(scope))
		return PLX_ERROR_MEMORY;
	status = plx_pin(thread, object, scope->who);
	if (status == PLX_OK)
		scope->objects[scope->count++] = object;
	return status;
}

void plx_pin_scope_exit(struct plx_thread *thread, struct plx_pin_scope *scope)
{
	RT_USE(scope, "`scope` is NULL");
	while (scope->count)
		plx_unpin(thread, scope->objects[--scope->count], scope->who);
	if (scope->objects != scope->few)
		gc_meta_free(scope->objects, scope->capacity * sizeof(void *));
	plx_pin_scope_enter(scope, scope->who);
}

/* ---- who pins what ---- */

void plx_pins_each(struct plx_heap *heap, plx_pin_visit visit, void *context)
{
	RT_USE_HEAP(heap);
	RT_USE(visit, "`visit` is NULL");
	struct rt_pins *pins = &heap->pins;

	pthread_mutex_lock(&pins->lock);
	for (uint64_t i = 0; i < pins->capacity; i++)
		for (const struct rt_pin *pin = pins->buckets[i]; pin; pin = pin->next)
			visit(pin->object, pin->who, pin->count, context);
	pthread_mutex_unlock(&pins->lock);
}

void rt_pins_stats(struct plx_heap *heap, struct plx_stats *stats)
{
	pthread_mutex_lock(&heap->pins.lock);
	stats->pins = heap->pins.count;
	pthread_mutex_unlock(&heap->pins.lock);
	pthread_mutex_lock(&heap->gc.pins.lock);
	stats->pinned_regions = heap->gc.pins.regions;
	pthread_mutex_unlock(&heap->gc.pins.lock);
}

#define PIN_LOG_NAMES 8

struct pin_log {
	const char *names[PIN_LOG_NAMES];
	uint64_t counts[PIN_LOG_NAMES];
	uint64_t others;
};

static void pin_log_one(void *object, const char *who, uint64_t count, void *context)
{
	struct pin_log *log = context;

	(void)object, (void)count;
	for (int i = 0; i < PIN_LOG_NAMES; i++) {
		if (!log->names[i])
			log->names[i] = who;
		if (strcmp(log->names[i], who) == 0) {
			log->counts[i]++;
			return;
		}
	}
	log->others++;
}

/* A line, if the cycle that ends now was held back. */
void rt_pins_log(struct gc_heap *heap)
{
	struct pin_log log = {.others = 0};
	char text[512];
	int used = 0;

	if (!heap->config.log || heap->cycle.held_by_pins == 0)
		return;
	plx_pins_each(rt_heap_of(heap), pin_log_one, &log);
	for (int i = 0; i < PIN_LOG_NAMES && log.names[i]; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%s%.32s %lu",
				 i ? ", " : "", log.names[i], log.counts[i]);
	if (log.others)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ", others %lu",
				 log.others);
	fprintf(stderr, "parallax: pins held back %lu regions; objects pinned now: %s\n",
		heap->cycle.held_by_pins, used ? text : "none");
}
