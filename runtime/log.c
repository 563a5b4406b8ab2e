/* runtime/log.c: GC_LOG: a line per cycle that can be read at a glance, and, at level 2, what was decided
 * and how long each phase took. Sizes and times have three digits and a unit that fits.
 *
 * Who runs here: the collector thread; formatting, anybody. */
#include <parallax/cycle.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "gc/collect/telemetry.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

struct log_text {
	char text[16];
};

/* Three digits, whatever the size: 0.52, 5.20, 52.0, 520. */
static struct log_text log_digits(double value, const char *unit)
{
	struct log_text into;
	int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	snprintf(into.text, sizeof(into.text), "%.*f%s", decimals, value, unit);
	return into;
}

static struct log_text log_bytes(uint64_t bytes)
{
	static const char *const units[] = {"B", "K", "M", "G", "T"};
	double value = (double)bytes;
	int unit = 0;
	struct log_text plain;

	for (; value >= 999.5 && unit < 4; unit++)
		value /= 1024;
	if (unit > 0)
		return log_digits(value, units[unit]);
	snprintf(plain.text, sizeof(plain.text), "%" PRIu64, bytes);
	return plain;
}

static struct log_text log_time(uint64_t ns)
{
	if (ns < 999500)
		return log_digits((double)ns / 1e3, "us");
	if (ns < 999500000)
		return log_digits((double)ns / 1e6, "ms");
	return log_digits((double)ns / 1e9, "s");
}

struct log_line {
	char *text;
	size_t size, used; /* used: as if there were room for everything */
};

__attribute__((format(printf, 2, 3))) static void line_add(struct log_line *line,
							   const char *format, ...)
{
	size_t at = line->used < line->size ? line->used : line->size;
	va_list arguments;
	int wanted;

	va_start(arguments, format);
	wanted = vsnprintf(line->text + at, line->size - at, format, arguments);
	va_end(arguments);
	if (wanted > 0)
		line->used += (size_t)wanted;
}

static void line_add_moved(struct log_line *line, const struct plx_cycle_summary *s)
{
	line_add(line, " | freed %s", log_bytes(s->freed_bytes).text);
	if (s->evacuated_regions == 0)
		line_add(line, ", nothing moved");
	else
		line_add(line,
			 ", moved %s of %" PRIu64 " regions into %" PRIu64 " (%s), %" PRIu64
			 " dirty pages",
			 log_bytes(s->evacuated_bytes).text, s->evacuated_regions,
			 s->target_regions, s->flip, s->dirty_pages);
}

/* "3 pauses (max 140us, sum 321us)" */
static void line_add_times(struct log_line *line, const char *before, const char *what,
			   uint64_t count, uint64_t max_ns, uint64_t sum_ns)
{
	line_add(line, "%s%" PRIu64 " %s%s", before, count, what, count == 1 ? "" : "s");
	if (count == 1)
		line_add(line, " (%s)", log_time(max_ns).text);
	else if (count)
		line_add(line, " (max %s, sum %s)", log_time(max_ns).text, log_time(sum_ns).text);
}

static void line_add_waits(struct log_line *line, const struct plx_cycle_summary *s)
{
	line_add_times(line, " | ", "pause", s->pauses, s->pause_max_ns, s->pause_ns);
	line_add_times(line, ", ", "handshake", s->handshakes, s->handshake_max_ns,
		       s->handshake_ns);
	line_add(line, " | %" PRIu64 " stalls", s->stalls);
	if (s->stalls)
		line_add(line, " (%s)", log_time(s->stall_ns).text);
	line_add(line, ", %" PRIu64 " paced", s->paced);
	if (s->paced)
		line_add(line, " (%s)", log_time(s->paced_ns).text);
}

size_t plx_cycle_summary_format(const struct plx_cycle_summary *s, char *text, size_t size)
{
	RT_USE(s, "`summary` is NULL");
	struct log_line line = {text, size, 0};

	line_add(&line, "cycle %" PRIu64 " (%s) %s", s->number, s->cause,
		 log_time(s->duration_ns).text);
	line_add(&line, " | %s -> %s of %s, live %s", log_bytes(s->used_before_bytes).text,
		 log_bytes(s->used_after_bytes).text, log_bytes(s->heap_max_bytes).text,
		 log_bytes(s->live_bytes).text);
	line_add_moved(&line, s);
	line_add_waits(&line, s);
	line_add(&line, " | next at %s", log_bytes(s->next_bytes).text);
	return line.used;
}

/* --- level 2 ---------------------------------------------------------------------------------- */

static const char *const log_event_names[] = {
#define LOG_NAME(name, ...) #name,
	GC_EVENT_TABLE(LOG_NAME)
#undef LOG_NAME
};

/* Phases in the order of the table, which is that of a cycle. */
static void log_phases(const struct gc_heap *heap)
{
	char text[400];
	struct log_line line = {text, sizeof(text), 0};

	for (int id = 0; id < GC_EVENT_COUNT; id++)
		if (heap->cycle.phase_ns[id])
			line_add(&line, "%s%s %s", line.used ? ", " : "", log_event_names[id],
				 log_time(heap->cycle.phase_ns[id]).text);
	fprintf(stderr, "parallax:   phases: %s\n", text);
}

static void log_decisions(const struct gc_heap *heap, const struct plx_cycle_summary *s)
{
	const struct gc_cycle *cycle = &heap->cycle;
	uint64_t budget = heap->config.heap_max_bytes / 100 * heap->config.compact_budget_percent;
	uint64_t fixed = gc_load_relaxed(&heap->stats.fixed_objects); /* a sample */

	fprintf(stderr,
		"parallax:   decided: copy at most %s, chose %u regions for %u targets; "
		"%" PRIu64 " pages late, detached %s; allocated %s since the last cycle, %" PRIu64
		" faults\n",
		log_bytes(budget).text, cycle->evacuated_count, cycle->target_count,
		/* Nobody changes it now. */
		(uint64_t)(cycle->evacuated_count ? gc_load_relaxed(&heap->late.count) : 0),
		log_bytes(cycle->evacuated_count ? cycle->detach_bytes : 0).text,
		log_bytes(s->allocated_bytes).text, s->faults);
	if (fixed)
		fprintf(stderr, "parallax:   fixed: %" PRIu64 " objects, %s\n", fixed,
			log_bytes(gc_load_relaxed(&heap->stats.fixed_bytes)).text); /* a sample */
	fprintf(stderr,
		"parallax:   expects: marking %s, moving %s; next cycle when %s of %s are in use\n",
		log_time(heap->pace.mark_ns).text, log_time(heap->pace.move_ns).text,
		log_bytes(s->next_bytes).text, log_bytes(s->heap_max_bytes).text);
}

void rt_log_cycle(const struct plx_heap *heap, const struct plx_cycle_summary *summary)
{
	char text[512];

	if (heap->gc.config.log == 0)
		return;
	plx_cycle_summary_format(summary, text, sizeof(text));
	fprintf(stderr, "parallax: %s\n", text);
	if (heap->gc.config.log < 2)
		return;
	log_phases(&heap->gc);
	log_decisions(&heap->gc, summary);
}

void rt_log_returned(const struct plx_heap *heap, uint64_t bytes)
{
	if (heap->gc.config.log >= 2)
		fprintf(stderr, "parallax: gave %s back to the kernel\n", log_bytes(bytes).text);
}

void rt_log_plan(const struct plx_heap *heap)
{
	if (heap->gc.config.log && *heap->plan_reason)
		fprintf(stderr, "parallax: the plan is %s, not minor: %s\n",
			plx_plan_name(plx_heap_plan(heap)), heap->plan_reason);
}
