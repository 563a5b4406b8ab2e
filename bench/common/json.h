/* bench/common/json.h: the little that benchmarks and tests want beside jansson: one way to read, strictly; the
 * part at a path; and a string written so that it can be read again. */
#ifndef BENCH_COMMON_JSON_H
#define BENCH_COMMON_JSON_H

#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

/* RFC 8259, an array or an object, no name twice in an object, and nothing behind the end. NULL if `path` or
 * `text` is not that: then `why` says what is wrong, and where. What is returned is the caller's, for
 * json_decref. */
#define VALUE_WHY_BYTES 240
json_t *value_read(const char *path, char why[VALUE_WHY_BYTES]);
json_t *value_parse(const char *text, char why[VALUE_WHY_BYTES]);

/* The part at a path such as "op_us.p50"; NULL if there is none, or no `value`. It lives as long as the
 * whole. */
json_t *value_at(const json_t *value, const char *path);

/* The number or string at a path; `otherwise` if it is not there or is of another kind. */
double value_number(const json_t *value, const char *path, double otherwise);
const char *value_text(const json_t *value, const char *path, const char *otherwise);

/* Write `text` as a JSON string, quotes included; `?` for each byte beyond ASCII should it not be UTF-8. */
void value_put_text(FILE *out, const char *text);

#endif
