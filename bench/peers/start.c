/* bench/peers/start.c: see peers.h. Every peer takes gc_pause's options and writes gc_pause's JSON;
 * its last words on standard error become the message when it fails. */
#include "bench/peers/peers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_WORDS 40
#define RUN_SECONDS 240 /* a run that takes longer hangs */

const struct peer peers_known[PEERS_MOST] = {
	{"parallax", "this collector, its best plan", PEER_C, "gc_pause", "minor,sigbus", NULL,
	 NULL, NULL},
	{"parallax-copy", "this collector without minor faults", PEER_C, "gc_pause", "copy,sigbus",
	 NULL, NULL, NULL},
	{"jemalloc", "malloc and free by hand, jemalloc", PEER_C, "gc_pause", "none",
	 "libjemalloc.so.2", NULL, NULL},
	{"glibc", "malloc and free by hand, the C library's", PEER_C, "gc_pause", "none", NULL,
	 NULL, NULL},
	{"mimalloc", "malloc and free by hand, mimalloc", PEER_C, "gc_pause", "none",
	 "libmimalloc.so.2", NULL, NULL},
	{"bdwgc", "conservative mark-sweep, libgc", PEER_C, "gc_pause_bdwgc", "none", NULL, NULL,
	 NULL},
	{"bdwgc-incremental", "libgc, incremental", PEER_C, "gc_pause_bdwgc", "none", NULL,
	 "PEER_INCREMENTAL=1", NULL},
	{"java-serial", "OpenJDK, SerialGC", PEER_JAVA, NULL, NULL, NULL, NULL, "-XX:+UseSerialGC"},
	{"java-parallel", "OpenJDK, ParallelGC", PEER_JAVA, NULL, NULL, NULL, NULL,
	 "-XX:+UseParallelGC"},
	{"java-g1", "OpenJDK, G1", PEER_JAVA, NULL, NULL, NULL, NULL, "-XX:+UseG1GC"},
	{"java-zgc", "OpenJDK, ZGC", PEER_JAVA, NULL, NULL, NULL, NULL, "-XX:+UseZGC"},
	{"java-shenandoah", "OpenJDK, Shenandoah", PEER_JAVA, NULL, NULL, NULL, NULL,
	 "-XX:+UseShenandoahGC"},
	{"go", "Go, GOMEMLIMIT for the limit", PEER_GO, "gc_pause_go", NULL, NULL, NULL, NULL},
	{"guile", "GNU Guile, on libgc", PEER_GUILE, "gc_pause_guile", NULL, NULL, NULL, NULL},
};
const unsigned peers_count = 14;

/* A path in the folder this program lies in. */
static const char *beside(const char *name)
{
	static char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	path[length < 0 ? 0 : length] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL || (size_t)(slash - path) + strlen(name) + 2 > sizeof(path))
		return name;
	strcpy(slash + 1, name);
	return path;
}

static bool program_on_path(const char *name)
{
	const char *path = getenv("PATH");
	char candidate[PATH_MAX];

	while (path != NULL && *path != '\0') {
		size_t length = strcspn(path, ":");

		snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)length, path, name);
		if (access(candidate, X_OK) == 0)
			return true;
		path += length;
		path += *path == ':';
	}
	return false;
}

