/* runtime/tools/plx_info/dump.c: `plx_info --dump FILE [ADDRESS]`. See dump.h.
 *
 * The file may be cut short or be none of ours: every piece is taken through dump_take, which says so. */
#include "runtime/tools/plx_info/dump.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gc/collect/verify_dump.h"

#include <parallax/layout.h>

struct dump_region {
	struct gc_dump_region info;
	const uint8_t *states, *flags;
	const uint64_t *marks, *starts; /* starts: of fixed regions */
	const char *content;
};

struct dump_type {
	struct gc_dump_type info;
	const uint64_t *bitmap;
};

struct dump {
	char *bytes;
	size_t size, at;
	bool cut_short;
	struct gc_dump_head head;
	struct dump_type *types;
	const struct gc_history_entry *history;
	struct dump_region *regions;
};

static const char *const dump_kinds[] = {
	"free", "small", "large", "tail", "roots", "root stack", "root stack, tail", "fixed"};
static const char *const dump_states = "ADCR"; /* attached, detached, claimed, ready */
static const char *const dump_events[] = {"taken", "freed", "emptied", "target", "evacuated"};

/* --- reading ------------------------------------------------------------------------------------ */

static const void *dump_take(struct dump *dump, uint64_t bytes)
{
	const void *here = dump->bytes + dump->at;

	if (dump->cut_short || bytes > dump->size - dump->at) {
		dump->cut_short = true;
		return NULL;
	}
	dump->at += bytes;
	return here;
}

static bool dump_copy(struct dump *dump, void *into, size_t bytes)
{
	const void *from = dump_take(dump, bytes);

	if (from)
		memcpy(into, from, bytes);
	return from != NULL;
}

static bool dump_load(struct dump *dump, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t room = 1 << 20;

	if (!file) {
		perror(path);
		return false;
	}
	dump->bytes = malloc(room);
	while (dump->bytes) {
		dump->size += fread(dump->bytes + dump->size, 1, room - dump->size, file);
		if (dump->size < room)
			break;
		room *= 2;
		dump->bytes = realloc(dump->bytes, room);
	}
	fclose(file);
	return dump->bytes != NULL;
}

static void dump_parse_regions(struct dump *dump)
{
	const struct gc_dump_head *head = &dump->head;
	uint32_t pages = head->region_bytes / head->page_bytes;

	for (uint32_t i = 0; i < head->region_count && !dump->cut_short; i++) {
		struct dump_region *region = &dump->regions[i];

		if (!dump_copy(dump, &region->info, sizeof(region->info)))
			return;
		region->states = dump_take(dump, pages);
		region->flags = dump_take(dump, pages);
		region->marks = dump_take(dump, head->region_bytes / 64);
		if (region->info.kind == 7)
			region->starts = dump_take(dump, head->region_bytes / 64);
		region->content = dump_take(dump, region->info.content_bytes);
	}
}

static bool dump_parse(struct dump *dump)
{
	struct gc_dump_head *head = &dump->head;

	if (!dump_copy(dump, head, sizeof(*head)) ||
	    memcmp(head->magic, GC_DUMP_MAGIC, sizeof(head->magic)) != 0 || !head->page_bytes ||
	    head->type_count > dump->size || head->region_count > dump->size)
		return false;
	dump->types = calloc(head->type_count + 1u, sizeof(*dump->types));
	dump->regions = calloc(head->region_count + 1u, sizeof(*dump->regions));
	if (!dump->types || !dump->regions)
		return false;
	for (uint32_t i = 0; i < head->type_count; i++) {
		struct dump_type *type = &dump->types[i];

		if (dump_copy(dump, &type->info, sizeof(type->info)))
			type->bitmap = dump_take(dump, type->info.bitmap_words * sizeof(uint64_t));
	}
	dump->history = dump_take(dump, head->history_count * sizeof(struct gc_history_entry));
	dump_parse_regions(dump);
	return !dump->cut_short;
}

static void dump_free(struct dump *dump)
{
	free(dump->bytes);
	free(dump->types);
	free(dump->regions);
}

