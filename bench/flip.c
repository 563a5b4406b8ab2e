/* bench/flip.c: does the flip grow with the heap? Two heaps of different size in one process, both
 * fully touched, flipped in turn while a mutator runs on both: so that both meet the same machine.
 *
 * usage: flip [SMALL [LARGE [ROUNDS]]]     sizes such as 512M and 8G (the defaults), 20 rounds
 *
 * Each heap is filled to four fifths with large arrays of references, so that nearly all of its pages
 * have page-table entries, and each round moves a list of small objects (GC_EVACUATE=all). Prints the
 * distribution of flip_us (detach and register alone) and of pause_us for both, and the ratio of the
 * medians. It does not show what mutators feel besides the pause. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <parallax/parallax.h>

#define ARRAY_LENGTH 130000 /* a little under 1 MiB */
#define LIST_LENGTH 20000

struct node {
	struct plx_header header;
	struct node *next;
};

struct subject {
	const char *size;
	struct plx_heap *heap;
	struct plx_thread *thread;
	struct plx_handle *arrays, *list;
};

static struct subject subjects[2] = {{.size = "512M"}, {.size = "8G"}};
static uint32_t stop;

static void die(const struct plx_error *error)
{
	fprintf(stderr, "flip: %s\n", error->message);
	exit(1);
}

static void subject_create(struct subject *subject)
{
	struct plx_heap_config config;
	struct plx_error error;

	plx_config_init(&config);
	if (plx_config_from_environment(&config, &error) != PLX_OK ||
	    plx_config_set(&config, "GC_HEAP_MAX", subject->size, &error) != PLX_OK ||
	    plx_config_set(&config, "GC_EVACUATE", "all", &error) != PLX_OK ||
	    plx_config_set(&config, "GC_FLIP", "detach", &error) != PLX_OK ||
	    plx_heap_create(&config, &subject->heap, &error) != PLX_OK)
		die(&error);
}

static void subject_fill(struct subject *subject)
{
	const struct plx_layout *references = plx_layout_references(subject->heap, NULL);
	struct plx_stats stats;
	uint64_t count;

	plx_heap_stats(subject->heap, &stats);
	count = stats.heap_max_bytes / 5 * 4 / (ARRAY_LENGTH * 8 + stats.region_bytes / 2);
	subject->arrays = plx_handle_create(subject->thread, NULL);
	plx_handle_set(subject->thread, subject->arrays,
		       plx_alloc_array(subject->thread, references, count));
	for (uint64_t i = 0; i < count; i++) {
		void **array = plx_alloc_array(subject->thread, references, ARRAY_LENGTH);
		void **table = subject->arrays->ref;

		if (!array)
			break; /* full enough */
		for (uint64_t k = 1; k <= ARRAY_LENGTH; k += 512)
			array[k] = NULL; /* touch every page: fresh memory is not cleared */
		plx_store(subject->thread, &table[1 + i], array);
	}
}

static void subject_list(struct subject *subject)
{
	const struct plx_layout *layout = plx_layout_fixed(subject->heap, sizeof(struct node),
							   (size_t[]){offsetof(struct node, next)},
							   1, NULL);

	subject->list = plx_handle_create(subject->thread, NULL);
	for (int i = 0; i < LIST_LENGTH; i++) {
		struct node *node = plx_alloc(subject->thread, layout);

		if (!node)
			break;
		node->next = subject->list->ref;
		plx_handle_set(subject->thread, subject->list, node);
	}
}

/* Attached to both heaps, always running, always near a poll. */
static void *mutator(void *argument)
{
	pthread_barrier_t *ready = argument;
	struct plx_error error;

	for (int i = 0; i < 2; i++) {
		if (plx_thread_attach(subjects[i].heap, &subjects[i].thread, &error) != PLX_OK)
			die(&error);
		subject_fill(&subjects[i]);
		subject_list(&subjects[i]);
	}
	pthread_barrier_wait(ready);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) /* late by a turn is harmless */
		for (int i = 0; i < 2; i++)
			plx_poll(subjects[i].thread);
	for (int i = 0; i < 2; i++)
		plx_thread_detach(subjects[i].thread);
	return NULL;
}

static double median_us(const struct subject *subject, enum plx_distribution which,
			const char *name)
{
	static struct plx_histogram histogram;

	plx_heap_distribution(subject->heap, which, &histogram);
	printf("%6s  %-8s  n %4lu  p50 %7.1f  p90 %7.1f  max %7.1f us\n", subject->size, name,
	       histogram.count, (double)plx_histogram_quantile(&histogram, 0.5) / 1e3,
	       (double)plx_histogram_quantile(&histogram, 0.9) / 1e3, (double)histogram.max / 1e3);
	return (double)plx_histogram_quantile(&histogram, 0.5) / 1e3;
}

int main(int argc, char **argv)
{
	int rounds = argc > 3 ? atoi(argv[3]) : 20;
	double flip_us[2];
	pthread_barrier_t ready;
	pthread_t thread;

	for (int i = 0; i < 2; i++) {
		if (argc > 1 + i)
			subjects[i].size = argv[1 + i];
		subject_create(&subjects[i]);
	}
	pthread_barrier_init(&ready, NULL, 2);
	pthread_create(&thread, NULL, mutator, &ready);
	pthread_barrier_wait(&ready);
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < 2; i++)
			plx_heap_collect(subjects[i].heap);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	for (int i = 0; i < 2; i++)
		flip_us[i] = median_us(&subjects[i], PLX_DISTRIBUTION_FLIP_NS, "flip_us");
	for (int i = 0; i < 2; i++)
		median_us(&subjects[i], PLX_DISTRIBUTION_PAUSE_NS, "pause_us");
	printf("ratio of the flips' medians, %s to %s: %.2f\n", subjects[1].size, subjects[0].size,
	       flip_us[1] / flip_us[0]);
	for (int i = 0; i < 2; i++)
		plx_heap_destroy(subjects[i].heap);
	return 0;
}
