/* gc/base/event.c: rings of events. See event.h for the invariants.
 *
 *      put                                      read
 *      reserve a number                         turn is that of the number? else not yet, or lost
 *      turn: from even to odd, by CAS           copy the words
 *      store the words                          turn unchanged? else lost
 *      turn: even                                                              [MO-EVENT]
 *
 * A put that finds its slot being written, or taken by a later number, gives way: its number is lost.
 * That takes as many puts as the ring has slots in the time of one put: handlers that interrupt it, or
 * other threads that share the ring while it is off its CPU. */
#include "gc/base/event.h"

#include <errno.h>
#include <unistd.h>

#include "gc/base/atomic.h"
#include "gc/base/meta.h"

#define EVENT_WORDS (3 + GC_EVENT_ARGUMENTS)

_Static_assert(sizeof(struct gc_event_slot) == 64, "a slot is a cache line");
_Static_assert((GC_EVENT_SLOTS & (GC_EVENT_SLOTS - 1)) == 0, "slots are found by masking");

static uint64_t event_turn_done(uint64_t number)
{
	return 2 * number + 2;
}

static void event_write(struct gc_event_ring *ring, uint32_t tid, enum gc_event_id id,
			uint64_t at_ns, uint64_t duration_ns, const uint64_t *arguments)
{
	/* Relaxed: only hands out numbers; by one instruction, so that a handler gets another. */
	uint64_t number = gc_add_relaxed(&ring->reserved, 1);
	struct gc_event_slot *slot = &ring->slots[number % GC_EVENT_SLOTS];
	uint64_t turn = gc_load_relaxed(&slot->turn); /* a wrong guess fails the CAS */

	if (turn % 2 != 0 || turn >= event_turn_done(number) ||
	    !gc_cas_acq_rel(&slot->turn, &turn, event_turn_done(number) - 1)) /* [MO-EVENT] */
		return;
	gc_store_release(&slot->words[0], at_ns);		     /* [MO-EVENT] */
	gc_store_release(&slot->words[1], duration_ns);		     /* [MO-EVENT] */
	gc_store_release(&slot->words[2], (uint64_t)tid << 32 | id); /* [MO-EVENT] */
	for (int i = 0; i < GC_EVENT_ARGUMENTS; i++)
		gc_store_release(&slot->words[3 + i], arguments[i]); /* [MO-EVENT] */
	gc_store_release(&slot->turn, event_turn_done(number));	     /* [MO-EVENT] */
}

void gc_event_put(struct gc_event_ring *ring, enum gc_event_id id, uint64_t at_ns,
		  uint64_t duration_ns, const uint64_t arguments[GC_EVENT_ARGUMENTS])
{
	event_write(ring, ring->tid, id, at_ns ? at_ns : gc_clock_ns(), duration_ns, arguments);
}

void gc_event_put_shared(struct gc_events *events, enum gc_event_id id,
			 const uint64_t arguments[GC_EVENT_ARGUMENTS])
{
	if (events->shared)
		event_write(events->shared, (uint32_t)gettid(), id, gc_clock_ns(), 0, arguments);
}

/* --- reading ---------------------------------------------------------------------------------- */

enum event_found { EVENT_READ, EVENT_NOT_YET, EVENT_LOST };

static enum event_found event_read(struct gc_event_ring *ring, uint64_t number,
				   struct gc_event *event)
{
	struct gc_event_slot *slot = &ring->slots[number % GC_EVENT_SLOTS];
	uint64_t turn = gc_load_acquire(&slot->turn); /* [MO-EVENT] */
	uint64_t words[EVENT_WORDS];

	if (turn != event_turn_done(number))
		return turn < event_turn_done(number) ? EVENT_NOT_YET : EVENT_LOST;
	for (int i = 0; i < EVENT_WORDS; i++)
		words[i] = gc_load_acquire(&slot->words[i]); /* [MO-EVENT] */
	if (gc_load_relaxed(&slot->turn) != turn)	     /* after them [MO-EVENT] */
		return EVENT_LOST;
	*event = (struct gc_event){.at_ns = words[0],
				   .duration_ns = words[1],
				   .id = (uint32_t)words[2],
				   .tid = (uint32_t)(words[2] >> 32)};
	for (int i = 0; i < GC_EVENT_ARGUMENTS; i++)
		event->arguments[i] = words[3 + i];
	return EVENT_READ;
}

