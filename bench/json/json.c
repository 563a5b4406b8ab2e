/* bench/json/json.c: see json.h. A recursive-descent parser after RFC 8259; depth is bounded, for
 * the text may be anybody's. */
#include "bench/json/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 65536
#define MOST_DEPTH 64

struct json_block {
	struct json_block *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

struct parser {
	struct json_document *document;
	const char *at, *end;
	unsigned depth;
};

static void *document_alloc(struct json_document *document, size_t bytes)
{
	struct json_block *block = document->blocks;
	void *memory;

	bytes = (bytes + 15) & ~(size_t)15;
	if (block == NULL || block->size - block->used < bytes) {
		size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

		block = malloc(sizeof(*block) + size);
		if (block == NULL)
			return NULL;
		block->next = document->blocks;
		block->used = 0;
		block->size = size;
		document->blocks = block;
	}
	memory = block->bytes + block->used;
	block->used += bytes;
	return memory;
}

/* Note the first complaint and where it is; always false. */
static bool parser_fail(struct parser *parser, const char *what)
{
	struct json_document *document = parser->document;
	unsigned line = 1;

	if (document->message[0] != '\0')
		return false;
	for (const char *at = document->source; at < parser->at; at++)
		line += *at == '\n';
	snprintf(document->message, sizeof(document->message), "line %u: %s", line, what);
	return false;
}

static void parser_space(struct parser *parser)
{
	while (parser->at < parser->end && strchr(" \t\r\n", *parser->at) != NULL &&
	       *parser->at != '\0')
		parser->at++;
}

static bool parser_take(struct parser *parser, char wanted)
{
	parser_space(parser);
	if (parser->at >= parser->end || *parser->at != wanted)
		return false;
	parser->at++;
	return true;
}

static bool parser_word(struct parser *parser, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, word, length) != 0)
		return parser_fail(parser, "no such word in JSON");
	parser->at += length;
	return true;
}

static bool parser_hex(struct parser *parser, uint32_t *code)
{
	*code = 0;
	if (parser->end - parser->at < 4)
		return parser_fail(parser, "\\u wants four digits");
	for (unsigned i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef0123456789ABCDEF";
		const char *digit = strchr(digits, *parser->at++);

		if (digit == NULL || *digit == '\0')
			return parser_fail(parser, "\\u wants four digits");
		*code = *code << 4 | ((uint32_t)(digit - digits) & 15);
	}
	return true;
}

static char *put_utf8(char *out, uint32_t code)
{
	if (code < 0x80) {
		*out++ = (char)code;
	} else if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
		*out++ = (char)(0x80 | (code & 63));
	} else if (code < 0x10000) {
		*out++ = (char)(0xe0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 63));
		*out++ = (char)(0x80 | (code & 63));
	} else {
		*out++ = (char)(0xf0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 63));
		*out++ = (char)(0x80 | (code >> 6 & 63));
		*out++ = (char)(0x80 | (code & 63));
	}
	return out;
}

static bool parser_escape(struct parser *parser, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char letter = parser->at < parser->end ? *parser->at++ : '\0';
	const char *found = letter == '\0' ? NULL : strchr(from, letter);
	uint32_t code, low;

	if (found != NULL) {
		*(*out)++ = to[found - from];
		return true;
	}
	if (letter != 'u')
		return parser_fail(parser, "no such escape");
	if (!parser_hex(parser, &code))
		return false;
	if (code >= 0xd800 && code < 0xdc00 && parser->end - parser->at >= 6 &&
	    parser->at[0] == '\\' && parser->at[1] == 'u') {
		parser->at += 2;
		if (!parser_hex(parser, &low))
			return false;
		code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
	}
	*out = put_utf8(*out, code);
	return true;
}

/* After the opening quote. What is parsed is never longer than how it is written. */
static bool parser_string(struct parser *parser, const char **into)
{
	const char *close = parser->at;
	char *text, *out;

	while (close < parser->end && *close != '"')
		close += *close == '\\' ? 2 : 1;
	if (close >= parser->end)
		return parser_fail(parser, "a string has no end");
	text = out = document_alloc(parser->document, (size_t)(close - parser->at) + 1);
	if (text == NULL)
		return parser_fail(parser, "out of memory");
	while (parser->at < close) {
		char byte = *parser->at++;

		if (byte != '\\')
			*out++ = byte;
		else if (!parser_escape(parser, &out))
			return false;
	}
	*out = '\0';
	parser->at = close + 1;
	*into = text;
	return true;
}

static bool parser_number(struct parser *parser, struct json *value)
{
	char text[64], *end;
	size_t length = 0;

	while (parser->at + length < parser->end && length < sizeof(text) - 1 &&
	       strchr("+-.0123456789eE", parser->at[length]) != NULL && parser->at[length] != '\0')
		length++;
	memcpy(text, parser->at, length);
	text[length] = '\0';
	value->kind = JSON_NUMBER;
	value->number = strtod(text, &end);
	if (length == 0 || *end != '\0')
		return parser_fail(parser, "this is no value");
	parser->at += length;
	return true;
}

static struct json *parser_value(struct parser *parser);

