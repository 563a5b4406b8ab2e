/* examples/lisp/lisp.c: a Lisp from a heap: tags, layouts, roots; machines; loading. The order of things
 * here is the order in which an embedder does them. */
#include "examples/lisp/lisp.h"

#include "examples/lisp/compile.h"

#include <stdio.h>
#include <stdlib.h>

/* --- layouts ------------------------------------------------------------------------------------- */

static const struct plx_layout *layout_fixed(struct plx_heap *heap, size_t bytes,
					     const size_t *references, size_t count,
					     struct plx_error *error)
{
	return plx_layout_fixed(heap, bytes, references, count, error);
}

/* One per kind of object; where the references are, and nothing else. */
static bool lisp_make_layouts(struct lisp *lisp, struct plx_error *error)
{
	static const size_t pair[] = {offsetof(struct pair, car), offsetof(struct pair, cdr)};
	static const size_t symbol[] = {offsetof(struct symbol, value),
					offsetof(struct symbol, name)};
	static const size_t box[] = {offsetof(struct box, value)};
	static const size_t code[] = {offsetof(struct code, bytes),
				      offsetof(struct code, constants),
				      offsetof(struct code, name)};
	static const size_t closure[] = {offsetof(struct closure, code)};
	static const size_t table[] = {offsetof(struct table, buckets)};
	static const size_t entry[] = {offsetof(struct entry, key), offsetof(struct entry, value),
				       offsetof(struct entry, next)};
	struct plx_heap *heap = lisp->heap;
	const struct plx_layout **layouts = lisp->layouts;

	layouts[KIND_PAIR] = layout_fixed(heap, sizeof(struct pair), pair, 2, error);
	layouts[KIND_SYMBOL] = layout_fixed(heap, sizeof(struct symbol), symbol, 2, error);
	layouts[KIND_TEXT] = plx_layout_bytes(heap, error);
	layouts[KIND_VECTOR] = plx_layout_references(heap, error);
	layouts[KIND_BOX] = layout_fixed(heap, sizeof(struct box), box, 1, error);
	layouts[KIND_CODE] = layout_fixed(heap, sizeof(struct code), code, 3, error);
	layouts[KIND_CLOSURE] = plx_layout_trailing(heap, sizeof(struct closure), closure, 1,
						    sizeof(word), true, error);
	layouts[KIND_TABLE] = layout_fixed(heap, sizeof(struct table), table, 1, error);
	layouts[KIND_ENTRY] = layout_fixed(heap, sizeof(struct entry), entry, 3, error);
	layouts[KIND_RESOURCE] = layout_fixed(heap, sizeof(struct resource), NULL, 0, error);
	layouts[KIND_WEAK] = plx_weak_layout(heap); /* the library's own */
	layouts[KIND_EPHEMERON] = plx_ephemeron_layout(heap);
	for (unsigned kind = KIND_PAIR; kind < KIND_COUNT; kind++)
		if (layouts[kind] == NULL)
			return false;
	return true;
}

/* From an object's header to its kind: by the layout number in it. */
static bool lisp_number_kinds(struct lisp *lisp, struct plx_error *error)
{
	const uint64_t mask = (UINT64_C(1) << PLX_HEADER_LAYOUT_BITS) - 1;

	for (unsigned kind = KIND_PAIR; kind < KIND_COUNT; kind++) {
		uint64_t number = lisp->layouts[kind]->header & mask;

		if (number >= LISP_LAYOUTS_MOST) {
			snprintf(error->message, sizeof(error->message),
				 "the heap has too many other layouts for a Lisp");
			return false;
		}
		lisp->kinds[number] = (uint8_t)kind;
	}
	return true;
}

/* --- primitives ---------------------------------------------------------------------------------- */

static void lisp_add_primitives(struct lisp *lisp, const struct primitive *table)
{
	for (; table->name && lisp->primitive_count < LISP_PRIMITIVES_MOST; table++) {
		lisp->primitives[lisp->primitive_count++] = table;
		lisp->inlined[lisp_inlined(table->name)] = table;
	}
}

