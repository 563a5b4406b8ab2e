/* runtime/world.h: the heap and the thread as the runtime sees them.
 *
 * Thread states, and who changes them:
 *
 *             block_enter                      (stop requested)
 *   BLOCKED <------------- RUNNING -----------------------------> STOPPED
 *    |  |                   ^   ^                                  |   |
 *    |  +--- block_exit ----+   +------------ resumed -------------+   |
 *    |                                                                 |
 *    +---- held, and let go again (collector, in a handshake) ---------+
 *
 * Only the thread itself leaves or enters RUNNING; BLOCKED and STOPPED are alike to the collector. In a
 * handshake it adds RT_HELD to either while it answers for the thread, which waits with its return.
 *
 * [TH-1] A thread enters RUNNING, then looks at `stopping`; the collector sets `stopping`, then looks
 *        at the states: both sequentially consistent, so at least one sees the other [MO-STOP].
 * [TH-2] threads_lock is held through a pause: nobody attaches or detaches inside it.
 * [TH-4] A stop that one thread keeps from beginning is reported, not waited for in silence.
 * [TH-3] Lock order: threads_lock before regions.lock before satb_lock; roots_lock and handles_lock
 *        are leaves. The lock of `pins` comes before the two of handles and of gc_pins. None is held at a
 *        safepoint. */
#ifndef RUNTIME_WORLD_H
#define RUNTIME_WORLD_H

#include <parallax/cycle.h>
#include <parallax/parallax.h>
#include <pthread.h>
#include <signal.h>

#include "gc/base/fork.h"
#include "gc/heap/heap.h"
#include "gc/heap/slot.h"
#include "runtime/listener.h"
#include "runtime/spill.h"

enum rt_state { RT_RUNNING, RT_BLOCKED, RT_STOPPED, RT_HELD = 4 };

#define RT_STACK_COPY 256

/* A stack, and what was on it when it was published last. See stack.c. */
struct rt_stack {
	uintptr_t low, base; /* [low, base); base 0: not looked at */
	uintptr_t from;	     /* words from here to the base stay where they are; 0: holds nothing */
	uint32_t copied;
	uintptr_t copy[RT_STACK_COPY]; /* the words below `from`, as they were */
	/* Where a walk of frames begins; ip 0: not known. What it has in registers lies in `spill`, or, if that
	 * is NULL, was as in `saved`. */
	uintptr_t ip, sp;
	const struct rt_spill *spill;
	uintptr_t saved[RT_SAVED_COUNT];
};

/* PARKED <-> READ <-> CURRENT, see nativestack.c. */
enum rt_native_state { RT_NATIVE_PARKED, RT_NATIVE_CURRENT, RT_NATIVE_READ };

/* A stack that the embedder has registered: a coroutine's. */
struct plx_native_stack {
	struct rt_stack words; /* its thread; who holds it as READ */
	struct plx_heap *heap; /* immutable */
	uint32_t state;	       /* atomic */
	uint32_t noted, held;  /* relaxed atomics, see nativestack.c */
	/* Under native_stacks.lock. */
	struct plx_native_stack *next, *previous;
};

/* See stackmap.c. */
struct rt_stackmap {
	uintptr_t start, end;
	const struct plx_stackmap *map;
};

struct rt_stackmaps {
	pthread_mutex_t lock;
	/* Under the lock; `count` is also read without. */
	struct rt_stackmap *entries; /* [SM-1] */
	uint32_t count, capacity;
};

struct rt_native_stacks {
	pthread_mutex_t lock;
	struct plx_native_stack *first;
};

struct rt_thread {
	struct gc_mutator gc; /* first: a plx_thread pointer is an rt_thread pointer */
	/* Atomic. */
	uint32_t state;
	uint32_t answered; /* the last handshake round [HS-1] */
	/* Immutable after attach. */
	pthread_t owner;
	int tid;	    /* of the kernel */
	void *signal_stack; /* ours, if the thread had none, or one that was too small: */
	stack_t signal_stack_before;
	size_t signal_stack_bytes;
	bool signal_was_blocked; /* SIGBUS, by the thread's mask */
	/* The thread itself: pages of its scoped handles, in order. */
	struct plx_handle **handle_pages;
	uint32_t handle_page_count, handle_page_capacity;
	struct rt_stack stack; /* the thread itself; read by the collector while it cannot run */
	struct plx_native_stack *native; /* what it runs on instead, or NULL; as above */
	struct rt_thread *next_of_owner; /* the same OS thread, attached to another heap */
	bool left; /* the thread itself: it is BLOCKED for a fork, and was not before */
	/* Under threads_lock. */
	struct rt_thread *next, *previous;
};

/* The kernel's number of the calling thread. */
int rt_thread_id(void);

