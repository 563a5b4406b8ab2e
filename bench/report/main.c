/* bench/report/main.c: the command line; reading files, and putting them into a bundle. See
 * docs/benchmarks.md. A bundle holds several results and how they were made, in one file that can be
 * kept: {"tool":"bench","command":...,"parts":[{"file":...,"result":...},...]}. */
#include "bench/report/report.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MOST_SETS 64

struct reading {
	json_t *documents[MOST_SETS];
	size_t document_count;
	struct result_set sets[MOST_SETS];
	size_t count;
};

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static bool is_known(const char *tool)
{
	static const char *const known[] = {"gc_pause", "uffd_ops", "compaction",
					    "peers",	"heap_map", "trace"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(tool, known[i]) == 0)
			return true;
	return false;
}

/* A trace is an array of events, or an object that holds one. */
static const char *tool_of(const json_t *root)
{
	if (json_is_array(root) || value_at(root, "traceEvents") != NULL)
		return "trace";
	return value_text(root, "tool", "");
}

static bool reading_add(struct reading *reading, const char *name, json_t *root)
{
	struct result_set *set = &reading->sets[reading->count];

	set->name = name;
	set->tool = tool_of(root);
	set->root = root;
	if (!is_known(set->tool)) {
		fprintf(stderr,
			"report: %s: \"tool\" is \"%s\"; expected gc_pause, uffd_ops, compaction, peers, "
			"heap_map, bench or a trace\n",
			name, set->tool);
		return false;
	}
	reading->count++;
	return true;
}

static bool reading_unpack(struct reading *reading, const json_t *bundle)
{
	const json_t *part;
	size_t i;

	json_array_foreach (value_at(bundle, "parts"), i, part) {
		json_t *result = value_at(part, "result");

		if (result == NULL || reading->count == MOST_SETS) {
			fprintf(stderr, "report: a part of the bundle has no result\n");
			return false;
		}
		if (!reading_add(reading, value_text(part, "file", "?"), result))
			return false;
	}
	return true;
}

static bool reading_file(struct reading *reading, const char *path)
{
	char why[VALUE_WHY_BYTES];
	json_t *root;

	if (reading->document_count == MOST_SETS || reading->count == MOST_SETS) {
		fprintf(stderr, "report: more than %d files\n", MOST_SETS);
		return false;
	}
	root = value_read(path, why);
	if (root == NULL) {
		fprintf(stderr, "report: %s: %s\n", path, why);
		return false;
	}
	reading->documents[reading->document_count++] = root;
	if (strcmp(value_text(root, "tool", ""), "bench") == 0)
		return reading_unpack(reading, root);
	return reading_add(reading, file_name(path), root);
}

/* Open, write, close; false after a message. */
static bool write_file(const char *path, const struct reading *reading, const char *command,
		       void (*write)(FILE *out, const struct reading *reading, const char *command))
{
	bool to_stdout = strcmp(path, "-") == 0, failed;
	FILE *out = to_stdout ? stdout : fopen(path, "we");

	if (out == NULL) {
		fprintf(stderr, "report: %s: %s\n", path, strerror(errno));
		return false;
	}
	write(out, reading, command);
	failed = fflush(out) != 0 || ferror(out) != 0;
	if (!to_stdout)
		failed |= fclose(out) != 0;
	if (failed)
		fprintf(stderr, "report: %s: not written completely\n", path);
	return !failed;
}

static void write_page(FILE *out, const struct reading *reading, const char *command)
{
	(void)command;
	page_write(out, reading->sets, reading->count);
}

static void put_list(FILE *out, const json_t *list)
{
	const json_t *part;
	size_t i;

	fputc('[', out);
	json_array_foreach (list, i, part) {
		fputs(i == 0 ? "\n" : ",\n", out);
		json_dumpf(part, out, DUMP_FLAGS | JSON_ENCODE_ANY);
	}
	fputc(']', out);
}

