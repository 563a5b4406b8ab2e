/* parallax/heap.h: making a heap, collecting it, and asking how it does. */
#ifndef PARALLAX_HEAP_H
#define PARALLAX_HEAP_H

#include <parallax/base.h>
#include <parallax/option_table.h>

struct plx_heap;
struct plx_thread;

#define PLX_CONFIG_FIELD_BYTES(field) uint64_t field;
#define PLX_CONFIG_FIELD_COUNT(field) uint64_t field;
#define PLX_CONFIG_FIELD_TRISTATE(field) int64_t field;
#define PLX_CONFIG_FIELD_ENUM(field) uint64_t field;
#define PLX_CONFIG_FIELD_SET(field) uint64_t field;
#define PLX_CONFIG_FIELD_STRING(field) char field[PLX_STRING_BYTES];
#define PLX_CONFIG_FIELD(field, name, type, ...) PLX_CONFIG_FIELD_##type(field)

/* Every option of the library, one field each; see parallax/option_table.h for their meaning. */
struct plx_heap_config {
	PLX_OPTION_TABLE(PLX_CONFIG_FIELD)
};

enum plx_plan { PLX_PLAN_AUTO, PLX_PLAN_MINOR, PLX_PLAN_COPY, PLX_PLAN_STW };
enum plx_delivery { PLX_DELIVERY_AUTO, PLX_DELIVERY_THREAD, PLX_DELIVERY_SIGBUS };

PLX_BEGIN_DECLS

/* Fill `config` with the defaults. Any thread; never blocks. */
PLX_EXPORT void plx_config_init(struct plx_heap_config *config);

/* Set one option by its environment name, e.g. ("GC_HEAP_MAX", "512M"). Any thread; never blocks. The
 * value is copied. PLX_ERROR_OPTION, with the accepted values in `error`, leaves `config` as it was. */
PLX_EXPORT enum plx_status plx_config_set(struct plx_heap_config *config, const char *name,
					  const char *value, struct plx_error *error);

/* Apply every GC_* variable of the environment. A GC_* name the library does not know, or a value
 * it cannot read, is PLX_ERROR_OPTION: nothing is guessed. */
PLX_EXPORT enum plx_status plx_config_from_environment(struct plx_heap_config *config,
						       struct plx_error *error);

/* The table of options as text for `--help`; a constant string. Any thread; never blocks. */
PLX_EXPORT const char *plx_config_help(void);

/* Make a heap. `config` NULL means the defaults and then the environment. Starts the collector's
 * threads. May block; if the process has a heap with GC_FORK=copy that the calling thread is attached to, it is a
 * safepoint of it, as is plx_heap_destroy. On failure `*heap` is NULL, nothing is left behind and `error` (which may be
 * NULL) says which capability, limit or call was the reason and how to get past it. */
PLX_EXPORT enum plx_status plx_heap_create(const struct plx_heap_config *config,
					   struct plx_heap **heap, struct plx_error *error);

/* Destroy a heap: stops its threads and returns all of its memory. Every mutator must have
 * detached; otherwise PLX_ERROR_MISUSE and the heap lives on. Blocks for a cycle under way. */
PLX_EXPORT enum plx_status plx_heap_destroy(struct plx_heap *heap);

/* The plan and the delivery in force, chosen at creation. They stay: when the kernel refuses something
 * later, that one cycle moves its objects inside the pause, or attaches pages in a lesser way, and
 * `plx_stats.degraded` counts it. Any thread; never blocks. */
PLX_EXPORT enum plx_plan plx_heap_plan(const struct plx_heap *heap);
PLX_EXPORT enum plx_delivery plx_heap_delivery(const struct plx_heap *heap);
PLX_EXPORT const char *plx_plan_name(enum plx_plan plan);
PLX_EXPORT const char *plx_delivery_name(enum plx_delivery delivery);

/* Why the plan is not a better one, where that was left to the library: a sentence that names what is missing
 * and how to get it; "" if there is nothing better, or the plan was demanded. As long as the heap lives; with
 * GC_LOG=1 it is printed, too. Any thread; never blocks. */
PLX_EXPORT const char *plx_heap_plan_reason(const struct plx_heap *heap);

/* True if any word of an attached thread's native stack may be a reference (GC_STACKS=ambiguous): then C code may
 * keep references in locals across safepoints. Fixed at creation. Any thread; never blocks. */
PLX_EXPORT bool plx_heap_scans_stacks(const struct plx_heap *heap);

/* Collect: returns when a cycle that started after this call has ended. `thread` is the caller's
 * own; the call is a safepoint, so references not held in handles or roots are stale after it. */
PLX_EXPORT void plx_collect(struct plx_thread *thread);

/* The same for a thread that is not attached. */
PLX_EXPORT void plx_heap_collect(struct plx_heap *heap);

/* Give the memory of free regions back to the kernel now, down to GC_RESIDENT_TARGET if that is set, and not
 * only after GC_RESIDENT_IDLE: for a system that is short of memory, or a program that will be idle. After
 * plx_collect() little more than what is alive stays. Waits for the cycle that runs, if one does. Any
 * thread; for an attached one that is not blocked it is a safepoint. What is given back has to be
 * fetched again when it is needed. */
PLX_EXPORT void plx_heap_trim(struct plx_heap *heap);

