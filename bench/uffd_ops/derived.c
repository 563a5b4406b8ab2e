/* bench/uffd_ops/derived.c: see derived.h. The methods:
 *
 *	detach     the view's page tables move to the alias; dirty pages are updated there; extents come
 *	           back by moving page tables: those without a dirty page in runs, the others singly
 *	continue   the same, but all pages of an extent that holds a dirty page come back by CONTINUE:
 *	           dirty ones alone, the others in runs
 *	zap        dirty pages alone are dropped from the view and come back by CONTINUE; the alias has
 *	           to be faulted in for them
 *	copy       private memory: as `continue`, by COPY from a buffer; the old pages are freed
 *	move       private memory: as `continue`, by MOVE; no page is copied, allocated or freed
 *	mprotect   the view is made inaccessible, and dirty pages accessible again one run at a time
 *	in_pause   dirty pages are updated where they lie, while everybody waits
 *
 * Updating a page is taken to cost as much as copying one. Scattered dirty pages lie in as many
 * extents as there can be; clustered ones in one run. What mutators lose by faulting meanwhile is not
 * in here, nor is finding out which pages are dirty. */
#include "bench/uffd_ops/derived.h"

#include <unistd.h>

#define GIB ((size_t)1 << 30)
#define RUN_PAGES 256

static const char *const method_names[METHODS] = {"detach", "continue", "zap",	   "copy",
						  "move",   "mprotect", "in_pause"};
static const char *const layout_names[LAYOUTS] = {"scattered", "clustered"};

const char *derived_method_name(enum method method)
{
	return method < METHODS ? method_names[method] : "none";
}

const char *derived_layout_name(enum layout layout)
{
	return layout_names[layout];
}

size_t derived_heap_pages(size_t index)
{
	static const size_t bytes[DERIVED_HEAPS] = {GIB / 4, GIB, 8 * GIB};

	return bytes[index] / (size_t)sysconf(_SC_PAGESIZE);
}

size_t derived_dirty_pages(size_t heap_pages, size_t index)
{
	static const size_t counts[] = {1, 16, 256, 4096, 65536};
	const size_t shares[] = {heap_pages / 8, heap_pages / 2, heap_pages};

	if (index < 5)
		return counts[index] < heap_pages / 8 ? counts[index] : 0;
	return shares[index - 5];
}

/* A sum under construction. */
struct sum {
	const struct suite *suite;
	bool known;
	double pause_ns, later_ns;
};

static double sum_ask(struct sum *sum, const char *name, const char *variant, size_t batch,
		      bool by_call)
{
	const struct op_result *result = suite_find(sum->suite, name, variant, batch);

	if (result == NULL) {
		sum->known = false;
		return 0;
	}
	return by_call ? result->call_ns.p50 : result->page_ns.p50;
}

static double sum_page(struct sum *sum, const char *name, const char *variant, size_t batch)
{
	return sum_ask(sum, name, variant, batch, false);
}

static size_t extent_pages(void)
{
	return (size_t)sysconf(_SC_PAGESIZE) / sizeof(void *);
}

/* What moving page tables costs in one call, from the sparse views: the largest that is not larger. */
static double sum_tables(struct sum *sum, const char *name, size_t pages)
{
	const struct op_result *result = suite_find(sum->suite, name, "shmem, sparse", pages);

	if (result == NULL) {
		sum->known = false;
		return 0;
	}
	return result->call_ns.p50 / (double)result->batch * (double)pages;
}

struct shape {
	size_t heap_pages, dirty_pages;
	size_t dirty_extents, clean_runs; /* runs of extents without a dirty page */
	double dirty, clean_beside,
		clean_away; /* pages: clean ones in dirty extents, and elsewhere */
	size_t dirty_run;
};

static struct shape shape_of(enum layout layout, size_t heap_pages, size_t dirty_pages)
{
	size_t extents = heap_pages / extent_pages();
	struct shape shape = {.heap_pages = heap_pages, .dirty_pages = dirty_pages};

	shape.dirty_extents = (dirty_pages + extent_pages() - 1) / extent_pages();
	if (layout == LAYOUT_SCATTERED)
		shape.dirty_extents = dirty_pages < extents ? dirty_pages : extents;
	shape.clean_runs = layout == LAYOUT_CLUSTERED ? 2 : shape.dirty_extents;
	if (shape.clean_runs > extents - shape.dirty_extents)
		shape.clean_runs = extents - shape.dirty_extents;
	shape.dirty_run = layout == LAYOUT_SCATTERED ? 1 : dirty_pages;
	shape.dirty = (double)dirty_pages;
	shape.clean_beside = (double)(shape.dirty_extents * extent_pages()) - shape.dirty;
	shape.clean_away = (double)heap_pages - shape.dirty - shape.clean_beside;
	return shape;
}

/* Detaching, arming, updating, and moving the clean extents back. */
static void sum_detached(struct sum *sum, const struct shape *shape, const char *kind)
{
	char armed[64], moved[64];

	snprintf(armed, sizeof(armed), "%s, not armed", kind);
	snprintf(moved, sizeof(moved), "%s, aligned", kind);
	sum->pause_ns += sum_tables(sum, "mremap_detach", shape->heap_pages) +
			 sum_ask(sum, "uffd_register", armed, SIZE_MAX, true);
	sum->later_ns += shape->dirty * sum_page(sum, "memcpy", kind, 1) +
			 sum_tables(sum, "mremap_back", (size_t)shape->clean_away) +
			 (double)shape->clean_runs *
				 sum_ask(sum, "mremap_back", moved, extent_pages(), true);
}

