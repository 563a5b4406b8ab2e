/* bench/uffd_ops/fixture.h: what most operations work on: an area, a userfaultfd, and a buffer that
 * holds the pattern. */
#ifndef BENCH_UFFD_OPS_FIXTURE_H
#define BENCH_UFFD_OPS_FIXTURE_H

#include "bench/uffd_ops/area.h"
#include "bench/uffd_ops/suite.h"

#define FIXTURE_SEED 1000003

struct fixture {
	struct area area;
	int uffd;      /* -1: none */
	uint64_t mode; /* to register the view with */
	char *buffer;  /* as large as the area, full of pattern */
	int pidfd;     /* of this process, where asked for */
	size_t shift;  /* bytes by which the alias is off, for mremap */
	char why[160]; /* when something is absent */
};

/* False with `why` filled. `features` 0: no userfaultfd. */
bool fixture_make(struct fixture *fixture, enum area_kind kind, size_t bytes, uint64_t features,
		  uint64_t mode);
void fixture_drop(struct fixture *fixture);

/* Steps of resets; 0 or a negative errno. */
int fixture_empty_view(struct fixture *fixture); /* no page-table entries; anon: no pages */
int fixture_empty_file(struct fixture *fixture); /* no pages in the file; anon: none in the view */
int fixture_fill_alias(struct fixture *fixture);
int fixture_fill_view(struct fixture *fixture);
int fixture_arm(struct fixture *fixture); /* register the view */
int fixture_disarm(struct fixture *fixture);

/* Common checks: the view, or the alias, holds the pattern; the view holds zeroes. */
bool fixture_check_view(void *fixture);
bool fixture_check_alias(void *fixture);
bool fixture_check_zero(void *fixture);

static inline size_t fixture_at(const struct fixture *fixture, size_t page)
{
	return page * fixture->area.page_bytes;
}

/* Measure one operation on this fixture, or several. */
void fixture_measure(struct suite *suite, struct fixture *fixture, const struct op *op,
		     const char *more);
/* "anon", or "anon, more". */
void fixture_variant(char *text, size_t size, enum area_kind kind, const char *more);

#endif
