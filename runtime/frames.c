/* runtime/frames.c: a native stack, frame by frame: precise where there is a stack map, else ambiguous.
 *
 *     higher  | frame i+1                   |
 *             +-----------------------------+ <- sp of frame i+1
 *             | frame i: its slots, and the |
 *             | caller's registers that it  |    The walk begins where the stack was published and goes
 *             | has saved                   |    up. sp, ip and registers of a frame are as they will be
 *             +-----------------------------+ <- when the call in it has returned.
 *     lower   | frame i-1                   |
 *
 * [FR-1] A callee-saved register has one *place* at a time: where its value lies that the frame will find
 *        when the call returns. It is a word of the spilled registers, or of a frame further down that has
 *        saved it. It *belongs* to the first frame, going up, that has saved the register itself (its place
 *        changes on the step to that frame's caller), or has a map that lists it.
 * [FR-2] What belongs to a frame without a map is ambiguous; to one with a map: what the map says. So words
 *        that a frame has saved for others are left out of its own, and are accounted for once their owner
 *        is known.
 * [FR-3] A place is *fixed* if the function that published the stack goes on running: its registers, and
 *        what it has saved of its caller's, may be anywhere by now. What a map says of fixed places is
 *        treated as ambiguous: nothing moves, so nothing has to be updated. With a fixed derived pointer
 *        goes its base.
 * [FR-4] Where the walk cannot go on, all words from there to the base, and all places not accounted for, are
 *        ambiguous. So is what is above a frame that libunwind had to guess: it then knows no saved register.
 *
 * Of each step libunwind says where registers are. It is given a context made for the purpose; so where it
 * says that a register is in that, it has the place it had before. Over code that keeps a frame pointer and
 * has no tables the walk steps by itself, and makes a new context.
 *
 * Who runs here: whoever may read the stack [SK-3]. */
#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "runtime/frames.h"

#if RT_FRAMES

#define FRAMES_READS __attribute__((no_sanitize("address"), no_sanitize("thread")))

struct frame {
	uintptr_t ip, sp;
	uintptr_t *places[RT_SAVED_COUNT]; /* [FR-1] */
};

struct frames {
	struct plx_heap *heap;
	const struct rt_stack *stack;
	const struct gc_stack_visit *visit;
	struct frame at;
	const struct rt_stackmap *code;	      /* that `at` is in */
	const struct plx_stackmap_site *site; /* what is precise in it; NULL: ambiguous */
	bool running;			      /* `at` is of the function that runs on */
	uint32_t fixed;			      /* bit per register [FR-3] */
	uint32_t settled;		      /* bit per register: accounted for */
	bool ready;			      /* the cursor stands at `at` */
	unw_context_t made;
	unw_cursor_t cursor;
};

static const int frame_unwind_number[RT_SAVED_COUNT] = {
	UNW_X86_64_R15, UNW_X86_64_R14, UNW_X86_64_R13,
	UNW_X86_64_R12, UNW_X86_64_RBX, UNW_X86_64_RBP,
};

static const int frame_context_number[RT_SAVED_COUNT] = {
	REG_R15, REG_R14, REG_R13, REG_R12, REG_RBX, REG_RBP,
};

static FRAMES_READS uintptr_t frame_read(const uintptr_t *place)
{
	return *(const volatile uintptr_t *)place;
}

/* --- handing out -------------------------------------------------------------------------------- */

/* Words of the stack; those of the function that runs on as they were. [SK-2] */
static void frames_words(const struct frames *walk, uintptr_t low, uintptr_t high)
{
	const struct rt_stack *stack = walk->stack;
	uintptr_t copied = stack->from - stack->copied * sizeof(uintptr_t);
	uintptr_t split = gc_min(high, stack->from);

	if (!walk->visit->words)
		return;
	if (walk->running && low < split) {
		const uintptr_t *copy = stack->copy + (low - copied) / sizeof(uintptr_t);

		walk->visit->words(&walk->heap->gc, copy, copy + (split - low) / sizeof(uintptr_t));
		low = split;
	}
	if (low < high)
		walk->visit->words(&walk->heap->gc, (const uintptr_t *)low,
				   (const uintptr_t *)high);
}

static void frames_word(const struct frames *walk, const uintptr_t *place)
{
	if (walk->visit->words)
		walk->visit->words(&walk->heap->gc, place, place + 1);
}

