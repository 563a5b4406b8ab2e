/* examples/lisp/run.c: the machine: frames on the stack, calls, returns, and the loop over instructions.
 *
 * The stack is memory of the collector's at addresses that never change, so `base` and the arguments of
 * primitives are plain C pointers to it. Words on it are pushed without a barrier; taking one away, or
 * replacing it, goes through plx_root_stack_drop and plx_root_stack_set, which log it while the collector
 * marks. After a flip the collector brings the stack up to date page by page, most of it when somebody gets
 * there: so a recursion of a million calls makes no pause longer.
 *
 * The code of the procedure that runs is in the heap too, and moves: after each safepoint machine_reload
 * finds it again, from the closure in slot 0 of the frame.
 *
 * Every call polls, and every return: coming back from a million calls is a loop, too. Dropping many words at
 * once polls in between. There are no other loops. */
#include "examples/lisp/compile.h"

#define DROP_PIECE 256 /* words between polls */

static inline unsigned fetch(struct machine *m)
{
	return m->code[m->position++];
}

static inline unsigned fetch_operand(struct machine *m)
{
	unsigned low = fetch(m);

	return low | fetch(m) << 8;
}

static inline void machine_reload(struct machine *m)
{
	const struct closure *closure = m->base[0];
	const struct code *code = closure->code;

	m->code = (const uint8_t *)((const struct text *)code->bytes)->bytes;
	m->constants = ((const struct vector *)code->constants)->slots;
	m->parameters = code->parameters;
}

/* The top `count` words become one. */
static inline void machine_replace(struct machine *m, unsigned count, word w)
{
	lisp_set(m, m->stack->top - count, w);
	if (count > 1)
		lisp_drop(m, count - 1);
}

static inline word machine_index(const struct machine *m, const word *slot)
{
	return word_fixnum(slot - m->stack->base);
}

static inline word *machine_slot(const struct machine *m, word index)
{
	return m->stack->base + word_number(index);
}

/* --- calls --------------------------------------------------------------------------------------- */

/* Begin the frame of the closure in *f, with `count` arguments above it. A safepoint. */
static bool machine_enter(struct machine *m, word *f, unsigned count, word position, word base)
{
	const struct code *code = ((const struct closure *)*f)->code;
	unsigned required = code->parameters - code->rest;

	if (count < required || (count > required && !code->rest))
		return lisp_fail(m, "wrong number of arguments for", *f) != NULL;
	if (code->rest && !lisp_list_from_stack(m, count - required))
		return false;
	code = ((const struct closure *)*f)->code; /* it may have moved */
	if (!lisp_reserve(m, code->frame))
		return false;
	lisp_push(m, position);
	lisp_push(m, base);
	m->base = f;
	m->position = 0;
	machine_reload(m);
	return true;
}

/* Move the `count` words at `from`, the topmost of all, down to `to`. */
static void machine_move_down(struct machine *m, word *to, const word *from, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		lisp_set(m, to + i, from[i]);
	lisp_drop_to(m, to + count);
}

word lisp_call_instead(struct machine *m, unsigned count)
{
	m->call_count = count;
	return WORD_IMMEDIATE(IMMEDIATE_CALL, 0);
}

/* Run the primitive in *f. Its result takes the call's place; or, if it says so, another call does:
 * then *count is that one's, and the result is true. False: done, or failed. A safepoint. */
static bool machine_primitive(struct machine *m, word *f, unsigned *count, bool *failed)
{
	const struct primitive *primitive = NULL;
	word result = NULL;

	if (word_is_immediate(*f, IMMEDIATE_PRIMITIVE))
		primitive = m->lisp->primitives[word_above(*f)];
	if (primitive == NULL)
		lisp_fail(m, "this is no procedure:", *f);
	else if (*count < primitive->least ||
		 (*count > primitive->most && primitive->most != ANY_NUMBER))
		lisp_fail(m, "wrong number of arguments for", *f);
	else if (lisp_reserve(m, 0))
		result = primitive->run(m, f + 1, *count);
	*failed = result == NULL;
	if (result == NULL)
		return false;
	if (word_is_immediate(result, IMMEDIATE_CALL)) {
		*count = m->call_count;
		machine_move_down(m, f, m->stack->top - *count - 1, *count + 1);
		return true;
	}
	lisp_set(m, f, result);
	lisp_drop_to(m, f + 1);
	return false;
}

