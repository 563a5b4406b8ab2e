/* examples/lisp/read.c: from text to data. What was read so far lies on the stack, so that every allocation
 * may collect; the text is in C memory. Depth of nesting is C recursion, and limited. */
#include "examples/lisp/machine.h"

#include <ctype.h>
#include <stdlib.h>

#define DEPTH_MOST 500
#define TOKEN_MOST 200

static enum read_result read_fail(struct machine *m, const char *message)
{
	lisp_fail(m, message, NULL);
	return READ_ERROR;
}

static enum read_result read_pushed(struct machine *m, word w)
{
	if (w == NULL)
		return READ_ERROR;
	lisp_push(m, w);
	return READ_DATUM;
}

static void skip_space(struct reader *reader)
{
	while (reader->at < reader->end) {
		if (*reader->at == ';')
			while (reader->at < reader->end && *reader->at != '\n')
				reader->at++;
		else if (isspace((unsigned char)*reader->at))
			reader->at++;
		else
			return;
	}
}

static bool is_dot(struct machine *m, word w)
{
	const struct text *name = is_symbol(m, w) ? ((const struct symbol *)w)->name : NULL;

	return name && plx_object_length(name) == 1 && name->bytes[0] == '.';
}

/* (a . b): three data were pushed. */
static enum read_result read_pair(struct machine *m, struct reader *reader)
{
	word pair = lisp_cons(m, lisp_top(m) - 2, lisp_top(m));

	skip_space(reader);
	if (reader->at == reader->end || *reader->at != ')')
		return read_fail(m, "only (a . b) is written with a dot");
	reader->at++;
	lisp_drop(m, 3);
	return read_pushed(m, pair);
}

/* `(` was read: push the elements, then make a list of them. */
static enum read_result read_list(struct machine *m, struct reader *reader)
{
	size_t count = 0;

	for (;;) {
		skip_space(reader);
		if (reader->at == reader->end)
			return read_fail(m, "a list has no end");
		if (*reader->at == ')') {
			reader->at++;
			return lisp_list_from_stack(m, count) ? READ_DATUM : READ_ERROR;
		}
		if (!lisp_reserve(m, 1) || lisp_read(m, reader) != READ_DATUM)
			return READ_ERROR;
		count++;
		if (count == 3 && is_dot(m, lisp_top(m)[-1]))
			return read_pair(m, reader);
	}
}

static enum read_result read_text(struct machine *m, struct reader *reader)
{
	struct output output = {0};
	word text;

	while (reader->at < reader->end && *reader->at != '"') {
		char byte = *reader->at++;

		if (byte == '\\' && reader->at < reader->end) {
			byte = *reader->at++;
			byte = byte == 'n' ? '\n' : byte == 't' ? '\t' : byte;
		}
		output_bytes(&output, &byte, 1);
	}
	if (reader->at == reader->end) {
		free(output.bytes);
		return read_fail(m, "a string has no end");
	}
	reader->at++;
	text = lisp_text(m, output.bytes, output.length);
	free(output.bytes);
	return read_pushed(m, text);
}

/* (quote x) */
static enum read_result read_quote(struct machine *m, struct reader *reader)
{
	word quote = lisp_intern(m, "quote", 5);

	if (quote == NULL)
		return READ_ERROR;
	lisp_push(m, quote);
	if (lisp_read(m, reader) != READ_DATUM)
		return read_fail(m, "nothing is quoted");
	return lisp_list_from_stack(m, 2) ? READ_DATUM : READ_ERROR;
}

static size_t token_length(const struct reader *reader)
{
	const char *at = reader->at;

	while (at < reader->end && !isspace((unsigned char)*at) && !strchr("()\";'", *at))
		at++;
	return (size_t)(at - reader->at);
}

static enum read_result read_hash(struct machine *m, const char *token, size_t length)
{
	if (length == 2 && token[1] == 't')
		return read_pushed(m, TRUE_WORD);
	if (length == 2 && token[1] == 'f')
		return read_pushed(m, FALSE_WORD);
	if (length == 3 && token[1] == '\\')
		return read_pushed(m, word_character((unsigned char)token[2]));
	if (length == 7 && memcmp(token, "#\\space", 7) == 0)
		return read_pushed(m, word_character(' '));
	if (length == 9 && memcmp(token, "#\\newline", 9) == 0)
		return read_pushed(m, word_character('\n'));
	return read_fail(m, "expected #t, #f or a character such as #\\a");
}

static enum read_result read_atom(struct machine *m, struct reader *reader)
{
	size_t length = token_length(reader);
	char token[TOKEN_MOST + 1], *end;
	long long number;

	/* #\( and the like are no words: */
	if (length == 2 && reader->at[0] == '#' && reader->end - reader->at > 2)
		length += reader->at[1] == '\\';
	if (length == 0 || length > TOKEN_MOST)
		return read_fail(m, length ? "this word is too long" : "there is a ) too many");
	memcpy(token, reader->at, length);
	token[length] = '\0';
	reader->at += length;
	if (token[0] == '#')
		return read_hash(m, token, length);
	number = strtoll(token, &end, 10);
	if (*end != '\0' || !isdigit((unsigned char)token[length - 1]))
		return read_pushed(m, lisp_intern(m, token, length));
	if (number > FIXNUM_MAX || number < FIXNUM_MIN)
		return read_fail(m, "this number is too large");
	return read_pushed(m, word_fixnum(number));
}

static enum read_result read_nested(struct machine *m, struct reader *reader)
{
	switch (*reader->at) {
	case '(':
		reader->at++;
		return read_list(m, reader);
	case '"':
		reader->at++;
		return read_text(m, reader);
	case '\'':
		reader->at++;
		return read_quote(m, reader);
	default:
		return read_atom(m, reader);
	}
}

enum read_result lisp_read(struct machine *m, struct reader *reader)
{
	enum read_result result;

	skip_space(reader);
	if (reader->at == reader->end)
		return READ_END;
	if (reader->depth == DEPTH_MOST)
		return read_fail(m, "too many lists in lists");
	reader->depth++;
	result = read_nested(m, reader);
	reader->depth--;
	return result;
}
