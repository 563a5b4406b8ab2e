/* examples/lisp/compile.h: the instructions, and what the compiler's two files share. */
#ifndef EXAMPLES_LISP_COMPILE_H
#define EXAMPLES_LISP_COMPILE_H

#include "examples/lisp/machine.h"

/* An instruction is a byte, then operands of two bytes each. Slots count from the frame's base. `top` is the
 * word on top of the stack. */
enum op {
	OP_NONE,
	OP_CONSTANT,	 /* k: push constant k */
	OP_FIXNUM,	 /* n: push the number n */
	OP_UNSET,	 /* push nothing yet */
	OP_LOCAL,	 /* s: push slot s */
	OP_LOCAL_BOX,	 /* s: push what is in the box in slot s */
	OP_CAPTURED,	 /* i: push what the closure holds at i */
	OP_CAPTURED_BOX, /* i: push what is in the box there */
	OP_GLOBAL,	 /* k: push the value of symbol k */
	OP_SET_LOCAL,	 /* s: top into the box in slot s; top becomes #<nothing> */
	OP_SET_CAPTURED, /* i */
	OP_SET_GLOBAL,	 /* k */
	OP_DEFINE,	 /* k */
	OP_BOX,		 /* top becomes a box that holds it */
	OP_BOX_SLOT,	 /* s: the same for slot s */
	OP_POP,
	OP_SLIDE,	    /* n: drop n words from below top */
	OP_JUMP,	    /* to */
	OP_JUMP_FALSE,	    /* to: pop; jump if it was #f */
	OP_JUMP_FALSE_KEEP, /* to: jump if top is #f, else pop */
	OP_JUMP_TRUE_KEEP,  /* to: the other way round */
	OP_CLOSURE,	    /* k n: n words become a closure over them with code k */
	OP_CALL,	    /* n: procedure and n arguments become the result */
	OP_TAIL_CALL, /* n: the same, in place of this frame; a primitive's result is returned next */
	OP_RETURN,
	OP_TRY,	    /* to: top is a handler; catch what is thrown until OP_END_TRY and go there */
	OP_END_TRY, /* drop what OP_TRY left, from below top */
	/* Primitives that are called so often that they have instructions of their own. */
	OP_CAR,
	OP_CDR,
	OP_CONS,
	OP_ADD,
	OP_SUBTRACT,
	OP_MULTIPLY,
	OP_LESS,
	OP_GREATER,
	OP_EQUAL,
	OP_EQ,
	OP_NULL,
	OP_PAIR,
	OP_NOT,
	OP_VECTOR_REF,
	OP_VECTOR_SET,
	OP_COUNT
};

#define OP_INLINED OP_CAR /* the first of those */

/* Words that the name of a symbol means to the compiler (struct symbol, `form`). */
enum form {
	FORM_NONE,
	FORM_QUOTE,
	FORM_IF,
	FORM_DEFINE,
	FORM_SET,
	FORM_LAMBDA,
	FORM_BEGIN,
	FORM_LET,
	FORM_LET_STAR,
	FORM_LETREC,
	FORM_COND,
	FORM_AND,
	FORM_OR,
	FORM_WHEN,
	FORM_UNLESS,
	FORM_TRY,
	FORM_ELSE,
	FORM_REST,
};

#define VARIABLES_MOST 100
#define CAPTURES_MOST 100

struct variable {
	word name;
	unsigned slot;
	bool boxed;
};

/* Where the enclosing procedure has what this one closes over. */
struct capture {
	word name;
	bool is_local, boxed;
	unsigned index;
};

/* A constant, or the code of an inner procedure, which becomes one. */
struct constant {
	struct plx_handle *handle;
	struct unit *unit;
};

/* One procedure that is being compiled. */
struct unit {
	struct unit *outer;
	struct unit *next; /* of all of them, to be freed */
	struct plx_handle *name;
	word self; /* the name by which it calls itself, or nothing */
	struct variable variables[VARIABLES_MOST];
	struct capture captures[CAPTURES_MOST];
	struct constant *constants;
	uint8_t *bytes;
	unsigned variable_count, capture_count, constant_count, length, room;
	unsigned parameters, rest;
	unsigned depth, most; /* words of the frame in use */
};

struct compiler {
	struct machine *m;
	struct unit *units;
	const char *error; /* the first one; a constant text */
	word irritant;
	unsigned nesting;
};

/* compile.c */
void compile(struct compiler *c, struct unit *u, word x, bool tail);
void compile_error(struct compiler *c, const char *message, word irritant);
struct unit *unit_open(struct compiler *c, struct unit *outer, word name);
void emit(struct compiler *c, struct unit *u, enum op op);
void emit_1(struct compiler *c, struct unit *u, enum op op, unsigned operand);
unsigned emit_jump(struct compiler *c, struct unit *u, enum op op); /* to be patched */
void emit_patch(struct compiler *c, struct unit *u, unsigned hole); /* it jumps to here */
void emit_constant(struct compiler *c, struct unit *u, enum op op, word constant);
void unit_grow(struct unit *u, unsigned words);
unsigned unit_declare(struct compiler *c, struct unit *u, word name, bool boxed);
void compile_variable(struct compiler *c, struct unit *u, word name);
void compile_assign(struct compiler *c, struct unit *u, word name);
void compile_closure(struct compiler *c, struct unit *u, struct unit *inner);

/* form.c */
void compile_form(struct compiler *c, struct unit *u, enum form form, word x, bool tail);
bool compile_form_names(struct machine *m);

static inline word list_first(const struct compiler *c, word list)
{
	return is_pair(c->m, list) ? pair_car(list) : NIL;
}

static inline word list_rest(const struct compiler *c, word list)
{
	return is_pair(c->m, list) ? pair_cdr(list) : NIL;
}

#endif
