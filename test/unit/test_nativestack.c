/* test/unit/test_nativestack.c: coroutines (ucontext) whose locals hold references: parked, resumed by the
 * same thread and by others, while cycles run; in every plan and delivery. And what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include <parallax/parallax.h>

#include "runtime/world.h"
#include "test/support/child.h"
#include "test/support/heap.h"

#define STACK_BYTES 65536

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
	uint64_t filling[29];
};

static struct plx_heap *heap;
static struct plx_thread *thread;
static const struct plx_layout *nodes;
static const char *verify = "1";

static void heap_open(const char *stacks, const char *plan, const char *delivery)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	const char *const options[] = {
		"GC_HEAP_MAX",	    "32M",    "GC_EVACUATE", "all",  "GC_VERIFY", verify,
		"GC_CYCLE_EVERY",   "1T",     "GC_STACKS",   stacks, "GC_PLAN",	  plan,
		"GC_UFFD_DELIVERY", delivery, NULL,
	};

	test_heap_open(&heap, &thread, options);
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
}

static void heap_close(void)
{
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK);
}

static struct plx_stats stats(void)
{
	struct plx_stats now;

	plx_heap_stats(heap, &now);
	return now;
}

static struct node *node_make(struct plx_thread *self, uint64_t value)
{
	struct node *node = plx_alloc(self, nodes);

	assert_non_null(node);
	node->value = value;
	return node;
}

static __attribute__((noinline)) void litter(struct plx_thread *self, int count)
{
	for (int i = 0; i < count; i++)
		node_make(self, UINT64_MAX);
}

static __attribute__((noinline)) void stack_wipe(void)
{
	volatile char words[16384];

	memset((char *)words, 0, sizeof(words));
	__asm__ volatile("" : : "r"(words) : "memory");
}

/* ---- coroutines ---- */

struct coroutine {
	ucontext_t context, caller;
	struct plx_native_stack *stack;
	char *memory;
	void (*run)(struct coroutine *self);
	struct plx_thread *thread; /* that runs it now */
	uint64_t number, cycles;
	bool ended;
	struct coroutine *next;
};

/* In the coroutine: back to whoever resumed it. It may go on with another thread. */
static __attribute__((noinline)) void co_yield (struct coroutine *self)
{
	plx_native_stack_switch(self->thread, NULL);
	swapcontext(&self->context, &self->caller);
}

static void co_main(unsigned high, unsigned low)
{
	struct coroutine *self = (struct coroutine *)((uintptr_t)high << 32 | low);

	self->run(self);
	self->ended = true;
	plx_native_stack_end(self->thread, NULL);
	swapcontext(&self->context, &self->caller);
}

static void co_resume(struct coroutine *co, struct plx_thread *by)
{
	co->thread = by;
	plx_native_stack_switch(by, co->stack);
	swapcontext(&co->caller, &co->context);
}

static void co_start(struct coroutine *co, void (*run)(struct coroutine *self))
{
	struct plx_error error = {0};

	memset(co, 0, sizeof(*co));
	co->memory = malloc(STACK_BYTES);
	co->run = run;
	getcontext(&co->context);
	co->context.uc_stack.ss_sp = co->memory;
	co->context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&co->context, (void (*)(void))(void *)co_main, 2,
		    (unsigned)((uintptr_t)co >> 32), (unsigned)(uintptr_t)co);
	assert_int_equal(plx_native_stack_add(thread, co->memory, STACK_BYTES, &co->stack, &error),
			 PLX_OK);
}

static void co_finish(struct coroutine *co)
{
	assert_int_equal(plx_native_stack_remove(thread, co->stack), PLX_OK);
	free(co->memory);
}

/* ---- one thread ---- */

/* Whole, inside, a list, and just behind the end: in locals across yields, with cycles in between. */
static void keeper(struct coroutine *self)
{
	struct node *whole = node_make(self->thread, 1);
	uint64_t *inside = &node_make(self->thread, 2)->value;
	struct node *list = node_make(self->thread, 3);
	char *volatile behind = (char *)(node_make(self->thread, 5) + 1);

	list->next = node_make(self->thread, 4);
	for (int i = 0; i < 4; i++) {
		co_yield (self);
		assert_int_equal(whole->value, 1);
		assert_int_equal(*inside, 2);
		assert_int_equal(list->value, 3);
		assert_int_equal(list->next->value, 4);
		assert_int_equal(((struct node *)(void *)behind - 1)->value, 5);
		litter(self->thread, 2000);
		plx_collect(self->thread); /* on the coroutine's stack */
		assert_int_equal(whole->value, 1);
		assert_int_equal(list->next->value, 4);
	}
}

