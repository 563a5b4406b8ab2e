/* test/unit/test_log.c: the line per cycle, word by word; what is said on standard error at which level;
 * and the last cycles that a heap remembers. */
#include <parallax/parallax.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct plx_cycle_summary usual = {
	.number = 12,
	.cause = "pacing",
	.flip = "detach",
	.duration_ns = 48320000,
	.heap_max_bytes = UINT64_C(1) << 30,
	.used_before_bytes = UINT64_C(812) << 20,
	.used_after_bytes = UINT64_C(430) << 20,
	.live_bytes = UINT64_C(398) << 20,
	.freed_bytes = UINT64_C(382) << 20,
	.evacuated_bytes = 75654758,
	.evacuated_regions = 210,
	.target_regions = 37,
	.dirty_pages = 1204,
	.pauses = 3,
	.pause_ns = 321000,
	.pause_max_ns = 139900,
	.handshakes = 1,
	.handshake_ns = 65400,
	.handshake_max_ns = 65400,
	.stalls = 2,
	.stall_ns = 31400000,
	.paced = 14,
	.paced_ns = 9120000,
	.next_bytes = UINT64_C(760) << 20,
};

static void formats(const struct plx_cycle_summary *summary, const char *expected)
{
	char text[512];

	assert_int_equal(plx_cycle_summary_format(summary, text, sizeof(text)), strlen(expected));
	assert_string_equal(text, expected);
}

static void a_usual_cycle(void **state)
{
	(void)state;
	formats(&usual, "cycle 12 (pacing) 48.3ms | 812M -> 430M of 1.00G, live 398M | freed 382M, "
			"moved 72.1M of 210 regions into 37 (detach), 1204 dirty pages | "
			"3 pauses (max 140us, sum 321us), 1 handshake (65.4us) | "
			"2 stalls (31.4ms), 14 paced (9.12ms) | next at 760M");
}

static void nothing_moved(void **state)
{
	struct plx_cycle_summary summary = usual;

	(void)state;
	summary.evacuated_regions = 0;
	summary.flip = "none";
	summary.pauses = 0;
	summary.handshakes = 5;
	summary.handshake_ns = 99000;
	summary.stalls = summary.paced = 0;
	summary.duration_ns = 1234567890;
	summary.freed_bytes = 0;
	summary.used_before_bytes = 1023;
	summary.used_after_bytes = 1023 << 10;
	formats(&summary,
		"cycle 12 (pacing) 1.23s | 1.00K -> 1.00M of 1.00G, live 398M | freed 0, nothing "
		"moved | 0 pauses, 5 handshakes (max 65.4us, sum 99.0us) | 0 stalls, 0 paced | next "
		"at 760M");
}

static void short_buffers_are_respected(void **state)
{
	char text[20];
	size_t whole = plx_cycle_summary_format(&usual, NULL, 0);

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(plx_cycle_summary_format(&usual, text, 10), whole);
	assert_string_equal(text, "cycle 12 ");
	assert_int_equal(text[10], 'x');
}

/* --- on standard error ------------------------------------------------------------------------- */

static char said[65536];

static struct plx_heap *heap_with_log(uint64_t level)
{
	struct plx_heap_config config;
	struct plx_heap *heap;
	struct plx_error error;

	plx_config_init(&config);
	config.heap_max_bytes = 32 << 20;
	config.plan = PLX_PLAN_STW;
	config.log = level;
	config.resident_idle_ms = 0;
	if (plx_heap_create(&config, &heap, &error) != PLX_OK)
		fail_msg("%s", error.message);
	return heap;
}

/* Some garbage, then a cycle, a few times; returns the last cycle. */
static struct plx_cycle_summary churn(struct plx_heap *heap, unsigned cycles)
{
	struct plx_thread *thread;
	const struct plx_layout *bytes;
	struct plx_cycle_summary last;

