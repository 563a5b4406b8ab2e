/* test/litmus/model.c: every execution of a test that C11 allows, by trying all.
 *
 * The axioms are those of RC11 (Lahav, Vafeiadis, Kang, Hur, Dreyer: "Repairing sequential consistency in
 * C/C++11", PLDI 2017), without fences, which no tag uses; and without its ban of load buffering, which aarch64
 * does: so more is allowed here than there, and what is refused is refused by both.
 *
 * A candidate is: which value each read gives, which write that is from, and the order of the writes of each
 * location. [LM-1] coherence: happens-before, and what was read and written when, do not contradict. [LM-2] nothing
 * comes between the two halves of a read-modify-write. [LM-3] there is one order of the sequentially consistent
 * accesses. Happens-before is program order and release-to-acquire, through read-modify-writes in between; a read
 * through a register is ordered after the release that the register's value came from (dependency order).
 *
 * [LM-4] The results of steps that are not done are 0. */
#include <string.h>

#include "test/litmus/litmus.h"

enum { EVENTS = LITMUS_STEPS + LITMUS_PLACES };

typedef uint32_t row; /* bit i: related to event i */

struct event {
	int thread, place;
	bool reads, writes;
	enum litmus_order order;
	uint64_t got, put;
	int from;   /* the write that was read */
	int origin; /* the event whose value was the address, or -1 */
};

struct search {
	const struct litmus_test *test;
	uint64_t values[LITMUS_PLACES][16];
	int value_count[LITMUS_PLACES];
	struct event events[EVENTS];
	int count;
	uint64_t registers[LITMUS_REGISTERS];
	int origins[LITMUS_REGISTERS];
	int after[EVENTS]; /* place of a write in its location's order */
	uint64_t tried;
};

static uint64_t step_put(const struct litmus_step *step, uint64_t got)
{
	switch (step->kind) {
	case LITMUS_ADD:
		return got + step->value;
	case LITMUS_OR:
		return got | step->value;
	default:
		return step->value;
	}
}

/* ---- relations ---- */

static void relation_close(row *relation, int count)
{
	for (int via = 0; via < count; via++)
		for (int i = 0; i < count; i++)
			if (relation[i] >> via & 1)
				relation[i] |= relation[via];
}

static bool relation_has_loop(const row *relation, int count)
{
	for (int i = 0; i < count; i++)
		if (relation[i] >> i & 1)
			return true;
	return false;
}

static row relation_step(const row *relation, row from, int count)
{
	row to = 0;

	for (int i = 0; i < count; i++)
		if (from >> i & 1)
			to |= relation[i];
	return to;
}

static bool is_release(const struct event *event)
{
	return event->writes && event->order >= LITMUS_RELEASE;
}

static bool is_acquire(const struct event *event)
{
	return event->reads && event->order != LITMUS_RELAXED && event->order != LITMUS_RELEASE;
}

/* Initial values come before everything. */
static bool in_program_order(const struct search *search, int a, int b)
{
	int first = search->events[a].thread;

	return a < b && (first < 0 || first == search->events[b].thread);
}

/* The release that a read's value stems from, through read-modify-writes; each is tried. */
static void model_add_release(const struct search *search, row *hb, int from, int to)
{
	for (;;) {
		const struct event *write = &search->events[from];

		if (is_release(write))
			hb[from] |= (row)1 << to;
		if (!write->reads)
			return;
		from = write->from;
	}
}

static void model_happens_before(const struct search *search, row *sb, row *hb)
{
	memset(sb, 0, EVENTS * sizeof(row));
	memset(hb, 0, EVENTS * sizeof(row));
	for (int i = 0; i < search->count; i++) {
		const struct event *event = &search->events[i];

		for (int j = 0; j < search->count; j++)
			if (in_program_order(search, i, j))
				sb[i] |= (row)1 << j;
		if (is_acquire(event))
			model_add_release(search, hb, event->from, i);
		if (event->origin >= 0)
			model_add_release(search, hb, search->events[event->origin].from, i);
	}
	for (int i = 0; i < search->count; i++)
		hb[i] |= sb[i];
	relation_close(hb, search->count);
}

