/* gc/heap/heap.h: the heap as the collector sees it: all state, grouped by who may change it.
 *
 * The runtime embeds `struct gc_heap` in its `struct plx_heap` and `struct gc_mutator` in its
 * thread; what the collector needs of the runtime it asks through `struct gc_world`. */
#ifndef GC_HEAP_HEAP_H
#define GC_HEAP_HEAP_H

#include <parallax/heap.h>
#include <parallax/histogram.h>
#include <parallax/listener.h>
#include <parallax/tag.h>
#include <parallax/thread.h>

#include "gc/base/event.h"
#include "gc/heap/extent.h"
#include "gc/heap/forward.h"
#include "gc/heap/markbits.h"
#include "gc/heap/page_state.h"
#include "gc/heap/region.h"
#include "gc/heap/torture.h"
#include "gc/heap/type.h"
#include "gc/heap/view.h"
#include "gc/os/uffd.h"

struct gc_ambiguous;
struct gc_fixed;
struct gc_guardians;
struct gc_heap;
struct gc_identities;
struct gc_oracle;
struct gc_references;
struct gc_resolver;
struct gc_rootstack;

#define GC_SATB_COUNT 256

/* `plx_thread.barrier`: what a reference store has to do besides storing. */
enum gc_barrier_bit {
	GC_BARRIER_LOG = 1,    /* marking: log the value that is overwritten */
	GC_BARRIER_FLAG = 2,   /* marking or planning: flag the page of the slot */
	GC_BARRIER_INSERT = 4, /* marking is about to begin: log the stored value too */
};

/* The values that `plx_thread.barrier` takes: what a mutator does about the cycle. Each changes at
 * its own safepoint, see gc/cycle.c; `heap->regime` is what threads that attach begin with. */
enum gc_regime {
	GC_REGIME_IDLE = 0,
	GC_REGIME_ARMED = GC_BARRIER_LOG | GC_BARRIER_FLAG | GC_BARRIER_INSERT,
	GC_REGIME_MARKING = GC_BARRIER_LOG | GC_BARRIER_FLAG,
	GC_REGIME_PLANNING = GC_BARRIER_FLAG,
};

/* Regions that are allocated into now: white ones are marked like any other; what is in a black one
 * is live in this cycle, unmarked and unscanned. */
enum gc_colour { GC_WHITE, GC_BLACK, GC_COLOUR_COUNT };

struct gc_mutator {
	struct plx_thread pub; /* first: a plx_thread pointer is a gc_mutator pointer */
	/* The thread itself, or the collector while it is stopped or blocked. */
	uint32_t satb_count;
	uintptr_t satb[GC_SATB_COUNT];
	char *black_from[PLX_SPACE_COUNT]; /* objects of the TLAB from here on have no mark bit yet */
	uint32_t tlab_step;		   /* how large the next TLAB is, see allocate.c */
	uint64_t allocated_bytes;	   /* handed to this thread as TLABs and large objects */
	/* Immutable after attach: its events, and those of level 2; NULL: not recorded. */
	struct gc_event_ring *events, *fine_events;
};

/* A full SATB buffer on its way to the marker. */
struct gc_satb_chunk {
	struct gc_satb_chunk *next;
	uint32_t count;
	uintptr_t refs[GC_SATB_COUNT];
};

/* Called for runs of words that may be references. */
typedef void (*gc_words_visit)(struct gc_heap *heap, const uintptr_t *low, const uintptr_t *high);

/* Called for each reference that a stack map tells of, with the pointers that are derived from it. */
typedef void (*gc_mapped_visit)(struct gc_heap *heap, uintptr_t *slot, uintptr_t *const *derived,
				uint32_t count);

/* What to do about a native stack; either may be NULL. */
struct gc_stack_visit {
	gc_words_visit words;
	gc_mapped_visit reference;
};

