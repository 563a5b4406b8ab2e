/* bench/uffd_ops/op_remap.c: taking a view away and bringing it back by moving its page tables.
 *
 * By size: batches of pages out of one range. Only calls that cover what a page-table page maps
 * (2 MiB on x86-64: 512 pages) at the same alignment on both sides can move tables; smaller calls, and
 * those to an alias that is off by a page, move entries. `sparse` is 256 MiB to 8 GiB with a page in every
 * 2 MiB, so that all page tables exist, but little memory: what a whole view costs.
 *
 * `running` and `faulting`: a thread meanwhile spins, so that its CPU has to be interrupted, or reads
 * pages of the view at random. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/uffd_ops/fixture.h"
#include "bench/uffd_ops/kernel.h"

#define GIB ((size_t)1 << 30)
#define SPARSE_STEP ((size_t)2 << 20)

static char *remap_other(const struct fixture *fixture)
{
	return fixture->area.alias + fixture->shift;
}

/* Everything in the view, nothing in the alias. */
static int remap_reset_detach(void *context)
{
	struct fixture *fixture = context;
	int result = fixture->uffd >= 0 ? fixture_disarm(fixture) : 0;

	if (result == 0)
		result = kernel_advise(fixture->area.alias, fixture->area.bytes, MADV_DONTNEED);
	if (result == 0)
		result = fixture_fill_view(fixture);
	return result == 0 && fixture->uffd >= 0 ? fixture_arm(fixture) : result;
}

static int remap_reset_back(void *context)
{
	struct fixture *fixture = context;
	int result = remap_reset_detach(context);

	return result < 0 ? result
			  : kernel_remap(fixture->area.view, remap_other(fixture),
					 fixture->area.bytes);
}

static int remap_detach(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;
	size_t at = fixture_at(fixture, page);

	(void)batch;
	return kernel_remap(fixture->area.view + at, remap_other(fixture) + at,
			    fixture_at(fixture, count));
}

static int remap_back(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;
	size_t at = fixture_at(fixture, page);

	(void)batch;
	return kernel_remap(remap_other(fixture) + at, fixture->area.view + at,
			    fixture_at(fixture, count));
}

static const struct op detach = {"mremap_detach",    OP_EXTENTS,   0,
				 remap_reset_detach, remap_detach, fixture_check_alias};
static const struct op back = {"mremap_back",	 OP_EXTENTS, 0,
			       remap_reset_back, remap_back, fixture_check_view};

/* The thread that is in the way. */
struct remap_company {
	struct fixture *fixture; /* NULL: only spin */
	int cpu;
	bool stop; /* atomic */
};

static void *company_run(void *argument)
{
	struct remap_company *company = argument;
	uint64_t chance = 1;

	kernel_pin(company->cpu);
	while (!__atomic_load_n(&company->stop,
				__ATOMIC_RELAXED)) { /* late by a turn is harmless */
		chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
		if (company->fixture != NULL)
			(void)*(volatile char *)(company->fixture->area.view +
						 fixture_at(company->fixture,
							    (chance >> 33) %
								    company->fixture->area.pages));
	}
	return NULL;
}

static void remap_beside(struct suite *suite, struct fixture *fixture, bool faulting)
{
	struct remap_company company = {.fixture = faulting ? fixture : NULL,
					.cpu = suite->other_cpu};
	const char *more = faulting ? "aligned, a thread faulting" : "aligned, a thread running";
	pthread_t thread;

	if (suite->other_cpu < 0 || pthread_create(&thread, NULL, company_run, &company) != 0) {
		suite_absent(suite, detach.name, more,
			     suite->other_cpu < 0 ? "there is only one CPU"
						  : "no thread to be had");
		return;
	}
	fixture_measure(suite, fixture, &detach, more);
	fixture_measure(suite, fixture, &back, more);
	__atomic_store_n(&company.stop, true, __ATOMIC_RELAXED); /* see company_run */
	pthread_join(thread, NULL);
}

