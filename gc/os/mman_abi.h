/* gc/os/mman_abi.h: what the kernel knows about memory and the build machine's headers may not: they may be
 * older than it. */
#ifndef GC_OS_MMAN_ABI_H
#define GC_OS_MMAN_ABI_H

#include <fcntl.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP /* Linux 5.7; on shared memory 5.13 */
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MAP_FIXED_NOREPLACE /* Linux 4.17 */
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MFD_NOEXEC_SEAL /* Linux 6.3 */
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef F_SEAL_SEAL
#define F_SEAL_SEAL 1
#define F_SEAL_SHRINK 2
#define F_SEAL_GROW 4
#endif

#endif
