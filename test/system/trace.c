/* test/system/trace.c: GC_TRACE: the shadow model is run with a trace, and the file is read back: strict
 * JSON, named threads, spans that nest, phases that cover each cycle without a gap, and counts that agree
 * with the statistics. Then files that cannot be written, writes that fail, a trace that is cut off, and
 * two heaps in one process.
 *
 *	trace [--plan P] [--delivery D] */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/common/json.h"
#include "test/support/check.h"
#include "test/support/inject.h"
#include "test/support/shadow.h"

static char folder[] = "/tmp/parallax_trace.XXXXXX";
static char path[200];

static const char *file(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static char *read_file(const char *name)
{
	FILE *stream = fopen(name, "r");
	char *text;
	long size;

	CHECK(stream != NULL);
	CHECK(fseek(stream, 0, SEEK_END) == 0);
	size = ftell(stream);
	rewind(stream);
	text = malloc((size_t)size + 3);
	CHECK(text != NULL && fread(text, 1, (size_t)size, stream) == (size_t)size);
	text[size] = '\0';
	fclose(stream);
	return text;
}

static json_t *read_trace(const char *text)
{
	char why[VALUE_WHY_BYTES];
	json_t *trace = value_parse(text, why);

	if (trace == NULL)
		fprintf(stderr, "no JSON: %s\n", why);
	CHECK(json_is_array(trace));
	return trace;
}

static bool exists(const char *name)
{
	struct stat status;

	return stat(name, &status) == 0;
}

/* The only file of that stem: heaps after the first have a number before the extension. */
static const char *find_file(const char *stem, const char *extension)
{
	static char name[300];

	snprintf(name, sizeof(name), "%s/%s%s", folder, stem, extension);
	for (unsigned number = 2; number < 100 && !exists(name); number++)
		snprintf(name, sizeof(name), "%s/%s.%u%s", folder, stem, number, extension);
	CHECK(exists(name));
	return name;
}

/* --- looking into a trace ----------------------------------------------------------------------- */

/* Times in nanoseconds, so that they can be compared exactly. */
struct span {
	const char *name, *category;
	double tid;
	int64_t start, end;
	const json_t *event;
};

/* What must be there. */
static const char *text_of(const json_t *event, const char *name)
{
	const char *text = value_text(event, name, NULL);

	CHECK(text != NULL);
	return text;
}

static double number_of(const json_t *event, const char *name)
{
	CHECK(json_is_number(value_at(event, name)));
	return value_number(event, name, 0);
}

static bool is_phase(const json_t *event, const char *ph)
{
	return strcmp(text_of(event, "ph"), ph) == 0;
}

static int64_t nanoseconds(const json_t *event, const char *name)
{
	return (int64_t)(number_of(event, name) * 1000 + 0.5);
}

static size_t count_named(const json_t *trace, const char *name)
{
	const json_t *event;
	size_t count = 0, i;

	json_array_foreach (trace, i, event)
		count += strcmp(text_of(event, "name"), name) == 0;
	return count;
}

static struct span *spans_of(const json_t *trace, size_t *count)
{
	struct span *spans = malloc(json_array_size(trace) * sizeof(*spans));
	const json_t *event;
	size_t i;

	CHECK(spans != NULL);
	*count = 0;
	json_array_foreach (trace, i, event) {
		struct span *span = &spans[*count];

		if (!is_phase(event, "X"))
			continue;
		*span = (struct span){.name = text_of(event, "name"),
				      .category = text_of(event, "cat"),
				      .tid = number_of(event, "tid"),
				      .start = nanoseconds(event, "ts"),
				      .event = event};
		span->end = span->start + nanoseconds(event, "dur");
		++*count;
	}
	return spans;
}

/* By thread, then the earlier, then the longer, first. */
static int compare_spans(const void *a, const void *b)
{
	const struct span *left = a, *right = b;

	if (left->tid != right->tid)
		return left->tid < right->tid ? -1 : 1;
	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->end > right->end ? -1 : left->end < right->end;
}

static void check_nesting(struct span *spans, size_t count)
{
	const struct span *open[32];
	size_t depth = 0;

	qsort(spans, count, sizeof(*spans), compare_spans);
	for (size_t i = 0; i < count; i++) {
		if (i && spans[i].tid != spans[i - 1].tid)
			depth = 0;
		while (depth && open[depth - 1]->end <= spans[i].start)
			depth--;
		if (depth && spans[i].end > open[depth - 1]->end)
			fprintf(stderr, "%s overlaps %s\n", spans[i].name, open[depth - 1]->name);
		CHECK(!depth || spans[i].end <= open[depth - 1]->end);
		CHECK(depth < 32);
		open[depth++] = &spans[i];
	}
}

/* [TE-1] The spans are sorted: a cycle stands before its phases. */
static size_t check_phases(const struct span *spans, size_t count)
{
	const struct span *cycle = NULL;
	size_t cycles = 0;
	int64_t at = 0;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(spans[i].category, "cycle") == 0) {
			CHECK(cycle == NULL || at == cycle->end);
			cycle = &spans[i];
			at = cycle->start;
			cycles++;
		} else if (strcmp(spans[i].category, "phase") == 0) {
			CHECK(cycle != NULL && spans[i].tid == cycle->tid);
			CHECK(spans[i].start == at);
			at = spans[i].end;
		}
	}
	CHECK(cycle != NULL && at == cycle->end);
	return cycles;
}