/* stop_report.c: `thread` has kept the collection waiting for `waited_ns`. True if it has ended and will
 * never answer: it counts as blocked from then on. */
bool rt_stop_report(struct rt_thread *thread, uint64_t waited_ns);
void rt_stop_report_fork(enum gc_fork_step step);

struct rt_root_range {
	uintptr_t *slots;
	size_t count;
};

struct rt_root_visitor {
	plx_root_visitor visit;
	void *context;
};

struct rt_roots {
	pthread_mutex_t lock; /* mutators among themselves; the collector reads in pauses [TH-3] */
	pthread_cond_t opened;
	bool closed; /* a cycle is being started: see root.c */
	struct rt_root_range *ranges;
	struct rt_root_visitor *visitors;
	uint32_t range_count, range_capacity;
	uint32_t visitor_count, visitor_capacity;
};

struct rt_handles {
	pthread_mutex_t lock;
	struct plx_handle **free; /* released handles, which are clear [RP-1] */
	uint32_t free_count, free_capacity;
	uint32_t slots;			 /* in all pages for free handles */
	struct plx_handle *next, *limit; /* never used yet */
	struct plx_handle **pages;	 /* whole pages given back by threads */
	uint32_t page_count, page_capacity;
};

struct rt_pin;

struct rt_pins {
	pthread_mutex_t lock;
	/* Under lock. */
	struct rt_pin **buckets; /* by object; NULL before the first pin */
	uint64_t count, capacity;
};

struct rt_collector {
	pthread_t thread;
	bool started_thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, done;
	/* Under lock. */
	uint64_t started, finished, wanted; /* cycles; run while finished < wanted */
	const char *cause;
	bool emergency, quit;
	bool resting;			   /* waits for the lock and does nothing else */
	bool held;			   /* begins nothing */
	uint64_t trims_wanted, trims_done; /* plx_heap_trim */
	/* Atomic. */
	uint32_t requested; /* a cycle was asked for and has not ended */
};

struct rt_fault_thread {
	pthread_t thread;
	int wake_fd; /* eventfd */
	struct gc_event_ring *events;
	bool running;
	uint32_t quit; /* atomic */
};

struct rt_handshake {
	gc_answer answer; /* of the round under way */
	uint32_t round;	  /* atomic: counts; written under threads_lock */
	uint32_t pending; /* atomic: who has not answered it */
};

/* How long to wait for threads before saying so [TH-4]. */
struct rt_patience {
	uint64_t start_ns, wait_ns, due_ns;
};

struct rt_telemetry {
	/* The collector thread: statistics when the last cycle ended. */
	uint64_t allocated_bytes, stalls, stall_ns, paced, paced_ns, faults;
	/* Under lock, a leaf. */
	pthread_mutex_t lock;
	uint64_t ended; /* cycles */
	struct plx_cycle_summary recent[PLX_CYCLES_KEPT];
};

/* See fork.c. */
struct rt_fork {
	/* Under fork_lock. */
	struct plx_heap *next; /* of the process */
	bool added;
	/* In a child: the heap is its parent's. */
	bool refused;
};

struct plx_heap {
	struct gc_heap gc; /* first: a plx_heap pointer is a gc_heap pointer */
	/* Immutable after creation. */
	enum plx_delivery delivery;
	bool uffd_skips;       /* the probe found CONTINUE_SKIP, and GC_KERNEL_EXT allows it */
	char plan_reason[400]; /* why no better plan; "" if there is none */
	/* Atomic. */
	uint32_t stopping;  /* futex word: 1 while mutators have to stand still */
	uint32_t stop_kind; /* enum gc_stop */
	uint32_t arrivals; /* futex word: counts stops, blocks and last answers that are waited for */
	uint32_t attached; /* threads */
	struct rt_handshake handshake;
	/* Under threads_lock. */
	pthread_mutex_t threads_lock;
	struct rt_thread *threads;
	struct rt_roots roots;
	struct rt_handles handles;
	struct rt_pins pins;
	struct rt_native_stacks native_stacks;
	struct rt_stackmaps stackmaps;
	struct rt_collector collector;
	struct rt_fault_thread fault_thread;
	struct rt_telemetry telemetry;
	struct rt_listeners listeners;
	uint64_t *torture_sites; /* atomic words; see torture.c; NULL: none */
	struct rt_trace *trace;	 /* the collector thread's; NULL: none */
	struct rt_fork fork;
	/* Set once, before threads attach. */
	plx_oom_handler oom_handler;
	void *oom_context;
};

static inline struct rt_thread *rt_thread_of(struct plx_thread *thread)
{
	return (struct rt_thread *)thread;
}

