/* examples/lisp/form.c: the special forms. No safepoint in this file: see compile.c. */
#include "examples/lisp/compile.h"

#define ASSIGN_DEPTH 200

static const char *const form_names[] = {
	[FORM_QUOTE] = "quote", [FORM_IF] = "if",	  [FORM_DEFINE] = "define",
	[FORM_SET] = "set!",	[FORM_LAMBDA] = "lambda", [FORM_BEGIN] = "begin",
	[FORM_LET] = "let",	[FORM_LET_STAR] = "let*", [FORM_LETREC] = "letrec",
	[FORM_COND] = "cond",	[FORM_AND] = "and",	  [FORM_OR] = "or",
	[FORM_WHEN] = "when",	[FORM_UNLESS] = "unless", [FORM_TRY] = "try",
	[FORM_ELSE] = "else",	[FORM_REST] = "&rest",
};

#define FORM_NAMES (sizeof(form_names) / sizeof(form_names[0]))

/* The words of the language get a mark, and a value so that they stay. A safepoint. */
bool compile_form_names(struct machine *m)
{
	for (unsigned form = FORM_QUOTE; form < FORM_NAMES; form++) {
		word symbol = lisp_intern(m, form_names[form], strlen(form_names[form]));

		if (symbol == NULL)
			return false;
		((struct symbol *)symbol)->form = form;
		lisp_push(m, symbol);
		lisp_push(m, NOTHING);
		if (!lisp_define(m, lisp_top(m) - 1, lisp_top(m)))
			return false;
		lisp_drop(m, 2);
	}
	return true;
}

static enum form form_of(const struct compiler *c, word x)
{
	word head = list_first(c, x);

	return is_symbol(c->m, head) ? (enum form)((const struct symbol *)head)->form : FORM_NONE;
}

static word second(const struct compiler *c, word x)
{
	return list_first(c, list_rest(c, x));
}

static word third(const struct compiler *c, word x)
{
	return second(c, list_rest(c, x));
}

/* Is there a (set! name ...) anywhere in these forms? By name alone: a box too many does no harm. */
static bool is_assigned(const struct compiler *c, word name, word x, unsigned depth)
{
	if (depth == 0)
		return true;
	if (form_of(c, x) == FORM_SET && second(c, x) == name)
		return true;
	for (; is_pair(c->m, x); x = pair_cdr(x))
		if (is_pair(c->m, pair_car(x)) && is_assigned(c, name, pair_car(x), depth - 1))
			return true;
	return false;
}

static void compile_nothing(struct compiler *c, struct unit *u, bool tail)
{
	emit_constant(c, u, OP_CONSTANT, NOTHING);
	unit_grow(u, 1);
	if (tail)
		emit(c, u, OP_RETURN);
}

/* All of a list of forms; the value is the last one's. */
static void compile_sequence(struct compiler *c, struct unit *u, word list, bool tail)
{
	if (!is_pair(c->m, list)) {
		compile_nothing(c, u, tail);
		return;
	}
	for (; is_pair(c->m, pair_cdr(list)); list = pair_cdr(list)) {
		compile(c, u, pair_car(list), false);
		emit(c, u, OP_POP);
		u->depth--;
	}
	compile(c, u, pair_car(list), tail);
}

/* --- procedures and their bodies ------------------------------------------------------------------- */

static void compile_body(struct compiler *c, struct unit *u, word body, bool tail);

/* Parameters, or the variables of a named let: those are the first words of `bindings`. */
static void unit_parameters(struct compiler *c, struct unit *u, word list, bool bindings, word body)
{
	unsigned at = 1;

	for (; is_pair(c->m, list); list = pair_cdr(list)) {
		word name = bindings ? list_first(c, pair_car(list)) : pair_car(list);

		if (is_symbol(c->m, name) && ((const struct symbol *)name)->form == FORM_REST) {
			u->rest = 1;
			continue;
		}
		u->depth = at + 1; /* so that it gets the slot below */
		unit_declare(c, u, name, is_assigned(c, name, body, ASSIGN_DEPTH));
		at++;
	}
	u->parameters = at - 1;
	u->depth = at;
	unit_grow(u, 2); /* the caller's position and base */
	for (unsigned i = 0; i < u->variable_count; i++)
		if (u->variables[i].boxed)
			emit_1(c, u, OP_BOX_SLOT, u->variables[i].slot);
}

