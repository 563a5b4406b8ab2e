/* gc/os/probe_move.c: what mremap can do: keep the source mapped (DONTUNMAP), move whole
 * page tables, and move extents back so that the mappings merge again.
 *
 * The timed move works between two ranges that are aligned as a heap's views are. It wants 64 MiB
 * of existing shared pages, but a page may cost several microseconds to get, so it stops populating
 * when PROBE_POPULATE_NS are spent and moves what there is; the verdict is per page.
 *
 * Who runs here: gc_probe_run, under its lock. */
#include <errno.h>
#include <unistd.h>

#include "gc/os/mman_abi.h"
#include "gc/os/probe_parts.h"
#include "gc/os/sys.h"

#define PROBE_MIB ((size_t)1 << 20)
#define PROBE_ALIGN ((size_t)1 << 30)
#define PROBE_MOVE_BYTES (64 * PROBE_MIB)
#define PROBE_MOVE_LEAST (8 * PROBE_MIB) /* populated whatever it costs: less would be noise */
#define PROBE_POPULATE_STEP (2 * PROBE_MIB)
#define PROBE_POPULATE_NS UINT64_C(25000000)
#define PROBE_EXTENT_BYTES (2 * PROBE_MIB)
#define PROBE_MOVES 6

/* Moving page-table entries one by one costs about 100 ns a page, moving page tables 1-3 ns. */
#define PROBE_MOVE_PAGE_NS 12
#define PROBE_MOVE_FLOOR_NS 50000 /* the call itself, on a loaded machine */

static int probe_move(void *from, void *to, size_t bytes)
{
	intptr_t moved = gc_sys->mremap(from, bytes, bytes,
					MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);

	if (moved < 0 && moved > -4096)
		return (int)moved;
	return moved == (intptr_t)to ? 0 : -EIO;
}

/* Move scratch pages from view to alias: content arrives, and the source stays mapped. */
static int probe_remap(const struct gc_probe_scratch *scratch, struct gc_capability *capability)
{
	unsigned char resident[8];
	size_t pages = scratch->bytes / scratch->page_bytes;
	int result;

	for (size_t i = 0; i < pages; i++)
		*(volatile uint64_t *)(scratch->view + i * scratch->page_bytes) =
			gc_probe_pattern(i);
	gc_probe_step(capability, "mremap with MREMAP_DONTUNMAP");
	result = probe_move(scratch->view, scratch->alias, scratch->bytes);
	if (result < 0)
		return result;
	gc_probe_step(capability, "comparing pages moved by mremap");
	for (size_t i = 0; i < pages; i++)
		if (*(volatile uint64_t *)(scratch->alias + i * scratch->page_bytes) !=
		    gc_probe_pattern(i))
			return -EIO;
	gc_probe_step(capability, "looking for the source of an mremap (it should stay mapped)");
	result = gc_sys->mincore(scratch->view, scratch->bytes, resident);
	if (result < 0)
		return result;
	/* Private memory left behind reads as zero; a shared mapping as the file. */
	return *(volatile uint64_t *)scratch->view ==
			       (scratch->memfd >= 0 ? gc_probe_pattern(0) : 0)
		       ? 0
		       : -EIO;
}

static void probe_remap_part(struct gc_capability *capability, bool shared)
{
	size_t bytes = 4 * (size_t)sysconf(_SC_PAGESIZE);
	struct gc_probe_scratch scratch;
	int result = gc_probe_scratch_make(&scratch, bytes, shared, capability);

	if (result == 0 && shared) {
		gc_probe_step(capability, "fallocate on a memfd");
		result = gc_sys->fallocate(scratch.memfd, 0, 0, (off_t)bytes);
	}
	if (result == 0)
		result = probe_remap(&scratch, capability);
	gc_probe_scratch_drop(&scratch);
	capability->error = result;
	capability->works = result == 0;
}

/* Two aligned views, in one reservation of address space. */
struct probe_pair {
	char *reserved;
	size_t reserved_bytes;
	char *heap, *alias;
	size_t page_bytes, populated_bytes;
	int memfd;
};

