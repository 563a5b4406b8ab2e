/* gc/base/check.c: the fatal end. See check.h. */
#include "gc/base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void (*gc_fatal_backtrace)(void);

void gc_fatal(const char *format, ...)
{
	char text[600];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text) - 1, format, arguments);
	va_end(arguments);
	if (length < 0)
		length = 0;
	if (length > (int)sizeof(text) - 2)
		length = (int)sizeof(text) - 2;
	text[length++] = '\n';
	/* write(2) directly: the process is ending, perhaps inside a signal handler. */
	if (write(STDERR_FILENO, "parallax: fatal: ", 17) < 0 ||
	    write(STDERR_FILENO, text, (size_t)length) < 0)
		abort();
	if (gc_fatal_backtrace)
		gc_fatal_backtrace();
	abort();
}