/* What one thread alone records comes in the order of its ends. */
static void check_order(const json_t *trace, double collector)
{
	const json_t *event;
	int64_t last = 0;
	size_t i;

	json_array_foreach (trace, i, event) {
		int64_t at;

		if (is_phase(event, "M") || number_of(event, "tid") != collector)
			continue;
		at = nanoseconds(event, "ts");
		at += is_phase(event, "X") ? nanoseconds(event, "dur") : 0;
		CHECK(at >= last);
		last = at;
	}
}

/* The name of a thread, or NULL. */
static const char *thread_name(const json_t *trace, double tid)
{
	const json_t *event;
	size_t i;

	json_array_foreach (trace, i, event) {
		if (strcmp(text_of(event, "name"), "thread_name") == 0 &&
		    number_of(event, "tid") == tid)
			return text_of(event, "args.name");
	}
	return NULL;
}

static bool has_thread(const json_t *trace, const char *name)
{
	const json_t *event;
	size_t i;

	json_array_foreach (trace, i, event) {
		if (strcmp(text_of(event, "name"), "thread_name") == 0 &&
		    strcmp(text_of(event, "args.name"), name) == 0)
			return true;
	}
	return false;
}

static void check_threads(const json_t *trace, const struct shadow_options *options)
{
	const json_t *event;
	size_t i;

	json_array_foreach (trace, i, event) {
		CHECK((int)number_of(event, "pid") == (int)getpid());
		if (is_phase(event, "X") || is_phase(event, "i"))
			CHECK(thread_name(trace, number_of(event, "tid")) != NULL);
	}
	CHECK(has_thread(trace, "pauses") && has_thread(trace, "collector"));
	CHECK(has_thread(trace, "worker 1") && has_thread(trace, "mutator"));
	if (strcmp(options->plan, "stw") != 0)
		CHECK(has_thread(trace, "fault thread") ==
		      (strcmp(options->delivery, "thread") == 0));
}

static void check_trace(const json_t *trace, const struct shadow_options *options,
			const struct plx_stats *stats)
{
	size_t count, cycles;
	struct span *spans = spans_of(trace, &count);
	double collector = 0;

	check_nesting(spans, count);
	cycles = check_phases(spans, count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(spans[i].category, "cycle") == 0)
			collector = spans[i].tid;
	CHECK(strcmp(thread_name(trace, collector), "collector") == 0);
	check_order(trace, collector);
	check_threads(trace, options);
	CHECK(cycles == stats->cycles);
	CHECK(count_named(trace, "flip") == stats->flips);
	CHECK(count_named(trace, "heap") == 2 * cycles);
	CHECK(count_named(trace, "work") >= 2 * cycles);
	CHECK(count_named(trace, "attach") == count_named(trace, "detach"));
	CHECK(count_named(trace, "pause") == count_named(trace, "stop"));
	if (stats->trace_lost == 0) {
		CHECK(count_named(trace, "fault") == stats->faults);
		CHECK(count_named(trace, "stall") == stats->stalls);
		CHECK(count_named(trace, "paced") == stats->paced);
	}
	printf("trace: %zu cycles, %zu spans, %zu faults, %zu pauses, %zu refills, %lu lost\n",
	       cycles, count, count_named(trace, "fault"), count_named(trace, "pause"),
	       count_named(trace, "refill"), (unsigned long)stats->trace_lost);
	free(spans);
}

/* --- cases -------------------------------------------------------------------------------------- */

static void run(struct shadow_options *options, bool fine)
{
	struct shadow_tally tally;
	struct plx_stats stats;
	struct plx_heap *heap;
	json_t *trace;
	char *text;

	setenv("GC_TRACE", file("run.json"), 1);
	setenv("GC_TRACE_LEVEL", fine ? "2" : "1", 1);
	heap = shadow_heap_create(options);
	shadow_run(heap, options, &tally);
	plx_heap_stats(heap, &stats);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
	text = read_file(find_file("run", ".json"));
	trace = read_trace(text);
	check_trace(trace, options, &stats);
	CHECK((count_named(trace, "refill") != 0) == fine);
	json_decref(trace);
	free(text);
	unlink(find_file("run", ".json"));
}

static struct plx_heap *make(const char *trace, struct plx_error *error)
{
	struct plx_heap_config config;
	struct plx_heap *heap = NULL;

	plx_config_init(&config);
	config.heap_max_bytes = 16 << 20;
	config.plan = PLX_PLAN_STW;
	CHECK(plx_config_set(&config, "GC_TRACE", trace, error) == PLX_OK);
	*error = (struct plx_error){.status = PLX_OK};
	CHECK((plx_heap_create(&config, &heap, error) == PLX_OK) == (heap != NULL));
	memset(&config, 0, sizeof(config)); /* the heap does not need it any more */
	return heap;
}

