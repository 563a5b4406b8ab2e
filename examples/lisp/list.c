/* examples/lisp/list.c: pairs and vectors. A primitive reads its arguments from `args`, on the stack, after
 * it has allocated; stores into objects that others may know go through the barrier. */
#include "examples/lisp/machine.h"

static word prim_cons(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return lisp_cons(m, &args[0], &args[1]);
}

static word prim_car(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return is_pair(m, args[0]) ? pair_car(args[0]) : lisp_fail(m, "car: not a pair:", args[0]);
}

static word prim_cdr(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return is_pair(m, args[0]) ? pair_cdr(args[0]) : lisp_fail(m, "cdr: not a pair:", args[0]);
}

static word prim_set_car(struct machine *m, word *args, unsigned count)
{
	struct pair *pair = args[0];

	(void)count;
	if (!is_pair(m, pair))
		return lisp_fail(m, "set-car!: not a pair:", args[0]);
	PLX_STORE(m->thread, &pair->car, args[1]);
	return NOTHING;
}

static word prim_set_cdr(struct machine *m, word *args, unsigned count)
{
	struct pair *pair = args[0];

	(void)count;
	if (!is_pair(m, pair))
		return lisp_fail(m, "set-cdr!: not a pair:", args[0]);
	PLX_STORE(m->thread, &pair->cdr, args[1]);
	return NOTHING;
}

static word prim_list(struct machine *m, word *args, unsigned count)
{
	(void)args;
	return lisp_list_from_stack(m, count) ? *lisp_top(m) : NULL;
}

/* Long lists are walked with polls: another thread may want to collect. */
static word prim_length(struct machine *m, word *args, unsigned count)
{
	int64_t length = 0;

	(void)count;
	for (; is_pair(m, args[0]); length++) {
		lisp_set(m, &args[0], pair_cdr(args[0]));
		if (length % 256 == 0)
			plx_poll(m->thread);
	}
	return word_fixnum(length);
}

static word prim_is_pair(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return word_boolean(is_pair(m, args[0]));
}

static word prim_is_null(struct machine *m, word *args, unsigned count)
{
	(void)m;
	(void)count;
	return word_boolean(args[0] == NIL);
}

static word prim_not(struct machine *m, word *args, unsigned count)
{
	(void)m;
	(void)count;
	return word_boolean(args[0] == FALSE_WORD);
}

/* Objects move, but two words that are equal now are equal after a move, too. */
static word prim_eq(struct machine *m, word *args, unsigned count)
{
	(void)m;
	(void)count;
	return word_boolean(args[0] == args[1]);
}

static word prim_is_symbol(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return word_boolean(is_symbol(m, args[0]));
}

static word prim_is_procedure(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return word_boolean(lisp_kind(m, args[0]) == KIND_CLOSURE ||
			    word_is_immediate(args[0], IMMEDIATE_PRIMITIVE));
}

/* --- vectors ------------------------------------------------------------------------------------- */

/* The slot that (args[0], args[1]) mean, or NULL after an error. Good until the next safepoint. */
static word *vector_slot(struct machine *m, const word *args, const char *who)
{
	struct vector *vector = args[0];
	uint64_t index = (uint64_t)word_number(args[1]);

	if (lisp_kind(m, vector) != KIND_VECTOR) {
		lisp_fail(m, who, args[0]);
		return NULL;
	}
	if (!word_is_fixnum(args[1]) || index >= plx_object_length(vector)) {
		lisp_fail(m, "there is no such element:", args[1]);
		return NULL;
	}
	return &vector->slots[index];
}

static word prim_make_vector(struct machine *m, word *args, unsigned count)
{
	word fill = NOTHING;

	if (!word_is_fixnum(args[0]) || word_number(args[0]) < 0)
		return lisp_fail(m, "make-vector: not a length:", args[0]);
	return lisp_vector(m, (uint64_t)word_number(args[0]), count == 2 ? &args[1] : &fill);
}

static word prim_vector(struct machine *m, word *args, unsigned count)
{
	word fill = NIL;
	struct vector *vector = lisp_vector(m, count, &fill);

	for (unsigned i = 0; vector && i < count; i++)
		vector->slots[i] = args[i]; /* fresh */
	return vector;
}

static word prim_vector_ref(struct machine *m, word *args, unsigned count)
{
	const word *slot = vector_slot(m, args, "vector-ref: not a vector:");

	(void)count;
	return slot ? *slot : NULL;
}