static void lisp_collect_primitives(struct lisp *lisp)
{
	lisp_add_primitives(lisp, number_primitives);
	lisp_add_primitives(lisp, list_primitives);
	lisp_add_primitives(lisp, text_primitives);
	lisp_add_primitives(lisp, table_primitives);
	lisp_add_primitives(lisp, control_primitives);
	lisp_add_primitives(lisp, weak_primitives);
	lisp_add_primitives(lisp, thread_primitives);
	lisp_add_primitives(lisp, foreign_primitives);
	if (lisp->ambiguous) /* they hold references in C locals: see native.c */
		lisp_add_primitives(lisp, native_primitives);
}

struct lisp *lisp_open(struct plx_heap *heap, size_t stack_slots, struct plx_error *error)
{
	struct lisp *lisp = calloc(1, sizeof(*lisp));

	if (lisp == NULL) {
		snprintf(error->message, sizeof(error->message), "out of memory");
		return NULL;
	}
	lisp->heap = heap;
	lisp->ambiguous = plx_heap_scans_stacks(heap);
	lisp->stack_slots = stack_slots;
	pthread_mutex_init(&lisp->symbol_lock, NULL);
	pthread_mutex_init(&lisp->body_lock, NULL);
	pthread_mutex_init(&lisp->task_lock, NULL);
	pthread_cond_init(&lisp->task_done, NULL);
	lisp_collect_primitives(lisp);
	/* The highest number: a Lisp guardian that looks after a port gets it back before it is closed. */
	lisp->resources = plx_guardian_create(heap, PLX_GUARDIAN_PRIORITIES - 1, error);
	if (plx_heap_set_tags(heap, WORD_TAG_MASK, WORD_TAG_OBJECT, error) == PLX_OK &&
	    lisp->resources && lisp_make_layouts(lisp, error) && lisp_number_kinds(lisp, error))
		return lisp;
	lisp_close(lisp);
	return NULL;
}

void lisp_close(struct lisp *lisp)
{
	task_join_all(lisp);
	if (lisp->resources)
		plx_guardian_destroy(lisp->resources);
	pthread_mutex_destroy(&lisp->symbol_lock);
	pthread_mutex_destroy(&lisp->body_lock);
	pthread_mutex_destroy(&lisp->task_lock);
	pthread_cond_destroy(&lisp->task_done);
	free(lisp);
}

void lisp_stress(struct lisp *lisp, unsigned every)
{
	lisp->stress = every;
}

/* --- machines ------------------------------------------------------------------------------------ */

static bool lisp_define_primitives(struct machine *m)
{
	for (unsigned i = 0; i < m->lisp->primitive_count; i++) {
		const char *name = m->lisp->primitives[i]->name;
		word symbol = lisp_intern(m, name, strlen(name));

		if (symbol == NULL)
			return false;
		((struct symbol *)symbol)->inlined = lisp_inlined(name);
		lisp_push(m, symbol);
		lisp_push(m, WORD_IMMEDIATE(IMMEDIATE_PRIMITIVE, i));
		if (!lisp_define(m, lisp_top(m) - 1, lisp_top(m)))
			return false;
		lisp_drop(m, 2);
	}
	return true;
}

/* The first machine fills the heap with what every program finds there. */
static bool lisp_boot(struct machine *m)
{
	static const char message[] = "out of memory";
	struct lisp *lisp = m->lisp;
	word text;

	lisp_push(m, NIL);
	lisp->globals = plx_handle_create(m->thread, lisp_box(m, lisp_top(m)));
	text = lisp_text(m, message, sizeof(message) - 1);
	if (text == NULL)
		return false;
	lisp_push(m, text);
	if (!lisp_list_from_stack(m, 1))
		return false;
	lisp->no_memory = plx_handle_create(m->thread, *lisp_top(m));
	lisp_drop(m, 2);
	return lisp_symbols_open(m) && compile_form_names(m) && lisp_define_primitives(m) &&
	       lisp_load_text(m, lisp_prelude, strlen(lisp_prelude), false);
}

