/* gc/base/event.h: what happened, when, and for how long: one ring of events per thread.
 *
 *	GC_SPAN(ring, name, start_ns, duration_ns, a, b, c, d);
 *	GC_INSTANT(ring, name, a, b, c, d);		and GC_COUNTER likewise
 *
 * with a name from event_table.h. `ring` is NULL when nobody traces: then all that remains is one branch
 * that is never taken. Spans take times that the caller has measured anyway.
 *
 * [EV-1] Putting an event allocates nothing, takes no lock, makes no system call and touches no heap
 *        memory: it may be done anywhere, faults and pauses included.
 * [EV-2] A put may be interrupted by a signal handler that puts into the same ring, at any instruction;
 *        and several threads may share a ring. Each put reserves a number of its own; of two that meet
 *        in one slot, one gives way. What is read was put by one of them, whole.
 * [EV-3] The oldest events are overwritten; the reader counts what it has missed.
 *
 * Who runs here: any thread in any context puts; one reader at a time reads. */
#ifndef GC_BASE_EVENT_H
#define GC_BASE_EVENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gc/base/clock.h"
#include "gc/base/event_table.h"

#define GC_EVENT_NAME_(name, ...) GC_EVENT_##name,
enum gc_event_id { GC_EVENT_TABLE(GC_EVENT_NAME_) GC_EVENT_COUNT };
#undef GC_EVENT_NAME_

#define GC_EVENT_ARGUMENTS 4
#define GC_EVENT_SLOTS 2048 /* of a ring; a power of two */

/* As it is read. */
struct gc_event {
	uint64_t at_ns, duration_ns;
	uint32_t id, tid;
	uint64_t arguments[GC_EVENT_ARGUMENTS];
};

/* A cache line. `turn` is odd while event number (turn - 1) / 2 is written, and then even. */
struct gc_event_slot {
	uint64_t turn;
	uint64_t words[3 + GC_EVENT_ARGUMENTS];
} __attribute__((aligned(64)));

struct gc_event_ring {
	/* Immutable once it is listed. */
	struct gc_event_ring *next;
	const char *role; /* "mutator", ... */
	uint32_t number;  /* of several in one role */
	/* The thread that has it. */
	uint32_t tid;
	struct gc_event_ring *next_spare; /* under the lock */
	/* The reader. */
	uint64_t read, lost;
	uint32_t named_tid;
	/* Atomic. */
	uint64_t reserved __attribute__((aligned(64)));
	struct gc_event_slot slots[GC_EVENT_SLOTS];
};

/* All rings of a heap. */
struct gc_events {
	uint32_t level;		      /* immutable; 0: off, there are no rings */
	struct gc_event_ring *shared; /* immutable: for rare events of any thread */
	pthread_mutex_t lock;
	struct gc_event_ring *rings, *spare; /* under lock */
};

/* Level 0 makes no rings. -ENOMEM leaves nothing behind. */
int gc_events_init(struct gc_events *events, uint32_t level);
void gc_events_destroy(struct gc_events *events);

/* A ring for one thread, or NULL if there are none or no memory: then its events are not recorded. Where
 * the ring is not taken by the thread that will use it, that thread calls gc_event_ring_adopt. */
struct gc_event_ring *gc_event_ring_take(struct gc_events *events, const char *role,
					 uint32_t number);
void gc_event_ring_adopt(struct gc_event_ring *ring);
/* Its next owner must have the same role. What is in it can still be read. */
void gc_event_ring_give_back(struct gc_events *events, struct gc_event_ring *ring);

/* The newest ring; the others follow by `next`. */
struct gc_event_ring *gc_events_first(struct gc_events *events);

/* The next event that has not been read, oldest first. False when there is none, or when it is still
 * being written; gc_event_ring_skip then gives that one up. */
bool gc_event_ring_next(struct gc_event_ring *ring, struct gc_event *event);
bool gc_event_ring_skip(struct gc_event_ring *ring);

/* Use the macros. `at_ns` 0 is now. */
void gc_event_put(struct gc_event_ring *ring, enum gc_event_id id, uint64_t at_ns,
		  uint64_t duration_ns, const uint64_t arguments[GC_EVENT_ARGUMENTS]);
void gc_event_put_shared(struct gc_events *events, enum gc_event_id id,
			 const uint64_t arguments[GC_EVENT_ARGUMENTS]);

/* USDT probes (provider parallax), where the build found sys/sdt.h: an instruction that does nothing until
 * a tracer puts its own in its place. The duration comes first, 0 for what has none. */
#ifdef PLX_USDT
#include <sys/sdt.h>
#define GC_EVENT_PROBE_(name, duration_ns, a, b, c, d) \
	DTRACE_PROBE5(parallax, name, duration_ns, a, b, c, d)
#else
#define GC_EVENT_PROBE_(name, duration_ns, a, b, c, d) \
	do {                                           \
	} while (0)
#endif

/* One argument: a number, or a pointer to a constant string. */
#define GC_EVENT_WORD(value) ((uint64_t)(uintptr_t)(value))

#define GC_EVENT_PUT_(ring, name, at_ns, duration_ns, a, b, c, d)                                  \
	do {                                                                                       \
		struct gc_event_ring *ring_ = (ring);                                              \
                                                                                                   \
		GC_EVENT_PROBE_(name, GC_EVENT_WORD(duration_ns), GC_EVENT_WORD(a),                \
				GC_EVENT_WORD(b), GC_EVENT_WORD(c), GC_EVENT_WORD(d));             \
		if (__builtin_expect(ring_ != NULL, 0))                                            \
			gc_event_put(ring_, GC_EVENT_##name, (at_ns), (duration_ns),               \
				     (const uint64_t[GC_EVENT_ARGUMENTS]){                         \
					     GC_EVENT_WORD(a), GC_EVENT_WORD(b), GC_EVENT_WORD(c), \
					     GC_EVENT_WORD(d)});                                   \
	} while (0)

#define GC_SPAN(ring, name, start_ns, duration_ns, a, b, c, d) \
	GC_EVENT_PUT_(ring, name, start_ns, duration_ns, a, b, c, d)
#define GC_INSTANT(ring, name, a, b, c, d) GC_EVENT_PUT_(ring, name, 0, 0, a, b, c, d)
/* From any thread that has no ring at hand: costs a system call when it is recorded. */
#define GC_INSTANT_SHARED(events, name, a, b, c, d)                                       \
	do {                                                                              \
		GC_EVENT_PROBE_(name, UINT64_C(0), GC_EVENT_WORD(a), GC_EVENT_WORD(b),    \
				GC_EVENT_WORD(c), GC_EVENT_WORD(d));                      \
		if (__builtin_expect((events)->level != 0, 0))                            \
			gc_event_put_shared((events), GC_EVENT_##name,                    \
					    (const uint64_t[GC_EVENT_ARGUMENTS]){         \
						    GC_EVENT_WORD(a), GC_EVENT_WORD(b),   \
						    GC_EVENT_WORD(c), GC_EVENT_WORD(d)}); \
	} while (0)
#define GC_COUNTER(ring, name, a, b, c, d) GC_EVENT_PUT_(ring, name, 0, 0, a, b, c, d)

#endif
