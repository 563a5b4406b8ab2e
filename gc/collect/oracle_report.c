/* gc/collect/oracle_report.c: the two ways to build a page differ: say all that is known, and end. See
 * oracle.h.
 *
 * Who runs here: whoever built the page, perhaps in a signal handler: write(2), no allocation, no lock. */
#include "gc/collect/oracle_private.h"

#ifdef PLX_DEBUG
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "gc/base/check.h"

#define FAIL_HISTORY_MOST 10

__attribute__((format(printf, 1, 2))) static void fail_line(const char *format, ...)
{
	char text[400];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length <= 0)
		return;
	length = gc_min(length, (int)sizeof(text) - 1);
	if (write(STDERR_FILENO, "parallax:   ", 12) < 0 ||
	    write(STDERR_FILENO, text, (size_t)length) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
		return;
}

static void fail_history(const struct gc_heap *heap, uint32_t region)
{
	const struct gc_history *history = heap->regions.history;
	uint32_t next = gc_load_relaxed(&history->next), shown = 0; /* a report */

	for (uint32_t back = 0; back < GC_HISTORY_COUNT && shown < FAIL_HISTORY_MOST; back++) {
		const struct gc_history_entry *entry =
			&history->entries[(next - back) % GC_HISTORY_COUNT];

		if (entry->number == 0 || entry->region != region)
			continue;
		fail_line("    history: event %u, cycle %u: %s (%u)", entry->number, entry->cycle,
			  gc_region_event_names[entry->event], entry->detail);
		shown++;
	}
}

/* The region that an address lies in, if it is one of the heap. */
static void fail_address(const struct gc_heap *heap, const char *what, uintptr_t address)
{
	static const char *const kinds[] = {"free",  "small",	   "large",	      "large tail",
					    "roots", "root stack", "root stack tail", "fixed"};
	const struct gc_region *region;
	uint32_t number;

	if (!gc_heap_contains(heap, address)) {
		fail_line("%s %#lx: no address of the heap", what, address);
		return;
	}
	number = gc_region_of(&heap->regions, (struct gc_haddr){address});
	region = &heap->regions.table[number];
	fail_line("%s %#lx: region %u (%s, bits %#x, filled to %lu), lately, newest first:", what,
		  address, number, kinds[gc_min(region->kind, GC_REGION_FIXED)],
		  gc_load_relaxed(&heap->regions.bits[number]), /* a report */
		  region->allocated_bytes);
	fail_history(heap, number);
}

static uintptr_t fail_word(const char *page, uint64_t offset)
{
	uintptr_t word;

	memcpy(&word, page + offset, sizeof(word));
	return word;
}

/* The first word that differs. */
static uint64_t fail_offset(const struct gc_heap *heap, const char *one, const char *other)
{
	uint64_t offset = 0;

	while (offset + sizeof(uintptr_t) < heap->view.page_bytes &&
	       fail_word(one, offset) == fail_word(other, offset))
		offset += sizeof(uintptr_t);
	return offset;
}

void gc_oracle_fail(const struct gc_heap *heap, struct gc_page page, const char *into,
		    const struct gc_oracle_slot *slot, const struct gc_oracle_trouble *trouble)
{
	uintptr_t start = gc_view_page_start(&heap->view, page).at;
	uint64_t offset = fail_offset(heap, into, slot->second);
	uint8_t bits = gc_heap_region_bits(heap, start);

	fail_line("double build: page %u (flags %#x, %s), offset %lu, cycle %lu", page.n,
		  gc_page_flags(&heap->pages, page),
		  bits & GC_REGION_TARGET ? "of a target" : "updated in place", offset,
		  gc_load_relaxed(&heap->stats.cycles)); /* a report */
	fail_line("    was %#lx, is built %#lx, the second way %#lx",
		  fail_word(slot->before, offset), fail_word(into, offset),
		  fail_word(slot->second, offset));
	if (trouble->what) {
		fail_line("    %s: %#lx, word %#lx", trouble->what, trouble->at, trouble->word);
		fail_address(heap, "  trouble", trouble->word);
	}
	fail_address(heap, "page", start);
	fail_address(heap, "was", fail_word(slot->before, offset));
	fail_address(heap, "built", fail_word(into, offset));
	fail_address(heap, "second", fail_word(slot->second, offset));
	gc_fatal("[DB-1] page %u at %#lx was built wrongly, at offset %lu", page.n, start, offset);
}
#endif
