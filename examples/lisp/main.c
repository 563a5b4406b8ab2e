/* examples/lisp/main.c: `lisp FILE ...` runs programs, `lisp` alone reads from standard input.
 *
 * A program that defines a procedure `run` has it called with the number given by --scale, and its result
 * printed. The collector is set up by the GC_* variables of the environment. */
#include "examples/lisp/lisp.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEAST_STACK_SLOTS ((size_t)8192)
#define MOST_ROUNDS 100
#define MOST_STACK_SLOTS ((size_t)16 << 20) /* enough for a million calls */

struct settings {
	unsigned long stack_slots; /* 0: an eighth of the heap */
	long scale;
	unsigned long cycles;
	unsigned long stress;
};

static void usage(FILE *out)
{
	fprintf(out,
		"usage: lisp [--stack WORDS] [--scale N] [--cycles N] [--stress N] [FILE ...]\n"
		"Runs each FILE, then (run N) if it defines that. Without FILE: what standard input says.\n"
		"\n"
		"  --stack WORDS  of the main thread's stack (default: an eighth of the heap, at most 16M)\n"
		"  --scale N      how much work programs do (default 10)\n"
		"  --cycles N     run the files again until the collector ran N cycles at least\n"
		"  --stress N     collect at every Nth allocation\n");
}

static bool settings_parse(struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
		{"stack", required_argument, NULL, 's'},  {"scale", required_argument, NULL, 'n'},
		{"cycles", required_argument, NULL, 'c'}, {"stress", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0}};
	char *end = NULL;
	int option;

	*settings = (struct settings){.scale = 10};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			exit(0);
		}
		if (option == 's')
			settings->stack_slots = strtoul(optarg, &end, 10);
		else if (option == 'n')
			settings->scale = strtol(optarg, &end, 10);
		else if (option == 'c')
			settings->cycles = strtoul(optarg, &end, 10);
		else if (option == 't')
			settings->stress = strtoul(optarg, &end, 10);
		if (end == NULL || *end != '\0') {
			usage(stderr);
			return false;
		}
	}
	return true;
}

static bool run_file(struct machine *machine, const char *path, long scale)
{
	int64_t result;

	if (!lisp_load_file(machine, path)) {
		lisp_print_error(machine, path);
		return false;
	}
	if (!lisp_is_defined(machine, "run"))
		return true;
	if (!lisp_call_number(machine, "run", scale, &result)) {
		lisp_print_error(machine, path);
		return false;
	}
	printf("%s: %lld\n", path, (long long)result);
	return true;
}

/* --- the REPL ------------------------------------------------------------------------------------ */

/* How many lists are open at the end of `text`, outside of strings and comments. */
static int open_lists(const char *text)
{
	bool string = false;
	int open = 0;

	for (; *text; text++) {
		if (*text == '\\' && text[1])
			text++;
		else if (*text == '"')
			string = !string;
		else if (!string && *text == ';')
			text += strcspn(text, "\n") - 1;
		else if (!string)
			open += *text == '(' ? 1 : *text == ')' ? -1 : 0;
	}
	return string ? 1 : open;
}

/* A line, waited for outside of the heap. */
static bool read_line(struct machine *machine, char **line, size_t *room)
{
	bool well;

	plx_block_enter(lisp_machine_thread(machine));
	well = getline(line, room, stdin) >= 0;
	plx_block_exit(lisp_machine_thread(machine));
	return well;
}

/* Lines until all lists are closed. NULL at the end of input. */
static char *read_forms(struct machine *machine, bool prompt)
{
	char *line = NULL, *text = NULL, *more;
	size_t room = 0, length = 0;

	do {
		if (prompt) {
			fputs(text ? "  " : "> ", stdout);
			fflush(stdout);
		}
		if (!read_line(machine, &line, &room))
			break;
		more = realloc(text, length + strlen(line) + 1);
		if (more == NULL)
			break;
		text = more;
		strcpy(text + length, line);
		length += strlen(line);
	} while (open_lists(text) > 0);
	free(line);
	return text;
}

static void repl(struct machine *machine)
{
	bool prompt = isatty(STDIN_FILENO);
	char *text;

	while ((text = read_forms(machine, prompt)) != NULL) {
		if (!lisp_load_text(machine, text, strlen(text), true))
			lisp_print_error(machine, "lisp");
		free(text);
	}
}

/* --- the heap ------------------------------------------------------------------------------------ */

/* How many collections fit into one run is the scheduler's choice, since they run beside it. */
static bool enough_cycles(struct plx_heap *heap, unsigned long least)
{
	struct plx_stats stats;

	plx_heap_stats(heap, &stats);
	return stats.cycles >= least;
}

/* Again and again, until there were enough of them for the run to mean something. */
static bool run_files(struct plx_heap *heap, struct machine *machine,
		      const struct settings *settings, int count, char **paths)
{
	int rounds = 0;

	do {
		for (int i = 0; i < count; i++)
			if (!run_file(machine, paths[i], settings->scale))
				return false;
		if (enough_cycles(heap, settings->cycles))
			return true;
	} while (++rounds < MOST_ROUNDS);
	fprintf(stderr, "lisp: not %lu cycles in %d rounds\n", settings->cycles, rounds);
	return false;
}

static int run_all(struct plx_heap *heap, struct lisp *lisp, const struct settings *settings,
		   size_t stack_slots, int count, char **paths)
{
	struct plx_error error = {0};
	struct machine *machine = lisp_machine_open(lisp, stack_slots, &error);
	bool well = true;

	if (machine == NULL) {
		fprintf(stderr, "lisp: %s\n", error.message);
		return 1;
	}
	if (count == 0)
		repl(machine);
	else
		well = run_files(heap, machine, settings, count, paths);
	lisp_machine_close(machine);
	return well ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct plx_heap_config config;
	struct plx_error error = {0};
	struct settings settings;
	struct plx_stats stats;
	struct plx_heap *heap;
	struct lisp *lisp;
	size_t stack_slots;
	int status;

	if (!settings_parse(&settings, argc, argv))
		return 2;
	plx_config_init(&config);
	if (plx_config_from_environment(&config, &error) != PLX_OK ||
	    plx_heap_create(&config, &heap, &error) != PLX_OK) {
		fprintf(stderr, "lisp: %s\n", error.message);
		return 1;
	}
	plx_heap_stats(heap, &stats);
	stack_slots = settings.stack_slots ? settings.stack_slots
					   : stats.heap_max_bytes / 8 / sizeof(void *);
	if (stack_slots < LEAST_STACK_SLOTS)
		stack_slots = LEAST_STACK_SLOTS;
	if (stack_slots > MOST_STACK_SLOTS && !settings.stack_slots)
		stack_slots = MOST_STACK_SLOTS;
	lisp = lisp_open(heap, LEAST_STACK_SLOTS, &error);
	if (lisp == NULL) {
		fprintf(stderr, "lisp: %s\n", error.message);
		return 1;
	}
	lisp_stress(lisp, (unsigned)settings.stress);
	status = run_all(heap, lisp, &settings, stack_slots, argc - optind, argv + optind);
	lisp_close(lisp);
	return plx_heap_destroy(heap) != PLX_OK ? 1 : status;
}
