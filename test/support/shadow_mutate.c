/* test/support/shadow_mutate.c: the random steps of one thread, each done to heap and shadow alike.
 *
 * Between two steps heap and shadow agree; that is when shadow_step compares them, if anything tells
 * that the collector was at work. Raw references live only from one safepoint to the next: a step
 * allocates first and looks for objects (shadow_random_pair) afterwards. */
#include "test/support/shadow_private.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/support/patience.h"

#define LARGE_BYTES (3u << 20)
#define LARGE_REFERENCES 500000u
#define REWRITE_BYTES_MAX 16384

static const struct shadow_pair nothing;

/* ---- the steps ---- */

/* Slots and roots that are taken are spared while the live set is below its target. */
static size_t slot_for(struct shadow_thread *self, const struct shadow_object *parent)
{
	size_t slot = 0;

	for (int tries = self->live < self->target ? 6 : 1; tries > 0; tries--) {
		slot = random_below(&self->random, parent->edge_count);
		if (parent->edges[slot] == NULL)
			break;
	}
	return slot;
}

static size_t root_for(struct shadow_thread *self)
{
	size_t root = 0;

	for (int tries = self->live < self->target ? 12 : 1; tries > 0; tries--) {
		root = shadow_random_root(self);
		if (self->root_shadows[root] == NULL)
			break;
	}
	return root;
}

static void attach_somewhere(struct shadow_thread *self, struct shadow_pair fresh)
{
	unsigned dice = (unsigned)random_below(&self->random, 100);
	struct shadow_pair parent;

	if (dice < 70) {
		parent = shadow_random_parent(self);
		if (parent.shadow != NULL) {
			shadow_link(self, parent, slot_for(self, parent.shadow), fresh);
			return;
		}
	}
	if (dice < 80)
		shadow_root_set(self, root_for(self), fresh);
	else if (dice < 85)
		shadow_scope_push(self, fresh);
	/* else garbage at once */
}

static void step_allocate(struct shadow_thread *self)
{
	enum shadow_kind kind = shadow_random_kind(self);
	struct shadow_pair fresh = shadow_make(self, kind, shadow_random_length(self, kind), false);
	size_t links;

	if (fresh.shadow == NULL)
		return;
	links = fresh.shadow->edge_count < 4 ? fresh.shadow->edge_count : 4;
	while (links-- > 0) {
		if (random_once_in(&self->random, 3))
			shadow_link_fresh(self, fresh,
					  random_below(&self->random, fresh.shadow->edge_count),
					  shadow_random_pair(self));
	}
	attach_somewhere(self, fresh);
}

static void step_link(struct shadow_thread *self, bool to_nothing)
{
	struct shadow_pair from = shadow_random_parent(self);

	if (from.shadow == NULL)
		return;
	shadow_link(self, from, random_below(&self->random, from.shadow->edge_count),
		    to_nothing ? nothing : shadow_random_pair(self));
}

static void step_compare_exchange(struct shadow_thread *self)
{
	struct shadow_pair from = shadow_random_parent(self), to = shadow_random_pair(self), wrong;
	void *place, *old, *next = shadow_encode(self, to.object), *other;
	size_t slot;

	if (from.shadow == NULL)
		return;
	slot = random_below(&self->random, from.shadow->edge_count);
	place = from.object + shadow_slot_offset(from.shadow, slot);
	old = shadow_load(place);
	wrong = shadow_random_pair(self);
	other = shadow_encode(self, wrong.object);
	if (other != old && plx_compare_exchange(self->thread, place, other, next))
		shadow_fail(self, from.shadow, "compare-exchange matched %p, slot %zu held %p",
			    (void *)wrong.object, slot, old);
	if (!plx_compare_exchange(self->thread, place, old, next))
		shadow_fail(self, from.shadow, "compare-exchange of slot %zu did not match %p",
			    slot, old);
	from.shadow->edges[slot] = to.shadow;
}

/* A random part of the adjacent slots of an object, at most `most` long; false if there is none. */
static bool random_part(struct shadow_thread *self, struct shadow_pair of, size_t most,
			size_t *first, size_t *count)
{
	size_t start = shadow_first_contiguous_slot(of.shadow);
	size_t slots = of.shadow->edge_count - start;

	if (slots == 0)
		return false;
	*first = start + random_below(&self->random, slots);
	*count = 1 + random_below(&self->random, of.shadow->edge_count - *first);
	if (*count > most)
		*count = most;
	return true;
}

