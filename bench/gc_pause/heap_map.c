/* bench/gc_pause/heap_map.c: see heap_map.h. A sample copies the region table under its lock, which is
 * microseconds, and reads page flags without any. It costs the run a little, so that runs which are to
 * be compared are better made without a map. */
#include "bench/gc_pause/heap_map.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/gc_pause/recorder.h"
#include "gc/heap/heap.h"
#include "runtime/world.h"

#define SAMPLES 120
#define COLUMNS 240
#define LEAST_NS 1000000

/* One region in one sample. */
struct heap_cell {
	char kind;	/* see cell_kind */
	uint8_t full;	/* 0 to 9: share of it that is alive */
	uint16_t dirty; /* pages */
};

struct heap_map {
	struct gc_heap *heap;
	pthread_t thread;
	bool stop; /* atomic */
	uint64_t start_ns, interval_ns;
	unsigned count;
	uint64_t at_ns[SAMPLES];
	struct heap_cell *cells[SAMPLES]; /* one per region */
};

static struct heap_cell *map_cell(const struct heap_map *map, unsigned sample, uint32_t region)
{
	return &map->cells[sample][region];
}

/* f free, e never used, s objects, l large, r roots (stacks too), t target, v evacuated. */
static char cell_kind(const struct gc_regions *regions, uint32_t number)
{
	static const char letters[] = {
		[GC_REGION_FREE] = 'f',	      [GC_REGION_SMALL] = 's', [GC_REGION_LARGE] = 'l',
		[GC_REGION_LARGE_TAIL] = 'l', [GC_REGION_ROOTS] = 'r', [GC_REGION_STACK] = 'r',
		[GC_REGION_STACK_TAIL] = 'r', [GC_REGION_FIXED] = 's',
	};
	const struct gc_region_range *range = &regions->ranges[gc_region_range(regions, number)];
	/* Relaxed: a picture, not a decision. */
	uint8_t bits = gc_load_relaxed(&regions->bits[number]);

	if (number - range->first >= gc_range_high_water(range))
		return 'e';
	if ((bits & GC_REGION_EVACUATED) != 0)
		return 'v';
	if ((bits & GC_REGION_TARGET) != 0)
		return 't';
	return letters[regions->table[number].kind];
}

static uint8_t cell_full(const struct gc_regions *regions, uint32_t number)
{
	const struct gc_region *region = &regions->table[number];
	uint64_t live_bytes = gc_load_relaxed(&region->live_bytes); /* a picture */

	if (region->young || region->current || region->kind != GC_REGION_SMALL ||
	    live_bytes >= regions->region_bytes)
		return 9;
	return (uint8_t)(live_bytes * 10 / regions->region_bytes);
}

static uint16_t cell_dirty(const struct gc_heap *heap, uint32_t number)
{
	uint32_t pages = heap->regions.region_bytes >> heap->view.page_shift;
	uint16_t dirty = 0;

	for (uint32_t i = 0; i < pages; i++) {
		struct gc_page page = {number * pages + i};

		if (page.n < heap->pages.count && gc_page_flags(&heap->pages, page) != 0)
			dirty++;
	}
	return dirty;
}

static void map_sample(struct heap_map *map)
{
	struct gc_regions *regions = &map->heap->regions;
	struct heap_cell *cells = map->cells[map->count];

	map->at_ns[map->count] = recorder_clock_ns() - map->start_ns;
	pthread_mutex_lock(&regions->lock);
	for (uint32_t r = 0; r < regions->count; r++) {
		cells[r].kind = cell_kind(regions, r);
		cells[r].full = cell_full(regions, r);
	}
	pthread_mutex_unlock(&regions->lock);
	for (uint32_t r = 0; r < regions->count; r++)
		if (cells[r].kind != 'e' && cells[r].kind != 'f')
			cells[r].dirty = cell_dirty(map->heap, r);
	map->count++;
}

