/* gc/os/probe.c: the capability probe: scratch memory, the memfd, and the order of the parts.
 *
 * Invariant: whatever fails, nothing is left behind: no descriptor, mapping, thread or handler. A
 * part that cannot be tried because an earlier one failed fails with that one's error.
 *
 * Who runs here: heap creation and the info program. One probe at a time: the SIGBUS parts replace
 * the process's handler for a moment. */
#include "gc/os/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "gc/os/memfd.h"
#include "gc/os/probe_parts.h"
#include "gc/os/sys.h"

#define PROBE_SCRATCH_PAGES 4

static pthread_mutex_t probe_lock = PTHREAD_MUTEX_INITIALIZER;

uint64_t gc_probe_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int probe_memfd_make(struct gc_probe_scratch *scratch, struct gc_capability *capability)
{
	int result;

	gc_probe_step(capability, "memfd_create");
	scratch->memfd = gc_memfd_create("parallax-probe");
	if (scratch->memfd < 0)
		return scratch->memfd;
	gc_probe_step(capability, "sizing a memfd");
	result = gc_sys->ftruncate(scratch->memfd, (off_t)scratch->bytes);
	if (result < 0)
		return result;
	gc_probe_step(capability, "sealing a memfd");
	return gc_sys->add_seals(scratch->memfd, F_SEAL_SHRINK | F_SEAL_GROW);
}

static int probe_map(struct gc_probe_scratch *scratch, char **where)
{
	int flags = scratch->memfd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	intptr_t address = gc_sys->mmap(NULL, scratch->bytes, PROT_READ | PROT_WRITE,
					flags | MAP_NORESERVE, scratch->memfd, 0);

	if (address < 0 && address > -4096)
		return (int)address;
	*where = (char *)address;
	return 0;
}

int gc_probe_scratch_make(struct gc_probe_scratch *scratch, size_t bytes, bool shared,
			  struct gc_capability *capability)
{
	int result = 0;

	*scratch = (struct gc_probe_scratch){
		.page_bytes = (size_t)sysconf(_SC_PAGESIZE), .bytes = bytes, .memfd = -1};
	if (shared)
		result = probe_memfd_make(scratch, capability);
	if (result == 0) {
		gc_probe_step(capability, "mapping scratch memory");
		result = probe_map(scratch, &scratch->view);
	}
	if (result == 0)
		result = probe_map(scratch, &scratch->alias);
	if (result < 0)
		gc_probe_scratch_drop(scratch);
	return result;
}

void gc_probe_scratch_drop(struct gc_probe_scratch *scratch)
{
	if (scratch->view != NULL)
		gc_sys->munmap(scratch->view, scratch->bytes);
	if (scratch->alias != NULL)
		gc_sys->munmap(scratch->alias, scratch->bytes);
	if (scratch->memfd >= 0)
		gc_sys->close(scratch->memfd);
	*scratch = (struct gc_probe_scratch){.memfd = -1};
}

/* Two views of one memfd agree, in both directions. */
static int probe_views_agree(const struct gc_probe_scratch *scratch,
			     struct gc_capability *capability)
{
	volatile uint64_t *view = (volatile uint64_t *)scratch->view;
	volatile uint64_t *alias = (volatile uint64_t *)scratch->alias;

	gc_probe_step(capability, "comparing two views of one memfd");
	alias[0] = gc_probe_pattern(0);
	view[1] = gc_probe_pattern(1);
	return view[0] == gc_probe_pattern(0) && alias[1] == gc_probe_pattern(1) ? 0 : -EIO;
}

static void probe_memfd(struct gc_probe *probe)
{
	size_t bytes = PROBE_SCRATCH_PAGES * (size_t)sysconf(_SC_PAGESIZE);
	struct gc_probe_scratch scratch;
	int result = gc_probe_scratch_make(&scratch, bytes, true, &probe->memfd);

	if (result == 0) {
		/* Reserve first: writing to a memfd page that cannot be had would raise SIGBUS. */
		gc_probe_step(&probe->memfd, "fallocate on a memfd");
		result = gc_sys->fallocate(scratch.memfd, 0, 0, (off_t)bytes);
		if (result == 0)
			result = probe_views_agree(&scratch, &probe->memfd);
		gc_probe_scratch_drop(&scratch);
	}
	probe->memfd.error = result;
	probe->memfd.works = result == 0;
}

static void probe_plans_locked(struct gc_probe *probe)
{
	memset(probe, 0, sizeof(*probe));
	probe->origin = GC_UFFD_ORIGIN_COUNT;
	probe_memfd(probe);
	gc_probe_fault_parts(probe);
	gc_probe_remap_parts(probe);
}

void gc_probe_plans(struct gc_probe *probe)
{
	pthread_mutex_lock(&probe_lock);
	probe_plans_locked(probe);
	pthread_mutex_unlock(&probe_lock);
}

void gc_probe_run(struct gc_probe *probe)
{
	pthread_mutex_lock(&probe_lock);
	probe_plans_locked(probe);
	gc_probe_move_part(probe);
	probe->page_ns = gc_probe_page_part(true);
	pthread_mutex_unlock(&probe_lock);
}

double gc_probe_page_ns(bool shared)
{
	double ns;

	pthread_mutex_lock(&probe_lock);
	ns = gc_probe_page_part(shared);
	pthread_mutex_unlock(&probe_lock);
	return ns;
}

void gc_probe_fork(enum gc_fork_step step)
{
	gc_fork_mutex(&probe_lock, step);
}

const struct gc_capability *gc_probe_minor_lacks(const struct gc_probe *probe, bool sigbus)
{
	const struct gc_capability *needed[] = {&probe->memfd, sigbus ? &probe->minor_sigbus
								      : &probe->minor_thread};

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!needed[i]->works)
			return needed[i];
	return NULL;
}

const struct gc_capability *gc_probe_copy_lacks(const struct gc_probe *probe, bool sigbus)
{
	const struct gc_capability *needed[] = {
		sigbus ? &probe->missing_sigbus : &probe->missing_thread, &probe->remap_private};

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!needed[i]->works)
			return needed[i];
	return NULL;
}
