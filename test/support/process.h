/* test/support/process.h: what a process holds of the kernel, so that a test can tell a leak; and what another
 * process says. */
#ifndef TEST_SUPPORT_PROCESS_H
#define TEST_SUPPORT_PROCESS_H

#include <stddef.h>
#include <stdint.h>

struct process_holdings {
	unsigned fds;		/* open descriptors */
	unsigned mappings;	/* lines of /proc/self/maps */
	unsigned file_mappings; /* of those, of a memfd or of a userfaultfd */
	uint64_t mapped_bytes;	/* address space, all mappings */
	unsigned threads;	/* those that have not begun to end */
};

void process_holdings_read(struct process_holdings *holdings);

/* Print every open descriptor and memfd mapping to standard error: for a failed comparison. */
void process_holdings_print(void);

/* What is written into a pipe until its last writer is gone, cut to `size` with its NUL. */
void process_read_all(int from, char *text, size_t size);

#endif
