/* parallax/tag.h: tagged slots: which words of slots, roots and handles are references.
 *
 * By default any word that points into the heap is a reference to the object that begins there. A VM that keeps
 * fixnums, characters, booleans or floats in its slots says how a reference is told from them: by a mask
 * and a pattern, or, for NaN boxing and several tags, by a function.
 *
 * It concerns every word the collector looks at: slots of objects, handles, root stacks, root ranges and
 * visitors, native stacks; and every function that takes a reference, which takes it as it stands in a slot: weak
 * references, ephemerons, guardians, pins, identity hashes. What these give back is such a word too.
 * Allocation gives the plain address of the new object, to which the VM adds its tag.
 *
 *     struct pair *pair = plx_alloc(thread, pairs);
 *     PLX_STORE(thread, slot, (void *)((uintptr_t)pair + PAIR_TAG));
 *
 * A word of all zeroes is never a reference; it is what fresh objects hold, and what cleared weak references
 * and broken ephemerons read as. A word that is none is never changed, whatever its bits. */
#ifndef PARALLAX_TAG_H
#define PARALLAX_TAG_H

#include <parallax/base.h>

struct plx_heap;

PLX_BEGIN_DECLS

/* A word is a reference if (word & mask) == pattern and the address word - pattern lies in the heap: then an object
 * has to begin there. The mask consists of the lowest three bits and of bits 48 and up, since objects move
 * by multiples of eight bytes to any address of the heap; the pattern lies within it. 0 and 0 is
 * the default. Before any thread attaches or allocates; PLX_ERROR_MISUSE afterwards, and for a mask or
 * pattern that can name no object. Any thread; the last call counts. */
PLX_EXPORT enum plx_status plx_heap_set_tags(struct plx_heap *heap, uint64_t mask, uint64_t pattern,
					     struct plx_error *error);

/* The address of the object that a word refers to, or 0 if it refers to none; an address outside of the
 * heap counts as none. It must be a function of the word alone: it is called for any word whatever, several times, on
 * threads of the collector's, with mutators stopped, and in SIGBUS handlers. So it does not allocate,
 * lock, call, or read heap memory. When the object moves, the collector adds (new address - old address) to the
 * word, so the address has to stand in it unshifted. Not called for 0. */
typedef uintptr_t (*plx_word_classifier)(uint64_t word, void *context);

/* As plx_heap_set_tags. PLX_ERROR_MISUSE without a function. */
PLX_EXPORT enum plx_status plx_heap_set_classifier(struct plx_heap *heap,
						   plx_word_classifier classify, void *context,
						   struct plx_error *error);

PLX_END_DECLS

#endif
