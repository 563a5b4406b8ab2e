/* gc/os/probe_text.c: the probe's findings in words.
 *
 * Who runs here: anybody; nothing is probed again. The kernel's version is named only to help the
 * reader: no decision rests on it. */
#include "gc/os/probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bounded, appending output. */
struct text {
	char *at;
	size_t left; /* the terminating NUL included */
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *text, const char *format,
							   ...)
{
	va_list arguments;
	int wanted;

	if (text->left == 0)
		return;
	va_start(arguments, format);
	wanted = vsnprintf(text->at, text->left, format, arguments);
	va_end(arguments);
	if (wanted < 0)
		return;
	if ((size_t)wanted >= text->left)
		wanted = (int)text->left - 1;
	text->at += wanted;
	text->left -= (size_t)wanted;
}

static const char *probe_error_name(int error)
{
	const char *name = strerrorname_np(-error);

	return name != NULL ? name : "unknown error";
}

static bool probe_is_fault(const struct gc_probe *probe, const struct gc_capability *capability)
{
	return capability == &probe->minor_thread || capability == &probe->minor_sigbus ||
	       capability == &probe->missing_thread || capability == &probe->missing_sigbus;
}

static bool probe_is_minor(const struct gc_probe *probe, const struct gc_capability *capability)
{
	return capability == &probe->minor_thread || capability == &probe->minor_sigbus;
}

static const char *probe_fault_advice(const struct gc_probe *probe,
				      const struct gc_capability *capability)
{
	switch (-capability->error) {
	case EPERM:
	case EACCES:
		return "Policy forbids userfaultfd: give this user access to /dev/userfaultfd (Linux 6.1 "
		       "and later), or set sysctl vm.unprivileged_userfaultfd=1, or grant "
		       "CAP_SYS_PTRACE; in a container, allow userfaultfd in the seccomp profile.";
	case ENOSYS:
		return "The kernel is built without CONFIG_USERFAULTFD, or a seccomp profile hides "
		       "userfaultfd.";
	case ENOTSUP:
	case EINVAL:
		return probe_is_minor(probe, capability)
			       ? "Minor faults on shared memory need Linux 5.14 or later, on x86-64 or "
				 "arm64, with CONFIG_USERFAULTFD."
			       : "SIGBUS delivery needs Linux 4.14 or later; UFFD_USER_MODE_ONLY, without "
				 "privilege, Linux 5.11.";
	case ETIMEDOUT:
		return "The range was armed, but no fault was reported.";
	case EMFILE:
	case ENFILE:
		return "Too many open files: raise RLIMIT_NOFILE (ulimit -n).";
	case ENOMEM:
	case ENOSPC:
		return "Not enough memory: look at the cgroup's limit, RLIMIT_AS (ulimit -v) and "
		       "vm.overcommit_memory.";
	case EFBIG:
		return "RLIMIT_FSIZE forbids files of that size: raise it (ulimit -f).";
	default:
		return "Userfaultfd is here but does not do what the collector needs.";
	}
}

static const char *probe_memory_advice(const struct gc_probe *probe,
				       const struct gc_capability *capability)
{
	bool remap = capability == &probe->remap_shared || capability == &probe->remap_private ||
		     capability == &probe->move_back;

	switch (-capability->error) {
	case ENOMEM:
	case ENOSPC:
		return "Not enough memory or address space: look at the cgroup's limit, RLIMIT_AS (ulimit "
		       "-v) and vm.overcommit_memory.";
	case EMFILE:
	case ENFILE:
		return "Too many open files: raise RLIMIT_NOFILE (ulimit -n).";
	case EFBIG:
		return "RLIMIT_FSIZE forbids files of that size: raise it (ulimit -f).";
	case EINVAL:
		if (remap)
			return "MREMAP_DONTUNMAP needs Linux 5.7, on shared mappings 5.13.";
		return "memfd_create with sealing needs Linux 3.17 or later.";
	case EPERM:
	case EACCES:
	case ENOSYS:
		return remap ? "A seccomp profile may forbid mremap."
			     : "A seccomp profile, or sysctl vm.memfd_noexec=2, may forbid memfd_create.";
	case E2BIG:
		return "Mappings do not merge again: watch vm.max_map_count.";
	default:
		return "The kernel does not do what the collector needs.";
	}
}

void gc_probe_explain(const struct gc_probe *probe, const struct gc_capability *capability,
		      char *text, size_t size)
{
	struct text out = {text, size};

	if (capability->works) {
		text_add(&out, "It works.");
		return;
	}
	text_add(&out, "%s failed with %s (%s). %s",
		 capability->step != NULL ? capability->step : "probing",
		 probe_error_name(capability->error), strerror(-capability->error),
		 probe_is_fault(probe, capability) ? probe_fault_advice(probe, capability)
						   : probe_memory_advice(probe, capability));
}

static void text_capability(struct text *out, const struct gc_probe *probe, const char *name,
			    const struct gc_capability *capability)
{
	char why[512];

	if (capability->works) {
		text_add(out, "%-44s yes\n", name);
		return;
	}
	gc_probe_explain(probe, capability, why, sizeof(why));
	text_add(out, "%-44s NO: %s\n", name, why);
}

static void text_moves(struct text *out, const struct gc_probe *probe)
{
	const char *name = "aligned moves take whole page tables";

	if (probe->move_bytes == 0) {
		text_add(out, "%-44s not measured\n", name);
		return;
	}
	text_add(out, "%-44s %s: %.1f us per 64 MiB (%zu MiB moved)\n", name,
		 probe->moves_page_tables ? "yes" : "NO", (double)probe->move_64mib_ns / 1000,
		 (size_t)(probe->move_bytes >> 20));
}

void gc_probe_describe(const struct gc_probe *probe, char *text, size_t size)
{
	static const char *const origins[] = {
		"/dev/userfaultfd",
		"userfaultfd(2)",
		"userfaultfd(2), user mode only: system calls on detached pages fail with EFAULT",
		"none",
	};
	struct text out = {text, size};

	if (size > 0)
		text[0] = '\0';
	text_add(&out, "%-44s %s\n", "userfaultfd from", origins[probe->origin]);
	text_capability(&out, probe, "memfd, sealed, mapped twice", &probe->memfd);
	text_capability(&out, probe, "minor faults, read by a thread", &probe->minor_thread);
	text_capability(&out, probe, "minor faults, delivered by SIGBUS", &probe->minor_sigbus);
	/* No fault of the kernel's that it has not this: no advice. */
	text_add(&out, "%-44s %s\n", "CONTINUE passes over mapped pages (patched)",
		 probe->continue_skip.works ? "yes" : "no");
	text_capability(&out, probe, "missing faults, read by a thread", &probe->missing_thread);
	text_capability(&out, probe, "missing faults, delivered by SIGBUS", &probe->missing_sigbus);
	text_capability(&out, probe, "MREMAP_DONTUNMAP on shared memory", &probe->remap_shared);
	text_capability(&out, probe, "MREMAP_DONTUNMAP on private memory", &probe->remap_private);
	text_capability(&out, probe, "extents move back and mappings merge", &probe->move_back);
	text_moves(&out, probe);
	if (probe->continue_page_ns != 0)
		text_add(&out, "%-44s %.2f us\n", "UFFDIO_CONTINUE of one page",
			 (double)probe->continue_page_ns / 1000);
	if (probe->page_ns > 0)
		text_add(&out, "%-44s %.2f us\n", "a new page and the first access to it",
			 probe->page_ns / 1000);
}