static word prim_vector_set(struct machine *m, word *args, unsigned count)
{
	word *slot = vector_slot(m, args, "vector-set!: not a vector:");

	(void)count;
	if (slot == NULL)
		return NULL;
	PLX_STORE(m->thread, slot, args[2]);
	return NOTHING;
}

/* (vector-cas! vector index old new): true if it was `old` and is `new` now; among threads. */
static word prim_vector_cas(struct machine *m, word *args, unsigned count)
{
	word *slot = vector_slot(m, args, "vector-cas!: not a vector:");

	(void)count;
	if (slot == NULL)
		return NULL;
	return word_boolean(plx_compare_exchange(m->thread, slot, args[2], args[3]));
}

static word prim_vector_length(struct machine *m, word *args, unsigned count)
{
	(void)count;
	if (lisp_kind(m, args[0]) != KIND_VECTOR)
		return lisp_fail(m, "vector-length: not a vector:", args[0]);
	return word_fixnum((int64_t)plx_object_length(args[0]));
}

static word prim_is_vector(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return word_boolean(lisp_kind(m, args[0]) == KIND_VECTOR);
}

static word prim_vector_fill(struct machine *m, word *args, unsigned count)
{
	(void)count;
	if (lisp_kind(m, args[0]) != KIND_VECTOR)
		return lisp_fail(m, "vector-fill!: not a vector:", args[0]);
	lisp_vector_fill(m, &args[0], &args[1]);
	return NOTHING;
}

/* Is it a vector, and [start, start + count) a part of it? */
static bool vector_part(struct machine *m, word vector, word start, int64_t count)
{
	if (lisp_kind(m, vector) == KIND_VECTOR && word_is_fixnum(start) && count >= 0 &&
	    word_number(start) >= 0 &&
	    word_number(start) <= (int64_t)plx_object_length(vector) - count)
		return true;
	lisp_fail(m, "vector-copy!: there is no such part of", vector);
	return false;
}

/* Piece by piece with polls in between; within a vector, and upwards, from the end. */
static void vector_copy(struct machine *m, const word *args, uint64_t length)
{
	uint64_t to = (uint64_t)word_number(args[1]), from = (uint64_t)word_number(args[3]), count;
	bool upwards = args[0] == args[2] && to > from;

	for (uint64_t done = 0; done < length; done += count) {
		if (done)
			plx_poll(m->thread);
		count = length - done < VECTOR_PIECE ? length - done : VECTOR_PIECE;
		uint64_t at = upwards ? length - done - count : done;

		plx_store_array(m->thread, &((struct vector *)args[0])->slots[to + at],
				&((struct vector *)args[2])->slots[from + at], count);
	}
}

/* (vector-copy! to to-start from from-start count): parts of one vector may overlap. */
static word prim_vector_copy(struct machine *m, word *args, unsigned count)
{
	int64_t length = word_is_fixnum(args[4]) ? word_number(args[4]) : -1;

	(void)count;
	if (!vector_part(m, args[0], args[1], length) || !vector_part(m, args[2], args[3], length))
		return NULL;
	vector_copy(m, args, (uint64_t)length);
	return NOTHING;
}

const struct primitive list_primitives[] = {
	{"cons", prim_cons, 2, 2},
	{"car", prim_car, 1, 1},
	{"cdr", prim_cdr, 1, 1},
	{"set-car!", prim_set_car, 2, 2},
	{"set-cdr!", prim_set_cdr, 2, 2},
	{"list", prim_list, 0, ANY_NUMBER},
	{"length", prim_length, 1, 1},
	{"pair?", prim_is_pair, 1, 1},
	{"null?", prim_is_null, 1, 1},
	{"not", prim_not, 1, 1},
	{"eq?", prim_eq, 2, 2},
	{"symbol?", prim_is_symbol, 1, 1},
	{"procedure?", prim_is_procedure, 1, 1},
	{"make-vector", prim_make_vector, 1, 2},
	{"vector", prim_vector, 0, ANY_NUMBER},
	{"vector-ref", prim_vector_ref, 2, 2},
	{"vector-set!", prim_vector_set, 3, 3},
	{"vector-cas!", prim_vector_cas, 4, 4},
	{"vector-length", prim_vector_length, 1, 1},
	{"vector?", prim_is_vector, 1, 1},
	{"vector-fill!", prim_vector_fill, 2, 2},
	{"vector-copy!", prim_vector_copy, 5, 5},
	{NULL, NULL, 0, 0},
};
