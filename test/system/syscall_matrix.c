/* test/system/syscall_matrix.c: which system calls work on heap memory while its pages are away: the table of
 * docs/embedding.md, made anew. A cycle is held after its flip; buffers without references that it moves, that
 * are pinned, or that are fixed, are then read and written by the kernel. Those of pinned and fixed buffers
 * must all succeed, in each plan and delivery; those of plain ones are printed.
 *
 * A row that the kernel refuses altogether is left out, by trying it on memory outside of the heap first. */
#include <errno.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/world.h"
#include "test/support/check.h"
#include "test/support/hold.h"

#define BUFFER_BYTES 20000
#define USED_BYTES 6000 /* somewhere in the middle: more than one page */
#define USED_AT 8000

/* ---- the calls: 0, or the errno. `buffer` has USED_BYTES, in a page or two that nobody touched since the flip -- */

static int ends[2], sockets[2];

static int result(long got, long wanted)
{
	if (got < 0)
		return errno;
	return got == wanted ? 0 : EIO;
}

static int call_read(char *buffer)
{
	static const char data[USED_BYTES] = "read";
	int error;

	CHECK(write(ends[1], data, USED_BYTES) == USED_BYTES);
	error = result(read(ends[0], buffer, USED_BYTES), USED_BYTES);
	if (error != 0) { /* empty it */
		char rest[USED_BYTES];

		CHECK(read(ends[0], rest, sizeof(rest)) > 0);
	}
	return error;
}

static int call_write(char *buffer)
{
	char back[USED_BYTES];
	int error = result(write(ends[1], buffer, USED_BYTES), USED_BYTES);

	if (error == 0)
		CHECK(read(ends[0], back, USED_BYTES) == USED_BYTES);
	return error;
}

static int call_recv(char *buffer)
{
	char data[USED_BYTES] = "recv";
	int error;

	CHECK(send(sockets[1], data, USED_BYTES, 0) == USED_BYTES);
	error = result(recv(sockets[0], buffer, USED_BYTES, 0), USED_BYTES);
	while (recv(sockets[0], data, sizeof(data), MSG_DONTWAIT) > 0)
		continue;
	return error;
}

/* The kernel reads the word, which differs. */
static int call_futex(char *buffer)
{
	long got = syscall(SYS_futex, buffer, FUTEX_WAIT_PRIVATE, 0x12345678, NULL, NULL, 0);

	return got == 0 || errno == EAGAIN ? 0 : errno;
}

static int call_getrandom(char *buffer)
{
	return result(getrandom(buffer, USED_BYTES, 0), USED_BYTES);
}

