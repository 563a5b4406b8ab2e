/* parallax/barrier.h: the store barrier. Loads have none: read references with plain C loads.
 *
 * Contract, final: every store of a reference into a heap object goes through PLX_STORE (or a bulk
 * form), NULL included, except stores into an object that this thread allocated since its last
 * safepoint. While the collector marks, the barrier logs the reference about to be overwritten
 * (a deletion barrier: snapshot at the beginning, Yuasa 1990) and flags the slot's page as one to
 * update at the flip. At other times it is one load and one branch. */
#ifndef PARALLAX_BARRIER_H
#define PARALLAX_BARRIER_H

#include <parallax/thread.h>

PLX_BEGIN_DECLS

PLX_EXPORT void plx_barrier_slow(struct plx_thread *thread, void *slot, const void *value);

/* Store `value` into the reference slot at `slot`. Never collects or blocks. Attached threads. */
static inline void plx_store(struct plx_thread *thread, void *slot, const void *value)
{
	/* Relaxed: `barrier` changes only while this thread stands at a safepoint. */
	if (PLX_UNLIKELY(__atomic_load_n(&thread->barrier, __ATOMIC_RELAXED) != 0))
		plx_barrier_slow(thread, slot, value);
	/* Release: pairs with readers that reach the new object through this slot [MO-PUBLISH]. */
	__atomic_store_n((plx_word *)slot, (plx_word)value, __ATOMIC_RELEASE);
}

/* PLX_STORE(thread, &object->field, value): the same with a typed slot, so that storing the wrong
 * pointer type is a compiler warning. */
#define PLX_STORE(thread, slot, value)                          \
	do {                                                    \
		__typeof__(*(slot)) plx_store_value_ = (value); \
		plx_store((thread), (slot), plx_store_value_);  \
	} while (0)

/* Atomically replace *slot by `desired` if it still is `expected`; true if it did. */
static inline bool plx_compare_exchange(struct plx_thread *thread, void *slot, const void *expected,
					const void *desired)
{
	plx_word old = (plx_word)expected;

	if (PLX_UNLIKELY(__atomic_load_n(&thread->barrier, __ATOMIC_RELAXED) != 0))
		plx_barrier_slow(thread, slot, desired);
	return __atomic_compare_exchange_n((plx_word *)slot, &old, (plx_word)desired, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
}

/* Copy `count` references; source and destination may overlap and may lie in one object. Each
 * reference is stored whole. Never collects or blocks. */
PLX_EXPORT void plx_store_array(struct plx_thread *thread, void *slots, const void *values,
				size_t count);

/* Set `count` reference slots to one value, e.g. NULL. */
PLX_EXPORT void plx_fill_array(struct plx_thread *thread, void *slots, const void *value,
			       size_t count);

PLX_END_DECLS

#endif
