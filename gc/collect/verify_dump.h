/* gc/collect/verify_dump.h: the file that the verifier leaves and `plx_info --dump` reads.
 *
 *   struct gc_dump_head
 *   type_count times    struct gc_dump_type, then its bitmap_words words
 *   history_count times struct gc_history_entry, oldest first
 *   region_count times  struct gc_dump_region, then page states, page flags (a byte per page each),
 *                       mark bits (a bit per granule), for fixed regions as many start bits,
 *                       content_bytes of contents
 *
 * Words as this machine has them: a file is read where it was written. */
#ifndef GC_COLLECT_VERIFY_DUMP_H
#define GC_COLLECT_VERIFY_DUMP_H

#include "gc/heap/history.h"

#define GC_DUMP_MAGIC "PLXHEAP1"

struct gc_dump_head {
	char magic[8];
	uint32_t page_bytes, region_bytes;
	uint64_t heap, range_bytes, total_bytes, cycles;
	uint32_t type_count, history_count, region_count, phase;
	char text[400];
};

struct gc_dump_type {
	uint64_t fixed_bytes, element_bytes;
	uint8_t custom, leaf, elements_are_slots, unused[5];
	uint64_t size_of_length_0; /* custom: what its callback says */
	uint64_t bitmap_words;
};

struct gc_dump_region {
	uint32_t number, run;
	uint8_t kind, bits, fresh, current;
	uint32_t unused;
	uint64_t allocated_bytes, live_bytes, header, content_bytes;
};

#endif