static void step_bulk_copy(struct shadow_thread *self)
{
	struct shadow_pair to = shadow_random_parent(self), from;
	size_t first, count, source_first, source_count;

	if (to.shadow == NULL)
		return;
	from = random_once_in(&self->random, 2) ? to : shadow_random_parent(self);
	if (from.shadow == NULL || !random_part(self, from, 2000, &source_first, &source_count) ||
	    !random_part(self, to, source_count, &first, &count))
		return;
	plx_store_array(self->thread, to.object + shadow_slot_offset(to.shadow, first),
			from.object + shadow_slot_offset(from.shadow, source_first), count);
	memmove(&to.shadow->edges[first], &from.shadow->edges[source_first],
		count * sizeof(to.shadow->edges[0]));
}

static void step_bulk_fill(struct shadow_thread *self)
{
	struct shadow_pair to = shadow_random_parent(self);
	struct shadow_pair value = nothing;
	size_t first, count;

	if (to.shadow == NULL || !random_part(self, to, 2000, &first, &count))
		return;
	if (random_once_in(&self->random, 2))
		value = shadow_random_pair(self);
	plx_fill_array(self->thread, to.object + shadow_slot_offset(to.shadow, first),
		       shadow_encode(self, value.object), count);
	while (count-- > 0)
		to.shadow->edges[first++] = value.shadow;
}

/* Plain stores of data, at any time: one that falls between the building and the attaching of a page
 * must not be lost. */
static void step_rewrite(struct shadow_thread *self)
{
	struct shadow_pair at = shadow_random_pair(self);

	if (at.shadow == NULL || at.shadow->kind == SHADOW_POSTCARD ||
	    at.shadow->length > REWRITE_BYTES_MAX)
		return;
	at.shadow->seed = random_next(&self->random);
	shadow_contents_fill(at.shadow, at.object);
}

static void step_roots(struct shadow_thread *self)
{
	switch (random_below(&self->random, 5)) {
	case 0:
		shadow_scope_open(self);
		break;
	case 1:
		if (self->scope_depth > 0)
			shadow_scope_close(self);
		break;
	case 2:
		for (size_t i = random_below(&self->random, 600); i > 0; i--)
			shadow_scope_push(self, shadow_random_pair(self));
		break;
	default:
		shadow_root_set(self, shadow_random_root(self), shadow_random_pair(self));
	}
}

/* A long list: marking and walking must not recurse. Each element is linked while still fresh. */
static void step_chain(struct shadow_thread *self)
{
	size_t root = root_for(self);
	size_t length = random_below(&self->random, self->target / 3 + 1);

	while (length-- > 0) {
		struct shadow_pair fresh = shadow_make(self, SHADOW_FIXED_SMALL, 0, false);

		if (fresh.shadow == NULL)
			return;
		shadow_link_fresh(self, fresh, 1, shadow_root_get(self, root));
		shadow_root_set(self, root, fresh);
	}
}

static void step_large(struct shadow_thread *self)
{
	bool references = random_once_in(&self->random, 2);
	struct shadow_pair fresh;

	shadow_root_set(self, SHADOW_LARGE_ROOT, nothing);
	if (random_once_in(&self->random, 2))
		return;
	/* A run of free regions need not exist: NULL is a correct answer here. */
	fresh = shadow_make(self, references ? SHADOW_REFERENCES : SHADOW_BYTES,
			    references ? LARGE_REFERENCES : LARGE_BYTES, true);
	if (fresh.shadow == NULL)
		return;
	shadow_root_set(self, SHADOW_LARGE_ROOT, fresh);
	for (int i = 0; references && i < 200; i++)
		shadow_link(self, fresh, random_below(&self->random, LARGE_REFERENCES),
			    shadow_random_pair(self));
}

/* ---- exchange with the other threads ---- */

static void *postbox_slot(struct shadow_thread *self, size_t slot)
{
	return shadow_read(self, &self->world->postbox->ref) + sizeof(struct plx_header) +
	       slot * sizeof(void *);
}

/* Take a look at what is there, and keep a reference to it in the own part of the graph. */
static void step_postbox_read(struct shadow_thread *self)
{
	struct shadow_pair card = {NULL, NULL}, parent;

	card.object =
		shadow_read(self, postbox_slot(self, random_below(&self->random, SHADOW_POSTBOX)));
	if (card.object == NULL)
		return;
	shadow_check_postcard(self, card.object);
	parent = shadow_random_parent(self);
	if (parent.shadow == NULL)
		return;
	card.shadow = shadow_new(self, SHADOW_POSTCARD, plx_object_length(card.object),
				 shadow_word(card.object, 8));
	shadow_link(self, parent, random_below(&self->random, parent.shadow->edge_count), card);
}

