/* gc/base/atomic.h: atomic operations with the order in the name.
 *
 * Tags such as [MO-READY] name a pair argued once in docs/memory-order.md; both sides cite it.
 * Relaxed accesses say at the call why a stale value is harmless. */
#ifndef GC_BASE_ATOMIC_H
#define GC_BASE_ATOMIC_H

#define gc_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define gc_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define gc_load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define gc_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define gc_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define gc_store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define gc_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define gc_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define gc_sub_relaxed(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELAXED)
#define gc_or_relaxed(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELAXED)
#define gc_or_release(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELEASE)
#define gc_and_relaxed(p, v) __atomic_fetch_and((p), (v), __ATOMIC_RELAXED)
#define gc_or_seq_cst(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define gc_sub_acq_rel(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define gc_exchange_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define gc_cas_relaxed(p, expected, desired)                                             \
	__atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_RELAXED, \
				    __ATOMIC_RELAXED)
#define gc_cas_acq_rel(p, expected, desired)                                             \
	__atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_ACQ_REL, \
				    __ATOMIC_ACQUIRE)

#define gc_cas_seq_cst(p, expected, desired)                                             \
	__atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_SEQ_CST, \
				    __ATOMIC_SEQ_CST)

/* Tell the CPU that this is a spin loop. */
static inline void gc_cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#else
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
