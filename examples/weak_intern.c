/* A weak interning table: one symbol object per name, for as long as anybody uses it.
 *
 * The table is a reference array of weak references, hashed by the name's text, with linear probing. It
 * keeps no symbol alive: an entry whose symbol died reads as NULL, counts as a gap that probing goes
 * over, and is reused by the next name that comes along. Growing drops what has died. */
#include <parallax/parallax.h>
#include <stdio.h>
#include <string.h>

struct symbol {
	struct plx_header header; /* the length is in here: plx_object_length */
	char text[];
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *symbols, *arrays;
static struct plx_handle *table; /* a reference array, a power of two long */

static struct plx_weak **table_slot(size_t i)
{
	return (struct plx_weak **)((char *)table->ref + sizeof(struct plx_header)) + i;
}

static size_t text_hash(const char *text, size_t bytes)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
	return (size_t)(hash ^ hash >> 32);
}

static bool symbol_is(const struct symbol *symbol, const char *text, size_t bytes)
{
	return plx_object_length(symbol) == bytes && memcmp(symbol->text, text, bytes) == 0;
}

/* The symbol, or NULL and the slot to put it into: a dead one if there was one on the way. */
static struct symbol *table_find(const char *text, size_t bytes, size_t *free_slot)
{
	size_t mask = plx_object_length(table->ref) - 1, i = text_hash(text, bytes) & mask;
	bool gap = false;

	for (;; i = (i + 1) & mask) {
		struct plx_weak *weak = *table_slot(i);
		struct symbol *symbol = weak ? plx_weak_get(thread, weak) : NULL;

		if (symbol && symbol_is(symbol, text, bytes))
			return symbol;
		if (!symbol && !gap)
			*free_slot = i;
		gap |= !symbol;
		if (!weak)
			return NULL;
	}
}

/* Twice as large, or as large as before, without what has died. Not a safepoint but for its first line. */
static size_t table_rehash(size_t length)
{
	struct plx_handle *old = plx_handle_create(thread, table->ref);
	size_t kept = 0, slot = 0, old_length = plx_object_length(old->ref);

	plx_handle_set(thread, table, plx_alloc_array(thread, arrays, length));
	for (size_t i = 0; i < old_length; i++) {
		char *slots = (char *)old->ref + sizeof(struct plx_header);
		struct plx_weak *weak = ((struct plx_weak **)slots)[i];
		struct symbol *symbol = weak ? plx_weak_get(thread, weak) : NULL;

		if (!symbol)
			continue;
		table_find(symbol->text, plx_object_length(symbol), &slot);
		PLX_STORE(thread, table_slot(slot), weak);
		kept++;
	}
	plx_handle_release(thread, old);
	return kept;
}

/* The one symbol of this name. A safepoint. */
static struct symbol *intern(const char *text)
{
	size_t bytes = strlen(text), slot = 0;
	struct symbol *symbol = table_find(text, bytes, &slot);
	struct plx_scope scope;
	struct plx_handle *fresh;
	struct plx_weak *weak;

	if (symbol)
		return symbol;
	plx_scope_enter(thread, &scope);
	symbol = plx_alloc_array(thread, symbols, bytes);
	memcpy(symbol->text, text, bytes);
	fresh = plx_handle_push(thread, symbol);
	weak = plx_weak_create(thread, symbol);
	/* The table did not change meanwhile: with several threads a lock would have to hold here, and
	 * be taken before the search. */
	PLX_STORE(thread, table_slot(slot), weak);
	symbol = fresh->ref;
	plx_scope_exit(thread, &scope);
	return symbol;
}

static void name_of(char *name, size_t size, unsigned i)
{
	snprintf(name, size, "symbol-%u", i);
}

int main(void)
{
	struct plx_error error;
	struct plx_handle *kept;
	char name[32];
	size_t alive;

	if (plx_heap_create(NULL, &heap, &error) != PLX_OK ||
	    plx_thread_attach(heap, &thread, &error) != PLX_OK)
		return fprintf(stderr, "%s\n", error.message), 1;
	symbols = plx_layout_bytes(heap, NULL);
	arrays = plx_layout_references(heap, NULL);
	table = plx_handle_create(thread, plx_alloc_array(thread, arrays, 4096));
	kept = plx_handle_create(thread, plx_alloc_array(thread, arrays, 100));

	for (unsigned i = 0; i < 1000; i++) {
		struct symbol *symbol;

		name_of(name, sizeof(name), i);
		symbol = intern(name);
		if (symbol != intern(name))
			return fprintf(stderr, "two symbols called %s\n", name), 1;
		if (i % 10 == 0) { /* the program goes on using every tenth */
			char *slots = (char *)kept->ref + sizeof(struct plx_header);

			plx_store(thread, slots + (size_t)(i / 10) * sizeof(void *), symbol);
		}
	}
	plx_collect(thread);
	alive = table_rehash(2048);
	printf("1000 symbols were made, %zu are in use\n", alive);
	for (unsigned i = 0; i < 1000; i += 10) {
		char *slots = (char *)kept->ref + sizeof(struct plx_header);

		name_of(name, sizeof(name), i);
		if (intern(name) != ((struct symbol **)slots)[i / 10])
			return fprintf(stderr, "%s is not what it was\n", name), 1;
	}
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK || alive != 100;
}
