/* third_party/plx_jemalloc.h: the collector's private jemalloc.
 *
 * The build gives Debian's PIC archive the prefix plx_je_ (prefix_jemalloc.sh), so the process's own
 * malloc is not touched. Types and flag macros (MALLOCX_*, extent_hooks_t) come from jemalloc's own
 * header; told not to rename, it declares only je_* names, which nothing defines or uses.
 *
 * jemalloc keeps 2.6 KiB of per-thread state in initial-exec TLS. A program linked with the shared
 * library has room for it; one that opens it by dlopen needs more static TLS than glibc spares by
 * default: GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096.
 *
 * Who runs here: gc/base (metadata) and the fixed space. Never in a fault. */
#ifndef THIRD_PARTY_PLX_JEMALLOC_H
#define THIRD_PARTY_PLX_JEMALLOC_H

#define JEMALLOC_NO_RENAME
#define JEMALLOC_EXPORT
#include <jemalloc/jemalloc.h>

#pragma GCC visibility push(hidden)
/* clang-format off */
extern __typeof__(je_mallocx) plx_je_mallocx;
extern __typeof__(je_rallocx) plx_je_rallocx;
extern __typeof__(je_xallocx) plx_je_xallocx;
extern __typeof__(je_sallocx) plx_je_sallocx;
extern __typeof__(je_dallocx) plx_je_dallocx;
extern __typeof__(je_sdallocx) plx_je_sdallocx;
extern __typeof__(je_nallocx) plx_je_nallocx;
extern __typeof__(je_mallctl) plx_je_mallctl;
extern __typeof__(je_mallctlnametomib) plx_je_mallctlnametomib;
extern __typeof__(je_mallctlbymib) plx_je_mallctlbymib;
extern __typeof__(je_malloc_stats_print) plx_je_malloc_stats_print;
/* clang-format on */

/* Options of this copy, read at its first use: define it to set them (it is weak inside). */
extern const char *plx_je_malloc_conf;
#pragma GCC visibility pop

#endif