/* Call what lies on the stack: a closure's frame is begun, a primitive is done with. A safepoint. */
static bool machine_call(struct machine *m, unsigned count)
{
	word *f = m->stack->top - count - 1;
	bool failed = false;

	plx_poll(m->thread);
	do
		if (lisp_kind(m, *f) == KIND_CLOSURE)
			return machine_enter(m, f, count, word_fixnum(m->position),
					     machine_index(m, m->base));
	while (machine_primitive(m, f, &count, &failed));
	if (!failed && m->base != m->stack->base)
		machine_reload(m);
	return !failed;
}

/* The same, but a closure takes over this frame. */
static bool machine_tail_call(struct machine *m, unsigned count)
{
	word *f = m->stack->top - count - 1;
	word position = m->base[1 + m->parameters], base = m->base[2 + m->parameters];
	bool failed = false;

	plx_poll(m->thread);
	do
		if (lisp_kind(m, *f) == KIND_CLOSURE) {
			machine_move_down(m, m->base, f, count + 1);
			return machine_enter(m, m->base, count, position, base);
		}
	while (machine_primitive(m, f, &count, &failed));
	if (!failed)
		machine_reload(m);
	return !failed;
}

/* False when it was the outermost frame. A safepoint. */
static bool machine_return(struct machine *m)
{
	word *frame = m->base;
	word position = frame[1 + m->parameters], base = frame[2 + m->parameters]; /* fixnums */

	plx_poll(m->thread);
	lisp_set(m, frame, *lisp_top(m));
	lisp_drop_to(m, frame + 1);
	m->base = machine_slot(m, base);
	if (m->base == m->stack->base)
		return false;
	m->position = (uint32_t)word_number(position);
	machine_reload(m);
	return true;
}

/* --- errors -------------------------------------------------------------------------------------- */

/* Millions of words, perhaps; while the collector marks, each is logged. A safepoint. */
static void machine_drop_to(struct machine *m, const word *top)
{
	while (m->stack->top - top > DROP_PIECE) {
		lisp_drop(m, DROP_PIECE);
		plx_poll(m->thread);
	}
	lisp_drop_to(m, top);
}

/* handler, outer catcher, base, position: see compile_try. */
static void machine_try(struct machine *m, unsigned caught)
{
	word *handler = lisp_top(m);

	lisp_push(m, word_fixnum((int64_t)m->catcher));
	lisp_push(m, machine_index(m, m->base));
	lisp_push(m, word_fixnum(caught));
	m->catcher = (size_t)(handler - m->stack->base);
}

static void machine_end_try(struct machine *m)
{
	m->catcher = (size_t)word_number(lisp_top(m)[-3]);
	machine_replace(m, 5, *lisp_top(m));
}

/* Something was thrown: go to the innermost handler. False when there is none. A safepoint. */
static bool machine_unwind(struct machine *m)
{
	word *handler = m->stack->base + m->catcher;

	if (m->catcher == 0)
		return false;
	m->catcher = (size_t)word_number(handler[1]);
	m->base = machine_slot(m, handler[2]);
	m->position = (uint32_t)word_number(handler[3]);
	machine_drop_to(m, handler + 1);
	lisp_push(m, m->thrown->ref);
	lisp_throw(m, NIL);
	machine_reload(m);
	return true;
}

/* --- single instructions: true, or false after an error ---------------------------------------------- */

static bool push_value(struct machine *m, word value, word name)
{
	if (PLX_UNLIKELY(value == NULL))
		return lisp_fail(m, "a variable has no value yet", name) != NULL;
	lisp_push(m, value);
	return true;
}

static bool push_global(struct machine *m, word symbol)
{
	return push_value(m, ((const struct symbol *)symbol)->value, symbol);
}

static bool push_boxed(struct machine *m, word box)
{
	return push_value(m, ((const struct box *)box)->value, NULL);
}

static void set_boxed(struct machine *m, word box)
{
	PLX_STORE(m->thread, &((struct box *)box)->value, *lisp_top(m));
	lisp_set(m, lisp_top(m), NOTHING);
}

static bool set_global(struct machine *m, word symbol)
{
	struct symbol *global = symbol;

	if (global->value == NULL)
		return lisp_fail(m, "a variable is not defined", symbol) != NULL;
	PLX_STORE(m->thread, &global->value, *lisp_top(m));
	lisp_set(m, lisp_top(m), NOTHING);
	return true;
}

