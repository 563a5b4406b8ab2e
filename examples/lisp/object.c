/* examples/lisp/object.c: making objects, and throwing errors.
 *
 * The order never changes: first allocate, which is a safepoint, then read the words that go into the
 * object from where the collector keeps them up to date. A fresh object is initialised by plain stores. */
#include "examples/lisp/machine.h"

word lisp_throw(struct machine *m, word what)
{
	plx_handle_set(m->thread, m->thrown, what);
	return NULL;
}

word lisp_no_memory(struct machine *m)
{
	if (m->lisp->no_memory == NULL) /* so early that there is nothing to throw */
		return NULL;
	return lisp_throw(m, m->lisp->no_memory->ref);
}

word lisp_fail(struct machine *m, const char *message, word irritant)
{
	unsigned count = irritant ? 2 : 1;
	word text;

	lisp_push(m, irritant ? irritant : NIL);
	text = lisp_text(m, message, strlen(message));
	if (text == NULL) {
		lisp_drop(m, 1);
		return NULL;
	}
	lisp_push(m, text);
	lisp_push(m, lisp_top(m)[-1]);
	if (count == 1)
		lisp_drop(m, 1);
	if (lisp_list_from_stack(m, count))
		lisp_throw(m, *lisp_top(m));
	lisp_drop(m, 2); /* the list, or what was to be its elements; and the irritant */
	return NULL;
}

bool lisp_reserve(struct machine *m, size_t slots)
{
	if (PLX_LIKELY((size_t)(m->stack->limit - m->stack->top) >= slots + STACK_SPARE))
		return true;
	lisp_fail(m, "stack overflow", NULL);
	return false;
}

/* What is allocated while a cycle runs does not move in it; so twice. */
static void object_stress(struct machine *m)
{
	if (PLX_LIKELY(m->until_stress == 0) || --m->until_stress > 0)
		return;
	m->until_stress = m->lisp->stress;
	plx_collect(m->thread);
	plx_collect(m->thread);
}

void *lisp_make(struct machine *m, enum kind kind)
{
	void *object;

	object_stress(m);
	object = plx_alloc(m->thread, m->lisp->layouts[kind]);
	return object ? object : lisp_no_memory(m);
}

word lisp_cons(struct machine *m, const word *car, const word *cdr)
{
	struct pair *pair = lisp_make(m, KIND_PAIR);

	if (pair) {
		pair->car = *car;
		pair->cdr = *cdr;
	}
	return pair;
}

/* A long leaf is cleared in one piece by whoever made it: so are its contents copied. */
word lisp_text(struct machine *m, const char *bytes, size_t count)
{
	struct text *text;

	object_stress(m);
	text = plx_alloc_array(m->thread, m->lisp->layouts[KIND_TEXT], count);
	if (text == NULL)
		return lisp_no_memory(m);
	if (bytes && count)
		memcpy(text->bytes, bytes, count);
	return text;
}

/* Millions of slots take a while: with polls between pieces, after which it may lie elsewhere. */
void lisp_vector_fill(struct machine *m, const word *vector, const word *fill)
{
	uint64_t length = plx_object_length(*vector), count;

	for (uint64_t i = 0; i < length; i += count) {
		if (i)
			plx_poll(m->thread);
		count = length - i < VECTOR_PIECE ? length - i : VECTOR_PIECE;
		plx_fill_array(m->thread, &((struct vector *)*vector)->slots[i], *fill, count);
	}
}

static word vector_fill_long(struct machine *m, word vector, const word *fill)
{
	lisp_push(m, vector);
	lisp_vector_fill(m, lisp_top(m), fill);
	vector = *lisp_top(m);
	lisp_drop(m, 1);
	return vector;
}

word lisp_vector(struct machine *m, uint64_t length, const word *fill)
{
	struct vector *vector;

	object_stress(m);
	vector = plx_alloc_array(m->thread, m->lisp->layouts[KIND_VECTOR], length);
	if (vector == NULL)
		return lisp_no_memory(m);
	if (length > VECTOR_PIECE)
		return vector_fill_long(m, vector, fill);
	for (uint64_t i = 0; i < length; i++)
		vector->slots[i] = *fill; /* fresh */
	return vector;
}

word lisp_box(struct machine *m, const word *value)
{
	struct box *box = lisp_make(m, KIND_BOX);

	if (box)
		box->value = *value;
	return box;
}

/* What it closes over are the top `captured` words of the stack. */
word lisp_closure(struct machine *m, const word *code, unsigned captured)
{
	struct closure *closure;

	object_stress(m);
	closure = plx_alloc_array(m->thread, m->lisp->layouts[KIND_CLOSURE], captured);
	if (closure == NULL)
		return lisp_no_memory(m);
	closure->code = *code;
	for (unsigned i = 0; i < captured; i++)
		closure->captured[i] = m->stack->top[(int)i - (int)captured];
	return closure;
}

/* From the last element to the first; what was consed so far takes the place of the first on the stack. */
bool lisp_list_from_stack(struct machine *m, size_t count)
{
	lisp_push(m, NIL);
	while (count-- > 0) {
		word pair = lisp_cons(m, lisp_top(m) - 1, lisp_top(m));

		if (pair == NULL) {
			lisp_drop(m, count + 1);
			return false;
		}
		lisp_drop(m, 1);
		lisp_set(m, lisp_top(m), pair);
	}
	return true;
}
