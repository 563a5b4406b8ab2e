/* test/unit/test_event.c: rings of events: order, overwriting, a reader beside a writer, a signal handler
 * that interrupts a put [EV-2], rings that change hands. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gc/base/event.h"

static struct gc_events events;
static struct gc_event_ring *ring;

static void begin(void)
{
	assert_int_equal(gc_events_init(&events, 1), 0);
	ring = gc_event_ring_take(&events, "mutator", 0);
	assert_non_null(ring);
}

/* All arguments follow from the first: a record mixed from two is found out. */
static void put(struct gc_event_ring *into, uint64_t value)
{
	GC_SPAN(into, work, value, value + 1, value + 2, value + 3, value + 4, value + 5);
}

static void check(const struct gc_event *event)
{
	assert_int_equal(event->id, GC_EVENT_work);
	assert_int_equal(event->duration_ns, event->at_ns + 1);
	for (int i = 0; i < GC_EVENT_ARGUMENTS; i++)
		assert_int_equal(event->arguments[i], event->at_ns + 2 + (uint64_t)i);
}

static void nothing_is_done_when_off(void **state)
{
	struct gc_events off;

	(void)state;
	assert_int_equal(gc_events_init(&off, 0), 0);
	assert_null(gc_event_ring_take(&off, "mutator", 0));
	assert_null(gc_events_first(&off));
	put(NULL, 1);
	GC_INSTANT_SHARED(&off, degrade, "x", 1, 0, 0);
	gc_event_ring_give_back(&off, NULL);
	gc_events_destroy(&off);
}

static void they_come_out_in_order(void **state)
{
	struct gc_event event;

	(void)state;
	begin();
	assert_false(gc_event_ring_next(ring, &event));
	for (uint64_t i = 1; i <= 10; i++)
		put(ring, i);
	GC_INSTANT(ring, refill, 7, 0, 0, 0);
	for (uint64_t i = 1; i <= 10; i++) {
		assert_true(gc_event_ring_next(ring, &event));
		check(&event);
		assert_int_equal(event.at_ns, i);
		assert_int_equal(event.tid, gettid());
	}
	assert_true(gc_event_ring_next(ring, &event));
	assert_int_equal(event.id, GC_EVENT_refill);
	assert_int_not_equal(event.at_ns, 0); /* now */
	assert_false(gc_event_ring_next(ring, &event));
	assert_false(gc_event_ring_skip(ring));
	assert_int_equal(ring->lost, 0);
	gc_events_destroy(&events);
}

static void the_oldest_are_overwritten(void **state)
{
	struct gc_event event;
	uint64_t read = 0;

	(void)state;
	begin();
	for (uint64_t i = 1; i <= 3 * GC_EVENT_SLOTS + 5; i++)
		put(ring, i);
	while (gc_event_ring_next(ring, &event)) {
		check(&event);
		assert_int_equal(event.at_ns, 2 * GC_EVENT_SLOTS + 6 + read);
		read++;
	}
	assert_int_equal(read, GC_EVENT_SLOTS);
	assert_int_equal(ring->lost, 2 * GC_EVENT_SLOTS + 5);
	gc_events_destroy(&events);
}

static void one_that_is_being_written_is_waited_for(void **state)
{
	struct gc_event event;

	(void)state;
	begin();
	put(ring, 1);
	ring->slots[1].turn = 3; /* number 1, begun */
	ring->reserved = 2;
	put(ring, 3);
	assert_true(gc_event_ring_next(ring, &event));
	assert_false(gc_event_ring_next(ring, &event));
	assert_false(gc_event_ring_next(ring, &event));
	assert_true(gc_event_ring_skip(ring));
	assert_int_equal(ring->lost, 1);
	assert_true(gc_event_ring_next(ring, &event));
	assert_int_equal(event.at_ns, 3);
	gc_events_destroy(&events);
}

/* A put that was interrupted in slot 0 while the ring went round: whoever comes there gives way. */
static void a_slot_in_use_is_left_alone(void **state)
{
	struct gc_event event;
	uint64_t read = 0;

	(void)state;
	begin();
	ring->slots[0].turn = 1;
	ring->reserved = 1;
	for (uint64_t i = 1; i < 2 * GC_EVENT_SLOTS; i++)
		put(ring, i);
	assert_int_equal(ring->slots[0].turn, 1);
	while (gc_event_ring_next(ring, &event) || gc_event_ring_skip(ring))
		read++;
	assert_int_equal(read, GC_EVENT_SLOTS);
	assert_int_equal(ring->lost, GC_EVENT_SLOTS + 1);
	gc_events_destroy(&events);
}

