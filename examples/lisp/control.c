/* examples/lisp/control.c: primitives about the machine itself: calls, errors, output, the collector. */
#include "examples/lisp/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* (apply f x ... list): the call that it means is left on the stack, and the machine makes it. */
static word prim_apply(struct machine *m, word *args, unsigned count)
{
	unsigned passed = 0;

	if (!lisp_reserve(m, count))
		return NULL;
	for (; passed + 1 < count; passed++)
		lisp_push(m, args[passed]);
	for (word list = args[count - 1]; is_pair(m, list); list = pair_cdr(list), passed++) {
		if (!lisp_reserve(m, 1)) /* no safepoint unless it fails */
			return NULL;
		lisp_push(m, pair_car(list));
	}
	return lisp_call_instead(m, passed - 1);
}

static word prim_eval(struct machine *m, word *args, unsigned count)
{
	word closure = lisp_compile(m, &args[0]);

	(void)count;
	if (closure == NULL)
		return NULL;
	lisp_push(m, closure);
	return lisp_call_instead(m, 0);
}

static word prim_throw(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return lisp_throw(m, args[0]);
}

static word print_all(struct machine *m, const word *args, unsigned count, bool quoted,
		      const char *end)
{
	struct output output = {0};

	for (unsigned i = 0; i < count; i++)
		lisp_print(m, &output, args[i], quoted);
	output_print(&output, "%s", end);
	output_flush(m, &output);
	return NOTHING;
}

static word prim_display(struct machine *m, word *args, unsigned count)
{
	return print_all(m, args, count, false, "");
}

static word prim_write(struct machine *m, word *args, unsigned count)
{
	return print_all(m, args, count, true, "");
}

/* (print x ...): and a newline. */
static word prim_print(struct machine *m, word *args, unsigned count)
{
	return print_all(m, args, count, false, "\n");
}

static word prim_exit(struct machine *m, word *args, unsigned count)
{
	(void)m;
	exit(count == 1 ? (int)word_number(args[0]) : 0);
}

/* --- the collector ------------------------------------------------------------------------------- */

/* (gc): when it returns, whatever was garbage before the call is gone. */
static word prim_gc(struct machine *m, word *args, unsigned count)
{
	(void)args;
	(void)count;
	plx_collect(m->thread);
	resource_reap(m);
	return NOTHING;
}

/* Push (name . number). */
static bool push_figure(struct machine *m, const char *name, uint64_t number)
{
	word pair = lisp_intern(m, name, strlen(name));

	if (pair == NULL)
		return false;
	lisp_push(m, pair);
	lisp_push(m, word_fixnum((int64_t)number));
	pair = lisp_cons(m, lisp_top(m) - 1, lisp_top(m));
	if (pair == NULL)
		return false;
	lisp_drop(m, 2);
	lisp_push(m, pair);
	return true;
}

/* (heap-stats): a list of (name . number). */
static word prim_heap_stats(struct machine *m, word *args, unsigned count)
{
	struct plx_stats stats;

	(void)args;
	(void)count;
	plx_heap_stats(m->lisp->heap, &stats);
	if (!push_figure(m, "cycles", stats.cycles) || !push_figure(m, "flips", stats.flips) ||
	    !push_figure(m, "pauses", stats.pauses) ||
	    !push_figure(m, "pause-microseconds", stats.pause_ns / 1000) ||
	    !push_figure(m, "heap-max-bytes", stats.heap_max_bytes) ||
	    !push_figure(m, "used-bytes", stats.used_bytes) ||
	    !push_figure(m, "live-bytes", stats.live_bytes) ||
	    !push_figure(m, "allocated-bytes", stats.allocated_bytes) ||
	    !push_figure(m, "evacuated-bytes", stats.evacuated_bytes) ||
	    !push_figure(m, "weak-cleared", stats.weak_cleared) ||
	    !push_figure(m, "ephemerons-broken", stats.ephemerons_broken) ||
	    !push_figure(m, "pins", stats.pins) ||
	    !push_figure(m, "stack-held-regions", stats.stack_held_regions))
		return NULL;
	return lisp_list_from_stack(m, 13) ? *lisp_top(m) : NULL;
}

/* (heap-plan): how objects move here. */
static word prim_heap_plan(struct machine *m, word *args, unsigned count)
{
	const char *name = plx_plan_name(plx_heap_plan(m->lisp->heap));

	(void)args;
	(void)count;
	return lisp_intern(m, name, strlen(name));
}

/* (stack-depth): words on this thread's stack. */
static word prim_stack_depth(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return word_fixnum(args - m->stack->base);
}

/* (native?): are there primitives that hold references in C locals? */
static word prim_is_native(struct machine *m, word *args, unsigned count)
{
	(void)args;
	(void)count;
	return word_boolean(m->lisp->ambiguous);
}

const struct primitive control_primitives[] = {
	{"apply", prim_apply, 2, ANY_NUMBER},
	{"eval", prim_eval, 1, 1},
	{"throw", prim_throw, 1, 1},
	{"display", prim_display, 0, ANY_NUMBER},
	{"write", prim_write, 0, ANY_NUMBER},
	{"print", prim_print, 0, ANY_NUMBER},
	{"exit", prim_exit, 0, 1},
	{"gc", prim_gc, 0, 0},
	{"heap-stats", prim_heap_stats, 0, 0},
	{"heap-plan", prim_heap_plan, 0, 0},
	{"stack-depth", prim_stack_depth, 0, 0},
	{"native?", prim_is_native, 0, 0},
	{NULL, NULL, 0, 0},
};
