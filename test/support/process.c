/* test/support/process.c: reads /proc/self. Any thread; allocates nothing that it keeps. */
#include "test/support/process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PF_EXITING 0x4 /* of the kernel's include/linux/sched.h */

static unsigned entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned count = 0;

	if (dir == NULL)
		abort();
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* Has this thread left its function? Whoever joined it may go on a little before the kernel has done away with it:
 * the ninth field of its stat has PF_EXITING then. */
static bool is_ending(const char *thread)
{
	char path[300], line[512], *fields = NULL;
	unsigned long flags = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/stat", thread);
	file = fopen(path, "re");
	if (file == NULL)
		return true;
	if (fgets(line, sizeof(line), file) != NULL)
		fields = strrchr(line, ')'); /* what is before it may hold spaces */
	fclose(file);
	return fields == NULL || sscanf(fields, ") %*c %*d %*d %*d %*d %*d %lu", &flags) != 1 ||
	       (flags & PF_EXITING) != 0;
}

static unsigned threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	if (dir == NULL)
		abort();
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
		count += entry->d_name[0] != '.' && !is_ending(entry->d_name);
	closedir(dir);
	return count;
}

static bool is_heap_mapping(const char *line)
{
	return strstr(line, "memfd:") != NULL || strstr(line, "userfaultfd") != NULL;
}

void process_holdings_read(struct process_holdings *holdings)
{
	char line[512];
	unsigned long start, end;
	FILE *maps;

	memset(holdings, 0, sizeof(*holdings));
	holdings->fds = entries("/proc/self/fd") - 1; /* without the one that reads the folder */
	holdings->threads = threads();
	maps = fopen("/proc/self/maps", "re");
	if (maps == NULL)
		abort();
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		holdings->mappings++;
		holdings->mapped_bytes += end - start;
		holdings->file_mappings += is_heap_mapping(line);
	}
	fclose(maps);
}

void process_holdings_print(void)
{
	char line[512], target[256];
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		if (is_heap_mapping(line))
			fprintf(stderr, "  %s", line);
	}
	if (maps != NULL)
		fclose(maps);
	for (int fd = 0; fd < 256; fd++) {
		ssize_t bytes;

		snprintf(line, sizeof(line), "/proc/self/fd/%d", fd);
		bytes = readlink(line, target, sizeof(target) - 1);
		if (bytes > 0)
			fprintf(stderr, "  fd %d: %.*s\n", fd, (int)bytes, target);
	}
}

void process_read_all(int from, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got;

	while ((got = read(from, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
}
