/* test/system/one_cpu.c: 16 threads on one CPU: no handshake is lost, and nothing takes longer than the
 * scheduler explains.
 *
 *	one_cpu [SECONDS]	3 unless told; 600 before a release
 *
 * Each thread keeps a table of boxes next to a copy of their values, and overwrites, clears and reads
 * entries; between them it polls, blocks, detaches and attaches. Some do nothing but poll: what such a
 * one loses nobody makes up for. Cycles follow one another.
 *
 * What the scheduler explains is measured beside it: the longest time between two looks at the clock of
 * any thread that was only computing. A round of a handshake takes one such gap, in which the last thread
 * reaches a safepoint, and another until the collector runs; a poll that runs into a pause waits for
 * the same two, for the flip, which may be put off its CPU as well, and then for its own turn. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <parallax/histogram.h>
#include <parallax/parallax.h>

#include "bench/common/random.h"
#include "test/support/check.h"

#define THREADS 16
#define POLLERS 4 /* of those */
#define ENTRIES 200
#define CYCLES_LEAST 4
#define GAPS_ROUND 4
#define GAPS_POLL 6
#define SLACK_NS 50000000u

struct box {
	struct plx_header header;
	uint64_t value;
};

struct worker {
	pthread_t id;
	unsigned number;
	struct plx_thread *thread;
	struct random random;
	struct plx_handle *table;
	uint64_t values[ENTRIES]; /* 0: NULL */
	uint64_t polls, blocks, attaches, stores, nulls, overwrites;
	uint64_t gap_ns, poll_ns; /* the longest */
};

static struct plx_heap *heap;
static const struct plx_layout *box_layout, *table_layout;
static atomic_bool stop;
static struct worker workers[THREADS];

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void longest(uint64_t *longest_ns, uint64_t ns)
{
	if (ns > *longest_ns)
		*longest_ns = ns;
}

/* Only computing: a long time between two looks at the clock is the scheduler's. */
static void compute(struct worker *self)
{
	uint64_t before_ns = now_ns();

	for (int i = 0; i < 50; i++) {
		uint64_t at_ns = now_ns();

		longest(&self->gap_ns, at_ns - before_ns);
		before_ns = at_ns;
	}
}

static void worker_attach(struct worker *self)
{
	CHECK(plx_thread_attach(heap, &self->thread, NULL) == PLX_OK);
	self->attaches++;
}

static void worker_poll(struct worker *self)
{
	uint64_t start_ns = now_ns();

	plx_poll(self->thread);
	longest(&self->poll_ns, now_ns() - start_ns);
	self->polls++;
}

static struct box **entry(const struct worker *self, size_t index)
{
	return (struct box **)(void *)((char *)self->table->ref + sizeof(struct plx_header)) +
	       index;
}

static void entry_check(const struct worker *self, size_t index)
{
	const struct box *box = *entry(self, index);

	CHECK(box ? box->value == self->values[index] : self->values[index] == 0);
}

static void entry_store(struct worker *self, size_t index, struct box *box, uint64_t value)
{
	self->stores++;
	self->nulls += box == NULL;
	self->overwrites += self->values[index] != 0;
	self->values[index] = value;
	PLX_STORE(self->thread, entry(self, index), box);
}

static void entry_fill(struct worker *self, size_t index)
{
	struct box *box = plx_alloc(self->thread, box_layout);

	CHECK(box);
	box->value = random_next(&self->random) | 1;
	entry_store(self, index, box, box->value);
}

static void entry_step(struct worker *self)
{
	size_t index = random_below(&self->random, ENTRIES);
	size_t other = random_below(&self->random, ENTRIES);

	entry_check(self, index);
	switch (random_below(&self->random, 4)) {
	case 0:
		entry_store(self, index, NULL, 0);
		break;
	case 1:
		entry_store(self, index, *entry(self, other), self->values[other]);
		break;
	default:
		entry_fill(self, index);
	}
}

static void worker_block(struct worker *self)
{
	plx_block_enter(self->thread);
	if (random_once_in(&self->random, 3))
		usleep((useconds_t)random_below(&self->random, 300));
	plx_block_exit(self->thread);
	self->blocks++;
}

