/* examples/lisp/compile.c: from forms to bytecode: units, variables, calls; form.c has the special forms.
 *
 * Compiling has two halves. In the first there is no safepoint at all: it reads forms and writes bytes into
 * C memory, so that forms are plain C locals, and constants are kept in handles (making one is no
 * safepoint). The second makes objects of all that, and touches handles only. A VM can often arrange it so: a
 * stretch without safepoints needs no care, as long as it is short; threads may have to wait for its end.
 *
 * Variables that are assigned to live in boxes, so that closures share them; all others are copied into
 * closures. A procedure refers to itself by slot 0 of its frame, where it is anyway: so loops cost no box.
 *
 * Slots of a frame: 0 the closure, then the parameters, the caller's position and base, then locals and
 * operands, whose number at each instruction is known here (`depth`). */
#include "examples/lisp/compile.h"

#include <stdlib.h>

#define NESTING_MOST 1000

void compile_error(struct compiler *c, const char *message, word irritant)
{
	if (c->error == NULL) {
		c->error = message;
		c->irritant = irritant;
	}
}

/* --- bytes --------------------------------------------------------------------------------------- */

static void emit_byte(struct compiler *c, struct unit *u, unsigned byte)
{
	if (u->length == u->room) {
		uint8_t *more = realloc(u->bytes, u->room = 2 * u->room + 64);

		if (more == NULL) {
			compile_error(c, "out of memory", NIL);
			u->room = u->length;
			return;
		}
		u->bytes = more;
	}
	u->bytes[u->length++] = (uint8_t)byte;
}

static void emit_operand(struct compiler *c, struct unit *u, unsigned operand)
{
	if (operand > UINT16_MAX)
		compile_error(c, "this procedure is too long", NIL);
	emit_byte(c, u, operand & 0xff);
	emit_byte(c, u, operand >> 8 & 0xff);
}

void emit(struct compiler *c, struct unit *u, enum op op)
{
	emit_byte(c, u, op);
}

void emit_1(struct compiler *c, struct unit *u, enum op op, unsigned operand)
{
	emit_byte(c, u, op);
	emit_operand(c, u, operand);
}

unsigned emit_jump(struct compiler *c, struct unit *u, enum op op)
{
	emit_1(c, u, op, 0);
	return u->length - 2;
}

void emit_patch(struct compiler *c, struct unit *u, unsigned hole)
{
	if (u->length > UINT16_MAX)
		compile_error(c, "this procedure is too long", NIL);
	if (c->error)
		return;
	u->bytes[hole] = (uint8_t)u->length;
	u->bytes[hole + 1] = (uint8_t)(u->length >> 8);
}

/* --- units --------------------------------------------------------------------------------------- */

static void units_free(struct unit *unit)
{
	while (unit) {
		struct unit *next = unit->next;

		free(unit->constants);
		free(unit->bytes);
		free(unit);
		unit = next;
	}
}

/* NULL when there is no memory: an error then, like all others. */
struct unit *unit_open(struct compiler *c, struct unit *outer, word name)
{
	struct unit *unit = calloc(1, sizeof(*unit));

	if (unit == NULL) {
		compile_error(c, "out of memory", NIL);
		return NULL;
	}
	unit->outer = outer;
	unit->next = c->units;
	unit->name = plx_handle_push(c->m->thread, name);
	unit->depth = 3;
	c->units = unit;
	return unit;
}

void unit_grow(struct unit *u, unsigned words)
{
	u->depth += words;
	if (u->depth > u->most)
		u->most = u->depth;
}

static struct constant *unit_new_constant(struct compiler *c, struct unit *u)
{
	struct constant *more =
		realloc(u->constants, (u->constant_count + 1) * sizeof(*u->constants));

	if (more == NULL) {
		compile_error(c, "out of memory", NIL);
		return NULL;
	}
	u->constants = more;
	u->constants[u->constant_count] = (struct constant){0};
	return &u->constants[u->constant_count++];
}

void emit_constant(struct compiler *c, struct unit *u, enum op op, word w)
{
	struct constant *constant;
	unsigned k = 0;

	while (k < u->constant_count &&
	       (!u->constants[k].handle || u->constants[k].handle->ref != w))
		k++;
	if (k == u->constant_count) {
		constant = unit_new_constant(c, u);
		if (constant && !(constant->handle = plx_handle_push(c->m->thread, w)))
			compile_error(c, "out of memory", NIL);
	}
	emit_1(c, u, op, k);
}

/* --- variables ----------------------------------------------------------------------------------- */

enum place_kind { PLACE_GLOBAL, PLACE_LOCAL, PLACE_CAPTURED };

struct place {
	enum place_kind kind;
	bool boxed;
	unsigned index;
};

