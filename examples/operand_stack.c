/* examples/operand_stack.c: a stack machine in the style of Lisp: tagged words, and a root stack that holds them.
 *
 * Fixnums have their lowest bit clear, references to pairs have 1 in their three lowest bits. The machine
 * builds a list by a recursion of 200,000 calls, whose frames are on the root stack while collections move
 * the pairs, and adds the list up again. */
#include <parallax/parallax.h>
#include <stdio.h>

#define DEPTH 200000
#define PAIR_TAG 1

/* A word of the machine: what slots, the stack and handles hold. */
typedef void *word;

struct pair {
	struct plx_header header;
	word first, rest;
};

struct machine {
	struct plx_heap *heap;
	struct plx_thread *thread;
	const struct plx_layout *pairs;
	struct plx_root_stack *stack;
};

static word fixnum(intptr_t n)
{
	return (word)(uintptr_t)(n * 2);
}

static intptr_t number(word w)
{
	return (intptr_t)w / 2;
}

static struct pair *pair_of(word w)
{
	return (struct pair *)((uintptr_t)w - PAIR_TAG);
}

/* Replace the two words on top by a pair of them. They are roots until then: allocating is a safepoint. */
static bool cons(struct machine *m)
{
	struct pair *pair = plx_alloc(m->thread, m->pairs);

	if (!pair)
		return false;
	pair->rest = plx_root_stack_pop(m->thread, m->stack); /* fresh: plain stores */
	pair->first = plx_root_stack_pop(m->thread, m->stack);
	return plx_root_stack_push(m->stack, (word)((uintptr_t)pair + PAIR_TAG));
}

/* (define (count n) (if (= n 0) 0 (cons n (count (- n 1))))), its calls unrolled onto the stack */
static bool count(struct machine *m, intptr_t n)
{
	for (intptr_t i = n; i > 0; i--) /* the calls */
		if (!plx_root_stack_push(m->stack, fixnum(i)))
			return fprintf(stderr, "stack overflow\n"), false;
	if (!plx_root_stack_push(m->stack, fixnum(0)))
		return false;
	for (intptr_t i = 0; i < n; i++) { /* and their returns */
		if (!cons(m))
			return false;
		if (i % (n / 4) == 0)
			plx_collect(m->thread);
	}
	return true;
}

static intptr_t sum(word list)
{
	intptr_t total = 0;

	for (; list != fixnum(0); list = pair_of(list)->rest)
		total += number(pair_of(list)->first);
	return total;
}

int main(void)
{
	static const size_t slots[] = {offsetof(struct pair, first), offsetof(struct pair, rest)};
	struct machine m;
	struct plx_error error;
	intptr_t total;

	if (plx_heap_create(NULL, &m.heap, &error) != PLX_OK ||
	    plx_heap_set_tags(m.heap, 7, PAIR_TAG, &error) != PLX_OK ||
	    plx_thread_attach(m.heap, &m.thread, &error) != PLX_OK)
		return fprintf(stderr, "%s\n", error.message), 1;
	m.pairs = plx_layout_fixed(m.heap, sizeof(struct pair), slots, 2, NULL);
	m.stack = plx_root_stack_create(m.thread, DEPTH + 10, &error);
	if (!m.pairs || !m.stack || !count(&m, DEPTH))
		return fprintf(stderr, "out of memory\n"), 1;
	total = sum(m.stack->base[0]);
	printf("the numbers up to %d add up to %ld\n", DEPTH, (long)total);
	plx_root_stack_destroy(m.thread, m.stack);
	plx_thread_detach(m.thread);
	return plx_heap_destroy(m.heap) != PLX_OK || total != (intptr_t)DEPTH * (DEPTH + 1) / 2;
}
