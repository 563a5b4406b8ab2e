/* bench/check/uffd_ops.c: the results of bench/uffd_ops. */
#include <string.h>

#include "bench/check/check.h"

static const struct check_field any[] = {
	{"name", CHECK_TEXT},
	{"variant", CHECK_TEXT},
	{"status", CHECK_TEXT},
	{"why", CHECK_TEXT},
};

static const struct check_field measured[] = {
	{"page_bytes", CHECK_POSITIVE},
	{"pages", CHECK_POSITIVE},
	{"batch", CHECK_POSITIVE},
	{"rounds", CHECK_POSITIVE},
	{"preempted", CHECK_NUMBER},
	{"ns_per_page", CHECK_QUANTILES},
	{"ns_per_call", CHECK_QUANTILES},
	{"ns_per_page.p50", CHECK_POSITIVE},
	{"ns_per_call.count", CHECK_POSITIVE},
};

static const struct check_field derived[] = {
	{"method", CHECK_TEXT},		 {"layout", CHECK_TEXT},     {"heap_pages", CHECK_POSITIVE},
	{"dirty_pages", CHECK_POSITIVE}, {"pause_ns", CHECK_NUMBER}, {"total_ns", CHECK_POSITIVE},
	{"best", CHECK_TRUTH},
};

static const struct check_field crossover[] = {
	{"layout", CHECK_TEXT}, {"heap_pages", CHECK_POSITIVE}, {"dirty_pages", CHECK_POSITIVE},
	{"method", CHECK_TEXT}, {"instead_of", CHECK_TEXT},
};

/* What every Linux has: if one of these was not measured, the program is broken. */
static const char *const needed[] = {"memcpy",	   "minor_fault",   "fresh_page",  "dontneed",
				     "hole_punch", "mremap_detach", "mremap_back", "mprotect"};

static void check_needed(const json_t *root, const char *name)
{
	const json_t *result;
	size_t at;

	json_array_foreach (value_at(root, "results"), at, result)
		if (strcmp(value_text(result, "name", ""), name) == 0 &&
		    strcmp(value_text(result, "status", ""), "ok") == 0)
			return;
	check_complain(root, name, "was not measured");
}

static void check_result(const json_t *result)
{
	const char *status = value_text(result, "status", "");

	CHECK_FIELDS(result, any);
	if (strcmp(status, "ok") == 0)
		CHECK_FIELDS(result, measured);
	else if (strcmp(status, "absent") != 0)
		check_complain(result, "status", value_text(result, "why", "is not known"));
	else if (value_text(result, "why", "")[0] == '\0')
		check_complain(result, "why", "does not say why it is absent");
}

void check_uffd_ops(const json_t *root)
{
	const json_t *row;
	size_t at;

	json_array_foreach (value_at(root, "results"), at, row)
		check_result(row);
	json_array_foreach (value_at(root, "derived"), at, row)
		CHECK_FIELDS(row, derived);
	json_array_foreach (value_at(root, "crossovers"), at, row)
		CHECK_FIELDS(row, crossover);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		check_needed(root, needed[i]);
}
