/* test/support/inject_storm.c: see inject_storm.h. */
#include "test/support/inject_storm.h"

#include <errno.h>
#include <stddef.h>

#include "gc/os/uffd_abi.h"
#include "test/support/inject.h"

/* Those that cycles and mutators make; fewer than INJECT_RULES. `rarer`: times as rare, since what follows
 * is a whole cycle inside the pause. */
static const struct {
	struct inject_rule rule;
	uint64_t rarer;
} storm[] = {
	{{.entry = INJECT_mremap, .error = ENOMEM}, 4},
	{{.entry = INJECT_madvise, .error = EAGAIN}, 2},
	{{.entry = INJECT_fallocate, .error = ENOSPC}, 2},
	{{.entry = INJECT_mmap, .error = ENOMEM}, 1},
	{{.entry = INJECT_mprotect, .error = ENOMEM}, 1},
	{{.entry = INJECT_futex, .error = EINTR}, 1},
	{{.entry = INJECT_read, .error = EINTR}, 1},
	{{.entry = INJECT_write, .error = EAGAIN}, 1},
	{{.entry = INJECT_poll, .error = EINTR}, 1},
	{{.entry = INJECT_thread_signal, .error = EAGAIN}, 1},
	{{.entry = INJECT_ioctl, .request = GC_UFFDIO_CONTINUE, .partial = true}, 1},
	{{.entry = INJECT_ioctl, .request = GC_UFFDIO_CONTINUE, .error = EAGAIN}, 1},
	{{.entry = INJECT_ioctl, .request = GC_UFFDIO_COPY, .error = EAGAIN}, 1},
	{{.entry = INJECT_ioctl, .request = GC_UFFDIO_REGISTER, .error = ENOMEM}, 4},
	{{.entry = INJECT_ioctl, .request = GC_UFFDIO_UNREGISTER, .error = ENOMEM}, 2},
	{{.entry = INJECT_ioctl, .request = GC_UFFDIO_WAKE, .error = EINTR}, 1},
};

#define STORM (sizeof(storm) / sizeof(storm[0]))
_Static_assert(STORM <= INJECT_RULES, "all of them can be armed");

static int rules[STORM];

void inject_storm_begin(uint64_t one_in, uint64_t seed)
{
	for (size_t i = 0; i < STORM; i++) {
		struct inject_rule rule = storm[i].rule;

		rule.mode = INJECT_RANDOM;
		rule.one_in = one_in * storm[i].rarer;
		rule.seed = seed + i;
		rules[i] = inject_arm(&rule);
	}
}

uint64_t inject_storm_end(void)
{
	uint64_t failed = 0;

	for (size_t i = 0; i < STORM; i++) {
		failed += inject_failures(rules[i]);
		inject_disarm(rules[i]);
	}
	return failed;
}