/* Called when an allocation cannot be served even after an emergency collection. It runs on the
 * allocating thread, outside every lock, and may raise the VM's own exception by longjmp; if it
 * returns, the allocation returns NULL. */
typedef void (*plx_oom_handler)(struct plx_thread *thread, uint64_t requested_bytes, void *context);
PLX_EXPORT void plx_heap_set_oom_handler(struct plx_heap *heap, plx_oom_handler handler,
					 void *context);

/* True if `address` lies in the heap's view (whether or not an object is there). Any thread. */
PLX_EXPORT bool plx_heap_contains(const struct plx_heap *heap, const void *address);

/* Figures since the heap was made. Byte counts are of the moment of the call. */
struct plx_stats {
	uint64_t cycles;	    /* finished cycles */
	uint64_t flips;		    /* cycles that moved something */
	uint64_t flips_zapped;	    /* of those, by dropping single pages instead of detaching */
	uint64_t emergency_cycles;  /* run because allocation failed */
	uint64_t heap_max_bytes;    /* the hard limit in force */
	uint64_t region_bytes;	    /* size of a region */
	uint64_t used_bytes;	    /* bytes in regions that are not free */
	uint64_t live_bytes;	    /* found live by the last cycle; root stacks count whole */
	uint64_t resident_bytes;    /* heap pages that exist in memory */
	uint64_t allocated_bytes;   /* handed out to mutators, ever */
	uint64_t metadata_bytes;    /* the collector's own memory, side tables included */
	uint64_t evacuated_bytes;   /* copied to new addresses */
	uint64_t evacuated_regions; /* emptied by copying */
	uint64_t updated_in_place_bytes; /* pages whose references were updated where they lie */
	uint64_t dirty_pages;		 /* pages that had to be looked at after a flip */
	uint64_t moved_back_bytes;	 /* attached by moving page tables */
	uint64_t continued_pages;	 /* attached by UFFDIO_CONTINUE */
	uint64_t copied_pages;		 /* attached by UFFDIO_COPY */
	uint64_t faults;		 /* early touches by mutators */
	uint64_t stalls;		 /* allocations that waited for a cycle */
	uint64_t stall_ns;		 /* how long they waited, summed over threads */
	uint64_t paced;			 /* short waits that made memory last until a cycle's end */
	uint64_t paced_ns;		 /* how long they took, summed over threads */
	uint64_t pause_ns;		 /* sum of all pauses */
	uint64_t cycle_ns;		 /* sum of all cycles, concurrent phases included */
	uint64_t degraded;	   /* times a kernel refusal forced a lesser plan for a cycle */
	uint64_t returned_bytes;   /* given back to the kernel, ever */
	uint64_t soft_limit_bytes; /* what the heap should not use more of (GC_HEAP_POLICY) */
	uint64_t handshakes;	   /* rounds in which each thread answered at its own safepoint */
	uint64_t handshake_ns;	   /* sum of their durations; nobody stands still meanwhile */
	uint64_t pauses;	   /* in which all threads stood still */
	uint64_t freed_bytes;	   /* whole regions won by cycles, less those moved into, ever */
	uint64_t next_bytes;	   /* in use when the next cycle starts */
	uint64_t supplied_bytes;   /* pages made ahead of mutators (GC_SUPPLY) */
	uint64_t trace_lost; /* events that were overwritten before GC_TRACE could write them */

	/* Weak objects. */
	uint64_t weak_cleared;	    /* weak references whose referent died */
	uint64_t ephemerons_broken; /* ephemerons whose key died */
	uint64_t guarded_found;	    /* registrations whose object was handed to its guardian */
	uint64_t ephemeron_steps;   /* work: each that waited for its key, and each look for such */
	uint64_t pins;		    /* pinned now: pairs of an object and who pins it */
	uint64_t pinned_regions;    /* hold a pinned object now */
	uint64_t pin_held_regions;  /* not evacuated because of pins, summed over cycles */
	uint64_t stack_held_regions; /* not evacuated because of words of native stacks, likewise */
	uint64_t unchosen_regions; /* kept at the last moment, in the flip, after they had been chosen */
	uint64_t fixed_objects; /* of the fixed space that are allocated now, large ones apart */
	uint64_t fixed_bytes;	/* their sizes */
};

/* Any thread; takes a short lock. */
PLX_EXPORT void plx_heap_stats(struct plx_heap *heap, struct plx_stats *stats);

struct plx_histogram;
enum plx_distribution {
	PLX_DISTRIBUTION_PAUSE_NS, /* request of a stop until mutators may run: includes reaching polls */
	PLX_DISTRIBUTION_FLIP_NS,      /* detach and register alone */
	PLX_DISTRIBUTION_FAULT_NS,     /* from delivery of a fault until its page is attached */
	PLX_DISTRIBUTION_HANDSHAKE_NS, /* from asking all threads until the last has answered */
	PLX_DISTRIBUTION_COUNT
};

/* Copy one distribution, in nanoseconds, since the heap was made. Any thread. */
PLX_EXPORT void plx_heap_distribution(struct plx_heap *heap, enum plx_distribution which,
				      struct plx_histogram *into);

/* What the kernel can do, as found by exercising it, and what follows; printed by `./dev info`.
 * Writes at most `size` bytes, always NUL-terminated. May take tens of milliseconds. */
PLX_EXPORT void plx_capabilities_describe(char *text, size_t size);

PLX_END_DECLS

#endif
