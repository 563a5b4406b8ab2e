/* runtime/trace.c: GC_TRACE=file: the events of all threads as a Chrome trace, which Perfetto and
 * chrome://tracing read.
 *
 * It is the array form of the format: it may end anywhere, so a process that dies leaves a trace that can
 * be read up to its last cycle. Destroying the heap closes the array: then it is plain JSON.
 *
 * [TR-1] After the file is open, nothing that happens to it disturbs the heap: a write that fails is
 *        reported once, and the rest is not written.
 *
 * Who runs here: creation and destruction of a heap; the collector thread after each cycle, when
 * nobody waits for that cycle any more. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gc/base/meta.h"
#include "gc/base/yield.h"
#include "gc/os/sys.h"
#include "runtime/world.h"

#define TRACE_BUFFER_BYTES GC_KIB(64)
#define TRACE_EVENT_BYTES 1024	 /* more than any event takes */
#define TRACE_PATH_BYTES 1100	 /* the option's text, each %p made longer, and a suffix */
#define TRACE_WRITE_TRIES 200	 /* of EINTR and EAGAIN */
#define TRACE_PAUSE_TID 10000000 /* pauses have a line of their own; above any thread's number */

struct rt_trace {
	int fd, pid;
	bool failed, any;
	uint64_t lost;
	size_t used;
	char path[TRACE_PATH_BYTES];
	char buffer[TRACE_BUFFER_BYTES];
};

enum trace_category {
	TRACE_CYCLE,
	TRACE_PHASE,
	TRACE_PART,
	TRACE_PAUSE,
	TRACE_WORK,
	TRACE_FAULT,
	TRACE_ALLOCATION,
	TRACE_THREAD,
	TRACE_HEAP,
};

static const char *const category_names[] = {
	"cycle", "phase", "part", "pause", "work", "fault", "allocation", "thread", "heap",
};

enum trace_kind { TRACE_SPAN, TRACE_INSTANT, TRACE_COUNTER };

struct trace_row {
	const char *name;
	enum trace_category category;
	enum trace_kind kind;
	const char *arguments[GC_EVENT_ARGUMENTS];
};

#define TRACE_ROW(name, category, kind, ...) {#name, TRACE_##category, TRACE_##kind, {__VA_ARGS__}},
static const struct trace_row rows[] = {GC_EVENT_TABLE(TRACE_ROW)};

/* --- the file's name -------------------------------------------------------------------------- */

static uint32_t trace_count; /* atomic: heaps of this process that were traced */

/* Where a suffix goes: before the extension of the last component. */
static size_t path_stem(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');

	return dot && dot != base ? (size_t)(dot - path) : strlen(path);
}

/* %p and %% are replaced, any other % is refused. */
static bool path_expand(const char *pattern, int pid, char *path, size_t size)
{
	size_t used = 0;

	for (; *pattern && used + 16 < size; pattern++) {
		if (*pattern != '%') {
			path[used++] = *pattern;
			continue;
		}
		pattern++;
		if (*pattern == 'p')
			used += (size_t)snprintf(path + used, size - used, "%d", pid);
		else if (*pattern == '%')
			path[used++] = '%';
		else
			return false;
	}
	path[used] = '\0';
	return *pattern == '\0';
}

