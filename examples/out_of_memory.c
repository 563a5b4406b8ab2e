/* examples/out_of_memory.c: a heap with a small limit, and a handler that raises the program's own
 * exception when even an emergency collection finds no room. */
#include <parallax/parallax.h>
#include <setjmp.h>
#include <stdio.h>

struct node {
	struct plx_header header;
	struct node *next;
	char payload[1000];
};

struct exception {
	jmp_buf jump;
	uint64_t requested_bytes;
};

/* Runs on the allocating thread, outside of every lock, so it may jump. If it returned instead, the
 * allocation would return NULL. */
static void raise_exception(struct plx_thread *thread, uint64_t requested_bytes, void *context)
{
	struct exception *exception = context;

	(void)thread;
	exception->requested_bytes = requested_bytes;
	longjmp(exception->jump, 1);
}

/* Returns when the handler jumps. No local is in use across the jump, so none has to be volatile. */
static void fill(struct plx_thread *thread, const struct plx_layout *layout,
		 struct exception *exception, struct plx_handle *list)
{
	if (setjmp(exception->jump) != 0)
		return;
	for (;;) {
		struct node *node = plx_alloc(thread, layout);

		node->next = list->ref;
		plx_handle_set(thread, list, node);
	}
}

static int play(struct plx_thread *thread, const struct plx_layout *layout,
		struct exception *exception, struct plx_handle *list)
{
	size_t kept = 0;

	fill(thread, layout, exception, list);
	for (const struct node *node = list->ref; node; node = node->next)
		kept++;
	printf("no room for %lu more bytes after %zu nodes; all of them are still there\n",
	       (unsigned long)exception->requested_bytes, kept);
	plx_handle_set(thread, list, NULL); /* let go, and there is room again */
	return kept == 0 || plx_alloc(thread, layout) == NULL;
}

int main(void)
{
	const size_t references[] = {offsetof(struct node, next)};
	const struct plx_layout *layout;
	struct exception exception;
	struct plx_heap_config config;
	struct plx_error error = {0};
	struct plx_thread *thread;
	struct plx_heap *heap;
	int failed = 1;

	plx_config_init(&config);
	if (plx_config_from_environment(&config, &error) != PLX_OK ||
	    plx_config_set(&config, "GC_HEAP_MAX", "8M", &error) != PLX_OK ||
	    plx_heap_create(&config, &heap, &error) != PLX_OK) {
		fprintf(stderr, "out_of_memory: %s\n", error.message);
		return 1;
	}
	plx_heap_set_oom_handler(heap, raise_exception, &exception); /* before threads attach */
	if (plx_thread_attach(heap, &thread, &error) != PLX_OK)
		return 1;
	layout = plx_layout_fixed(heap, sizeof(struct node), references, 1, &error);
	if (layout)
		failed = play(thread, layout, &exception, plx_handle_create(thread, NULL));
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK || failed;
}
