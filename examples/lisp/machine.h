/* examples/lisp/machine.h: the machine, and what the files of this Lisp offer each other.
 *
 * Who holds what. A machine's stack is a plx_root_stack: words in memory of the collector's, whose
 * addresses never change. Everything that has to survive a safepoint lies there, or in a handle of
 * `struct lisp`. So:
 *
 *  - A primitive gets `args`, the address of its arguments on the stack. args[0] is good before and after
 *    any safepoint; a copy of it in a C local is good until the next one only.
 *  - Functions that allocate take the *addresses* of the words they put into the new object, and read
 *    them when the object is there.
 *  - A function that is a safepoint (may allocate, poll or block) says so.
 *
 * Errors: a function that returns a word returns NULL after an error; what was thrown is in
 * machine->thrown then. */
#ifndef EXAMPLES_LISP_MACHINE_H
#define EXAMPLES_LISP_MACHINE_H

#include <pthread.h>
#include <string.h>

#include "examples/lisp/lisp.h"
#include "examples/lisp/value.h"

struct primitive {
	const char *name;
	word (*run)(struct machine *m, word *args, unsigned count);
	unsigned least, most; /* arguments */
};
#define ANY_NUMBER 255u

enum kind {
	KIND_NONE, /* not an object */
	KIND_PAIR,
	KIND_SYMBOL,
	KIND_TEXT,
	KIND_VECTOR,
	KIND_BOX,
	KIND_CODE,
	KIND_CLOSURE,
	KIND_TABLE,
	KIND_ENTRY,
	KIND_RESOURCE,
	KIND_WEAK,
	KIND_EPHEMERON,
	KIND_COUNT
};

#define LISP_LAYOUTS_MOST 64
#define LISP_PRIMITIVES_MOST 256

struct lisp {
	struct plx_heap *heap;
	size_t stack_slots;
	bool ambiguous;
	unsigned stress; /* see lisp_stress */

	/* Immutable after lisp_open. */
	const struct plx_layout *layouts[KIND_COUNT];
	uint8_t kinds[LISP_LAYOUTS_MOST]; /* by layout number */
	const struct primitive *primitives[LISP_PRIMITIVES_MOST];
	const struct primitive *inlined[64]; /* by instruction */
	unsigned primitive_count;

	/* Roots. */
	struct plx_handle *symbols;   /* a vector of weak references, hashed by name */
	struct plx_handle *globals;   /* a box: the list of all symbols that have a value */
	struct plx_handle *no_memory; /* what is thrown then, made in time */

	pthread_mutex_t symbol_lock; /* no safepoint under it */
	uint64_t symbol_count;	     /* under it: slots in use, the dead included */

	struct plx_guardian *resources; /* see resource.c */
	pthread_mutex_t body_lock;	/* likewise */
	struct body *bodies;		/* under it: all there are */
	pthread_mutex_t task_lock;	/* likewise */
	pthread_cond_t task_done;
	struct task *tasks; /* under it */
};

struct machine {
	struct lisp *lisp;
	struct plx_thread *thread;
	struct plx_root_stack *stack;
	struct plx_handle *thrown;

	/* Registers. The stack's addresses stay; what lies in the heap is read anew by machine_reload. */
	word *base; /* the frame: closure, parameters, return position, return base, locals */
	const uint8_t *code;
	const word *constants;
	uint32_t position; /* of the next instruction */
	uint32_t parameters;
	size_t catcher; /* where on the stack the innermost `try` is; 0: none */
	unsigned call_count;
	uint64_t random;
	unsigned until_stress; /* allocations until the next one that moves everything; 0: never */
};

/* Slots that are always free above what a procedure or primitive was promised. */
#define STACK_SPARE 128
/* Slots of a vector that are stored between two polls. */
#define VECTOR_PIECE ((uint64_t)16384)

/* --- kinds --------------------------------------------------------------------------------------- */

static inline enum kind lisp_kind(const struct machine *m, word w)
{
	uint64_t header;

	if (!word_is_object(w))
		return KIND_NONE;
	/* Relaxed: the layout number never changes; other bits of the word do. */
	header = __atomic_load_n(&((const struct plx_header *)w)->word, __ATOMIC_RELAXED);
	return (enum kind)m->lisp->kinds[header & (LISP_LAYOUTS_MOST - 1)];
}

static inline bool is_pair(const struct machine *m, word w)
{
	return lisp_kind(m, w) == KIND_PAIR;
}

static inline bool is_symbol(const struct machine *m, word w)
{
	return lisp_kind(m, w) == KIND_SYMBOL;
}

static inline bool is_text(const struct machine *m, word w)
{
	return lisp_kind(m, w) == KIND_TEXT;
}

static inline word pair_car(word w)
{
	return ((const struct pair *)w)->car;
}

static inline word pair_cdr(word w)
{
	return ((const struct pair *)w)->cdr;
}

/* --- the stack ----------------------------------------------------------------------------------- */

/* Whoever pushes more than STACK_SPARE words asks first. False: an error was thrown. A safepoint then. */
bool lisp_reserve(struct machine *m, size_t slots);

static inline void lisp_push(struct machine *m, word w)
{
	(void)plx_root_stack_push(m->stack, w); /* there is room: lisp_reserve */
}

static inline word *lisp_top(const struct machine *m)
{
	return m->stack->top - 1;
}

