/* bench/uffd_ops/op_memory.c: what everything else is held against: copying and clearing pages that
 * are there, and reading the clock, which every timed call contains once. */
#include <string.h>

#include "bench/uffd_ops/fixture.h"
#include "bench/uffd_ops/kernel.h"

static int memory_reset(void *context)
{
	struct fixture *fixture = context;

	memset(fixture->area.view, 0x55, fixture->area.bytes);
	return 0;
}

static int memory_copy(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;
	size_t at = fixture_at(fixture, page);

	(void)batch;
	memcpy(fixture->area.view + at, fixture->buffer + at, fixture_at(fixture, count));
	return 0;
}

static int memory_clear(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	memset(fixture->area.view + fixture_at(fixture, page), 0, fixture_at(fixture, count));
	return 0;
}

static int memory_nothing(void *context, size_t page, size_t count, size_t batch)
{
	(void)context;
	(void)page;
	(void)count;
	(void)batch;
	return 0;
}

static bool memory_unchanged(void *context)
{
	const struct fixture *fixture = context;

	return fixture->area.view[0] == 0x55;
}

void ops_memory(struct suite *suite)
{
	static const struct op nothing = {"clock",	OP_ONE,		0,
					  memory_reset, memory_nothing, memory_unchanged};
	static const struct op copy = {"memcpy",     OP_EVERY,	  0,
				       memory_reset, memory_copy, fixture_check_view};
	static const struct op clear = {"recycled_page", OP_EVERY,     0,
					memory_reset,	 memory_clear, fixture_check_zero};
	static const enum area_kind kinds[] = {AREA_ANON, AREA_SHMEM};
	struct fixture fixture;

	for (size_t i = 0; i < 2; i++) {
		if (!fixture_make(&fixture, kinds[i], suite->bytes, 0, 0)) {
			suite_absent(suite, "memcpy", area_kind_name(kinds[i]), fixture.why);
			continue;
		}
		if (i == 0)
			fixture_measure(suite, &fixture, &nothing, "");
		fixture_measure(suite, &fixture, &copy, "");
		fixture_measure(suite, &fixture, &clear, "memset");
		fixture_drop(&fixture);
	}
}
