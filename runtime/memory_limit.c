/* runtime/memory_limit.c: how much memory this process may use: the machine's, or less by its cgroup.
 *
 * Both versions of cgroups are looked at, since both may be there; in each the least of the own folder and of
 * those above it counts. A folder that cannot be seen from here (a container that shows only its own, as
 * the root) is passed over. All is read through gc_sys; whatever fails means: no limit.
 *
 * Who runs here: the thread that creates a heap. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gc/os/sys.h"
#include "runtime/world.h"

#define LIMIT_PATH_BYTES 512

static void read_text(const char *path, char *text, size_t size)
{
	ssize_t got = 0, more;
	int fd = gc_sys->open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && (size_t)got < size - 1) {
		more = gc_sys->read(fd, text + got, size - 1 - (size_t)got);
		if (more <= 0)
			break;
		got += more;
	}
	text[got] = 0;
	if (fd >= 0)
		gc_sys->close(fd);
}

/* A small file's first number; 0 if there is none ("max" is none). */
static uint64_t read_number(const char *path)
{
	char text[64];

	read_text(path, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

/* The folder of the line for `controller` in /proc/self/cgroup, without a last slash. "" is the line of
 * version 2. False if there is no such line. */
static bool limit_folder(char *text, const char *controller, char *folder)
{
	for (char *line = text, *next; line; line = next) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
		size_t length = strlen(controller);

		next = strchr(line, '\n');
		next = next ? next + 1 : NULL;
		if (!path || (next && path >= next))
			continue;
		if ((size_t)(path - names - 1) != length ||
		    memcmp(names + 1, controller, length) != 0)
			continue;
		snprintf(folder, LIMIT_PATH_BYTES, "%.*s", (int)strcspn(path + 1, "\n"), path + 1);
		return true;
	}
	return false;
}

/* The least number that `file` holds in `folder` or above it. `folder` is used up. */
static uint64_t limit_least(const char *mount, char *folder, const char *file)
{
	uint64_t least = 0;

	for (char *slash; folder; folder = slash ? folder : NULL) {
		char path[LIMIT_PATH_BYTES + 80];
		uint64_t limit;

		snprintf(path, sizeof(path), "%s%s/%s", mount, strcmp(folder, "/") ? folder : "",
			 file);
		limit = read_number(path);
		least = limit && (!least || limit < least) ? limit : least;
		slash = strrchr(folder, '/');
		if (slash)
			*slash = 0;
	}
	return least;
}

uint64_t rt_usable_memory_bytes(void)
{
	uint64_t least = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	char text[4096], folder[LIMIT_PATH_BYTES];
	static const char *const where[][3] = {
		{"", "/sys/fs/cgroup", "memory.max"},
		{"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
	};

	read_text("/proc/self/cgroup", text, sizeof(text));
	for (int i = 0; i < 2; i++) {
		uint64_t limit = limit_folder(text, where[i][0], folder)
					 ? limit_least(where[i][1], folder, where[i][2])
					 : 0;

		least = limit && limit < least ? limit : least;
	}
	return least;
}
