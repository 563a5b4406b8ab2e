/* gc/base/check.h: checks and the fatal end.
 *
 * GC_CHECK is for debug builds (PLX_DEBUG) and names the invariant it holds, e.g.
 * GC_CHECK(PS_3, state == CLAIMED). GC_REQUIRE is for every build: where going on would corrupt the
 * embedder's heap. Context tags assert in debug builds that code runs where its name says. */
#ifndef GC_BASE_CHECK_H
#define GC_BASE_CHECK_H

/* Print a message and the stack, then abort. Usable in signal handlers: no allocation, no lock. */
__attribute__((noreturn, cold, format(printf, 1, 2))) void gc_fatal(const char *format, ...);

/* How gc_fatal prints a backtrace; set by the runtime, which has the unwinder. */
extern void (*gc_fatal_backtrace)(void);

#define GC_REQUIRE(condition, ...)                     \
	do {                                           \
		if (__builtin_expect(!(condition), 0)) \
			gc_fatal(__VA_ARGS__);         \
	} while (0)

/* GC_USE is for debug builds too: the caller of a public function keeps its contract, or is told how not. */
#ifdef PLX_DEBUG
#define GC_USE(condition, what) GC_REQUIRE(condition, "misuse: %s: %s", __func__, what)
#else
#define GC_USE(condition, what)            \
	do {                               \
		(void)sizeof((condition)); \
	} while (0)
#endif

#ifdef PLX_DEBUG
#define GC_CHECK(tag, condition) \
	GC_REQUIRE(condition, "check [" #tag "] failed: %s (%s:%d)", #condition, __FILE__, __LINE__)
#else
#define GC_CHECK(tag, condition)           \
	do {                               \
		(void)sizeof((condition)); \
	} while (0)
#endif

#endif
