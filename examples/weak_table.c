/* A weak hash table: properties of objects that do not know of it, gone when the objects are.
 *
 * Keys are compared and hashed by identity (plx_identity_hash: objects move, their hash does not). Entries are
 * ephemerons in buckets, each with a link to the next: so a value may refer to its key, or to other
 * keys of the table, and still all of them die when nothing else refers to the keys. Entries whose key died
 * are unlinked by whoever walks the bucket next. */
#include <parallax/parallax.h>
#include <stdio.h>

#define BUCKETS 1024

struct object {
	struct plx_header header;
	uint64_t number;
	struct object *friend;
};

struct entry {
	struct plx_header header;
	struct plx_ephemeron *pair;
	struct entry *next;
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *objects, *entries, *arrays;
static struct plx_handle *table; /* a reference array of entries */

static struct entry **bucket_of(const void *key)
{
	size_t i = plx_identity_hash(thread, key) % BUCKETS;

	return (struct entry **)((char *)table->ref + sizeof(struct plx_header)) + i;
}

/* Not a safepoint, so references in C locals stay right. */
static struct plx_ephemeron *table_find(const void *key, void **value)
{
	struct entry **link = bucket_of(key);

	while (*link) {
		const void *found = plx_ephemeron_get(thread, (*link)->pair, value);

		if (found == key)
			return (*link)->pair;
		if (!found) /* broken */
			PLX_STORE(thread, link, (*link)->next);
		else
			link = &(*link)->next;
	}
	*value = NULL;
	return NULL;
}

/* A safepoint. */
static bool table_put(void *key, void *value)
{
	void *old;
	struct plx_ephemeron *pair = table_find(key, &old);
	struct plx_handle *keys, *pairs;
	struct plx_scope scope;
	struct entry *entry;

	if (pair) {
		plx_ephemeron_set_value(thread, pair, value);
		return true;
	}
	plx_scope_enter(thread, &scope);
	keys = plx_handle_push(thread, key);
	pairs = plx_handle_push(thread, plx_ephemeron_create(thread, key, value));
	entry = pairs->ref ? plx_alloc(thread, entries) : NULL;
	if (entry) {
		entry->pair = pairs->ref; /* a fresh object: plain stores */
		entry->next = *bucket_of(keys->ref);
		PLX_STORE(thread, bucket_of(keys->ref), entry);
	}
	plx_scope_exit(thread, &scope);
	return entry != NULL;
}

static size_t table_count(void)
{
	size_t count = 0;
	void *value;

	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry *entry =
			((struct entry **)((char *)table->ref + sizeof(struct plx_header)))[i];

		for (; entry; entry = entry->next)
			count += plx_ephemeron_get(thread, entry->pair, &value) != NULL;
	}
	return count;
}

int main(void)
{
	static const size_t object_refs[] = {offsetof(struct object, friend)};
	static const size_t entry_refs[] = {offsetof(struct entry, pair),
					    offsetof(struct entry, next)};
	struct plx_handle *list, *key, *value;
	struct plx_error error;
	size_t before, after, wrong = 0;

	if (plx_heap_create(NULL, &heap, &error) != PLX_OK ||
	    plx_thread_attach(heap, &thread, &error) != PLX_OK)
		return fprintf(stderr, "%s\n", error.message), 1;
	objects = plx_layout_fixed(heap, sizeof(struct object), object_refs, 1, NULL);
	entries = plx_layout_fixed(heap, sizeof(struct entry), entry_refs, 2, NULL);
	arrays = plx_layout_references(heap, NULL);
	table = plx_handle_create(thread, plx_alloc_array(thread, arrays, BUCKETS));
	list = plx_handle_create(thread, NULL);
	key = plx_handle_create(thread, NULL);
	value = plx_handle_create(thread, NULL);
	for (uint64_t i = 0; i < 2000; i++) {
		struct object *made = plx_alloc(thread, objects);

		made->number = i;
		if (i % 4 == 0) { /* the program keeps every fourth key */
			made->friend = list->ref;
			plx_handle_set(thread, list, made);
		}
		plx_handle_set(thread, key, made);
		made = plx_alloc(thread, objects);
		made->number = i * i;
		made->friend = key->ref; /* the value refers to its key */
		plx_handle_set(thread, value, made);
		if (!table_put(key->ref, value->ref))
			return fprintf(stderr, "out of memory\n"), 1;
	}
	plx_handle_set(thread, key, NULL);
	plx_handle_set(thread, value, NULL);
	before = table_count();
	plx_collect(thread);
	after = table_count();
	printf("%zu entries, after a collection %zu\n", before, after);
	for (struct object *object = list->ref; object; object = object->friend) {
		void *found;

		table_find(object, &found);
		wrong += !found ||
			 ((struct object *)found)->number != object->number * object->number;
	}
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK || after != 500 || wrong != 0;
}