/* Another process reads it, as a debugger does. */
static int call_ptrace(char *buffer)
{
	pid_t parent = getpid(), child = fork();
	int status = 0;

	CHECK(child >= 0);
	if (child == 0) {
		char copy[USED_BYTES];
		struct iovec to = {copy, sizeof(copy)}, from = {buffer, sizeof(copy)};

		_exit(result(process_vm_readv(parent, &to, 1, &from, 1, 0), USED_BYTES));
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A ring of one entry, by bare system calls: a read from the pipe. */
static int call_io_uring(char *buffer)
{
	struct io_uring_params params = {0};
	int ring = (int)syscall(SYS_io_uring_setup, 1, &params), error;
	size_t sq_bytes, cq_bytes;
	struct io_uring_sqe *entry;
	char *sq, *cq;

	if (ring < 0)
		return errno;
	sq_bytes = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
	cq_bytes = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
	sq = mmap(NULL, sq_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
		  IORING_OFF_SQ_RING);
	cq = mmap(NULL, cq_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
		  IORING_OFF_CQ_RING);
	entry = mmap(NULL, sizeof(*entry), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
		     IORING_OFF_SQES);
	CHECK(sq != MAP_FAILED && cq != MAP_FAILED && (void *)entry != MAP_FAILED);
	CHECK(write(ends[1], "io_uring", 8) == 8);
	*entry = (struct io_uring_sqe){.opcode = IORING_OP_READ,
				       .fd = ends[0],
				       .addr = (uintptr_t)buffer,
				       .len = 8,
				       .off = UINT64_MAX};
	((uint32_t *)(void *)(sq + params.sq_off.array))[0] = 0;
	__atomic_store_n((uint32_t *)(void *)(sq + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	error = result(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0), 1);
	if (error == 0) {
		const struct io_uring_cqe *done =
			(const struct io_uring_cqe *)(void *)(cq + params.cq_off.cqes);

		error = done->res < 0 ? -done->res : done->res == 8 ? 0 : EIO;
	}
	if (error != 0) {
		char rest[8];

		CHECK(read(ends[0], rest, sizeof(rest)) == 8);
	}
	munmap(entry, sizeof(*entry));
	munmap(cq, cq_bytes);
	munmap(sq, sq_bytes);
	close(ring);
	return error;
}

static struct {
	const char *name;
	int (*call)(char *buffer);
	bool refused;
} rows[] = {
	{"read", call_read, false},	      {"write", call_write, false},
	{"recv", call_recv, false},	      {"futex", call_futex, false},
	{"io_uring", call_io_uring, false},   {"ptrace", call_ptrace, false},
	{"getrandom", call_getrandom, false},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- the buffers ---- */

enum kind { KIND_PLAIN, KIND_PINNED, KIND_FIXED, KIND_COUNT };

static const char *const kind_names[] = {"plain", "pinned", "fixed"};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *bytes;
static struct plx_handle *buffers[KIND_COUNT][ROWS];
static uintptr_t before[ROWS]; /* complements of where the plain ones were */

static bool heap_open(const char *plan, const char *delivery)
{
	struct plx_heap_config config;

	plx_config_init(&config);
	CHECK(plx_config_from_environment(&config, NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_HEAP_MAX", "64M", NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_EVACUATE", "all", NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_WORKERS", "1", NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_CYCLE_EVERY", "1T", NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_PLAN", plan, NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_UFFD_DELIVERY", delivery, NULL) == PLX_OK);
	if (plx_heap_create(&config, &heap, NULL) != PLX_OK)
		return false;
	CHECK(plx_thread_attach(heap, &thread, NULL) == PLX_OK);
	bytes = plx_layout_bytes(heap, NULL);
	return true;
}

static char *used(enum kind kind, size_t row)
{
	return (char *)buffers[kind][row]->ref + USED_AT;
}

static struct plx_handle *buffer_make(enum kind kind)
{
	void *object = kind == KIND_FIXED ? plx_alloc_fixed(thread, bytes, BUFFER_BYTES)
					  : plx_alloc_array(thread, bytes, BUFFER_BYTES);
	struct plx_handle *handle;

	CHECK(object != NULL);
	memset((char *)object + sizeof(struct plx_header), 'x',
	       BUFFER_BYTES - sizeof(struct plx_header));
	handle = plx_handle_create(thread, object);
	if (kind == KIND_PINNED)
		CHECK(plx_pin(thread, object, "matrix") == PLX_OK);
	return handle;
}

/* Each sort in regions of its own: pins hold theirs. */
static void buffers_make(void)
{
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		for (size_t row = 0; row < ROWS; row++)
			buffers[kind][row] = buffer_make((enum kind)kind);
		for (int i = 0; i < 200; i++)
			CHECK(plx_alloc_array(thread, bytes, BUFFER_BYTES) != NULL);
	}
	plx_collect(thread);
}

/* ---- the table ---- */

static int fails[KIND_COUNT];

static void cell(enum kind kind, size_t row)
{
	int error = rows[row].call(used(kind, row));

	printf(" %-8s", error ? strerrorname_np(error) : "works");
	if (error != 0)
		fails[kind]++;
}

static void table(const char *plan, const char *delivery)
{
	if (!heap_open(plan, delivery)) {
		printf("no plan %s with delivery %s here\n", plan, delivery);
		return;
	}
	buffers_make();
	for (size_t row = 0; row < ROWS; row++)
		before[row] = ~(uintptr_t)buffers[KIND_PLAIN][row]->ref;
	hold_next(heap);
	hold_collect();
	CHECK(hold_wait(thread));
	printf("%-6s %-7s  %-8s %-8s %-8s\n", plan, delivery, kind_names[0], kind_names[1],
	       kind_names[2]);
	for (size_t row = 0; row < ROWS; row++) {
		if (rows[row].refused)
			continue;
		CHECK(before[row] != ~(uintptr_t)buffers[KIND_PLAIN][row]->ref);
		printf("  %-14s", rows[row].name);
		for (int kind = 0; kind < KIND_COUNT; kind++)
			cell((enum kind)kind, row);
		printf("\n");
	}
	/* Else nothing was away, and the table says nothing. */
	CHECK(strcmp(delivery, "sigbus") != 0 || fails[KIND_PLAIN] > 0);
	hold_release(thread);
	for (int kind = 0; kind < KIND_COUNT; kind++)
		for (size_t row = 0; row < ROWS; row++) {
			if (kind == KIND_PINNED)
				CHECK(plx_unpin(thread, buffers[kind][row]->ref, "matrix") ==
				      PLX_OK);
			plx_handle_release(thread, buffers[kind][row]);
		}
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
}

/* Rows that fail on ordinary memory say nothing. */
static void rows_try(void)
{
	char *memory = calloc(1, BUFFER_BYTES);

	for (size_t row = 0; row < ROWS; row++) {
		int error = rows[row].call(memory + USED_AT);

		rows[row].refused = error != 0;
		if (error != 0)
			printf("%s is left out: %s\n", rows[row].name, strerror(error));
	}
	free(memory);
}

int main(void)
{
#ifdef __SANITIZE_THREAD__
	return 77; /* it counts the locks that are taken around fork, and they are too many */
#endif
	CHECK(pipe(ends) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* refused: the row is left out */
	rows_try();
	hold_install();
	table("minor", "thread");
	table("minor", "sigbus");
	table("copy", "thread");
	table("copy", "sigbus");
	hold_uninstall();
	printf("%d calls on plain buffers failed, %d on pinned, %d on fixed ones\n",
	       fails[KIND_PLAIN], fails[KIND_PINNED], fails[KIND_FIXED]);
	return fails[KIND_PINNED] != 0 || fails[KIND_FIXED] != 0;
}
