/* examples/coroutines.c: coroutines whose C locals hold references: their stacks are registered, and each
 * switch is announced, so what a parked coroutine refers to stays alive and where it is. */
#include <parallax/parallax.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#define STACK_BYTES 65536
#define COROUTINES 8
#define ROUNDS 50

struct pair {
	struct plx_header header;
	struct pair *next;
	uint64_t value;
};

struct coroutine {
	ucontext_t context, scheduler;
	struct plx_native_stack *stack;
	uint64_t number, sum;
	int done;
};

static struct plx_thread *thread;
static const struct plx_layout *pairs;

/* Back to the scheduler; announced first. */
static void yield(struct coroutine *self)
{
	plx_native_stack_switch(thread, NULL);
	swapcontext(&self->context, &self->scheduler);
}

static void resume(struct coroutine *coroutine)
{
	plx_native_stack_switch(thread, coroutine->stack);
	swapcontext(&coroutine->scheduler, &coroutine->context);
}

/* A list that only this function's locals know, one element longer each time it is resumed. */
static void collect_squares(struct coroutine *self)
{
	struct pair *list = NULL;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		struct pair *pair = plx_alloc(thread, pairs);

		if (!pair)
			break;
		pair->value = i * i + self->number;
		pair->next = list;
		list = pair;
		yield(self);
	}
	for (; list; list = list->next)
		self->sum += list->value;
}

static void coroutine_main(unsigned high, unsigned low)
{
	struct coroutine *self = (struct coroutine *)((uintptr_t)high << 32 | low);

	collect_squares(self);
	self->done = 1;
	plx_native_stack_end(thread, NULL); /* nothing on this stack counts any more */
	swapcontext(&self->context, &self->scheduler);
}

static int coroutine_start(struct coroutine *coroutine, uint64_t number, struct plx_error *error)
{
	void *memory = malloc(STACK_BYTES);

	coroutine->number = number;
	if (!memory ||
	    plx_native_stack_add(thread, memory, STACK_BYTES, &coroutine->stack, error) != PLX_OK)
		return 0;
	getcontext(&coroutine->context);
	coroutine->context.uc_stack.ss_sp = memory;
	coroutine->context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&coroutine->context, (void (*)(void))(void *)coroutine_main, 2,
		    (unsigned)((uintptr_t)coroutine >> 32), (unsigned)(uintptr_t)coroutine);
	return 1;
}

static int play(struct plx_error *error)
{
	static struct coroutine all[COROUTINES];
	int left = COROUTINES, wrong = 0;

	for (uint64_t i = 0; i < COROUTINES; i++)
		if (!coroutine_start(&all[i], i, error))
			return fprintf(stderr, "coroutines: %s\n", error->message), 1;
	for (int round = 0; left > 0; round++) {
		for (int i = 0; i < COROUTINES; i++)
			if (!all[i].done) {
				resume(&all[i]);
				left -= all[i].done;
			}
		if (round % 10 == 0)
			plx_collect(thread); /* all of them are parked */
	}
	for (int i = 0; i < COROUTINES; i++) {
		/* The sum of the squares below 50 is 40425. */
		wrong += all[i].sum != 40425 + ROUNDS * all[i].number;
		plx_native_stack_remove(thread, all[i].stack);
		free(all[i].context.uc_stack.ss_sp);
	}
	printf("%d coroutines, %d wrong sums\n", COROUTINES, wrong);
	return wrong;
}

int main(void)
{
	static const size_t references[] = {offsetof(struct pair, next)};
	struct plx_heap_config config;
	struct plx_error error = {0};
	struct plx_heap *heap;
	int failed = 1;

#ifdef __SANITIZE_THREAD__
	return 77; /* ThreadSanitizer does not follow swapcontext */
#endif
	plx_config_init(&config);
	if (plx_config_from_environment(&config, &error) != PLX_OK ||
	    plx_config_set(&config, "GC_STACKS", "ambiguous", &error) != PLX_OK ||
	    plx_heap_create(&config, &heap, &error) != PLX_OK ||
	    plx_thread_attach(heap, &thread, &error) != PLX_OK)
		return fprintf(stderr, "coroutines: %s\n", error.message), 1;
	pairs = plx_layout_fixed(heap, sizeof(struct pair), references, 1, &error);
	if (pairs)
		failed = play(&error);
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK || failed;
}
