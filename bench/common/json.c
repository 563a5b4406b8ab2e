/* bench/common/json.c: see json.h. */
#include "bench/common/json.h"

#include <stdlib.h>
#include <string.h>

static void say_why(const json_error_t *error, char why[VALUE_WHY_BYTES])
{
	if (error->line < 0) /* of a file that cannot be opened */
		snprintf(why, VALUE_WHY_BYTES, "%s", error->text);
	else
		snprintf(why, VALUE_WHY_BYTES, "line %d, column %d, byte %d: %s", error->line,
			 error->column, error->position, error->text);
}

json_t *value_read(const char *path, char why[VALUE_WHY_BYTES])
{
	json_error_t error;
	json_t *value = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	if (value == NULL)
		say_why(&error, why);
	return value;
}

json_t *value_parse(const char *text, char why[VALUE_WHY_BYTES])
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (value == NULL)
		say_why(&error, why);
	return value;
}

static json_t *member(const json_t *value, const char *name, size_t length)
{
	char copy[64];

	if (length >= sizeof(copy))
		return NULL;
	memcpy(copy, name, length);
	copy[length] = '\0';
	return json_object_get(value, copy);
}

json_t *value_at(const json_t *value, const char *path)
{
	size_t length = strcspn(path, ".");
	json_t *part = member(value, path, length);

	return path[length] == '\0' ? part : value_at(part, path + length + 1);
}

double value_number(const json_t *value, const char *path, double otherwise)
{
	const json_t *found = value_at(value, path);

	return json_is_number(found) ? json_number_value(found) : otherwise;
}

const char *value_text(const json_t *value, const char *path, const char *otherwise)
{
	const json_t *found = value_at(value, path);

	return json_is_string(found) ? json_string_value(found) : otherwise;
}

/* A message may end within a character. */
static json_t *string_of_ascii(const char *text)
{
	char *copy = strdup(text);
	json_t *string;

	if (copy == NULL)
		abort();
	for (char *byte = copy; *byte != '\0'; byte++)
		if ((unsigned char)*byte > 0x7e)
			*byte = '?';
	string = json_string(copy);
	free(copy);
	return string;
}

void value_put_text(FILE *out, const char *text)
{
	json_t *string = json_string(text);

	if (string == NULL)
		string = string_of_ascii(text);
	json_dumpf(string, out, JSON_ENCODE_ANY);
	json_decref(string);
}
