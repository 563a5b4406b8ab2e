/* gc/base/meta.h: the collector's own memory: a private jemalloc arena, apart from the embedder's
 * malloc, and accounted for.
 *
 * Any thread outside of faults and pauses' critical parts (it may lock and map memory). */
#ifndef GC_BASE_META_H
#define GC_BASE_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory, or NULL. Large tables are backed by the kernel's zero pages until touched. */
void *gc_meta_alloc(size_t bytes);
void gc_meta_free(void *block, size_t bytes);

/* Grow or shrink; new bytes are not zeroed. NULL leaves the old block as it was. */
void *gc_meta_resize(void *block, size_t old_bytes, size_t new_bytes);

/* Bytes asked for and not freed. Tables count whole although untouched parts take no memory. */
uint64_t gc_meta_reserved_bytes(void);

#endif
