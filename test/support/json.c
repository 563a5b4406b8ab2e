/* test/support/json.c: see json.h. Recursive descent; a mistake sets `bad` and unwinds. */
#include "test/support/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 64

struct reader {
	const char *start, *at;
	unsigned depth;
	bool bad;
};

static struct json *read_value(struct reader *reader);

static void *need(void *block)
{
	if (!block)
		abort();
	return block;
}

static void skip_blanks(struct reader *reader)
{
	reader->at += strspn(reader->at, " \t\r\n");
}

static bool accept(struct reader *reader, const char *token)
{
	size_t length = strlen(token);

	if (reader->bad || strncmp(reader->at, token, length) != 0)
		return false;
	reader->at += length;
	return true;
}

static void expect(struct reader *reader, const char *token)
{
	if (!accept(reader, token))
		reader->bad = true;
}

static struct json *make(enum json_kind kind)
{
	struct json *value = need(calloc(1, sizeof(*value)));

	value->kind = kind;
	return value;
}

/* Behind a backslash. */
static char read_escape(struct reader *reader)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found = *reader->at ? strchr(from, *reader->at) : NULL;

	if (found) {
		reader->at++;
		return to[found - from];
	}
	expect(reader, "u");
	for (int i = 0; i < 4 && !reader->bad; i++) {
		if (!*reader->at || !strchr("0123456789abcdefABCDEF", *reader->at))
			reader->bad = true;
		else
			reader->at++;
	}
	return '?';
}

static char *read_string(struct reader *reader)
{
	char *text = need(malloc(strlen(reader->at) + 1));
	size_t length = 0;

	expect(reader, "\"");
	while (!reader->bad && *reader->at != '"') {
		if ((unsigned char)*reader->at < 0x20)
			reader->bad = true; /* the end of the text too */
		else if (accept(reader, "\\"))
			text[length++] = read_escape(reader);
		else
			text[length++] = *reader->at++;
	}
	expect(reader, "\"");
	text[length] = '\0';
	return text;
}

static size_t read_digits(struct reader *reader)
{
	size_t count = strspn(reader->at, "0123456789");

	if (count == 0)
		reader->bad = true;
	reader->at += count;
	return count;
}

static struct json *read_number(struct reader *reader)
{
	struct json *value = make(JSON_NUMBER);
	const char *start = reader->at, *digits;

	accept(reader, "-");
	digits = reader->at;
	if (read_digits(reader) > 1 && *digits == '0')
		reader->bad = true;
	if (accept(reader, "."))
		read_digits(reader);
	if (accept(reader, "e") || accept(reader, "E")) {
		if (!accept(reader, "+"))
			accept(reader, "-");
		read_digits(reader);
	}
	value->number = strtod(start, NULL);
	return value;
}

static void add_item(struct json *value, char *name, struct json *item)
{
	if ((value->count & (value->count - 1)) == 0) { /* at powers of two, and 0 */
		size_t capacity = value->count ? 2 * value->count : 1;

		value->items = need(realloc(value->items, capacity * sizeof(*value->items)));
		value->names = need(realloc(value->names, capacity * sizeof(*value->names)));
	}
	value->names[value->count] = name;
	value->items[value->count++] = item;
}

static struct json *read_items(struct reader *reader, bool named)
{
	struct json *value = make(named ? JSON_OBJECT : JSON_ARRAY);
	const char *close = named ? "}" : "]";

	skip_blanks(reader);
	if (accept(reader, close))
		return value;
	do {
		char *name = NULL;

		skip_blanks(reader);
		if (named) {
			name = read_string(reader);
			skip_blanks(reader);
			expect(reader, ":");
		}
		add_item(value, name, read_value(reader));
		skip_blanks(reader);
	} while (accept(reader, ","));
	expect(reader, close);
	return value;
}

static struct json *read_value(struct reader *reader)
{
	struct json *value;

	skip_blanks(reader);
	if (++reader->depth > DEEPEST)
		reader->bad = true;
	if (accept(reader, "{")) {
		value = read_items(reader, true);
	} else if (accept(reader, "[")) {
		value = read_items(reader, false);
	} else if (accept(reader, "null")) {
		value = make(JSON_NULL);
	} else if (accept(reader, "true")) {
		value = make(JSON_TRUE);
	} else if (accept(reader, "false")) {
		value = make(JSON_FALSE);
	} else if (!reader->bad && *reader->at == '"') {
		value = make(JSON_STRING);
		value->text = read_string(reader);
	} else {
		value = read_number(reader);
	}
	reader->depth--;
	return value;
}

struct json *json_parse(const char *text, size_t *at)
{
	struct reader reader = {.start = text, .at = text};
	struct json *value = read_value(&reader);

	skip_blanks(&reader);
	*at = (size_t)(reader.at - reader.start);
	if (!reader.bad && *reader.at == '\0')
		return value;
	json_free(value);
	return NULL;
}

void json_free(struct json *value)
{
	if (!value)
		return;
	for (size_t i = 0; i < value->count; i++) {
		free(value->names[i]);
		json_free(value->items[i]);
	}
	free(value->names);
	free(value->items);
	free(value->text);
	free(value);
}

const struct json *json_get(const struct json *object, const char *name)
{
	for (size_t i = 0; i < object->count; i++)
		if (object->kind == JSON_OBJECT && strcmp(object->names[i], name) == 0)
			return object->items[i];
	return NULL;
}

static const struct json *get_kind(const struct json *object, const char *name, enum json_kind kind)
{
	const struct json *member = json_get(object, name);

	if (!member || member->kind != kind) {
		fprintf(stderr, "json: no member '%s' of the right kind\n", name);
		abort();
	}
	return member;
}

const char *json_text(const struct json *object, const char *name)
{
	return get_kind(object, name, JSON_STRING)->text;
}

double json_number(const struct json *object, const char *name)
{
	return get_kind(object, name, JSON_NUMBER)->number;
}