static inline void lisp_drop(struct machine *m, size_t count)
{
	plx_root_stack_drop(m->thread, m->stack, count);
}

static inline void lisp_drop_to(struct machine *m, const word *top)
{
	lisp_drop(m, (size_t)(m->stack->top - top));
}

static inline void lisp_set(struct machine *m, word *slot, word w)
{
	plx_root_stack_set(m->thread, m->stack, (size_t)(slot - m->stack->base), w);
}

/* --- object.c: making objects. Safepoints; NULL after an error -------------------------------------- */

word lisp_cons(struct machine *m, const word *car, const word *cdr);
word lisp_text(struct machine *m, const char *bytes, size_t count); /* `bytes` NULL: zeroes */
word lisp_vector(struct machine *m, uint64_t length, const word *fill);
/* Store `fill` into all slots of the vector that lies on the stack at `vector`. Cannot fail. */
void lisp_vector_fill(struct machine *m, const word *vector, const word *fill);
word lisp_box(struct machine *m, const word *value);
word lisp_closure(struct machine *m, const word *code, unsigned captured);
/* A list of the top `count` words of the stack, which are replaced by it. */
bool lisp_list_from_stack(struct machine *m, size_t count);
/* Any other object of a fixed layout, zeroed. */
void *lisp_make(struct machine *m, enum kind kind);

/* --- error.c --------------------------------------------------------------------------------------- */

/* Throw (message irritant): returns NULL. `irritant` may be nothing yet: then it is left out. A safepoint. */
word lisp_fail(struct machine *m, const char *message, word irritant);
word lisp_throw(struct machine *m, word what);
word lisp_no_memory(struct machine *m);

/* --- symbol.c -------------------------------------------------------------------------------------- */

bool lisp_symbols_open(struct machine *m);
/* The symbol of this name, which lies in C memory. A safepoint. */
word lisp_intern(struct machine *m, const char *name, size_t bytes);
/* Give a global variable its value; keeps the symbol alive from now on. A safepoint. */
bool lisp_define(struct machine *m, word *symbol, word *value);
size_t lisp_symbols_alive(struct machine *m);

/* --- read.c, print.c ------------------------------------------------------------------------------- */

struct reader {
	const char *at, *end; /* C memory */
	unsigned depth;
};
enum read_result { READ_DATUM, READ_END, READ_ERROR };
/* Push the next datum. A safepoint. */
enum read_result lisp_read(struct machine *m, struct reader *reader);

/* Text that grows, in C memory. */
struct output {
	char *bytes;
	size_t length, room;
};
void output_bytes(struct output *output, const char *bytes, size_t count);
void output_print(struct output *output, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* `w` as text; `quoted`: as it would be written in a program. Not a safepoint. */
void lisp_print(struct machine *m, struct output *output, word w, bool quoted);
/* Send it to standard output, and empty it. A safepoint: writing may block. */
void output_flush(struct machine *m, struct output *output);

/* --- compile.c, run.c ------------------------------------------------------------------------------ */

/* A closure without parameters that does what the form in `*form` says. A safepoint. */
word lisp_compile(struct machine *m, const word *form);
/* Run the call that lies on the stack: procedure, `count` arguments. They are replaced by the result. False:
 * an error was thrown, the stack is as it was below the procedure. A safepoint. */
bool lisp_call(struct machine *m, unsigned count);
/* A primitive that pushed a procedure and `count` arguments returns this: the machine calls it instead. */
word lisp_call_instead(struct machine *m, unsigned count);

/* --- table.c --------------------------------------------------------------------------------------- */

/* Equal keys have equal hashes: texts by contents, everything else by identity. Not a safepoint. */
uint32_t lisp_hash(struct machine *m, word key);
bool lisp_text_equal(word a, word b);

/* --- resource.c ------------------------------------------------------------------------------------ */

enum body_kind { BODY_PORT, BODY_MUTEX, BODY_GUARDIAN, BODY_TASK };

/* C memory, freed by resource_reap when the Lisp object it belongs to is gone. */
struct body {
	enum body_kind kind;
	struct body *next, **link; /* of all bodies */
	union {
		int descriptor;
		pthread_mutex_t mutex;
		struct plx_guardian *guardian;
		struct task *task;
	};
};
struct body *resource_body(struct machine *m, enum body_kind kind);
void resource_body_free(struct lisp *lisp, struct body *body);
/* The object for it, which owns it. A safepoint. */
word resource_make(struct machine *m, struct body *body);
void resource_reap(struct machine *m);
void resource_free_all(struct lisp *lisp); /* no thread is there any more */
/* The body of an argument, or NULL after an error. A safepoint then. */
struct body *resource_get(struct machine *m, word w, enum body_kind kind, const char *who);

/* --- thread.c -------------------------------------------------------------------------------------- */

void task_drop(struct lisp *lisp, struct task *task);
void task_join_all(struct lisp *lisp);

/* --- primitives: one table in each file, ended by a NULL name ---------------------------------------- */

extern const struct primitive number_primitives[], list_primitives[], text_primitives[],
	table_primitives[], control_primitives[], weak_primitives[], thread_primitives[],
	foreign_primitives[], native_primitives[];
extern const char lisp_prelude[];

/* Opcodes that stand for primitives: see compile.c. */
unsigned lisp_inlined(const char *name);

#endif
