/* bench/gc_pause/files.h: the real input of the `index` workload: the files of a directory, and
 * the words of one file. All of it is plain memory; nothing here touches a heap. */
#ifndef BENCH_GC_PAUSE_FILES_H
#define BENCH_GC_PAUSE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct word_files {
	char **paths; /* sorted, so that every run sees the same order */
	uint32_t count;
	uint64_t bytes;
	size_t largest_bytes;
};

/* A distinct word of a file. */
struct word {
	uint64_t hash;
	uint32_t offset; /* into the text */
	uint32_t length;
	uint32_t count; /* how often it occurs */
};

/* The words of the file read last, in order of first occurrence. One thread's. */
struct words {
	char *text;
	size_t text_bytes;
	size_t capacity_bytes;
	struct word *words;
	uint32_t count;
	uint32_t *slots; /* open addressing: index into words, plus 1 */
	uint32_t slot_mask;
};

/* The regular, readable files below `directory`, in order of their paths, until they add up to
 * `most_bytes`; files above 1 MiB and empty ones are left out. False after a message. */
bool word_files_list(struct word_files *files, const char *directory, uint64_t most_bytes);

/* NULL if there is no memory. For files up to `largest_bytes`. */
struct words *words_create(size_t largest_bytes);

/* Read a file and find its words: identifiers of 2 to 64 bytes. A file that has vanished or grown
 * gives what is there, at most the capacity. May block. */
void words_read(struct words *words, const char *path);

#endif