/* Called for each root slot of the embedder's own memory. */
typedef void (*gc_root_visit)(struct gc_heap *heap, uintptr_t *slot, void *context);

/* How mutators wait in a pause. A CPU that spins in user mode has to be interrupted for every page
 * table that moves, which costs more than waking a sleeper: so for the flip they sleep. */
enum gc_stop { GC_STOP_BRIEF, GC_STOP_FLIP };

/* Done once for a mutator, at a safepoint of its own or while it cannot run. */
typedef void (*gc_answer)(struct gc_heap *heap, struct gc_mutator *mutator);

/* Stacks that no thread runs on: which of them to scan. */
enum gc_parked {
	GC_PARKED_NEW,	  /* not noted since stacks_begin(); they are noted now */
	GC_PARKED_ALL,	  /* from now on held, until somebody runs on them */
	GC_PARKED_UNHELD, /* those that are not */
	GC_PARKED_ANY,	  /* all, and nothing is noted about them */
};

/* What the collector needs from the runtime. stop() returns when every mutator stands at a
 * safepoint or is blocked; visits happen only between stop and resume. */
struct gc_world {
	void (*stop)(struct gc_heap *heap, enum gc_stop kind);
	void (*resume)(struct gc_heap *heap);
	/* Has `answer` done for every mutator that is attached now, each at its own safepoint while the
	 * others run; returns when all have answered. Not while the world is stopped. */
	void (*handshake)(struct gc_heap *heap, gc_answer answer);
	/* False if the embedder has registered roots in its own memory. Else whoever registers one
	 * waits for roots_open(); roots_any() tells whether somebody has. */
	bool (*roots_close)(struct gc_heap *heap);
	bool (*roots_any)(struct gc_heap *heap);
	void (*roots_open)(struct gc_heap *heap);
	void (*each_mutator)(struct gc_heap *heap, gc_answer visit);
	void (*each_root)(struct gc_heap *heap, gc_root_visit visit, void *context);
	/* A pause has ended; mutators run. */
	void (*paused)(struct gc_heap *heap, const struct plx_pause *pause);
	/* Hands out what is on a mutator's native stack: to itself, or while it cannot run. */
	void (*scan_stack)(struct gc_heap *heap, struct gc_mutator *mutator,
			   const struct gc_stack_visit *visit);
	/* The same for stacks that no thread runs on: before the snapshots, nothing of them is noted;
	 * then `which` ones. Whoever gets hold of such a stack while snapshots are given notes it. */
	void (*stacks_begin)(struct gc_heap *heap);
	void (*scan_parked)(struct gc_heap *heap, enum gc_parked which,
			    const struct gc_stack_visit *visit);
	/* Before pages are taken away: would faults reach us? If not, this flip does all in its pause. */
	bool (*faults_ready)(struct gc_heap *heap);
	/* Are there fewer attached threads than CPUs? A hint. */
	bool (*cpu_to_spare)(const struct gc_heap *heap);
	/* Pages were taken away (in the pause) or are all back: faults begin or end. */
	void (*armed)(struct gc_heap *heap, bool armed);
};

enum gc_phase {
	GC_PHASE_IDLE,
	GC_PHASE_MARKING,  /* from the first barrier that is on until marking is complete */
	GC_PHASE_PLANNING, /* pages flagged from now on are also listed [B-3] */
	GC_PHASE_MOVING,   /* flipped: pages come back one by one */
};

enum gc_flip_mode { GC_FLIP_DETACH, GC_FLIP_ZAP, GC_FLIP_IN_PAUSE };

#define GC_DIRTY_RUNS_MAX 64

/* One cycle's decisions and figures; written by the cycle's thread alone, before the flip for what
 * faults read. */
