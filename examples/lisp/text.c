/* examples/lisp/text.c: characters, strings (of bytes), and symbols as strings. Strings are leaves: the
 * collector never looks into them, and the flip never takes them away.
 *
 * A text that is needed across an allocation is read again from `args`; what C code wants to keep longer it
 * copies into C memory. */
#include "examples/lisp/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool texts(struct machine *m, const word *args, unsigned count, const char *who)
{
	for (unsigned i = 0; i < count; i++)
		if (!is_text(m, args[i])) {
			lisp_fail(m, who, args[i]);
			return false;
		}
	return true;
}

static char *text_byte(struct machine *m, const word *args, const char *who)
{
	struct text *text = args[0];

	if (!texts(m, args, 1, who))
		return NULL;
	if (!word_is_fixnum(args[1]) || (uint64_t)word_number(args[1]) >= plx_object_length(text)) {
		lisp_fail(m, "there is no such element:", args[1]);
		return NULL;
	}
	return &text->bytes[word_number(args[1])];
}

static word prim_is_string(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return word_boolean(is_text(m, args[0]));
}

static word prim_make_string(struct machine *m, word *args, unsigned count)
{
	int fill = count == 2 ? (int)word_above(args[1]) : ' ';
	struct text *text;

	if (!word_is_fixnum(args[0]) || word_number(args[0]) < 0)
		return lisp_fail(m, "make-string: not a length:", args[0]);
	if (count == 2 && !word_is_immediate(args[1], IMMEDIATE_CHARACTER))
		return lisp_fail(m, "make-string: not a character:", args[1]);
	text = lisp_text(m, NULL, (size_t)word_number(args[0]));
	if (text)
		memset(text->bytes, fill, plx_object_length(text));
	return text;
}

static word prim_string_length(struct machine *m, word *args, unsigned count)
{
	if (!texts(m, args, count, "string-length: not a string:"))
		return NULL;
	return word_fixnum((int64_t)plx_object_length(args[0]));
}

static word prim_string_ref(struct machine *m, word *args, unsigned count)
{
	const char *byte = text_byte(m, args, "string-ref: not a string:");

	(void)count;
	return byte ? word_character((unsigned char)*byte) : NULL;
}

static word prim_string_set(struct machine *m, word *args, unsigned count)
{
	char *byte = text_byte(m, args, "string-set!: not a string:");

	(void)count;
	if (byte == NULL)
		return NULL;
	if (!word_is_immediate(args[2], IMMEDIATE_CHARACTER))
		return lisp_fail(m, "string-set!: not a character:", args[2]);
	*byte = (char)word_above(args[2]); /* not a reference: no barrier */
	return NOTHING;
}

static word prim_substring(struct machine *m, word *args, unsigned count)
{
	int64_t start = word_number(args[1]), end = word_number(args[2]);
	struct text *text;

	(void)count;
	if (!texts(m, args, 1, "substring: not a string:"))
		return NULL;
	if (!word_is_fixnum(args[1]) || !word_is_fixnum(args[2]) || start < 0 || start > end ||
	    (uint64_t)end > plx_object_length(args[0]))
		return lisp_fail(m, "substring: there is no such part of", args[0]);
	text = lisp_text(m, NULL, (size_t)(end - start));
	if (text) /* args[0] may have moved meanwhile */
		memcpy(text->bytes, ((const struct text *)args[0])->bytes + start,
		       (size_t)(end - start));
	return text;
}

static word prim_string_append(struct machine *m, word *args, unsigned count)
{
	size_t length = 0;
	struct text *text;
	char *to;

	if (!texts(m, args, count, "string-append: not a string:"))
		return NULL;
	for (unsigned i = 0; i < count; i++)
		length += plx_object_length(args[i]);
	text = lisp_text(m, NULL, length);
	if (text == NULL)
		return NULL;
	to = text->bytes;
	for (unsigned i = 0; i < count; i++) {
		memcpy(to, ((const struct text *)args[i])->bytes, plx_object_length(args[i]));
		to += plx_object_length(args[i]);
	}
	return text;
}

bool lisp_text_equal(word a, word b)
{
	size_t length = plx_object_length(a);

	return length == plx_object_length(b) &&
	       memcmp(((const struct text *)a)->bytes, ((const struct text *)b)->bytes, length) ==
		       0;
}

static word prim_string_equal(struct machine *m, word *args, unsigned count)
{
	if (!texts(m, args, count, "string=?: not a string:"))
		return NULL;
	return word_boolean(lisp_text_equal(args[0], args[1]));
}

static word prim_string_less(struct machine *m, word *args, unsigned count)
{
	const struct text *a = args[0], *b = args[1];
	size_t a_length, b_length;
	int order;

	if (!texts(m, args, count, "string<?: not a string:"))
		return NULL;
	a_length = plx_object_length(a);
	b_length = plx_object_length(b);
	order = memcmp(a->bytes, b->bytes, a_length < b_length ? a_length : b_length);
	return word_boolean(order < 0 || (order == 0 && a_length < b_length));
}

