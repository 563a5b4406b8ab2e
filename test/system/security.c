/* test/system/security.c: what docs/security.md promises, as the kernel tells it (/proc/self/smaps, seals, ELF
 * headers): nothing of the heap can be executed, the views are where nobody can compute them from an object's
 * address, guard pages are around views and tables, the file can be neither resized nor run, children and cores
 * have nothing of it. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gc/heap/heap.h"
#include "test/support/hostile.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

/* ---- mappings ---- */

struct mapping {
	uintptr_t start, end;
	char permissions[8], flags[256];
};

/* The mapping that holds `address`; its flags are those of smaps. */
static bool mapping_of(uintptr_t address, struct mapping *found)
{
	char line[512];
	bool inside = false;
	FILE *file = fopen("/proc/self/smaps", "re");
	struct mapping one;

	HOSTILE_CHECK(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &one.start, &one.end, one.permissions) == 3) {
			inside = address >= one.start && address < one.end;
			if (inside)
				*found = one;
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			snprintf(found->flags, sizeof(found->flags), "%.200s", line + 8);
			fclose(file);
			return true;
		}
	}
	fclose(file);
	return false;
}

static void expect_permissions(const void *address, const char *permissions)
{
	struct mapping mapping;

	HOSTILE_CHECK(mapping_of((uintptr_t)address, &mapping));
	if (strcmp(mapping.permissions, permissions) != 0) {
		fprintf(stderr, "%p is %s, not %s\n", address, mapping.permissions, permissions);
		exit(1);
	}
}

/* As for a view: shared, never executable. Debug builds close what nobody should look at just now. */
static void expect_shared(const void *address)
{
	struct mapping mapping;

	HOSTILE_CHECK(mapping_of((uintptr_t)address, &mapping));
	HOSTILE_CHECK(mapping.permissions[2] == '-' && mapping.permissions[3] == 's');
}

static void expect_view(const char *start, uint64_t bytes)
{
	expect_shared(start);
	expect_shared(start + bytes - 1);
	expect_permissions(start - 1, "---p");
	expect_permissions(start + bytes, "---p");
}

/* Readable, writable, never executable; on both sides a page that nobody may touch. */
static void expect_guarded(const char *start, uint64_t bytes, const char *permissions)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	expect_permissions(start, permissions);
	expect_permissions(start + bytes - 1, permissions);
	expect_permissions(start - 1, "---p");
	expect_permissions(start + (bytes + page - 1) / page * page, "---p");
}

static struct plx_heap *heap_make(const char *plan)
{
	struct plx_error error = {0};
	struct plx_heap *heap = hostile_heap(plan, NULL, "16M", &error);

	if (heap == NULL && error.status == PLX_ERROR_CAPABILITY)
		HOSTILE_SKIP("no %s plan here", plan);
	HOSTILE_CHECK(heap != NULL);
	return heap;
}

