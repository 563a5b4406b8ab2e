/* runtime/handle.c: handles: root slots in root pages (gc/collect/rootpage.c).
 *
 * Scoped handles are a stack of whole pages per thread; the inline push bumps through the top page.
 * Free handles come from an array of those that were released. A slot that is given up is cleared: so every
 * word of a root page is always NULL or one that the embedder put there, whatever its tags are [RP-1]. While
 * marking, what a slot held is logged first.
 *
 * Who runs here: attached threads, running. */
#include "gc/base/meta.h"
#include "gc/collect/collect.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

#define HANDLE_PAGES_FIRST 8

static size_t handles_per_page(const struct plx_heap *heap)
{
	return heap->gc.view.page_bytes / sizeof(struct plx_handle);
}

void rt_handles_init(struct plx_heap *heap)
{
	pthread_mutex_init(&heap->handles.lock, NULL);
}

void rt_handles_destroy(struct plx_heap *heap)
{
	gc_meta_free(heap->handles.free, heap->handles.free_capacity * sizeof(struct plx_handle *));
	gc_meta_free(heap->handles.pages,
		     heap->handles.page_capacity * sizeof(struct plx_handle *));
	pthread_mutex_destroy(&heap->handles.lock);
}

/* Make room for one more pointer in a growing array. */
static bool handle_array_grow(struct plx_handle ***array, uint32_t count, uint32_t *capacity)
{
	uint32_t wanted = *capacity ? 2 * *capacity : HANDLE_PAGES_FIRST;
	struct plx_handle **bigger;

	if (count < *capacity)
		return true;
	bigger = gc_meta_resize(*array, *capacity * sizeof(**array), wanted * sizeof(**array));
	if (!bigger)
		return false;
	*array = bigger;
	*capacity = wanted;
	return true;
}

/* A page whose words are all clear. */
static struct plx_handle *handle_page_take(struct plx_heap *heap)
{
	struct rt_handles *handles = &heap->handles;
	struct plx_handle *page = NULL;

	pthread_mutex_lock(&handles->lock);
	if (handles->page_count)
		page = handles->pages[--handles->page_count];
	pthread_mutex_unlock(&handles->lock);
	return page ? page : (struct plx_handle *)(void *)gc_rootpage_alloc(&heap->gc);
}

static void handle_page_give_back(struct plx_heap *heap, struct plx_handle *page)
{
	struct rt_handles *handles = &heap->handles;

	pthread_mutex_lock(&handles->lock);
	/* Without memory to remember it the page stays a root page full of NULL. */
	if (handle_array_grow(&handles->pages, handles->page_count, &handles->page_capacity))
		handles->pages[handles->page_count++] = page;
	pthread_mutex_unlock(&handles->lock);
}

static void handle_clear(struct plx_thread *thread, struct plx_handle *from, struct plx_handle *to)
{
	for (; from < to; from++)
		plx_handle_set(thread, from, NULL);
}

struct plx_handle *plx_handle_push_slow(struct plx_thread *pub, void *ref)
{
	RT_USE_RUNNING(pub);
	struct rt_thread *thread = rt_thread_of(pub);
	struct plx_handle *page;

	if (!handle_array_grow(&thread->handle_pages, thread->handle_page_count,
			       &thread->handle_page_capacity))
		return NULL;
	page = handle_page_take(pub->heap);
	if (!page)
		return NULL;
	thread->handle_pages[thread->handle_page_count++] = page;
	pub->handle_top = page;
	pub->handle_limit = page + handles_per_page(pub->heap);
	return plx_handle_push(pub, ref);
}

/* The top page goes; those below it are full. */
static void handle_page_drop(struct rt_thread *thread)
{
	struct plx_thread *pub = &thread->gc.pub;
	struct plx_handle *page = thread->handle_pages[--thread->handle_page_count];

	handle_clear(pub, page, pub->handle_top);
	handle_page_give_back(pub->heap, page);
	pub->handle_top = pub->handle_limit = NULL;
	if (thread->handle_page_count == 0)
		return;
	page = thread->handle_pages[thread->handle_page_count - 1];
	pub->handle_top = pub->handle_limit = page + handles_per_page(pub->heap);
}

static void handle_scope_exit(struct plx_thread *pub, const struct plx_scope *scope)
{
	while (pub->handle_limit != scope->limit)
		handle_page_drop(rt_thread_of(pub));
	handle_clear(pub, scope->top, pub->handle_top);
	pub->handle_top = scope->top;
}

void plx_scope_exit(struct plx_thread *pub, const struct plx_scope *scope)
{
	RT_USE_RUNNING(pub);
	RT_USE(scope, "`scope` is NULL");
	handle_scope_exit(pub, scope);
}