/* The lowest of the places that are in [low, high), or `high`. */
static uintptr_t frames_next_place(const struct frame *frame, uintptr_t low, uintptr_t high)
{
	uintptr_t next = high;

	for (int r = 0; r < RT_SAVED_COUNT; r++)
		if ((uintptr_t)frame->places[r] >= low)
			next = gc_min(next, (uintptr_t)frame->places[r]);
	return next;
}

/* A frame's words, but for those that it has saved for others. [FR-2] */
static void frames_frame_words(const struct frames *walk, const struct frame *caller)
{
	uintptr_t low = walk->at.sp;

	while (low < caller->sp) {
		uintptr_t next = frames_next_place(caller, low, caller->sp);

		frames_words(walk, low, next);
		low = next + sizeof(uintptr_t);
	}
}

/* Where a slot is, and whether it is fixed. */
static uintptr_t *frames_slot(const struct frames *walk, const struct plx_stackmap_slot *slot,
			      bool *fixed)
{
	uintptr_t at;
	int saved;

	if (slot->place == PLX_STACKMAP_REGISTER) {
		saved = rt_saved_by_dwarf(slot->reg);
		*fixed |= walk->fixed >> saved & 1;
		return walk->at.places[saved];
	}
	at = slot->place == PLX_STACKMAP_SP ? walk->at.sp : frame_read(walk->at.places[RT_RBP]);
	at += (uintptr_t)(intptr_t)slot->offset;
	GC_REQUIRE(at >= walk->stack->low && at < walk->stack->base && at % sizeof(uintptr_t) == 0,
		   "the stack map for the return address %#lx has a slot at %#lx, which is not on "
		   "the stack: is the map of another version of the code?",
		   walk->at.ip, at);
	return (uintptr_t *)at;
}

/* A reference, and what is derived from it. */
static void frames_reference(struct frames *walk, const struct plx_stackmap_slot *slots,
			     uint32_t which)
{
	uintptr_t *derived[PLX_STACKMAP_DERIVED_MAX], *base;
	uint32_t count = 0;
	bool fixed = false;

	base = frames_slot(walk, &slots[which], &fixed);
	for (uint32_t i = 0; i < walk->site->count; i++)
		if (slots[i].base == (int)which)
			derived[count++] = frames_slot(walk, &slots[i], &fixed);
	if (fixed) /* [FR-3] */
		frames_word(walk, base);
	else if (walk->visit->reference)
		walk->visit->reference(&walk->heap->gc, base, derived, count);
}

static void frames_precise(struct frames *walk)
{
	const struct plx_stackmap_slot *slots = walk->code->map->slots + walk->site->first;

	for (uint32_t i = 0; i < walk->site->count; i++) {
		if (slots[i].base == PLX_STACKMAP_REFERENCE)
			frames_reference(walk, slots, i);
		if (slots[i].place == PLX_STACKMAP_REGISTER)
			walk->settled |= 1u << rt_saved_by_dwarf(slots[i].reg);
	}
}

/* --- stepping ----------------------------------------------------------------------------------- */

static void frames_make_context(struct frames *walk)
{
	memset(&walk->made, 0, sizeof(walk->made));
	for (int r = 0; r < RT_SAVED_COUNT; r++)
		walk->made.uc_mcontext.gregs[frame_context_number[r]] =
			(greg_t)frame_read(walk->at.places[r]);
	walk->made.uc_mcontext.gregs[REG_RIP] = (greg_t)walk->at.ip;
	walk->made.uc_mcontext.gregs[REG_RSP] = (greg_t)walk->at.sp;
}

/* The place of a register as the cursor sees it; NULL: it does not know. */
static uintptr_t *frames_cursor_place(struct frames *walk, int saved)
{
	uintptr_t made = (uintptr_t)&walk->made;
	unw_save_loc_t where;

	if (unw_get_save_loc(&walk->cursor, frame_unwind_number[saved], &where) != 0 ||
	    where.type != UNW_SLT_MEMORY)
		return NULL;
	if (where.u.addr - made < sizeof(walk->made))
		return walk->at.places[saved];
	return (uintptr_t *)where.u.addr;
}

static bool frames_step_by_tables(struct frames *walk, struct frame *caller)
{
	unw_word_t ip = 0, sp = 0;

	if (!walk->ready) {
		frames_make_context(walk);
		if (unw_init_local(&walk->cursor, &walk->made) != 0)
			return false;
	}
	walk->ready = true;
	if (unw_step(&walk->cursor) <= 0 || unw_get_reg(&walk->cursor, UNW_REG_IP, &ip) != 0 ||
	    unw_get_reg(&walk->cursor, UNW_REG_SP, &sp) != 0)
		return false;
	for (int r = 0; r < RT_SAVED_COUNT; r++) {
		caller->places[r] = frames_cursor_place(walk, r);
		if (!caller->places[r]) /* [FR-4] */
			return false;
	}
	caller->ip = ip;
	caller->sp = sp;
	return true;
}