/* `name`: what it is called, or nil. `self`: it may use that name for itself. */
static void compile_lambda(struct compiler *c, struct unit *u, word name, bool self,
			   word parameters, word body)
{
	struct unit *inner = unit_open(c, u, name);

	if (inner == NULL)
		return;
	inner->self = self ? name : NULL;
	unit_parameters(c, inner, parameters, false, body);
	compile_body(c, inner, body, true);
	compile_closure(c, u, inner);
}

/* (define name value), (define (name parameter ...) form ...): push the value. */
static void compile_defined(struct compiler *c, struct unit *u, word x, bool self)
{
	word target = second(c, x);

	if (is_pair(c->m, target))
		compile_lambda(c, u, pair_car(target), self, pair_cdr(target),
			       list_rest(c, list_rest(c, x)));
	else if (form_of(c, third(c, x)) == FORM_LAMBDA)
		compile_lambda(c, u, target, self, second(c, third(c, x)),
			       list_rest(c, list_rest(c, third(c, x))));
	else
		compile(c, u, third(c, x), false);
}

static word defined_name(const struct compiler *c, word x)
{
	word target = second(c, x);

	return is_pair(c->m, target) ? pair_car(target) : target;
}

/* Of variables that were declared since there were `before` of them, with the value of a form on top of
 * them: leave only the value. */
static void compile_leave(struct compiler *c, struct unit *u, unsigned before, bool tail)
{
	unsigned count = u->variable_count - before;

	u->variable_count = before;
	u->depth -= count;
	if (count > 0 && !tail)
		emit_1(c, u, OP_SLIDE, count);
}

/* An unset variable in a box, for each name: procedures may refer to each other before all are made. */
static void compile_unset(struct compiler *c, struct unit *u, word name)
{
	emit(c, u, OP_UNSET);
	emit(c, u, OP_BOX);
	unit_grow(u, 1);
	unit_declare(c, u, name, true);
}

static void compile_set_fresh(struct compiler *c, struct unit *u, word name)
{
	compile_assign(c, u, name);
	emit(c, u, OP_POP);
	u->depth--;
}

/* Definitions at the head of a body are variables of its own. */
static void compile_body(struct compiler *c, struct unit *u, word body, bool tail)
{
	unsigned before = u->variable_count;
	word x;

	for (x = body; form_of(c, list_first(c, x)) == FORM_DEFINE; x = pair_cdr(x))
		compile_unset(c, u, defined_name(c, pair_car(x)));
	for (; form_of(c, list_first(c, body)) == FORM_DEFINE; body = pair_cdr(body)) {
		compile_defined(c, u, pair_car(body), true);
		compile_set_fresh(c, u, defined_name(c, pair_car(body)));
	}
	compile_sequence(c, u, body, tail);
	compile_leave(c, u, before, tail);
}

static void compile_define(struct compiler *c, struct unit *u, word x, bool tail)
{
	word name = defined_name(c, x);

	if (u->outer || u->variable_count > 0)
		compile_error(c, "a definition has to be at the head of a body, or outside of all",
			      name);
	else if (!is_symbol(c->m, name) || ((const struct symbol *)name)->form)
		compile_error(c, "this cannot be defined", name);
	if (c->error)
		return;
	compile_defined(c, u, x, false);
	emit_constant(c, u, OP_DEFINE, name);
	if (tail)
		emit(c, u, OP_RETURN);
}

/* --- binding ------------------------------------------------------------------------------------- */

/* (let name ((variable value) ...) form ...): a procedure, and a call of it. */
static void compile_named_let(struct compiler *c, struct unit *u, word x, bool tail)
{
	word name = second(c, x), bindings = third(c, x);
	word body = list_rest(c, list_rest(c, list_rest(c, x)));
	struct unit *inner = unit_open(c, u, name);
	unsigned depth = u->depth;

	if (inner == NULL)
		return;
	inner->self = name;
	unit_parameters(c, inner, bindings, true, body);
	compile_body(c, inner, body, true);
	compile_closure(c, u, inner);
	for (word b = bindings; is_pair(c->m, b); b = pair_cdr(b))
		compile(c, u, second(c, pair_car(b)), false);
	emit_1(c, u, tail ? OP_TAIL_CALL : OP_CALL, inner->parameters);
	u->depth = depth;
	unit_grow(u, 1);
	if (tail)
		emit(c, u, OP_RETURN);
}

