/* gc/os/probe.h: what this kernel, under this policy, really does: each capability is exercised on
 * scratch pages; versions and feature bits are not believed.
 *
 * Who runs here: heap creation and `./dev info`, one thread, outside of any heap. */
#ifndef GC_OS_PROBE_H
#define GC_OS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gc/base/fork.h"
#include "gc/os/uffd.h"

/* A capability: whether it works; if not, the negative errno and the step that failed. */
struct gc_capability {
	bool works;
	int error;
	const char *step; /* constant string: what was being tried last */
};

struct gc_probe {
	struct gc_capability memfd; /* memfd_create, seals, two shared mappings that agree */
	struct gc_capability
		minor_thread; /* MINOR fault on shared memfd, read by a thread, CONTINUE */
	struct gc_capability minor_sigbus;  /* the same delivered by SIGBUS */
	struct gc_capability continue_skip; /* CONTINUE passes over mapped pages: our kernels only */
	struct gc_capability missing_thread; /* MISSING fault on private anonymous memory, COPY */
	struct gc_capability missing_sigbus;
	struct gc_capability remap_shared;  /* MREMAP_DONTUNMAP on a shared mapping */
	struct gc_capability remap_private; /* the same on private anonymous memory */
	struct gc_capability move_back; /* extents moved back: contents hold, mappings merge again */
	bool moves_page_tables;		/* an aligned move costs far less than its PTEs would */
	uint64_t move_bytes;	    /* the size timed: 64 MiB, less where pages are slow to get */
	uint64_t move_64mib_ns;	    /* best of a few moves, scaled to 64 MiB */
	uint64_t continue_page_ns;  /* one CONTINUE of one page */
	double page_ns;		    /* gc_probe_page_ns, shared */
	enum gc_uffd_origin origin; /* how a userfaultfd was got, if at all */
};

/* What choosing a plan and how to serve it asks for: all but move_back and the figures. About a millisecond. */
void gc_probe_plans(struct gc_probe *probe);

/* Probe afresh. Tens of milliseconds at most. Never fails: what fails is recorded. */
void gc_probe_run(struct gc_probe *probe);

/* What a page that does not exist yet costs whoever needs it, the first access included: nanoseconds; 0 if that
 * cannot be told. Some 32 pages' worth of time. */
double gc_probe_page_ns(bool shared);

/* runtime/fork.c: no probe is under way. */
void gc_probe_fork(enum gc_fork_step step);

/* What stands between this kernel and the plan under that delivery: the first capability it needs
 * that does not work, or NULL. */
const struct gc_capability *gc_probe_minor_lacks(const struct gc_probe *probe, bool sigbus);
const struct gc_capability *gc_probe_copy_lacks(const struct gc_probe *probe, bool sigbus);

/* A sentence that says why `capability` does not work and how to get it (device node, sysctl,
 * seccomp, kernel version), for error messages and `./dev info`. */
void gc_probe_explain(const struct gc_probe *probe, const struct gc_capability *capability,
		      char *text, size_t size);

/* The whole table as lines of text. */
void gc_probe_describe(const struct gc_probe *probe, char *text, size_t size);

#endif
