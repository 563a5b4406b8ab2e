/* test/support/shadow.h: the shadow model: a random program whose heap is mirrored in malloc memory.
 *
 * Every heap object has a shadow that records its kind, length, contents (as a seed) and edges.
 * Threads allocate, link, unlink, drop and read at random; whenever a thread notices that the
 * collector moved or collected, it walks its whole part of the heap next to the shadow and
 * compares: [I1] every reference leads to the object it should, [I5] contents and shape are what
 * the program made them. Any difference prints the path to it and aborts.
 *
 * What is not compared: order of freeing (garbage is only never looked at again), and the private
 * state of the collector (its own verifier, GC_VERIFY=1, does that). */
#ifndef TEST_SUPPORT_SHADOW_H
#define TEST_SUPPORT_SHADOW_H

#include <parallax/parallax.h>

struct shadow_options {
	uint64_t cycles; /* stop when the heap has finished this many more */
	uint64_t seed;
	uint64_t objects; /* live objects to aim at, over all threads */
	unsigned threads;
	bool large; /* also allocate objects larger than a region */
	enum shadow_roots {
		SHADOW_ROOTS_BY_SEED, /* all sorts if the seed is even */
		SHADOW_ROOTS_HANDLES, /* nothing in own memory: cycles start without a pause */
		SHADOW_ROOTS_ALL,     /* also a range and a visitor */
	} roots;
	bool churn;	      /* mostly overwrite and clear edges; block, detach and attach often */
	bool tags;	      /* references are tagged, and stand among numbers */
	bool stacks;	      /* scoped roots lie on a root stack */
	bool locals;	      /* C locals hold raw references: the heap has GC_STACKS=ambiguous */
	bool fork;	      /* children go on with their copy of the heap: it has GC_FORK=copy */
	bool tolerate_null;   /* an allocation may fail: skip that step */
	const char *plan;     /* "minor", "copy", "stw" or NULL: whatever the heap has */
	const char *delivery; /* "thread", "sigbus" or NULL */
	const char *heap_max; /* as for GC_HEAP_MAX; NULL: the default of this model */
};

struct shadow_tally {
	uint64_t steps;
	uint64_t allocations;
	uint64_t null_allocations;
	uint64_t fixed;	      /* of the allocations, in the fixed space, large ones included */
	uint64_t comparisons; /* full walks */
	uint64_t comparisons_early; /* of those, with a cycle still under way */
	uint64_t compared_objects;
	uint64_t moved_objects; /* found at another address than by the walk before */
	uint64_t nulls,
		overwrites; /* stores of NULL over a reference, of another reference over one */
	uint64_t attaches;
	uint64_t blocks;
	uint64_t forks; /* children that were forked, and went on rightly */
	uint64_t cycles;
	uint64_t live_objects; /* at the last walk of each thread, summed */
};

void shadow_options_init(struct shadow_options *options);

/* Defaults, then GC_* variables, then the plan, delivery and heap size demanded. Exits with a
 * message when an option is malformed. */
void shadow_config(const struct shadow_options *options, struct plx_heap_config *config);

/* Make the heap that `options` demand; if the kernel does not offer the plan or the delivery, ends
 * through test_require. */
struct plx_heap *shadow_heap_create(const struct shadow_options *options);

/* Run on a heap the caller made, with no thread attached; leaves no root behind. Aborts on a
 * mismatch. */
void shadow_run(struct plx_heap *heap, const struct shadow_options *options,
		struct shadow_tally *tally);

/* A line to print in front of any mismatch, e.g. which fault is armed. The string must stay. */
void shadow_context(const char *line);

#endif