/* A line for each run, as the benchmarks themselves write: kept results are to be read, and compared by diff. */
static void put_result(FILE *out, json_t *result)
{
	const char *name, *before = "{";
	json_t *part;

	if (json_is_array(result)) {
		put_list(out, result);
		return;
	}
	json_object_foreach (result, name, part) {
		fputs(before, out);
		before = ",";
		value_put_text(out, name);
		fputc(':', out);
		if (json_is_array(part))
			put_list(out, part);
		else
			json_dumpf(part, out, DUMP_FLAGS | JSON_ENCODE_ANY);
	}
	fputc('}', out);
}

static void write_bundle(FILE *out, const struct reading *reading, const char *command)
{
	struct utsname name;

	uname(&name);
	fprintf(out,
		"{\"tool\":\"bench\",\"kernel\":\"%s\",\"machine\":\"%s\",\"cpus\":%ld,\"command\":",
		name.release, name.machine, sysconf(_SC_NPROCESSORS_ONLN));
	value_put_text(out, command);
	fputs(",\"parts\":[", out);
	for (size_t i = 0; i < reading->count; i++) {
		fprintf(out, "%s{\"file\":", i == 0 ? "\n" : ",\n");
		value_put_text(out, reading->sets[i].name);
		fputs(",\"result\":", out);
		put_result(out, reading->sets[i].root);
		fputc('}', out);
	}
	fputs("]}\n", out);
}

static int print_markdown(const char *path)
{
	char why[VALUE_WHY_BYTES] = "not a bundle; see --help";
	json_t *bundle = value_read(path, why);
	int status = 0;

	if (strcmp(value_text(bundle, "tool", ""), "bench") != 0) {
		fprintf(stderr, "report: %s: %s\n", path, why);
		status = 1;
	} else {
		markdown_write(stdout, bundle, path);
	}
	json_decref(bundle);
	return status;
}

static void print_help(void)
{
	printf("usage: report [options] FILE.json...\n"
	       "Turns results of gc_pause (with --sweep or without), uffd_ops, compaction and peers, heap maps\n"
	       "(gc_pause --heap-map) and traces (GC_TRACE) into one page, and prints the main table.\n"
	       "\n"
	       "  --html FILE      the page (default report.html; - is standard output)\n"
	       "  --bundle FILE    all of the files in one, which report reads again\n"
	       "  --command TEXT   how the files were made, for the bundle\n"
	       "  --markdown       print the README's section from one bundle, and nothing else\n"
	       "  --quiet          no table\n"
	       "  --help           this text\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"html", required_argument, NULL, 'h'},
						{"bundle", required_argument, NULL, 'b'},
						{"command", required_argument, NULL, 'c'},
						{"markdown", no_argument, NULL, 'm'},
						{"quiet", no_argument, NULL, 'q'},
						{"help", no_argument, NULL, '?' + 1},
						{NULL, 0, NULL, 0}};
	static struct reading reading;
	const char *html = "report.html", *bundle = NULL, *command = "";
	bool markdown = false, quiet = false, well = true;
	int code;

	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (code) {
		case 'h':
			html = optarg;
			break;
		case 'b':
			bundle = optarg;
			break;
		case 'c':
			command = optarg;
			break;
		case 'm':
			markdown = true;
			break;
		case 'q':
			quiet = true;
			break;
		case '?' + 1:
			print_help();
			return 0;
		default:
			return 2;
		}
	}
	if (optind == argc || (markdown && optind + 1 != argc)) {
		fprintf(stderr, "report: %s; --help says more\n",
			markdown ? "--markdown wants one bundle" : "name the files to read");
		return 2;
	}
	if (markdown)
		return print_markdown(argv[optind]);
	while (well && optind < argc)
		well = reading_file(&reading, argv[optind++]);
	well = well && write_file(html, &reading, command, write_page);
	if (well && bundle != NULL)
		well = write_file(bundle, &reading, command, write_bundle);
	if (well && !quiet)
		terminal_write(strcmp(html, "-") == 0 ? stderr : stdout, reading.sets,
			       reading.count);
	for (size_t i = 0; i < reading.document_count; i++)
		json_decref(reading.documents[i]);
	return well ? 0 : 1;
}
