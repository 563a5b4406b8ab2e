/* examples/pinning.c: a heap buffer for system calls and foreign code: pinned, it keeps its address while
 * the thread is out of the heap and the collector moves everything around it. */
#include <parallax/parallax.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES 20000

/* Foreign code: knows nothing of the collector. */
static uint64_t checksum(const unsigned char *data, size_t bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum = sum * 31 + data[i];
	return sum;
}

/* Out through a pipe and in again, with the thread in a blocking region. */
static bool send_and_receive(struct plx_thread *thread, struct plx_handle *buffer,
			     const int *pipe_ends, uint64_t *sum)
{
	struct plx_pin_scope scope;
	unsigned char *data;
	bool good;

	/* A leaf: it holds no references, so that the kernel always finds its pages. */
	plx_pin_scope_enter(&scope, "checksum");
	if (plx_pin_scoped(thread, &scope, buffer->ref) != PLX_OK)
		return false;
	data = (unsigned char *)buffer->ref + sizeof(struct plx_header);
	plx_block_enter(thread); /* collections go on without this thread */
	good = write(pipe_ends[1], data, BUFFER_BYTES) == BUFFER_BYTES;
	memset(data, 0, BUFFER_BYTES);
	good = good && read(pipe_ends[0], data, BUFFER_BYTES) == BUFFER_BYTES;
	*sum = checksum(data, BUFFER_BYTES);
	plx_block_exit(thread);
	good = good && buffer->ref == data - sizeof(struct plx_header); /* it has not moved */
	plx_pin_scope_exit(thread, &scope);
	return good;
}

static void show_pin(void *object, const char *who, uint64_t count, void *context)
{
	(void)object, (void)context;
	printf("pinned by %s, %lu times\n", who, (unsigned long)count);
}

static int play(struct plx_thread *thread, const struct plx_layout *bytes)
{
	struct plx_handle *buffer = plx_handle_create(thread, NULL);
	uint64_t before, after = 0;
	int pipe_ends[2];

	plx_handle_set(thread, buffer, plx_alloc_array(thread, bytes, BUFFER_BYTES));
	if (!buffer->ref || pipe(pipe_ends) != 0)
		return 1;
	memset((char *)buffer->ref + sizeof(struct plx_header), 'x', BUFFER_BYTES);
	before = checksum((unsigned char *)buffer->ref + sizeof(struct plx_header), BUFFER_BYTES);
	if (!send_and_receive(thread, buffer, pipe_ends, &after) || before != after)
		return 1;
	/* Pins that are not bound to a scope name their owner too; anybody can ask who pins. */
	if (plx_pin(thread, buffer->ref, "example") != PLX_OK)
		return 1;
	plx_pins_each(thread->heap, show_pin, NULL);
	if (plx_unpin(thread, buffer->ref, "example") != PLX_OK)
		return 1;
	printf("%d bytes, checksum %lx\n", BUFFER_BYTES, (unsigned long)after);
	plx_handle_release(thread, buffer);
	return 0;
}

int main(void)
{
	const struct plx_layout *bytes;
	struct plx_error error = {0};
	struct plx_thread *thread;
	struct plx_heap *heap;
	int failed = 1;

	if (plx_heap_create(NULL, &heap, &error) != PLX_OK ||
	    plx_thread_attach(heap, &thread, &error) != PLX_OK) {
		fprintf(stderr, "pinning: %s\n", error.message);
		return 1;
	}
	bytes = plx_layout_bytes(heap, &error);
	if (bytes)
		failed = play(thread, bytes);
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK || failed;
}