/* The pages of dirty extents, by a request: dirty ones one at a time or in their run. */
static void sum_resolved(struct sum *sum, const struct shape *shape, const char *name,
			 const char *kind)
{
	sum->later_ns += shape->dirty * sum_page(sum, name, kind, shape->dirty_run) +
			 shape->clean_beside * sum_page(sum, name, kind, RUN_PAGES);
}

static void sum_zap(struct sum *sum, const struct shape *shape)
{
	sum->pause_ns += shape->dirty * sum_page(sum, "dontneed", "shmem", shape->dirty_run) +
			 sum_ask(sum, "uffd_register", "shmem, not armed", SIZE_MAX, true);
	sum->later_ns += shape->dirty * (sum_page(sum, "minor_fault", "shmem, write", 1) +
					 sum_page(sum, "memcpy", "shmem", 1) +
					 sum_page(sum, "uffd_continue", "shmem", shape->dirty_run));
}

static void sum_mprotect(struct sum *sum, const struct shape *shape)
{
	sum->pause_ns +=
		(double)shape->heap_pages * sum_page(sum, "mprotect", "shmem, to none", SIZE_MAX);
	sum->later_ns +=
		shape->dirty * (sum_page(sum, "minor_fault", "shmem, write", 1) +
				sum_page(sum, "memcpy", "shmem", 1) +
				sum_page(sum, "mprotect", "shmem, from none", shape->dirty_run)) +
		((double)shape->heap_pages - shape->dirty) *
			sum_page(sum, "mprotect", "shmem, from none", SIZE_MAX);
}

struct cost derived_cost(const struct suite *suite, enum method method, enum layout layout,
			 size_t heap_pages, size_t dirty_pages)
{
	struct shape shape = shape_of(layout, heap_pages, dirty_pages);
	struct sum sum = {.suite = suite, .known = true};

	switch (method) {
	case METHOD_DETACH:
		sum_detached(&sum, &shape, "shmem");
		sum.later_ns +=
			(double)shape.dirty_extents *
			sum_ask(&sum, "mremap_back", "shmem, aligned", extent_pages(), true);
		break;
	case METHOD_CONTINUE:
		sum_detached(&sum, &shape, "shmem");
		sum_resolved(&sum, &shape, "uffd_continue", "shmem");
		break;
	case METHOD_ZAP:
		sum_zap(&sum, &shape);
		break;
	case METHOD_COPY:
		sum_detached(&sum, &shape, "anon");
		sum_resolved(&sum, &shape, "uffd_copy", "anon");
		sum.later_ns += (shape.dirty + shape.clean_beside) *
				sum_page(&sum, "dontneed", "anon", RUN_PAGES);
		break;
	case METHOD_MOVE:
		sum_detached(&sum, &shape, "anon");
		sum_resolved(&sum, &shape, "uffd_move", "anon");
		break;
	case METHOD_MPROTECT:
		sum_mprotect(&sum, &shape);
		break;
	default:
		sum.pause_ns = shape.dirty * sum_page(&sum, "memcpy", "shmem", 1);
		break;
	}
	return (struct cost){sum.known, sum.pause_ns, sum.pause_ns + sum.later_ns};
}

/* in_pause always costs least in all: it is the one that has no price but the pause. So the best is
 * looked for among those that let mutators run. */
enum method derived_best(const struct suite *suite, enum layout layout, size_t heap_pages,
			 size_t dirty_pages)
{
	enum method best = METHODS;
	double least = 0;

	for (unsigned i = 0; i < METHOD_IN_PAUSE; i++) {
		struct cost cost =
			derived_cost(suite, (enum method)i, layout, heap_pages, dirty_pages);

		if (!cost.known || (best != METHODS && cost.total_ns >= least))
			continue;
		best = (enum method)i;
		least = cost.total_ns;
	}
	return best;
}

/* The least number above `low` at which `low`'s method is no longer the best; `high` is known to be one. */
static size_t crossover_between(const struct suite *suite, enum layout layout, size_t heap_pages,
				size_t low, size_t high)
{
	enum method before = derived_best(suite, layout, heap_pages, low);

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (derived_best(suite, layout, heap_pages, middle) == before)
			low = middle;
		else
			high = middle;
	}
	return high;
}

static void crossovers_of(const struct suite *suite, enum layout layout, size_t heap_pages,
			  derived_found found, void *context)
{
	enum method before = derived_best(suite, layout, heap_pages, 1);
	size_t low = 1;

	while (low < heap_pages) {
		size_t high = low + low / 4 + 1;
		enum method after;

		high = high < heap_pages ? high : heap_pages;
		after = derived_best(suite, layout, heap_pages, high);
		if (after != before) {
			high = crossover_between(suite, layout, heap_pages, low, high);
			after = derived_best(suite, layout, heap_pages, high);
			found(context, layout, heap_pages, high, after, before);
			before = after;
		}
		low = high;
	}
}

void derived_crossovers(const struct suite *suite, derived_found found, void *context)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++)
		for (size_t i = 0; i < DERIVED_HEAPS; i++)
			crossovers_of(suite, (enum layout)layout, derived_heap_pages(i), found,
				      context);
}