	assert_int_equal(plx_thread_attach(heap, &thread, NULL), PLX_OK);
	bytes = plx_layout_bytes(heap, NULL);
	assert_non_null(plx_handle_create(thread, plx_alloc_fixed(thread, bytes, 92)));
	for (unsigned i = 0; i < cycles; i++) {
		/* Less than a sixteenth of the heap: before that pacing starts no cycle, however slow they are. */
		for (int k = 0; k < 500; k++)
			assert_non_null(plx_alloc_array(thread, bytes, 2000));
		plx_collect(thread);
	}
	assert_int_equal(plx_heap_recent_cycles(heap, &last, 1), 1);
	plx_thread_detach(thread);
	return last;
}

static struct plx_cycle_summary capture(uint64_t level)
{
	char name[] = "/tmp/test_log.XXXXXX";
	int file = mkstemp(name), before = dup(STDERR_FILENO);
	struct plx_heap *heap = heap_with_log(level);
	struct plx_cycle_summary last;
	ssize_t length;

	assert_true(file >= 0 && before >= 0);
	unlink(name);
	fflush(stderr);
	dup2(file, STDERR_FILENO);
	last = churn(heap, 3);
	plx_heap_destroy(heap);
	dup2(before, STDERR_FILENO);
	close(before);
	length = pread(file, said, sizeof(said) - 1, 0);
	assert_true(length >= 0);
	said[length] = '\0';
	close(file);
	return last;
}

static void it_says_what_the_summary_says(void **state)
{
	char line[600] = "parallax: ";
	struct plx_cycle_summary last = capture(1);
	size_t lines = 0;

	(void)state;
	plx_cycle_summary_format(&last, line + strlen(line), sizeof(line) - strlen(line));
	strcat(line, "\n");
	assert_non_null(strstr(said, line));
	for (const char *at = said; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, last.number);
	assert_null(strstr(said, "phases:"));
}

static void level_2_says_more(void **state)
{
	(void)state;
	capture(2);
	assert_non_null(strstr(said, "parallax:   phases: prepare "));
	assert_non_null(strstr(said, ", mark "));
	assert_non_null(strstr(said, "parallax:   decided: copy at most 12.8M"));
	assert_non_null(strstr(said, "parallax:   fixed: 1 objects, 104\n"));
	assert_non_null(strstr(said, "parallax:   expects: "));
	capture(0);
	assert_string_equal(said, "");
}

static void the_last_cycles_are_remembered(void **state)
{
	struct plx_heap *heap = heap_with_log(0);
	struct plx_cycle_summary recent[PLX_CYCLES_KEPT + 5];
	struct plx_stats stats;
	uint32_t count;

	(void)state;
	assert_int_equal(plx_heap_recent_cycles(heap, recent, 5), 0);
	churn(heap, PLX_CYCLES_KEPT + 3);
	count = plx_heap_recent_cycles(heap, recent, PLX_CYCLES_KEPT + 5);
	assert_int_equal(count, PLX_CYCLES_KEPT);
	plx_heap_stats(heap, &stats);
	assert_int_equal(recent[0].number, stats.cycles);
	for (uint32_t i = 0; i < count; i++) {
		const struct plx_cycle_summary *cycle = &recent[i];

		assert_int_equal(cycle->number, recent[0].number - i);
		assert_true(cycle->duration_ns > 0 && cycle->mark_ns <= cycle->duration_ns);
		assert_true(cycle->pause_max_ns <= cycle->pause_ns);
		assert_true(cycle->pause_ns <= cycle->duration_ns);
		assert_int_equal(cycle->heap_max_bytes, 32 << 20);
		assert_true(cycle->used_after_bytes < cycle->used_before_bytes);
		assert_true(cycle->freed_bytes > 0 &&
			    cycle->freed_bytes <= cycle->used_before_bytes);
		assert_true(cycle->allocated_bytes >= 500 * 2000);
		assert_string_equal(cycle->cause, "asked for");
		if (i)
			assert_true(cycle->start_ns + cycle->duration_ns <= recent[i - 1].start_ns);
	}
	plx_heap_destroy(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_usual_cycle),
		cmocka_unit_test(nothing_moved),
		cmocka_unit_test(short_buffers_are_respected),
		cmocka_unit_test(it_says_what_the_summary_says),
		cmocka_unit_test(level_2_says_more),
		cmocka_unit_test(the_last_cycles_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
