/* bench/uffd_ops/area.h: memory to measure on: two ranges, aligned to 1 GiB like a heap's views, of
 * one kind of memory; and a pattern that says for every word where it belongs.
 *
 * Shared kinds map one file twice; `anon` has two private ranges that share nothing. */
#ifndef BENCH_UFFD_OPS_AREA_H
#define BENCH_UFFD_OPS_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum area_kind { AREA_ANON, AREA_SHMEM, AREA_SHMEM_THP, AREA_HUGETLB, AREA_KINDS };

struct area {
	enum area_kind kind;
	int fd; /* -1: anon */
	char *view;
	char *alias;
	size_t bytes;
	size_t page_bytes; /* what the kernel maps at a time: 2 MiB or so for hugetlb */
	size_t pages;
	char *reserved;
	size_t reserved_bytes;
};

const char *area_kind_name(enum area_kind kind);

/* Map at least `bytes`. Nothing is populated, but hugetlb and shmem-thp files have their pages. On
 * failure false, nothing is left behind, and `why` says what the machine lacks. */
bool area_make(struct area *area, enum area_kind kind, size_t bytes, char *why, size_t why_size);
void area_drop(struct area *area);

/* Write the pattern of pages [first, ...) of `seed` at `to`; and compare. */
void pattern_write(void *to, size_t bytes, uint64_t seed);
bool pattern_matches(const void *at, size_t bytes, uint64_t seed);
bool pattern_is_zero(const void *at, size_t bytes);

#endif
