/* examples/lisp/foreign.c: C functions and system calls that work on Lisp strings by their address.
 *
 * A string moves; C code wants it to stay. So it is pinned for the duration of the call. Then the thread may
 * leave the heap: no collection waits for a read that waits, and the bytes may be read and written all the
 * same, by C code and by the kernel, because the string is a leaf (docs/embedding.md has the table). */
#include "examples/lisp/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A pinned string, outside of the heap. */
struct borrowed {
	struct plx_pin_scope pins;
	char *bytes;
	size_t length;
};

/* The thread is in a blocking region after it. False after an error. */
static bool borrow(struct machine *m, struct borrowed *borrowed, word w, const char *who)
{
	if (!is_text(m, w)) {
		lisp_fail(m, "not a string:", w);
		return false;
	}
	plx_pin_scope_enter(&borrowed->pins, who);
	if (plx_pin_scoped(m->thread, &borrowed->pins, w) != PLX_OK) {
		plx_pin_scope_exit(m->thread, &borrowed->pins);
		lisp_no_memory(m);
		return false;
	}
	borrowed->bytes = ((struct text *)w)->bytes;
	borrowed->length = plx_object_length(w);
	plx_block_enter(m->thread);
	return true;
}

static void give_back(struct machine *m, struct borrowed *borrowed)
{
	plx_block_exit(m->thread);
	plx_pin_scope_exit(m->thread, &borrowed->pins);
}

/* --- C functions, which know nothing of Lisp --------------------------------------------------------- */

/* Adler-32, by M. Adler: two sums modulo 65521. */
static uint32_t checksum(const unsigned char *bytes, size_t count)
{
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < count; i++) {
		a = (a + bytes[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

static int compare_bytes(const void *a, const void *b)
{
	return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* (checksum string) */
static word prim_checksum(struct machine *m, word *args, unsigned count)
{
	struct borrowed text;
	uint32_t sum;

	(void)count;
	if (!borrow(m, &text, args[0], "checksum"))
		return NULL;
	sum = checksum((const unsigned char *)text.bytes, text.length);
	give_back(m, &text);
	return word_fixnum(sum);
}

/* (sort-bytes! string): libc's qsort, in place. */
static word prim_sort_bytes(struct machine *m, word *args, unsigned count)
{
	struct borrowed text;

	(void)count;
	if (!borrow(m, &text, args[0], "qsort"))
		return NULL;
	qsort(text.bytes, text.length, 1, compare_bytes);
	give_back(m, &text);
	return NOTHING;
}

/* --- ports --------------------------------------------------------------------------------------- */

static word port_make(struct machine *m, int descriptor)
{
	struct body *body = resource_body(m, BODY_PORT);

	if (body == NULL) {
		close(descriptor);
		return lisp_no_memory(m);
	}
	body->descriptor = descriptor;
	return resource_make(m, body);
}

/* (make-buffer length): a string that keeps its address for life: for C code that is used again and again.
 * Pinning it costs next to nothing, and holds nothing back. */
static word prim_make_buffer(struct machine *m, word *args, unsigned count)
{
	word text;

	(void)count;
	if (!word_is_fixnum(args[0]) || word_number(args[0]) < 0)
		return lisp_fail(m, "make-buffer: not a length:", args[0]);
	text = plx_alloc_fixed(m->thread, m->lisp->layouts[KIND_TEXT],
			       (uint64_t)word_number(args[0]));
	return text ? text : lisp_no_memory(m);
}

/* (address x): where it is now. For tests: no program may build on it. */
static word prim_address(struct machine *m, word *args, unsigned count)
{
	(void)m;
	(void)count;
	return word_fixnum((int64_t)(uintptr_t)args[0]);
}

/* (pipe): (reading end . writing end). A port that nobody refers to any more is closed: see resource.c. */
static word prim_pipe(struct machine *m, word *args, unsigned count)
{
	int ends[2];
	word port;

	(void)args;
	(void)count;
	if (pipe(ends) != 0)
		return lisp_fail(m, "cannot make a pipe", NULL);
	port = port_make(m, ends[0]);
	if (port == NULL) {
		close(ends[1]);
		return NULL;
	}
	lisp_push(m, port);
	port = port_make(m, ends[1]);
	if (port == NULL)
		return NULL;
	lisp_push(m, port);
	return lisp_cons(m, lisp_top(m) - 1, lisp_top(m));
}

static word transferred(struct machine *m, ssize_t bytes, int why)
{
	if (bytes >= 0)
		return word_fixnum(bytes);
	return lisp_fail(m, "the system call failed:", word_fixnum(why));
}

/* (port-write port string): how many bytes were written. The kernel reads them from the heap. */
static word prim_port_write(struct machine *m, word *args, unsigned count)
{
	struct body *port = resource_get(m, args[0], BODY_PORT, "port-write: not a port:");
	struct borrowed text;
	ssize_t bytes;
	int why;

	(void)count;
	if (port == NULL || !borrow(m, &text, args[1], "write"))
		return NULL;
	bytes = write(port->descriptor, text.bytes, text.length);
	why = errno;
	give_back(m, &text);
	return transferred(m, bytes, why);
}

/* (port-read! port string): how many bytes were read into it; 0 at the end. Waits for some. */
static word prim_port_read(struct machine *m, word *args, unsigned count)
{
	struct body *port = resource_get(m, args[0], BODY_PORT, "port-read!: not a port:");
	struct borrowed text;
	ssize_t bytes;
	int why;

	(void)count;
	if (port == NULL || !borrow(m, &text, args[1], "read"))
		return NULL;
	bytes = read(port->descriptor, text.bytes, text.length);
	why = errno;
	give_back(m, &text);
	return transferred(m, bytes, why);
}

/* (port-close port): now, rather than when it is garbage. */
static word prim_port_close(struct machine *m, word *args, unsigned count)
{
	struct body *port = resource_get(m, args[0], BODY_PORT, "port-close: not a port:");

	(void)count;
	if (port == NULL)
		return NULL;
	if (port->descriptor > STDERR_FILENO)
		close(port->descriptor);
	port->descriptor = -1;
	return NOTHING;
}

/* (descriptors): how many file descriptors this process has, up to a thousand. */
static word prim_descriptors(struct machine *m, word *args, unsigned count)
{
	int64_t open = 0;

	(void)m;
	(void)args;
	(void)count;
	for (int i = 0; i < 1000; i++)
		open += fcntl(i, F_GETFD) != -1;
	return word_fixnum(open);
}

const struct primitive foreign_primitives[] = {
	{"checksum", prim_checksum, 1, 1},
	{"sort-bytes!", prim_sort_bytes, 1, 1},
	{"make-buffer", prim_make_buffer, 1, 1},
	{"address", prim_address, 1, 1},
	{"pipe", prim_pipe, 0, 0},
	{"port-write", prim_port_write, 2, 2},
	{"port-read!", prim_port_read, 2, 2},
	{"port-close", prim_port_close, 1, 1},
	{"descriptors", prim_descriptors, 0, 0},
	{NULL, NULL, 0, 0},
};