static bool define_global(struct machine *m, word symbol)
{
	bool defined;

	lisp_push(m, symbol);
	defined = lisp_define(m, lisp_top(m), lisp_top(m) - 1);
	lisp_drop(m, 1);
	lisp_set(m, lisp_top(m), NOTHING);
	machine_reload(m);
	return defined;
}

static bool box_slot(struct machine *m, word *slot)
{
	word box = lisp_box(m, slot);

	if (box == NULL)
		return false;
	lisp_set(m, slot, box);
	machine_reload(m);
	return true;
}

static bool make_closure(struct machine *m, unsigned constant, unsigned captured)
{
	word closure;

	lisp_push(m, m->constants[constant]);
	for (unsigned i = 0; i < captured; i++) /* what is closed over goes on top */
		lisp_push(m, lisp_top(m)[-(int)captured]);
	closure = lisp_closure(m, lisp_top(m) - captured, captured);
	if (closure == NULL)
		return false;
	machine_replace(m, 2 * captured + 1, closure);
	machine_reload(m);
	return true;
}

/* What has an instruction of its own and is not the common case: the primitive itself. */
static bool run_primitive(struct machine *m, enum op op, unsigned count)
{
	word *args = m->stack->top - count;
	word result = m->lisp->inlined[op]->run(m, args, count);

	if (result == NULL)
		return false;
	lisp_drop_to(m, args + count);
	machine_replace(m, count, result);
	machine_reload(m);
	return true;
}

/* The common cases: fixnums, without overflow. A fixnum's word is twice its number, plus one. */
static bool run_number(struct machine *m, enum op op)
{
	intptr_t a = (intptr_t)lisp_top(m)[-1], b = (intptr_t)lisp_top(m)[0], sum = 0;
	word result;

	if (PLX_UNLIKELY(!(a & b & 1)))
		return run_primitive(m, op, 2);
	if (op == OP_ADD || op == OP_SUBTRACT) {
		if (op == OP_ADD ? __builtin_add_overflow(a, b - 1, &sum)
				 : __builtin_sub_overflow(a, b - 1, &sum))
			return run_primitive(m, op, 2);
		result = (word)sum;
	} else {
		result = word_boolean(op == OP_LESS ? a < b : op == OP_GREATER ? a > b : a == b);
	}
	machine_replace(m, 2, result);
	return true;
}

static bool run_list(struct machine *m, enum op op)
{
	word pair;

	if (op == OP_CONS) {
		pair = lisp_cons(m, lisp_top(m) - 1, lisp_top(m));
		if (pair == NULL)
			return false;
		machine_replace(m, 2, pair);
		machine_reload(m);
		return true;
	}
	pair = *lisp_top(m);
	if (PLX_UNLIKELY(!is_pair(m, pair)))
		return run_primitive(m, op, 1);
	lisp_set(m, lisp_top(m), op == OP_CAR ? pair_car(pair) : pair_cdr(pair));
	return true;
}

static bool run_vector_ref(struct machine *m)
{
	word *args = lisp_top(m) - 1;
	const struct vector *vector = args[0];

	/* A negative index is a large one. */
	if (PLX_UNLIKELY(lisp_kind(m, args[0]) != KIND_VECTOR || !word_is_fixnum(args[1]) ||
			 (uint64_t)word_number(args[1]) >= plx_object_length(vector)))
		return run_primitive(m, OP_VECTOR_REF, 2);
	machine_replace(m, 2, vector->slots[word_number(args[1])]);
	return true;
}

static bool run_inlined(struct machine *m, enum op op)
{
	word top = *lisp_top(m);

	switch (op) {
	case OP_CAR:
	case OP_CDR:
	case OP_CONS:
		return run_list(m, op);
	case OP_ADD:
	case OP_SUBTRACT:
	case OP_LESS:
	case OP_GREATER:
	case OP_EQUAL:
		return run_number(m, op);
	case OP_EQ:
		machine_replace(m, 2, word_boolean(top == lisp_top(m)[-1]));
		return true;
	case OP_NULL:
		lisp_set(m, lisp_top(m), word_boolean(top == NIL));
		return true;
	case OP_PAIR:
		lisp_set(m, lisp_top(m), word_boolean(is_pair(m, top)));
		return true;
	case OP_NOT:
		lisp_set(m, lisp_top(m), word_boolean(top == FALSE_WORD));
		return true;
	case OP_VECTOR_REF:
		return run_vector_ref(m);
	default:
		return run_primitive(m, op, op == OP_VECTOR_SET ? 3 : 2);
	}
}

