/* bench/json/json.h: a small reader of JSON texts, for the programs that compare and draw results.
 *
 * A text becomes a tree of values that refer to each other by pointers; everything lives in one
 * document and ends with it. Numbers are doubles, as in JavaScript. */
#ifndef BENCH_JSON_JSON_H
#define BENCH_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

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
	const char *name; /* in an object; else NULL */
	const char *text; /* a string's bytes, NUL-terminated */
	double number;
	const char *source; /* how it is written, in the document's text */
	size_t source_bytes;
	size_t count;	    /* of an array's or object's parts */
	struct json *first; /* its first part, or NULL */
	struct json *next;  /* the next part of the same whole, or NULL */
};

struct json_document {
	struct json *root; /* NULL if the text is not JSON */
	char *source;	   /* the text as read */
	size_t bytes;
	char message[160]; /* why root is NULL */
	struct json_block *blocks;
};

/* Read a file, or parse `bytes` of text. False with `message` filled in; json_close either way. */
bool json_read(struct json_document *document, const char *path);
bool json_parse(struct json_document *document, const char *text, size_t bytes);
void json_close(struct json_document *document);

/* The part at a path such as "op_us.p50"; NULL if there is none. */
const struct json *json_get(const struct json *value, const char *path);

/* The number or string at a path; `otherwise` if it is not there or is of another kind. */
double json_number(const struct json *value, const char *path, double otherwise);
const char *json_string(const struct json *value, const char *path, const char *otherwise);

/* Write `text` as a JSON string, quotes included. */
void json_write_string(FILE *out, const char *text);

#define JSON_EACH(part, whole)                                                                \
	for (const struct json *part = (whole) == NULL ? NULL : (whole)->first; part != NULL; \
	     part = part->next)

#endif
