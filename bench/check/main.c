/* bench/check/main.c: is a JSON file of results what docs/benchmarks.md says it is? For the tests.
 *
 * usage: check_json FILE
 *
 * Every field that the documentation lists has to be there, of the right kind; distributions have to
 * rise; and nothing may be "wrong". Exit status: 0 all well, 1 not, with the reason; 2 usage. */
#include <stdio.h>
#include <string.h>

#include "bench/check/check.h"

static unsigned complaints;

void check_complain(const json_t *entry, const char *field, const char *what)
{
	fprintf(stderr, "check_json: %s%s%s: \"%s\" %s\n", value_text(entry, "name", ""),
		value_text(entry, "variant", value_text(entry, "plan", "")), "", field, what);
	complaints++;
}

static bool kind_fits(enum check_kind wanted, const json_t *value)
{
	switch (wanted) {
	case CHECK_TEXT:
		return json_is_string(value);
	case CHECK_TRUTH:
		return json_is_boolean(value);
	case CHECK_NUMBER:
		return json_is_number(value) && json_number_value(value) >= 0;
	case CHECK_POSITIVE:
		return json_is_number(value) && json_number_value(value) > 0;
	case CHECK_ARRAY:
		return json_is_array(value);
	default:
		return json_is_object(value);
	}
}

static void check_rises(const json_t *entry, const char *field)
{
	static const char *const points[] = {"min", "p50", "p90", "p99", "max"};
	const json_t *whole = value_at(entry, field);
	double before = 0;

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		double value = value_number(whole, points[i], -1);

		if (value < before)
			check_complain(entry, field, "does not rise from min to max");
		before = value;
	}
}

void check_fields(const json_t *entry, const struct check_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const json_t *value = value_at(entry, fields[i].name);

		if (value == NULL)
			check_complain(entry, fields[i].name, "is missing");
		else if (!kind_fits(fields[i].kind, value))
			check_complain(entry, fields[i].name, "is of another kind");
		else if (fields[i].kind == CHECK_QUANTILES)
			check_rises(entry, fields[i].name);
	}
}

static const struct check_field head[] = {
	{"tool", CHECK_TEXT},	  {"kernel", CHECK_TEXT}, {"machine", CHECK_TEXT},
	{"cpus", CHECK_POSITIVE}, {"quick", CHECK_TRUTH}, {"page_bytes", CHECK_POSITIVE},
	{"results", CHECK_ARRAY},
};

static void check_document(const json_t *root)
{
	const char *tool = value_text(root, "tool", "");

	CHECK_FIELDS(root, head);
	if (strcmp(tool, "uffd_ops") == 0)
		check_uffd_ops(root);
	else if (strcmp(tool, "compaction") == 0)
		check_compaction(root);
	else
		check_complain(root, "tool", "is none that this program knows");
}

int main(int argc, char **argv)
{
	char why[VALUE_WHY_BYTES];
	json_t *root;

	if (argc != 2) {
		fprintf(stderr, "usage: check_json FILE\n");
		return 2;
	}
	root = value_read(argv[1], why);
	if (root != NULL)
		check_document(root);
	else
		fprintf(stderr, "check_json: %s: %s\n", argv[1], why), complaints++;
	json_decref(root);
	return complaints > 0 ? 1 : 0;
}
