/* test/support/hold.h: hold a cycle in the moment after its flip: pages are away, mutators run, and the
 * collector's thread waits at the first system call that would bring one back. Faults are served as always.
 *
 *	hold_install();                    before the heap is made; it must have GC_WORKERS=1
 *	hold_next(heap);                   then collect, from another thread or hold_collect()
 *	hold_wait(thread);                 polls; true: held. False: the cycle ended without a flip
 *	...
 *	hold_release();
 *	hold_uninstall();
 */
#ifndef TEST_SUPPORT_HOLD_H
#define TEST_SUPPORT_HOLD_H

#include <stdbool.h>

#include <parallax/parallax.h>

/* Called before each mremap, ioctl and madvise of any thread; NULL: nothing. */
extern void (*hold_each_call)(void);

void hold_install(void);
void hold_uninstall(void);
void hold_next(struct plx_heap *heap);
/* Ask for a cycle on a thread of its own. */
void hold_collect(void);
bool hold_wait(struct plx_thread *thread);
/* Let it go, and wait, polling, for its end. */
void hold_release(struct plx_thread *thread);

#endif
