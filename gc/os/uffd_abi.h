/* gc/os/uffd_abi.h: the kernel's userfaultfd ABI, as far as the collector uses it.
 *
 * Carried here because the header of the build machine may be older than the kernel that runs.
 * Names start with GC_ so that the system's header can be included beside this one. The numbers
 * are the kernel's promise to user space and never change; the asserts at the end hold the
 * encodings against typing errors. */
#ifndef GC_OS_UFFD_ABI_H
#define GC_OS_UFFD_ABI_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define GC_UFFD_API UINT64_C(0xAA)

/* Flag of userfaultfd(2), Linux 5.11: faults in user mode only. */
#define GC_UFFD_USER_MODE_ONLY 1

#define GC_UFFD_FEATURE_SIGBUS (UINT64_C(1) << 7)
#define GC_UFFD_FEATURE_MINOR_SHMEM (UINT64_C(1) << 10)

/* Of our own kernels (kernel/6.12), no promise of anybody's: the probe exercises it before a heap
 * asks for it, so another meaning of the bit elsewhere does no harm. */
#define GC_UFFD_FEATURE_CONTINUE_SKIP (UINT64_C(1) << 27)
#define GC_UFFDIO_CONTINUE_MODE_SKIP (UINT64_C(1) << 2)

#define GC_UFFDIO_REGISTER_MODE_MISSING (UINT64_C(1) << 0)
#define GC_UFFDIO_REGISTER_MODE_MINOR (UINT64_C(1) << 2)

/* Bits of gc_uffdio_register.ioctls: which requests the kernel takes on the range. */
#define GC_UFFDIO_CAN_WAKE (UINT64_C(1) << 0x02)
#define GC_UFFDIO_CAN_COPY (UINT64_C(1) << 0x03)
#define GC_UFFDIO_CAN_CONTINUE (UINT64_C(1) << 0x07)

#define GC_UFFD_EVENT_PAGEFAULT 0x12

struct gc_uffdio_api {
	uint64_t api;
	uint64_t features; /* in: wanted; out: all there are */
	uint64_t ioctls;
};

struct gc_uffdio_range {
	uint64_t start;
	uint64_t bytes;
};

struct gc_uffdio_register {
	struct gc_uffdio_range range;
	uint64_t mode;
	uint64_t ioctls; /* out */
};

struct gc_uffdio_copy {
	uint64_t to;
	uint64_t from;
	uint64_t bytes;
	uint64_t mode;
	int64_t copied; /* out: bytes done, or a negative errno */
};

struct gc_uffdio_continue {
	struct gc_uffdio_range range;
	uint64_t mode;
	int64_t mapped; /* out: bytes done, or a negative errno */
};

struct gc_uffd_message {
	uint8_t event;
	uint8_t reserved1;
	uint16_t reserved2;
	uint32_t reserved3;
	uint64_t flags; /* of a page fault, as all that follows */
	uint64_t address;
	uint64_t thread; /* 0: UFFD_FEATURE_THREAD_ID is not asked for */
};

#define GC_UFFDIO_TYPE 0xAA
#define GC_UFFDIO_API _IOWR(GC_UFFDIO_TYPE, 0x3F, struct gc_uffdio_api)
#define GC_UFFDIO_REGISTER _IOWR(GC_UFFDIO_TYPE, 0x00, struct gc_uffdio_register)
#define GC_UFFDIO_UNREGISTER _IOR(GC_UFFDIO_TYPE, 0x01, struct gc_uffdio_range)
#define GC_UFFDIO_WAKE _IOR(GC_UFFDIO_TYPE, 0x02, struct gc_uffdio_range)
#define GC_UFFDIO_COPY _IOWR(GC_UFFDIO_TYPE, 0x03, struct gc_uffdio_copy)
#define GC_UFFDIO_CONTINUE _IOWR(GC_UFFDIO_TYPE, 0x07, struct gc_uffdio_continue)

/* On /dev/userfaultfd, Linux 6.1; the argument is the flags themselves. */
#define GC_USERFAULTFD_IOC_NEW _IO(GC_UFFDIO_TYPE, 0x00)

_Static_assert(sizeof(struct gc_uffdio_api) == 24, "uffdio_api");
_Static_assert(sizeof(struct gc_uffdio_range) == 16, "uffdio_range");
_Static_assert(sizeof(struct gc_uffdio_register) == 32, "uffdio_register");
_Static_assert(offsetof(struct gc_uffdio_register, ioctls) == 24, "uffdio_register.ioctls");
_Static_assert(sizeof(struct gc_uffdio_copy) == 40, "uffdio_copy");
_Static_assert(offsetof(struct gc_uffdio_copy, copied) == 32, "uffdio_copy.copy");
_Static_assert(sizeof(struct gc_uffdio_continue) == 32, "uffdio_continue");
_Static_assert(offsetof(struct gc_uffdio_continue, mapped) == 24, "uffdio_continue.mapped");
_Static_assert(sizeof(struct gc_uffd_message) == 32, "uffd_msg");
_Static_assert(offsetof(struct gc_uffd_message, flags) == 8, "uffd_msg.flags");
_Static_assert(offsetof(struct gc_uffd_message, address) == 16, "uffd_msg.address");

/* Other architectures may encode direction and size differently; these two use the generic way. */
#if defined(__x86_64__) || defined(__aarch64__)
_Static_assert(GC_UFFDIO_API == 0xC018AA3Fu, "UFFDIO_API");
_Static_assert(GC_UFFDIO_REGISTER == 0xC020AA00u, "UFFDIO_REGISTER");
_Static_assert(GC_UFFDIO_UNREGISTER == 0x8010AA01u, "UFFDIO_UNREGISTER");
_Static_assert(GC_UFFDIO_WAKE == 0x8010AA02u, "UFFDIO_WAKE");
_Static_assert(GC_UFFDIO_COPY == 0xC028AA03u, "UFFDIO_COPY");
_Static_assert(GC_UFFDIO_CONTINUE == 0xC020AA07u, "UFFDIO_CONTINUE");
_Static_assert(GC_USERFAULTFD_IOC_NEW == 0xAA00u, "USERFAULTFD_IOC_NEW");
#endif

#endif
