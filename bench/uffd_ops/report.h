/* bench/uffd_ops/report.h: what was found, as text and as JSON. */
#ifndef BENCH_UFFD_OPS_REPORT_H
#define BENCH_UFFD_OPS_REPORT_H

#include "bench/uffd_ops/suite.h"

void report_print(FILE *out, const struct suite *suite);
/* Field names are a contract: docs/benchmarks.md lists them. */
void report_json(FILE *out, const struct suite *suite, bool quick);

#endif
