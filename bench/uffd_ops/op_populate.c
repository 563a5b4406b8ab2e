/* bench/uffd_ops/op_populate.c: how a page comes into view without userfaultfd: by a fault, with and
 * without fault-around, and by MADV_POPULATE_WRITE; pages that exist, and pages that the kernel has to
 * supply.
 *
 * Fault-around is a matter of the whole machine (debugfs) and of read faults on files. It is off in
 * a range that is armed for write protection, where reads otherwise fault as ever: that is how it is
 * switched off here. */
#include <string.h>

#include "bench/uffd_ops/fixture.h"
#include "bench/uffd_ops/kernel.h"
#include "gc/os/mman_abi.h"

/* Pages exist and hold the pattern; no entries in the view. */
static int populate_reset_there(void *context)
{
	struct fixture *fixture = context;
	int result = fixture_empty_view(fixture);

	if (result == 0)
		result = fixture_fill_alias(fixture);
	return result < 0 || fixture->uffd < 0 ? result : fixture_arm(fixture);
}

static int populate_reset_fresh(void *context)
{
	return fixture_empty_file(context);
}

static int populate_read(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	for (size_t i = 0; i < count; i++)
		(void)*(volatile char *)(fixture->area.view + fixture_at(fixture, page + i));
	return 0;
}

/* Writes what is there, or will be. */
static int populate_write(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	for (size_t i = 0; i < count; i++) {
		size_t at = fixture_at(fixture, page + i);

		*(volatile char *)(fixture->area.view + at) = fixture->buffer[at];
	}
	return 0;
}

static int populate_zero(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	for (size_t i = 0; i < count; i++)
		*(volatile char *)(fixture->area.view + fixture_at(fixture, page + i)) = 0;
	return 0;
}

static int populate_advise(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	return kernel_advise(fixture->area.view + fixture_at(fixture, page),
			     fixture_at(fixture, count), MADV_POPULATE_WRITE);
}

static const struct op fault_read = {"minor_fault",	   OP_EVERY,	  0,
				     populate_reset_there, populate_read, fixture_check_view};
static const struct op fault_write = {"minor_fault",	    OP_EVERY,	    0,
				      populate_reset_there, populate_write, fixture_check_view};
static const struct op fresh = {"fresh_page",	      OP_EVERY,	     0,
				populate_reset_fresh, populate_zero, fixture_check_zero};
static const struct op advise_fresh = {"populate_write",     OP_EVERY,	      0,
				       populate_reset_fresh, populate_advise, fixture_check_zero};
static const struct op advise_there = {"populate_write",     OP_EVERY,	      0,
				       populate_reset_there, populate_advise, fixture_check_view};

static void populate_shared(struct suite *suite, enum area_kind kind)
{
	struct fixture fixture;
	bool made = fixture_make(&fixture, kind, suite->bytes, 0, 0);

	if (!made) {
		suite_absent(suite, fault_read.name, area_kind_name(kind), fixture.why);
		suite_absent(suite, advise_there.name, area_kind_name(kind), fixture.why);
		return;
	}
	fixture_measure(suite, &fixture, &fault_read, "read, fault-around");
	fixture_measure(suite, &fixture, &fault_write, "write");
	fixture_measure(suite, &fixture, &advise_there, "there");
	if (kind == AREA_SHMEM) { /* the others would have to be made huge anew */
		fixture_measure(suite, &fixture, &fresh, "write into a hole");
		fixture_measure(suite, &fixture, &advise_fresh, "fresh");
	}
	fixture_drop(&fixture);
}

static void populate_no_around(struct suite *suite)
{
	static const char more[] = "read, no fault-around";
	struct fixture fixture;
	char variant[64];

	fixture_variant(variant, sizeof(variant), AREA_SHMEM, more);
	if (!suite_wants(suite, fault_read.name, variant))
		return;
	if (!fixture_make(&fixture, AREA_SHMEM, suite->bytes,
			  KERNEL_FEATURE_WP_SHMEM | GC_UFFD_FEATURE_SIGBUS, KERNEL_MODE_WP)) {
		suite_absent(suite, fault_read.name, variant, fixture.why);
		return;
	}
	fixture_measure(suite, &fixture, &fault_read, more);
	fixture_drop(&fixture);
}

static void populate_anon(struct suite *suite)
{
	struct fixture fixture;

	if (!fixture_make(&fixture, AREA_ANON, suite->bytes, 0, 0)) {
		suite_absent(suite, fresh.name, area_kind_name(AREA_ANON), fixture.why);
		return;
	}
	fixture_measure(suite, &fixture, &fresh, "write");
	fixture_measure(suite, &fixture, &advise_fresh, "fresh");
	fixture_drop(&fixture);
}

void ops_populate(struct suite *suite)
{
	populate_shared(suite, AREA_SHMEM);
	populate_no_around(suite);
	populate_shared(suite, AREA_SHMEM_THP);
	populate_shared(suite, AREA_HUGETLB);
	populate_anon(suite);
}
