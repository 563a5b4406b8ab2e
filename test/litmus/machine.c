/* test/litmus/machine.c: a test on this machine: many instances in a row, each with its own locations, all threads
 * going through them at once, from a common start.
 *
 * x86-64 reorders only a store with a later load, and an emulator on it no more than that: what is not seen there
 * is proved by model.c only. On aarch64 hardware this is a test of its own.
 *
 * Who runs here: one thread for each thread of the test, the main one among them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gc/base/atomic.h"
#include "test/litmus/litmus.h"

enum { INSTANCES = 2048, LINE = 8 /* words of a cache line */ };

struct instance {
	uint64_t places[LITMUS_PLACES][LINE];
	uint64_t registers[LITMUS_REGISTERS][LINE]; /* each written by one thread only */
} __attribute__((aligned(64)));

struct machine {
	const struct litmus_test *test;
	struct instance *instances;
	uint64_t batches;
	uint32_t arrived; /* at the start of batches, all threads together */
};

static uint64_t machine_load(const uint64_t *at, enum litmus_order order)
{
	if (order == LITMUS_SEQ_CST)
		return gc_load_seq_cst(at);
	if (order == LITMUS_ACQUIRE)
		return gc_load_acquire(at);
	return gc_load_relaxed(at); /* as the test says */
}

static void machine_store(uint64_t *at, uint64_t value, enum litmus_order order)
{
	if (order == LITMUS_SEQ_CST)
		gc_store_seq_cst(at, value);
	else if (order == LITMUS_RELEASE)
		gc_store_release(at, value);
	else
		gc_store_relaxed(at, value); /* as the test says */
}

/* A cas that fails gives back what it found. */
static uint64_t machine_cas(uint64_t *at, uint64_t old, uint64_t value, enum litmus_order order)
{
	uint64_t expected = old;

	if (order == LITMUS_SEQ_CST)
		gc_cas_seq_cst(at, &expected, value);
	else if (order == LITMUS_RELAXED)
		gc_cas_relaxed(at, &expected, value); /* as the test says */
	else
		gc_cas_acq_rel(at, &expected, value);
	return expected;
}

static uint64_t machine_or(uint64_t *at, uint64_t value, enum litmus_order order)
{
	if (order == LITMUS_SEQ_CST)
		return gc_or_seq_cst(at, value);
	if (order == LITMUS_RELAXED)
		return gc_or_relaxed(at, value); /* as the test says */
	return gc_or_release(at, value);
}

static uint64_t machine_add(uint64_t *at, uint64_t value, enum litmus_order order)
{
	return order == LITMUS_RELAXED ? gc_add_relaxed(at, value) /* as the test says */
				       : gc_add_acq_rel(at, value);
}

static void machine_lock(uint64_t *at)
{
	while (machine_cas(at, 0, 1, LITMUS_ACQ_REL) != 0)
		gc_cpu_relax();
}

static uint64_t machine_do(const struct litmus_step *step, uint64_t *at)
{
	switch (step->kind) {
	case LITMUS_LOAD:
		return machine_load(at, step->order);
	case LITMUS_ADD:
		return machine_add(at, step->value, step->order);
	case LITMUS_OR:
		return machine_or(at, step->value, step->order);
	case LITMUS_SWAP:
		return gc_exchange_acq_rel(at, step->value);
	case LITMUS_CAS:
		return machine_cas(at, step->old, step->value, step->order);
	case LITMUS_LOCK:
		machine_lock(at);
		return 0;
	default:
		machine_store(at, step->value, step->order);
		return 0;
	}
}

static void machine_step(struct instance *instance, const struct litmus_step *step)
{
	int place = step->place;
	uint64_t got;

	if (step->guard >= 0 && instance->registers[step->guard][0] != step->guard_value)
		return;
	if (place < 0) {
		uint64_t to = instance->registers[step->through][0] - LITMUS_ADDRESS(0);

		if (to >= LITMUS_PLACES)
			return;
		place = (int)to;
	}
	got = machine_do(step, instance->places[place]);
	if (step->into >= 0)
		instance->registers[step->into][0] = got;
}

static void machine_meet(struct machine *machine, uint32_t *meeting)
{
	uint32_t everybody = (uint32_t)machine->test->thread_count * ++*meeting;

	gc_add_acq_rel(&machine->arrived, 1);
	for (uint32_t i = 1; gc_load_acquire(&machine->arrived) < everybody; i++) {
		gc_cpu_relax();
		if (i % 128 == 0)
			sched_yield(); /* fewer CPUs than threads */
	}
}

static void machine_run_thread(struct machine *machine, int thread, uint32_t *meeting)
{
	const struct litmus_test *test = machine->test;

	machine_meet(machine, meeting);
	for (int n = 0; n < INSTANCES; n++)
		for (int i = 0; i < test->step_count; i++)
			if (test->steps[i].thread == thread)
				machine_step(&machine->instances[n], &test->steps[i]);
	machine_meet(machine, meeting);
}

struct helper {
	struct machine *machine;
	int thread;
	pthread_t id;
};

static void *helper_main(void *argument)
{
	struct helper *helper = argument;
	uint32_t meeting = 0;

	for (uint64_t i = 0; i < helper->machine->batches; i++)
		machine_run_thread(helper->machine, helper->thread, &meeting);
	return NULL;
}

static bool machine_ended_so(const struct litmus_test *test, const struct instance *instance)
{
	for (int i = 0; i < test->never_count; i++) {
		const struct litmus_claim *claim = &test->never[i];
		uint64_t value = claim->is_place ? instance->places[claim->which][0]
						 : instance->registers[claim->which][0];

		if (value != claim->value)
			return false;
	}
	return true;
}

static void machine_reset(struct machine *machine)
{
	memset(machine->instances, 0, INSTANCES * sizeof(struct instance));
	for (int n = 0; n < INSTANCES; n++)
		for (int i = 0; i < machine->test->place_count; i++)
			machine->instances[n].places[i][0] = machine->test->init[i];
}

uint64_t litmus_seen(const struct litmus_test *test, uint64_t rounds)
{
	struct machine machine = {.test = test, .batches = (rounds + INSTANCES - 1) / INSTANCES};
	struct helper helpers[LITMUS_THREADS];
	uint32_t meeting = 0;
	uint64_t seen = 0;

	machine.instances = aligned_alloc(64, INSTANCES * sizeof(struct instance));
	if (!machine.instances)
		abort();
	for (int i = 1; i < test->thread_count; i++) {
		helpers[i] = (struct helper){.machine = &machine, .thread = i};
		if (pthread_create(&helpers[i].id, NULL, helper_main, &helpers[i]) != 0)
			abort();
	}
	for (uint64_t batch = 0; batch < machine.batches; batch++) {
		machine_reset(&machine); /* the others wait at the start of the batch */
		machine_run_thread(&machine, 0, &meeting);
		for (int n = 0; n < INSTANCES; n++)
			seen += machine_ended_so(test, &machine.instances[n]);
	}
	for (int i = 1; i < test->thread_count; i++)
		pthread_join(helpers[i].id, NULL);
	free(machine.instances);
	return seen;
}
