/* gc/os/memfd.h: the kind of file a heap is made of: without a name, closed on exec, never to be run.
 *
 * Who runs here: whoever makes a heap; the probe. */
#ifndef GC_OS_MEMFD_H
#define GC_OS_MEMFD_H

/* A descriptor, or a negative errno. Seals can be added. */
int gc_memfd_create(const char *name);

#endif
