/* test/schedule/scenario.c: see scenario.h. */
#include "test/schedule/scenario.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/common/random.h"
#include "gc/os/probe.h"
#include "test/schedule/schedule.h"
#include "test/support/check.h"

#define ROUNDS_LEAST 3

/* --- nodes ------------------------------------------------------------------------------------------- */

static struct node *node_new(struct actor *self, uint64_t id)
{
	struct node *node = plx_alloc(self->thread, self->stage->layout);

	CHECK(node);
	node->id = id;
	for (size_t i = 0; i < sizeof(node->contents) / sizeof(node->contents[0]); i++)
		node->contents[i] = random_mix(id + i);
	return node;
}

static struct node *node_check(struct node *node, uint64_t id)
{
	CHECK(node);
	CHECK(node->id == id);
	for (size_t i = 0; i < sizeof(node->contents) / sizeof(node->contents[0]); i++)
		CHECK(node->contents[i] == random_mix(id + i));
	return node;
}

static struct node *root(const struct actor *self, unsigned index)
{
	return self->stage->roots[index]->ref;
}

static void root_set(struct actor *self, unsigned index, struct node *node)
{
	plx_handle_set(self->thread, self->stage->roots[index], node);
}

/* The scenario's own point, between two accesses to one object. */
static void point(void)
{
	SCHEDULE_POINT(SCHEDULE_STEP);
}

/* --- store: references change places while somebody marks --------------------------------------------- */

/* What a marker has to go through between one table and the next: as long as this takes, tokens may pass behind it. */
static void store_burden(struct actor *self, unsigned table)
{
	for (unsigned i = 0; i < 8; i++) {
		struct node *node = node_new(self, 300 + i);

		node->link[0] = root(self, table)->link[2];
		PLX_STORE(self->thread, &root(self, table)->link[2], node);
	}
}

/* Each actor has a node that lies in one of two tables, with a child; and there is a box for letters. */
static void store_prepare(struct actor *self)
{
	for (unsigned table = 0; table < 3; table++) {
		root_set(self, table, node_new(self, table));
		store_burden(self, table);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct node *token = node_new(self, 100 + i);

		PLX_STORE(self->thread, &root(self, 0)->link[i], token);
		token = node_new(self, 200 + i);
		PLX_STORE(self->thread, &root(self, 0)->link[i]->link[0], token);
	}
}

static void token_check(struct node *token, unsigned number)
{
	node_check(token, 100 + number);
	node_check(token->link[0], 200 + number);
}

/* Read from one table, stored into the other, cleared where it was. */
static void store_move(struct actor *self, unsigned from, unsigned to)
{
	struct node *token = root(self, from)->link[self->number];

	token_check(token, self->number);
	point();
	PLX_STORE(self->thread, &root(self, to)->link[self->number], token);
	point();
	PLX_STORE(self->thread, &root(self, from)->link[self->number], NULL);
}

/* The first actor writes letters, the second takes them, and keeps the last. */
static void store_letter(struct actor *self)
{
	struct node *box = root(self, 2), *letter = box->link[0];

	if (self->number == 0 && !letter) {
		letter = node_new(self, 1000 + self->rounds);
		PLX_STORE(self->thread, &root(self, 2)->link[0], letter);
	} else if (self->number == 1 && letter) {
		node_check(letter, letter->id);
		PLX_STORE(self->thread, &box->link[0], NULL);
		point();
		PLX_STORE(self->thread, &root(self, 2)->link[1], letter);
	}
}

static void store_round(struct actor *self)
{
	unsigned from = self->rounds & 1;
	struct node *letter;

	store_move(self, from, 1 - from);
	schedule_step();
	plx_poll(self->thread);
	store_letter(self);
	letter = root(self, 2)->link[1];
	if (letter)
		node_check(letter, letter->id);
}

static void store_check(struct actor *self)
{
	for (unsigned i = 0; i < 2; i++) {
		struct node *one = root(self, 0)->link[i], *other = root(self, 1)->link[i];

		CHECK(!one != !other);
		token_check(one ? one : other, i);
	}
}