static void remap_kind(struct suite *suite, enum area_kind kind)
{
	struct fixture fixture;

	if (!fixture_make(&fixture, kind, suite->bytes, 0, 0)) {
		suite_absent(suite, detach.name, area_kind_name(kind), fixture.why);
		return;
	}
	fixture_measure(suite, &fixture, &detach, "aligned");
	fixture_measure(suite, &fixture, &back, "aligned");
	if (kind == AREA_SHMEM) {
		remap_beside(suite, &fixture, false);
		remap_beside(suite, &fixture, true);
	}
	if (kind != AREA_HUGETLB) { /* huge pages cannot be off by a small one */
		fixture.shift = fixture.area.page_bytes;
		fixture_measure(suite, &fixture, &detach, "off by a page");
		fixture_measure(suite, &fixture, &back, "off by a page");
	}
	fixture_drop(&fixture);
}

static void remap_armed(struct suite *suite)
{
	struct fixture fixture;

	if (!fixture_make(&fixture, AREA_SHMEM, suite->bytes,
			  GC_UFFD_FEATURE_MINOR_SHMEM | GC_UFFD_FEATURE_SIGBUS,
			  GC_UFFDIO_REGISTER_MODE_MINOR)) {
		suite_absent(suite, detach.name, "shmem, aligned, armed", fixture.why);
		return;
	}
	fixture_measure(suite, &fixture, &detach, "aligned, armed");
	fixture_drop(&fixture);
}

/* A large view, few pages: all tables are either in the view or in the alias. */
struct sparse {
	struct area area;
	bool detached;
};

static int sparse_move(struct sparse *sparse, bool detach_it)
{
	struct area *area = &sparse->area;
	int result = detach_it ? kernel_remap(area->view, area->alias, area->bytes)
			       : kernel_remap(area->alias, area->view, area->bytes);

	if (result == 0)
		sparse->detached = detach_it;
	return result;
}

static int sparse_reset_detach(void *context)
{
	struct sparse *sparse = context;

	return sparse->detached ? sparse_move(sparse, false) : 0;
}

static int sparse_reset_back(void *context)
{
	struct sparse *sparse = context;

	return sparse->detached ? 0 : sparse_move(sparse, true);
}

static int sparse_detach(void *context, size_t page, size_t count, size_t batch)
{
	(void)page;
	(void)count;
	(void)batch;
	return sparse_move(context, true);
}

static int sparse_back(void *context, size_t page, size_t count, size_t batch)
{
	(void)page;
	(void)count;
	(void)batch;
	return sparse_move(context, false);
}

static bool sparse_check(void *context)
{
	const struct sparse *sparse = context;
	const char *where = sparse->detached ? sparse->area.alias : sparse->area.view;
	bool right = true;

	for (size_t at = 0; at < sparse->area.bytes; at += SPARSE_STEP)
		right = right && *(const volatile size_t *)(where + at) == at;
	return right;
}

static void remap_sparse(struct suite *suite, size_t bytes)
{
	static const struct op out = {"mremap_detach",	   OP_WHOLE,	  0,
				      sparse_reset_detach, sparse_detach, sparse_check};
	static const struct op in = {"mremap_back",	OP_WHOLE,    0,
				     sparse_reset_back, sparse_back, sparse_check};
	static const char variant[] = "shmem, sparse";
	struct sparse sparse = {.detached = false};
	char why[160];

	if (!suite_wants(suite, out.name, variant) && !suite_wants(suite, in.name, variant))
		return;
	if (!area_make(&sparse.area, AREA_SHMEM, bytes, why, sizeof(why))) {
		suite_absent(suite, out.name, variant, why);
		return;
	}
	for (size_t at = 0; at < bytes; at += SPARSE_STEP)
		*(volatile size_t *)(sparse.area.view + at) = at;
	suite_measure(suite, &out, variant, &sparse, sparse.area.pages, sparse.area.page_bytes);
	suite_measure(suite, &in, variant, &sparse, sparse.area.pages, sparse.area.page_bytes);
	area_drop(&sparse.area);
}

static const size_t sparse_bytes[] = {GIB / 4, GIB, 2 * GIB, 4 * GIB, 8 * GIB};

void ops_remap(struct suite *suite)
{
	remap_kind(suite, AREA_SHMEM);
	remap_kind(suite, AREA_SHMEM_THP);
	remap_kind(suite, AREA_HUGETLB);
	remap_kind(suite, AREA_ANON);
	remap_armed(suite);
	for (size_t i = 0; i < sizeof(sparse_bytes) / sizeof(sparse_bytes[0]); i++)
		remap_sparse(suite, sparse_bytes[i]);
}
