/* test/support/shadow.c: a session of the shadow model: threads that run random steps, and a driver
 * that asks for one cycle after the other while they do.
 *
 * The driver is not attached: nothing the mutators do may keep it from starting a cycle, and they
 * go on while a cycle it asked for is updating the heap. */
#include "test/support/shadow_private.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/support/require.h"

#define STEPS_PER_CYCLE 120 /* of each thread, at least, between two cycles of the driver */

void shadow_options_init(struct shadow_options *options)
{
	*options = (struct shadow_options){
		.cycles = 200,
		.seed = 1,
		.objects = 20000,
		.threads = 2,
		.large = true,
	};
}

static void config_set(struct plx_heap_config *config, const char *name, const char *value)
{
	struct plx_error error = {0};

	if (value == NULL || plx_config_set(config, name, value, &error) == PLX_OK)
		return;
	fprintf(stderr, "shadow: %s=%s: %s\n", name, value, error.message);
	exit(2);
}

void shadow_config(const struct shadow_options *options, struct plx_heap_config *config)
{
	struct plx_error error = {0};

	plx_config_init(config);
	config_set(config, "GC_HEAP_MAX", "32M");
	if (plx_config_from_environment(config, &error) != PLX_OK) {
		fprintf(stderr, "shadow: %s\n", error.message);
		exit(2);
	}
	config_set(config, "GC_HEAP_MAX", options->heap_max);
	config_set(config, "GC_STACKS", options->locals ? "ambiguous" : NULL);
	config_set(config, "GC_FORK", options->fork ? "copy" : NULL);
	config_set(config, "GC_PLAN", options->plan);
	config_set(config, "GC_UFFD_DELIVERY", options->delivery);
}

/* True if nothing, or this very word, was demanded. */
static bool agrees(const char *demanded, const char *in_force)
{
	return demanded == NULL || strcmp(demanded, "auto") == 0 || strcmp(demanded, in_force) == 0;
}

/* What the test harness has to be told is missing. */
static const char *capability(const struct shadow_options *options)
{
	if (options->delivery != NULL && strcmp(options->delivery, "sigbus") == 0)
		return "sigbus";
	if (options->plan != NULL && strcmp(options->plan, "minor") == 0)
		return "minor";
	return "thread";
}

struct plx_heap *shadow_heap_create(const struct shadow_options *options)
{
	struct plx_heap_config config;
	struct plx_error error = {0};
	struct plx_heap *heap = NULL;
	enum plx_status status;

	shadow_config(options, &config);
	status = plx_heap_create(&config, &heap, &error);
	if (status == PLX_ERROR_CAPABILITY)
		fprintf(stderr, "shadow: %s\n", error.message);
	test_require(capability(options), status != PLX_ERROR_CAPABILITY);
	if (status != PLX_OK) {
		fprintf(stderr, "shadow: heap: %s: %s\n", plx_status_name(status), error.message);
		exit(1);
	}
	shadow_tags_set(heap, options);
	test_require("minor", options->plan == NULL || strcmp(options->plan, "minor") != 0 ||
				      plx_heap_plan(heap) == PLX_PLAN_MINOR);
	if (!agrees(options->plan, plx_plan_name(plx_heap_plan(heap)))) {
		fprintf(stderr, "shadow: plan %s demanded, %s in force\n", options->plan,
			plx_plan_name(plx_heap_plan(heap)));
		exit(1);
	}
	/* Without userfaultfd there is nothing to deliver. */
	if (plx_heap_plan(heap) != PLX_PLAN_STW)
		test_require(capability(options),
			     agrees(options->delivery, plx_delivery_name(plx_heap_delivery(heap))));
	return heap;
}

/* ---- the threads ---- */

static void *mutator_main(void *argument)
{
	struct shadow_thread *self = argument;
	char *volatile locals[SHADOW_LOCALS] = {NULL};

	pthread_barrier_wait(&self->world->together);
	shadow_attach(self);
	if (self->world->options->locals)
		self->locals = locals;
	shadow_roots_open(self);
	/* Relaxed: a late stop only means a few more steps. */
	while (!atomic_load_explicit(&self->world->stop, memory_order_relaxed)) {
		shadow_step(self);
		/* Relaxed: the count paces the driver and orders nothing. */
		atomic_fetch_add_explicit(&self->world->steps, 1, memory_order_relaxed);
	}
	shadow_compare(self);
	plx_collect(self->thread);
	shadow_compare(self);
	self->tally.live_objects = self->live;
	shadow_roots_close(self);
	shadow_compare(self); /* without roots: forgets every shadow */
	plx_thread_detach(self->thread);
	self->locals = NULL;
	pthread_barrier_wait(&self->world->together);
	return NULL;
}