/* --- beside a writer, and in a handler ---------------------------------------------------------- */

static atomic_bool done;
static volatile sig_atomic_t handled;

static void handle(int number)
{
	(void)number;
	for (int i = 0; i < 3; i++)
		put(ring, 1000000000 + (uint64_t)handled);
	handled++;
}

static void *write_many(void *argument)
{
	uint64_t count = *(const uint64_t *)argument;
	sigset_t alarm;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	for (uint64_t i = 1; i <= count; i++)
		put(ring, i);
	/* However fast this machine is, some puts shall have been interrupted. */
	for (uint64_t i = count + 1; handled < 200 && i < 2000 * count; i++)
		put(ring, i);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	atomic_store(&done, true);
	return NULL;
}

static void a_reader_and_handlers_beside_a_writer(void **state)
{
	const struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = handle, .sa_flags = SA_NODEFER}, before;
	uint64_t count = 200000, read = 0, last = 0;
	struct gc_event event;
	pthread_t writer;
	sigset_t alarm;

	(void)state;
	begin();
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	sigaction(SIGALRM, &action, &before);
	assert_int_equal(pthread_create(&writer, NULL, write_many, &count), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	while (!atomic_load(&done) || ring->read != ring->reserved) {
		if (!gc_event_ring_next(ring, &event)) {
			if (atomic_load(&done))
				gc_event_ring_skip(ring);
			continue;
		}
		check(&event);
		read++;
		if (event.at_ns < 1000000000) {
			assert_true(event.at_ns > last);
			last = event.at_ns;
		}
	}
	setitimer(ITIMER_REAL, &never, NULL);
	pthread_join(writer, NULL);
	sigaction(SIGALRM, &before, NULL);
	assert_true(handled > 0);
	assert_int_equal(read + ring->lost, ring->reserved);
	gc_events_destroy(&events);
}

static void *write_some(void *argument)
{
	for (uint64_t i = 0; i < 50000; i++)
		put(argument, 1 + i);
	return NULL;
}

static void several_threads_may_share_one(void **state)
{
	struct gc_event event;
	pthread_t writers[3];
	uint64_t read = 0;

	(void)state;
	begin();
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_some, ring), 0);
	for (int i = 0; i < 3; i++) {
		while (gc_event_ring_next(ring, &event)) {
			check(&event);
			read++;
		}
		pthread_join(writers[i], NULL);
	}
	while (gc_event_ring_next(ring, &event) || gc_event_ring_skip(ring))
		read++;
	assert_true(read + ring->lost >= 150000);
	assert_int_equal(ring->read, 150000);
	gc_events_destroy(&events);
}

static void rings_change_hands(void **state)
{
	struct gc_event_ring *other, *again;
	unsigned count = 0;
	struct gc_event event;

	(void)state;
	begin();
	other = gc_event_ring_take(&events, "mutator", 0);
	assert_ptr_not_equal(other, ring);
	put(ring, 1);
	gc_event_ring_give_back(&events, ring);
	again = gc_event_ring_take(&events, "mutator", 0);
	assert_ptr_equal(again, ring);
	put(again, 2);
	assert_true(gc_event_ring_next(ring, &event)); /* of its first owner */
	assert_true(gc_event_ring_next(ring, &event));
	for (struct gc_event_ring *r = gc_events_first(&events); r; r = r->next)
		count++;
	assert_int_equal(count, 3); /* two, and the shared one */
	GC_INSTANT_SHARED(&events, degrade, "text", 5, 0, 0);
	assert_true(gc_event_ring_next(events.shared, &event));
	assert_string_equal((const char *)(uintptr_t)event.arguments[0], "text");
	gc_events_destroy(&events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_done_when_off),
		cmocka_unit_test(they_come_out_in_order),
		cmocka_unit_test(the_oldest_are_overwritten),
		cmocka_unit_test(one_that_is_being_written_is_waited_for),
		cmocka_unit_test(a_slot_in_use_is_left_alone),
		cmocka_unit_test(a_reader_and_handlers_beside_a_writer),
		cmocka_unit_test(several_threads_may_share_one),
		cmocka_unit_test(rings_change_hands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
