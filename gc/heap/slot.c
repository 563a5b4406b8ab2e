/* gc/heap/slot.c: what a value means in a heap with tags. See slot.h.
 *
 * Who runs here: any context, faults included. */
#include "gc/heap/slot.h"

uintptr_t gc_value_untag_slow(const struct gc_tags *tags, struct gc_value value)
{
	return gc_value_untag(tags, value);
}