/* What is on top of the frame gets a name; returns its slot. */
unsigned unit_declare(struct compiler *c, struct unit *u, word name, bool boxed)
{
	if (!is_symbol(c->m, name))
		compile_error(c, "expected the name of a variable", name);
	if (u->variable_count == VARIABLES_MOST)
		compile_error(c, "too many variables", name);
	else
		u->variables[u->variable_count++] =
			(struct variable){.name = name, .slot = u->depth - 1, .boxed = boxed};
	return u->depth - 1;
}

static struct place unit_find(struct compiler *c, struct unit *u, word name)
{
	struct place outer;

	for (unsigned i = u->variable_count; i-- > 0;)
		if (u->variables[i].name == name)
			return (struct place){PLACE_LOCAL, u->variables[i].boxed,
					      u->variables[i].slot};
	if (u->self == name)
		return (struct place){PLACE_LOCAL, false, 0};
	for (unsigned i = 0; i < u->capture_count; i++)
		if (u->captures[i].name == name)
			return (struct place){PLACE_CAPTURED, u->captures[i].boxed, i};
	outer = u->outer ? unit_find(c, u->outer, name) : (struct place){0};
	if (outer.kind == PLACE_GLOBAL)
		return outer;
	if (u->capture_count == CAPTURES_MOST) {
		compile_error(c, "this procedure closes over too much", name);
		return outer;
	}
	u->captures[u->capture_count] =
		(struct capture){name, outer.kind == PLACE_LOCAL, outer.boxed, outer.index};
	return (struct place){PLACE_CAPTURED, outer.boxed, u->capture_count++};
}

void compile_variable(struct compiler *c, struct unit *u, word name)
{
	struct place place = unit_find(c, u, name);

	if (place.kind == PLACE_GLOBAL)
		emit_constant(c, u, OP_GLOBAL, name);
	else if (place.kind == PLACE_LOCAL)
		emit_1(c, u, place.boxed ? OP_LOCAL_BOX : OP_LOCAL, place.index);
	else
		emit_1(c, u, place.boxed ? OP_CAPTURED_BOX : OP_CAPTURED, place.index);
	unit_grow(u, 1);
}

/* The value is on top. */
void compile_assign(struct compiler *c, struct unit *u, word name)
{
	struct place place = unit_find(c, u, name);

	if (!is_symbol(c->m, name))
		compile_error(c, "expected the name of a variable", name);
	else if (place.kind == PLACE_GLOBAL)
		emit_constant(c, u, OP_SET_GLOBAL, name);
	else if (!place.boxed)
		compile_error(c, "a procedure cannot assign to its own name", name);
	else
		emit_1(c, u, place.kind == PLACE_LOCAL ? OP_SET_LOCAL : OP_SET_CAPTURED,
		       place.index);
}

/* Push what `inner` closes over, boxes as they are, and make a closure of it. */
void compile_closure(struct compiler *c, struct unit *u, struct unit *inner)
{
	struct constant *constant = unit_new_constant(c, u);

	if (constant)
		constant->unit = inner;
	for (unsigned i = 0; i < inner->capture_count; i++) {
		const struct capture *capture = &inner->captures[i];

		emit_1(c, u, capture->is_local ? OP_LOCAL : OP_CAPTURED, capture->index);
		unit_grow(u, 1);
	}
	emit_1(c, u, OP_CLOSURE, u->constant_count - 1);
	emit_operand(c, u, inner->capture_count);
	u->depth -= inner->capture_count;
	unit_grow(u, 1);
}

