/* test/support/shadow_private.h: what the parts of the shadow model share.
 *
 * shadow_tag.c: how slots refer to objects. shadow_kind.c: kinds of objects, their slots and contents. shadow_check.c: the comparison.
 * shadow_root.c: the roots of a thread. shadow_stack.c: those on a root stack. shadow_make.c: choosing and making objects.
 * shadow_mutate.c: the random steps. shadow.c: threads and the session. */
#ifndef TEST_SUPPORT_SHADOW_PRIVATE_H
#define TEST_SUPPORT_SHADOW_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "bench/common/random.h"
#include "test/support/shadow.h"

enum shadow_kind {
	SHADOW_HEADER,	     /* 8 bytes: nothing but the header */
	SHADOW_FIXED_SMALL,  /* 40 bytes, two references */
	SHADOW_FIXED_SPARSE, /* 1,048 bytes, five references far apart */
	SHADOW_FIXED_LONG,   /* 9,016 bytes: always crosses a page */
	SHADOW_REFERENCES,
	SHADOW_BYTES,
	SHADOW_TRAILING_REFERENCES,
	SHADOW_TRAILING_BYTES,
	SHADOW_TRAILING_ODD, /* elements of 12 bytes at an offset that is not a granule's */
	SHADOW_CUSTOM,	     /* every other word a reference, which half is in the object */
	SHADOW_POSTCARD,     /* immutable, its contents follow from its id: shared by threads */
	SHADOW_KIND_COUNT
};

struct shadow_object {
	uint64_t id;
	uint64_t length;
	uint64_t seed;
	enum shadow_kind kind;
	bool fixed;		      /* of the fixed space, or large: it never moves */
	uint32_t pass;		      /* last walk that reached it */
	void *address;		      /* where that walk found it */
	struct shadow_object *parent; /* from where that walk came; NULL: a root */
	size_t parent_slot;	      /* slot of the parent, or number of the root */
	size_t edge_count;
	struct shadow_object *edges[];
};

/* A heap object next to its shadow. Raw: stale after the thread's next safepoint. */
struct shadow_pair {
	char *object;
	struct shadow_object *shadow;
};

#define SHADOW_HANDLES 48
#define SHADOW_RANGE 16
#define SHADOW_VISITED 16
#define SHADOW_SCOPED 2048
#define SHADOW_SCOPES 4
#define SHADOW_PINS 6
#define SHADOW_FIRST_PIN (SHADOW_HANDLES + SHADOW_RANGE + SHADOW_VISITED)
#define SHADOW_LOCALS 8
#define SHADOW_FIRST_LOCAL (SHADOW_FIRST_PIN + SHADOW_PINS)
#define SHADOW_FIXED_ROOTS (SHADOW_FIRST_LOCAL + SHADOW_LOCALS)
#define SHADOW_LARGE_ROOT SHADOW_HANDLES /* root range slot 0: large objects, one at a time */
#define SHADOW_LARGE_LENGTH 100000	 /* more elements than any object that is not large */
#define SHADOW_POSTBOX 64
#define SHADOW_POSTCARD_DEPTH 6

/* What all threads of a session share. */
struct shadow_world {
	/* Threads begin and end together: one that does may be in malloc, and not every malloc outlives a
	 * fork of that moment (a sanitizer's does not). */
	pthread_barrier_t together;
	struct plx_heap *heap;
	const struct shadow_options *options;
	const struct plx_layout *layouts[SHADOW_KIND_COUNT];
	struct plx_handle *postbox; /* a reference array through which threads exchange postcards */
	uintptr_t numbers_base;	    /* with --tags: numbers look like addresses from here on */
	atomic_bool stop;
	_Atomic uint64_t steps; /* summed; paces the driver */
};

/* A growing array of pointers. */
struct shadow_vector {
	struct shadow_object **items;
	size_t count, capacity;
};

/* Word -> address, emptied before each walk: for objects whose identity is not written in them, and
 * for postcards, of which one thread may have several shadows. */
struct shadow_table {
	struct shadow_table_entry {
		uint64_t key;
		const void *value;
		uint32_t pass;
	} * entries;
	size_t capacity, count;
};

struct shadow_thread {
	struct shadow_world *world;
	struct plx_thread *thread;
	struct random random;
	unsigned number;
	uint64_t next_id;
	uint64_t target; /* live objects to aim at */
	uint64_t live;	 /* found by the last walk */

	/* NULL: not created. Those after SHADOW_HANDLES stand for what is not in own memory. */
	struct plx_handle *handles[SHADOW_FIXED_ROOTS];
	struct plx_handle *scoped[SHADOW_SCOPED];
	struct plx_root_stack *stack;  /* with --stacks: holds the scoped roots */
	size_t stacked[SHADOW_SCOPED]; /* at which index */
	size_t scoped_count;
	struct plx_scope scopes[SHADOW_SCOPES];
	size_t scope_marks[SHADOW_SCOPES];
	unsigned scope_depth;
	void *range[SHADOW_RANGE];     /* registered as a root range */
	void *visited[SHADOW_VISITED]; /* handed out by a root visitor */
	char *pinned[SHADOW_PINS];     /* as in a slot: they have to stay good */
	/* On the thread's stack: C locals, which count with GC_STACKS=ambiguous; else NULL. Every other one
	 * points into its object. */
	char *volatile *locals;
	struct shadow_object *root_shadows[SHADOW_FIXED_ROOTS + SHADOW_SCOPED];

