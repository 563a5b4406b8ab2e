/* examples/lisp/thread.c: threads and mutexes. A Lisp thread is a POSIX thread with a machine of its own: it
 * attaches, has a stack of the collector's, and detaches at its end.
 *
 * What one thread hands to another goes through a handle: the procedure to run, and its result. Whatever may
 * wait stands between plx_block_enter and plx_block_exit, so that no collection waits for it. */
#include "examples/lisp/machine.h"

#include <stdlib.h>
#include <time.h>

struct task {
	struct lisp *lisp;
	struct task *next;
	pthread_t pthread;
	struct plx_handle *value; /* the procedure; then its result, or what it threw */
	bool failed;
	bool done, dropped; /* under task_lock */
};

/* The end: whoever joins may have the result; if nobody can any more, it is let go. */
static void task_finish(struct task *task, struct machine *m)
{
	struct lisp *lisp = task->lisp;

	/* Nobody allocates or polls under this lock. */
	pthread_mutex_lock(&lisp->task_lock);
	task->done = true;
	if (task->dropped)
		plx_handle_set(m->thread, task->value, NULL);
	pthread_cond_broadcast(&lisp->task_done);
	pthread_mutex_unlock(&lisp->task_lock);
}

static void *task_run(void *argument)
{
	struct task *task = argument;
	struct plx_error error;
	struct machine *m = lisp_machine_open(task->lisp, task->lisp->stack_slots, &error);

	if (m == NULL) { /* no memory for it: the thread throws its procedure */
		pthread_mutex_lock(&task->lisp->task_lock);
		task->failed = true;
		task->done = true;
		pthread_cond_broadcast(&task->lisp->task_done);
		pthread_mutex_unlock(&task->lisp->task_lock);
		return NULL;
	}
	lisp_push(m, task->value->ref);
	task->failed = !lisp_call(m, 0);
	plx_handle_set(m->thread, task->value, task->failed ? m->thrown->ref : *lisp_top(m));
	task_finish(task, m);
	lisp_machine_close(m);
	return NULL;
}

static void task_link(struct lisp *lisp, struct task *task)
{
	pthread_mutex_lock(&lisp->task_lock);
	task->next = lisp->tasks;
	lisp->tasks = task;
	pthread_mutex_unlock(&lisp->task_lock);
}

/* The thread is linked before it runs: then whoever closes the Lisp waits for it. */
static struct task *task_start(struct machine *m, word procedure)
{
	struct task *task = calloc(1, sizeof(*task));

	if (task == NULL)
		return NULL;
	task->lisp = m->lisp;
	task->value = plx_handle_create(m->thread, procedure);
	if (task->value == NULL || pthread_create(&task->pthread, NULL, task_run, task) != 0) {
		if (task->value)
			plx_handle_release(m->thread, task->value);
		free(task);
		return NULL;
	}
	task_link(m->lisp, task);
	return task;
}

/* (thread procedure): runs it without arguments. */
static word prim_thread(struct machine *m, word *args, unsigned count)
{
	struct body *body = resource_body(m, BODY_TASK);

	(void)count;
	if (body == NULL)
		return lisp_no_memory(m);
	body->task = task_start(m, args[0]);
	if (body->task == NULL) {
		resource_body_free(m->lisp, body);
		return lisp_fail(m, "cannot start a thread", NULL);
	}
	return resource_make(m, body);
}

static void task_wait(struct lisp *lisp, struct task *task)
{
	pthread_mutex_lock(&lisp->task_lock);
	while (!task->done)
		pthread_cond_wait(&lisp->task_done, &lisp->task_lock);
	pthread_mutex_unlock(&lisp->task_lock);
}

/* (join thread): its result; what it threw is thrown here. */
static word prim_join(struct machine *m, word *args, unsigned count)
{
	struct body *body = resource_get(m, args[0], BODY_TASK, "join: not a thread:");
	struct task *task;

	(void)count;
	if (body == NULL)
		return NULL;
	task = body->task; /* C memory, there as long as the thread in args[0] is */
	plx_block_enter(m->thread);
	task_wait(m->lisp, task);
	plx_block_exit(m->thread);
	return task->failed ? lisp_throw(m, task->value->ref) : task->value->ref;
}

/* The Lisp object for it is gone; the thread may go on. Called on attached threads. */
void task_drop(struct lisp *lisp, struct task *task)
{
	pthread_mutex_lock(&lisp->task_lock);
	task->dropped = true;
	pthread_mutex_unlock(&lisp->task_lock);
}

static struct task *task_unlink(struct lisp *lisp)
{
	struct task *task;

	pthread_mutex_lock(&lisp->task_lock);
	task = lisp->tasks;
	lisp->tasks = task ? task->next : NULL;
	pthread_mutex_unlock(&lisp->task_lock);
	return task;
}

/* No thread of the program runs when this returns. The caller is not attached. */
void task_join_all(struct lisp *lisp)
{
	struct task *task, *ended = NULL;

	while ((task = task_unlink(lisp)) != NULL) { /* they may start more */
		pthread_join(task->pthread, NULL);
		task->next = ended;
		ended = task;
	}
	resource_free_all(lisp);
	for (; (task = ended) != NULL; free(task)) /* their handles go with the heap */
		ended = task->next;
}

/* --- mutexes ------------------------------------------------------------------------------------- */

static word prim_make_mutex(struct machine *m, word *args, unsigned count)
{
	struct body *body = resource_body(m, BODY_MUTEX);

	(void)args;
	(void)count;
	if (body)
		pthread_mutex_init(&body->mutex, NULL);
	return resource_make(m, body);
}

/* (lock! mutex): who holds it may allocate and be stopped by the collector; so who waits for it must be out
 * of the heap. Nobody needs to leave the heap for a mutex that is free. */
static word prim_lock(struct machine *m, word *args, unsigned count)
{
	struct body *body = resource_get(m, args[0], BODY_MUTEX, "lock!: not a mutex:");

	(void)count;
	if (body == NULL)
		return NULL;
	if (pthread_mutex_trylock(&body->mutex) != 0) {
		plx_block_enter(m->thread);
		pthread_mutex_lock(&body->mutex);
		plx_block_exit(m->thread);
	}
	return NOTHING;
}

static word prim_unlock(struct machine *m, word *args, unsigned count)
{
	struct body *body = resource_get(m, args[0], BODY_MUTEX, "unlock!: not a mutex:");

	(void)count;
	if (body == NULL)
		return NULL;
	pthread_mutex_unlock(&body->mutex);
	return NOTHING;
}

/* (sleep milliseconds) */
static word prim_sleep(struct machine *m, word *args, unsigned count)
{
	int64_t ms = word_number(args[0]);
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)count;
	if (!word_is_fixnum(args[0]) || ms < 0)
		return lisp_fail(m, "sleep: not a time:", args[0]);
	plx_block_enter(m->thread);
	nanosleep(&time, NULL);
	plx_block_exit(m->thread);
	return NOTHING;
}

const struct primitive thread_primitives[] = {
	{"thread", prim_thread, 1, 1},
	{"join", prim_join, 1, 1},
	{"make-mutex", prim_make_mutex, 0, 0},
	{"lock!", prim_lock, 1, 1},
	{"unlock!", prim_unlock, 1, 1},
	{"sleep", prim_sleep, 1, 1},
	{NULL, NULL, 0, 0},
};
