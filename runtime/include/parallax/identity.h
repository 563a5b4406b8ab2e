/* parallax/identity.h: a hash of an object's identity, which stays the same when the object moves. */
#ifndef PARALLAX_IDENTITY_H
#define PARALLAX_IDENTITY_H

#include <parallax/thread.h>

PLX_BEGIN_DECLS

/* A number, random but never 0, that is this object's as long as it lives; different objects may share one.
 * It is kept in a table outside of the heap from the first call on, about 44 bytes for each object that
 * was asked for; others cost nothing. 0 if there is no memory to remember another one: treat it like an
 * allocation that failed. Takes a short lock; not a safepoint. Attached threads. `object` is a word as it stands
 * in a slot (parallax/tag.h): whatever the tags of a reference, it is its object's; for a word that is none, or
 * leads out of the heap, it is made from the word. */
PLX_EXPORT uint32_t plx_identity_hash(struct plx_thread *thread, const void *object);

PLX_END_DECLS

#endif
