/* examples/lisp/number.c: arithmetic on fixnums. What does not fit into 63 bits is an error. Nothing here
 * touches the heap, but for errors. */
#include "examples/lisp/machine.h"

static bool all_fixnums(struct machine *m, const word *args, unsigned count, const char *who)
{
	for (unsigned i = 0; i < count; i++)
		if (!word_is_fixnum(args[i])) {
			lisp_fail(m, who, args[i]);
			return false;
		}
	return true;
}

static word fitting(struct machine *m, int64_t number, bool overflow)
{
	if (overflow || number > FIXNUM_MAX || number < FIXNUM_MIN)
		return lisp_fail(m, "this number is too large", NULL);
	return word_fixnum(number);
}

static word prim_add(struct machine *m, word *args, unsigned count)
{
	int64_t sum = 0;
	bool overflow = false;

	if (!all_fixnums(m, args, count, "+: not a number:"))
		return NULL;
	for (unsigned i = 0; i < count; i++)
		overflow |= __builtin_add_overflow(sum, word_number(args[i]), &sum);
	return fitting(m, sum, overflow);
}

static word prim_subtract(struct machine *m, word *args, unsigned count)
{
	int64_t rest = word_number(args[0]);
	bool overflow = false;

	if (!all_fixnums(m, args, count, "-: not a number:"))
		return NULL;
	if (count == 1)
		return fitting(m, -rest, false);
	for (unsigned i = 1; i < count; i++)
		overflow |= __builtin_sub_overflow(rest, word_number(args[i]), &rest);
	return fitting(m, rest, overflow);
}

static word prim_multiply(struct machine *m, word *args, unsigned count)
{
	int64_t product = 1;
	bool overflow = false;

	if (!all_fixnums(m, args, count, "*: not a number:"))
		return NULL;
	for (unsigned i = 0; i < count; i++)
		overflow |= __builtin_mul_overflow(product, word_number(args[i]), &product);
	return fitting(m, product, overflow);
}

static bool divisible(struct machine *m, const word *args, const char *who)
{
	if (!all_fixnums(m, args, 2, who))
		return false;
	if (word_number(args[1]) == 0)
		lisp_fail(m, "division by zero", NULL);
	return word_number(args[1]) != 0;
}

static word prim_quotient(struct machine *m, word *args, unsigned count)
{
	(void)count;
	if (!divisible(m, args, "quotient: not a number:"))
		return NULL;
	return fitting(m, word_number(args[0]) / word_number(args[1]), false);
}

static word prim_remainder(struct machine *m, word *args, unsigned count)
{
	(void)count;
	if (!divisible(m, args, "remainder: not a number:"))
		return NULL;
	return word_fixnum(word_number(args[0]) % word_number(args[1]));
}

/* As remainder, with the divisor's sign. */
static word prim_modulo(struct machine *m, word *args, unsigned count)
{
	int64_t rest, divisor = word_number(args[1]);

	(void)count;
	if (!divisible(m, args, "modulo: not a number:"))
		return NULL;
	rest = word_number(args[0]) % divisor;
	return word_fixnum(rest != 0 && (rest < 0) != (divisor < 0) ? rest + divisor : rest);
}

/* -1, 0, 1; 2 after an error. */
static int compare(struct machine *m, const word *args, const char *who)
{
	int64_t a = word_number(args[0]), b = word_number(args[1]);

	if (!all_fixnums(m, args, 2, who))
		return 2;
	return a < b ? -1 : a > b;
}

static word compared(int order, bool is)
{
	return order == 2 ? NULL : word_boolean(is);
}

static word prim_less(struct machine *m, word *args, unsigned count)
{
	int order = compare(m, args, "<: not a number:");

	(void)count;
	return compared(order, order < 0);
}

static word prim_greater(struct machine *m, word *args, unsigned count)
{
	int order = compare(m, args, ">: not a number:");

	(void)count;
	return compared(order, order > 0);
}

static word prim_equal(struct machine *m, word *args, unsigned count)
{
	int order = compare(m, args, "=: not a number:");

	(void)count;
	return compared(order, order == 0);
}

static word prim_at_most(struct machine *m, word *args, unsigned count)
{
	int order = compare(m, args, "<=: not a number:");

	(void)count;
	return compared(order, order <= 0);
}

static word prim_at_least(struct machine *m, word *args, unsigned count)
{
	int order = compare(m, args, ">=: not a number:");

	(void)count;
	return compared(order, order >= 0);
}

static word prim_is_number(struct machine *m, word *args, unsigned count)
{
	(void)m;
	(void)count;
	return word_boolean(word_is_fixnum(args[0]));
}

static word prim_bit_and(struct machine *m, word *args, unsigned count)
{
	(void)count;
	if (!all_fixnums(m, args, 2, "bit-and: not a number:"))
		return NULL;
	return word_fixnum(word_number(args[0]) & word_number(args[1]));
}

static word prim_bit_xor(struct machine *m, word *args, unsigned count)
{
	(void)count;
	if (!all_fixnums(m, args, 2, "bit-xor: not a number:"))
		return NULL;
	return word_fixnum(word_number(args[0]) ^ word_number(args[1]));
}

/* (shift number by): to the left, or, when `by` is negative, to the right. */
static word prim_shift(struct machine *m, word *args, unsigned count)
{
	int64_t number = word_number(args[0]), by = word_number(args[1]);

	(void)count;
	if (!all_fixnums(m, args, 2, "shift: not a number:"))
		return NULL;
	if (by < 0)
		return word_fixnum(number >> (by < -62 ? 62 : -by));
	if (by > 62)
		return fitting(m, number, number != 0);
	return fitting(m, (int64_t)((uint64_t)number << by),
		       (int64_t)((uint64_t)number << by) >> by != number);
}

/* (random below): each thread has a sequence of its own, always the same one (xorshift; G. Marsaglia 2003). */
static word prim_random(struct machine *m, word *args, unsigned count)
{
	uint64_t x = m->random;

	(void)count;
	if (!word_is_fixnum(args[0]) || word_number(args[0]) <= 0)
		return lisp_fail(m, "random: not a positive number:", args[0]);
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	m->random = x;
	return word_fixnum((int64_t)((x >> 2) % (uint64_t)word_number(args[0])));
}

/* (random-seed! n) */
static word prim_random_seed(struct machine *m, word *args, unsigned count)
{
	(void)count;
	if (!all_fixnums(m, args, 1, "random-seed!: not a number:"))
		return NULL;
	m->random = ((uint64_t)word_number(args[0]) + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
	return NOTHING;
}

const struct primitive number_primitives[] = {
	{"+", prim_add, 0, ANY_NUMBER},
	{"-", prim_subtract, 1, ANY_NUMBER},
	{"*", prim_multiply, 0, ANY_NUMBER},
	{"quotient", prim_quotient, 2, 2},
	{"remainder", prim_remainder, 2, 2},
	{"modulo", prim_modulo, 2, 2},
	{"<", prim_less, 2, 2},
	{">", prim_greater, 2, 2},
	{"=", prim_equal, 2, 2},
	{"<=", prim_at_most, 2, 2},
	{">=", prim_at_least, 2, 2},
	{"number?", prim_is_number, 1, 1},
	{"bit-and", prim_bit_and, 2, 2},
	{"bit-xor", prim_bit_xor, 2, 2},
	{"shift", prim_shift, 2, 2},
	{"random", prim_random, 1, 1},
	{"random-seed!", prim_random_seed, 1, 1},
	{NULL, NULL, 0, 0},
};
