/* examples/hello_heap.c: make a heap, describe a type, allocate, hold objects in handles, store,
 * collect. */
#include <parallax/parallax.h>
#include <stdio.h>

struct pair {
	struct plx_header header; /* the first member of every object */
	struct pair *first;	  /* references are plain pointers, read by plain loads */
	struct pair *second;
	uint64_t value;
};

/* A new pair with a value. A safepoint: whatever the caller holds in C locals is stale after it. */
static struct pair *pair_make(struct plx_thread *thread, const struct plx_layout *layout,
			      uint64_t value)
{
	struct pair *pair = plx_alloc(thread, layout);

	if (pair)
		pair->value = value; /* not a reference: no barrier, ever */
	return pair;
}

static int play(struct plx_thread *thread, const struct plx_layout *layout)
{
	struct plx_scope scope;
	struct plx_handle *parent, *child;
	uint64_t sum;

	plx_scope_enter(thread, &scope);
	parent = plx_handle_push(thread, pair_make(thread, layout, 40));
	child = plx_handle_push(thread, pair_make(thread, layout, 2));
	if (!parent->ref || !child->ref)
		return 1;
	/* `parent` may be old by now, so its reference goes through the barrier. */
	PLX_STORE(thread, &((struct pair *)parent->ref)->first, child->ref);
	plx_collect(thread);
	sum = ((struct pair *)parent->ref)->value + ((struct pair *)parent->ref)->first->value;
	plx_scope_exit(thread, &scope); /* both handles are gone; both pairs are garbage */
	printf("40 + 2 = %lu\n", (unsigned long)sum);
	return sum != 42;
}

int main(void)
{
	const size_t references[] = {offsetof(struct pair, first), offsetof(struct pair, second)};
	const struct plx_layout *layout;
	struct plx_error error = {0};
	struct plx_thread *thread;
	struct plx_heap *heap;
	int failed = 1;

	/* No configuration: the defaults, then the GC_* variables of the environment. */
	if (plx_heap_create(NULL, &heap, &error) != PLX_OK ||
	    plx_thread_attach(heap, &thread, &error) != PLX_OK) {
		fprintf(stderr, "hello_heap: %s\n", error.message);
		return 1;
	}
	layout = plx_layout_fixed(heap, sizeof(struct pair), references, 2, &error);
	if (layout)
		failed = play(thread, layout);
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK || failed;
}