static void worker_step(struct worker *self)
{
	compute(self);
	for (int i = 0; i < 20; i++)
		entry_step(self);
	worker_poll(self);
	switch (random_below(&self->random, 64)) {
	case 0:
		plx_thread_detach(self->thread);
		worker_attach(self);
		break;
	case 1:
	case 2:
	case 3:
		worker_block(self);
		break;
	default:
		break;
	}
}

static void *worker_main(void *argument)
{
	struct worker *self = argument;
	bool polls_only = self->number < POLLERS;

	worker_attach(self);
	if (!polls_only) {
		self->table = plx_handle_create(
			self->thread, plx_alloc_array(self->thread, table_layout, ENTRIES));
		CHECK(self->table && self->table->ref);
	}
	/* Relaxed: a late stop is a few more steps. */
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		if (polls_only) {
			compute(self);
			worker_poll(self);
		} else {
			worker_step(self);
		}
	}
	for (size_t i = 0; !polls_only && i < ENTRIES; i++)
		entry_check(self, i);
	if (self->table)
		plx_handle_release(self->thread, self->table);
	plx_thread_detach(self->thread);
	return NULL;
}

static void stay_on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((unsigned)sched_getcpu(), &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) ==
	      0); /* threads made from here on inherit it */
}

static void judge(void)
{
	static struct plx_histogram rounds;
	struct worker sum = {.number = 0};
	struct plx_stats stats;

	plx_heap_distribution(heap, PLX_DISTRIBUTION_HANDSHAKE_NS, &rounds);
	plx_heap_stats(heap, &stats);
	for (int i = 0; i < THREADS; i++) {
		longest(&sum.gap_ns, workers[i].gap_ns);
		longest(&sum.poll_ns, workers[i].poll_ns);
		sum.polls += workers[i].polls;
		sum.blocks += workers[i].blocks;
		sum.attaches += workers[i].attaches;
		sum.stores += workers[i].stores;
		sum.nulls += workers[i].nulls;
		sum.overwrites += workers[i].overwrites;
	}
	printf("one_cpu: %lu cycles, %lu flips, %lu handshakes, the longest %.1f ms; longest poll %.1f ms, "
	       "longest gap %.1f ms\n",
	       (unsigned long)stats.cycles, (unsigned long)stats.flips,
	       (unsigned long)stats.handshakes, (double)rounds.max / 1e6, (double)sum.poll_ns / 1e6,
	       (double)sum.gap_ns / 1e6);
	printf("one_cpu: %lu polls, %lu blocks, %lu attaches, %lu stores: %lu of NULL, %lu over a reference\n",
	       (unsigned long)sum.polls, (unsigned long)sum.blocks, (unsigned long)sum.attaches,
	       (unsigned long)sum.stores, (unsigned long)sum.nulls, (unsigned long)sum.overwrites);
	CHECK(stats.cycles >= CYCLES_LEAST && stats.handshakes >= 5 * stats.cycles);
	CHECK(rounds.max <= GAPS_ROUND * sum.gap_ns + SLACK_NS);
	CHECK(sum.poll_ns <= GAPS_POLL * sum.gap_ns + SLACK_NS);
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 3, end_ns;
	struct plx_heap_config config;
	struct plx_error error = {0};

	stay_on_one_cpu();
	plx_config_init(&config);
	CHECK(plx_config_from_environment(&config, &error) == PLX_OK);
	config.heap_max_bytes = 64 << 20;
	config.stop_report_ms = 0; /* what is lost stays lost */
	CHECK(plx_heap_create(&config, &heap, &error) == PLX_OK);
	box_layout = plx_layout_fixed(heap, sizeof(struct box), NULL, 0, NULL);
	table_layout = plx_layout_references(heap, NULL);
	CHECK(box_layout && table_layout);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].number = i;
		workers[i].random.state = random_mix(i);
		CHECK(pthread_create(&workers[i].id, NULL, worker_main, &workers[i]) == 0);
	}
	/* At least so many cycles, however busy the machine. */
	end_ns = now_ns() + seconds * 1000000000;
	for (int cycles = 0; cycles < CYCLES_LEAST || now_ns() < end_ns; cycles++)
		plx_heap_collect(heap);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].id, NULL);
	judge();
	CHECK(plx_heap_destroy(heap) == PLX_OK);
	return 0;
}
