/* gc/collect/verify_report.c: the verifier found something: say what, how it is reached, and what
 * happened there lately; write the heap to a file; end. See verify.h.
 *
 * Who runs here: the cycle's thread, mutators stopped, on its way to abort: it may allocate and print. */
#include <stdarg.h>
#include <stdio.h>

#include "gc/collect/verify.h"

#define REPORT_PATH_MOST 32    /* edges that are shown, those next to the failure */
#define REPORT_HISTORY_MOST 12 /* events of a region */

static const char *const report_kinds[] = {
	[GC_REGION_FREE] = "free",
	[GC_REGION_SMALL] = "small",
	[GC_REGION_LARGE] = "large",
	[GC_REGION_LARGE_TAIL] = "large, not its beginning",
	[GC_REGION_ROOTS] = "roots",
	[GC_REGION_STACK] = "root stack",
	[GC_REGION_STACK_TAIL] = "root stack, not its beginning",
	[GC_REGION_FIXED] = "fixed",
};

static const char *report_kind(uint8_t kind)
{
	return kind <= GC_REGION_FIXED ? report_kinds[kind] : "?";
}

static void report_history(const struct gc_regions *regions, uint32_t number)
{
	const struct gc_history *history = regions->history;
	uint32_t next = gc_load_relaxed(&history->next), shown = 0; /* stopped */

	for (uint32_t back = 0; back < GC_HISTORY_COUNT && shown < REPORT_HISTORY_MOST; back++) {
		const struct gc_history_entry *entry =
			&history->entries[(next - back) % GC_HISTORY_COUNT];

		if (entry->number == 0 || entry->region != number)
			continue;
		fprintf(stderr, "parallax:     event %u, cycle %u: %s (%u)\n", entry->number,
			entry->cycle, gc_region_event_names[entry->event], entry->detail);
		shown++;
	}
}

/* What is known of the page that an address lies in, and of its region. */
static void report_page(const struct gc_heap *heap, const char *what, uintptr_t address)
{
	const struct gc_regions *regions = &heap->regions;
	struct gc_page page = gc_heap_page(heap, (struct gc_haddr){address});
	uint32_t number = gc_region_of(regions, (struct gc_haddr){address});
	const struct gc_region *region = &regions->table[number];

	fprintf(stderr,
		"parallax:   %s %#lx: page %u (state %d, flags %#x) of region %u (%s, bits %#x, "
		"filled to %lu, live %lu%s); lately, newest first:\n",
		what, address, page.n, gc_page_state(&heap->pages, page),
		gc_page_flags(&heap->pages, page), number, report_kind(region->kind),
		regions->bits[number], region->allocated_bytes, region->live_bytes,
		region->current ? ", current" : "");
	report_history(regions, number);
}

static void report_object(const struct gc_heap *heap, uintptr_t object)
{
	uint64_t header = gc_header_at((const char *)object);

	fprintf(stderr, "parallax:     object %#lx: layout %lu, %lu bytes, region %u\n", object,
		header & GC_TYPE_MAX, gc_type_size(gc_type_of(&heap->types, header), header),
		gc_region_of(&heap->regions, (struct gc_haddr){object}));
}

static void report_root(const struct gc_heap *heap, uintptr_t slot)
{
	fprintf(stderr, "parallax:     root at %#lx, %s\n", slot,
		gc_heap_contains(heap, slot) ? "a handle or on a root stack"
					     : "in the program's own memory");
}

/* From the failure back to the root, so that what is nearest is shown first. */
static void report_path(const struct gc_verify *verify, uintptr_t slot)
{
	uintptr_t object = verify->object;

	fprintf(stderr, "parallax:   reached, from there back to the root, by\n");
	for (int i = 0; object && i < REPORT_PATH_MOST; i++) {
		const struct gc_verify_edge *edge = gc_verify_edge_of(verify, object);

		fprintf(stderr, "parallax:     slot at +%lu of\n", slot - object);
		report_object(verify->heap, object);
		if (!edge) {
			fprintf(stderr, "parallax:     ... (no memory to remember more)\n");
			return;
		}
		slot = edge->slot;
		object = edge->from;
	}
	if (object)
		fprintf(stderr, "parallax:     ... (longer)\n");
	else
		report_root(verify->heap, slot);
}

static void report_dump(struct gc_heap *heap, const char *text)
{
	const char *path = heap->config.verify_dump;

	if (!path[0]) {
		fprintf(stderr, "parallax:   (GC_VERIFY_DUMP=FILE would have kept the heap)\n");
		return;
	}
	if (gc_verify_dump(heap, path, text))
		fprintf(stderr, "parallax:   the heap is in %s: plx_info --dump %s [ADDRESS]\n",
			path, path);
}

static __attribute__((noreturn)) void report_end(struct gc_verify *verify, uintptr_t slot,
						 uintptr_t value, const char *text)
{
	struct gc_heap *heap = verify->heap;

	fprintf(stderr, "parallax: verify: %s, cycle %lu: %s\n",
		gc_verify_place_name(verify->place), gc_load_relaxed(&heap->stats.cycles), text);
	if (slot && verify->edges)
		report_path(verify, slot);
	if (gc_heap_contains(heap, slot))
		report_page(heap, "slot", slot);
	if (gc_heap_contains(heap, value))
		report_page(heap, "value", value);
	report_dump(heap, text);
	gc_fatal("verify %s", text);
}

void gc_verify_fail(struct gc_verify *verify, uintptr_t slot, uintptr_t value, const char *format,
		    ...)
{
	struct gc_verify again = {.heap = verify->heap, .place = verify->place, .edge_capacity = 1};
	char text[400];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (slot && !verify->edges)
		gc_verify_walk(&again); /* fails again, now knowing the path: does not return */
	report_end(verify, slot, value, text);
}
