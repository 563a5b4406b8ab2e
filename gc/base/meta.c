/* gc/base/meta.c: see meta.h. One arena for the process, made at first use; its dirty pages go back
 * to the kernel at once, so that a table freed with one heap comes back as untouched zero pages for
 * the next, and not as memory that has to be cleared. */
#include "gc/base/meta.h"

#include <pthread.h>
#include <stdio.h>

#include "gc/base/atomic.h"
#include "third_party/plx_jemalloc.h"

/* One arena besides ours, made before anything can fail, and no caches: a thread's first call makes nothing
 * for the thread, which this jemalloc would not survive when there is no memory. */
const char *plx_je_malloc_conf = "narenas:1,tcache:false";

static pthread_once_t meta_once = PTHREAD_ONCE_INIT;
static int meta_flags;
static uint64_t meta_reserved_bytes;

static void meta_init(void)
{
	unsigned arena;
	size_t size = sizeof(arena);
	ssize_t decay_ms = 0;
	char name[64];

	if (plx_je_mallctl("arenas.create", &arena, &size, NULL, 0) != 0)
		return; /* the default arena of our private copy serves as well */
	meta_flags = MALLOCX_ARENA(arena);
	snprintf(name, sizeof(name), "arena.%u.dirty_decay_ms", arena);
	plx_je_mallctl(name, NULL, NULL, &decay_ms, sizeof(decay_ms));
	snprintf(name, sizeof(name), "arena.%u.muzzy_decay_ms", arena);
	plx_je_mallctl(name, NULL, NULL, &decay_ms, sizeof(decay_ms));
}

void *gc_meta_alloc(size_t bytes)
{
	void *block;

	pthread_once(&meta_once, meta_init);
	block = plx_je_mallocx(bytes ? bytes : 1, meta_flags | MALLOCX_TCACHE_NONE | MALLOCX_ZERO);
	if (block)
		gc_add_relaxed(&meta_reserved_bytes, bytes); /* relaxed: a statistic */
	return block;
}

void gc_meta_free(void *block, size_t bytes)
{
	if (!block)
		return;
	plx_je_dallocx(block, meta_flags | MALLOCX_TCACHE_NONE);
	gc_sub_relaxed(&meta_reserved_bytes, bytes); /* relaxed: a statistic */
}

void *gc_meta_resize(void *block, size_t old_bytes, size_t new_bytes)
{
	void *bigger;

	if (!block)
		return gc_meta_alloc(new_bytes);
	bigger = plx_je_rallocx(block, new_bytes, meta_flags | MALLOCX_TCACHE_NONE);
	if (bigger)
		gc_add_relaxed(&meta_reserved_bytes,
			       new_bytes - old_bytes); /* relaxed: a statistic */
	return bigger;
}

uint64_t gc_meta_reserved_bytes(void)
{
	return gc_load_relaxed(&meta_reserved_bytes); /* relaxed: a statistic */
}
