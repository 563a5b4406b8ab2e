/* examples/native_stack.c: C code that holds plain pointers across safepoints: with GC_STACKS=ambiguous
 * whatever a C local points to stays alive and where it is. */
#include <parallax/parallax.h>
#include <stdio.h>

struct tree {
	struct plx_header header;
	struct tree *left, *right;
	uint64_t value;
};

/* Both subtrees are in C locals while the next allocation may collect: no handle, no reload. */
static struct tree *tree_make(struct plx_thread *thread, const struct plx_layout *layout, int depth)
{
	struct tree *left = depth ? tree_make(thread, layout, depth - 1) : NULL;
	struct tree *right = depth ? tree_make(thread, layout, depth - 1) : NULL;
	struct tree *tree = plx_alloc(thread, layout);

	if (tree) { /* fresh: plain stores */
		tree->left = left;
		tree->right = right;
		tree->value = 1;
	}
	return tree;
}

static uint64_t tree_sum(const struct tree *tree)
{
	return tree ? tree->value + tree_sum(tree->left) + tree_sum(tree->right) : 0;
}

static int play(struct plx_thread *thread, const struct plx_layout *layout)
{
	struct tree *tree = tree_make(thread, layout, 12);
	uint64_t *inside = tree ? &tree->value : NULL;
	struct plx_stats stats;

	for (int i = 0; i < 3; i++) {
		tree_make(thread, layout, 10); /* garbage at once */
		plx_collect(thread);
	}
	plx_heap_stats(thread->heap, &stats);
	printf("%lu nodes; %lu regions stayed for what C locals hold\n",
	       (unsigned long)tree_sum(tree), (unsigned long)stats.stack_held_regions);
	return tree_sum(tree) != 8191 || *inside != 1;
}

int main(void)
{
	const size_t references[] = {offsetof(struct tree, left), offsetof(struct tree, right)};
	const struct plx_layout *layout;
	struct plx_heap_config config;
	struct plx_error error = {0};
	struct plx_thread *thread;
	struct plx_heap *heap;
	int failed = 1;

	plx_config_init(&config);
	if (plx_config_from_environment(&config, &error) != PLX_OK ||
	    plx_config_set(&config, "GC_STACKS", "ambiguous", &error) != PLX_OK ||
	    plx_heap_create(&config, &heap, &error) != PLX_OK ||
	    plx_thread_attach(heap, &thread, &error) != PLX_OK) {
		fprintf(stderr, "native_stack: %s\n", error.message);
		return 1;
	}
	layout = plx_layout_fixed(heap, sizeof(struct tree), references, 2, &error);
	if (layout)
		failed = play(thread, layout);
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK || failed;
}
