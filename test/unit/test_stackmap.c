/* test/unit/test_stackmap.c: stack maps: frames in assembly that keep references in slots and in callee-saved
 * registers across calls that collect. They must be brought up to date, with what is derived from them, and
 * hold nothing in place; in every plan; among frames without maps; stopped, blocked and parked.
 *
 * No C frame holds the references: the frames load them from handles, which say afterwards what is right. */
#include <parallax/parallax.h>

#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "runtime/frames.h"
#include "test/support/heap.h"

#if !RT_FRAMES

/* Where frames cannot be gone over, a map is refused, with the reason and what else there is. */
static void test_refused(void **state)
{
	static const char *const options[] = {"GC_STACKS", "ambiguous", NULL};
	static const struct plx_stackmap empty;
	struct plx_error error = {0};
	struct plx_thread *thread;
	struct plx_heap *heap;

	(void)state;
	test_heap_open(&heap, &thread, options);
	assert_int_equal(plx_stackmap_register(heap, &empty, sizeof(empty), &empty, &error),
			 PLX_ERROR_CAPABILITY);
	assert_non_null(strstr(error.message, "x86-64 only"));
	assert_non_null(strstr(error.message, "GC_STACKS=ambiguous"));
	assert_int_equal(plx_stackmap_unregister(heap, &empty), PLX_ERROR_MISUSE);
	plx_collect(thread); /* the stack is ambiguous nevertheless */
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
	uint64_t filling[29];
};

#define COUNT 64

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes;
static struct plx_handle *kept[COUNT];
static uintptr_t before[COUNT]; /* complements of their addresses */

/* What a frame found after the call. */
struct found {
	struct node *in_register, *in_slot;
	uint64_t *register_derived, *slot_derived; /* &node->value, the end of the node */
};

typedef void (*callee)(struct plx_thread *thread, void *context);

/* Keep what `handle` refers to: in rbx, and in a slot at rbp - 56; derived from the first, in r12, the address
 * of its value; from the second, at rsp + 8, that of its end. Then call. */
void frame_by_tables(struct plx_thread *thread, callee call, void *context,
		     struct plx_handle *handle, struct found *found);
/* The same without unwind tables, in the usual frame. */
void frame_by_pointer(struct plx_thread *thread, callee call, void *context,
		      struct plx_handle *handle, struct found *found);
extern const char frame_by_tables_start[], frame_by_tables_return[], frame_by_tables_end[];
extern const char frame_by_pointer_start[], frame_by_pointer_return[], frame_by_pointer_end[];

#define CFI(directive) directive "\n\t"
#define NO_CFI(directive)
#define FRAME(name, cfi)                                                                                                                                                         \
	__asm__(".pushsection .text\n\t.globl " name "\n\t.type " name ",@function\n" name                                                                                       \
		"_start:\n" name                                                                                                                                                 \
		":\n\t" cfi(".cfi_startproc") "pushq %rbp\n\t" cfi(".cfi_def_cfa_offset 16")                                                                                     \
			cfi(".cfi_offset %rbp, -16") "movq %rsp, %rbp\n\t" cfi(".cfi_def_cfa_register %rbp") "pushq %rbx\n\t" cfi(".cfi_offset %rbx, -24") "pushq %r12\n\t" cfi( \
				".cfi_offset %r12, -32") "subq $64, %rsp\n\t"                                                                                                    \
							 "movq %r8, -48(%rbp)\n\t"                                                                                               \
							 "movq (%rcx), %rbx\n\t"                                                                                                 \
							 "leaq 16(%rbx), %r12\n\t"                                                                                               \
							 "movq %rbx, -56(%rbp)\n\t"                                                                                              \
							 "leaq 256(%rbx), %rax\n\t"                                                                                              \
							 "movq %rax, 8(%rsp)\n\t"                                                                                                \
							 "movq %rsi, %rax\n\tmovq %rdx, %rsi\n\txorl %edx, %edx\n\txorl %ecx, %ecx\n\t"                                          \
							 "call *%rax\n" name "_return:\n\t"                                                                                      \
							 "movq -48(%rbp), %r8\n\t"                                                                                               \
							 "movq %rbx, (%r8)\n\tmovq -56(%rbp), %rax\n\tmovq %rax, 8(%r8)\n\t"                                                     \
							 "movq %r12, 16(%r8)\n\tmovq 8(%rsp), %rax\n\tmovq %rax, 24(%r8)\n\t"                                                    \
							 "addq $64, %rsp\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\t" cfi(                                                        \
								 ".cfi_def_cfa %rsp, 8") "ret\n\t" cfi(".cfi_endproc")                                                           \
								 name                                                                                                            \
		"_end:\n\t.size " name ", . - " name "\n\t.popsection");