/* --- objects ------------------------------------------------------------------------------------ */

static uint64_t word_at(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static uint64_t region_start(const struct dump *dump, const struct dump_region *region)
{
	return dump->head.heap + (uint64_t)region->info.number * dump->head.region_bytes;
}

static const struct dump_region *region_of(const struct dump *dump, uint64_t address)
{
	for (uint32_t i = 0; i < dump->head.region_count; i++) {
		uint64_t start = region_start(dump, &dump->regions[i]);

		if (address >= start && address < start + dump->head.region_bytes)
			return &dump->regions[i];
	}
	return NULL;
}

/* 0: no header of a known layout, or one whose size only its callback knows. */
static uint64_t object_bytes(const struct dump *dump, uint64_t header)
{
	uint64_t number = header & ((1u << PLX_HEADER_LAYOUT_BITS) - 1);
	const struct gc_dump_type *type;

	if (number == 0 || number >= dump->head.type_count)
		return 0;
	type = &dump->types[number].info;
	if (type->custom)
		return 0;
	return (type->fixed_bytes + (header >> PLX_HEADER_LENGTH_SHIFT) * type->element_bytes + 7) &
	       ~UINT64_C(7);
}

static bool object_has_slot(const struct dump *dump, uint64_t header, uint64_t offset)
{
	const struct dump_type *type = &dump->types[header & ((1u << PLX_HEADER_LAYOUT_BITS) - 1)];

	if (offset / 512 < type->info.bitmap_words)
		return type->bitmap[offset / 512] >> (offset / 8 % 64) & 1;
	return type->info.elements_are_slots && offset >= type->info.fixed_bytes;
}

static void object_print(const struct dump *dump, const struct dump_region *region, uint64_t offset,
			 uint64_t wanted)
{
	uint64_t header = word_at(region->content + offset), bytes = object_bytes(dump, header);
	uint64_t shown = bytes < 512 ? bytes : 512;
	bool marked = region->marks[offset / 512] >> (offset / 8 % 64) & 1;

	printf("object %#llx: layout %llu, length %llu, %llu bytes, %s\n",
	       (unsigned long long)(region_start(dump, region) + offset),
	       (unsigned long long)(header & ((1u << PLX_HEADER_LAYOUT_BITS) - 1)),
	       (unsigned long long)(header >> PLX_HEADER_LENGTH_SHIFT), (unsigned long long)bytes,
	       marked ? "marked" : "not marked");
	for (uint64_t at = 0; at < shown && offset + at + 8 <= region->info.content_bytes; at += 8)
		printf("  +%-4llu %016llx%s%s\n", (unsigned long long)at,
		       (unsigned long long)word_at(region->content + offset + at),
		       object_has_slot(dump, header, at) ? " reference" : "",
		       at == wanted - offset ? "  <--" : "");
}

/* The object that an offset of a small region lies in. */
static void object_find(const struct dump *dump, const struct dump_region *region, uint64_t wanted)
{
	uint64_t at = 0;

	while (at + 8 <= region->info.content_bytes && at <= wanted) {
		uint64_t header = word_at(region->content + at);
		uint64_t bytes = header ? object_bytes(dump, header) : 8;

		if (bytes == 0) {
			printf("from offset %llu on the region cannot be read as objects\n",
			       (unsigned long long)at);
			return;
		}
		if (header && wanted < at + bytes) {
			object_print(dump, region, at, wanted);
			return;
		}
		at += bytes;
	}
	printf("no object there\n");
}

/* The same of a fixed region: the last that starts before, if it reaches so far. */
static void object_find_fixed(const struct dump *dump, const struct dump_region *region,
			      uint64_t wanted)
{
	for (uint64_t granule = wanted / 8 + 1; granule-- > 0;) {
		if (!(region->starts[granule / 64] >> (granule % 64) & 1))
			continue;
		if (granule * 8 + 8 <= region->info.content_bytes &&
		    wanted < granule * 8 +
				     object_bytes(dump, word_at(region->content + granule * 8)))
			object_print(dump, region, granule * 8, wanted);
		else
			break;
		return;
	}
	printf("no object there\n");
}

/* --- printing ----------------------------------------------------------------------------------- */

static void print_region(const struct dump *dump, const struct dump_region *region)
{
	const struct gc_dump_region *info = &region->info;

	printf("region %u at %#llx: %s, bits %#x, filled to %llu, live %llu%s%s", info->number,
	       (unsigned long long)region_start(dump, region),
	       info->kind < sizeof(dump_kinds) / sizeof(*dump_kinds) ? dump_kinds[info->kind] : "?",
	       info->bits, (unsigned long long)info->allocated_bytes,
	       (unsigned long long)info->live_bytes, info->current ? ", current" : "",
	       info->fresh ? ", fresh" : "");
	if (info->kind == 2)
		printf(", a run of %u", info->run);
	printf("\n");
}

static void print_pages(const struct dump *dump, const struct dump_region *region)
{
	uint32_t pages = dump->head.region_bytes / dump->head.page_bytes;

	printf("pages (state and flags):");
	for (uint32_t i = 0; i < pages; i++)
		printf(" %c%02x", dump_states[region->states[i] & 3], region->flags[i]);
	printf("\n");
}

static void print_history(const struct dump *dump, uint32_t number)
{
	for (uint32_t i = 0; i < dump->head.history_count; i++) {
		const struct gc_history_entry *entry = &dump->history[i];

		if (entry->region == number && entry->event < 5)
			printf("event %u, cycle %u: %s (%u)\n", entry->number, entry->cycle,
			       dump_events[entry->event], entry->detail);
	}
}

static void print_referrers(const struct dump *dump, uint64_t address)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < dump->head.region_count; i++) {
		const struct dump_region *region = &dump->regions[i];

		for (uint64_t at = 0; at + 8 <= region->info.content_bytes; at += 8)
			if (word_at(region->content + at) == address && count++ < 32)
				printf("the same word stands at %#llx, region %u\n",
				       (unsigned long long)(region_start(dump, region) + at),
				       region->info.number);
	}
	printf("%u words of the heap hold %#llx\n", count, (unsigned long long)address);
}

