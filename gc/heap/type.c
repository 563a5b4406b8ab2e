/* gc/heap/type.c: the table of types. See type.h. */
#include "gc/heap/type.h"

#include <string.h>

#include "gc/base/atomic.h"
#include "gc/base/meta.h"

#define TYPE_TABLE_BYTES ((size_t)(GC_TYPE_MAX + 1) * sizeof(struct gc_type))

bool gc_type_table_create(struct gc_type_table *table)
{
	table->types = gc_meta_alloc(TYPE_TABLE_BYTES);
	table->count = 1;
	return table->types != NULL;
}

void gc_type_table_destroy(struct gc_type_table *table)
{
	for (uint32_t i = 1; table->types && i < table->count; i++) {
		struct gc_type *type = &table->types[i];

		if (type->bitmap != &type->small_bitmap)
			gc_meta_free((void *)(uintptr_t)type->bitmap, type->bitmap_words * 8);
	}
	gc_meta_free(table->types, TYPE_TABLE_BYTES);
	table->types = NULL;
}

/* The last slot decides how many words the bitmap has: most types need one, kept in the type. */
static bool type_fill_bitmap(struct gc_type *type, const size_t *offsets, size_t count)
{
	uint64_t *bitmap = &type->small_bitmap;
	size_t last = 0;

	for (size_t i = 0; i < count; i++)
		last = gc_max(last, offsets[i] / 8);
	type->bitmap_words = count ? (uint32_t)(last / 64 + 1) : 0;
	if (type->bitmap_words > 1) {
		bitmap = gc_meta_alloc(type->bitmap_words * 8);
		if (!bitmap)
			return false;
	}
	for (size_t i = 0; i < count; i++)
		bitmap[offsets[i] / 8 / 64] |= UINT64_C(1) << (offsets[i] / 8 % 64);
	type->bitmap = bitmap;
	return true;
}

const struct gc_type *gc_type_add(struct gc_type_table *table, const struct gc_type *wanted,
				  const size_t *offsets, size_t offset_count)
{
	uint32_t number = table->count;
	struct gc_type *type = &table->types[number];

	if (number > GC_TYPE_MAX)
		return NULL;
	*type = *wanted;
	type->small_bitmap = 0;
	if (!type_fill_bitmap(type, offsets, offset_count))
		return NULL;
	type->pub.header = number;
	/* Release: pairs with nothing here; a thread learns a number through the VM's own
	 * synchronisation, and the verifier re-reads the count under the heap's lock. */
	gc_store_release(&table->count, number + 1);
	return type;
}

void plx_slot_visit(struct plx_slot_visitor *visitor, void *slot)
{
	GC_USE(visitor, "`visitor` is NULL");
	uint64_t offset = (uint64_t)((const char *)slot - visitor->object);

	if (offset >= visitor->low && offset < visitor->high)
		visitor->visit(visitor->context, offset);
}