/* Reads-from, the order of writes, and from a read to the writes after what it read. */
static void model_communication(const struct search *search, row *mo_rb, row *all)
{
	memset(mo_rb, 0, EVENTS * sizeof(row));
	memset(all, 0, EVENTS * sizeof(row));
	for (int i = 0; i < search->count; i++) {
		const struct event *a = &search->events[i];

		for (int j = 0; j < search->count; j++) {
			const struct event *b = &search->events[j];

			if (i == j || a->place != b->place || !b->writes)
				continue;
			if ((a->writes && search->after[i] < search->after[j]) ||
			    (a->reads && search->after[a->from] < search->after[j]))
				mo_rb[i] |= (row)1 << j;
		}
	}
	for (int i = 0; i < search->count; i++) {
		all[i] |= mo_rb[i];
		if (search->events[i].reads)
			all[search->events[i].from] |= (row)1 << i;
	}
	relation_close(all, search->count);
}

/* ---- axioms ---- */

/* [LM-1] */
static bool model_is_coherent(const struct search *search, const row *hb, const row *all)
{
	if (relation_has_loop(hb, search->count))
		return false;
	for (int i = 0; i < search->count; i++)
		if (relation_step(all, hb[i], search->count) >> i & 1)
			return false;
	return true;
}

/* [LM-2] */
static bool model_is_atomic(const struct search *search)
{
	for (int i = 0; i < search->count; i++) {
		const struct event *event = &search->events[i];

		if (event->reads && event->writes &&
		    search->after[event->from] + 1 != search->after[i])
			return false;
	}
	return true;
}

static row same_place(const struct search *search, int event)
{
	row same = 0;

	for (int i = 0; i < search->count; i++)
		if (search->events[i].place == search->events[event].place)
			same |= (row)1 << i;
	return same;
}

/* [LM-3] */
static bool model_has_one_order(const struct search *search, const row *sb, const row *hb,
				const row *mo_rb)
{
	row order[EVENTS] = {0}, away[EVENTS], strong = 0;
	int count = search->count;

	for (int i = 0; i < count; i++) {
		if (search->events[i].order == LITMUS_SEQ_CST && search->events[i].thread >= 0)
			strong |= (row)1 << i;
		away[i] = sb[i] & ~same_place(search, i);
	}
	for (int i = 0; i < count; i++)
		if (strong >> i & 1) {
			row through = relation_step(away, relation_step(hb, away[i], count), count);

			order[i] = (sb[i] | through | (hb[i] & same_place(search, i)) | mo_rb[i]) &
				   strong;
		}
	relation_close(order, count);
	return !relation_has_loop(order, count);
}

static bool model_accepts(struct search *search)
{
	row sb[EVENTS], hb[EVENTS], mo_rb[EVENTS], all[EVENTS];

	search->tried++;
	if (!model_is_atomic(search))
		return false;
	model_happens_before(search, sb, hb);
	model_communication(search, mo_rb, all);
	return model_is_coherent(search, hb, all) && model_has_one_order(search, sb, hb, mo_rb);
}

/* ---- candidates ---- */

static bool claims_hold(const struct search *search, bool of_places)
{
	const struct litmus_test *test = search->test;

	for (int i = 0; i < test->never_count; i++) {
		const struct litmus_claim *claim = &test->never[i];
		int last = -1;

		if (claim->is_place != of_places)
			continue;
		if (!of_places && search->registers[claim->which] != claim->value)
			return false;
		for (int e = 0; of_places && e < search->count; e++)
			if (search->events[e].writes && search->events[e].place == claim->which &&
			    (last < 0 || search->after[e] > search->after[last]))
				last = e;
		if (of_places && search->events[last].put != claim->value)
			return false;
	}
	return true;
}

/* Give the writes from `event` on a place in their location's order; initial ones are first. */
static bool search_writes(struct search *search, int event)
{
	int taken = 0, writes = 0;
	bool used[EVENTS] = {false};

	while (event < search->count && !search->events[event].writes)
		event++;
	if (event == search->count)
		return claims_hold(search, true) && model_accepts(search);
	if (search->events[event].thread < 0) {
		search->after[event] = 0;
		return search_writes(search, event + 1);
	}
	for (int i = 0; i < search->count; i++) {
		if (!search->events[i].writes ||
		    search->events[i].place != search->events[event].place)
			continue;
		writes++;
		if (i < event)
			used[search->after[i]] = true, taken++;
	}
	for (int at = 1; at < writes; at++) {
		if (used[at])
			continue;
		search->after[event] = at;
		if (search_writes(search, event + 1))
			return true;
	}
	return false;
}