struct machine *lisp_machine_open(struct lisp *lisp, size_t stack_slots, struct plx_error *error)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (m == NULL || plx_thread_attach(lisp->heap, &m->thread, error) != PLX_OK) {
		free(m);
		return NULL;
	}
	m->lisp = lisp;
	m->random = 1;
	m->until_stress = lisp->stress;
	m->thrown = plx_handle_create(m->thread, NIL);
	m->stack = plx_root_stack_create(m->thread, stack_slots + 2 * STACK_SPARE, error);
	if (m->stack)
		lisp_push(m, NIL); /* so that 0 is no position of a catcher */
	if (m->thrown && m->stack && (lisp->symbols || lisp_boot(m)))
		return m;
	if (m->stack && m->thrown)
		snprintf(error->message, sizeof(error->message),
			 "the heap is too small for a Lisp: raise GC_HEAP_MAX");
	lisp_machine_close(m);
	return NULL;
}

void lisp_machine_close(struct machine *m)
{
	if (m->stack)
		plx_root_stack_destroy(m->thread, m->stack);
	if (m->thrown)
		plx_handle_release(m->thread, m->thrown);
	plx_thread_detach(m->thread);
	free(m);
}

struct plx_thread *lisp_machine_thread(struct machine *machine)
{
	return machine->thread;
}

/* --- loading ------------------------------------------------------------------------------------- */

/* Run the form on top of the stack, and drop it. */
static bool lisp_run_form(struct machine *m, bool echo)
{
	struct output output = {0};
	word closure = lisp_compile(m, lisp_top(m));
	bool well;

	lisp_drop(m, 1);
	if (closure == NULL)
		return false;
	lisp_push(m, closure);
	well = lisp_call(m, 0);
	if (!well)
		return false;
	if (echo && *lisp_top(m) != NOTHING) {
		lisp_print(m, &output, *lisp_top(m), true);
		output_bytes(&output, "\n", 1);
	}
	lisp_drop(m, 1);
	output_flush(m, &output);
	return true;
}

bool lisp_load_text(struct machine *m, const char *text, size_t bytes, bool echo)
{
	struct reader reader = {.at = text, .end = text + bytes};
	enum read_result result;

	while ((result = lisp_read(m, &reader)) == READ_DATUM)
		if (!lisp_run_form(m, echo))
			return false;
	return result == READ_END;
}

/* All of a file into C memory, outside of the heap. */
static char *file_read(const char *path, size_t *bytes)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;

	*bytes = 0;
	while (file && !feof(file) && !ferror(file)) {
		if (*bytes + 4096 > room) {
			char *more = realloc(text, room = 2 * room + 8192);

			if (more == NULL)
				break;
			text = more;
		}
		*bytes += fread(text + *bytes, 1, 4096, file);
	}
	if (file)
		fclose(file);
	return text;
}

bool lisp_load_file(struct machine *m, const char *path)
{
	char *text;
	size_t bytes;
	bool well;

	plx_block_enter(m->thread);
	text = file_read(path, &bytes);
	plx_block_exit(m->thread);
	if (text == NULL)
		return lisp_fail(m, "cannot read the file", NULL) != NULL;
	well = lisp_load_text(m, text, bytes, false);
	free(text);
	return well;
}

void lisp_print_error(struct machine *m, const char *where)
{
	struct output output = {0};

	lisp_print(m, &output, m->thrown->ref, true);
	fprintf(stderr, "%s: error: %.*s\n", where, (int)output.length, output.bytes);
	free(output.bytes);
}

bool lisp_call_number(struct machine *m, const char *name, int64_t argument, int64_t *result)
{
	word symbol = lisp_intern(m, name, strlen(name));

	if (symbol == NULL || !((struct symbol *)symbol)->value)
		return lisp_fail(m, "there is no such procedure", symbol) != NULL;
	lisp_push(m, ((struct symbol *)symbol)->value);
	lisp_push(m, word_fixnum(argument));
	if (!lisp_call(m, 1))
		return false;
	if (!word_is_fixnum(*lisp_top(m)))
		return lisp_fail(m, "the result is no number", *lisp_top(m)) != NULL;
	*result = word_number(*lisp_top(m));
	lisp_drop(m, 1);
	return true;
}

bool lisp_is_defined(struct machine *m, const char *name)
{
	word symbol = lisp_intern(m, name, strlen(name));

	return symbol && ((struct symbol *)symbol)->value;
}