static void test_parked(void **state)
{
	static const char *const plans[][2] = {{"minor", "thread"},
					       {"minor", "sigbus"},
					       {"copy", "thread"},
					       {"copy", "sigbus"},
					       {"stw", NULL}};

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct coroutine co;
		struct plx_stats before;

		heap_open("ambiguous", plans[i][0], plans[i][1]);
		co_start(&co, keeper);
		co_resume(&co, thread);
		while (!co.ended) {
			for (int k = 0; k < 3; k++) {
				litter(thread, 3000);
				plx_collect(thread);
			}
			co_resume(&co, thread);
		}
		before = stats();
		assert_true(before.stack_held_regions > 0);
		stack_wipe();
		for (int k = 0; k < 3; k++)
			plx_collect(thread);
		assert_true(stats().live_bytes < 64 << 10); /* it has ended: nothing is kept */
		co_finish(&co);
		heap_close();
	}
}

/* A stack that stays parked is looked at before the pause, not in it: nothing is un-chosen. [NS-2] */
static void test_held(void **state)
{
	struct coroutine co;
	struct plx_stats before;

	(void)state;
	heap_open("ambiguous", NULL, NULL);
	co_start(&co, keeper);
	co_resume(&co, thread);
	stack_wipe();
	litter(thread, 5000);
	plx_collect(thread);
	before = stats();
	litter(thread, 5000);
	stack_wipe();
	plx_collect(thread);
	assert_true(stats().stack_held_regions > before.stack_held_regions);
	assert_true(co.stack->held);
	while (!co.ended)
		co_resume(&co, thread);
	co_finish(&co);
	heap_close();
}

/* What only a coroutine held is garbage once its stack is forgotten, in whatever state it was. */
static void test_removed(void **state)
{
	static struct coroutine co; /* its context has references: not on this stack */

	(void)state;
	heap_open("ambiguous", NULL, NULL);
	co_start(&co, keeper);
	co_resume(&co, thread);
	litter(thread, 100);
	stack_wipe();
	plx_collect(thread);
	plx_collect(thread);
	assert_true(stats().live_bytes >= 5 * sizeof(struct node));
	co_finish(&co);
	stack_wipe();
	plx_collect(thread);
	plx_collect(thread);
	assert_int_equal(stats().live_bytes, 0);
	heap_close();
}

static void toucher(struct coroutine *self)
{
	struct plx_scope scope;
	struct plx_handle *handle;

	plx_scope_enter(self->thread, &scope);
	handle = plx_handle_push(self->thread, node_make(self->thread, 1));
	plx_collect(self->thread);
	plx_collect(self->thread);
	assert_int_equal(((struct node *)handle->ref)->value, 1);
	plx_scope_exit(self->thread, &scope);
}

/* Accepted, and nothing to it. */
static void test_precise(void **state)
{
	struct coroutine co;

	(void)state;
	heap_open("precise", NULL, NULL);
	co_start(&co, toucher);
	co_resume(&co, thread);
	assert_true(co.ended);
	co_finish(&co);
	heap_close();
}

static void test_misuse(void **state)
{
	struct plx_native_stack *stack = NULL;
	struct plx_error error = {0};
	char memory[2048];

	(void)state;
	heap_open("ambiguous", NULL, NULL);
	assert_int_equal(plx_native_stack_add(thread, NULL, 4096, &stack, &error),
			 PLX_ERROR_MISUSE);
	assert_int_equal(plx_native_stack_add(thread, memory, 100, &stack, &error),
			 PLX_ERROR_MISUSE);
	assert_int_equal(plx_native_stack_add(thread, memory, SIZE_MAX, &stack, &error),
			 PLX_ERROR_MISUSE);
	assert_null(stack);
	assert_int_equal(plx_native_stack_add(thread, memory, sizeof(memory), &stack, &error),
			 PLX_OK);
	assert_null(plx_native_stack_current(thread));
	plx_native_stack_switch(thread, NULL); /* there already */
	plx_native_stack_switch(thread, stack);
	assert_ptr_equal(plx_native_stack_current(thread), stack);
	assert_int_equal(plx_native_stack_remove(thread, stack), PLX_ERROR_MISUSE);
	plx_native_stack_end(thread, NULL);
	plx_collect(thread);
	plx_thread_detach(thread);
	assert_int_equal(plx_heap_destroy(heap), PLX_OK); /* with the stack */
}

/* ---- several threads ---- */

/* A list in locals that grows and is checked: by whichever thread runs it. */
static void wanderer(struct coroutine *self)
{
	struct node *list = NULL;
	uint64_t *newest = NULL;

	for (uint64_t i = 0; stats().cycles < self->cycles; i++) {
		struct node *node = node_make(self->thread, self->number << 32 | i);
		uint64_t count = 0;

		node->next = list;
		list = node;
		newest = &node->value;
		litter(self->thread, 40);
		if (i % 2)
			plx_poll(self->thread);
		co_yield (self);
		assert_int_equal(*newest, self->number << 32 | i);
		for (const struct node *at = list; at; at = at->next, count++)
			assert_int_equal(at->value, self->number << 32 | (i - count));
		assert_int_equal(count, i % 64 + 1);
		if (i % 64 == 63) /* not for ever */
			list = NULL;
	}
}

