/* examples/little_vm.c: a stack machine whose values are heap objects: what an interpreter has to do
 * for the collector, all of it, in one file. docs/embedding.md goes through it. */
#include <parallax/parallax.h>
#include <stdio.h>

/* Every value: a number, or a pair of values. NULL is nil. */
struct value {
	struct plx_header header;
	struct value *head, *tail;
	int64_t number;
};

enum op { OP_NUMBER, OP_LOAD, OP_STORE, OP_ADD, OP_CONS, OP_SUM, OP_JUMP_IF_LESS, OP_HALT };

struct instruction {
	enum op op;
	int64_t argument;
};

#define VM_SLOTS 16
#define VM_VARIABLES 2

struct vm {
	struct plx_heap *heap;
	struct plx_thread *thread;
	const struct plx_layout *layout;
	/* Variables, then the operand stack: a root range. Unused slots are NULL. */
	struct value *slots[VM_SLOTS];
	size_t depth;
};

/* The only safepoint besides the poll. Callers read their operands after it. */
static struct value *vm_new(struct vm *vm, int64_t number)
{
	struct value *value = plx_alloc(vm->thread, vm->layout);

	if (value)
		value->number = number;
	return value;
}

static struct value *vm_pop(struct vm *vm)
{
	struct value *value = vm->slots[--vm->depth];

	vm->slots[vm->depth] = NULL; /* do not keep garbage alive */
	return value;
}

static void vm_push(struct vm *vm, struct value *value)
{
	vm->slots[vm->depth++] = value; /* a root, not a heap slot: a plain store */
}

static int64_t list_sum(const struct value *list)
{
	int64_t sum = 0;

	for (; list; list = list->tail)
		sum += list->head->number;
	return sum;
}

/* Each returns false when memory is exhausted. */
static bool vm_add(struct vm *vm)
{
	struct value *sum = vm_new(vm, 0);

	if (sum)
		sum->number = vm_pop(vm)->number + vm_pop(vm)->number;
	vm_push(vm, sum);
	return sum != NULL;
}

static bool vm_cons(struct vm *vm)
{
	struct value *pair = vm_new(vm, 0);

	if (pair) { /* fresh until the next safepoint: initialising stores are plain */
		pair->tail = vm_pop(vm);
		pair->head = vm_pop(vm);
	}
	vm_push(vm, pair);
	return pair != NULL;
}

static bool vm_number(struct vm *vm, int64_t number)
{
	vm_push(vm, vm_new(vm, number));
	return vm->slots[vm->depth - 1] != NULL;
}

static bool vm_run(struct vm *vm, const struct instruction *code)
{
	const struct instruction *at = code;

	for (;; at++) {
		bool done = true;

		switch (at->op) {
		case OP_NUMBER:
			done = vm_number(vm, at->argument);
			break;
		case OP_LOAD:
			vm_push(vm, vm->slots[at->argument]);
			break;
		case OP_STORE:
			vm->slots[at->argument] = vm_pop(vm);
			break;
		case OP_ADD:
			done = vm_add(vm);
			break;
		case OP_CONS:
			done = vm_cons(vm);
			break;
		case OP_SUM:
			done = vm_number(vm, list_sum(vm_pop(vm)));
			break;
		case OP_JUMP_IF_LESS: /* variable 0 < popped number: back to the start */
			if (vm->slots[0]->number < vm_pop(vm)->number)
				at = code - 1;
			plx_poll(vm->thread); /* a back edge; no reference is in a C local here */
			break;
		case OP_HALT:
			return true;
		}
		if (!done)
			return false;
	}
}

static bool vm_open(struct vm *vm, struct plx_error *error)
{
	const size_t references[] = {offsetof(struct value, head), offsetof(struct value, tail)};

	*vm = (struct vm){.depth = VM_VARIABLES};
	if (plx_heap_create(NULL, &vm->heap, error) != PLX_OK ||
	    plx_thread_attach(vm->heap, &vm->thread, error) != PLX_OK ||
	    plx_root_range_add(vm->thread, vm->slots, VM_SLOTS, error) != PLX_OK)
		return false;
	vm->layout = plx_layout_fixed(vm->heap, sizeof(struct value), references, 2, error);
	return vm->layout && vm_number(vm, 0) && (vm->slots[0] = vm_pop(vm));
}

int main(void)
{
	/* do { i = i + 1; list = cons(i, list); } while (i < 100000); sum(list) */
	static const struct instruction code[] = {
		{OP_LOAD, 0},	     {OP_NUMBER, 1},	   {OP_ADD, 0},	 {OP_STORE, 0},
		{OP_LOAD, 0},	     {OP_LOAD, 1},	   {OP_CONS, 0}, {OP_STORE, 1},
		{OP_NUMBER, 100000}, {OP_JUMP_IF_LESS, 0}, {OP_LOAD, 1}, {OP_SUM, 0},
		{OP_HALT, 0},
	};
	struct plx_error error = {0};
	struct vm vm;
	int64_t sum;

	if (!vm_open(&vm, &error) || !vm_run(&vm, code)) {
		fprintf(stderr, "little_vm: %s\n",
			error.message[0] ? error.message : "out of memory");
		return 1;
	}
	plx_collect(vm.thread);
	sum = vm_pop(&vm)->number;
	printf("sum %ld, and again %ld\n", (long)sum, (long)list_sum(vm.slots[1]));
	plx_root_range_remove(vm.thread, vm.slots);
	plx_thread_detach(vm.thread);
	return plx_heap_destroy(vm.heap) != PLX_OK || sum != INT64_C(5000050000);
}