static word prim_number_to_string(struct machine *m, word *args, unsigned count)
{
	char text[32];

	(void)count;
	if (!word_is_fixnum(args[0]))
		return lisp_fail(m, "number->string: not a number:", args[0]);
	snprintf(text, sizeof(text), "%" PRId64, word_number(args[0]));
	return lisp_text(m, text, strlen(text));
}

/* A copy in C memory, which stays where it is; NULL after an error. */
static char *text_copy(struct machine *m, const struct text *text, size_t *bytes)
{
	char *copy;

	*bytes = plx_object_length(text);
	copy = malloc(*bytes + 1);
	if (copy == NULL) {
		lisp_no_memory(m);
		return NULL;
	}
	memcpy(copy, text->bytes, *bytes);
	copy[*bytes] = '\0';
	return copy;
}

/* What the reader makes of it: numbers, symbols, lists; the end of file if there is nothing. */
static word prim_read_string(struct machine *m, word *args, unsigned count)
{
	struct reader reader = {0};
	enum read_result result;
	size_t bytes;
	char *copy;

	if (!texts(m, args, count, "read-string: not a string:") ||
	    !(copy = text_copy(m, args[0], &bytes)))
		return NULL;
	reader.at = copy;
	reader.end = copy + bytes;
	result = lisp_read(m, &reader);
	free(copy);
	return result == READ_DATUM ? *lisp_top(m) : result == READ_END ? EOF_WORD : NULL;
}

static word prim_string_to_symbol(struct machine *m, word *args, unsigned count)
{
	size_t bytes;
	char *copy;
	word symbol;

	if (!texts(m, args, count, "string->symbol: not a string:") ||
	    !(copy = text_copy(m, args[0], &bytes)))
		return NULL;
	symbol = lisp_intern(m, copy, bytes);
	free(copy);
	return symbol;
}

static word prim_symbol_to_string(struct machine *m, word *args, unsigned count)
{
	struct text *copy;
	size_t bytes;

	(void)count;
	if (!is_symbol(m, args[0]))
		return lisp_fail(m, "symbol->string: not a symbol:", args[0]);
	bytes = plx_object_length(((const struct symbol *)args[0])->name);
	copy = lisp_text(m, NULL, bytes);
	if (copy)
		memcpy(copy->bytes,
		       ((const struct text *)((const struct symbol *)args[0])->name)->bytes, bytes);
	return copy;
}

/* How many symbols there are now, used or not yet found to be unused. */
static word prim_symbol_count(struct machine *m, word *args, unsigned count)
{
	(void)args;
	(void)count;
	return word_fixnum((int64_t)lisp_symbols_alive(m));
}

static word prim_is_char(struct machine *m, word *args, unsigned count)
{
	(void)m;
	(void)count;
	return word_boolean(word_is_immediate(args[0], IMMEDIATE_CHARACTER));
}

static word prim_char_to_number(struct machine *m, word *args, unsigned count)
{
	(void)count;
	if (!word_is_immediate(args[0], IMMEDIATE_CHARACTER))
		return lisp_fail(m, "char->number: not a character:", args[0]);
	return word_fixnum((int64_t)word_above(args[0]));
}

static word prim_number_to_char(struct machine *m, word *args, unsigned count)
{
	(void)count;
	if (!word_is_fixnum(args[0]) || (uint64_t)word_number(args[0]) > 255)
		return lisp_fail(m, "number->char: not a character's number:", args[0]);
	return word_character((unsigned char)word_number(args[0]));
}

const struct primitive text_primitives[] = {
	{"string?", prim_is_string, 1, 1},
	{"make-string", prim_make_string, 1, 2},
	{"string-length", prim_string_length, 1, 1},
	{"string-ref", prim_string_ref, 2, 2},
	{"string-set!", prim_string_set, 3, 3},
	{"substring", prim_substring, 3, 3},
	{"string-append", prim_string_append, 0, ANY_NUMBER},
	{"string=?", prim_string_equal, 2, 2},
	{"string<?", prim_string_less, 2, 2},
	{"number->string", prim_number_to_string, 1, 1},
	{"read-string", prim_read_string, 1, 1},
	{"string->symbol", prim_string_to_symbol, 1, 1},
	{"symbol->string", prim_symbol_to_string, 1, 1},
	{"symbol-count", prim_symbol_count, 0, 0},
	{"char?", prim_is_char, 1, 1},
	{"char->number", prim_char_to_number, 1, 1},
	{"number->char", prim_number_to_char, 1, 1},
	{NULL, NULL, 0, 0},
};
