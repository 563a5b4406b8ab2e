/* runtime/error.c: filling a plx_error; names of statuses; the version. Any thread, no state. */
#include <stdarg.h>
#include <stdio.h>

#include "runtime/world.h"

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

enum plx_status rt_error(struct plx_error *error, enum plx_status status, const char *format, ...)
{
	va_list arguments;

	if (!error)
		return status;
	error->status = status;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	return status;
}

const char *plx_status_name(enum plx_status status)
{
	static const char *const names[] = {
		[PLX_OK] = "ok",
		[PLX_ERROR_OPTION] = "option",
		[PLX_ERROR_CAPABILITY] = "capability",
		[PLX_ERROR_MEMORY] = "memory",
		[PLX_ERROR_SYSTEM] = "system",
		[PLX_ERROR_MISUSE] = "misuse",
		[PLX_ERROR_LIMIT] = "limit",
	};

	return (unsigned)status < sizeof(names) / sizeof(*names) ? names[status] : "unknown";
}

const char *plx_version(void)
{
	return STRING(PLX_VERSION_MAJOR) "." STRING(PLX_VERSION_MINOR) "." STRING(
		PLX_VERSION_PATCH);
}

const char *plx_plan_name(enum plx_plan plan)
{
	static const char *const names[] = {"auto", "minor", "copy", "stw"};

	return (unsigned)plan < 4 ? names[plan] : "unknown";
}

const char *plx_delivery_name(enum plx_delivery delivery)
{
	static const char *const names[] = {"auto", "thread", "sigbus"};

	return (unsigned)delivery < 3 ? names[delivery] : "unknown";
}
