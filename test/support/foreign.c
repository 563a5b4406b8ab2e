/* test/support/foreign.c: see foreign.h. */
#include "test/support/foreign.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

sigjmp_buf foreign_jump;

static void foreign_require(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "foreign_touch: %s\n", what);
	abort();
}

void foreign_touch(void)
{
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("foreign", MFD_CLOEXEC);
	volatile char *page;

	foreign_require(fd >= 0, "no memfd");
	page = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	foreign_require(page != MAP_FAILED, "the memfd cannot be mapped");
	if (sigsetjmp(foreign_jump, 1) == 0) {
		(void)*page;
		foreign_require(0, "the page can be read");
	}
	munmap((void *)page, bytes);
	close(fd);
}