struct gc_cycle {
	const char *cause;
	bool stop_the_world; /* everything in one pause: emergency, or the stw plan */
	bool thrifty;	     /* started by pacing: moves only what pays, see worth.c */
	enum gc_flip_mode mode;
	ptrdiff_t object_delta;	   /* where the object range is readable while moving */
	uint8_t evacuated_classes; /* page flags that matter: union of the chosen regions' classes */
	uint64_t detach_bytes;	   /* prefix of the object range that the flip takes away */
	bool leaves_armed;	   /* leaf targets are detached and registered */
	uint32_t dirty_run_count; /* runs of dirty pages; more than GC_DIRTY_RUNS_MAX: not listed */
	struct gc_dirty_run {
		uint32_t first, count;
	} dirty_runs[GC_DIRTY_RUNS_MAX];
	uint32_t evacuated_first[GC_RANGE_COUNT]; /* chains of chosen regions, by region.next */
	uint32_t evacuated_count, target_count;
	bool recount;	   /* the mark stack overflowed: live bytes are not to be trusted */
	uint32_t *targets; /* target regions, in the order they were taken */
	uint32_t targets_capacity;
	/* Figures for the log and the statistics. */
	uint64_t start_ns, mark_ns, live_bytes, freed_regions;
	uint64_t evacuated_bytes, dirty_pages;
	uint64_t gap_bytes;	  /* in targets, between objects (GC_TORTURE=gaps) */
	uint64_t marked_together; /* objects that all workers were there to mark */
	uint64_t pause_total_ns, pause_max_ns, pause_count;
	uint64_t handshake_total_ns, handshake_max_ns, handshake_count;
	uint64_t number, end_ns, used_before_bytes;
	uint64_t phase_started_ns;
	uint64_t phase_ns[GC_EVENT_COUNT]; /* of phases: how long they took, repetitions added up */
	uint32_t unchosen_count;	   /* of the chosen regions, by the flip: see pin.c */
	uint64_t held_by_pins;		   /* regions that would have been candidates or chosen */
	uint64_t held_by_stacks;	   /* regions that were chosen */
};

/* See [B-3] [B-4] in gc/collect/barrier.c. */
#define GC_LATE_DIRTY_MAX 64
#define GC_LATE_CLOSED (UINT32_C(1) << 31)
struct gc_late_dirty {
	uint32_t count; /* atomic; more than GC_LATE_DIRTY_MAX: overflowed, or closed */
	uint32_t pages[GC_LATE_DIRTY_MAX];
};

/* Which values are references: gc/heap/slot.h. */
struct gc_tags {
	bool any;
	uintptr_t mask, pattern;
	plx_word_classifier classify; /* instead of these, unless NULL */
	void *context;
};

#define GC_PINS_LATE_MAX 64

/* See gc/collect/pin.c. */
struct gc_pins {
	pthread_mutex_t lock;
	/* Under the lock; the pause reads without. */
	uint32_t *counts; /* per region: pinned objects in it, each as often as it is pinned */
	uint32_t regions; /* that have pins */
	uint32_t late_count; /* pins in regions that were chosen; more than GC_PINS_LATE_MAX: not listed */
	uint32_t late[GC_PINS_LATE_MAX];
};

/* See gc/collect/ambiguous.c. */
struct gc_ambiguous {
	pthread_mutex_t lock;
	/* Under the lock. */
	uintptr_t *words; /* noted since the cycle began */
	size_t count, capacity;
	bool overflowed;
	/* The cycle's thread. */
	struct gc_markbits marked; /* by the last marking */
	uint8_t *judged;	   /* per region: was it white then? */
	uint8_t *held;		   /* per region: a parked stack points into it */
};

/* See supply.c. */
struct gc_supply {
	/* Creation and destruction. */
	pthread_t thread;
	bool initialised, started;
	/* Under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t wake, idle;
	bool asked, making, quit;
	uint32_t held; /* by so many */
	/* Relaxed atomic: the kernel does not make pages on demand. */
	uint32_t refused;
	/* The cycle's thread: regions of each range whose side tables have their pages. */
	uint32_t tables_made[GC_RANGE_COUNT];
};

