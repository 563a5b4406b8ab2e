/* examples/linked_list.c: a linked list whose head lies in a structure of the program's own, which
 * the collector learns about from a root visitor. */
#include <parallax/parallax.h>
#include <stdio.h>

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
};

/* Plain C memory. `head` is a root: written by plain stores, updated by the collector in pauses. */
struct list {
	struct node *head;
	struct list *next_list; /* not a reference: it is not in the heap */
};

/* Runs in pauses: report each slot, allocate nothing, wait for nobody. */
static void visit_lists(struct plx_root_visit *visit, void *context)
{
	for (struct list *list = context; list; list = list->next_list)
		plx_root_visit(visit, &list->head);
}

static int list_push(struct plx_thread *thread, const struct plx_layout *layout, struct list *list,
		     uint64_t value)
{
	struct node *node = plx_alloc(thread, layout); /* first allocate, then read list->head */

	if (!node)
		return -1;
	node->value = value;
	node->next = list->head; /* `node` is fresh: a plain store */
	list->head = node;
	return 0;
}

/* Unlink every node with an odd value. No safepoint in here, so the locals stay valid. */
static void list_drop_odd(struct plx_thread *thread, struct list *list)
{
	while (list->head && list->head->value % 2)
		list->head = list->head->next;
	for (struct node *node = list->head; node; node = node->next)
		while (node->next && node->next->value % 2)
			PLX_STORE(thread, &node->next, node->next->next);
}

static uint64_t list_sum(const struct list *list)
{
	uint64_t sum = 0;

	for (const struct node *node = list->head; node; node = node->next)
		sum += node->value;
	return sum;
}

int main(void)
{
	const size_t references[] = {offsetof(struct node, next)};
	struct list even = {NULL, NULL}, all = {NULL, &even};
	const struct plx_layout *layout;
	struct plx_error error = {0};
	struct plx_thread *thread;
	struct plx_heap *heap;

	if (plx_heap_create(NULL, &heap, &error) != PLX_OK ||
	    plx_thread_attach(heap, &thread, &error) != PLX_OK ||
	    plx_root_visitor_add(thread, visit_lists, &all, &error) != PLX_OK ||
	    !(layout = plx_layout_fixed(heap, sizeof(struct node), references, 1, &error))) {
		fprintf(stderr, "linked_list: %s\n", error.message);
		return 1;
	}
	for (uint64_t i = 0; i < 100000; i++)
		if (list_push(thread, layout, &all, i) < 0 ||
		    list_push(thread, layout, &even, i) < 0)
			return 1;
	list_drop_odd(thread, &even);
	plx_collect(thread);
	printf("all %lu, even %lu\n", (unsigned long)list_sum(&all),
	       (unsigned long)list_sum(&even));
	plx_root_visitor_remove(thread, visit_lists, &all);
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK;
}