FRAME("frame_by_tables", CFI)
FRAME("frame_by_pointer", NO_CFI)

static const struct plx_stackmap_slot frame_slots[] = {
	{PLX_STACKMAP_REGISTER, 3, PLX_STACKMAP_REFERENCE, 0},
	{PLX_STACKMAP_FP, 0, PLX_STACKMAP_REFERENCE, -56},
	{PLX_STACKMAP_REGISTER, 12, 0, 0},
	{PLX_STACKMAP_SP, 0, 1, 8},
};

static const struct plx_stackmap_save frame_saves[] = {{3, -8}, {12, -16}};

static struct plx_stackmap_site sites[2];
static struct plx_stackmap maps[2];

static void maps_register(void)
{
	struct plx_error error = {0};

	for (int i = 0; i < 2; i++) {
		const char *start = i ? frame_by_pointer_start : frame_by_tables_start;
		const char *back = i ? frame_by_pointer_return : frame_by_tables_return;
		const char *end = i ? frame_by_pointer_end : frame_by_tables_end;

		sites[i] = (struct plx_stackmap_site){(uint32_t)(back - start), 0, 4};
		maps[i] = (struct plx_stackmap){
			.sites = &sites[i], .site_count = 1, .slots = frame_slots, .slot_count = 4};
		if (i) {
			maps[i].saves = frame_saves;
			maps[i].save_count = 2;
			maps[i].flags = PLX_STACKMAP_FRAME_POINTER;
		}
		assert_int_equal(plx_stackmap_register(heap, start, (size_t)(end - start), &maps[i],
						       &error),
				 PLX_OK);
	}
}

static void heap_make(const char *stacks, const char *plan, const char *delivery)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	const char *const options[] = {
		"GC_HEAP_MAX",	    "32M",    "GC_EVACUATE", "all",  "GC_VERIFY", "1",
		"GC_CYCLE_EVERY",   "1T",     "GC_STACKS",   stacks, "GC_PLAN",	  plan,
		"GC_UFFD_DELIVERY", delivery, NULL,
	};

	test_heap_open(&heap, &thread, options);
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
}

static __attribute__((noinline)) void litter(struct plx_thread *self)
{
	for (int i = 0; i < 3000; i++)
		assert_non_null(plx_alloc(self, nodes));
}

/* Overwrite what calls have left below on the stack, and in registers. */
static __attribute__((noinline)) void stack_wipe(void)
{
	volatile char words[16384];

	memset((char *)words, 0, sizeof(words));
	__asm__ volatile("" : : "r"(words) : "memory");
}

static __attribute__((noinline)) void nodes_make(void)
{
	for (uint64_t i = 0; i < COUNT; i++) {
		struct node *node;

		for (int k = 0; k < 100; k++) /* not all in one region */
			plx_alloc(thread, nodes);
		node = plx_alloc(thread, nodes);
		assert_non_null(node);
		node->value = i;
		kept[i] = plx_handle_create(thread, node);
	}
}

static __attribute__((noinline)) void nodes_note(void)
{
	for (int i = 0; i < COUNT; i++)
		before[i] = ~(uintptr_t)kept[i]->ref;
}