static void refused(const char *trace, const char *because)
{
	struct plx_error error;

	CHECK(make(trace, &error) == NULL);
	if (strstr(error.message, because) == NULL)
		fprintf(stderr, "'%s' does not say '%s'\n", error.message, because);
	CHECK(strstr(error.message, "GC_TRACE") && strstr(error.message, because));
}

static void test_what_cannot_be_written(void)
{
	refused(file("no/such/folder.json"), "No such file or directory");
	refused(file("a%x.json"), "after %");
	refused(file("a%"), "after %");
}

/* Each heap of a process has a file of its own, and %p is the process. */
static void test_two_heaps(void)
{
	struct plx_heap *heaps[2];
	struct plx_error error;
	char stem[2][64];

	for (int i = 0; i < 2; i++) {
		heaps[i] = make(i ? file("b%%%p.json") : file("a%%%p.json"), &error);
		CHECK(heaps[i] != NULL);
		plx_heap_collect(heaps[i]);
		snprintf(stem[i], sizeof(stem[i]), "%c%%%d", "ab"[i], (int)getpid());
	}
	for (int i = 0; i < 2; i++) {
		json_t *trace;
		char *text;

		CHECK(plx_heap_destroy(heaps[i]) == PLX_OK);
		text = read_file(find_file(stem[i], ".json"));
		trace = read_trace(text);
		CHECK(count_named(trace, "cycle") == 1);
		json_decref(trace);
		free(text);
		unlink(find_file(stem[i], ".json"));
	}
}

/* One name for two heaps gives two files. */
static void test_one_name_for_two(void)
{
	struct plx_error error;
	struct plx_heap *first = make(file("same.x"), &error),
			*second = make(file("same.x"), &error);
	char name[300];

	CHECK(first != NULL && second != NULL);
	snprintf(name, sizeof(name), "%s", find_file("same", ".x"));
	CHECK(rename(name, file("kept")) == 0);
	CHECK(strcmp(find_file("same", ".x"), name) != 0);
	CHECK(plx_heap_destroy(first) == PLX_OK && plx_heap_destroy(second) == PLX_OK);
	unlink(find_file("same", ".x"));
	unlink(file("kept"));
}

/* What a process that dies leaves: everything up to the last cycle, without the bracket; and, should it die
 * while it writes, a piece of a record, as here the fourth cycle's may be. */
static void test_cut_off(void)
{
	struct plx_error error;
	struct plx_heap *heap = make(file("cut"), &error);
	json_t *trace;
	char *text, *end, why[VALUE_WHY_BYTES];

	CHECK(heap != NULL);
	for (int i = 0; i < 3; i++)
		plx_heap_collect(heap);
	plx_heap_collect(heap); /* the third was written before the fourth began */
	text = read_file(find_file("cut", ""));
	CHECK(value_parse(text, why) == NULL);
	CHECK((end = strrchr(text, '\n')) != NULL && end[-1] == ',');
	strcpy(end - 1, "]");
	trace = read_trace(text);
	CHECK(count_named(trace, "cycle") >= 3);
	json_decref(trace);
	free(text);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
	unlink(find_file("cut", ""));
}

/* [TR-1] Interruptions are survived; an error ends the trace, says so once, and the heap lives on. */
static void test_writes_that_fail(void)
{
	struct plx_error error;
	struct plx_heap *heap;
	struct plx_stats stats;
	char *text;
	int rule;

	inject_install();
	heap = make(file("fail"), &error);
	CHECK(heap != NULL);
	rule = inject_arm(
		&(struct inject_rule){.entry = INJECT_write, .mode = INJECT_ONCE, .error = EINTR});
	plx_heap_collect(heap);
	plx_heap_collect(heap);
	CHECK(inject_failures(rule) == 1);
	inject_disarm(rule);
	text = read_file(find_file("fail", ""));
	CHECK(strstr(text, "\"cycle\"") != NULL);
	free(text);
	rule = inject_arm(&(
		struct inject_rule){.entry = INJECT_write, .mode = INJECT_ALWAYS, .error = ENOSPC});
	for (int i = 0; i < 3; i++)
		plx_heap_collect(heap);
	plx_heap_stats(heap, &stats);
	CHECK(stats.cycles == 5);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
	CHECK(inject_failures(rule) == 1);
	inject_disarm(rule);
	inject_uninstall();
	unlink(find_file("fail", ""));
}

int main(int count, char **arguments)
{
	struct shadow_options options;

	shadow_options_init(&options);
	options.delivery = "thread";
	options.plan = "minor";
	options.cycles = 12;
	options.threads = 3;
	for (int i = 1; i + 1 < count; i += 2)
		*(strcmp(arguments[i], "--plan") == 0 ? &options.plan : &options.delivery) =
			arguments[i + 1];
	setenv("GC_WORKERS", "2", 1);
	CHECK(mkdtemp(folder) != NULL);
	run(&options, false);
	options.cycles = 5;
	run(&options, true);
	test_what_cannot_be_written();
	test_two_heaps();
	test_one_name_for_two();
	test_cut_off();
	test_writes_that_fail();
	CHECK(rmdir(folder) == 0);
	puts("trace: ok");
	return 0;
}
