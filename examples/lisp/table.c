/* examples/lisp/table.c: hash tables. Strings are keys by their text, everything else by identity: by what it
 * is for numbers and the like, by plx_identity_hash for objects, since their addresses change.
 *
 * A weak table's entries are ephemerons: an entry lives as long as its key is reachable from elsewhere, even
 * if the value refers to the key. Entries whose key died are unlinked by whoever walks the bucket next.
 *
 * Looking something up is no safepoint. A table that several threads change needs a mutex (or is split among
 * them); looking up what nobody changes needs none. */
#include "examples/lisp/machine.h"

#define BUCKETS_FIRST 8

static uint32_t mix(uint64_t x)
{
	x *= UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(x >> 32);
}

uint32_t lisp_hash(struct machine *m, word key)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	if (!word_is_object(key))
		return mix((uintptr_t)key);
	if (!is_text(m, key))
		return mix(plx_identity_hash(m->thread, key));
	for (size_t i = 0; i < plx_object_length(key); i++)
		hash = (hash ^ (unsigned char)((const struct text *)key)->bytes[i]) *
		       1099511628211u;
	return mix(hash);
}

static struct vector *table_buckets(const struct table *table)
{
	return table->buckets;
}

static word *table_bucket(struct machine *m, const struct table *table, word key)
{
	struct vector *buckets = table_buckets(table);

	return &buckets->slots[lisp_hash(m, key) & (plx_object_length(buckets) - 1)];
}

static bool keys_equal(struct machine *m, word a, word b)
{
	return a == b || (is_text(m, a) && is_text(m, b) && lisp_text_equal(a, b));
}

/* The key of an entry, and its value; NULL if the key died. */
static word entry_key(struct machine *m, const struct table *table, const struct entry *entry,
		      word *value)
{
	*value = entry->value;
	return table->weak ? plx_ephemeron_get(m->thread, entry->key, value) : entry->key;
}

/* The link to the entry with this key, or to nil at the end; drops the dead on its way. No safepoint. */
static word *table_find(struct machine *m, struct table *table, word key, word *value)
{
	word *link = table_bucket(m, table, key);
	struct entry *entry;

	while ((entry = *link) != NIL) {
		word found = entry_key(m, table, entry, value);

		if (found && keys_equal(m, found, key))
			return link;
		if (found) {
			link = &entry->next;
		} else {
			PLX_STORE(m->thread, link, entry->next);
			table->count--;
		}
	}
	return link;
}

static bool is_table(struct machine *m, word w, const char *who)
{
	if (lisp_kind(m, w) == KIND_TABLE)
		return true;
	lisp_fail(m, who, w);
	return false;
}

static word table_make(struct machine *m, bool weak)
{
	word nil = NIL;
	word buckets = lisp_vector(m, BUCKETS_FIRST, &nil);
	struct table *table;

	if (buckets == NULL)
		return NULL;
	lisp_push(m, buckets);
	table = lisp_make(m, KIND_TABLE);
	if (table) {
		table->buckets = *lisp_top(m);
		table->weak = weak;
	}
	return table; /* what was pushed goes with the arguments */
}

static word prim_make_table(struct machine *m, word *args, unsigned count)
{
	(void)args;
	(void)count;
	return table_make(m, false);
}

static word prim_make_weak_table(struct machine *m, word *args, unsigned count)
{
	(void)args;
	(void)count;
	return table_make(m, true);
}

/* (table-ref table key otherwise) */
static word prim_table_ref(struct machine *m, word *args, unsigned count)
{
	word value = NIL;

	(void)count;
	if (!is_table(m, args[0], "table-ref: not a table:"))
		return NULL;
	return *table_find(m, args[0], args[1], &value) == NIL ? args[2] : value;
}

/* Move one bucket's entries from the table's old buckets to the new ones. No safepoint. */
static void table_move_bucket(struct machine *m, struct table *table, struct vector *old, size_t i)
{
	struct entry *entry, *next;
	word value, key;

	for (entry = old->slots[i]; entry != NIL; entry = next) {
		next = entry->next;
		key = entry_key(m, table, entry, &value);
		if (key) {
			word *bucket = table_bucket(m, table, key);

			PLX_STORE(m->thread, &entry->next, *bucket);
			PLX_STORE(m->thread, bucket, (word)entry);
		} else {
			table->count--;
		}
	}
}

/* Twice as many buckets. With millions of entries that takes a while, so it polls: the vectors are found
 * again from the stack, the table from the arguments. */
static bool table_grow(struct machine *m, word *args)
{
	size_t length = plx_object_length(table_buckets(args[0]));
	word nil = NIL, buckets = lisp_vector(m, 2 * length, &nil);
	word *old;

	if (buckets == NULL)
		return false;
	lisp_push(m, table_buckets(args[0]));
	old = lisp_top(m);
	PLX_STORE(m->thread, &((struct table *)args[0])->buckets, buckets);
	for (size_t i = 0; i < length; i++) {
		table_move_bucket(m, args[0], *old, i);
		if (i % 64 == 63)
			plx_poll(m->thread);
	}
	lisp_drop(m, 1);
	return true;
}