/* Tried as it will be used: the loader goes on without a library that it cannot preload, but says so. */
static bool library_preloads(const char *name)
{
	int pipes[2];
	char byte;
	bool quiet;
	pid_t child;

	if (pipe(pipes) != 0)
		return false;
	child = fork();
	if (child == 0) {
		dup2(pipes[1], STDERR_FILENO);
		setenv("LD_PRELOAD", name, 1);
		execlp("true", "true", (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	quiet = child > 0 && read(pipes[0], &byte, 1) == 0;
	close(pipes[0]);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return quiet;
}

const char *peer_absent(const struct peer *peer)
{
	if (peer->preload != NULL && !library_preloads(peer->preload))
		return "the library is not installed";
	if (peer->program != NULL && access(beside(peer->program), X_OK) != 0)
		return peer->kind == PEER_GO	  ? "go was not installed at build time"
		       : peer->kind == PEER_GUILE ? "guile-3.0 was not installed at build time"
						  : "libgc-dev was not installed at build time";
	if (peer->kind != PEER_JAVA)
		return "";
	if (access(beside("gc_pause_java/Main.class"), R_OK) != 0)
		return "javac was not installed at build time";
	return program_on_path("java") ? "" : "java is not installed";
}

/* A command line under construction. */
struct words {
	char *at[MOST_WORDS];
	unsigned count;
};

__attribute__((format(printf, 2, 3))) static void words_add(struct words *words, const char *format,
							    ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (words->count + 1 == MOST_WORDS || vasprintf(&text, format, arguments) < 0)
		abort();
	va_end(arguments);
	words->at[words->count++] = text;
	words->at[words->count] = NULL;
}

static void words_free(struct words *words)
{
	for (unsigned i = 0; i < words->count; i++)
		free(words->at[i]);
}

static void words_program(struct words *words, const struct peer *peer,
			  const struct peer_task *task, const char *scratch)
{
	const char *comma;

	if (peer->kind != PEER_JAVA) {
		words_add(words, "%s", beside(peer->program));
	} else {
		words_add(words, "java");
		words_add(words, "%s", peer->flags);
		words_add(words, "-Xmx%llu", (unsigned long long)task->heap_bytes);
		words_add(words, "-Xlog:disable");
		words_add(words, "-Xlog:safepoint:file=%s.log", scratch);
		words_add(words, "-Dplx.safepoints=%s.log", scratch);
		words_add(words, "-cp");
		words_add(words, "%s", beside("gc_pause_java"));
		words_add(words, "Main");
	}
	if (peer->kind != PEER_C)
		return;
	comma = strchr(peer->plan, ',');
	words_add(words, "--quiet");
	words_add(words, "--plan");
	words_add(words, "%.*s", (int)strcspn(peer->plan, ","), peer->plan);
	if (comma != NULL) {
		words_add(words, "--delivery");
		words_add(words, "%s", comma + 1);
	}
}

static void words_task(struct words *words, const struct peer_task *task, uint64_t seed,
		       const char *scratch)
{
	words_add(words, "--workload");
	words_add(words, "%s", task->name);
	words_add(words, "--threads");
	words_add(words, "%u", task->threads);
	words_add(words, "--depth");
	words_add(words, "%u", task->depth);
	words_add(words, "--heap");
	words_add(words, "%llu", (unsigned long long)task->heap_bytes);
	words_add(words, "--live");
	words_add(words, "%llu", (unsigned long long)task->live_bytes);
	words_add(words, "--operations");
	words_add(words, "%llu", (unsigned long long)task->operations);
	words_add(words, "--seed");
	words_add(words, "%llu", (unsigned long long)seed);
	words_add(words, "--json");
	words_add(words, "%s", scratch);
}

__attribute__((noreturn)) static void child_run(const struct peer *peer, struct words *words,
						int output)
{
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	if (peer->preload != NULL)
		setenv("LD_PRELOAD", peer->preload, 1);
	if (peer->variable != NULL)
		putenv((char *)(uintptr_t)peer->variable);
	alarm(RUN_SECONDS); /* survives execution */
	execvp(words->at[0], words->at);
	_exit(127);
}

/* The last line a process wrote, without its newline. */
static void last_line(int output, char *line, size_t size)
{
	char text[2048];
	off_t end = lseek(output, 0, SEEK_END);
	off_t from = end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0;
	ssize_t got = pread(output, text, sizeof(text) - 1, from);
	char *start;

	while (got > 0 && text[got - 1] == '\n')
		got--;
	text[got < 0 ? 0 : got] = '\0';
	start = strrchr(text, '\n');
	snprintf(line, size, "%.*s", (int)size - 1, start == NULL ? text : start + 1);
}

static void run_failed(char why[VALUE_WHY_BYTES], int status, int output)
{
	char line[120];

	last_line(output, line, sizeof(line));
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(why, VALUE_WHY_BYTES, "still at work after %u s", RUN_SECONDS);
	else if (line[0] != '\0')
		snprintf(why, VALUE_WHY_BYTES, "%s", line);
	else
		snprintf(why, VALUE_WHY_BYTES, "ended with status %#x", (unsigned)status);
}

static json_t *run_in(const struct peer *peer, const struct peer_task *task, uint64_t seed,
		      const char *scratch, int output, char why[VALUE_WHY_BYTES])
{
	struct words words = {{NULL}, 0};
	int status = -1;
	pid_t child;

	words_program(&words, peer, task, scratch);
	words_task(&words, task, seed, scratch);
	child = fork();
	if (child == 0)
		child_run(peer, &words, output);
	words_free(&words);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0) {
		run_failed(why, status, output);
		return NULL;
	}
	return value_read(scratch, why);
}

json_t *peer_run(const struct peer *peer, const struct peer_task *task, uint64_t seed,
		 char why[VALUE_WHY_BYTES])
{
	char scratch[] = "/tmp/plx-peer-XXXXXX", log[sizeof(scratch) + 8];
	int file = mkstemp(scratch), output = -1;
	json_t *result = NULL;

	snprintf(log, sizeof(log), "%s.out", scratch);
	if (file >= 0)
		output = open(log, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (output >= 0)
		result = run_in(peer, task, seed, scratch, output, why);
	else
		snprintf(why, VALUE_WHY_BYTES, "%s: %s", log, strerror(errno));
	if (file >= 0)
		close(file);
	if (output >= 0)
		close(output);
	unlink(scratch);
	unlink(log);
	snprintf(log, sizeof(log), "%s.log", scratch);
	unlink(log);
	return result;
}