static void postcard_write(struct shadow_thread *self, char *card, uint64_t id, char *next)
{
	struct shadow_object shape = {.id = id,
				      .seed = id,
				      .kind = SHADOW_POSTCARD,
				      .length = shadow_postcard_length(id)};
	uint64_t words[3] = {0, 0, 1}; /* successor, its id, depth */
	void *word = shadow_encode(self, next);

	if (next != NULL && shadow_word(next, 32) < SHADOW_POSTCARD_DEPTH) {
		memcpy(&words[0], &word, sizeof(word));
		words[1] = shadow_word(next, 8);
		words[2] = shadow_word(next, 32) + 1;
	}
	shadow_contents_fill(&shape, card);
	memcpy(card + 16, words, sizeof(words));
}

static void step_postbox_write(struct shadow_thread *self)
{
	uint64_t id = UINT64_C(1) << 62 | (uint64_t)(self->number + 1) << 40 | self->next_id++;
	char *card = shadow_allocate(self, SHADOW_POSTCARD, shadow_postcard_length(id),
				     random_once_in(&self->random, 12), false);
	void *place, *old;

	if (card == NULL)
		return;
	place = postbox_slot(self, random_below(&self->random, SHADOW_POSTBOX));
	old = shadow_load(place);
	postcard_write(self, card, id,
		       random_once_in(&self->random, 4) ? NULL : shadow_decode(self->world, old));
	/* Another thread may be quicker: then this card is garbage. */
	plx_compare_exchange(self->thread, place, old, shadow_encode(self, card));
}

/* ---- being a thread ---- */

static void step_block(struct shadow_thread *self)
{
	plx_block_enter(self->thread);
	if (random_once_in(&self->random, 3))
		usleep((useconds_t)random_below(&self->random, 400));
	else
		sched_yield();
	plx_block_exit(self->thread);
	self->tally.blocks++;
}

static void step_reattach(struct shadow_thread *self)
{
	while (self->scope_depth > 0 &&
	       !self->stack) /* handles end with the thread; a stack does not */
		shadow_scope_close(self);
	for (size_t i = 0; i < SHADOW_LOCALS;
	     i++) /* the stack of a thread that is not attached counts not */
		shadow_root_set(self, SHADOW_FIRST_LOCAL + i, nothing);
	plx_thread_detach(self->thread);
	if (random_once_in(&self->random, 2))
		usleep((useconds_t)random_below(&self->random, 400));
	shadow_attach(self);
	self->tally.attaches++;
}

static void step_collect(struct shadow_thread *self)
{
	struct plx_stats before, after;

	plx_heap_stats(self->world->heap, &before);
	plx_collect(self->thread);
	plx_heap_stats(self->world->heap, &after);
	if (after.cycles <= before.cycles)
		shadow_fail(self, NULL, "plx_collect returned without a cycle, at %lu",
			    (unsigned long)after.cycles);
}

static char *card_make(struct shadow_thread *self)
{
	uint64_t id = UINT64_C(1) << 62 | (uint64_t)(self->number + 1) << 40 | self->next_id++;
	char *card =
		shadow_allocate(self, SHADOW_POSTCARD, shadow_postcard_length(id), false, false);

	if (card != NULL)
		postcard_write(self, card, id, NULL);
	return card;
}

static __attribute__((noinline)) void cards_litter(struct shadow_thread *self)
{
	for (int i = 0; i < 200; i++)
		card_make(self);
}

/* Objects that nothing holds but variables of this function: few enough for the registers that calls preserve,
 * and nobody further down the stack has a reason to save those. */
static __attribute__((noinline)) void step_registers(struct shadow_thread *self)
{
	char *a = card_make(self), *b = card_make(self), *c = card_make(self), *d = card_make(self);

	plx_collect(self->thread);
	plx_collect(self->thread);
	cards_litter(self);
	plx_collect(self->thread);
	if (a != NULL)
		shadow_check_postcard(self, a);
	if (b != NULL)
		shadow_check_postcard(self, b);
	if (c != NULL)
		shadow_check_postcard(self, c);
	if (d != NULL)
		shadow_check_postcard(self, d);
}

/* The child has this thread's part of the heap, and goes on with it; some have children of their own. */
static _Noreturn void child_run(struct shadow_thread *self)
{
	unsigned steps = 30 + (unsigned)random_below(&self->random, 60);

	patience_begin(60);
	shadow_compare(self);
	while (steps-- > 0)
		shadow_step(self);
	shadow_compare(self);
	plx_collect(self->thread);
	shadow_compare(self);
	_exit(0);
}

/* A safepoint. */
static void step_fork(struct shadow_thread *self)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child < 0)
		shadow_fail(self, NULL, "fork failed");
	if (child == 0)
		child_run(self);
	plx_block_enter(self->thread);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			abort();
	plx_block_exit(self->thread);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		shadow_fail(self, NULL, "a child of fork ended with status %#x", (unsigned)status);
	self->tally.forks++;
}

static void step_drop(struct shadow_thread *self)
{
	for (int i = 0; i < 8; i++)
		shadow_root_set(self, shadow_random_root(self), nothing);
	while (self->scope_depth > 0 && random_once_in(&self->random, 2))
		shadow_scope_close(self);
}

