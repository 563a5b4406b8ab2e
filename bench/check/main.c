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

void check_complain(const struct json *entry, const char *field, const char *what)
{
	fprintf(stderr, "check_json: %s%s%s: \"%s\" %s\n", json_string(entry, "name", ""),
		json_string(entry, "variant", json_string(entry, "plan", "")), "", field, what);
	complaints++;
}

static bool kind_fits(enum check_kind wanted, const struct json *value)
{
	switch (wanted) {
	case CHECK_TEXT:
		return value->kind == JSON_STRING;
	case CHECK_TRUTH:
		return value->kind == JSON_TRUE || value->kind == JSON_FALSE;
	case CHECK_NUMBER:
		return value->kind == JSON_NUMBER && value->number >= 0;
	case CHECK_POSITIVE:
		return value->kind == JSON_NUMBER && value->number > 0;
	case CHECK_ARRAY:
		return value->kind == JSON_ARRAY;
	default:
		return value->kind == JSON_OBJECT;
	}
}

static void check_rises(const struct json *entry, const char *field)
{
	static const char *const points[] = {"min", "p50", "p90", "p99", "max"};
	const struct json *whole = json_get(entry, field);
	double before = 0;

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		double value = json_number(whole, points[i], -1);

		if (value < before)
			check_complain(entry, field, "does not rise from min to max");
		before = value;
	}
}

void check_fields(const struct json *entry, const struct check_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct json *value = json_get(entry, fields[i].name);

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

static void check_document(const struct json *root)
{
	const char *tool = json_string(root, "tool", "");

	CHECK_FIELDS(root, head);
	if (strcmp(tool, "uffd_ops") == 0)
		check_uffd_ops(root);
	else
		check_complain(root, "tool", "is none that this program knows");
}

int main(int argc, char **argv)
{
	struct json_document document;

	if (argc != 2) {
		fprintf(stderr, "usage: check_json FILE\n");
		return 2;
	}
	if (json_read(&document, argv[1]))
		check_document(document.root);
	else
		fprintf(stderr, "check_json: %s: %s\n", argv[1], document.message), complaints++;
	json_close(&document);
	return complaints > 0 ? 1 : 0;
}
