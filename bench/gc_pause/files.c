/* bench/gc_pause/files.c: see files.h. The list is made by one thread before the run; after that
 * each thread reads with its own struct words. */
#include "bench/gc_pause/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGEST_FILE_BYTES ((size_t)1 << 20)
#define WORD_LEAST 2
#define WORD_MOST 64

/* nftw offers its callback no context. */
struct found_file {
	char *path;
	size_t bytes;
};

static struct found_file *found;
static size_t found_count, found_capacity;

static int file_found(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)place;
	if (type != FTW_F || !S_ISREG(status->st_mode) || status->st_size <= 0 ||
	    (size_t)status->st_size > LARGEST_FILE_BYTES || access(path, R_OK) != 0)
		return 0;
	if (found_count == found_capacity) {
		size_t capacity = found_capacity == 0 ? 1024 : 2 * found_capacity;
		struct found_file *larger = realloc(found, capacity * sizeof(*larger));

		if (larger == NULL)
			return ENOMEM;
		found = larger;
		found_capacity = capacity;
	}
	found[found_count].path = strdup(path);
	found[found_count].bytes = (size_t)status->st_size;
	return found[found_count++].path == NULL ? ENOMEM : 0;
}

static int file_compare(const void *a, const void *b)
{
	return strcmp(((const struct found_file *)a)->path, ((const struct found_file *)b)->path);
}

bool word_files_list(struct word_files *files, const char *directory, uint64_t most_bytes)
{
	int status;

	memset(files, 0, sizeof(*files));
	errno = 0;
	status = nftw(directory, file_found, 32, FTW_PHYS);
	if (status != 0) {
		fprintf(stderr, "gc_pause: --dir %s: %s\n", directory,
			strerror(status > 0 ? status : errno));
		return false;
	}
	if (found_count == 0) {
		fprintf(stderr, "gc_pause: --dir %s: no readable regular file of 1 byte to 1 MiB\n",
			directory);
		return false;
	}
	qsort(found, found_count, sizeof(*found), file_compare);
	files->paths = calloc(found_count, sizeof(*files->paths));
	if (files->paths == NULL) {
		fprintf(stderr, "gc_pause: out of memory\n");
		return false;
	}
	for (size_t i = 0; i < found_count; i++) {
		if (files->count > 0 && files->bytes + found[i].bytes > most_bytes) {
			free(found[i].path);
			continue;
		}
		files->paths[files->count++] = found[i].path;
		files->bytes += found[i].bytes;
		if (found[i].bytes > files->largest_bytes)
			files->largest_bytes = found[i].bytes;
	}
	free(found);
	found = NULL;
	found_count = found_capacity = 0;
	return true;
}

struct words *words_create(size_t largest_bytes)
{
	struct words *words = calloc(1, sizeof(*words));
	size_t most = largest_bytes / WORD_LEAST + 1;
	uint32_t slots = 1024;

	if (words == NULL)
		return NULL;
	while (slots < 2 * most)
		slots *= 2;
	words->capacity_bytes = largest_bytes;
	words->slot_mask = slots - 1;
	words->text = malloc(largest_bytes);
	words->words = malloc(most * sizeof(*words->words));
	words->slots = calloc(slots, sizeof(*words->slots));
	if (words->text != NULL && words->words != NULL && words->slots != NULL)
		return words;
	free(words->text);
	free(words->words);
	free(words->slots);
	free(words);
	return NULL;
}

static bool text_read(struct words *words, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	words->text_bytes = 0;
	if (fd < 0)
		return false;
	while (words->text_bytes < words->capacity_bytes) {
		got = read(fd, words->text + words->text_bytes,
			   words->capacity_bytes - words->text_bytes);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		words->text_bytes += (size_t)got;
	}
	close(fd);
	return true;
}

static bool is_word_byte(unsigned char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
	       (byte >= '0' && byte <= '9');
}

/* FNV-1a, finished so that its low bits serve as a table index. */
static uint64_t word_hash(const char *text, uint32_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (uint32_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

static void word_add(struct words *words, uint32_t offset, uint32_t length)
{
	uint64_t hash = word_hash(words->text + offset, length);
	uint32_t slot = (uint32_t)hash & words->slot_mask;
	struct word *word;

	for (; words->slots[slot] != 0; slot = (slot + 1) & words->slot_mask) {
		word = &words->words[words->slots[slot] - 1];
		if (word->hash == hash && word->length == length &&
		    memcmp(words->text + word->offset, words->text + offset, length) == 0) {
			word->count++;
			return;
		}
	}
	word = &words->words[words->count++];
	word->hash = hash;
	word->offset = offset;
	word->length = length;
	word->count = 1;
	words->slots[slot] = words->count;
}

static void words_forget(struct words *words)
{
	for (uint32_t i = 0; i < words->count; i++) {
		uint32_t slot = (uint32_t)words->words[i].hash & words->slot_mask;

		/* A word lies at or after its slot, before the next gap. */
		while (words->slots[slot] != 0 && words->slots[slot] != i + 1)
			slot = (slot + 1) & words->slot_mask;
		words->slots[slot] = 0;
	}
	words->count = 0;
}

void words_read(struct words *words, const char *path)
{
	uint32_t start = 0, at = 0;

	words_forget(words);
	if (!text_read(words, path))
		return;
	while (at < words->text_bytes) {
		while (at < words->text_bytes && !is_word_byte((unsigned char)words->text[at]))
			at++;
		start = at;
		while (at < words->text_bytes && is_word_byte((unsigned char)words->text[at]))
			at++;
		if (at - start >= WORD_LEAST && at - start <= WORD_MOST)
			word_add(words, start, at - start);
	}
}