/* --- threads: they come, go and block while rounds of a handshake are under way ------------------------- */

static void threads_prepare(struct actor *self)
{
	for (unsigned i = 0; i < 2; i++)
		root_set(self, i, node_new(self, i));
}

static void threads_round(struct actor *self)
{
	unsigned number = self->number;

	root_set(self, number, node_new(self, number));
	schedule_step();
	plx_block_enter(self->thread);
	schedule_step();
	plx_block_exit(self->thread);
	node_check(root(self, number), number);
	if (self->rounds % 2 == 1) {
		plx_thread_detach(self->thread);
		schedule_step();
		CHECK(plx_thread_attach(self->stage->heap, &self->thread, NULL) == PLX_OK);
	}
	plx_poll(self->thread);
	node_check(root(self, 1 - number), 1 - number);
}

static void threads_check(struct actor *self)
{
	for (unsigned i = 0; i < 2; i++)
		node_check(root(self, i), i);
}

/* --- flip: a list is read, lengthened and rewritten while its pages are away ---------------------------- */

#define LIST_LENGTH 96 /* three pages */

static void flip_prepare(struct actor *self)
{
	for (unsigned list = 0; list < 2; list++)
		for (unsigned i = 0; i < LIST_LENGTH; i++) {
			struct node *node = node_new(self, list * 1000 + i);

			node->link[0] = root(self, list);
			root_set(self, list, node);
		}
}

static unsigned list_check(struct node *node, unsigned list, unsigned first)
{
	unsigned left = 0;

	for (; node; node = node->link[0]) {
		node_check(node, list * 1000 + first - left);
		if (node->link[1])
			node_check(node->link[1], node->link[1]->id);
		left++;
	}
	return left;
}

/* Some nodes far from each other: those that a mutator comes first to. */
static void flip_round(struct actor *self)
{
	unsigned list = self->number, at = self->rounds * 31 % LIST_LENGTH;
	struct node *fresh = node_new(self, 5000 + self->rounds), *node = root(self, list);

	while (node->link[0] && node->id % 1000 != at)
		node = node->link[0];
	node_check(node, list * 1000 + at);
	point();
	PLX_STORE(self->thread, &node->link[1], fresh);
	PLX_STORE(self->thread, &node->link[2], root(self, 1 - list));
	schedule_step();
	plx_poll(self->thread);
}

static void flip_check(struct actor *self)
{
	for (unsigned list = 0; list < 2; list++)
		CHECK(list_check(root(self, list), list, LIST_LENGTH - 1) == LIST_LENGTH);
}

/* --- weak: read while the cycle decides and clears ------------------------------------------------------ */

/* Root 0 holds a weak reference to a node at the end of a chain from root 1, so that marking finds the reference
 * first. The first actor drops the chain, in the middle; root 2 is where the second keeps what it has read. */
static void weak_prepare(struct actor *self)
{
	struct node *node = node_new(self, 7);

	root_set(self, 1, node);
	root_set(self, 0, (struct node *)(void *)plx_weak_create(self->thread, node));
	for (unsigned i = 0; i < 3; i++) {
		node = node_new(self, 8);
		node->link[0] = root(self, 1);
		root_set(self, 1, node);
	}
}

static struct node *weak_read(struct actor *self)
{
	bool was_clear = self->stage->seen_clear, was_held = !self->stage->dropped;
	struct node *node =
		plx_weak_get(self->thread, (const struct plx_weak *)(const void *)root(self, 0));

	CHECK(!node || !was_clear); /* cleared for everybody */
	CHECK(node || !was_held || self->stage->dropped);
	if (!node)
		self->stage->seen_clear = true;
	else
		node_check(node, 7);
	return node;
}

#define WEAK_HELD 6 /* rounds, of the first actor */

