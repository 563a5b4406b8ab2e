/* bench/uffd_ops/op_zap.c: taking pages away, by run length: MADV_DONTNEED a run a call,
 * process_madvise with up to 1024 runs a call, holes in the file, and mprotect (away and back). For shared
 * memory MADV_DONTNEED drops entries only; for private memory the pages too.
 *
 * Checked: shared pages still hold their pattern, through the same view; private ones and holes read
 * as zeroes. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/uffd_ops/fixture.h"
#include "bench/uffd_ops/kernel.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

static int zap_reset(void *context)
{
	return fixture_fill_view(context);
}

static int zap_dontneed(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	return kernel_advise(fixture->area.view + fixture_at(fixture, page),
			     fixture_at(fixture, count), MADV_DONTNEED);
}

static int zap_process(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	return kernel_advise_runs(fixture->pidfd, fixture->area.view + fixture_at(fixture, page),
				  fixture_at(fixture, count), fixture_at(fixture, batch));
}

static int zap_punch(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	return kernel_punch(fixture->area.fd, fixture_at(fixture, page),
			    fixture_at(fixture, count));
}

static int protect_reset_away(void *context)
{
	struct fixture *fixture = context;
	int result =
		kernel_protect(fixture->area.view, fixture->area.bytes, PROT_READ | PROT_WRITE);

	return result < 0 ? result : fixture_fill_view(fixture);
}

static int protect_reset_back(void *context)
{
	struct fixture *fixture = context;
	int result = protect_reset_away(context);

	return result < 0 ? result
			  : kernel_protect(fixture->area.view, fixture->area.bytes, PROT_NONE);
}

static int protect_away(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	return kernel_protect(fixture->area.view + fixture_at(fixture, page),
			      fixture_at(fixture, count), PROT_NONE);
}

static int protect_back(void *context, size_t page, size_t count, size_t batch)
{
	struct fixture *fixture = context;

	(void)batch;
	return kernel_protect(fixture->area.view + fixture_at(fixture, page),
			      fixture_at(fixture, count), PROT_READ | PROT_WRITE);
}

static bool protect_check_away(void *context)
{
	struct fixture *fixture = context;

	return kernel_protect(fixture->area.view, fixture->area.bytes, PROT_READ | PROT_WRITE) ==
		       0 &&
	       fixture_check_view(context);
}

static void zap_kind(struct suite *suite, enum area_kind kind)
{
	bool anon = kind == AREA_ANON;
	const struct op dontneed = {
		"dontneed", OP_EVERY,	  0,
		zap_reset,  zap_dontneed, anon ? fixture_check_zero : fixture_check_view};
	const struct op process = {
		"process_madvise", OP_EVERY,	KERNEL_MOST_RUNS,
		zap_reset,	   zap_process, anon ? fixture_check_zero : fixture_check_view};
	struct fixture fixture;

	if (!fixture_make(&fixture, kind, suite->bytes, 0, 0)) {
		suite_absent(suite, dontneed.name, area_kind_name(kind), fixture.why);
		return;
	}
	fixture_measure(suite, &fixture, &dontneed, "");
	fixture.pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (fixture.pidfd >= 0)
		fixture_measure(suite, &fixture, &process, "");
	else
		suite_absent(suite, process.name, area_kind_name(kind), strerror(errno));
	fixture_drop(&fixture);
}

static void zap_file(struct suite *suite, enum area_kind kind)
{
	static const struct op punch = {"hole_punch", OP_EVERY,	 0,
					zap_reset,    zap_punch, fixture_check_zero};
	struct fixture fixture;

	if (!suite_wants(suite, punch.name, area_kind_name(kind)))
		return;
	if (!fixture_make(&fixture, kind, suite->bytes, 0, 0)) {
		suite_absent(suite, punch.name, area_kind_name(kind), fixture.why);
		return;
	}
	fixture_measure(suite, &fixture, &punch, "");
	fixture_drop(&fixture);
}

static void zap_protect(struct suite *suite)
{
	static const struct op away = {"mprotect",	   OP_EVERY,	 0,
				       protect_reset_away, protect_away, protect_check_away};
	static const struct op back = {"mprotect",	   OP_EVERY,	 0,
				       protect_reset_back, protect_back, fixture_check_view};
	struct fixture fixture;

	if (!fixture_make(&fixture, AREA_SHMEM, suite->bytes, 0, 0)) {
		suite_absent(suite, away.name, area_kind_name(AREA_SHMEM), fixture.why);
		return;
	}
	fixture_measure(suite, &fixture, &away, "to none");
	fixture_measure(suite, &fixture, &back, "from none");
	fixture_drop(&fixture);
}

void ops_zap(struct suite *suite)
{
	zap_kind(suite, AREA_ANON);
	zap_kind(suite, AREA_SHMEM);
	zap_kind(suite, AREA_SHMEM_THP);
	zap_kind(suite, AREA_HUGETLB);
	zap_file(suite, AREA_SHMEM);
	zap_file(suite, AREA_HUGETLB);
	zap_protect(suite);
}