/* The value on top becomes a variable, in a box if the body assigns to it. */
static void compile_bind(struct compiler *c, struct unit *u, word name, word body)
{
	bool boxed = is_assigned(c, name, body, ASSIGN_DEPTH);

	if (boxed)
		emit(c, u, OP_BOX);
	unit_declare(c, u, name, boxed);
}

/* All values first, then the names: they do not see each other. */
static void compile_let(struct compiler *c, struct unit *u, word x, bool tail)
{
	word bindings = second(c, x), body = list_rest(c, list_rest(c, x));
	unsigned before = u->variable_count, first = u->depth, after;

	if (is_symbol(c->m, bindings)) {
		compile_named_let(c, u, x, tail);
		return;
	}
	for (word b = bindings; is_pair(c->m, b); b = pair_cdr(b)) {
		compile(c, u, second(c, pair_car(b)), false);
		if (is_assigned(c, list_first(c, pair_car(b)), body, ASSIGN_DEPTH))
			emit(c, u, OP_BOX);
	}
	after = u->depth;
	for (word b = bindings; is_pair(c->m, b); b = pair_cdr(b)) {
		word name = list_first(c, pair_car(b));

		u->depth = ++first;
		unit_declare(c, u, name, is_assigned(c, name, body, ASSIGN_DEPTH));
	}
	u->depth = after;
	compile_body(c, u, body, tail);
	compile_leave(c, u, before, tail);
}

static void compile_let_star(struct compiler *c, struct unit *u, word x, bool tail)
{
	unsigned before = u->variable_count;

	for (word b = second(c, x); is_pair(c->m, b); b = pair_cdr(b)) {
		compile(c, u, second(c, pair_car(b)), false);
		compile_bind(c, u, list_first(c, pair_car(b)), list_rest(c, x));
	}
	compile_body(c, u, list_rest(c, list_rest(c, x)), tail);
	compile_leave(c, u, before, tail);
}

static void compile_letrec(struct compiler *c, struct unit *u, word x, bool tail)
{
	unsigned before = u->variable_count;
	word bindings = second(c, x);

	for (word b = bindings; is_pair(c->m, b); b = pair_cdr(b))
		compile_unset(c, u, list_first(c, pair_car(b)));
	for (word b = bindings; is_pair(c->m, b); b = pair_cdr(b)) {
		word name = list_first(c, pair_car(b)), value = second(c, pair_car(b));

		if (form_of(c, value) == FORM_LAMBDA)
			compile_lambda(c, u, name, true, second(c, value),
				       list_rest(c, list_rest(c, value)));
		else
			compile(c, u, value, false);
		compile_set_fresh(c, u, name);
	}
	compile_body(c, u, list_rest(c, list_rest(c, x)), tail);
	compile_leave(c, u, before, tail);
}

/* --- choosing ------------------------------------------------------------------------------------ */

/* The test is on top; returns the jump to what comes when it is false. */
static unsigned compile_test(struct compiler *c, struct unit *u, word test)
{
	compile(c, u, test, false);
	u->depth--;
	return emit_jump(c, u, OP_JUMP_FALSE);
}

/* After the value when true: begin the other one. Returns the jump over it. */
static unsigned compile_else(struct compiler *c, struct unit *u, unsigned hole, bool tail)
{
	unsigned over = tail ? 0 : emit_jump(c, u, OP_JUMP);

	emit_patch(c, u, hole);
	u->depth--;
	return over;
}

static void compile_if(struct compiler *c, struct unit *u, word x, bool tail)
{
	unsigned hole = compile_test(c, u, second(c, x)), over;
	word otherwise = list_rest(c, list_rest(c, list_rest(c, x)));

	compile(c, u, third(c, x), tail);
	over = compile_else(c, u, hole, tail);
	compile_sequence(c, u, otherwise, tail);
	if (!tail)
		emit_patch(c, u, over);
}

/* (when test form ...), (unless test form ...) */
static void compile_when(struct compiler *c, struct unit *u, word x, bool when, bool tail)
{
	unsigned hole = compile_test(c, u, second(c, x)), over;
	word body = list_rest(c, list_rest(c, x));

	compile_sequence(c, u, when ? body : NIL, tail);
	over = compile_else(c, u, hole, tail);
	compile_sequence(c, u, when ? NIL : body, tail);
	if (!tail)
		emit_patch(c, u, over);
}