/* The object that a word given by the embedder refers to, or NULL. */
static inline void *rt_object_of(const struct plx_heap *heap, const void *word)
{
	return (void *)gc_value_object(&heap->gc, (struct gc_value){(uintptr_t)word});
}

static inline struct plx_heap *rt_heap_of(struct gc_heap *heap)
{
	return (struct plx_heap *)heap;
}

/* safepoint.c */
extern const struct gc_world rt_world;
void rt_state_leave(struct rt_thread *thread, enum rt_state state);
/* As plx_block_enter, of a thread that has published its stack: inside of rt_stand(). */
void rt_block_begin(struct rt_thread *thread);
void rt_block_enter_body(struct plx_thread *pub, void *unused, void *unused_too,
			 const struct rt_spill *spill);
void rt_state_enter(struct rt_thread *thread, enum rt_state waiting_as);
uint32_t rt_world_running(struct plx_heap *heap);
/* What the collector waits for may have happened; and waiting for that, or for the next report. */
void rt_world_arrive(struct plx_heap *heap);
void rt_world_await_arrival(struct plx_heap *heap, uint32_t arrivals,
			    const struct rt_patience *patience);
struct rt_patience rt_patience_begin(const struct plx_heap *heap);
/* True when a report is due; the next one is then due later. */
bool rt_patience_is_over(struct rt_patience *patience);

/* handshake.c: the collector; a thread for itself; and whether it would have to. */
void rt_handshake(struct gc_heap *gc, gc_answer answer);
void rt_handshake_answer(struct rt_thread *thread);
bool rt_handshake_is_owed(const struct rt_thread *thread);
/* For a thread that has answered at a poll. */
void rt_handshake_make_way(struct plx_heap *heap);

/* thread.c: the calling OS thread as attached to this heap, or NULL. */
struct rt_thread *rt_thread_self(const struct plx_heap *heap);
/* Is it one of those that the calling OS thread attached? Reads nothing of it. */
bool rt_thread_is_own(const struct plx_thread *thread);

/* handle.c */
void rt_handles_init(struct plx_heap *heap);
void rt_handles_destroy(struct plx_heap *heap);
void rt_handles_drop_thread(struct rt_thread *thread, bool runs);

/* stack.c */
typedef void (*rt_stand_call)(struct rt_thread *thread, void *context);
int rt_stack_open(struct rt_thread *thread);
void rt_stand_spilled(struct rt_thread *thread, rt_stand_call call, void *context);
void rt_stand_body(struct rt_thread *thread, rt_stand_call call, void *context,
		   const struct rt_spill *spill);
/* `stays`: the spilled registers are there until the thread runs on, and are loaded from there then. */
void rt_stack_publish(struct rt_thread *thread, const struct rt_spill *spill, bool stays);
void rt_stack_forget(struct rt_stack *stack);
void rt_stack_words(struct gc_heap *heap, const struct rt_stack *stack,
		    const struct gc_stack_visit *visit);
void rt_stack_scan(struct gc_heap *heap, struct gc_mutator *mutator,
		   const struct gc_stack_visit *visit);

/* Call a function that may answer, stop or block, with the stack published [SK-1]; what this thread has in
 * registers is in a frame until it returns. */
static inline void rt_stand(struct rt_thread *thread, rt_stand_call call, void *context)
{
	if (thread->stack.base)
		rt_stand_spilled(thread, call, context);
	else
		call(thread, context);
}

/* stackmap.c */
void rt_stackmaps_init(struct plx_heap *heap);
void rt_stackmaps_destroy(struct plx_heap *heap);

/* nativestack.c */
void rt_native_stack_switch_body(struct plx_thread *thread, struct plx_native_stack *to,
				 void *unused, const struct rt_spill *spill);
void rt_native_stacks_init(struct plx_heap *heap);
void rt_native_stacks_destroy(struct plx_heap *heap);
void rt_native_stacks_begin(struct gc_heap *heap);
void rt_native_stacks_scan(struct gc_heap *heap, enum gc_parked which,
			   const struct gc_stack_visit *visit);

/* pin.c */
void rt_pins_init(struct plx_heap *heap);
void rt_pins_destroy(struct plx_heap *heap);
void rt_pins_stats(struct plx_heap *heap, struct plx_stats *stats);
void rt_pins_log(struct gc_heap *heap);

/* root.c */
void rt_roots_init(struct plx_heap *heap);
void rt_roots_destroy(struct plx_heap *heap);
void rt_roots_each(struct gc_heap *heap, gc_root_visit visit, void *context);
bool rt_roots_close(struct gc_heap *heap);
bool rt_roots_any(struct gc_heap *heap);
void rt_roots_open(struct gc_heap *heap);

