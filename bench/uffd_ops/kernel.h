/* bench/uffd_ops/kernel.h: the kernel operations that are measured, as bare as can be: one system
 * call, repeated only where the kernel did a part of the work. Results are 0 or a negative errno.
 *
 * gc/os/uffd.h is not used for the requests: what it adds for the collector (fences, stepping over
 * pages that are there, waking) would be measured too. Here such an answer is a failure. */
#ifndef BENCH_UFFD_OPS_KERNEL_H
#define BENCH_UFFD_OPS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "gc/os/uffd_abi.h"

#define KERNEL_FEATURE_MISSING_HUGETLB (UINT64_C(1) << 4)
#define KERNEL_FEATURE_MISSING_SHMEM (UINT64_C(1) << 5)
#define KERNEL_FEATURE_MINOR_HUGETLB (UINT64_C(1) << 9)
#define KERNEL_FEATURE_WP_SHMEM (UINT64_C(1) << 12)
#define KERNEL_FEATURE_MOVE (UINT64_C(1) << 16)
#define KERNEL_MODE_WP (UINT64_C(1) << 1)

static inline uint64_t kernel_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A descriptor with these features, non-blocking or not; or a negative errno, -ENOTSUP when the
 * kernel lacks a feature. */
int kernel_uffd_open(uint64_t features, bool nonblocking);
int kernel_register(int uffd, void *start, size_t bytes, uint64_t mode);
int kernel_unregister(int uffd, void *start, size_t bytes);
int kernel_continue(int uffd, void *start, size_t bytes);
int kernel_copy(int uffd, void *to, const void *from, size_t bytes);
int kernel_move(int uffd, void *to, void *from, size_t bytes);
int kernel_zeropage(int uffd, void *start, size_t bytes);

/* mremap with MREMAP_FIXED and MREMAP_DONTUNMAP. */
int kernel_remap(void *from, void *to, size_t bytes);
int kernel_advise(void *start, size_t bytes, int advice);
/* MADV_DONTNEED of runs of `run_bytes` that cover [start, start + bytes), in one call; at most 1024. */
int kernel_advise_runs(int pidfd, char *start, size_t bytes, size_t run_bytes);
int kernel_protect(void *start, size_t bytes, int protection);
int kernel_punch(int fd, size_t offset, size_t bytes);

#define KERNEL_MOST_RUNS 1024

/* Times that this thread lost its CPU to another one. */
uint64_t kernel_preempted(void);

/* Bind the calling thread to a CPU. */
void kernel_pin(int cpu);
/* A CPU that this process may use, other than `cpu`; -1 if there is none. Call before pinning. */
int kernel_other_cpu(int cpu);

#endif