static int run_mappings(void)
{
	struct plx_heap *heap = heap_make("minor");
	const struct gc_heap *gc = (const struct gc_heap *)heap;
	uint64_t total = gc->view.total_bytes, pages = gc->pages.count;
	struct mapping mapping;

	hostile_session(heap, 4);
	for (int again = 0; again < 2; again++) {
		expect_view(gc->view.heap, total);
		expect_view(gc->view.alias, total);
		expect_guarded((const char *)gc->markbits.words, total / 64, "rw-p");
		expect_guarded((const char *)gc->pages.states, pages, "rw-p");
		expect_guarded((const char *)gc->pages.flags, pages, "rw-p");
		expect_guarded((const char *)gc->target_source, pages * sizeof(uintptr_t), "rw-p");
		hostile_session(heap, 4); /* and after more cycles */
	}
	HOSTILE_CHECK(mapping_of((uintptr_t)gc->view.heap, &mapping));
	HOSTILE_CHECK(strstr(mapping.flags, " dc") && strstr(mapping.flags, " dd"));
	HOSTILE_CHECK(mapping_of((uintptr_t)gc->view.alias, &mapping));
	HOSTILE_CHECK(strstr(mapping.flags, " dc") && strstr(mapping.flags, " dd"));
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

/* No mapping of the whole process can be written and run. */
static int run_no_code(void)
{
	struct plx_heap *heap = heap_make(NULL);
	char line[512], permissions[8];
	FILE *maps;

	hostile_session(heap, 4);
	maps = fopen("/proc/self/maps", "re");
	HOSTILE_CHECK(maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		HOSTILE_CHECK(sscanf(line, "%*s %7s", permissions) == 1);
		if (strchr(permissions, 'w') && strchr(permissions, 'x')) {
			fprintf(stderr, "can be written and run: %s", line);
			return 1;
		}
	}
	fclose(maps);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

/* ---- places ---- */

#define LIVES 12

/* Seen from the heap view, the alias is somewhere else each time; and so is the heap. */
static int run_places(void)
{
	uintptr_t heaps[LIVES], distances[LIVES];
	unsigned same_heaps = 0, same_distances = 0;

	for (int i = 0; i < LIVES; i++) {
		struct plx_heap *heap = heap_make("minor");
		const struct gc_view *view = &((const struct gc_heap *)heap)->view;

		heaps[i] = (uintptr_t)view->heap;
		distances[i] = (uintptr_t)view->delta;
		HOSTILE_CHECK(plx_heap_destroy(heap) == PLX_OK);
		for (int k = 0; k < i; k++) {
			same_heaps += heaps[k] == heaps[i];
			same_distances += distances[k] == distances[i];
		}
	}
	printf("%u of %u pairs of heaps share a place, %u a distance\n", same_heaps,
	       LIVES * (LIVES - 1) / 2, same_distances);
	return same_heaps > 6 || same_distances > 6;
}

/* ---- the file ---- */

static int run_file(void)
{
	struct plx_heap *heap = heap_make("minor");
	int fd = ((const struct gc_heap *)heap)->view.memfd, plain;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat about;

	HOSTILE_CHECK((seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) ==
		      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	HOSTILE_CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	HOSTILE_CHECK(ftruncate(fd, 4096) != 0 && errno == EPERM);
	HOSTILE_CHECK(fstat(fd, &about) == 0);
	plain = memfd_create("plain", MFD_CLOEXEC | 8u /* MFD_NOEXEC_SEAL */);
	if (plain >= 0) {
		HOSTILE_CHECK(seals & F_SEAL_EXEC);
		HOSTILE_CHECK((about.st_mode & 0111) == 0 && fchmod(fd, 0700) != 0);
		close(plain);
	}
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

/* ---- children ---- */

/* The library sees to what a child of fork still has open. */
static bool forks_are_known(void)
{
	struct plx_heap_config config;

	plx_config_init(&config);
	return plx_config_set(&config, "GC_FORK", "forbid", NULL) == PLX_OK;
}

/* Nothing is there, or what nobody may touch. */
static bool is_barred(const char *address)
{
	struct mapping mapping;

	return !mapping_of((uintptr_t)address, &mapping) ||
	       strncmp(mapping.permissions, "---", 3) == 0;
}

static int run_children(void)
{
	struct plx_heap *heap = heap_make("minor");
	const struct gc_heap *gc = (const struct gc_heap *)heap;
	pid_t child = fork();
	char target[64], path[32];
	ssize_t bytes;

	if (child != 0) {
		int status = hostile_wait(child, 20);

		HOSTILE_CHECK(plx_heap_destroy(heap) == PLX_OK);
		return status;
	}
	HOSTILE_CHECK(is_barred(gc->view.heap) && is_barred(gc->view.alias));
	for (int fd = 3; fd < 64 && forks_are_known(); fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		bytes = readlink(path, target, sizeof(target) - 1);
		target[bytes > 0 ? bytes : 0] = '\0';
		HOSTILE_CHECK(!strstr(target, "parallax") && !strstr(target, "userfaultfd"));
	}
	_exit(0);
}

/* ---- the program ---- */

static int run_program(void)
{
	bool relro = false, stack = false, now = false;
	const ElfW(Ehdr) * header;
	const ElfW(Phdr) * segments;
	static char file[1 << 16];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	HOSTILE_CHECK(fd >= 0 && read(fd, file, sizeof(file)) > (ssize_t)sizeof(*header));
	close(fd);
	header = (const void *)file;
	segments = (const void *)(file + header->e_phoff);
	HOSTILE_CHECK(header->e_type == ET_DYN); /* position-independent */
	for (int i = 0; i < header->e_phnum; i++) {
		relro |= segments[i].p_type == PT_GNU_RELRO;
		stack |= segments[i].p_type == PT_GNU_STACK && !(segments[i].p_flags & PF_X);
		HOSTILE_CHECK((segments[i].p_flags & (PF_W | PF_X)) != (PF_W | PF_X));
	}
	for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
		now |= (entry->d_tag == DT_FLAGS && entry->d_un.d_val & DF_BIND_NOW) ||
		       (entry->d_tag == DT_FLAGS_1 && entry->d_un.d_val & DF_1_NOW);
	HOSTILE_CHECK(relro && stack && now);
	return 0;
}

static const struct hostile_case cases[] = {
	{"mappings", run_mappings}, {"no-code", run_no_code},	{"places", run_places},
	{"file", run_file},	    {"children", run_children}, {"program", run_program},
};

int main(int argc, char **argv)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