bool gc_event_ring_next(struct gc_event_ring *ring, struct gc_event *event)
{
	for (;;) {
		uint64_t end = gc_load_relaxed(&ring->reserved); /* stale: read next time */
		enum event_found found;

		if (ring->read == end)
			return false;
		if (end - ring->read > GC_EVENT_SLOTS) {
			ring->lost += end - ring->read - GC_EVENT_SLOTS;
			ring->read = end - GC_EVENT_SLOTS;
		}
		found = event_read(ring, ring->read, event);
		if (found == EVENT_NOT_YET)
			return false;
		ring->read++;
		if (found == EVENT_READ)
			return true;
		ring->lost++;
	}
}

bool gc_event_ring_skip(struct gc_event_ring *ring)
{
	if (ring->read == gc_load_relaxed(&ring->reserved)) /* as above */
		return false;
	ring->read++;
	ring->lost++;
	return true;
}

/* --- rings ------------------------------------------------------------------------------------ */

static struct gc_event_ring *ring_make(struct gc_events *events, const char *role, uint32_t number)
{
	struct gc_event_ring *ring = gc_meta_alloc(sizeof(*ring));

	if (!ring)
		return NULL;
	ring->role = role;
	ring->number = number;
	pthread_mutex_lock(&events->lock);
	ring->next = events->rings;
	events->rings = ring;
	pthread_mutex_unlock(&events->lock);
	return ring;
}

static struct gc_event_ring *ring_take_spare(struct gc_events *events, const char *role)
{
	struct gc_event_ring *ring;

	pthread_mutex_lock(&events->lock);
	ring = events->spare;
	if (ring && ring->role == role)
		events->spare = ring->next_spare;
	else
		ring = NULL;
	pthread_mutex_unlock(&events->lock);
	return ring;
}

struct gc_event_ring *gc_event_ring_take(struct gc_events *events, const char *role,
					 uint32_t number)
{
	struct gc_event_ring *ring;

	if (events->level == 0)
		return NULL;
	ring = ring_take_spare(events, role);
	if (!ring)
		ring = ring_make(events, role, number);
	gc_event_ring_adopt(ring);
	return ring;
}

void gc_event_ring_adopt(struct gc_event_ring *ring)
{
	if (ring)
		ring->tid = (uint32_t)gettid();
}

void gc_event_ring_give_back(struct gc_events *events, struct gc_event_ring *ring)
{
	if (!ring)
		return;
	pthread_mutex_lock(&events->lock);
	ring->next_spare = events->spare;
	events->spare = ring;
	pthread_mutex_unlock(&events->lock);
}

struct gc_event_ring *gc_events_first(struct gc_events *events)
{
	struct gc_event_ring *ring;

	if (events->level == 0)
		return NULL;
	pthread_mutex_lock(&events->lock);
	ring = events->rings;
	pthread_mutex_unlock(&events->lock);
	return ring;
}

int gc_events_init(struct gc_events *events, uint32_t level)
{
	*events = (struct gc_events){.level = level};
	if (level == 0)
		return 0;
	pthread_mutex_init(&events->lock, NULL);
	events->shared = ring_make(events, "shared", 0);
	if (events->shared)
		return 0;
	pthread_mutex_destroy(&events->lock);
	events->level = 0;
	return -ENOMEM;
}

void gc_events_destroy(struct gc_events *events)
{
	struct gc_event_ring *ring = gc_events_first(events);

	if (events->level == 0)
		return;
	while (ring) {
		struct gc_event_ring *next = ring->next;

		gc_meta_free(ring, sizeof(*ring));
		ring = next;
	}
	pthread_mutex_destroy(&events->lock);
	events->level = 0;
}
