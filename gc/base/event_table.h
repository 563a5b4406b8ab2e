/* gc/base/event_table.h: the one table of events. Append only: numbers and names are kept for good, since
 * traces, probes and scripts refer to them.
 *
 * X(name, category, kind, argument, argument, argument, argument)
 *
 * Kinds: SPAN has a beginning and a duration and is recorded when it ends; INSTANT is a moment; COUNTER
 * samples its arguments. An argument is a 64-bit number, or, where its name starts with '*', a pointer
 * to a constant string. "" is no argument. Categories: see docs/telemetry.md.
 *
 * From it come the trace (runtime/trace.c) and the names of the USDT probes. */
#ifndef GC_BASE_EVENT_TABLE_H
#define GC_BASE_EVENT_TABLE_H

/* clang-format off */
#define GC_EVENT_TABLE(X) \
	/* A cycle. Its phases follow each other without a gap. */ \
	X(cycle, CYCLE, SPAN, "number", "*cause", "live_bytes", "freed_bytes") \
	X(cycle_begin, CYCLE, INSTANT, "number", "*cause", "", "") \
	X(prepare, PHASE, SPAN, "", "", "", "") \
	X(start, PHASE, SPAN, "", "", "", "") \
	X(mark, PHASE, SPAN, "", "", "", "") \
	X(references, PHASE, SPAN, "", "", "", "") \
	X(sweep, PHASE, SPAN, "live_bytes", "freed_regions", "", "") \
	X(plan, PHASE, SPAN, "evacuated_regions", "evacuated_bytes", "target_regions", "") \
	X(settle, PHASE, SPAN, "", "", "", "") \
	X(flip, PHASE, SPAN, "*mode", "dirty_pages", "", "") \
	X(move, PHASE, SPAN, "", "", "", "") \
	X(finish, PHASE, SPAN, "", "", "", "") \
	X(close, PHASE, SPAN, "", "", "", "") \
	/* Parts of move. */ \
	X(reattach, PART, SPAN, "", "", "", "") \
	X(update, PART, SPAN, "", "", "", "") \
	X(copy, PART, SPAN, "", "", "", "") \
	X(bring_back, PART, SPAN, "", "", "", "") \
	/* A round in which each thread answers at a safepoint of its own; the regime it gets. */ \
	X(handshake, PART, SPAN, "regime", "", "", "") \
	/* From the request of a stop until mutators may run; and until the last of them stood still. */ \
	X(pause, PAUSE, SPAN, "*kind", "reaching_ns", "", "") \
	X(stop, PAUSE, SPAN, "*kind", "", "", "") \
	X(pause_begin, PAUSE, INSTANT, "*kind", "", "", "") \
	/* A worker's share of a task. */ \
	X(work, WORK, SPAN, "round", "", "", "") \
	/* Mutators, or the fault thread for them. */ \
	X(fault, FAULT, SPAN, "page", "", "", "") \
	X(stall, ALLOCATION, SPAN, "bytes", "emergency", "", "") \
	X(paced, ALLOCATION, SPAN, "asked_ns", "", "", "") \
	X(refill, ALLOCATION, INSTANT, "bytes", "space", "", "") \
	X(attach, THREAD, INSTANT, "", "", "", "") \
	X(detach, THREAD, INSTANT, "", "", "", "") \
	/* The heap. */ \
	X(heap, HEAP, COUNTER, "used_bytes", "live_bytes", "resident_bytes", "") \
	X(degrade, HEAP, INSTANT, "*what", "errno", "", "") \
	X(returned, HEAP, INSTANT, "bytes", "", "", "")
/* clang-format on */

#endif
