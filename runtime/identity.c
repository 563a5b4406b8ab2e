/* runtime/identity.c: identity hashes as the embedder sees them; gc/collect/identity.c has the table.
 *
 * Who runs here: attached threads, running. */
#include "gc/collect/identity.h"
#include "runtime/misuse.h"
#include "runtime/world.h"

uint32_t plx_identity_hash(struct plx_thread *thread, const void *object)
{
	RT_USE_RUNNING(thread);
	uintptr_t address = (uintptr_t)rt_object_of(thread->heap, object);
	uint64_t mixed;

	if (address)
		return gc_identity_hash(&thread->heap->gc, address);
	mixed = ((uint64_t)(uintptr_t)object + 1) * UINT64_C(0x9e3779b97f4a7c15);
	mixed >>= 32;
	return mixed ? (uint32_t)mixed : 1;
}
