/* test/schedule/schedule.c: see schedule.h. */
#include "test/schedule/schedule.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/schedule/choose.h"
#include "test/schedule/wrap.h"

#define POINTS_MOST UINT64_C(20000000)
#define LEAPS_MOST 5000 /* of time, with nobody to run, one after the other */
#define LOOK_NS 100	/* what looking at the clock takes */
#define LOOP_EACH 8	/* rounds of a loop that are each a choice; then only each 2^n-th is */
#define SPIN_NS 1000	/* and a round of a spin loop */

enum status { UNUSED, READY, BLOCKED, ENDED };

struct sched_thread {
	unsigned number;
	enum status status;
	uint32_t turn; /* futex: 1 when this thread is to run */
	const void *on;
	const char *where; /* it last was */
	int line;
	uint32_t repeats; /* points at that place, one after the other */
	uint64_t deadline_ns;
	bool woken, joined;
	pthread_t id;
	void *(*entry)(void *);
	void *argument, *result;
};

static struct {
	struct sched_thread threads[SCHEDULE_THREADS];
	unsigned count, running;
	bool window, leaving;
	pthread_t left; /* [SC-4] */
	uint64_t now_ns;
	unsigned leaps;
} sched;

static __thread struct sched_thread *self;

bool schedule_knows_me(void)
{
	return self != NULL;
}

/* --- the end ----------------------------------------------------------------------------------------- */

static void print_threads(void)
{
	static const char *const names[] = {"unused", "ready", "blocked", "ended"};

	for (unsigned i = 0; i < sched.count; i++) {
		const struct sched_thread *t = &sched.threads[i];

		fprintf(stderr, "schedule: thread %u: %s%s, in %s:%d\n", i, names[t->status],
			i == sched.running ? ", running" : "", t->where ? t->where : "-", t->line);
	}
}

void schedule_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(choose_log->failure, sizeof(choose_log->failure), format, arguments);
	va_end(arguments);
	fprintf(stderr, "schedule: %s\n", choose_log->failure);
	print_threads();
	_exit(1);
}

/* --- handing over ------------------------------------------------------------------------------------ */

static uint32_t ready_others(void)
{
	uint32_t set = 0;

	for (unsigned i = 0; i < sched.count; i++)
		if (sched.threads[i].status == READY && &sched.threads[i] != self)
			set |= 1u << i;
	return set;
}