static void path_number(char *path, size_t size, uint32_t number)
{
	size_t stem = path_stem(path);
	char extension[PLX_STRING_BYTES];

	snprintf(extension, sizeof(extension), "%s", path + stem);
	snprintf(path + stem, size - stem, ".%u%s", number, extension);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* [TR-1] */
static void trace_fail(struct rt_trace *trace, int error)
{
	if (!trace->failed)
		fprintf(stderr, "parallax: the trace %s ends here: %s\n", trace->path,
			strerror(-error));
	trace->failed = true;
}

static void trace_flush(struct rt_trace *trace)
{
	size_t written = 0;
	unsigned round = 0;

	while (written < trace->used && !trace->failed) {
		ssize_t count =
			gc_sys->write(trace->fd, trace->buffer + written, trace->used - written);

		if (count >= 0)
			written += (size_t)count;
		else if ((count == -EINTR || count == -EAGAIN) && round < TRACE_WRITE_TRIES)
			gc_backoff(&round);
		else
			trace_fail(trace, (int)count);
	}
	trace->used = 0;
}

__attribute__((format(printf, 2, 3))) static void trace_add(struct rt_trace *trace,
							    const char *format, ...)
{
	va_list arguments;
	int wanted;

	va_start(arguments, format);
	wanted = vsnprintf(trace->buffer + trace->used, TRACE_BUFFER_BYTES - trace->used, format,
			   arguments);
	va_end(arguments);
	trace->used = gc_min(trace->used + (size_t)wanted, TRACE_BUFFER_BYTES - 1);
}

/* The next record: what stands before it makes an array of them. */
static void trace_begin_record(struct rt_trace *trace)
{
	if (trace->used > TRACE_BUFFER_BYTES - TRACE_EVENT_BYTES)
		trace_flush(trace);
	trace_add(trace, trace->any ? ",\n" : "[\n");
	trace->any = true;
}

/* Microseconds, as the format wants them, without losing nanoseconds. */
static void trace_add_time(struct rt_trace *trace, const char *key, uint64_t ns)
{
	trace_add(trace, ",\"%s\":%lu.%03lu", key, ns / 1000, ns % 1000);
}

static void trace_name_process(struct rt_trace *trace, uint32_t number)
{
	trace_begin_record(trace);
	trace_add(trace,
		  "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,"
		  "\"args\":{\"name\":\"parallax heap %u\"}}",
		  trace->pid, number);
}

static void trace_name_thread(struct rt_trace *trace, uint32_t tid, const char *role,
			      uint32_t number, int order)
{
	char name[64];

	snprintf(name, sizeof(name), number ? "%s %u" : "%s", role, number);
	trace_begin_record(trace);
	trace_add(trace,
		  "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":%u,"
		  "\"args\":{\"name\":\"%s\"}}",
		  trace->pid, tid, name);
	trace_begin_record(trace);
	trace_add(trace,
		  "{\"name\":\"thread_sort_index\",\"ph\":\"M\",\"pid\":%d,\"tid\":%u,"
		  "\"args\":{\"sort_index\":%d}}",
		  trace->pid, tid, order);
}

static void trace_add_arguments(struct rt_trace *trace, const struct trace_row *row,
				const struct gc_event *event)
{
	const char *comma = "";

	trace_add(trace, ",\"args\":{");
	for (int i = 0; i < GC_EVENT_ARGUMENTS && row->arguments[i][0]; i++) {
		const char *name = row->arguments[i];

		if (*name == '*')
			trace_add(trace, "%s\"%s\":\"%s\"", comma, name + 1,
				  (const char *)(uintptr_t)event->arguments[i]);
		else
			trace_add(trace, "%s\"%s\":%lu", comma, name, event->arguments[i]);
		comma = ",";
	}
	trace_add(trace, "}}");
}

static void trace_event(struct rt_trace *trace, const struct gc_event *event)
{
	static const char phases[] = {'X', 'i', 'C'};
	const struct trace_row *row = &rows[event->id];
	uint32_t tid = row->category == TRACE_PAUSE ? TRACE_PAUSE_TID : event->tid;

	trace_begin_record(trace);
	trace_add(trace, "{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"%c\",\"pid\":%d,\"tid\":%u",
		  row->name, category_names[row->category], phases[row->kind], trace->pid, tid);
	trace_add_time(trace, "ts", event->at_ns);
	if (row->kind == TRACE_SPAN)
		trace_add_time(trace, "dur", event->duration_ns);
	if (row->kind == TRACE_INSTANT)
		trace_add(trace, ",\"s\":\"t\"");
	trace_add_arguments(trace, row, event);
}

static void trace_lost(struct plx_heap *heap, uint64_t lost)
{
	struct rt_trace *trace = heap->trace;

	if (lost == trace->lost)
		return;
	trace->lost = lost;
	gc_store_relaxed(&heap->gc.stats.trace_lost, lost); /* a statistic */
	trace_begin_record(trace);
	trace_add(trace, "{\"name\":\"lost events\",\"ph\":\"C\",\"pid\":%d", trace->pid);
	trace_add_time(trace, "ts", gc_clock_ns());
	trace_add(trace, ",\"args\":{\"lost\":%lu}}", lost);
}

/* Lines of one kind of thread stand together; the shared ring's threads have their own already. */
static int trace_order(const struct gc_event_ring *ring)
{
	static const char *const roles[] = {"collector", "worker", "fault thread", "mutator"};
	int order = 0;

	while (order < 3 && strcmp(ring->role, roles[order]) != 0)
		order++;
	return order + 1;
}

static void trace_ring(struct plx_heap *heap, struct gc_event_ring *ring, bool last)
{
	struct rt_trace *trace = heap->trace;
	bool shared = ring == heap->gc.events.shared;
	struct gc_event event;

	do {
		while (gc_event_ring_next(ring, &event)) {
			if (!shared && event.tid != ring->named_tid)
				trace_name_thread(trace, event.tid, ring->role, ring->number,
						  trace_order(ring));
			ring->named_tid = event.tid;
			trace_event(trace, &event);
		}
	} while (last && gc_event_ring_skip(ring));
}

static void trace_drain(struct plx_heap *heap, bool last)
{
	uint64_t lost = 0;

	for (struct gc_event_ring *ring = gc_events_first(&heap->gc.events); ring;
	     ring = ring->next) {
		trace_ring(heap, ring, last);
		lost += ring->lost;
	}
	trace_lost(heap, lost);
	trace_flush(heap->trace);
}

void rt_trace_write(struct plx_heap *heap)
{
	if (heap->trace)
		trace_drain(heap, false);
}

/* --- the trace of a heap ---------------------------------------------------------------------- */

static enum plx_status trace_open_file(struct plx_heap *heap, struct plx_error *error)
{
	struct rt_trace *trace = heap->trace;
	const char *pattern = heap->gc.config.trace;
	uint32_t number = gc_add_relaxed(&trace_count, 1) + 1; /* only hands out numbers */

	trace->pid = (int)getpid();
	if (!path_expand(pattern, trace->pid, trace->path, sizeof(trace->path)))
		return rt_error(
			error, PLX_ERROR_OPTION,
			"GC_TRACE=%.200s: after %% only p (the process's number) and %% can "
			"stand",
			pattern);
	if (number > 1)
		path_number(trace->path, sizeof(trace->path), number);
	trace->fd = gc_sys->open(trace->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
	if (trace->fd < 0)
		return rt_error(
			error, PLX_ERROR_SYSTEM,
			"GC_TRACE: the file %.200s cannot be written: %s. Name one in a folder "
			"that exists, or unset GC_TRACE.",
			trace->path, strerror(-trace->fd));
	trace_name_process(trace, number);
	trace_name_thread(trace, TRACE_PAUSE_TID, "pauses", 0, 0);
	return PLX_OK;
}

enum plx_status rt_trace_open(struct plx_heap *heap, struct plx_error *error)
{
	struct plx_heap_config *config = &heap->gc.config;
	enum plx_status status;

	config->trace[sizeof(config->trace) - 1] = '\0';
	if (!config->trace[0])
		return PLX_OK;
	heap->trace = gc_meta_alloc(sizeof(*heap->trace));
	if (!heap->trace ||
	    gc_events_init(&heap->gc.events, (uint32_t)gc_max(config->trace_level, 1)) < 0) {
		gc_meta_free(heap->trace, sizeof(*heap->trace));
		heap->trace = NULL;
		return rt_error(error, PLX_ERROR_MEMORY, "no memory for a trace");
	}
	status = trace_open_file(heap, error);
	if (status != PLX_OK) {
		gc_events_destroy(&heap->gc.events);
		gc_meta_free(heap->trace, sizeof(*heap->trace));
		heap->trace = NULL;
	}
	return status;
}

/* [TR-1] Nothing more is written; the events go on. */
void rt_trace_leave(struct plx_heap *heap)
{
	struct rt_trace *trace = heap->trace;

	if (!trace)
		return;
	gc_sys->close(trace->fd);
	trace->fd = -1;
	trace->failed = true;
}

void rt_trace_close(struct plx_heap *heap)
{
	struct rt_trace *trace = heap->trace;

	if (!trace)
		return;
	trace_drain(heap, true);
	trace_add(trace, "\n]\n");
	trace_flush(trace);
	gc_sys->close(trace->fd);
	gc_events_destroy(&heap->gc.events);
	gc_meta_free(trace, sizeof(*trace));
	heap->trace = NULL;
}
