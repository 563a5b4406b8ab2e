/* runtime/backtrace.c: the stack of a fatal error, by libunwind. May run in a signal handler: it
 * neither allocates nor locks in this library; libunwind's local unwinding is signal-safe. */
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/world.h"

#define BACKTRACE_FRAMES 48

static void backtrace_line(unsigned frame, unw_word_t address, const char *name, unw_word_t offset)
{
	char line[256];
	int length = snprintf(line, sizeof(line), "  #%-2u 0x%lx %s+0x%lx\n", frame,
			      (unsigned long)address, name, (unsigned long)offset);

	if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
}

static void backtrace_print(void)
{
	unw_context_t context;
	unw_cursor_t cursor;

	if (unw_getcontext(&context) != 0 || unw_init_local(&cursor, &context) != 0)
		return;
	for (unsigned frame = 0; frame < BACKTRACE_FRAMES && unw_step(&cursor) > 0; frame++) {
		unw_word_t address = 0, offset = 0;
		char name[160];

		unw_get_reg(&cursor, UNW_REG_IP, &address);
		if (unw_get_proc_name(&cursor, name, sizeof(name), &offset) != 0)
			snprintf(name, sizeof(name), "?");
		backtrace_line(frame, address, name, offset);
	}
}

void rt_backtrace_install(void)
{
	gc_fatal_backtrace = backtrace_print;
}