static void weak_round(struct actor *self)
{
	struct node *node;

	if (self->number == 0 && self->rounds == WEAK_HELD) {
		self->stage->dropped = true;
		root_set(self, 1, NULL);
	}
	schedule_step();
	node = weak_read(self);
	if (self->number == 1) {
		point();
		root_set(self, 2, self->rounds % 2 ? node : NULL);
	}
	if (self->number == 0)
		(void)node_new(self, 300); /* what is freed is used again */
	plx_poll(self->thread);
	node = root(self, 2);
	if (node)
		node_check(node, 7);
}

static void weak_check(struct actor *self)
{
	if (root(self, 2))
		node_check(root(self, 2), 7);
}

/* --- pin: an object stays where it is, and may be looked at at any time ---------------------------------- */

static void pin_round(struct actor *self)
{
	unsigned number = self->number;
	struct node *node = root(self, number);
	uint64_t id = number;

	CHECK(plx_pin(self->thread, node, "scenario") == PLX_OK);
	point();
	plx_poll(self->thread);
	plx_block_enter(self->thread);
	schedule_step();
	node_check(node, id); /* also while blocked */
	plx_block_exit(self->thread);
	CHECK(root(self, number) == node);
	CHECK(plx_unpin(self->thread, node, "scenario") == PLX_OK);
	schedule_step();
	plx_poll(self->thread);
	node_check(root(self, number), id);
}

/* --- allocate: buffers are refilled and taken away ------------------------------------------------------- */

#define BATCH 20 /* one object a buffer */

static void allocate_round(struct actor *self)
{
	unsigned list = self->number;
	struct node *node = NULL;

	root_set(self, list, NULL);
	for (unsigned i = 0; i < BATCH; i++) {
		node = node_new(self, list * 1000 + i);
		node->link[0] = root(self, list);
		root_set(self, list, node);
		if (i % 8 == 7)
			schedule_step();
	}
	CHECK(list_check(root(self, list), list, BATCH - 1) == BATCH);
}

static void allocate_check(struct actor *self)
{
	for (unsigned list = 0; list < 2; list++)
		CHECK(list_check(root(self, list), list, BATCH - 1) == BATCH);
}

static void allocate_prepare(struct actor *self)
{
	(void)self;
}

/* --- all of them --------------------------------------------------------------------------------------- */

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ON_A_HEAP(name_, what_, actors_, cycles_, options_, prepare_, round_, check_)              \
	{                                                                                          \
		.name = (name_), .what = (what_), .actors = (actors_), .cycles = (cycles_),        \
		.options = (options_), .prepare = (prepare_), .round = (round_), .check = (check_) \
	}
#define ONE_WORKER OPTIONS("GC_WORKERS", "1")

const struct scenario scenarios[] = {
	ON_A_HEAP("store", "references change places while the cycle marks", 2, 2, ONE_WORKER,
		  store_prepare, store_round, store_check),
	ON_A_HEAP("threads", "attach, detach, block and return during handshakes", 2, 2, ONE_WORKER,
		  threads_prepare, threads_round, threads_check),
	ON_A_HEAP("handshake", "one thread blocks and goes while nothing moves: the smallest", 1, 1,
		  OPTIONS("GC_WORKERS", "1", "GC_EVACUATE", "none", "GC_VERIFY", "1000"),
		  threads_prepare, threads_round, threads_check),
	ON_A_HEAP("flip", "pages are touched and written while they are away", 2, 2, ONE_WORKER,
		  flip_prepare, flip_round, flip_check),
	ON_A_HEAP("workers", "the same, with two workers", 2, 2, OPTIONS("GC_WORKERS", "2"),
		  flip_prepare, flip_round, flip_check),
	ON_A_HEAP("weak", "weak references are read while they are cleared", 2, 2, ONE_WORKER,
		  weak_prepare, weak_round, weak_check),
	ON_A_HEAP("pin", "pinned before, in and after the flip", 2, 2, ONE_WORKER, threads_prepare,
		  pin_round, threads_check),
	ON_A_HEAP("allocate", "one object a buffer, while buffers are taken away", 2, 2,
		  OPTIONS("GC_WORKERS", "1", "GC_TLAB_BYTES", "0"), allocate_prepare,
		  allocate_round, allocate_check),
	{.name = "race", .what = "a seeded bug: an addition is lost", .whole = seeded_race},
	{.name = "deadlock",
	 .what = "a seeded bug: two locks in both orders",
	 .whole = seeded_deadlock},
};
const unsigned scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);

