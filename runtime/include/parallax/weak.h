/* parallax/weak.h: weak references and ephemerons.
 *
 * A weak reference is a heap object of the library's own layout. It does not keep its referent alive;
 * once the referent is reachable in no other way, a collection clears it, and plx_weak_get returns NULL
 * from then on, to every thread. Clearing is done beside the program, never in a pause. While a
 * collection marks, what plx_weak_get returns stays alive in that collection.
 *
 * A referent that a guardian watches is not gone before its guardian has handed it out and it became
 * unreachable again: until then weak references to it hold (as in R. K. Dybvig et al., "Guardians in a
 * generation-based garbage collector", 1993). A referent outside of the heap, or NULL, is never
 * cleared.
 *
 * An ephemeron is a pair of a key, which it does not keep alive, and a value, which it keeps alive for as long
 * as the key is: also when the value refers to the key, and through chains of any length and order. It is
 * the entry of a weak hash table (Hayes, "Ephemerons: a new finalization mechanism", 1997). When the key dies
 * the ephemeron is broken: both read as NULL. What is said above of referents holds for keys.
 *
 * Referents, keys and values are words as they stand in slots, with their tags (parallax/tag.h): a word that is no
 * reference counts as outside of the heap. NULL is a word of all zeroes. */
#ifndef PARALLAX_WEAK_H
#define PARALLAX_WEAK_H

#include <parallax/barrier.h>

/* Read it with plx_weak_get only; there is no way to change it but to clear it. */
struct plx_weak {
	struct plx_header header;
	void *referent;
};

/* Read it with plx_ephemeron_get only. */
struct plx_ephemeron {
	struct plx_header header;
	void *key;
	void *value;
};

PLX_BEGIN_DECLS

/* Make a weak reference to `referent`. A safepoint like every allocation: hold `referent` in a handle
 * if it is needed afterwards (the new object refers to where it is by then). NULL when the heap is
 * exhausted. Attached threads. */
PLX_EXPORT struct plx_weak *plx_weak_create(struct plx_thread *thread, void *referent);

/* The layout of weak references: `header.word` of one has its layout number. Any thread. */
PLX_EXPORT const struct plx_layout *plx_weak_layout(const struct plx_heap *heap);

PLX_EXPORT void *plx_weak_get_slow(struct plx_thread *thread, const struct plx_weak *weak);

/* The referent, or NULL once it was cleared. Not a safepoint. While a collection runs it may take a
 * short lock, for referents that nothing else was found to refer to yet; else it is one load and one
 * branch. Attached threads. */
static inline void *plx_weak_get(struct plx_thread *thread, const struct plx_weak *weak)
{
	/* Relaxed: `barrier` changes only while this thread stands at a safepoint. */
	if (PLX_UNLIKELY(__atomic_load_n(&thread->barrier, __ATOMIC_RELAXED) != 0))
		return plx_weak_get_slow(thread, weak);
	/* Relaxed: between collections it only changes by plx_weak_clear. */
	return __atomic_load_n(&weak->referent, __ATOMIC_RELAXED);
}

/* Forget the referent now. Never collects or blocks. Attached threads. */
static inline void plx_weak_clear(struct plx_thread *thread, struct plx_weak *weak)
{
	(void)thread;
	/* Relaxed: publishes nothing. */
	__atomic_store_n(&weak->referent, NULL, __ATOMIC_RELAXED);
}

/* Make an ephemeron: as plx_weak_create. With a key outside of the heap, or NULL, its value is held like
 * by any object. */
PLX_EXPORT struct plx_ephemeron *plx_ephemeron_create(struct plx_thread *thread, void *key,
						      void *value);

/* The layout of ephemerons. Any thread. */
PLX_EXPORT const struct plx_layout *plx_ephemeron_layout(const struct plx_heap *heap);

PLX_EXPORT void *plx_ephemeron_get_slow(struct plx_thread *thread,
					const struct plx_ephemeron *ephemeron, void **value);

/* The key, and the value into `*value`; both NULL once it is broken. As plx_weak_get. */
static inline void *plx_ephemeron_get(struct plx_thread *thread,
				      const struct plx_ephemeron *ephemeron, void **value)
{
	/* Relaxed: as in plx_weak_get. */
	if (PLX_UNLIKELY(__atomic_load_n(&thread->barrier, __ATOMIC_RELAXED) != 0))
		return plx_ephemeron_get_slow(thread, ephemeron, value);
	*value = __atomic_load_n(&ephemeron->value, __ATOMIC_RELAXED);
	return __atomic_load_n(&ephemeron->key, __ATOMIC_RELAXED);
}

/* Change the value. The caller holds the key: what is stored into a broken ephemeron is kept alive by it.
 * Never collects or blocks. Attached threads. */
static inline void plx_ephemeron_set_value(struct plx_thread *thread,
					   struct plx_ephemeron *ephemeron, void *value)
{
	plx_store(thread, &ephemeron->value, value);
}

/* Break it now. Never collects or blocks. Attached threads; who reads meanwhile may find the key with NULL
 * as value. */
static inline void plx_ephemeron_break(struct plx_thread *thread, struct plx_ephemeron *ephemeron)
{
	plx_store(thread, &ephemeron->value, NULL);
	/* Relaxed: publishes nothing. */
	__atomic_store_n(&ephemeron->key, NULL, __ATOMIC_RELAXED);
}

PLX_END_DECLS

#endif