/* See pace.c. */
struct gc_pace {
	/* Relaxed atomics, written by the cycle's thread. */
	uint64_t ration_bytes; /* 0: mutators allocate as they like */
	uint64_t ration_from_bytes, ration_from_ns, ration_ns;
	uint32_t gate; /* a futex: changes with the ration */
	/* The cycle's thread. */
	uint64_t mark_ns, move_ns; /* expected of the next cycle; 0: none has run */
	uint64_t move_mean_ns;
	double mark_byte_ns, mark_byte_mean_ns; /* of marking, for each byte found alive */
	uint64_t moving_bytes;	/* what mutators take while pages move; 0: none did */
	uint64_t target_bytes;	/* what is copied into takes; 0: nothing was */
	uint64_t moving_cpu_ns; /* of this thread when the plan was made */
	double unit_ns;		/* what building and attaching a page takes; 0: not measured */
	uint64_t cycle_ended_ns, cycle_ended_bytes;
};

enum gc_core_policy { GC_CORE_TABLES, GC_CORE_HEAP };
enum gc_size_policy { GC_SIZE_BALANCE, GC_SIZE_GROW, GC_SIZE_FIXED };

/* See size.c; the cycle's thread. */
struct gc_size {
	double rate, speed;		/* bytes a nanosecond: allocated; marked while collecting */
	uint64_t start_ns, start_bytes; /* of the last cycle */
	uint64_t cpu_ns;		/* of this thread at its end */
	double page_ns;			/* what a page costs that does not exist yet; 0: unknown */
};

struct gc_heap {
	/* Immutable after creation. */
	struct plx_heap_config config;
	struct gc_events events;
	struct gc_event_ring *cycle_events; /* of the cycle's thread; NULL: not recorded */
	struct gc_tags tags;		    /* immutable before there is any value */
	struct gc_view view;
	struct gc_regions regions;
	struct gc_markbits markbits;
	struct gc_forward forward;
	uintptr_t *target_source; /* per page of a target region: first object that overlaps it */
	struct gc_pages pages;
	struct gc_extents extents;
	uint8_t *taken; /* per GC_VIEW_ALIGN of the object range: this flip takes it away; the cycle's */
	struct gc_type_table types;
	const struct gc_resolver *resolver;
	const struct gc_world *world;
	struct gc_references *references;
	struct gc_guardians *guardians;
	struct gc_identities *identities;
	struct gc_fixed *fixed;
	struct gc_oracle *oracle;	/* debug builds: see oracle.h */
	struct gc_ambiguous *ambiguous; /* NULL: native stacks hold no references */
	struct gc_uffd uffd;
	uint64_t large_bytes; /* objects above it get regions of their own */
	uint32_t cpus;

	/* Under regions.lock. */
	/* Regions that TLABs are cut from, or GC_REGION_NONE. */
	uint32_t current[GC_COLOUR_COUNT][GC_RANGE_COUNT];
	uint64_t allocated_bytes;
	uint64_t allocated_at_cycle_start;
	struct gc_rootstack *rootstacks; /* all; read without the lock, see collect/rootstack.c */

	/* Under types_lock. */
	pthread_mutex_t types_lock;

	/* Atomic. */
	enum gc_phase phase;
	uint32_t regime;	  /* enum gc_regime: of threads that attach now */
	uint32_t armed;		  /* a range is registered with userfaultfd now */
	uint32_t fault_turn;	  /* odd while the fault thread resolves [FT-2] */
	uint32_t mark_overflowed; /* an object was marked but could not be queued */
	struct gc_late_dirty late;
	struct gc_pins pins; /* under its own lock */
	uint32_t stalled;    /* mutators that wait for memory now */
	struct gc_pace pace;
	struct gc_supply supply;   /* under its own lock */
	uint32_t trigger_regions;  /* regions in use at which the next cycle starts */
	uint64_t soft_limit_bytes; /* what the heap should not use more of, see size.c */
	uint32_t degrade_notes;	   /* bits: which refusals were reported already */
	int attach_refused;	   /* an errno that is still to be printed: moving pages back */