static int probe_pair_map(struct probe_pair *pair, char *at)
{
	intptr_t address = gc_sys->mmap(at, PROBE_MOVE_BYTES, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_FIXED | MAP_NORESERVE, pair->memfd, 0);

	return address < 0 && address > -4096 ? (int)address : 0;
}

static int probe_pair_make(struct probe_pair *pair, struct gc_capability *capability)
{
	intptr_t address;
	int result;

	*pair = (struct probe_pair){.memfd = -1, .page_bytes = (size_t)sysconf(_SC_PAGESIZE)};
	gc_probe_step(capability, "memfd_create");
	pair->memfd = gc_sys->memfd_create("parallax-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (pair->memfd < 0)
		return pair->memfd;
	gc_probe_step(capability, "sizing a memfd");
	result = gc_sys->ftruncate(pair->memfd, (off_t)PROBE_MOVE_BYTES);
	if (result < 0)
		return result;
	gc_probe_step(capability, "reserving address space for two aligned views");
	address = gc_sys->mmap(NULL, 2 * PROBE_ALIGN + PROBE_MOVE_BYTES, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (address < 0 && address > -4096)
		return (int)address;
	pair->reserved = (char *)address;
	pair->reserved_bytes = 2 * PROBE_ALIGN + PROBE_MOVE_BYTES;
	pair->heap = (char *)(((uintptr_t)address + PROBE_ALIGN - 1) & ~(PROBE_ALIGN - 1));
	pair->alias = pair->heap + PROBE_ALIGN;
	gc_probe_step(capability, "mapping two aligned views");
	result = probe_pair_map(pair, pair->heap);
	return result < 0 ? result : probe_pair_map(pair, pair->alias);
}

static void probe_pair_drop(struct probe_pair *pair)
{
	if (pair->reserved != NULL)
		gc_sys->munmap(pair->reserved, pair->reserved_bytes);
	if (pair->memfd >= 0)
		gc_sys->close(pair->memfd);
}

/* Make pages exist in the heap view, a word of pattern in each, within the time there is. */
static int probe_pair_populate(struct probe_pair *pair, struct gc_capability *capability)
{
	uint64_t limit_ns = gc_probe_now_ns() + PROBE_POPULATE_NS;

	gc_probe_step(capability, "fallocate on a memfd");
	while (pair->populated_bytes < PROBE_MOVE_BYTES &&
	       (pair->populated_bytes < PROBE_MOVE_LEAST || gc_probe_now_ns() < limit_ns)) {
		char *at = pair->heap + pair->populated_bytes;
		int result = gc_sys->fallocate(pair->memfd, 0, (off_t)pair->populated_bytes,
					       (off_t)PROBE_POPULATE_STEP);

		if (result < 0)
			return result;
		/* Faster than the touches below; a kernel without it takes those faults instead. */
		(void)gc_sys->madvise(at, PROBE_POPULATE_STEP, MADV_POPULATE_WRITE);
		pair->populated_bytes += PROBE_POPULATE_STEP;
		for (char *page = at; page < at + PROBE_POPULATE_STEP; page += pair->page_bytes)
			*(volatile uint64_t *)page =
				gc_probe_pattern((size_t)(page - pair->heap) / pair->page_bytes);
	}
	return 0;
}

/* Time moves there and back; the best one counts, since noise only adds. Ends with all page tables
 * in the heap view. */
static int probe_time_moves(struct gc_probe *probe, const struct probe_pair *pair,
			    struct gc_capability *capability)
{
	uint64_t best_ns = UINT64_MAX, threshold_ns;

	gc_probe_step(capability, "moving an aligned view");
	for (int i = 0; i < PROBE_MOVES; i++) {
		bool out = i % 2 == 0;
		uint64_t start_ns = gc_probe_now_ns(), took_ns;
		int result = probe_move(out ? pair->heap : pair->alias,
					out ? pair->alias : pair->heap, pair->populated_bytes);

		if (result < 0)
			return result;
		took_ns = gc_probe_now_ns() - start_ns;
		best_ns = took_ns < best_ns ? took_ns : best_ns;
	}
	threshold_ns = pair->populated_bytes / pair->page_bytes * PROBE_MOVE_PAGE_NS;
	if (threshold_ns < PROBE_MOVE_FLOOR_NS)
		threshold_ns = PROBE_MOVE_FLOOR_NS;
	probe->move_bytes = pair->populated_bytes;
	probe->move_64mib_ns =
		best_ns * (PROBE_MOVE_BYTES / PROBE_MIB) / (pair->populated_bytes / PROBE_MIB);
	probe->moves_page_tables = best_ns < threshold_ns;
	return 0;
}

/* State of a reader of /proc/self/maps that counts mappings which meet [low, high). */
struct probe_maps {
	uintptr_t low, high;
	uintptr_t number[2]; /* start and end of the line being read */
	unsigned field;	     /* 0: start, 1: end, 2: the rest of the line */
	int count;
};

static void probe_maps_feed(struct probe_maps *maps, char c)
{
	if (c == '\n') {
		maps->count += maps->number[0] < maps->high && maps->number[1] > maps->low;
		maps->number[0] = maps->number[1] = 0;
		maps->field = 0;
	} else if (maps->field < 2 && (c == '-' || c == ' ')) {
		maps->field++;
	} else if (maps->field < 2) {
		uintptr_t digit = (uintptr_t)(c >= 'a' ? c - 'a' + 10 : c - '0');

		maps->number[maps->field] = maps->number[maps->field] << 4 | digit;
	}
}

/* How many mappings meet the populated part of the heap view, or a negative errno. */
static int probe_count_mappings(const struct probe_pair *pair)
{
	struct probe_maps maps = {.low = (uintptr_t)pair->heap,
				  .high = (uintptr_t)pair->heap + pair->populated_bytes};
	int fd = gc_sys->open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	char buffer[4096];
	ssize_t got;

	if (fd < 0)
		return fd;
	while ((got = gc_sys->read(fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < got; i++)
			probe_maps_feed(&maps, buffer[i]);
	gc_sys->close(fd);
	return got < 0 ? (int)got : maps.count;
}

static int probe_check_merged(const struct probe_pair *pair, struct gc_capability *capability)
{
	int count;

	gc_probe_step(capability, "counting the heap's mappings in /proc/self/maps");
	count = probe_count_mappings(pair);
	if (count < 0)
		return count;
	gc_probe_step(capability, "expecting the mappings of extents moved back to merge");
	return count <= 2 ? 0 : -E2BIG;
}

static int probe_move_back(const struct probe_pair *pair, struct gc_capability *capability)
{
	int result;

	gc_probe_step(capability, "detaching a view");
	result = probe_move(pair->heap, pair->alias, pair->populated_bytes);
	for (size_t at = 0; result == 0 && at < pair->populated_bytes; at += PROBE_EXTENT_BYTES) {
		gc_probe_step(capability, "moving an extent back");
		result = probe_move(pair->alias + at, pair->heap + at, PROBE_EXTENT_BYTES);
		if (result == 0 && at == pair->populated_bytes / 2)
			result = probe_check_merged(pair, capability);
	}
	if (result == 0)
		result = probe_check_merged(pair, capability);
	if (result < 0)
		return result;
	gc_probe_step(capability, "comparing extents moved back");
	for (size_t at = 0; at < pair->populated_bytes; at += pair->page_bytes)
		if (*(volatile uint64_t *)(pair->heap + at) !=
		    gc_probe_pattern(at / pair->page_bytes))
			return -EIO;
	return 0;
}

void gc_probe_remap_parts(struct gc_probe *probe)
{
	probe_remap_part(&probe->remap_shared, true);
	probe_remap_part(&probe->remap_private, false);
}

void gc_probe_move_part(struct gc_probe *probe)
{
	struct gc_capability *capability = &probe->move_back;
	struct probe_pair pair;
	int result;

	if (!probe->remap_shared.works) {
		*capability = probe->remap_shared; /* for the same reason */
		return;
	}
	result = probe_pair_make(&pair, capability);
	if (result == 0)
		result = probe_pair_populate(&pair, capability);
	if (result == 0)
		result = probe_time_moves(probe, &pair, capability);
	if (result == 0)
		result = probe_move_back(&pair, capability);
	probe_pair_drop(&pair);
	capability->error = result;
	capability->works = result == 0;
}
