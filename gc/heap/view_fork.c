/* gc/heap/view_fork.c: the memory of a heap when the process forks.
 *
 * Both views are MADV_DONTFORK: a child has nothing at their addresses. For a child that gets a heap of its own
 *
 *   shared memory    is copied before the fork into a new memfd, page by page of what is in use; both views
 *                    are inherited, and replaced by views of the copy first thing in the child
 *   private memory   is inherited, and copied by the kernel as parent or child write to it
 *
 * [VK-1] The views are inherited only from begin to end, so that the addresses belong to them in the child at
 *        every moment: whoever maps memory in the child before we are asked cannot land there.
 *
 * Who runs here: the thread that forks, between cycles, all mutators stopped; its copy in the child. */
#include "gc/heap/view_fork.h"

#include <string.h>

#include "gc/os/mman_abi.h"
#include "gc/os/sys.h"

static int fork_advise(const struct gc_view *view, int advice)
{
	int error = gc_sys->madvise(view->heap, view->total_bytes, advice);

	if (error == 0 && view->alias)
		error = gc_sys->madvise(view->alias, view->total_bytes, advice);
	return error;
}

static uint64_t fork_offset(const struct gc_view *view, struct gc_haddr start)
{
	return start.at - (uintptr_t)view->heap;
}

int gc_view_fork_begin(const struct gc_view *view, struct gc_view_fork *fork, const char **step)
{
	intptr_t mapped;

	*fork = (struct gc_view_fork){.memfd = -1, .inherits = true};
	*step = "madvise(MADV_DOFORK)";
	mapped = fork_advise(view, MADV_DOFORK);
	if (mapped < 0 || view->backing != GC_BACKING_SHARED)
		return (int)mapped;
	fork->memfd = gc_view_open_memory(view->total_bytes, step);
	if (fork->memfd < 0)
		return fork->memfd;
	*step = "mmap (mapping the copy)";
	mapped = gc_sys->mmap(NULL, view->total_bytes, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_NORESERVE, fork->memfd, 0);
	if (mapped < 0 && mapped > -4096)
		return (int)mapped;
	fork->at = (char *)mapped;
	return 0;
}

int gc_view_fork_copy(const struct gc_view *view, const struct gc_view_fork *fork,
		      struct gc_haddr start, uint64_t bytes)
{
	uint64_t offset = fork_offset(view, start);
	int error;

	if (!fork->at || bytes == 0)
		return 0;
	/* First the pages: to have none is an error here, and a signal on a touch. */
	error = gc_sys->fallocate(fork->memfd, 0, (off_t)offset, (off_t)bytes);
	if (error == 0)
		memcpy(fork->at + offset, (const void *)start.at, bytes);
	return error;
}

void gc_view_fork_filled(const struct gc_view *view, struct gc_view_fork *fork)
{
	if (fork->at)
		gc_sys->munmap(fork->at, view->total_bytes);
	fork->at = NULL;
}

static void fork_close(struct gc_view_fork *fork)
{
	if (fork->memfd >= 0)
		gc_sys->close(fork->memfd);
	fork->memfd = -1;
}

void gc_view_fork_end(const struct gc_view *view, struct gc_view_fork *fork)
{
	gc_view_fork_filled(view, fork);
	fork_close(fork);
	/* Refused: a later child inherits the views, and replaces them all the same. */
	if (fork->inherits)
		fork_advise(view, MADV_DONTFORK);
	fork->inherits = false;
}

int gc_view_fork_adopt(struct gc_view *view, struct gc_view_fork *fork, const char **step)
{
	int error = 0;

	if (view->backing == GC_BACKING_SHARED) {
		gc_sys->close(view->memfd); /* the parent's */
		view->memfd = fork->memfd;
		fork->memfd = -1;
		*step = "mmap (mapping the copy)";
		error = gc_view_map_again(view);
	} else {
		*step = "madvise(MADV_DONTFORK)";
		error = fork_advise(view, MADV_DONTFORK);
	}
	if (error == 0)
		fork->inherits = false;
	return error;
}

/* Nothing is there, or what is there is ours. */
static void fork_bar(const struct gc_view_fork *fork, char *at, uint64_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	intptr_t mapped;

	flags |= fork->inherits ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	mapped = gc_sys->mmap(at, bytes, PROT_NONE, flags, -1, 0);
	/* Kernels before 4.17 take it for a hint. */
	if ((mapped >= 0 || mapped <= -4096) && (char *)mapped != at)
		gc_sys->munmap((void *)mapped, bytes);
	else if (mapped < 0 && mapped > -4096 && fork->inherits)
		gc_sys->munmap(at, bytes); /* better nothing than the parent's */
}

void gc_view_fork_forbid(struct gc_view *view, struct gc_view_fork *fork)
{
	fork_bar(fork, view->heap, view->total_bytes);
	if (view->alias)
		fork_bar(fork, view->alias, view->total_bytes);
	fork_close(fork);
	if (view->memfd >= 0)
		gc_sys->close(view->memfd);
	view->memfd = -1;
}
