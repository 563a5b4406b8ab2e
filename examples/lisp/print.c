/* examples/lisp/print.c: from values to text. The text grows in C memory, without a safepoint, so values are
 * plain C locals here; only writing it out may block, and is done outside of the heap. */
#include "examples/lisp/machine.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PRINT_DEPTH 50
#define PRINT_BYTES 100000 /* no value is printed longer */

/* Without memory the text just ends. */
void output_bytes(struct output *output, const char *bytes, size_t count)
{
	if (output->length + count > output->room) {
		size_t room = 2 * output->room + count + 64;
		char *more = realloc(output->bytes, room);

		if (more == NULL)
			return;
		output->bytes = more;
		output->room = room;
	}
	memcpy(output->bytes + output->length, bytes, count);
	output->length += count;
}

void output_print(struct output *output, const char *format, ...)
{
	char text[160];
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (length > 0)
		output_bytes(output, text,
			     (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

void output_flush(struct machine *m, struct output *output)
{
	size_t done = 0;

	if (output->length) {
		plx_block_enter(m->thread); /* standard output may be a pipe that nobody reads */
		while (done < output->length) {
			ssize_t wrote =
				write(STDOUT_FILENO, output->bytes + done, output->length - done);

			if (wrote <= 0)
				break;
			done += (size_t)wrote;
		}
		plx_block_exit(m->thread);
	}
	free(output->bytes);
	*output = (struct output){0};
}

static void print_text(struct output *output, const struct text *text, bool quoted)
{
	size_t length = plx_object_length(text);

	if (!quoted) {
		output_bytes(output, text->bytes, length);
		return;
	}
	output_bytes(output, "\"", 1);
	for (size_t i = 0; i < length; i++) {
		if (text->bytes[i] == '"' || text->bytes[i] == '\\')
			output_bytes(output, "\\", 1);
		output_bytes(output, &text->bytes[i], 1);
	}
	output_bytes(output, "\"", 1);
}

static void print_word(struct machine *m, struct output *output, word w, bool quoted,
		       unsigned depth);

static void print_list(struct machine *m, struct output *output, word w, bool quoted,
		       unsigned depth)
{
	output_bytes(output, "(", 1);
	print_word(m, output, pair_car(w), quoted, depth);
	for (w = pair_cdr(w); is_pair(m, w); w = pair_cdr(w)) {
		output_bytes(output, " ", 1);
		print_word(m, output, pair_car(w), quoted, depth);
		if (output->length > PRINT_BYTES) {
			output_print(output, " ...");
			break;
		}
	}
	if (!is_pair(m, w) && w != NIL) {
		output_print(output, " . ");
		print_word(m, output, w, quoted, depth);
	}
	output_bytes(output, ")", 1);
}

static void print_vector(struct machine *m, struct output *output, const struct vector *vector,
			 bool quoted, unsigned depth)
{
	output_print(output, "#(");
	for (uint64_t i = 0; i < plx_object_length(vector); i++) {
		if (i > 0)
			output_bytes(output, " ", 1);
		if (output->length > PRINT_BYTES) {
			output_print(output, "...");
			break;
		}
		print_word(m, output, vector->slots[i], quoted, depth);
	}
	output_bytes(output, ")", 1);
}

static void print_closure(struct output *output, const struct closure *closure)
{
	const struct code *code = closure->code;

	if (code->name == NIL) {
		output_print(output, "#<procedure>");
		return;
	}
	output_print(output, "#<procedure ");
	print_text(output, ((const struct symbol *)code->name)->name, false);
	output_bytes(output, ">", 1);
}

static void print_immediate(struct machine *m, struct output *output, word w, bool quoted)
{
	char character = (char)word_above(w);

	if (word_is_fixnum(w))
		output_print(output, "%" PRId64, word_number(w));
	else if (word_is_immediate(w, IMMEDIATE_PRIMITIVE))
		output_print(output, "#<primitive %s>", m->lisp->primitives[word_above(w)]->name);
	else if (word_is_immediate(w, IMMEDIATE_CHARACTER) && !quoted)
		output_bytes(output, &character, 1);
	else if (word_is_immediate(w, IMMEDIATE_CHARACTER))
		output_print(output, "#\\%c", character);
	else
		output_print(output, "%s",
			     w == NIL	       ? "()"
			     : w == TRUE_WORD  ? "#t"
			     : w == FALSE_WORD ? "#f"
			     : w == EOF_WORD   ? "#<eof>"
					       : "#<nothing>");
}

static void print_word(struct machine *m, struct output *output, word w, bool quoted,
		       unsigned depth)
{
	if (depth == 0) {
		output_print(output, "...");
		return;
	}
	switch (lisp_kind(m, w)) {
	case KIND_NONE:
		print_immediate(m, output, w, quoted);
		break;
	case KIND_PAIR:
		print_list(m, output, w, quoted, depth - 1);
		break;
	case KIND_SYMBOL:
		print_text(output, ((const struct symbol *)w)->name, false);
		break;
	case KIND_TEXT:
		print_text(output, w, quoted);
		break;
	case KIND_VECTOR:
		print_vector(m, output, w, quoted, depth - 1);
		break;
	case KIND_CLOSURE:
		print_closure(output, w);
		break;
	case KIND_TABLE:
		output_print(output, "#<table of %" PRIu64 ">", ((const struct table *)w)->count);
		break;
	case KIND_WEAK:
		output_print(output, "#<weak>");
		break;
	default: /* resources; the rest is never seen */
		output_print(output, "#<foreign>");
		break;
	}
}

void lisp_print(struct machine *m, struct output *output, word w, bool quoted)
{
	print_word(m, output, w, quoted, PRINT_DEPTH);
}