static struct {
	pthread_mutex_t lock;
	struct coroutine *first, **last;
	int left;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void queue_put(struct coroutine *co)
{
	pthread_mutex_lock(&queue.lock);
	co->next = NULL;
	*queue.last = co;
	queue.last = &co->next;
	pthread_mutex_unlock(&queue.lock);
}

static struct coroutine *queue_get(int *left)
{
	struct coroutine *co;

	pthread_mutex_lock(&queue.lock);
	co = queue.first;
	if (co && !(queue.first = co->next))
		queue.last = &queue.first;
	*left = queue.left;
	pthread_mutex_unlock(&queue.lock);
	return co;
}

static void queue_ended(void)
{
	pthread_mutex_lock(&queue.lock);
	queue.left--;
	pthread_mutex_unlock(&queue.lock);
}

static void work(struct plx_thread *self)
{
	struct coroutine *co;
	int left;

	while ((co = queue_get(&left)) || left) {
		plx_poll(self);
		if (!co)
			continue;
		co_resume(co, self);
		if (co->ended)
			queue_ended();
		else
			queue_put(co);
	}
}

static void *worker_main(void *argument)
{
	struct plx_thread *self;

	(void)argument;
	assert_int_equal(plx_thread_attach(heap, &self, NULL), PLX_OK);
	work(self);
	plx_thread_detach(self);
	return NULL;
}

static uint32_t driver_stop;

static void *driver_main(void *argument)
{
	(void)argument;
	while (!__atomic_load_n(&driver_stop, __ATOMIC_RELAXED))
		plx_heap_collect(heap);
	return NULL;
}

#define WANDERERS 12

static void migrate(const char *plan, const char *delivery, uint64_t cycles)
{
	static struct coroutine cos[WANDERERS];
	pthread_t workers[2], driver;

	heap_open("ambiguous", plan, delivery);
	queue.first = NULL;
	queue.last = &queue.first;
	queue.left = WANDERERS;
	for (int i = 0; i < WANDERERS; i++) {
		co_start(&cos[i], wanderer);
		cos[i].number = (uint64_t)i + 1;
		cos[i].cycles = cycles;
		queue_put(&cos[i]);
	}
	__atomic_store_n(&driver_stop, 0, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&driver, NULL, driver_main, NULL), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&workers[i], NULL, worker_main, NULL), 0);
	work(thread);
	__atomic_store_n(&driver_stop, 1, __ATOMIC_RELAXED);
	plx_block_enter(thread);
	for (int i = 0; i < 2; i++)
		pthread_join(workers[i], NULL);
	pthread_join(driver, NULL);
	plx_block_exit(thread);
	print_message("%s, %s: %lu cycles, %lu regions held\n", plan, delivery ? delivery : "-",
		      (unsigned long)stats().cycles, (unsigned long)stats().stack_held_regions);
	assert_true(stats().cycles >= cycles);
	for (int i = 0; i < WANDERERS; i++)
		co_finish(&cos[i]);
	heap_close();
}

static void test_migrate(void **state)
{
	(void)state;
	migrate("minor", "thread", 12);
	migrate("minor", "sigbus", 12);
	migrate("copy", "sigbus", 8);
	migrate("stw", NULL, 8);
}

/* ---- a parked stack between a thread without a snapshot and one with [NS-1] ---- */

static struct coroutine bridge;
static sem_t b_go, b_done;

/* Run by B without a snapshot: a fresh, white object. Then by A, which has one and puts it below a black
 * object. */
static void bridge_main(struct coroutine *self)
{
	struct node *volatile fresh = node_make(self->thread, 77);
	struct plx_scope scope;
	struct node *black;

	co_yield (self);
	plx_scope_enter(self->thread, &scope);
	black = node_make(self->thread, 78);
	PLX_STORE(self->thread, &black->next, fresh);
	fresh = NULL;
	plx_handle_push(self->thread, black); /* dropped by the thread, with its scope */
}

static void *b_main(void *argument)
{
	struct plx_thread *self;

	(void)argument;
	assert_int_equal(plx_thread_attach(heap, &self, NULL), PLX_OK);
	node_make(self, 1); /* it has an allocation buffer */
	sem_post(&b_done);
	while (__atomic_load_n(&rt_thread_of(self)->answered, __ATOMIC_ACQUIRE) < 2)
		plx_poll(self); /* arm and settle, not the snapshot */
	sem_wait(&b_go);	/* running, and not polling */
	co_resume(&bridge, self);
	assert_int_equal(self->barrier, GC_REGIME_ARMED);
	stack_wipe();
	sem_post(&b_done);
	sem_wait(&b_go);
	plx_thread_detach(self);
	return NULL;
}

