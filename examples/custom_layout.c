/* examples/custom_layout.c: a layout by callbacks: a closure whose captured words are references or
 * plain numbers, as a mask in the object says. */
#include <parallax/parallax.h>
#include <stdio.h>

struct closure {
	struct plx_header header;
	uint64_t mask; /* bit i: word i is a reference; never changes after initialisation */
	union {
		struct closure *ref;
		uint64_t number;
	} words[];
};

static uint64_t closure_size(uint64_t length, void *context)
{
	(void)context;
	return sizeof(struct closure) + length * sizeof(uint64_t);
}

/* Runs on the collector's threads and in signal handlers. It reads the mask and the length, which
 * are constant, and reports slots; it looks neither into them nor anywhere else. */
static void closure_trace(void *object, uint64_t length, struct plx_slot_visitor *visitor,
			  void *context)
{
	struct closure *closure = object; /* perhaps not where mutators see it */

	(void)context;
	for (uint64_t i = 0; i < length; i++)
		if (closure->mask >> i & 1)
			plx_slot_visit(visitor, &closure->words[i].ref);
}

/* (number, number, outer), with the mask set before this thread's next safepoint. */
static struct closure *closure_make(struct plx_thread *thread, const struct plx_layout *layout,
				    const struct plx_handle *outer, uint64_t number)
{
	struct closure *closure = plx_alloc_array(thread, layout, 3);

	if (!closure)
		return NULL;
	closure->mask = 1u << 2;
	closure->words[0].number = number;
	closure->words[1].number = (uint64_t)outer->ref; /* looks like a reference, and is none */
	closure->words[2].ref = outer->ref;
	return closure;
}

int main(void)
{
	const struct plx_layout *layout;
	struct plx_error error = {0};
	struct plx_thread *thread;
	struct plx_handle *chain;
	struct plx_heap *heap;
	uint64_t sum = 0;

	if (plx_heap_create(NULL, &heap, &error) != PLX_OK ||
	    plx_thread_attach(heap, &thread, &error) != PLX_OK ||
	    !(layout = plx_layout_custom(heap, closure_size, closure_trace, NULL, &error))) {
		fprintf(stderr, "custom_layout: %s\n", error.message);
		return 1;
	}
	chain = plx_handle_create(thread, NULL);
	for (uint64_t i = 1; i <= 1000; i++)
		plx_handle_set(thread, chain, closure_make(thread, layout, chain, i));
	plx_collect(thread);
	for (const struct closure *c = chain->ref; c; c = c->words[2].ref)
		sum += c->words[0].number;
	printf("sum %lu\n", (unsigned long)sum);
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK || sum != 500500;
}
