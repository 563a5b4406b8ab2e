/* bench/gc_pause/lisp.c: see lisp.h. Each worker has a machine of its own; thread 0 loads the program, whose
 * procedures all of them share. */
#include "bench/gc_pause/lisp.h"

#include "bench/gc_pause/memory_parallax.h"
#include "bench/gc_pause/work_thread.h"
#include "examples/lisp/lisp.h"

#define LISP_SCALE 10	   /* the programs' own default: tens of milliseconds an operation */
#define LISP_STACK_SHARE 8 /* of the heap */
#define LISP_STACK_MOST \
	((size_t)12 << 20) /* slots; a recursion of a million calls takes 6 million */
#define LISP_THREAD_STACK ((size_t)8192)

static size_t lisp_stack_slots(const struct work *work)
{
	size_t slots = work->options->heap_bytes / LISP_STACK_SHARE / sizeof(void *);

	return slots < LISP_STACK_MOST ? slots : LISP_STACK_MOST;
}

bool work_lisp_open(struct work *work, char *message, size_t bytes)
{
	struct plx_error error = {0};

	work->shared = lisp_open(work->heap, LISP_THREAD_STACK, &error);
	if (work->shared == NULL)
		snprintf(message, bytes, "%s", error.message);
	return work->shared != NULL;
}

void work_lisp_close(struct work *work)
{
	lisp_close(work->shared);
}

static struct machine *lisp_open_machine(struct work *work)
{
	struct plx_error error = {0};
	struct machine *machine = lisp_machine_open(work->shared, lisp_stack_slots(work), &error);

	if (machine == NULL)
		mem_die(error.message);
	return machine;
}

__attribute__((noreturn)) static void lisp_die(struct machine *machine, const char *name)
{
	lisp_print_error(machine, name);
	mem_die("the Lisp program failed");
}

static void lisp_load(struct machine *machine, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.lisp", LISP_PROGRAMS_FOLDER, name);
	if (!lisp_load_file(machine, path))
		lisp_die(machine, path);
}

static void lisp_operate(struct worker *worker, struct mem *mem)
{
	struct machine *machine = worker->own;
	int64_t result;

	(void)mem;
	do {
		if (!lisp_call_number(machine, "run", LISP_SCALE, &result))
			lisp_die(machine, "run");
		worker->checksum += random_mix((uint64_t)result);
	} while (recorder_step(worker->recorder));
}

/* The order of things is work_thread's. The first machine has to be there before the others. */
void *work_lisp_thread(void *argument)
{
	struct worker *worker = argument;
	struct work *work = worker->work;
	const char *program = strchr(
		run_workload_name((enum run_workload)__builtin_ctz(work->options->workloads)), ':');
	struct machine *machine = NULL;
	struct mem mem;

	if (worker->number == 0) {
		machine = lisp_open_machine(work);
		lisp_load(machine, program + 1);
		mem.thread = lisp_machine_thread(machine);
		work->root_type = mem_type_bytes(work);
		work_wait(worker, &mem);
	} else {
		pthread_barrier_wait(&work->barrier);
		machine = lisp_open_machine(work);
		mem.thread = lisp_machine_thread(machine);
	}
	worker->own = machine;
	work_roots(worker, &mem);
	work_alone(worker, &mem, work->on_ready);
	work_measure(worker, &mem, lisp_operate, false);
	work_alone(worker, &mem, work->on_done);
	work_wait(worker, &mem);
	lisp_machine_close(machine);
	return NULL;
}