static void *collect_main(void *argument)
{
	plx_heap_collect(heap);
	return argument;
}

static void test_between_snapshots(void **state)
{
	pthread_t b, collector;
	struct plx_scope scope;
	struct node *black;

	(void)state;
	verify = "0"; /* a thread that wakes from a stop may have its rounds answered for it */
	heap_open("ambiguous", NULL, NULL);
	verify = "1";
	sem_init(&b_go, 0, 0);
	sem_init(&b_done, 0, 0);
	co_start(&bridge, bridge_main);
	plx_scope_enter(thread, &scope);
	assert_int_equal(pthread_create(&b, NULL, b_main, NULL), 0);
	sem_wait(&b_done);
	assert_int_equal(pthread_create(&collector, NULL, collect_main, NULL), 0);
	while (thread->barrier != GC_REGIME_MARKING)
		plx_poll(thread);
	sem_post(&b_go);
	sem_wait(&b_done); /* this thread does not poll: it has its snapshot */
	co_resume(&bridge, thread);
	assert_true(bridge.ended);
	stack_wipe();
	sem_post(&b_go); /* B ends: the round is over */
	plx_block_enter(thread);
	pthread_join(b, NULL);
	pthread_join(collector, NULL);
	plx_block_exit(thread);
	litter(thread, 5000);
	black = thread->handle_top[-1].ref;
	assert_int_equal(black->value, 78);
	assert_int_equal(black->next->value, 77);
	plx_collect(thread);
	litter(thread, 5000);
	black = thread->handle_top[-1].ref;
	assert_int_equal(black->next->value, 77);
	plx_scope_exit(thread, &scope);
	co_finish(&bridge);
	heap_close();
}

/* ---- what is refused ---- */

/* The message with which a child ends that does `act`, or "" if it lived. */
static const char *last_words(void (*act)(void))
{
	static char text[4096];
	int status = child_run(act, text, sizeof(text));

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		text[0] = '\0';
	else
		assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGABRT);
	return text;
}

static void stranger(void)
{
	plx_collect(thread);
}

static void act_unknown_stack(void)
{
	static ucontext_t context, back;
	static char memory[STACK_BYTES];

	heap_open("ambiguous", NULL, NULL);
	getcontext(&context);
	context.uc_stack.ss_sp = memory;
	context.uc_stack.ss_size = sizeof(memory);
	context.uc_link = &back;
	makecontext(&context, stranger, 0);
	swapcontext(&back, &context);
}

static void on_signal(int number)
{
	(void)number;
	plx_collect(thread);
}

static void act_signal_stack(void)
{
	static char memory[STACK_BYTES];
	stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};

	heap_open("ambiguous", NULL, NULL);
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
}

static void *take_main(void *argument)
{
	struct plx_thread *self;

	if (plx_thread_attach(heap, &self, NULL) == PLX_OK)
		plx_native_stack_switch(self, argument);
	return NULL;
}

static void act_two_threads(void)
{
	struct plx_native_stack *stack = NULL;
	static char memory[STACK_BYTES];
	pthread_t other;

	heap_open("ambiguous", NULL, NULL);
	plx_native_stack_add(thread, memory, sizeof(memory), &stack, NULL);
	plx_native_stack_switch(thread, stack);
	pthread_create(&other, NULL, take_main, stack);
	pthread_join(other, NULL);
}

static void act_detach(void)
{
	struct plx_native_stack *stack = NULL;
	static char memory[STACK_BYTES];

	heap_open("ambiguous", NULL, NULL);
	plx_native_stack_add(thread, memory, sizeof(memory), &stack, NULL);
	plx_native_stack_switch(thread, stack);
	plx_thread_detach(thread);
}

static void test_refused(void **state)
{
	(void)state;
	assert_non_null(strstr(last_words(act_unknown_stack), "plx_native_stack_add"));
	assert_non_null(strstr(last_words(act_signal_stack), "signal handlers must not"));
	assert_non_null(strstr(last_words(act_two_threads), "another thread runs on that stack"));
	assert_non_null(strstr(last_words(act_detach), "switch to the thread's own first"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_parked),
		cmocka_unit_test(test_held),	cmocka_unit_test(test_removed),
		cmocka_unit_test(test_precise), cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_migrate), cmocka_unit_test(test_between_snapshots),
	};

#ifdef __SANITIZE_THREAD__
	return 77; /* it does not follow swapcontext */
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
