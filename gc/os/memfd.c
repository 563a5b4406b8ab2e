/* gc/os/memfd.c: see memfd.h. Linux 6.3 knows how to make a file that can never be executed, and how to allow
 * no others (vm.memfd_noexec=2); older kernels refuse the flag. */
#include "gc/os/memfd.h"

#include <errno.h>

#include "gc/os/mman_abi.h"
#include "gc/os/sys.h"

int gc_memfd_create(const char *name)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = gc_sys->memfd_create(name, flags | MFD_NOEXEC_SEAL);

	return fd == -EINVAL ? gc_sys->memfd_create(name, flags) : fd;
}
