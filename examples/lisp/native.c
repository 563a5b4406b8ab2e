/* examples/lisp/native.c: primitives written the careless way: references in C locals, across allocations,
 * in recursive functions, without handles and without a word on the machine's stack.
 *
 * They are there only in a heap with GC_STACKS=ambiguous. Then the collector looks through the C stack, and
 * what a word of it points to stays alive and stays where it is. In a precise heap the same functions exist in
 * Lisp (prelude.c), and programs cannot tell the difference.
 *
 * What is not different: stores into objects that are not fresh any more go through the barrier. */
#include "examples/lisp/machine.h"

#define TREE_DEPTH_MOST 2000

/* `car` and `cdr` are looked at after the allocation: it is C stack or registers that keep them. */
static struct pair *native_cons(struct machine *m, word car, word cdr)
{
	struct pair *pair = lisp_make(m, KIND_PAIR);

	if (pair) {
		pair->car = car;
		pair->cdr = cdr;
	}
	return pair;
}

/* `x`, `first`, `last` and `car` live through every collection that the recursion runs into. */
static word native_copy(struct machine *m, word x, unsigned depth)
{
	struct pair *first = NULL, *last = NULL, *pair;
	word car;

	if (depth == 0)
		return lisp_fail(m, "tree-copy: too deep", NULL);
	if (!is_pair(m, x))
		return x;
	for (; is_pair(m, x); x = pair_cdr(x)) {
		car = native_copy(m, pair_car(x), depth - 1);
		pair = car ? native_cons(m, car, NIL) : NULL;
		if (pair == NULL)
			return NULL;
		if (last)
			PLX_STORE(m->thread, &last->cdr, (word)pair);
		else
			first = pair;
		last = pair;
	}
	PLX_STORE(m->thread, &last->cdr, x);
	return first;
}

static word native_append(struct machine *m, word a, word b)
{
	struct pair *first = NULL, *last = NULL, *pair;

	for (; is_pair(m, a); a = pair_cdr(a)) {
		pair = native_cons(m, pair_car(a), b);
		if (pair == NULL)
			return NULL;
		if (last)
			PLX_STORE(m->thread, &last->cdr, (word)pair);
		else
			first = pair;
		last = pair;
	}
	return first ? (word)first : b;
}

/* A new list of what is in both, in order. */
static word native_merge(struct machine *m, word a, word b)
{
	struct pair *head = native_cons(m, NIL, NIL), *last = head, *pair;

	if (head == NULL)
		return NULL;
	while (a != NIL || b != NIL) {
		bool from_a = b == NIL ||
			      (a != NIL && word_number(pair_car(a)) <= word_number(pair_car(b)));

		pair = native_cons(m, pair_car(from_a ? a : b), NIL);
		if (pair == NULL)
			return NULL;
		PLX_STORE(m->thread, &last->cdr, (word)pair);
		last = pair;
		if (from_a)
			a = pair_cdr(a);
		else
			b = pair_cdr(b);
	}
	return head->cdr;
}

/* The first `count` numbers of a list, sorted. */
static word native_sort(struct machine *m, word list, int64_t count)
{
	word left, right, rest = list;

	if (count == 0)
		return NIL;
	if (count == 1)
		return native_cons(m, pair_car(list), NIL);
	left = native_sort(m, list, count / 2);
	for (int64_t i = 0; i < count / 2; i++)
		rest = pair_cdr(rest);
	right = left ? native_sort(m, rest, count - count / 2) : NULL;
	return right ? native_merge(m, left, right) : NULL;
}

static word prim_tree_copy(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return native_copy(m, args[0], TREE_DEPTH_MOST);
}

static word prim_list_append(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return native_append(m, args[0], args[1]);
}

static word prim_sort_numbers(struct machine *m, word *args, unsigned count)
{
	int64_t length = 0;
	word list = args[0];

	(void)count;
	for (; is_pair(m, list) && word_is_fixnum(pair_car(list)); list = pair_cdr(list))
		length++;
	if (list != NIL)
		return lisp_fail(m, "sort-numbers: not a list of numbers", NULL);
	return native_sort(m, args[0], length);
}

const struct primitive native_primitives[] = {
	{"native-tree-copy", prim_tree_copy, 1, 1},
	{"native-append", prim_list_append, 2, 2},
	{"native-sort-numbers", prim_sort_numbers, 1, 1},
	{NULL, NULL, 0, 0},
};