/* Its scoped handles; there may be millions, so a thread that runs polls in between. For one that is no more
 * (see fork.c) nothing does. A safepoint then. */
void rt_handles_drop_thread(struct rt_thread *thread, bool runs)
{
	while (thread->gc.pub.handle_limit) {
		handle_page_drop(thread);
		if (runs)
			plx_poll(&thread->gc.pub);
	}
}

static struct plx_handle *handle_take(struct plx_heap *heap)
{
	struct rt_handles *handles = &heap->handles;
	struct plx_handle *handle = NULL;

	pthread_mutex_lock(&handles->lock);
	if (handles->free_count)
		handle = handles->free[--handles->free_count];
	else if (handles->next != handles->limit)
		handle = handles->next++;
	pthread_mutex_unlock(&handles->lock);
	return handle;
}

/* Room to release all handles there are, so that releasing cannot fail. */
static bool handle_reserve_locked(struct rt_handles *handles, uint32_t slots)
{
	uint32_t wanted = 2 * slots;
	struct plx_handle **bigger;

	if (slots <= handles->free_capacity)
		return true;
	bigger = gc_meta_resize(handles->free, handles->free_capacity * sizeof(*bigger),
				wanted * sizeof(*bigger));
	if (!bigger)
		return false;
	handles->free = bigger;
	handles->free_capacity = wanted;
	return true;
}

/* Hand out of this page from now on. What another thread left of its page meanwhile is free. */
static bool handle_page_use(struct plx_heap *heap, struct plx_handle *page)
{
	struct rt_handles *handles = &heap->handles;
	uint32_t count = (uint32_t)handles_per_page(heap);
	bool room;

	pthread_mutex_lock(&handles->lock);
	room = handle_reserve_locked(handles, handles->slots + count);
	if (room) {
		for (struct plx_handle *h = handles->next; h != handles->limit; h++)
			handles->free[handles->free_count++] = h;
		handles->slots += count;
		handles->next = page;
		handles->limit = page + count;
	}
	pthread_mutex_unlock(&handles->lock);
	return room;
}

#ifdef PLX_DEBUG
#define HANDLES_REMEMBERED 64

/* Among the last that were. */
static bool handle_is_released(struct rt_handles *handles, const struct plx_handle *handle)
{
	bool found = false;

	pthread_mutex_lock(&handles->lock);
	for (uint32_t i = 1; i <= handles->free_count && i <= HANDLES_REMEMBERED; i++)
		found |= handles->free[handles->free_count - i] == handle;
	pthread_mutex_unlock(&handles->lock);
	return found;
}
#endif

/* Debug builds: a free handle of this heap. Scoped ones cannot be told from them. */
static void handle_check_use(struct plx_thread *thread, const struct plx_handle *handle)
{
#ifdef PLX_DEBUG
	const struct gc_heap *heap = &thread->heap->gc;
	uintptr_t word = (uintptr_t)handle;
	bool is_one =
		gc_heap_contains(heap, word) && word % sizeof(*handle) == 0 &&
		heap->regions.table[gc_region_of(&heap->regions, (struct gc_haddr){word})].kind ==
			GC_REGION_ROOTS;

	GC_REQUIRE(is_one, "misuse: plx_handle_release: %p is no handle of this heap",
		   (const void *)handle);
	GC_REQUIRE(!handle_is_released(&thread->heap->handles, handle),
		   "misuse: plx_handle_release: the handle at %p is released already",
		   (const void *)handle);
#else
	(void)thread, (void)handle;
#endif
}

struct plx_handle *plx_handle_create(struct plx_thread *thread, void *ref)
{
	RT_USE_RUNNING(thread);
	struct plx_heap *heap = thread->heap;
	struct plx_handle *handle = handle_take(heap), *page;

	while (!handle) {
		page = handle_page_take(heap);
		if (!page)
			return NULL;
		if (!handle_page_use(heap, page)) {
			handle_page_give_back(heap, page);
			return NULL;
		}
		handle = handle_take(heap);
	}
	__atomic_store_n(&handle->ref, ref, __ATOMIC_RELEASE); /* [MO-PUBLISH] */
	return handle;
}

void plx_handle_release(struct plx_thread *thread, struct plx_handle *handle)
{
	RT_USE_RUNNING(thread);
	handle_check_use(thread, handle);
	struct rt_handles *handles = &thread->heap->handles;

	plx_handle_set(thread, handle, NULL);
	pthread_mutex_lock(&handles->lock);
	handles->free[handles->free_count++] = handle;
	pthread_mutex_unlock(&handles->lock);
}
