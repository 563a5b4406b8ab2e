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
	struct json_document documents[MOST_SETS];
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
static const char *tool_of(const struct json *root)
{
	if (root->kind == JSON_ARRAY || json_get(root, "traceEvents") != NULL)
		return "trace";
	return json_string(root, "tool", "");
}

static bool reading_add(struct reading *reading, const char *name, const struct json *root,
			const char *text, size_t bytes)
{
	struct result_set *set = &reading->sets[reading->count];

	set->name = name;
	set->tool = tool_of(root);
	set->root = root;
	set->text = text;
	set->bytes = bytes;
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

/* The parts of a bundle, each with its own text. */
static bool reading_unpack(struct reading *reading, const struct json *bundle)
{
	JSON_EACH(part, json_get(bundle, "parts"))
	{
		const struct json *result = json_get(part, "result");

		if (result == NULL || reading->count == MOST_SETS) {
			fprintf(stderr, "report: a part of the bundle has no result\n");
			return false;
		}
		if (!reading_add(reading, json_string(part, "file", "?"), result, result->source,
				 result->source_bytes))
			return false;
	}
	return true;
}

static bool reading_file(struct reading *reading, const char *path)
{
	struct json_document *document = &reading->documents[reading->document_count];

	if (reading->document_count == MOST_SETS || reading->count == MOST_SETS) {
		fprintf(stderr, "report: more than %d files\n", MOST_SETS);
		return false;
	}
	reading->document_count++;
	if (!json_read(document, path)) {
		fprintf(stderr, "report: %s: %s\n", path, document->message);
		return false;
	}
	if (strcmp(json_string(document->root, "tool", ""), "bench") == 0)
		return reading_unpack(reading, document->root);
	return reading_add(reading, file_name(path), document->root, document->source,
			   document->bytes);
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

static void write_bundle(FILE *out, const struct reading *reading, const char *command)
{
	struct utsname name;

	uname(&name);
	fprintf(out,
		"{\"tool\":\"bench\",\"kernel\":\"%s\",\"machine\":\"%s\",\"cpus\":%ld,\"command\":",
		name.release, name.machine, sysconf(_SC_NPROCESSORS_ONLN));
	json_write_string(out, command);
	fputs(",\"parts\":[", out);
	for (size_t i = 0; i < reading->count; i++) {
		fprintf(out, "%s{\"file\":", i == 0 ? "\n" : ",\n");
		json_write_string(out, reading->sets[i].name);
		fputs(",\"result\":", out);
		fwrite(reading->sets[i].text, 1, reading->sets[i].bytes, out);
		fputc('}', out);
	}
	fputs("]}\n", out);
}

static int print_markdown(const char *path)
{
	struct json_document document;
	int status = 0;

	if (!json_read(&document, path) ||
	    strcmp(json_string(document.root, "tool", ""), "bench") != 0) {
		fprintf(stderr, "report: %s: %s\n", path,
			document.root == NULL ? document.message : "not a bundle; see --help");
		status = 1;
	} else {
		markdown_write(stdout, document.root, path);
	}
	json_close(&document);
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
		json_close(&reading.documents[i]);
	return well ? 0 : 1;
}
