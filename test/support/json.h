/* test/support/json.h: reading JSON in tests: strict (RFC 8259), into a tree.
 *
 * A text that breaks the grammar anywhere is refused, with the place. Numbers are doubles; objects keep
 * their order and may be asked for a member by name. Not thread safe. */
#ifndef TEST_SUPPORT_JSON_H
#define TEST_SUPPORT_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_kind {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

struct json {
	enum json_kind kind;
	double number;
	char *text; /* of a string, escapes replaced (\u by '?') */
	size_t count;
	struct json **items; /* of an array or an object */
	char **names;	     /* of an object's members */
};

/* The whole text is one value; NULL if it is not, with the offset of the mistake in *at. */
struct json *json_parse(const char *text, size_t *at);
void json_free(struct json *value);

/* A member of an object, or NULL. */
const struct json *json_get(const struct json *object, const char *name);

/* A member that must be there and be a string, or a number; anything else aborts the test. */
const char *json_text(const struct json *object, const char *name);
double json_number(const struct json *object, const char *name);

#endif