static void turn_give(struct sched_thread *to)
{
	sched.running = to->number;
	__atomic_store_n(&to->turn, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &to->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* [SC-4] The thread before may just be ending. */
static void turn_await(struct sched_thread *me)
{
	while (!__atomic_load_n(&me->turn, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &me->turn, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	__atomic_store_n(&me->turn, 0, __ATOMIC_RELAXED);
	if (sched.leaving) {
		sched.leaving = false;
		real_pthread_join(sched.left, NULL);
	}
}

static void trace_switch(const struct sched_thread *to)
{
	fprintf(stderr, "%8u  %u %s:%d  ->  %u %s:%d\n", choose_log->choices, self->number,
		self->where, self->line, to->number, to->where ? to->where : "start", to->line);
}

static void switch_to(unsigned number)
{
	struct sched_thread *to = &sched.threads[number];
	int saved = errno;

	if (to == self)
		return;
	if (choose_plan->trace)
		trace_switch(to);
	choose_log->switches++;
	turn_give(to);
	turn_await(self);
	errno = saved;
}

/* Those whose time has come. */
static void time_passes(uint64_t ns)
{
	sched.now_ns += ns;
	for (unsigned i = 0; i < sched.count; i++)
		if (sched.threads[i].status == BLOCKED &&
		    sched.threads[i].deadline_ns <= sched.now_ns)
			sched.threads[i].status = READY;
}

/* Everybody waits: until the nearest deadline. [SC-2] */
static void time_leaps(void)
{
	uint64_t nearest_ns = SCHEDULE_FOREVER;

	for (unsigned i = 0; i < sched.count; i++)
		if (sched.threads[i].status == BLOCKED && sched.threads[i].deadline_ns < nearest_ns)
			nearest_ns = sched.threads[i].deadline_ns;
	if (nearest_ns == SCHEDULE_FOREVER)
		schedule_fail("deadlock: every thread waits for another");
	if (++sched.leaps > LEAPS_MOST)
		schedule_fail("nothing happens any more but timeouts");
	time_passes(nearest_ns > sched.now_ns ? nearest_ns - sched.now_ns : 0);
}

/* Somebody else, or this one if it has become ready meanwhile. */
static unsigned next_thread(bool spins)
{
	uint32_t others;

	while (!(others = ready_others())) {
		if (self->status == READY)
			return self->number;
		time_leaps();
	}
	return choose_next(self->number, others, spins,
			   sched.window && (others & (others - 1)) != 0);
}

static void pass(unsigned kind, const char *where, int line)
{
	self->repeats = self->where == where && self->line == line ? self->repeats + 1 : 0;
	self->where = where;
	self->line = line;
	choose_log->points++;
	choose_hash((uint64_t)line << 16 | kind << 8 | self->number);
	if (choose_log->points > POINTS_MOST)
		schedule_fail("no end after %lu points", (unsigned long)POINTS_MOST);
}

/* A loop over a table is thousands of points of one kind, among which the others would drown. */
static bool is_choice(void)
{
	return sched.window &&
	       (self->repeats < LOOP_EACH || (self->repeats & (self->repeats - 1)) == 0);
}

void schedule_point(enum schedule_kind kind, const char *where, int line)
{
	uint32_t others;

	if (!self)
		return;
	pass(kind, where, line);
	if (!is_choice() || !(others = ready_others()))
		return;
	sched.leaps = 0;
	switch_to(choose_at_point(kind, self->number, others));
}

void schedule_spin(const char *where, int line)
{
	if (!self)
		return;
	pass(SCHEDULE_KINDS, where, line);
	time_passes(SPIN_NS);
	switch_to(next_thread(true));
}

void schedule_step(void)
{
	pass(SCHEDULE_STEP, __func__, 0);
	time_passes(SPIN_NS);
	sched.leaps = 0;
	switch_to(next_thread(true));
}

bool schedule_block(const void *on, uint64_t deadline_ns, const char *where)
{
	pass(SCHEDULE_KINDS, where, 0);
	self->status = BLOCKED;
	self->on = on;
	self->woken = false;
	self->deadline_ns = deadline_ns;
	switch_to(next_thread(false));
	self->on = NULL;
	self->deadline_ns = SCHEDULE_FOREVER;
	return self->woken;
}

void schedule_wake(const void *on, unsigned most)
{
	for (unsigned i = 0; i < sched.count && most; i++) {
		struct sched_thread *t = &sched.threads[i];

		if (t->status != BLOCKED || t->on != on)
			continue;
		t->status = READY;
		t->woken = true;
		most--;
	}
}

unsigned schedule_waiters(const void *on)
{
	unsigned count = 0;

	for (unsigned i = 0; i < sched.count; i++)
		count += sched.threads[i].status == BLOCKED && sched.threads[i].on == on;
	return count;
}

uint64_t schedule_now_ns(void)
{
	return sched.now_ns += LOOK_NS;
}

void schedule_sleep(uint64_t ns, const char *where)
{
	schedule_block(NULL, sched.now_ns + ns, where);
}

/* --- threads ------------------------------------------------------------------------------------------ */

static void *thread_main(void *argument)
{
	struct sched_thread *me = self = argument;

	turn_await(me);
	me->result = me->entry(me->argument);
	me->status = ENDED;
	schedule_wake(me, UINT_MAX);
	sched.left = me->id;
	sched.leaving = true;
	choose_log->switches++;
	me = &sched.threads[next_thread(false)];
	self = NULL;
	turn_give(me);
	return NULL;
}

static struct sched_thread *thread_new(void)
{
	struct sched_thread *thread = &sched.threads[sched.count];

	if (sched.count == SCHEDULE_THREADS)
		schedule_fail("more than %d threads", SCHEDULE_THREADS);
	*thread = (struct sched_thread){
		.number = sched.count++, .status = READY, .deadline_ns = SCHEDULE_FOREVER};
	choose_thread(thread->number);
	return thread;
}

int schedule_thread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*entry)(void *),
			   void *argument)
{
	struct sched_thread *thread = thread_new();
	int error;

	thread->entry = entry;
	thread->argument = argument;
	error = real_pthread_create(&thread->id, attributes, thread_main, thread);
	if (error)
		schedule_fail("no thread: %s", strerror(error));
	*id = thread->id;
	SCHEDULE_POINT(SCHEDULE_CALL);
	return 0;
}

static struct sched_thread *thread_find(pthread_t id)
{
	for (unsigned i = 0; i < sched.count; i++)
		if (!sched.threads[i].joined && i > 0 && pthread_equal(sched.threads[i].id, id))
			return &sched.threads[i];
	schedule_fail("a thread is joined that is none");
}

int schedule_thread_join(pthread_t id, void **result)
{
	struct sched_thread *thread = thread_find(id);

	while (thread->status != ENDED)
		schedule_block(thread, SCHEDULE_FOREVER, __func__);
	thread->joined = true;
	if (result)
		*result = thread->result;
	return 0;
}

void schedule_begin(void)
{
	sched.now_ns = UINT64_C(1000000000);
	self = thread_new();
	self->id = pthread_self();
	schedule_calls_install();
}

void schedule_window(bool open)
{
	sched.window = open;
}