/* One cycle after the other, with some steps of the mutators between them. */
static void drive(struct shadow_world *world)
{
	uint64_t pace = (uint64_t)world->options->threads * STEPS_PER_CYCLE;
	struct plx_stats stats;
	uint64_t first, steps;

	plx_heap_stats(world->heap, &stats);
	first = stats.cycles;
	while (stats.cycles - first < world->options->cycles) {
		steps = atomic_load_explicit(&world->steps, memory_order_relaxed); /* only paces */
		plx_heap_collect(world->heap);
		while (atomic_load_explicit(&world->steps, memory_order_relaxed) - steps < pace)
			usleep(50);
		plx_heap_stats(world->heap, &stats);
	}
	atomic_store_explicit(&world->stop, true, memory_order_relaxed);
}

static void postbox_make(struct shadow_world *world, struct shadow_thread *self)
{
	void *array;

	shadow_attach(self);
	for (int tries = shadow_tries(world); world->postbox == NULL && tries > 0; tries--) {
		array = plx_alloc_array(self->thread, world->layouts[SHADOW_REFERENCES],
					SHADOW_POSTBOX);
		world->numbers_base = (uintptr_t)array & ~UINT64_C(0xfffff);
		world->postbox = array ? plx_handle_create(self->thread, shadow_encode(self, array))
				       : NULL;
	}
	if (world->postbox == NULL)
		shadow_fail(self, NULL, "no memory for the postbox");
	plx_thread_detach(self->thread);
}

/* Every card left must still verify; then the heap is left without roots. */
static void postbox_close(struct shadow_world *world, struct shadow_thread *self)
{
	shadow_attach(self);
	for (size_t i = 0; i < SHADOW_POSTBOX; i++) {
		char *array = shadow_read(self, &world->postbox->ref);
		char *card =
			shadow_read(self, array + sizeof(struct plx_header) + i * sizeof(void *));

		if (card != NULL)
			shadow_check_postcard(self, card);
	}
	plx_handle_release(self->thread, world->postbox);
	plx_thread_detach(self->thread);
}

static void tally_add(struct shadow_tally *into, const struct shadow_tally *from)
{
	into->steps += from->steps;
	into->allocations += from->allocations;
	into->null_allocations += from->null_allocations;
	into->fixed += from->fixed;
	into->comparisons += from->comparisons;
	into->comparisons_early += from->comparisons_early;
	into->compared_objects += from->compared_objects;
	into->moved_objects += from->moved_objects;
	into->nulls += from->nulls;
	into->overwrites += from->overwrites;
	into->attaches += from->attaches;
	into->blocks += from->blocks;
	into->forks += from->forks;
	into->live_objects += from->live_objects;
}

static void thread_free(struct shadow_thread *self)
{
	for (size_t i = 0; i < self->all.count; i++)
		free(self->all.items[i]);
	free(self->all.items);
	free(self->pending.items);
	free(self->table.entries);
}

void shadow_run(struct plx_heap *heap, const struct shadow_options *options,
		struct shadow_tally *tally)
{
	struct shadow_world world = {.heap = heap, .options = options};
	struct shadow_thread *threads = calloc(options->threads + 1, sizeof(*threads));
	pthread_t *ids = calloc(options->threads, sizeof(*ids));
	struct shadow_thread *keeper;
	struct plx_stats before, after;

	if (threads == NULL || ids == NULL)
		abort();
	keeper = &threads[options->threads];
	plx_heap_stats(heap, &before);
	shadow_layouts_register(&world);
	for (unsigned i = 0; i <= options->threads; i++) {
		threads[i].world = &world;
		threads[i].number = i;
		threads[i].random.state = random_mix(options->seed * 1000 + i);
		threads[i].target = options->objects / options->threads + 1;
		threads[i].next_id = 1;
	}
	postbox_make(&world, keeper);
	pthread_barrier_init(&world.together, NULL, options->threads);
	for (unsigned i = 0; i < options->threads; i++) {
		if (pthread_create(&ids[i], NULL, mutator_main, &threads[i]) != 0)
			abort();
	}
	drive(&world);
	for (unsigned i = 0; i < options->threads; i++)
		pthread_join(ids[i], NULL);
	pthread_barrier_destroy(&world.together);
	postbox_close(&world, keeper);
	plx_heap_stats(heap, &after);
	memset(tally, 0, sizeof(*tally));
	tally->cycles = after.cycles - before.cycles;
	for (unsigned i = 0; i <= options->threads; i++) {
		tally_add(tally, &threads[i].tally);
		thread_free(&threads[i]);
	}
	free(threads);
	free(ids);
}
