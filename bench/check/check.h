/* bench/check/check.h: fields of results and what they have to be. */
#ifndef BENCH_CHECK_CHECK_H
#define BENCH_CHECK_CHECK_H

#include <stdbool.h>

#include "bench/common/json.h"

enum check_kind {
	CHECK_TEXT,
	CHECK_TRUTH,
	CHECK_NUMBER,	/* not negative */
	CHECK_POSITIVE, /* and not 0 */
	CHECK_ARRAY,
	CHECK_QUANTILES, /* an object that rises from min to max */
};

struct check_field {
	const char *name;
	enum check_kind kind;
};

void check_complain(const json_t *entry, const char *field, const char *what);
void check_fields(const json_t *entry, const struct check_field *fields, size_t count);
#define CHECK_FIELDS(entry, fields) \
	check_fields(entry, fields, sizeof(fields) / sizeof((fields)[0]))

/* One for each tool. */
void check_uffd_ops(const json_t *root);
void check_compaction(const json_t *root);

#endif