static int print_address(const struct dump *dump, const char *text)
{
	char *end;
	uint64_t address = strtoull(text, &end, 16);
	const struct dump_region *region = region_of(dump, address);

	if (*end != '\0' || !region) {
		fprintf(stderr, "plx_info: %s is no address of a region in the file\n", text);
		return 2;
	}
	print_region(dump, region);
	print_history(dump, region->info.number);
	print_pages(dump, region);
	if (region->info.kind == 1)
		object_find(dump, region, address - region_start(dump, region));
	else if (region->info.kind == 7)
		object_find_fixed(dump, region, address - region_start(dump, region));
	else if (region->info.kind == 2)
		object_print(dump, region, 0, address - region_start(dump, region));
	print_referrers(dump, address);
	return 0;
}

static void print_all(const struct dump *dump)
{
	const struct gc_dump_head *head = &dump->head;

	printf("heap at %#llx, %llu + %llu bytes of address space, regions of %u, pages of %u\n",
	       (unsigned long long)head->heap, (unsigned long long)head->range_bytes,
	       (unsigned long long)(head->total_bytes - head->range_bytes), head->region_bytes,
	       head->page_bytes);
	printf("after %llu cycles, phase %u; %u layouts, %u events\n",
	       (unsigned long long)head->cycles, head->phase, head->type_count - 1,
	       head->history_count);
	for (uint32_t i = 0; i < head->region_count; i++)
		print_region(dump, &dump->regions[i]);
}

int dump_print(const char *path, const char *address)
{
	struct dump dump = {.bytes = NULL};
	int status = 0;

	if (!dump_load(&dump, path))
		return 1;
	if (!dump_parse(&dump)) {
		fprintf(stderr, "plx_info: %s is no whole heap dump\n", path);
		dump_free(&dump);
		return 1;
	}
	printf("%s\n", dump.head.text);
	if (address)
		status = print_address(&dump, address);
	else
		print_all(&dump);
	dump_free(&dump);
	return status;
}