	struct shadow_vector all; /* every shadow of this thread, garbage included */
	struct shadow_vector pending;
	struct shadow_table table;
	uint32_t pass;
	struct shadow_pair sentinel; /* root 0 as last seen: another address tells of a flip */
	uint64_t cycles_seen;
	struct shadow_tally tally;
};

/* Where calls may be made to fail once, failing cleanly is right: then try again. */
static inline int shadow_tries(const struct shadow_world *world)
{
	return world->options->tolerate_null ? 3 : 1;
}

/* ---- shadow_kind.c ---- */
void shadow_layouts_register(struct shadow_world *world);
const char *shadow_kind_name(enum shadow_kind kind);
bool shadow_has_id(enum shadow_kind kind, uint64_t length);
size_t shadow_slot_count(enum shadow_kind kind, uint64_t length, uint64_t id);
size_t shadow_slot_offset(const struct shadow_object *shadow, size_t slot);
size_t shadow_first_contiguous_slot(const struct shadow_object *shadow);
void shadow_contents_fill(const struct shadow_object *shadow, char *object);
/* Offset of the first byte that differs, or 0. */
size_t shadow_contents_differ(const struct shadow_object *shadow, const char *object);
uint64_t shadow_postcard_length(uint64_t id);

static inline void *shadow_load(const void *slot)
{
	/* Acquire: pairs with the release of plx_store in another thread [MO-PUBLISH]. */
	return __atomic_load_n((plx_word const *)slot, __ATOMIC_ACQUIRE);
}

static inline uint64_t shadow_word(const void *object, size_t offset)
{
	/* Relaxed: a trace callback reads it while its owner rewrites the same value. */
	return __atomic_load_n((const uint64_t *)(const void *)((const char *)object + offset),
			       __ATOMIC_RELAXED);
}

/* ---- shadow_tag.c ---- */
void shadow_tags_set(struct plx_heap *heap, const struct shadow_options *options);
/* The word that stands in a slot for an object, or for none. */
void *shadow_encode(struct shadow_thread *self, const char *object);
/* The object that a slot's word refers to; NULL for one that refers to none. */
char *shadow_decode(const struct shadow_world *world, const void *slot_word);

static inline char *shadow_read(const struct shadow_thread *self, const void *slot)
{
	return shadow_decode(self->world, shadow_load(slot));
}

/* ---- shadow_root.c ---- */
void shadow_attach(struct shadow_thread *self);
void shadow_roots_open(struct shadow_thread *self);
void shadow_roots_close(struct shadow_thread *self);
size_t shadow_root_count(const struct shadow_thread *self);
struct shadow_pair shadow_root_get(const struct shadow_thread *self, size_t root);
void shadow_root_set(struct shadow_thread *self, size_t root, struct shadow_pair to);
void shadow_root_describe(size_t root, char *text, size_t size);
bool shadow_scope_open(struct shadow_thread *self);
void shadow_scope_close(struct shadow_thread *self);
bool shadow_scope_push(struct shadow_thread *self, struct shadow_pair what);

/* ---- shadow_stack.c ---- */
void shadow_stack_open(struct shadow_thread *self);
void shadow_stack_close(struct shadow_thread *self);
char *shadow_stack_get(const struct shadow_thread *self, size_t root);
void shadow_stack_set(struct shadow_thread *self, size_t root, char *object);
void shadow_stack_push(struct shadow_thread *self, size_t root, char *object);
void shadow_stack_drop(struct shadow_thread *self, size_t roots_left);

/* ---- shadow_check.c ---- */
void shadow_compare(struct shadow_thread *self);
/* The cheap part: header, length and id of one object. */
void shadow_check_identity(struct shadow_thread *self, struct shadow_pair pair);
void shadow_check_postcard(struct shadow_thread *self, const char *object);
void shadow_vector_push(struct shadow_vector *vector, struct shadow_object *item);
_Noreturn void shadow_fail_word(uintptr_t word); /* a number that nobody stored */
_Noreturn void shadow_fail(struct shadow_thread *self, const struct shadow_object *shadow,
			   const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- shadow_make.c ---- */
/* An object at the end of a random path; {NULL, NULL} when that leads nowhere. */
struct shadow_pair shadow_random_pair(struct shadow_thread *self);
struct shadow_pair shadow_random_parent(struct shadow_thread *self); /* has a reference slot */
size_t shadow_random_root(struct shadow_thread *self); /* never the one for large objects */
enum shadow_kind shadow_random_kind(struct shadow_thread *self);
uint64_t shadow_random_length(struct shadow_thread *self, enum shadow_kind kind);
/* The bare heap object; a safepoint. */
char *shadow_allocate(struct shadow_thread *self, enum shadow_kind kind, uint64_t length,
		      bool fixed, bool may_fail);
struct shadow_object *shadow_new(struct shadow_thread *self, enum shadow_kind kind, uint64_t length,
				 uint64_t id);
/* Both of them, filled; a safepoint. {NULL, NULL} where an allocation may fail. */
struct shadow_pair shadow_make(struct shadow_thread *self, enum shadow_kind kind, uint64_t length,
			       bool may_fail);
/* An initialising store, without barrier; and a store into an object that is not fresh. */
void shadow_link_fresh(struct shadow_thread *self, struct shadow_pair fresh, size_t slot,
		       struct shadow_pair to);
void shadow_link(struct shadow_thread *self, struct shadow_pair from, size_t slot,
		 struct shadow_pair to);

/* ---- shadow_mutate.c ---- */
void shadow_step(struct shadow_thread *self);

#endif