/* The parts of an array or object, after its bracket, up to and with `close`. */
static bool parser_parts(struct parser *parser, struct json *whole, char close)
{
	struct json **tail = &whole->first;

	if (parser_take(parser, close))
		return true;
	do {
		const char *name = NULL;

		if (whole->kind == JSON_OBJECT) {
			if (!parser_take(parser, '"'))
				return parser_fail(parser, "expected a name in quotes");
			if (!parser_string(parser, &name))
				return false;
			if (!parser_take(parser, ':'))
				return parser_fail(parser, "expected a colon");
		}
		*tail = parser_value(parser);
		if (*tail == NULL)
			return false;
		(*tail)->name = name;
		tail = &(*tail)->next;
		whole->count++;
	} while (parser_take(parser, ','));
	return parser_take(parser, close) ||
	       parser_fail(parser, "expected a comma or a closing bracket");
}

static bool parser_fill(struct parser *parser, struct json *value)
{
	switch (*parser->at) {
	case '{':
	case '[':
		value->kind = *parser->at == '{' ? JSON_OBJECT : JSON_ARRAY;
		return parser_parts(parser, value, *parser->at++ == '{' ? '}' : ']');
	case '"':
		value->kind = JSON_STRING;
		parser->at++;
		return parser_string(parser, &value->text);
	case 't':
		value->kind = JSON_TRUE;
		return parser_word(parser, "true");
	case 'f':
		value->kind = JSON_FALSE;
		return parser_word(parser, "false");
	case 'n':
		return parser_word(parser, "null");
	default:
		return parser_number(parser, value);
	}
}

static struct json *parser_value(struct parser *parser)
{
	struct json *value;
	bool filled;

	parser_space(parser);
	if (parser->at >= parser->end) {
		parser_fail(parser, "the text ends too early");
		return NULL;
	}
	if (parser->depth == MOST_DEPTH) {
		parser_fail(parser, "nested too deeply");
		return NULL;
	}
	value = document_alloc(parser->document, sizeof(*value));
	if (value == NULL) {
		parser_fail(parser, "out of memory");
		return NULL;
	}
	memset(value, 0, sizeof(*value));
	value->source = parser->at;
	parser->depth++;
	filled = parser_fill(parser, value);
	parser->depth--;
	value->source_bytes = (size_t)(parser->at - value->source);
	return filled ? value : NULL;
}

static bool document_parse(struct json_document *document)
{
	struct parser parser = {document, document->source, document->source + document->bytes, 0};

	document->root = parser_value(&parser);
	parser_space(&parser);
	if (document->root != NULL && parser.at != parser.end) {
		parser_fail(&parser, "something follows the end");
		document->root = NULL;
	}
	return document->root != NULL;
}

bool json_parse(struct json_document *document, const char *text, size_t bytes)
{
	memset(document, 0, sizeof(*document));
	document->source = malloc(bytes + 1);
	if (document->source == NULL) {
		snprintf(document->message, sizeof(document->message), "out of memory");
		return false;
	}
	memcpy(document->source, text, bytes);
	document->source[bytes] = '\0';
	document->bytes = bytes;
	return document_parse(document);
}

/* All of a file in memory. */
static bool document_load(struct json_document *document, FILE *file)
{
	size_t room = 0, got;
	char *larger;

	do {
		if (room - document->bytes < 2) {
			room = room == 0 ? 65536 : 2 * room;
			larger = realloc(document->source, room);
			if (larger == NULL)
				return false;
			document->source = larger;
		}
		got = fread(document->source + document->bytes, 1, room - document->bytes - 1,
			    file);
		document->bytes += got;
	} while (got > 0);
	document->source[document->bytes] = '\0';
	return ferror(file) == 0;
}

bool json_read(struct json_document *document, const char *path)
{
	FILE *file = fopen(path, "re");
	bool loaded;

	memset(document, 0, sizeof(*document));
	if (file == NULL) {
		snprintf(document->message, sizeof(document->message), "%s", strerror(errno));
		return false;
	}
	loaded = document_load(document, file);
	fclose(file);
	if (!loaded) {
		snprintf(document->message, sizeof(document->message), "cannot be read");
		return false;
	}
	return document_parse(document);
}

void json_close(struct json_document *document)
{
	while (document->blocks != NULL) {
		struct json_block *block = document->blocks;

		document->blocks = block->next;
		free(block);
	}
	free(document->source);
	document->source = NULL;
	document->root = NULL;
}

const struct json *json_get(const struct json *value, const char *path)
{
	while (value != NULL && *path != '\0') {
		size_t length = strcspn(path, ".");
		const struct json *found = NULL;

		JSON_EACH(part, value)
		if (part->name != NULL && strlen(part->name) == length &&
		    memcmp(part->name, path, length) == 0)
			found = part;
		value = found;
		path += length;
		path += *path == '.';
	}
	return value;
}

double json_number(const struct json *value, const char *path, double otherwise)
{
	const struct json *found = json_get(value, path);

	return found != NULL && found->kind == JSON_NUMBER ? found->number : otherwise;
}

const char *json_string(const struct json *value, const char *path, const char *otherwise)
{
	const struct json *found = json_get(value, path);

	return found != NULL && found->kind == JSON_STRING ? found->text : otherwise;
}

void json_write_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < 0x20)
			fprintf(out, "\\u%04x", byte);
		else
			fputc(byte, out);
	}
	fputc('"', out);
}