	/* Under satb_lock. */
	pthread_mutex_t satb_lock;
	struct gc_satb_chunk *satb_full, *satb_spare;

	/* The cycle's thread. */
	struct gc_cycle cycle;
	struct gc_size size;
	struct gc_workers *workers;
	struct gc_mark_pool *mark_pool;
	uint64_t pause_started_ns, pause_stopped_ns;
	uint64_t previous_start_ns;
	bool alias_doubtful; /* some of it may be closed [V-6] */
	bool stopped;
	enum gc_stop pause_kind;

	struct gc_torture torture; /* see torture.h */

	/* Relaxed atomics: statistics. */
	struct plx_stats stats;
	struct plx_histogram *distributions; /* PLX_DISTRIBUTION_COUNT of them */
};

/* How large the file of a heap with that limit is: all of both ranges. */
uint64_t gc_heap_file_bytes(uint64_t heap_max_bytes);

/* Side tables and ranges for a heap of config.heap_max_bytes; the resolver is chosen already. 0 or
 * a negative errno with `*step`. */
int gc_heap_create(struct gc_heap *heap, enum gc_backing backing, const char **step);
void gc_heap_destroy(struct gc_heap *heap);

/* The collector's own memory for this heap that is in use: tables count up to the high water. */
uint64_t gc_heap_metadata_bytes(struct gc_heap *heap);

/* Does what this mutator allocates now belong to the cycle's survivors? Its own thread asks, or whoever
 * answers for it. */
static inline enum gc_colour gc_mutator_colour(const struct gc_mutator *mutator)
{
	/* Relaxed: changes only at this mutator's safepoints. */
	uint32_t regime = gc_load_relaxed(&mutator->pub.barrier);

	return regime == GC_REGIME_MARKING || regime == GC_REGIME_PLANNING ? GC_BLACK : GC_WHITE;
}

static inline bool gc_heap_contains(const struct gc_heap *heap, uintptr_t word)
{
	return gc_view_contains(&heap->view, word);
}

static inline uint8_t gc_heap_region_bits(const struct gc_heap *heap, uintptr_t reference)
{
	/* Relaxed: bits change in pauses, or concern regions nobody can reach yet. */
	return gc_load_relaxed(
		&heap->regions.bits[gc_region_of(&heap->regions, (struct gc_haddr){reference})]);
}

/* Where an object can be read while things move: leaves stay attached, objects are in the alias. */
static inline const char *gc_heap_readable(const struct gc_heap *heap, struct gc_haddr address)
{
	bool leaf = address.at - (uintptr_t)heap->view.heap >= heap->view.range_bytes;

	return (const char *)address.at + (leaf ? 0 : heap->cycle.object_delta);
}

static inline uint64_t gc_header_at(const char *object)
{
	/* Relaxed: a header's number and length never change after allocation. */
	return gc_load_relaxed((const uint64_t *)(const void *)object);
}

static inline uint32_t gc_heap_pages_per_region(const struct gc_heap *heap)
{
	return heap->regions.region_bytes >> heap->view.page_shift;
}

static inline struct gc_page gc_heap_page(const struct gc_heap *heap, struct gc_haddr address)
{
	return gc_view_page(&heap->view, address);
}

static inline uint32_t gc_heap_page_region(const struct gc_heap *heap, struct gc_page page)
{
	return page.n >> (heap->regions.region_shift - heap->view.page_shift);
}

static inline uint32_t gc_heap_extent(const struct gc_heap *heap, struct gc_haddr address)
{
	return (uint32_t)((address.at - (uintptr_t)heap->view.heap) >> heap->view.extent_shift);
}

#endif