static __attribute__((noinline)) bool has_moved(int i)
{
	return before[i] != ~(uintptr_t)kept[i]->ref;
}

static void heap_open(const char *plan, const char *delivery)
{
	heap_make("ambiguous", plan, delivery);
	maps_register();
	nodes_make();
	for (int i = 0; i < 2; i++) { /* now nothing on the stack has their addresses */
		stack_wipe();
		litter(thread);
		plx_collect(thread);
	}
	stack_wipe();
	nodes_note();
	stack_wipe();
}

static void heap_close(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

static struct plx_stats stats(void)
{
	struct plx_stats now;

	plx_heap_stats(heap, &now);
	return now;
}

static void found_check(const struct found *found, int i)
{
	const struct node *node = kept[i]->ref;

	assert_int_equal(node->value, i);
	assert_ptr_equal(found->in_register, node);
	assert_ptr_equal(found->in_slot, node);
	assert_ptr_equal(found->register_derived, &node->value);
	assert_ptr_equal(found->slot_derived, node + 1);
}

/* ---- one frame ---- */

/* So the function has saved them all, and nothing of its caller's is in them. */
#define REGISTERS_CLEAR()                                                                      \
	__asm__ volatile("xorl %%ebx, %%ebx\n\txorl %%r12d, %%r12d\n\txorl %%r13d, %%r13d\n\t" \
			 "xorl %%r14d, %%r14d\n\txorl %%r15d, %%r15d"                          \
			 :                                                                     \
			 :                                                                     \
			 : "rbx", "r12", "r13", "r14", "r15", "memory")

static __attribute__((noinline)) void collect_saving(struct plx_thread *self, void *context)
{
	REGISTERS_CLEAR();
	litter(self);
	plx_collect(self);
	(void)context;
	REGISTERS_CLEAR();
}

/* Jumps there: nobody but the library saves registers. */
void collect_bare(struct plx_thread *self, void *context);
__asm__(".pushsection .text\n\t.globl collect_bare\ncollect_bare:\n\t.cfi_startproc\n\t"
	"subq $8, %rsp\n\t.cfi_def_cfa_offset 16\n\tcall plx_collect\n\taddq $8, %rsp\n\t"
	".cfi_def_cfa_offset 8\n\tret\n\t.cfi_endproc\n\t.popsection");

typedef void (*frame)(struct plx_thread *thread, callee call, void *context,
		      struct plx_handle *handle, struct found *found);

static const char *const plans[][2] = {{"minor", "thread"},
				       {"minor", "sigbus"},
				       {"copy", "thread"},
				       {"copy", "sigbus"},
				       {"stw", NULL}};

static void test_one_frame(void **state)
{
	static const frame frames[] = {frame_by_tables, frame_by_pointer};
	static const callee callees[] = {collect_saving, collect_bare};

	(void)state;
	for (int i = 0; i < 5; i++) {
		heap_open(plans[i][0], plans[i][1]);
		for (int k = 0; k < 8; k++) {
			static struct found found;

			memset(&found, 0, sizeof(found));
			stack_wipe();
			nodes_note();
			stack_wipe();
			frames[k & 1](thread, callees[k >> 1 & 1], NULL, kept[k], &found);
			assert_true(has_moved(k));
			found_check(&found, k);
			memset(&found, 0, sizeof(found));
			litter(thread);
		}
		heap_close();
	}
}

/* Nothing but the frame refers to it. */
static __attribute__((noinline)) void drop_and_collect(struct plx_thread *self, void *context)
{
	REGISTERS_CLEAR();
	plx_handle_set(self, context, NULL);
	for (int i = 0; i < 3; i++) {
		litter(self);
		plx_collect(self);
	}
}

static void test_only_root(void **state)
{
	struct found found;

	(void)state;
	heap_open(NULL, NULL);
	frame_by_tables(thread, drop_and_collect, kept[5], kept[5], &found);
	assert_int_equal(found.in_register->value, 5);
	assert_ptr_equal(found.in_slot, found.in_register);
	assert_ptr_equal(found.register_derived, &found.in_register->value);
	assert_ptr_equal(found.slot_derived, found.in_slot + 1);
	assert_ptr_not_equal(found.in_register, ~before[5]);
	assert_true(stats().live_bytes >= COUNT * sizeof(struct node));
	heap_close();
}

/* ---- many frames ---- */

struct deep {
	int depth;
	struct found found[COUNT];
};

static void deep_call(struct plx_thread *self, void *context);

/* A frame without a map that keeps what it found: mapped and unmapped ones in turn, tables or not in turn. */
static __attribute__((noinline)) void deep_call(struct plx_thread *self, void *context)
{
	struct deep *deep = context;
	int depth = deep->depth++;
	uint64_t mine = (uint64_t)depth * 3;

	REGISTERS_CLEAR();
	if (depth == COUNT) {
		nodes_note();
		stack_wipe();
		litter(self);
		plx_collect(self);
		__asm__ volatile(
			""); /* no tail call, whose frame would lie over registers saved here */
		return;
	}
	__asm__ volatile("" : "+r"(mine) : : "memory");
	if (depth % 3 == 0)
		frame_by_pointer(self, deep_call, deep, kept[depth], &deep->found[depth]);
	else if (depth % 3 == 1)
		frame_by_tables(self, deep_call, deep, kept[depth], &deep->found[depth]);
	else { /* and nothing of it in the frames to come */
		frame_by_pointer(self, collect_saving, deep, kept[depth], &deep->found[depth]);
		stack_wipe();
		deep_call(self, deep);
	}
	assert_int_equal(mine, (uint64_t)depth * 3);
}

static void test_deep(void **state)
{
	static struct deep deep;

	(void)state;
	for (int i = 0; i < 5; i++) {
		uint64_t moved = 0;

		heap_open(plans[i][0], plans[i][1]);
		memset(&deep, 0, sizeof(deep));
		deep_call(thread, &deep);
		for (int k = 0; k < COUNT; k++) {
			moved += has_moved(k);
			if (k % 3 != 2) /* those were left before the last collection */
				found_check(&deep.found[k], k);
		}
		assert_int_equal(moved, COUNT);
		memset(&deep, 0, sizeof(deep));
		heap_close();
	}
}

/* ---- among frames without maps ---- */

/* What this C frame holds stays where it is, although frames further up are precise. */
static __attribute__((noinline)) void hold_and_collect(struct plx_thread *self, void *context)
{
	struct plx_handle *handle = context;
	struct node *node;
	uint64_t *inside;

	REGISTERS_CLEAR();
	node = plx_alloc(self, nodes); /* in a region of its own */
	inside = &node->value;
	plx_handle_set(self, handle, node);
	collect_saving(self, NULL);
	collect_saving(self, NULL);
	collect_saving(self, NULL);
	assert_ptr_equal(handle->ref, node);
	assert_ptr_equal(inside, &node->value);
}

static void test_mixed(void **state)
{
	struct found found;

	(void)state;
	heap_open(NULL, NULL);
	frame_by_tables(thread, hold_and_collect, kept[COUNT - 1], kept[0], &found);
	found_check(&found, 0);
	assert_true(has_moved(0));
	heap_close();
}

/* ---- another thread, stopped or blocked; a parked stack ---- */

static sem_t inside, leave;
static struct found other_found;
static uint32_t other_stop;

static __attribute__((noinline)) void poll_until(struct plx_thread *self, void *context)
{
	(void)context;
	REGISTERS_CLEAR();
	sem_post(&inside);
	while (!__atomic_load_n(&other_stop, __ATOMIC_ACQUIRE))
		plx_poll(self);
}

static __attribute__((noinline)) void block_until(struct plx_thread *self, void *context)
{
	(void)context;
	plx_block_enter(self);
	sem_post(&inside);
	sem_wait(&leave);
	plx_block_exit(self);
}

/* One more frame, so that what the mapped one has in registers is saved above the function that blocks. */
static __attribute__((noinline)) void block_saving(struct plx_thread *self, void *context)
{
	REGISTERS_CLEAR();
	block_until(self, context);
	REGISTERS_CLEAR();
}

static void *other_main(void *call)
{
	struct plx_thread *self = NULL;

	assert_int_equal(plx_thread_attach(heap, &self, NULL), PLX_OK);
	frame_by_tables(self, *(callee *)call, NULL, kept[3], &other_found);
	plx_thread_detach(self);
	return NULL;
}

/* `must_move`: all that the frame holds is where it can be updated. */
static void with_other(callee call, bool must_move)
{
	pthread_t other;

	heap_open(NULL, NULL);
	sem_init(&inside, 0, 0);
	sem_init(&leave, 0, 0);
	__atomic_store_n(&other_stop, 0, __ATOMIC_RELEASE);
	assert_int_equal(pthread_create(&other, NULL, other_main, &call), 0);
	sem_wait(&inside);
	for (int i = 0; i < 3; i++) {
		litter(thread);
		plx_collect(thread);
	}
	if (must_move)
		assert_true(has_moved(3));
	__atomic_store_n(&other_stop, 1, __ATOMIC_RELEASE);
	sem_post(&leave);
	plx_block_enter(thread);
	pthread_join(other, NULL);
	plx_block_exit(thread);
	found_check(&other_found, 3);
	memset(&other_found, 0, sizeof(other_found));
	heap_close();
}

static void test_stopped(void **state)
{
	(void)state;
	with_other(poll_until, true);
}

static void test_blocked(void **state)
{
	(void)state;
	with_other(block_until, false);
	with_other(block_saving, true);
}

static ucontext_t parked, home;
static struct plx_native_stack *parked_stack;
static struct found parked_found;

static __attribute__((noinline)) void park(struct plx_thread *self, void *context)
{
	(void)context;
	plx_native_stack_switch(self, NULL);
	swapcontext(&parked, &home);
}

static __attribute__((noinline)) void park_saving(struct plx_thread *self, void *context)
{
	REGISTERS_CLEAR();
	park(self, context);
	REGISTERS_CLEAR();
}

static void parked_main(void)
{
	frame_by_pointer(thread, park_saving, NULL, kept[7], &parked_found);
	plx_native_stack_end(thread, NULL);
	swapcontext(&parked, &home);
}

static void test_parked(void **state)
{
	static char memory[65536];

	(void)state;
	heap_open(NULL, NULL);
	assert_int_equal(plx_native_stack_add(thread, memory, sizeof(memory), &parked_stack, NULL),
			 PLX_OK);
	getcontext(&parked);
	parked.uc_stack.ss_sp = memory;
	parked.uc_stack.ss_size = sizeof(memory);
	makecontext(&parked, parked_main, 0);
	plx_native_stack_switch(thread, parked_stack);
	swapcontext(&home, &parked);
	for (int i = 0; i < 3; i++) {
		litter(thread);
		plx_collect(thread);
	}
	assert_true(has_moved(7));
	plx_native_stack_switch(thread, parked_stack);
	swapcontext(&home, &parked);
	found_check(&parked_found, 7);
	memset(&parked_found, 0, sizeof(parked_found));
	assert_int_equal(plx_native_stack_remove(thread, parked_stack), PLX_OK);
	heap_close();
}

/* ---- what is refused ---- */

static void refuse(const struct plx_stackmap *map, size_t bytes, const char *why)
{
	struct plx_error error = {0};

	assert_int_equal(plx_stackmap_register(heap, frame_by_tables_start, bytes, map, &error),
			 PLX_ERROR_MISUSE);
	assert_non_null(strstr(error.message, why));
}

static void test_misuse(void **state)
{
	size_t bytes = (size_t)(frame_by_tables_end - frame_by_tables_start);
	struct plx_stackmap_slot slots[20];
	struct plx_stackmap_site two[2] = {{8, 0, 2}, {16, 0, 2}};
	struct plx_stackmap_save save = {6, -8};
	struct plx_stackmap map = {.sites = two, .site_count = 2, .slots = slots, .slot_count = 20};
	struct plx_error error = {0};

	(void)state;
	heap_make("precise", NULL, NULL);
	for (int i = 0; i < 20; i++)
		slots[i] = (struct plx_stackmap_slot){PLX_STACKMAP_SP, 0, PLX_STACKMAP_REFERENCE,
						      8 * i};
	refuse(&map, bytes, "GC_STACKS=ambiguous");
	heap_close();
	heap_make("ambiguous", NULL, NULL);
	refuse(&map, 0, "range is empty");
	refuse(&map, 12, "outside of the code");
	two[1].return_offset = 8;
	refuse(&map, bytes, "ascending");
	two[1].return_offset = 16;
	two[1].count = 21;
	refuse(&map, bytes, "not among those");
	two[1].count = 20;
	slots[1].place = 9;
	refuse(&map, bytes, "no known place");
	slots[1].place = PLX_STACKMAP_REGISTER;
	refuse(&map, bytes, "do not preserve");
	slots[1].reg = 12;
	slots[2].offset = 4;
	refuse(&map, bytes, "multiple of 8");
	slots[2].offset = 8;
	slots[2].base = 3;
	slots[3].base = 2;
	refuse(&map, bytes, "not a reference");
	for (int i = 2; i < 20; i++)
		slots[i].base = 0;
	refuse(&map, bytes, "DERIVED_MAX");
	for (int i = 2; i < 20; i++)
		slots[i].base = PLX_STACKMAP_REFERENCE;
	map.saves = &save;
	map.save_count = 1;
	refuse(&map, bytes, "FRAME_POINTER");
	map.flags = PLX_STACKMAP_FRAME_POINTER;
	refuse(&map, bytes, "no register that can be saved");
	save.reg = 3;
	assert_int_equal(plx_stackmap_register(heap, frame_by_tables_start, bytes, &map, &error),
			 PLX_OK);
	refuse(&map, bytes, "already");
	assert_int_equal(plx_stackmap_unregister(heap, frame_by_tables_start + 1),
			 PLX_ERROR_MISUSE);
	assert_int_equal(plx_stackmap_unregister(heap, frame_by_tables_start), PLX_OK);
	assert_int_equal(plx_stackmap_unregister(heap, frame_by_tables_start), PLX_ERROR_MISUSE);
	assert_int_equal(plx_stackmap_register(heap, frame_by_tables_start, bytes, &map, &error),
			 PLX_OK);
	heap_close();
}

/* More ranges than the table begins with; found all the same. */
static void test_many_ranges(void **state)
{
	static struct plx_stackmap empty;
	struct found found;

	(void)state;
	heap_open(NULL, NULL);
	for (uintptr_t i = 0; i < 1000; i++) {
		uintptr_t code = (i * 7919 % 1000 + 1) * 4096;

		assert_int_equal(plx_stackmap_register(heap, (void *)code, 4096, &empty, NULL),
				 PLX_OK);
	}
	frame_by_tables(thread, collect_saving, NULL, kept[9], &found);
	found_check(&found, 9);
	assert_true(has_moved(9));
	for (uintptr_t i = 1; i <= 1000; i++)
		assert_int_equal(plx_stackmap_unregister(heap, (void *)(i * 4096)), PLX_OK);
	heap_close();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_frame),   cmocka_unit_test(test_only_root),
		cmocka_unit_test(test_deep),	    cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_stopped),	    cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_parked),	    cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_many_ranges),
	};

#ifdef __SANITIZE_THREAD__
	return 77; /* its frames keep stale words, and it does not follow swapcontext */
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
