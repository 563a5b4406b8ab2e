/* bench/gc_pause/sweep.c: see sweep.h. */
#include "bench/gc_pause/sweep.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define LARGE_HEAP (1024 * MIB)
#define BASE_LIVE 0.5
#define BASE_UPDATE 0.5

struct sweep_axis_values {
	enum sweep_axis axis;
	bool beside_copy;
	unsigned count, quick_count; /* the first ones when quick */
	double values[8];
};

static const struct sweep_axis_values axes[] = {
	{SWEEP_HEAP, true, 7, 2, {256, 512, 1024, 2048, 4096, 8192, 16384}},
	{SWEEP_THREADS, false, 5, 2, {1, 2, 4, 8, 16}},
	{SWEEP_HANDLES, false, 4, 2, {0, 100000, 1000000, 10000}},
	{SWEEP_RANGE_SLOTS, false, 4, 2, {0, 100000, 1000000, 10000}},
	{SWEEP_LIVE, true, 5, 2, {0.2, 0.6, 0.4, 0.75, 0.9}},
	{SWEEP_UPDATE, false, 4, 2, {0, 1, 0.1, 0.25}},
};

static const char *const axis_names[SWEEP_AXES] = {
	"", "heap", "threads", "handles", "range_slots", "live", "update_ratio"};

const char *sweep_axis_name(enum sweep_axis axis)
{
	return axis_names[axis];
}

/* What the machine has to spare, leaving a part of it alone. */
static uint64_t memory_available(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "re");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return kib * 1024 / 10 * 8;
}

static struct sweep_point sweep_base(const struct options *options)
{
	struct sweep_point point = {0};

	point.threads = 1;
	point.heap_bytes = (options->quick ? 64 : 512) * MIB;
	point.live_bytes = (uint64_t)(BASE_LIVE * (double)point.heap_bytes);
	point.update_ratio = BASE_UPDATE;
	point.seconds = options->quick ? 0.8 : 1.5;
	point.cycles = options->quick ? 1 : 2;
	return point;
}

static void sweep_set(struct sweep_point *point, const struct sweep_axis_values *axis, double value,
		      bool quick)
{
	point->axis = axis->axis;
	point->value = value;
	point->beside_copy = axis->beside_copy;
	switch (axis->axis) {
	case SWEEP_HEAP:
		point->heap_bytes = (uint64_t)value * MIB / (quick ? 8 : 1);
		point->value = (double)point->heap_bytes;
		point->live_bytes = (uint64_t)(BASE_LIVE * (double)point->heap_bytes);
		if (point->heap_bytes >= LARGE_HEAP) /* their cycles take seconds each */
			point->beside_copy = false;
		break;
	case SWEEP_THREADS:
		point->threads = (unsigned)value;
		break;
	case SWEEP_HANDLES:
		point->handles = (uint64_t)value;
		break;
	case SWEEP_RANGE_SLOTS:
		point->range_slots = (uint64_t)value;
		break;
	case SWEEP_LIVE:
		point->live_bytes = (uint64_t)(value * (double)point->heap_bytes);
		break;
	default:
		point->update_ratio = value;
	}
}

size_t sweep_points(const struct options *options, struct sweep_point *points)
{
	uint64_t most_bytes = memory_available();
	size_t count = 0;

	for (size_t a = 0; a < sizeof(axes) / sizeof(axes[0]); a++) {
		unsigned values = options->quick ? axes[a].quick_count : axes[a].count;

		for (unsigned i = 0; i < values; i++) {
			struct sweep_point point = sweep_base(options);

			sweep_set(&point, &axes[a], axes[a].values[i], options->quick);
			if (point.heap_bytes <= most_bytes)
				points[count++] = point;
		}
	}
	return count;
}

struct options sweep_options(const struct options *options, const struct sweep_point *point)
{
	struct options here = *options;

	here.workloads = 1u << RUN_CACHE;
	here.threads = point->threads;
	here.heap_bytes = point->heap_bytes;
	here.live_bytes = point->live_bytes;
	here.handles = point->handles;
	here.range_slots = point->range_slots;
	here.update_ratio = point->update_ratio;
	here.update_ratio_given = true;
	here.seconds = point->seconds;
	here.operations = 0;
	here.cycles = point->cycles;
	return here;
}

FILE *sweep_out(const struct options *options)
{
	return options->json_path != NULL && strcmp(options->json_path, "-") == 0 ? stderr : stdout;
}

void sweep_report_head(FILE *out)
{
	fprintf(out, "%-13s%12s  %-6s%8s%11s%11s%11s%12s%12s%13s\n", "varied", "value", "plan",
		"cycles", "pause p50", "pause p99", "pause max", "op p99.99", "wait p99.9",
		"operations/s");
}

void sweep_report_line(FILE *out, const struct result *result)
{
	fprintf(out, "%-13s%12.6g  %-6s", sweep_axis_name(result->axis), result->axis_value,
		run_plan_name(result->plan));
	if (result->status != RESULT_OK)
		fprintf(out, "%s\n", result->message);
	else
		fprintf(out, "%8llu%8.1f us%8.1f us%8.0f us%9.0f us%9.0f us%13.0f\n",
			(unsigned long long)result->cycles, result->pause.p50, result->pause.p99,
			result->pause.max, result->operation.p9999, result->arrival.p999,
			result->operations_per_second);
	fflush(out);
}
