/* bench/uffd_ops/op_register.c: arming and disarming a range, of which all pages are mapped: for the
 * first time and again. Calls that do not cover the whole range split its mapping and merge it. */
#include <errno.h>

#include "bench/uffd_ops/fixture.h"
#include "bench/uffd_ops/kernel.h"

static int register_reset_off(void *context)
{
	struct fixture *fixture = context;
	int result = fixture_disarm(fixture);

	return result < 0 ? result : fixture_fill_view(fixture);
}

static int register_reset_on(void *context)
{
	int result = register_reset_off(context);

	return result < 0 ? result : fixture_arm(context);
}

static int register_call(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	return kernel_register(fixture->uffd, fixture->area.view + fixture_at(fixture, page),
			       fixture_at(fixture, count), fixture->mode);
}

static int unregister_call(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	return kernel_unregister(fixture->uffd, fixture->area.view + fixture_at(fixture, page),
				 fixture_at(fixture, count));
}

static void register_all(struct suite *suite, struct fixture *fixture)
{
	static const struct op first = {"uffd_register",    OP_EVERY,	   0,
					register_reset_off, register_call, fixture_check_view};
	static const struct op again = {"uffd_register",   OP_EVERY,	  0,
					register_reset_on, register_call, fixture_check_view};
	static const struct op off = {"uffd_unregister", OP_EVERY,	  0,
				      register_reset_on, unregister_call, fixture_check_view};
	static const struct op idle = {"uffd_unregister",  OP_EVERY,	    0,
				       register_reset_off, unregister_call, fixture_check_view};

	fixture_measure(suite, fixture, &first, "not armed");
	fixture_measure(suite, fixture, &again, "armed");
	fixture_measure(suite, fixture, &off, "armed");
	fixture_measure(suite, fixture, &idle, "not armed");
}

void ops_register(struct suite *suite)
{
	struct fixture fixture;

	if (fixture_make(&fixture, AREA_SHMEM, suite->bytes,
			 GC_UFFD_FEATURE_MINOR_SHMEM | GC_UFFD_FEATURE_SIGBUS,
			 GC_UFFDIO_REGISTER_MODE_MINOR)) {
		register_all(suite, &fixture);
		fixture_drop(&fixture);
	} else {
		suite_absent(suite, "uffd_register", "shmem", fixture.why);
	}
	if (fixture_make(&fixture, AREA_ANON, suite->bytes, GC_UFFD_FEATURE_SIGBUS,
			 GC_UFFDIO_REGISTER_MODE_MISSING)) {
		register_all(suite, &fixture);
		fixture_drop(&fixture);
	} else {
		suite_absent(suite, "uffd_register", "anon", fixture.why);
	}
}
