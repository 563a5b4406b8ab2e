/* third_party/plx_jemalloc_private.c: keeps the collector's jemalloc deaf to MALLOC_CONF and to
 * /etc/malloc.conf, which are meant for the process's own allocator.
 *
 * prefix_jemalloc.sh redirects jemalloc's calls of secure_getenv and readlink here; it uses them for
 * nothing else. Runs once, at jemalloc's first use. */
#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

char *plx_je_no_environment(const char *name);
ssize_t plx_je_no_link(const char *path, char *into, size_t bytes);

char *plx_je_no_environment(const char *name)
{
	(void)name;
	return NULL;
}

ssize_t plx_je_no_link(const char *path, char *into, size_t bytes)
{
	(void)path;
	(void)into;
	(void)bytes;
	errno = ENOENT;
	return -1;
}
