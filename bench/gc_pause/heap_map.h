/* bench/gc_pause/heap_map.h: `--heap-map FILE`: what each region is used for, again and again during a
 * run, for bench/report to draw. */
#ifndef BENCH_GC_PAUSE_HEAP_MAP_H
#define BENCH_GC_PAUSE_HEAP_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct plx_heap;
struct heap_map;

/* Begin to sample, in a thread of its own, for about `seconds`. NULL if that is not possible. */
struct heap_map *heap_map_start(struct plx_heap *heap, double seconds);

/* End, write the samples, and forget them. False after a message. */
bool heap_map_finish(struct heap_map *map, const char *path);

#endif
