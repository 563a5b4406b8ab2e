/* bench/report/report.h: from JSON files to a page, a table in the terminal, and Markdown. */
#ifndef BENCH_REPORT_REPORT_H
#define BENCH_REPORT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "bench/common/json.h"

/* A set of results: a file, or a part of a file that `--bundle` made. */
struct result_set {
	const char *name; /* of the file, for people */
	const char *tool; /* "gc_pause", ...; "trace" for a trace, which names none */
	json_t *root;
};

/* Figures are written as they were read: none has more digits than this. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

/* The page, with everything in it. */
void page_write(FILE *out, const struct result_set *sets, size_t count);

/* The main table. */
void terminal_write(FILE *out, const struct result_set *sets, size_t count);

/* The README's section, from one bundle. */
void markdown_write(FILE *out, const json_t *bundle, const char *path);

#endif
