/* test/system/shadow.c: the shadow model as a program: see test/support/shadow.h for what it compares.
 *
 *	shadow [--cycles N] [--threads T] [--seed S] [--objects N] [--plan minor|copy|stw]
 *	       [--delivery thread|sigbus] [--heap BYTES] [--no-large] [--roots handles|all]
 *	       [--churn] [--locals] [--stacks] [--tags] [--fork] [--inject ONE_IN]
 *
 * With --inject one in so many system calls fails while the threads run (test/support/inject_storm.h).
 *
 * GC_* variables apply too; options of the command line win. Tests [I1] and [I5]; with GC_VERIFY=1
 * the collector's own checks of [I2]-[I4] run along in debug builds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/support/inject.h"
#include "test/support/inject_storm.h"
#include "test/support/shadow.h"
#include "test/support/share.h"
#include "test/support/tally.h"

static uint64_t inject_one_in; /* 0: nothing fails */

static _Noreturn void usage(const char *what)
{
	fprintf(stderr,
		"shadow: %s\nusage: shadow [--cycles N] [--threads 1-64] [--seed S] [--objects N]\n"
		"  [--plan auto|minor|copy|stw] [--delivery auto|thread|sigbus] [--heap BYTES] [--no-large]\n"
		"  [--roots handles|all] [--churn] [--locals] [--stacks] [--tags] [--fork] [--inject ONE_IN]\n",
		what);
	exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0')
		usage("not a number");
	return value;
}

static void parse(int argc, char **argv, struct shadow_options *options)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(name, "--locals") == 0) {
			options->locals = true;
			continue;
		}
		if (strcmp(name, "--tags") == 0) {
			options->tags = true;
			continue;
		}
		if (strcmp(name, "--stacks") == 0) {
			options->stacks = true;
			continue;
		}
		if (strcmp(name, "--fork") == 0) {
			options->fork = true;
			continue;
		}
		if (strcmp(name, "--no-large") == 0) {
			options->large = false;
			continue;
		}
		if (strcmp(name, "--churn") == 0) {
			options->churn = true;
			continue;
		}
		if (value == NULL)
			usage("an option is unknown or lacks its value");
		i++;
		if (strcmp(name, "--cycles") == 0)
			options->cycles = share_of(number(value), 20);
		else if (strcmp(name, "--threads") == 0)
			options->threads = (unsigned)number(value);
		else if (strcmp(name, "--seed") == 0)
			options->seed = number(value);
		else if (strcmp(name, "--objects") == 0)
			options->objects = number(value);
		else if (strcmp(name, "--plan") == 0)
			options->plan = value;
		else if (strcmp(name, "--delivery") == 0)
			options->delivery = value;
		else if (strcmp(name, "--heap") == 0)
			options->heap_max = value;
		else if (strcmp(name, "--inject") == 0)
			inject_one_in = number(value);
		else if (strcmp(name, "--roots") == 0 && strcmp(value, "handles") == 0)
			options->roots = SHADOW_ROOTS_HANDLES;
		else if (strcmp(name, "--roots") == 0 && strcmp(value, "all") == 0)
			options->roots = SHADOW_ROOTS_ALL;
		else
			usage("unknown option");
	}
	if (options->threads < 1 || options->threads > 64)
		usage("--threads must be 1 to 64");
}

static void report(const struct shadow_tally *tally, const struct plx_stats *stats)
{
	printf("shadow: %lu cycles, %lu flips (%lu by zapping), %lu emergency, %lu degraded\n",
	       (unsigned long)tally->cycles, (unsigned long)stats->flips,
	       (unsigned long)stats->flips_zapped, (unsigned long)stats->emergency_cycles,
	       (unsigned long)stats->degraded);
	printf("shadow: %lu handshakes; stores over a reference: %lu, of them %lu of NULL\n",
	       (unsigned long)stats->handshakes, (unsigned long)(tally->overwrites + tally->nulls),
	       (unsigned long)tally->nulls);
	printf("shadow: %lu steps, %lu allocations (%lu NULL, %lu fixed), %lu attaches, %lu blocks\n",
	       (unsigned long)tally->steps, (unsigned long)tally->allocations,
	       (unsigned long)tally->null_allocations, (unsigned long)tally->fixed,
	       (unsigned long)tally->attaches, (unsigned long)tally->blocks);
	printf("shadow: %lu walks (%lu with the cycle under way), %lu objects compared, %lu had moved\n",
	       (unsigned long)tally->comparisons, (unsigned long)tally->comparisons_early,
	       (unsigned long)tally->compared_objects, (unsigned long)tally->moved_objects);
	if (tally->forks)
		printf("shadow: %lu children went on with a copy of the heap\n",
		       (unsigned long)tally->forks);
	printf("shadow: %lu regions held back by pins, %lu by stacks, %lu un-chosen at the flip\n",
	       (unsigned long)stats->pin_held_regions, (unsigned long)stats->stack_held_regions,
	       (unsigned long)stats->unchosen_regions);
	printf("shadow: %lu faults, %lu pages continued, %lu copied, %lu bytes moved back, "
	       "%lu evacuated, %lu updated in place\n",
	       (unsigned long)stats->faults, (unsigned long)stats->continued_pages,
	       (unsigned long)stats->copied_pages, (unsigned long)stats->moved_back_bytes,
	       (unsigned long)stats->evacuated_bytes, (unsigned long)stats->updated_in_place_bytes);
}

/* The session, with calls that fail. */
static uint64_t run(struct plx_heap *heap, struct shadow_options *options,
		    struct shadow_tally *tally)
{
	if (inject_one_in == 0) {
		shadow_run(heap, options, tally);
		return 0;
	}
	options->tolerate_null = true;
	inject_storm_begin(inject_one_in, options->seed);
	shadow_run(heap, options, tally);
	return inject_storm_end();
}

int main(int argc, char **argv)
{
	struct shadow_options options;
	struct shadow_tally tally;
	struct plx_stats stats;
	struct plx_heap *heap;
	uint64_t injected;

	shadow_options_init(&options);
	parse(argc, argv, &options);
	if (inject_one_in)
		inject_install();
	heap = shadow_heap_create(&options);
	printf("shadow: seed %lu, %u threads, %lu objects, plan %s, delivery %s\n",
	       (unsigned long)options.seed, options.threads, (unsigned long)options.objects,
	       plx_plan_name(plx_heap_plan(heap)), plx_delivery_name(plx_heap_delivery(heap)));
	fflush(stdout);
	injected = run(heap, &options, &tally);
	plx_heap_stats(heap, &stats);
	report(&tally, &stats);
	tally_print("shadow", &(struct tally_figures){.cycles = stats.cycles,
						      .objects = tally.compared_objects,
						      .faults = stats.faults,
						      .injected = injected});
	if (tally.cycles < options.cycles) {
		fprintf(stderr, "shadow: only %lu cycles\n", (unsigned long)tally.cycles);
		return 1;
	}
	if (plx_heap_destroy(heap) != PLX_OK) {
		fprintf(stderr, "shadow: the heap could not be destroyed\n");
		return 1;
	}
	return 0;
}