/* --- expressions --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t op, arguments;
} inlined[] = {
	{"car", OP_CAR, 1},
	{"cdr", OP_CDR, 1},
	{"cons", OP_CONS, 2},
	{"+", OP_ADD, 2},
	{"-", OP_SUBTRACT, 2},
	{"*", OP_MULTIPLY, 2},
	{"<", OP_LESS, 2},
	{">", OP_GREATER, 2},
	{"=", OP_EQUAL, 2},
	{"eq?", OP_EQ, 2},
	{"null?", OP_NULL, 1},
	{"pair?", OP_PAIR, 1},
	{"not", OP_NOT, 1},
	{"vector-ref", OP_VECTOR_REF, 2},
	{"vector-set!", OP_VECTOR_SET, 3},
};

unsigned lisp_inlined(const char *name)
{
	for (size_t i = 0; i < sizeof(inlined) / sizeof(inlined[0]); i++)
		if (strcmp(inlined[i].name, name) == 0)
			return inlined[i].op;
	return OP_NONE;
}

static bool inlined_takes(unsigned op, unsigned arguments)
{
	for (size_t i = 0; i < sizeof(inlined) / sizeof(inlined[0]); i++)
		if (inlined[i].op == op)
			return inlined[i].arguments == arguments;
	return false;
}

static unsigned compile_arguments(struct compiler *c, struct unit *u, word list)
{
	unsigned count = 0;

	for (; is_pair(c->m, list); list = pair_cdr(list), count++)
		compile(c, u, pair_car(list), false);
	return count;
}

static unsigned list_length(const struct compiler *c, word list)
{
	unsigned count = 0;

	for (; is_pair(c->m, list); list = pair_cdr(list))
		count++;
	return count;
}

static void compile_call(struct compiler *c, struct unit *u, word x, bool tail)
{
	word head = pair_car(x);
	unsigned op = is_symbol(c->m, head) ? ((const struct symbol *)head)->inlined : OP_NONE;
	unsigned depth = u->depth, count = list_length(c, pair_cdr(x));

	if (op && inlined_takes(op, count) && unit_find(c, u, head).kind == PLACE_GLOBAL) {
		compile_arguments(c, u, pair_cdr(x));
		emit(c, u, (enum op)op);
	} else {
		compile(c, u, head, false);
		compile_arguments(c, u, pair_cdr(x));
		emit_1(c, u, tail ? OP_TAIL_CALL : OP_CALL, count);
	}
	u->depth = depth;
	unit_grow(u, 1);
	if (tail)
		emit(c, u, OP_RETURN);
}

static void compile_constant(struct compiler *c, struct unit *u, word x)
{
	if (word_is_fixnum(x) && word_number(x) >= INT16_MIN && word_number(x) <= INT16_MAX)
		emit_1(c, u, OP_FIXNUM, (uint16_t)word_number(x));
	else
		emit_constant(c, u, OP_CONSTANT, x);
	unit_grow(u, 1);
}

static void compile_pair(struct compiler *c, struct unit *u, word x, bool tail)
{
	word head = pair_car(x);
	enum form form = FORM_NONE;

	if (is_symbol(c->m, head))
		form = (enum form)((const struct symbol *)head)->form;
	if (form)
		compile_form(c, u, form, x, tail);
	else
		compile_call(c, u, x, tail);
}

/* Code that leaves the value of `x` on top of the frame, one word more than before; or, as the last thing a
 * procedure does (`tail`), returns it. */
void compile(struct compiler *c, struct unit *u, word x, bool tail)
{
	if (c->nesting == NESTING_MOST)
		compile_error(c, "too many lists in lists", NIL);
	if (c->error)
		return;
	c->nesting++;
	if (is_pair(c->m, x)) {
		compile_pair(c, u, x, tail);
	} else {
		if (is_symbol(c->m, x))
			compile_variable(c, u, x);
		else
			compile_constant(c, u, x);
		if (tail)
			emit(c, u, OP_RETURN);
	}
	c->nesting--;
}

/* --- the second half: objects. Safepoints ---------------------------------------------------------- */

static word unit_finish(struct machine *m, const struct unit *u);

/* The vector of constants is on top of the stack. */
static bool unit_fill_constants(struct machine *m, const struct unit *u)
{
	for (unsigned k = 0; k < u->constant_count; k++) {
		word w = u->constants[k].unit ? unit_finish(m, u->constants[k].unit)
					      : u->constants[k].handle->ref;
		struct vector *vector = *lisp_top(m);

		if (w == NULL)
			return false;
		PLX_STORE(m->thread, &vector->slots[k], w);
	}
	return true;
}

/* Bytecode and constants lie on the stack while the code object is made. */
static word unit_finish(struct machine *m, const struct unit *u)
{
	word fill = NIL, made = lisp_text(m, (const char *)u->bytes, u->length);
	struct code *code = NULL;

	if (made == NULL)
		return NULL;
	lisp_push(m, made);
	made = lisp_vector(m, u->constant_count, &fill);
	lisp_push(m, made);
	if (made && unit_fill_constants(m, u))
		code = lisp_make(m, KIND_CODE);
	if (code) {
		code->bytes = lisp_top(m)[-1];
		code->constants = lisp_top(m)[0];
		code->name = u->name ? u->name->ref : NIL;
		code->parameters = u->parameters;
		code->rest = u->rest;
		code->frame = u->most;
	}
	lisp_drop(m, 2);
	return code;
}

word lisp_compile(struct machine *m, const word *form)
{
	struct compiler c = {.m = m};
	struct plx_scope scope;
	struct unit *unit;
	word closure = NULL;

	if (!lisp_reserve(m, 2 * NESTING_MOST)) /* for unit_finish */
		return NULL;
	plx_scope_enter(m->thread, &scope);
	unit = unit_open(&c, NULL, NIL);
	if (unit)
		compile(&c, unit, *form, true);
	if (c.error)
		lisp_fail(m, c.error, c.irritant);
	else
		closure = unit_finish(m, unit);
	if (closure) {
		lisp_push(m, closure);
		closure = lisp_closure(m, lisp_top(m), 0);
		lisp_drop(m, 1);
	}
	units_free(c.units);
	plx_scope_exit(m->thread, &scope);
	return closure;
}