/* Push what a new entry holds as its key, then the entry. */
static bool entry_make(struct machine *m, const word *args)
{
	bool weak = ((const struct table *)args[0])->weak;
	word key = weak ? plx_ephemeron_create(m->thread, args[1], args[2]) : args[1];
	struct entry *entry;

	if (key == NULL)
		return lisp_no_memory(m) != NULL;
	lisp_push(m, key);
	entry = lisp_make(m, KIND_ENTRY);
	if (entry == NULL)
		return false;
	entry->key = *lisp_top(m);
	entry->value = weak ? NIL : args[2];
	entry->next = NIL;
	lisp_push(m, entry);
	return true;
}

/* (table-set! table key value) */
static word prim_table_set(struct machine *m, word *args, unsigned count)
{
	struct entry *entry;
	struct table *table;
	word value, *bucket;

	(void)count;
	if (!is_table(m, args[0], "table-set!: not a table:"))
		return NULL;
	entry = *table_find(m, args[0], args[1], &value);
	if (entry != NIL) {
		if (((struct table *)args[0])->weak)
			plx_ephemeron_set_value(m->thread, entry->key, args[2]);
		else
			PLX_STORE(m->thread, &entry->value, args[2]);
		return NOTHING;
	}
	table = args[0];
	if (table->count >= plx_object_length(table_buckets(table)) && !table_grow(m, args))
		return NULL;
	if (!entry_make(m, args))
		return NULL;
	entry = *lisp_top(m);
	table = args[0]; /* all of it anew, after the last safepoint */
	bucket = table_bucket(m, table, args[1]);
	PLX_STORE(m->thread, &entry->next, *bucket);
	PLX_STORE(m->thread, bucket, (word)entry);
	table->count++;
	return NOTHING;
}

static word prim_table_delete(struct machine *m, word *args, unsigned count)
{
	word value, *link;

	(void)count;
	if (!is_table(m, args[0], "table-delete!: not a table:"))
		return NULL;
	link = table_find(m, args[0], args[1], &value);
	if (*link == NIL)
		return FALSE_WORD;
	PLX_STORE(m->thread, link, ((struct entry *)*link)->next);
	((struct table *)args[0])->count--;
	return TRUE_WORD;
}

/* What is in it now; in a weak table, without the dead that nobody came across yet. */
static word prim_table_count(struct machine *m, word *args, unsigned count)
{
	int64_t alive = 0;
	word value;

	(void)count;
	if (!is_table(m, args[0], "table-count: not a table:"))
		return NULL;
	for (size_t i = 0; i < plx_object_length(table_buckets(args[0])); i++) {
		const struct table *table = args[0];
		const struct entry *entry = table_buckets(table)->slots[i];

		for (; entry != NIL; entry = entry->next)
			alive += entry_key(m, table, entry, &value) != NULL;
		if (i % 64 == 63)
			plx_poll(m->thread);
	}
	return word_fixnum(alive);
}

/* The next entry in `*entry` becomes (key . value) in front of the list on top of the stack. */
static bool entry_to_list(struct machine *m, const struct table *table, word *entry)
{
	word value, key = entry_key(m, table, *entry, &value), pair;

	lisp_set(m, entry, ((const struct entry *)*entry)->next);
	if (key == NULL)
		return true;
	lisp_push(m, key);
	lisp_push(m, value);
	pair = lisp_cons(m, lisp_top(m) - 1, lisp_top(m));
	if (pair == NULL)
		return false;
	lisp_drop(m, 1);
	lisp_set(m, lisp_top(m), pair);
	pair = lisp_cons(m, lisp_top(m), lisp_top(m) - 1);
	if (pair == NULL)
		return false;
	lisp_drop(m, 1);
	lisp_set(m, lisp_top(m), pair);
	return true;
}

/* A list of all (key . value). */
static word prim_table_to_list(struct machine *m, word *args, unsigned count)
{
	word *buckets, *entry;

	(void)count;
	if (!is_table(m, args[0], "table->list: not a table:"))
		return NULL;
	lisp_push(m, table_buckets(args[0]));
	buckets = lisp_top(m);
	lisp_push(m, NIL);
	entry = lisp_top(m);
	lisp_push(m, NIL);
	for (size_t i = 0; i < plx_object_length(*buckets); i++) {
		lisp_set(m, entry, ((const struct vector *)*buckets)->slots[i]);
		while (*entry != NIL)
			if (!entry_to_list(m, args[0], entry))
				return NULL;
	}
	return *lisp_top(m);
}

static word prim_is_table(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return word_boolean(lisp_kind(m, args[0]) == KIND_TABLE);
}

/* (hash x): a number, the same as long as x lives. */
static word prim_hash(struct machine *m, word *args, unsigned count)
{
	(void)count;
	return word_fixnum(lisp_hash(m, args[0]));
}

const struct primitive table_primitives[] = {
	{"make-table", prim_make_table, 0, 0},
	{"make-weak-table", prim_make_weak_table, 0, 0},
	{"table?", prim_is_table, 1, 1},
	{"table-ref", prim_table_ref, 3, 3},
	{"table-set!", prim_table_set, 3, 3},
	{"table-delete!", prim_table_delete, 2, 2},
	{"table-count", prim_table_count, 1, 1},
	{"table->list", prim_table_to_list, 1, 1},
	{"hash", prim_hash, 1, 1},
	{NULL, NULL, 0, 0},
};