static void *map_main(void *argument)
{
	struct heap_map *map = argument;

	while (map->count < SAMPLES) {
		struct timespec pause = {(time_t)(map->interval_ns / 1000000000u),
					 (long)(map->interval_ns % 1000000000u)};

		/* Relaxed: a late answer costs a sample; the join orders the rest. */
		if (__atomic_load_n(&map->stop, __ATOMIC_RELAXED))
			break;
		map_sample(map);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void map_free(struct heap_map *map)
{
	for (unsigned i = 0; i < SAMPLES; i++)
		free(map->cells[i]);
	free(map);
}

struct heap_map *heap_map_start(struct plx_heap *heap, double seconds)
{
	struct heap_map *map = calloc(1, sizeof(*map));
	bool made = map != NULL;

	if (!made)
		return NULL;
	map->heap = &heap->gc;
	map->start_ns = recorder_clock_ns();
	map->interval_ns = (uint64_t)(seconds * 1e9 / SAMPLES);
	if (map->interval_ns < LEAST_NS)
		map->interval_ns = LEAST_NS;
	for (unsigned i = 0; made && i < SAMPLES; i++) {
		map->cells[i] = calloc(map->heap->regions.count, sizeof(struct heap_cell));
		made = map->cells[i] != NULL;
	}
	if (made && pthread_create(&map->thread, NULL, map_main, map) == 0)
		return map;
	map_free(map);
	return NULL;
}

/* Regions that were used at some time, one range after the other; how many. */
static uint32_t map_used(const struct heap_map *map, uint32_t *used)
{
	uint32_t count = 0;

	for (uint32_t r = 0; r < map->heap->regions.count; r++)
		for (unsigned s = 0; s < map->count; s++)
			if (map_cell(map, s, r)->kind != 'e') {
				used[count++] = r;
				break;
			}
	return count;
}

/* What is shown for several regions together: the kind that says most about a collection. */
static char column_kind(const struct heap_map *map, unsigned sample, const uint32_t *used,
			uint32_t count)
{
	static const char order[] = "vtlrsfe";
	const char *best = order + sizeof(order) - 2;

	for (uint32_t i = 0; i < count; i++) {
		const char *found = strchr(order, map_cell(map, sample, used[i])->kind);

		best = found != NULL && found < best ? found : best;
	}
	return *best;
}

/* Means over a column, as a digit. */
static char column_digit(const struct heap_map *map, unsigned sample, const uint32_t *used,
			 uint32_t count, bool dirty)
{
	uint32_t pages = map->heap->regions.region_bytes >> map->heap->view.page_shift;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct heap_cell *cell = map_cell(map, sample, used[i]);

		/* Rounded up, so that a single dirty page shows. */
		sum += dirty ? (cell->dirty * 9u + pages - 1) / pages : cell->full;
	}
	return (char)('0' + sum / count);
}

static void map_write_row(FILE *out, const struct heap_map *map, unsigned sample,
			  const uint32_t *used, uint32_t count, uint32_t step, unsigned what)
{
	static const char *const names[] = {"kind", "full", "dirty"};

	fprintf(out, ",\"%s\":\"", names[what]);
	for (uint32_t i = 0; i < count; i += step) {
		uint32_t here = count - i < step ? count - i : step;

		fputc(what == 0 ? column_kind(map, sample, used + i, here)
				: column_digit(map, sample, used + i, here, what == 2),
		      out);
	}
	fputc('"', out);
}

static void map_write(FILE *out, const struct heap_map *map, const uint32_t *used, uint32_t count)
{
	uint32_t step = (count + COLUMNS - 1) / COLUMNS;

	step = step == 0 ? 1 : step;
	fprintf(out, "{\"tool\":\"heap_map\",\"column_bytes\":%llu,\"samples\":[",
		(unsigned long long)map->heap->regions.region_bytes * step);
	for (unsigned s = 0; s < map->count; s++) {
		fprintf(out, "%s{\"us\":%llu", s == 0 ? "\n" : ",\n",
			(unsigned long long)map->at_ns[s] / 1000);
		for (unsigned what = 0; what < 3; what++)
			map_write_row(out, map, s, used, count, step, what);
		fputc('}', out);
	}
	fputs("]}\n", out);
}

bool heap_map_finish(struct heap_map *map, const char *path)
{
	uint32_t *used = calloc(map->heap->regions.count, sizeof(*used));
	FILE *out = fopen(path, "we");
	bool written = false;

	__atomic_store_n(&map->stop, true, __ATOMIC_RELAXED); /* see map_main */
	pthread_join(map->thread, NULL);
	if (out == NULL || used == NULL) {
		fprintf(stderr, "gc_pause: %s: %s\n", path, strerror(errno));
	} else {
		map_write(out, map, used, map_used(map, used));
		written = ferror(out) == 0;
	}
	if (out != NULL)
		written &= fclose(out) == 0;
	free(used);
	map_free(map);
	return written;
}
