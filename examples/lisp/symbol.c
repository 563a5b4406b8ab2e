/* examples/lisp/symbol.c: symbols, interned weakly, and global variables, which live in them.
 *
 * The table is a vector of weak references, hashed by name, with linear probing. It keeps no symbol alive:
 * programs that make symbols as they run (string->symbol) do not fill the heap with them. A slot whose
 * symbol died is reused by the next name that comes by, and dropped when the table grows.
 *
 * A symbol that has a value must not die, or its value would be gone: those are on a list, which
 * `globals` holds.
 *
 * Threads: the table is used under `symbol_lock`, and under it there is no safepoint. So whoever waits for
 * the lock waits for a few instructions, never for a collection, and need not leave the heap for it.
 * Whatever has to be allocated is allocated before; and since everything may have changed when the lock was
 * free, the search is made again. */
#include "examples/lisp/machine.h"

#define SYMBOLS_FIRST 2048

static size_t name_hash(const char *name, size_t bytes)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ (unsigned char)name[i]) * 1099511628211u;
	return (size_t)(hash ^ hash >> 32);
}

static bool symbol_is(const struct symbol *symbol, const char *name, size_t bytes)
{
	const struct text *text = symbol->name;

	return plx_object_length(text) == bytes && memcmp(text->bytes, name, bytes) == 0;
}

static word symbol_in(struct machine *m, const struct vector *table, size_t i)
{
	const struct plx_weak *weak = table->slots[i];

	return weak == NIL ? NULL : plx_weak_get(m->thread, weak);
}

/* The symbol; or NULL, and the slot to put it into. */
static word symbols_find(struct machine *m, const char *name, size_t bytes, size_t *slot)
{
	const struct vector *table = m->lisp->symbols->ref;
	size_t mask = plx_object_length(table) - 1, i = name_hash(name, bytes) & mask;
	bool gap = false;

	for (;; i = (i + 1) & mask) {
		word symbol = symbol_in(m, table, i);

		if (symbol && symbol_is(symbol, name, bytes))
			return symbol;
		if (!symbol && !gap)
			*slot = i;
		gap |= !symbol;
		if (table->slots[i] == NIL)
			return NULL;
	}
}

/* Move what is alive into the empty table that is on top of the stack. */
static void symbols_rehash_locked(struct machine *m)
{
	const struct vector *old = m->lisp->symbols->ref;
	struct vector *table = *lisp_top(m);
	uint64_t kept = 0;

	plx_handle_set(m->thread, m->lisp->symbols, table);
	for (size_t i = 0; i < plx_object_length(old); i++) {
		const struct symbol *symbol = symbol_in(m, old, i);
		const struct text *name;
		size_t slot = 0;

		if (symbol == NULL)
			continue;
		name = symbol->name;
		symbols_find(m, name->bytes, plx_object_length(name), &slot);
		PLX_STORE(m->thread, &table->slots[slot], old->slots[i]);
		kept++;
	}
	m->lisp->symbol_count = kept;
}

/* Before the lock is taken for putting something in. Each thread puts in one symbol at most before it comes
 * here again, so half of the table is room enough. */
static bool symbols_make_room(struct machine *m)
{
	struct lisp *lisp = m->lisp;
	size_t length, alive = lisp_symbols_alive(m);
	word fill = NIL, table;

	pthread_mutex_lock(&lisp->symbol_lock);
	length = plx_object_length(lisp->symbols->ref);
	if (lisp->symbol_count < length / 2)
		length = 0;
	pthread_mutex_unlock(&lisp->symbol_lock);
	if (length == 0)
		return true;
	table = lisp_vector(m, alive < length / 4 ? length : 2 * length, &fill);
	if (table == NULL)
		return false;
	lisp_push(m, table);
	pthread_mutex_lock(&lisp->symbol_lock);
	if (plx_object_length(lisp->symbols->ref) == length)
		symbols_rehash_locked(m);
	pthread_mutex_unlock(&lisp->symbol_lock);
	lisp_drop(m, 1);
	return true;
}

/* Push a fresh symbol, and a weak reference to it. */
static bool symbol_make(struct machine *m, const char *name, size_t bytes)
{
	struct symbol *symbol;
	word made = lisp_text(m, name, bytes);

	if (made == NULL)
		return false;
	lisp_push(m, made);
	symbol = lisp_make(m, KIND_SYMBOL);
	if (symbol)
		symbol->name = *lisp_top(m);
	lisp_drop(m, 1);
	if (symbol == NULL)
		return false;
	lisp_push(m, symbol);
	made = plx_weak_create(m->thread, symbol); /* to where the symbol is by then */
	if (made)
		lisp_push(m, made);
	else
		lisp_drop(m, 1);
	return made || lisp_no_memory(m);
}

/* Put in the symbol on the stack, unless another thread was faster: then that one's. */
static word symbols_add_locked(struct machine *m, const char *name, size_t bytes)
{
	struct vector *table = m->lisp->symbols->ref;
	size_t slot = 0;
	word symbol = symbols_find(m, name, bytes, &slot);

	if (symbol)
		return symbol;
	m->lisp->symbol_count += table->slots[slot] == NIL;
	PLX_STORE(m->thread, &table->slots[slot], *lisp_top(m));
	return lisp_top(m)[-1];
}

word lisp_intern(struct machine *m, const char *name, size_t bytes)
{
	struct lisp *lisp = m->lisp;
	size_t slot;
	word symbol;

	pthread_mutex_lock(&lisp->symbol_lock);
	symbol = symbols_find(m, name, bytes, &slot);
	pthread_mutex_unlock(&lisp->symbol_lock);
	if (symbol)
		return symbol;
	if (!symbols_make_room(m) || !symbol_make(m, name, bytes))
		return NULL;
	pthread_mutex_lock(&lisp->symbol_lock);
	symbol = symbols_add_locked(m, name, bytes);
	pthread_mutex_unlock(&lisp->symbol_lock);
	lisp_drop(m, 2);
	return symbol;
}

bool lisp_symbols_open(struct machine *m)
{
	word fill = NIL, table = lisp_vector(m, SYMBOLS_FIRST, &fill);

	m->lisp->symbols = table ? plx_handle_create(m->thread, table) : NULL;
	return m->lisp->symbols;
}

size_t lisp_symbols_alive(struct machine *m)
{
	const struct vector *table;
	size_t alive = 0;

	pthread_mutex_lock(&m->lisp->symbol_lock);
	table = m->lisp->symbols->ref;
	for (size_t i = 0; i < plx_object_length(table); i++)
		alive += symbol_in(m, table, i) != NULL;
	pthread_mutex_unlock(&m->lisp->symbol_lock);
	return alive;
}

/* The first value is a compare-exchange, so that of two threads one puts the symbol on the list. */
bool lisp_define(struct machine *m, word *symbol, word *value)
{
	word nil = NIL;
	struct symbol *defined = *symbol;
	struct pair *link;
	struct box *globals;

	if (defined->value) {
		PLX_STORE(m->thread, &defined->value, *value);
		return true;
	}
	link = lisp_cons(m, symbol, &nil);
	if (link == NULL)
		return false;
	defined = *symbol;
	if (!plx_compare_exchange(m->thread, &defined->value, NULL, *value)) {
		PLX_STORE(m->thread, &defined->value, *value);
		return true;
	}
	globals = m->lisp->globals->ref;
	do
		link->cdr = globals->value; /* fresh still: no safepoint since */
	while (!plx_compare_exchange(m->thread, &globals->value, link->cdr, link));
	return true;
}
