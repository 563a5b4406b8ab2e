/* test/system/flip_cost.c: [I6], without a clock: the flip makes the same system calls whatever the
 * size of the live set, the number of handles and the depth of a root stack.
 *
 * A table in front of gc_sys counts the calls between the first mremap of a cycle (the detach) and
 * the UFFDIO_REGISTER that follows it (arming). Under GC_FLIP=detach their number must be the same
 * for a live set six times as large, for 1,000,000 handles instead of 10 and for 64 MiB of words on a root
 * stack. How long they take is for the benchmark to say. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "gc/os/sys.h"
#include "gc/os/uffd_abi.h"
#include "test/support/check.h"
#include "test/support/shadow.h"

#define HANDLES 1000000
#define STACK_SLOTS ((size_t)8 << 20) /* 64 MiB */

enum window { WINDOW_OFF, WINDOW_WAITING, WINDOW_OPEN, WINDOW_CLOSED };

/* All of it changes on the collector's thread while the test waits for it in plx_collect. */
static atomic_int window;
static atomic_uint window_calls;

static void count(void)
{
	if (atomic_load(&window) == WINDOW_OPEN)
		atomic_fetch_add(&window_calls, 1);
}

static intptr_t counted_mremap(void *from, size_t from_bytes, size_t to_bytes, int flags, void *to)
{
	int waiting = WINDOW_WAITING;

	atomic_compare_exchange_strong(&window, &waiting, WINDOW_OPEN);
	count();
	return gc_sys_real.mremap(from, from_bytes, to_bytes, flags, to);
}

static int counted_ioctl(int fd, unsigned long request, void *argument)
{
	int open = WINDOW_OPEN;

	count();
	if (request == GC_UFFDIO_REGISTER)
		atomic_compare_exchange_strong(&window, &open, WINDOW_CLOSED);
	return gc_sys_real.ioctl(fd, request, argument);
}

static int counted_madvise(void *address, size_t bytes, int advice)
{
	count();
	return gc_sys_real.madvise(address, bytes, advice);
}

static int counted_mprotect(void *address, size_t bytes, int protection)
{
	count();
	return gc_sys_real.mprotect(address, bytes, protection);
}

static int counted_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	count();
	return gc_sys_real.fallocate(fd, mode, offset, bytes);
}

struct node {
	struct plx_header header;
	struct node *next;
	char filler[240];
};

/* Every other node is garbage, so that there is something to compact. */
static void list_make(struct plx_thread *thread, const struct plx_layout *layout,
		      struct plx_handle *list, size_t live_bytes)
{
	for (size_t made = 0; made < live_bytes; made += sizeof(struct node)) {
		struct node *node;

		CHECK(plx_alloc(thread, layout) != NULL);
		node = plx_alloc(thread, layout);
		CHECK(node != NULL);
		node->next = list->ref;
		plx_handle_set(thread, list, node);
	}
}

/* The calls of one flip with this much alive; 0 if the cycle had none. */
static unsigned flip_calls(size_t live_bytes, size_t handle_count, size_t stack_words)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	struct plx_handle **handles = calloc(handle_count, sizeof(struct plx_handle *));
	struct plx_thread *thread = NULL;
	const struct plx_layout *layout;
	struct plx_root_stack *stack;
	struct shadow_options options;
	struct plx_heap *heap;

	shadow_options_init(&options);
	options.plan = "minor";
	options.delivery = "thread";
	options.heap_max = "256M";
	heap = shadow_heap_create(&options);
	layout = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	CHECK(layout != NULL && handles != NULL);
	CHECK(plx_thread_attach(heap, &thread, NULL) == PLX_OK);
	for (size_t i = 0; i < handle_count; i++) {
		handles[i] = plx_handle_create(thread, NULL);
		CHECK(handles[i] != NULL);
	}
	list_make(thread, layout, handles[0], live_bytes);
	for (size_t i = 1; i < handle_count; i++)
		plx_handle_set(thread, handles[i], handles[0]->ref);
	stack = plx_root_stack_create(thread, STACK_SLOTS, NULL);
	CHECK(stack);
	for (size_t i = 0; i < stack_words; i++)
		CHECK(plx_root_stack_push(stack, handles[0]->ref));
	plx_collect(thread); /* ends whatever cycle allocation started */
	atomic_store(&window_calls, 0);
	atomic_store(&window, WINDOW_WAITING);
	plx_collect(thread);
	CHECK(atomic_exchange(&window, WINDOW_OFF) == WINDOW_CLOSED);
	for (size_t i = 0; i < stack_words; i += 500) /* each page */
		CHECK(stack->base[i] == handles[0]->ref);
	for (size_t i = 0; i < handle_count; i += 500)
		CHECK(handles[i]->ref == handles[0]->ref);
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
	free(handles);
	return atomic_load(&window_calls);
}

int main(void)
{
	struct gc_sys table = gc_sys_real;
	unsigned small, large, many, deep;

	setenv("GC_FLIP", "detach", 1);
	setenv("GC_EVACUATE", "all", 1);
	setenv("GC_CYCLE_EVERY", "1T", 1); /* only the cycle that is asked for */
	table.mremap = counted_mremap;
	table.ioctl = counted_ioctl;
	table.madvise = counted_madvise;
	table.mprotect = counted_mprotect;
	table.fallocate = counted_fallocate;
	gc_sys = &table;
	small = flip_calls((size_t)8 << 20, 10, 10);
	large = flip_calls((size_t)48 << 20, 10, 10);
	many = flip_calls((size_t)8 << 20, HANDLES, 10);
	deep = flip_calls((size_t)8 << 20, 10, STACK_SLOTS);
	gc_sys = &gc_sys_real;
	printf("flip_cost: %u calls with 8 MiB alive, %u with 48 MiB, %u with 1,000,000 handles, "
	       "%u with 64 MiB on a stack\n",
	       small, large, many, deep);
	CHECK(small > 0 && small == large && small == many && small == deep);
	return 0;
}
