/* gc/os/probe_page.c: what a page costs that did not exist: until the kernel has made it and somebody has
 * been in it. A quarter of a microsecond, or, where a hypervisor keeps page tables of its own, sixty times that.
 *
 * Who runs here: heap creation and the info program, under the probe's lock. */
#include <unistd.h>

#include "gc/os/probe_parts.h"
#include "gc/os/sys.h"

#define PROBE_PAGE_BATCH 8
#define PROBE_PAGE_BATCHES 4

/* Time for a batch of pages, or a negative errno. Shared ones are asked for first: a touch that finds no memory would
 * raise SIGBUS. */
static int64_t probe_batch_ns(const struct gc_probe_scratch *scratch, size_t batch)
{
	size_t bytes = PROBE_PAGE_BATCH * scratch->page_bytes, offset = batch * bytes;
	uint64_t start_ns = gc_probe_now_ns();

	if (scratch->memfd >= 0) {
		int result = gc_sys->fallocate(scratch->memfd, 0, (off_t)offset, (off_t)bytes);

		if (result < 0)
			return result;
	}
	for (size_t at = offset; at < offset + bytes; at += scratch->page_bytes)
		*(volatile char *)(scratch->view + at) = 1;
	return (int64_t)(gc_probe_now_ns() - start_ns);
}

double gc_probe_page_part(bool shared)
{
	size_t bytes = PROBE_PAGE_BATCH * PROBE_PAGE_BATCHES * (size_t)sysconf(_SC_PAGESIZE);
	struct gc_capability capability = {0};
	struct gc_probe_scratch scratch;
	int64_t least_ns = INT64_MAX;

	if (gc_probe_scratch_make(&scratch, bytes, shared, &capability) < 0)
		return 0;
	/* The fastest: another one's time slice is no cost of a page. */
	for (size_t batch = 0; batch < PROBE_PAGE_BATCHES; batch++) {
		int64_t ns = probe_batch_ns(&scratch, batch);

		least_ns = ns < least_ns ? ns : least_ns;
	}
	gc_probe_scratch_drop(&scratch);
	return least_ns > 0 ? (double)least_ns / PROBE_PAGE_BATCH : 0;
}
