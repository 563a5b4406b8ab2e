/* runtime/tools/plx_info.c: prints what this machine can do for the collector, and the options.
 *
 *	plx_info			capabilities, the plan a heap would take, why not a better one
 *	plx_info --options		the options, as text
 *	plx_info --options-markdown	docs/options.md
 *	plx_info --dump FILE [ADDRESS]	a heap that GC_VERIFY_DUMP left
 *
 * Uses the public interface only, but for the dump's format. */
#include <parallax/heap.h>

#include <stdio.h>
#include <string.h>

#include "runtime/tools/plx_info/dump.h"

struct row {
	const char *name, *type, *unit, *help;
	uint64_t standard, highest;
	const char *field;
};

#define ROW(field, name, type, standard, lowest, highest, unit, help) \
	{#name, #type, unit, help, (uint64_t)(int64_t)(standard), (uint64_t)(highest), #field},

static const struct row rows[] = {PLX_OPTION_TABLE(ROW)};

static void print_bytes(uint64_t value)
{
	static const char suffixes[] = "\0KMGT";
	unsigned power = 0;

	while (power < 4 && value != 0 && value % 1024 == 0) {
		value /= 1024;
		power++;
	}
	printf("%llu%.1s", (unsigned long long)value, &suffixes[power]);
}

/* The words of an option, each as code. */
static void print_words(const char *words)
{
	while (*words != '\0') {
		size_t length = strcspn(words, "|");

		printf("`%.*s`", (int)length, words);
		words += length;
		if (*words == '|') {
			printf(", ");
			words++;
		}
	}
}

static void print_row(const struct row *row)
{
	bool is_bytes = strcmp(row->type, "BYTES") == 0, is_count = strcmp(row->type, "COUNT") == 0;

	printf("| `%s` | ", row->name);
	if (is_bytes || is_count) {
		printf(is_bytes ? "size, at most " : "number, at most ");
		if (is_bytes)
			print_bytes(row->highest);
		else
			printf("%llu", (unsigned long long)row->highest);
		if (is_count && strchr(row->unit, '|') == NULL)
			printf(" (%s)", row->unit);
	} else if (strcmp(row->type, "STRING") == 0) {
		printf("%s, at most %llu bytes", row->unit, (unsigned long long)row->highest);
	} else {
		print_words(row->unit);
		if (strcmp(row->type, "SET") == 0)
			printf(", a number; several with commas");
	}
	printf(" | ");
	if (is_bytes)
		print_bytes(row->standard);
	else if (is_count)
		printf("%llu", (unsigned long long)row->standard);
	else if (strcmp(row->type, "TRISTATE") == 0 || strcmp(row->type, "STRING") == 0)
		printf("unset");
	else if (strcmp(row->type, "SET") == 0)
		printf("none");
	else
		printf("`%.*s`", (int)strcspn(row->unit, "|"), row->unit);
	printf(" | %s | `%s` |\n", row->help, row->field);
}

static void print_markdown(void)
{
	printf("# Options\n\n"
	       "<!-- Made by `plx_info --options-markdown` from parallax/option_table.h: do not edit. "
	       "-->\n\n"
	       "Set them in the environment, or in `struct plx_heap_config` with `plx_config_set` or by\n"
	       "field. Sizes are in bytes and take the suffixes K, M, G and T. A name that starts with\n"
	       "`GC_` but is not in this table, or a value that cannot be read (an empty one included),\n"
	       "makes heap creation fail: nothing is guessed.\n\n"
	       "| name | values | default | meaning | field |\n"
	       "|---|---|---|---|---|\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		print_row(&rows[i]);
}

int main(int count, char **arguments)
{
	static char text[8192];

	if (count == 1) {
		plx_capabilities_describe(text, sizeof(text));
		fputs(text, stdout);
	} else if (count == 2 && strcmp(arguments[1], "--options") == 0) {
		fputs(plx_config_help(), stdout);
	} else if (count == 2 && strcmp(arguments[1], "--options-markdown") == 0) {
		print_markdown();
	} else if ((count == 3 || count == 4) && strcmp(arguments[1], "--dump") == 0) {
		return dump_print(arguments[2], count == 4 ? arguments[3] : NULL);
	} else {
		bool help = count == 2 && strcmp(arguments[1], "--help") == 0;

		fprintf(help ? stdout : stderr,
			"usage: plx_info [--options|--options-markdown|--dump FILE [ADDRESS]]\n");
		return help ? 0 : 2;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