/* fork.c: heaps come and go; and the end of whoever uses a heap that is its parent's. */
enum plx_status rt_fork_add(struct plx_heap *heap, struct plx_error *error);
void rt_fork_remove(struct plx_heap *heap);
__attribute__((noreturn, cold)) void rt_fork_refuse(void);

static inline void rt_fork_check(const struct plx_heap *heap)
{
	if (PLX_UNLIKELY(heap->fork.refused))
		rt_fork_refuse();
}

/* For fork.c: the calling thread, as BLOCKED in all its heaps, and back. In the child: forget all other
 * threads; nobody stops, or is asked anything. */
void rt_threads_leave(void);
void rt_threads_return(void);
void rt_threads_forget_others(struct plx_heap *heap);
void rt_world_settle_child(struct plx_heap *heap);

/* For fork.c: a userfaultfd and a fault thread of the child's own. 0 or a negative errno. */
int rt_heap_reopen(struct plx_heap *heap, const char **step);

/* collector.c; for fork.c: no cycle runs, nor begins, until it is let go; in the child, made anew: first at
 * rest, then with its threads. */
void rt_collector_hold(struct plx_heap *heap);
void rt_collector_let_go(struct plx_heap *heap);
void rt_collector_renew(struct plx_heap *heap);
int rt_collector_restart(struct plx_heap *heap);
int rt_collector_start(struct plx_heap *heap);
void rt_collector_stop(struct plx_heap *heap);
void rt_collector_request(struct plx_heap *heap, const char *cause);
/* A cycle that starts after the call: a running mutator waits as BLOCKED, with its stack published. */
void rt_collector_stand(struct rt_thread *thread, const char *cause, bool emergency);
/* The calling thread, if attached, must be BLOCKED already. */
void rt_collector_wait(struct plx_heap *heap, const char *cause, bool emergency);
/* Wait for the end of the cycle that runs now. False, at once, if none does. */
bool rt_collector_wait_running(struct plx_heap *heap);

/* fault_thread.c */
int rt_fault_thread_start(struct plx_heap *heap);
void rt_fault_thread_stop(struct plx_heap *heap);
void rt_fault_thread_armed(struct plx_heap *heap, bool armed);
void rt_fault_thread_forget(struct plx_heap *heap); /* in a child of fork: it is not there */

/* signal.c */
int rt_signal_add(struct plx_heap *heap);
void rt_signal_remove(struct plx_heap *heap);
int rt_signal_ensure(void);
/* The calling thread must be able to take faults. */
void rt_signal_unblock(struct rt_thread *thread);
void rt_signal_fork(enum gc_fork_step step);
int rt_signal_stack_add(struct rt_thread *thread);
void rt_signal_stack_remove(struct rt_thread *thread);

/* backtrace.c */
void rt_backtrace_install(void);

/* trace.c */
enum plx_status rt_trace_open(struct plx_heap *heap, struct plx_error *error);
void rt_trace_close(struct plx_heap *heap);
void rt_trace_write(struct plx_heap *heap);
void rt_trace_leave(struct plx_heap *heap); /* in a child of fork: the file is the parent's */

/* telemetry.c: the first on the collector thread, when a cycle has ended. */
void rt_telemetry_cycle(struct plx_heap *heap);
void rt_telemetry_init(struct plx_heap *heap);
void rt_telemetry_destroy(struct plx_heap *heap);

/* torture.c: creation; a thread at a poll, and at an allocation that is out of line. */
enum plx_status rt_torture_choose(struct plx_heap *heap, struct plx_error *error);
bool rt_torture_create(struct plx_heap *heap);
void rt_torture_destroy(struct plx_heap *heap);
void rt_torture_poll(struct rt_thread *thread);
void rt_torture_allocate(struct rt_thread *thread);

/* What `poll` is while nobody wants anything: threads come by at every poll, or at none. */
static inline uint32_t rt_poll_at_rest(const struct plx_heap *heap)
{
	return gc_torture_is(&heap->gc.torture, GC_TORTURE_SAFEPOINTS);
}

/* log.c: the thread that makes a heap; the others: the collector thread. */
void rt_log_plan(const struct plx_heap *heap);
void rt_log_cycle(const struct plx_heap *heap, const struct plx_cycle_summary *summary);
void rt_log_returned(const struct plx_heap *heap, uint64_t bytes);

/* choose.c: plan, delivery and sizes of a heap that is about to be made. */
enum plx_status rt_choose(struct plx_heap *heap, struct plx_error *error);

/* memory_limit.c: what this machine and this process's cgroup allow. */
uint64_t rt_usable_memory_bytes(void);

/* error.c */
__attribute__((format(printf, 3, 4))) enum plx_status
rt_error(struct plx_error *error, enum plx_status status, const char *format, ...);

#endif