static void step_rare(struct shadow_thread *self)
{
	if (self->locals != NULL && random_once_in(&self->random, 6)) {
		step_registers(self);
		return;
	}
	switch (random_below(&self->random, 10)) {
	case 0:
		step_reattach(self);
		break;
	case 1:
		step_chain(self);
		break;
	case 2:
		if (self->world->options->large && random_once_in(&self->random, 4))
			step_large(self);
		break;
	case 3:
		step_collect(self);
		break;
	default:
		step_block(self);
	}
}

/* A slot that holds a reference, if one is found soon. */
static void step_overwrite(struct shadow_thread *self)
{
	struct shadow_pair from = shadow_random_parent(self);
	size_t slot = 0;

	if (from.shadow == NULL)
		return;
	for (int tries = 8; tries > 0; tries--) {
		slot = random_below(&self->random, from.shadow->edge_count);
		if (from.shadow->edges[slot] != NULL)
			break;
	}
	shadow_link(self, from, slot,
		    random_once_in(&self->random, 2) ? nothing : shadow_random_pair(self));
}

/* What the barrier has to get right while threads come and go. */
static void step_churn(struct shadow_thread *self)
{
	switch (random_below(&self->random, 16)) {
	case 0:
		step_reattach(self);
		break;
	case 1:
		step_block(self);
		break;
	case 2:
		step_bulk_fill(self);
		break;
	case 3:
		step_compare_exchange(self);
		break;
	default:
		step_overwrite(self);
	}
}

static void step_any(struct shadow_thread *self)
{
	unsigned dice = (unsigned)random_below(&self->random, 1000);

	if (self->world->options->fork && random_once_in(&self->random, 300))
		step_fork(self);
	if (self->world->options->churn && random_once_in(&self->random, 2))
		step_churn(self);
	else if (dice < 450)
		step_allocate(self);
	else if (dice < 600)
		step_link(self, false);
	else if (dice < 650)
		step_link(self, true);
	else if (dice < 700)
		step_compare_exchange(self);
	else if (dice < 740)
		step_bulk_copy(self);
	else if (dice < 770)
		step_bulk_fill(self);
	else if (dice < 850)
		step_rewrite(self);
	else if (dice < 890)
		step_roots(self);
	else if (dice < 940)
		step_postbox_read(self);
	else if (dice < 990)
		step_postbox_write(self);
	else
		step_rare(self);
}

/* Keep the live set near its target; what the last walk found is all that is known of it. */
static void hold_size(struct shadow_thread *self)
{
	if (self->all.count > self->live + self->target * 4)
		shadow_compare(self); /* only to forget garbage */
	if (self->live > self->target + self->target / 2) {
		for (size_t root = 0; root < shadow_root_count(self); root++) {
			if (!random_once_in(&self->random, 5))
				shadow_root_set(self, root, nothing);
		}
		self->live = self->target; /* until the next walk knows better */
	} else if (self->live < self->target / 2) {
		for (int i = 0; i < 100; i++)
			step_allocate(self);
		self->live += 50;
	} else if (self->live > self->target && random_once_in(&self->random, 64)) {
		step_drop(self);
	}
}

/* True if the collector moved objects, or asks for a safepoint, or ended a cycle unseen. */
static bool noticed(struct shadow_thread *self)
{
	struct shadow_pair before = self->sentinel;
	struct plx_stats stats;
	/* Relaxed: a request seen late is seen at the next step. */
	bool asked = __atomic_load_n(&self->thread->poll, __ATOMIC_RELAXED) != 0;

	plx_poll(self->thread);
	self->sentinel = shadow_root_get(self, 0);
	if (asked || (before.shadow != NULL && before.shadow == self->sentinel.shadow &&
		      before.object != self->sentinel.object))
		return true;
	if (self->tally.steps % 64 != 0)
		return false;
	plx_heap_stats(self->world->heap, &stats);
	return stats.cycles != self->cycles_seen;
}

/* While barriers are on, and above all between plan and flip, pins come and go. */
static void pin_during_cycle(struct shadow_thread *self)
{
	/* Relaxed: it changes only while this thread stands at a safepoint. */
	if (__atomic_load_n(&self->thread->barrier, __ATOMIC_RELAXED) != 0 &&
	    random_once_in(&self->random, 8))
		shadow_root_set(self, SHADOW_FIRST_PIN + random_below(&self->random, SHADOW_PINS),
				shadow_random_pair(self));
}

void shadow_step(struct shadow_thread *self)
{
	if (noticed(self))
		shadow_compare(self);
	hold_size(self);
	pin_during_cycle(self);
	step_any(self);
	self->tally.steps++;
}
