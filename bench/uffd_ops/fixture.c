/* bench/uffd_ops/fixture.c: see fixture.h. */
#include "bench/uffd_ops/fixture.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bench/uffd_ops/kernel.h"
#include "gc/os/mman_abi.h"

static bool fixture_open_uffd(struct fixture *fixture, uint64_t features)
{
	if (features == 0)
		return true;
	fixture->uffd = kernel_uffd_open(features, false);
	if (fixture->uffd >= 0)
		return true;
	if (fixture->uffd == -ENOTSUP)
		snprintf(fixture->why, sizeof(fixture->why), "this kernel's userfaultfd lacks it");
	else
		snprintf(fixture->why, sizeof(fixture->why), "userfaultfd: %s",
			 strerror(-fixture->uffd));
	return false;
}

bool fixture_make(struct fixture *fixture, enum area_kind kind, size_t bytes, uint64_t features,
		  uint64_t mode)
{
	*fixture = (struct fixture){.uffd = -1, .pidfd = -1, .mode = mode};
	if (!area_make(&fixture->area, kind, bytes, fixture->why, sizeof(fixture->why)))
		return false;
	fixture->buffer = mmap(NULL, fixture->area.bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (fixture->buffer == MAP_FAILED) {
		fixture->buffer = NULL;
		snprintf(fixture->why, sizeof(fixture->why), "no memory");
	} else if (fixture_open_uffd(fixture, features)) {
		pattern_write(fixture->buffer, fixture->area.bytes, FIXTURE_SEED);
		return true;
	}
	fixture_drop(fixture);
	return false;
}

void fixture_drop(struct fixture *fixture)
{
	if (fixture->buffer != NULL)
		munmap(fixture->buffer, fixture->area.bytes);
	area_drop(&fixture->area);
	if (fixture->uffd >= 0)
		close(fixture->uffd);
	if (fixture->pidfd >= 0)
		close(fixture->pidfd);
}

int fixture_empty_view(struct fixture *fixture)
{
	return kernel_advise(fixture->area.view, fixture->area.bytes, MADV_DONTNEED);
}

int fixture_empty_file(struct fixture *fixture)
{
	if (fixture->area.fd < 0)
		return fixture_empty_view(fixture);
	return kernel_punch(fixture->area.fd, 0, fixture->area.bytes);
}

/* Populating is only faster than the faults it saves; a kernel without it takes those. */

int fixture_fill_alias(struct fixture *fixture)
{
	(void)kernel_advise(fixture->area.alias, fixture->area.bytes, MADV_POPULATE_WRITE);
	memcpy(fixture->area.alias, fixture->buffer, fixture->area.bytes);
	return 0;
}

int fixture_fill_view(struct fixture *fixture)
{
	(void)kernel_advise(fixture->area.view, fixture->area.bytes, MADV_POPULATE_WRITE);
	memcpy(fixture->area.view, fixture->buffer, fixture->area.bytes);
	return 0;
}

int fixture_arm(struct fixture *fixture)
{
	return kernel_register(fixture->uffd, fixture->area.view, fixture->area.bytes,
			       fixture->mode);
}

int fixture_disarm(struct fixture *fixture)
{
	return kernel_unregister(fixture->uffd, fixture->area.view, fixture->area.bytes);
}

bool fixture_check_view(void *context)
{
	const struct fixture *fixture = context;

	return pattern_matches(fixture->area.view, fixture->area.bytes, FIXTURE_SEED);
}

bool fixture_check_alias(void *context)
{
	const struct fixture *fixture = context;

	return pattern_matches(fixture->area.alias + fixture->shift, fixture->area.bytes,
			       FIXTURE_SEED);
}

bool fixture_check_zero(void *context)
{
	const struct fixture *fixture = context;

	return pattern_is_zero(fixture->area.view, fixture->area.bytes);
}

void fixture_variant(char *text, size_t size, enum area_kind kind, const char *more)
{
	snprintf(text, size, "%s%s%s", area_kind_name(kind), more[0] != '\0' ? ", " : "", more);
}

void fixture_measure(struct suite *suite, struct fixture *fixture, const struct op *op,
		     const char *more)
{
	char variant[64];

	fixture_variant(variant, sizeof(variant), fixture->area.kind, more);
	suite_measure(suite, op, variant, fixture, fixture->area.pages, fixture->area.page_bytes);
}
