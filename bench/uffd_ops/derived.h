/* bench/uffd_ops/derived.h: what it would cost to make N dirty pages of an M-page heap consistent, by
 * each method, added up from the medians that were measured. */
#ifndef BENCH_UFFD_OPS_DERIVED_H
#define BENCH_UFFD_OPS_DERIVED_H

#include "bench/uffd_ops/suite.h"

enum method {
	METHOD_DETACH,
	METHOD_CONTINUE,
	METHOD_ZAP,
	METHOD_COPY,
	METHOD_MOVE,
	METHOD_MPROTECT,
	METHOD_IN_PAUSE,
	METHODS
};

enum layout { LAYOUT_SCATTERED, LAYOUT_CLUSTERED, LAYOUTS };

struct cost {
	bool known; /* false: something it is made of was not measured */
	double pause_ns, total_ns;
};

#define DERIVED_HEAPS 3
#define DERIVED_COUNTS 8

/* `heap_pages` for 256 MiB, 1 and 8 GiB of this machine's pages. */
size_t derived_heap_pages(size_t index);
/* The number of dirty pages of a row, 0 past the last one. */
size_t derived_dirty_pages(size_t heap_pages, size_t index);

const char *derived_method_name(enum method method);
const char *derived_layout_name(enum layout layout);
struct cost derived_cost(const struct suite *suite, enum method method, enum layout layout,
			 size_t heap_pages, size_t dirty_pages);
/* The method with the least total, METHODS if none is known. */
enum method derived_best(const struct suite *suite, enum layout layout, size_t heap_pages,
			 size_t dirty_pages);

/* Calls `found` for each place, with growing numbers of dirty pages, from which on another method is
 * the best. */
typedef void (*derived_found)(void *context, enum layout layout, size_t heap_pages,
			      size_t dirty_pages, enum method method, enum method instead_of);
void derived_crossovers(const struct suite *suite, derived_found found, void *context);

#endif