/* Which write each read from `event` on is from. */
static bool search_sources(struct search *search, int event)
{
	while (event < search->count && !search->events[event].reads)
		event++;
	if (event == search->count)
		return search_writes(search, 0);
	for (int i = 0; i < search->count; i++) {
		const struct event *write = &search->events[i];

		if (i == event || !write->writes || write->place != search->events[event].place ||
		    write->put != search->events[event].got)
			continue;
		search->events[event].from = i;
		if (search_sources(search, event + 1))
			return true;
	}
	return false;
}

static bool search_steps(struct search *search, int step);

static bool search_event(struct search *search, int at, struct event event)
{
	const struct litmus_step *step = &search->test->steps[at];
	struct search saved;
	bool found;

	saved = *search;
	if (event.reads && step->into >= 0) {
		search->registers[step->into] = event.got;
		search->origins[step->into] = search->count;
	}
	search->events[search->count++] = event;
	found = search_steps(search, at + 1);
	saved.tried = search->tried;
	*search = saved;
	return found;
}

static bool search_read(struct search *search, int at, struct event event)
{
	const struct litmus_step *step = &search->test->steps[at];

	event.reads = true;
	for (int i = 0; i < search->value_count[event.place]; i++) {
		bool fails;

		event.got = search->values[event.place][i];
		fails = step->kind == LITMUS_CAS && event.got != step->old;
		if (step->kind == LITMUS_LOCK && event.got != 0)
			continue; /* it waits until it is free */
		event.writes = step->kind != LITMUS_LOAD && !fails;
		event.put = step_put(step, event.got);
		if (search_event(search, at, event))
			return true;
	}
	return false;
}

/* The values of all reads from step `at` on. */
static bool search_steps(struct search *search, int at)
{
	const struct litmus_step *step = &search->test->steps[at];
	struct event event;

	if (at == search->test->step_count)
		return claims_hold(search, false) && search_sources(search, 0);
	if (step->guard >= 0 && search->registers[step->guard] != step->guard_value)
		return search_steps(search, at + 1);
	event = (struct event){
		.thread = step->thread, .place = step->place, .order = step->order, .origin = -1};
	if (step->place < 0) {
		uint64_t place = search->registers[step->through] - LITMUS_ADDRESS(0);

		if (place >= (uint64_t)search->test->place_count)
			return false;
		event.place = (int)place;
		event.origin = search->origins[step->through];
	}
	if (litmus_reads(step->kind))
		return search_read(search, at, event);
	event.writes = true;
	event.put = step_put(step, 0);
	return search_event(search, at, event);
}

/* ---- which values a location may have at all ---- */

static bool values_add(struct search *search, int place, uint64_t value)
{
	for (int i = 0; i < search->value_count[place]; i++)
		if (search->values[place][i] == value)
			return false;
	if (search->value_count[place] == 16)
		return false;
	search->values[place][search->value_count[place]++] = value;
	return true;
}

static bool values_of_step(struct search *search, const struct litmus_step *step, int place)
{
	bool more = false;

	if (step->kind == LITMUS_LOAD)
		return false;
	for (int i = 0, count = search->value_count[place]; i < count; i++)
		more |= values_add(search, place, step_put(step, search->values[place][i]));
	return more;
}

static void values_find(struct search *search)
{
	const struct litmus_test *test = search->test;
	bool more = true;

	for (int place = 0; place < test->place_count; place++)
		values_add(search, place, test->init[place]);
	while (more) {
		more = false;
		for (int i = 0; i < test->step_count; i++)
			for (int place = 0; place < test->place_count; place++)
				if (test->steps[i].place < 0 || test->steps[i].place == place)
					more |= values_of_step(search, &test->steps[i], place);
	}
}

bool litmus_allowed(const struct litmus_test *test, uint64_t *tried)
{
	struct search search = {.test = test};
	bool allowed;

	values_find(&search);
	for (int place = 0; place < test->place_count; place++)
		search.events[search.count++] = (struct event){.thread = -1,
							       .place = place,
							       .writes = true,
							       .order = LITMUS_RELAXED,
							       .put = test->init[place],
							       .origin = -1};
	allowed = search_steps(&search, 0);
	*tried = search.tried;
	return allowed;
}