static const char *const options_of_all[] = {"GC_HEAP_MAX",
					     "8M",
					     "GC_REGION_BYTES",
					     "64K",
					     "GC_PLAN",
					     "minor",
					     "GC_UFFD_DELIVERY",
					     "sigbus",
					     "GC_EVACUATE",
					     "all",
					     "GC_SUPPLY",
					     "0",
					     "GC_STOP_REPORT",
					     "0",
					     "GC_VERIFY",
					     "1",
					     "GC_RESIDENT_IDLE",
					     "86400000",
					     NULL};

static void options_set(struct plx_heap_config *config, const char *const *options)
{
	struct plx_error error;

	for (; *options; options += 2)
		if (plx_config_set(config, options[0], options[1], &error) != PLX_OK) {
			fprintf(stderr, "schedule: %s\n", error.message);
			abort();
		}
}

static void stage_open(struct stage *stage, const struct scenario *scenario)
{
	static const size_t links[] = {offsetof(struct node, link[0]),
				       offsetof(struct node, link[1]),
				       offsetof(struct node, link[2])};
	struct plx_heap_config config;
	struct plx_error error = {0};

	plx_config_init(&config);
	options_set(&config, options_of_all);
	options_set(&config, scenario->options);
	if (plx_heap_create(&config, &stage->heap, &error) != PLX_OK) {
		fprintf(stderr, "schedule: %s\n", error.message);
		abort();
	}
	stage->layout = plx_layout_fixed(stage->heap, sizeof(struct node), links, 3, NULL);
	CHECK(stage->layout);
}

static void actor_attach(struct actor *self)
{
	CHECK(plx_thread_attach(self->stage->heap, &self->thread, NULL) == PLX_OK);
}

static void *actor_main(void *argument)
{
	struct actor *self = argument;

	actor_attach(self);
	while (!self->stage->done || self->rounds < ROUNDS_LEAST) {
		self->scenario->round(self);
		self->rounds++;
	}
	plx_thread_detach(self->thread);
	return NULL;
}

static void act(struct actor *actors, struct stage *stage, const struct scenario *scenario)
{
	pthread_t ids[ACTORS_MOST];

	for (unsigned i = 0; i < scenario->actors; i++) {
		actors[i] = (struct actor){.stage = stage, .scenario = scenario, .number = i};
		CHECK(pthread_create(&ids[i], NULL, actor_main, &actors[i]) == 0);
	}
	for (unsigned i = 0; i < scenario->cycles; i++)
		plx_heap_collect(stage->heap);
	stage->done = true;
	for (unsigned i = 0; i < scenario->actors; i++)
		pthread_join(ids[i], NULL);
}

bool scenario_possible(void)
{
	struct gc_probe probe;

	gc_probe_plans(&probe);
	return gc_probe_minor_lacks(&probe, true) == NULL;
}

void scenario_run(const struct scenario *scenario)
{
	struct stage stage = {0};
	struct actor actors[ACTORS_MOST], self = {.stage = &stage, .scenario = scenario};

	if (scenario->whole) {
		scenario->whole();
		return;
	}
	schedule_begin();
	stage_open(&stage, scenario);
	actor_attach(&self);
	for (unsigned i = 0; i < STAGE_ROOTS; i++)
		CHECK(stage.roots[i] = plx_handle_create(self.thread, NULL));
	scenario->prepare(&self);
	plx_thread_detach(self.thread);
	schedule_window(true);
	act(actors, &stage, scenario);
	schedule_window(false);
	actor_attach(&self);
	scenario->check(&self);
	plx_collect(self.thread);
	scenario->check(&self);
	plx_thread_detach(self.thread);
	CHECK(plx_heap_destroy(stage.heap) == PLX_OK);
}
