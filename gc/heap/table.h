/* gc/heap/table.h: memory for the large side tables: zeroes, at a random place, between guard pages [RV-1] [RV-2],
 * untouched until used. What lies beyond the end of a table is nobody's.
 *
 * Who runs here: whoever makes or destroys a heap. */
#ifndef GC_HEAP_TABLE_H
#define GC_HEAP_TABLE_H

#include <stddef.h>

/* NULL if there is no memory or address space. */
void *gc_table_alloc(size_t bytes);
void gc_table_free(void *table, size_t bytes);

#endif