static void compile_cond(struct compiler *c, struct unit *u, word clauses, bool tail)
{
	word clause = list_first(c, clauses);
	unsigned hole, over;

	if (!is_pair(c->m, clauses)) {
		compile_nothing(c, u, tail);
		return;
	}
	if (form_of(c, clause) == FORM_ELSE) {
		compile_sequence(c, u, list_rest(c, clause), tail);
		return;
	}
	hole = compile_test(c, u, list_first(c, clause));
	compile_sequence(c, u, list_rest(c, clause), tail);
	over = compile_else(c, u, hole, tail);
	compile_cond(c, u, list_rest(c, clauses), tail);
	if (!tail)
		emit_patch(c, u, over);
}

/* (and form ...), (or form ...): `keep` jumps to the end with the value that decides. */
static void compile_until(struct compiler *c, struct unit *u, word forms, enum op keep,
			  word when_none, bool tail)
{
	unsigned hole;

	if (!is_pair(c->m, forms)) {
		compile(c, u, when_none, tail);
		return;
	}
	if (!is_pair(c->m, pair_cdr(forms))) {
		compile(c, u, pair_car(forms), tail);
		return;
	}
	compile(c, u, pair_car(forms), false);
	hole = emit_jump(c, u, keep);
	u->depth--;
	compile_until(c, u, pair_cdr(forms), keep, when_none, tail);
	emit_patch(c, u, hole);
	if (tail)
		emit(c, u, OP_RETURN);
}

/* (try form handler): what is thrown while the form runs is given to the handler, whose value it is then.
 *
 *	handler   OP_TRY caught   form   OP_END_TRY   OP_JUMP end
 *	caught:   OP_CALL 1      (the machine left handler and what was thrown on the frame)
 *	end: */
static void compile_try(struct compiler *c, struct unit *u, word x, bool tail)
{
	unsigned depth = u->depth, caught, end;

	compile(c, u, third(c, x), false);
	caught = emit_jump(c, u, OP_TRY);
	unit_grow(u, 3);
	compile(c, u, second(c, x), false);
	emit(c, u, OP_END_TRY);
	end = emit_jump(c, u, OP_JUMP);
	emit_patch(c, u, caught);
	emit_1(c, u, OP_CALL, 1);
	emit_patch(c, u, end);
	u->depth = depth + 1;
	if (tail)
		emit(c, u, OP_RETURN);
}

/* --- all of them --------------------------------------------------------------------------------- */

static void compile_set(struct compiler *c, struct unit *u, word x, bool tail)
{
	compile(c, u, third(c, x), false);
	compile_assign(c, u, second(c, x));
	if (tail)
		emit(c, u, OP_RETURN);
}

static void compile_quote(struct compiler *c, struct unit *u, word x, bool tail)
{
	emit_constant(c, u, OP_CONSTANT, second(c, x));
	unit_grow(u, 1);
	if (tail)
		emit(c, u, OP_RETURN);
}

void compile_form(struct compiler *c, struct unit *u, enum form form, word x, bool tail)
{
	word rest = pair_cdr(x);

	switch (form) {
	case FORM_QUOTE:
		compile_quote(c, u, x, tail);
		break;
	case FORM_IF:
		compile_if(c, u, x, tail);
		break;
	case FORM_DEFINE:
		compile_define(c, u, x, tail);
		break;
	case FORM_SET:
		compile_set(c, u, x, tail);
		break;
	case FORM_LAMBDA:
		compile_lambda(c, u, NIL, false, second(c, x), list_rest(c, rest));
		if (tail)
			emit(c, u, OP_RETURN);
		break;
	case FORM_BEGIN:
		compile_sequence(c, u, rest, tail);
		break;
	case FORM_LET:
		compile_let(c, u, x, tail);
		break;
	case FORM_LET_STAR:
		compile_let_star(c, u, x, tail);
		break;
	case FORM_LETREC:
		compile_letrec(c, u, x, tail);
		break;
	case FORM_COND:
		compile_cond(c, u, rest, tail);
		break;
	case FORM_AND:
		compile_until(c, u, rest, OP_JUMP_FALSE_KEEP, TRUE_WORD, tail);
		break;
	case FORM_OR:
		compile_until(c, u, rest, OP_JUMP_TRUE_KEEP, FALSE_WORD, tail);
		break;
	case FORM_WHEN:
	case FORM_UNLESS:
		compile_when(c, u, x, form == FORM_WHEN, tail);
		break;
	case FORM_TRY:
		compile_try(c, u, x, tail);
		break;
	default:
		compile_error(c, "this word does not begin a form", pair_car(x));
		break;
	}
}