static void run_jump(struct machine *m, enum op op)
{
	unsigned to = fetch_operand(m);
	bool is_false = *lisp_top(m) == FALSE_WORD;
	bool jumps = is_false == (op != OP_JUMP_TRUE_KEEP);

	if (jumps)
		m->position = to;
	if (!jumps || op == OP_JUMP_FALSE)
		lisp_drop(m, 1);
}

static const struct closure *this_closure(const struct machine *m)
{
	return m->base[0];
}

/* --- the loop ------------------------------------------------------------------------------------ */

/* One instruction. False: the outermost frame returned, or (`*well` is false then) something was thrown. */
static inline bool machine_step(struct machine *m, bool *well)
{
	enum op op = (enum op)fetch(m);
	unsigned n;

	switch (op) {
	case OP_CONSTANT:
		lisp_push(m, m->constants[fetch_operand(m)]);
		return true;
	case OP_FIXNUM:
		lisp_push(m, word_fixnum((int16_t)fetch_operand(m)));
		return true;
	case OP_UNSET:
		lisp_push(m, NULL);
		return true;
	case OP_LOCAL:
		lisp_push(m, m->base[fetch_operand(m)]);
		return true;
	case OP_LOCAL_BOX:
		return *well = push_boxed(m, m->base[fetch_operand(m)]);
	case OP_CAPTURED:
		lisp_push(m, this_closure(m)->captured[fetch_operand(m)]);
		return true;
	case OP_CAPTURED_BOX:
		return *well = push_boxed(m, this_closure(m)->captured[fetch_operand(m)]);
	case OP_GLOBAL:
		return *well = push_global(m, m->constants[fetch_operand(m)]);
	case OP_SET_LOCAL:
		set_boxed(m, m->base[fetch_operand(m)]);
		return true;
	case OP_SET_CAPTURED:
		set_boxed(m, this_closure(m)->captured[fetch_operand(m)]);
		return true;
	case OP_SET_GLOBAL:
		return *well = set_global(m, m->constants[fetch_operand(m)]);
	case OP_DEFINE:
		return *well = define_global(m, m->constants[fetch_operand(m)]);
	case OP_BOX:
		return *well = box_slot(m, lisp_top(m));
	case OP_BOX_SLOT:
		return *well = box_slot(m, m->base + fetch_operand(m));
	case OP_POP:
		lisp_drop(m, 1);
		return true;
	case OP_SLIDE:
		machine_replace(m, fetch_operand(m) + 1, *lisp_top(m));
		return true;
	case OP_JUMP:
		m->position = fetch_operand(m);
		return true;
	case OP_JUMP_FALSE:
	case OP_JUMP_FALSE_KEEP:
	case OP_JUMP_TRUE_KEEP:
		run_jump(m, op);
		return true;
	case OP_CLOSURE:
		n = fetch_operand(m);
		return *well = make_closure(m, n, fetch_operand(m));
	case OP_CALL:
		return *well = machine_call(m, fetch_operand(m));
	case OP_TAIL_CALL:
		return *well = machine_tail_call(m, fetch_operand(m));
	case OP_RETURN:
		return machine_return(m);
	case OP_TRY:
		machine_try(m, fetch_operand(m));
		return true;
	case OP_END_TRY:
		machine_end_try(m);
		return true;
	default:
		return *well = run_inlined(m, op);
	}
}

static bool machine_run(struct machine *m)
{
	bool well = true;

	do {
		while (machine_step(m, &well))
			;
		if (well)
			return true;
		well = true;
	} while (machine_unwind(m));
	return false;
}

/* Begins at the stack's own bottom as its base, by which machine_return knows the outermost frame. */
bool lisp_call(struct machine *m, unsigned count)
{
	word *f = m->stack->top - count - 1;
	bool well;

	m->base = m->stack->base;
	m->position = 0;
	m->catcher = 0;
	well = machine_call(m, count) && (m->base == m->stack->base || machine_run(m));
	if (!well)
		machine_drop_to(m, f);
	return well;
}
