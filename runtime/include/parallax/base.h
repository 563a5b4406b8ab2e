/* parallax/base.h: what every public header needs: visibility, branch hints, status codes.
 *
 * Errors: functions that can fail return an `enum plx_status`, and those whose failure wants
 * explaining also fill a `struct plx_error` with a sentence that names what to do about it. */
#ifndef PARALLAX_BASE_H
#define PARALLAX_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define PLX_BEGIN_DECLS extern "C" {
#define PLX_END_DECLS }
#else
#define PLX_BEGIN_DECLS
#define PLX_END_DECLS
#endif

#define PLX_EXPORT __attribute__((visibility("default")))
#define PLX_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define PLX_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define PLX_VERSION_MAJOR 0
#define PLX_VERSION_MINOR 1
#define PLX_VERSION_PATCH 0

/* A machine word that may alias any pointer type: how the collector reads and writes slots that
 * the embedder declared as `struct whatever *`. */
typedef void *plx_word __attribute__((__may_alias__));

enum plx_status {
	PLX_OK = 0,
	PLX_ERROR_OPTION,     /* an option is unknown, malformed or out of range */
	PLX_ERROR_CAPABILITY, /* the kernel (or its policy) cannot do what was demanded */
	PLX_ERROR_MEMORY,     /* no memory or address space */
	PLX_ERROR_SYSTEM,     /* a system call failed; the message names it */
	PLX_ERROR_MISUSE,     /* the call is not allowed here */
	PLX_ERROR_LIMIT,      /* a fixed limit of the library was reached */
};

struct plx_error {
	enum plx_status status;
	char message[480]; /* one or more sentences, NUL-terminated, no newline at the end */
};

PLX_BEGIN_DECLS

/* The library's version as "MAJOR.MINOR.PATCH". Any thread; never blocks. */
PLX_EXPORT const char *plx_version(void);

/* A constant, lower-case word for a status ("ok", "option", ...). Any thread; never blocks. */
PLX_EXPORT const char *plx_status_name(enum plx_status status);

PLX_END_DECLS

#endif
