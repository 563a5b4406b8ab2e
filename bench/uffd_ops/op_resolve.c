/* bench/uffd_ops/op_resolve.c: the requests of userfaultfd that put pages in place: COPY, CONTINUE,
 * MOVE, ZEROPAGE, on each kind of memory that takes them. Nobody waits for the pages. */
#include "bench/uffd_ops/fixture.h"
#include "bench/uffd_ops/kernel.h"

#define MISSING GC_UFFDIO_REGISTER_MODE_MISSING
#define MINOR GC_UFFDIO_REGISTER_MODE_MINOR

/* Into places where there is nothing at all. */
static int resolve_reset_missing(void *context)
{
	struct fixture *fixture = context;
	int result = fixture_empty_file(fixture);

	return result < 0 ? result : fixture_arm(fixture);
}

/* The pages are there and hold the pattern, but the view has no entries. */
static int resolve_reset_minor(void *context)
{
	struct fixture *fixture = context;
	int result = fixture_empty_view(fixture);

	if (result == 0)
		result = fixture_fill_alias(fixture);
	return result < 0 ? result : fixture_arm(fixture);
}

static int resolve_copy(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;
	size_t at = fixture_at(fixture, page);

	(void)batch;
	return kernel_copy(fixture->uffd, fixture->area.view + at, fixture->buffer + at,
			   fixture_at(fixture, count));
}

static int resolve_continue(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	return kernel_continue(fixture->uffd, fixture->area.view + fixture_at(fixture, page),
			       fixture_at(fixture, count));
}

static int resolve_move(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;
	size_t at = fixture_at(fixture, page);

	(void)batch;
	return kernel_move(fixture->uffd, fixture->area.view + at, fixture->area.alias + at,
			   fixture_at(fixture, count));
}

static int resolve_zeropage(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	return kernel_zeropage(fixture->uffd, fixture->area.view + fixture_at(fixture, page),
			       fixture_at(fixture, count));
}

struct resolve_case {
	struct op op;
	enum area_kind kind;
	uint64_t features, mode;
};

static const struct resolve_case resolve_cases[] = {
	{{"uffd_copy", OP_EVERY, 0, resolve_reset_missing, resolve_copy, fixture_check_view},
	 AREA_ANON,
	 0,
	 MISSING},
	{{"uffd_copy", OP_EVERY, 0, resolve_reset_missing, resolve_copy, fixture_check_view},
	 AREA_SHMEM,
	 KERNEL_FEATURE_MISSING_SHMEM,
	 MISSING},
	{{"uffd_copy", OP_EVERY, 0, resolve_reset_missing, resolve_copy, fixture_check_view},
	 AREA_HUGETLB,
	 KERNEL_FEATURE_MISSING_HUGETLB,
	 MISSING},
	{{"uffd_continue", OP_EVERY, 0, resolve_reset_minor, resolve_continue, fixture_check_view},
	 AREA_SHMEM,
	 GC_UFFD_FEATURE_MINOR_SHMEM,
	 MINOR},
	{{"uffd_continue", OP_EVERY, 0, resolve_reset_minor, resolve_continue, fixture_check_view},
	 AREA_SHMEM_THP,
	 GC_UFFD_FEATURE_MINOR_SHMEM,
	 MINOR},
	{{"uffd_continue", OP_EVERY, 0, resolve_reset_minor, resolve_continue, fixture_check_view},
	 AREA_HUGETLB,
	 KERNEL_FEATURE_MINOR_HUGETLB,
	 MINOR},
	{{"uffd_move", OP_EVERY, 0, resolve_reset_minor, resolve_move, fixture_check_view},
	 AREA_ANON,
	 KERNEL_FEATURE_MOVE,
	 MISSING},
	{{"uffd_zeropage", OP_EVERY, 0, resolve_reset_missing, resolve_zeropage,
	  fixture_check_zero},
	 AREA_ANON,
	 0,
	 MISSING},
	{{"uffd_zeropage", OP_EVERY, 0, resolve_reset_missing, resolve_zeropage,
	  fixture_check_zero},
	 AREA_SHMEM,
	 KERNEL_FEATURE_MISSING_SHMEM,
	 MISSING},
};

static void resolve_one(struct suite *suite, const struct resolve_case *one)
{
	const char *variant = area_kind_name(one->kind);
	struct fixture fixture;

	if (!suite_wants(suite, one->op.name, variant))
		return;
	/* Should a page be missing after all, checking it must end the program, not wait for ever. */
	if (!fixture_make(&fixture, one->kind, suite->bytes, one->features | GC_UFFD_FEATURE_SIGBUS,
			  one->mode)) {
		suite_absent(suite, one->op.name, variant, fixture.why);
		return;
	}
	fixture_measure(suite, &fixture, &one->op, "");
	fixture_drop(&fixture);
}

void ops_resolve(struct suite *suite)
{
	for (size_t i = 0; i < sizeof(resolve_cases) / sizeof(resolve_cases[0]); i++)
		resolve_one(suite, &resolve_cases[i]);
}