static bool frames_step_by_frame_pointer(struct frames *walk, struct frame *caller)
{
	const struct plx_stackmap *map = walk->code->map;
	uintptr_t frame = frame_read(walk->at.places[RT_RBP]);

	walk->ready = false;
	if (frame < walk->at.sp || frame > walk->stack->base - 2 * sizeof(uintptr_t) ||
	    frame % sizeof(uintptr_t) != 0)
		return false;
	*caller = walk->at;
	for (uint32_t i = 0; i < map->save_count; i++)
		caller->places[rt_saved_by_dwarf(map->saves[i].reg)] =
			(uintptr_t *)(frame + (uintptr_t)(intptr_t)map->saves[i].offset);
	caller->places[RT_RBP] = (uintptr_t *)frame;
	caller->ip = frame_read((uintptr_t *)frame + 1);
	caller->sp = frame + 2 * sizeof(uintptr_t);
	return true;
}

static bool frames_step(struct frames *walk, struct frame *caller)
{
	bool by_frame_pointer = walk->code && walk->code->map->flags & PLX_STACKMAP_FRAME_POINTER;
	bool found = by_frame_pointer ? frames_step_by_frame_pointer(walk, caller)
				      : frames_step_by_tables(walk, caller);

	return found && caller->ip && caller->sp > walk->at.sp && caller->sp <= walk->stack->base &&
	       caller->sp % sizeof(uintptr_t) == 0;
}

/* Registers that this frame has saved itself were its own. [FR-1] */
static void frames_settle_registers(struct frames *walk, const struct frame *caller)
{
	for (int r = 0; r < RT_SAVED_COUNT; r++) {
		uint32_t bit = 1u << r;

		if (caller->places[r] == walk->at.places[r])
			continue;
		if (!walk->site && !(walk->settled & bit))
			frames_word(walk, walk->at.places[r]);
		walk->settled &= ~bit;
		if (!walk->running) /* [FR-3] */
			walk->fixed &= ~bit;
	}
}

/* [FR-4] */
static void frames_give_up(struct frames *walk)
{
	frames_words(walk, walk->at.sp, walk->stack->base);
	for (int r = 0; r < RT_SAVED_COUNT; r++)
		if (!(walk->settled & 1u << r))
			frames_word(walk, walk->at.places[r]);
}

/* What the map says of the frame that the walk has come to. */
static void frames_look_up(struct frames *walk)
{
	walk->code = rt_stackmap_find_locked(&walk->heap->stackmaps, walk->at.ip);
	walk->site = NULL;
	if (walk->code && !walk->running)
		walk->site = rt_stackmap_site(walk->code, walk->at.ip);
}

static void frames_all(struct frames *walk)
{
	struct frame caller;

	for (;;) {
		frames_look_up(walk);
		if (!frames_step(walk, &caller)) {
			frames_give_up(walk);
			return;
		}
		if (walk->site)
			frames_precise(walk);
		else
			frames_frame_words(walk, &caller);
		frames_settle_registers(walk, &caller);
		walk->at = caller;
		walk->running = false;
	}
}

static void frames_begin(struct frames *walk)
{
	const struct rt_stack *stack = walk->stack;

	walk->at.ip = stack->ip;
	walk->at.sp = stack->sp;
	walk->running = !stack->spill;
	walk->fixed = walk->running ? ~0u : 0;
	for (int r = 0; r < RT_SAVED_COUNT; r++)
		walk->at.places[r] = (uintptr_t *)(stack->spill ? &stack->spill->registers[r]
								: &stack->saved[r]);
}

void rt_frames_walk(struct plx_heap *heap, const struct rt_stack *stack,
		    const struct gc_stack_visit *visit)
{
	struct frames walk = {.heap = heap, .stack = stack, .visit = visit};

	frames_begin(&walk);
	pthread_mutex_lock(&heap->stackmaps.lock);
	frames_all(&walk);
	pthread_mutex_unlock(&heap->stackmaps.lock);
}

#else

void rt_frames_walk(struct plx_heap *heap, const struct rt_stack *stack,
		    const struct gc_stack_visit *visit)
{
	(void)heap, (void)stack, (void)visit;
}

#endif
