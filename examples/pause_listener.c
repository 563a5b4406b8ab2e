/* examples/pause_listener.c: a listener that keeps a histogram of pauses. Its functions run on the
 * collector's thread, so what they write is read when that thread is done: after the removal. */
#include <parallax/parallax.h>
#include <stdio.h>
#include <stdlib.h>

struct pauses {
	struct plx_histogram histogram; /* nanoseconds */
	unsigned long cycles, flips;
};

static void on_pause(void *context, const struct plx_pause *pause)
{
	struct pauses *pauses = context;

	plx_histogram_record(&pauses->histogram, pause->duration_ns);
}

static void on_flip(void *context, const struct plx_flip *flip)
{
	struct pauses *pauses = context;

	(void)flip;
	pauses->flips++;
}

static void on_cycle_end(void *context, const struct plx_cycle_summary *summary)
{
	struct pauses *pauses = context;
	char line[512];

	pauses->cycles++;
	plx_cycle_summary_format(summary, line, sizeof(line));
	printf("%s\n", line); /* a VM would write to its own log */
}

static void pauses_print(const struct pauses *pauses)
{
	printf("%lu cycles, %lu flips, %lu pauses: p50 %.1f us, p99 %.1f us, longest %.1f us\n",
	       pauses->cycles, pauses->flips, (unsigned long)pauses->histogram.count,
	       (double)plx_histogram_quantile(&pauses->histogram, 0.5) / 1e3,
	       (double)plx_histogram_quantile(&pauses->histogram, 0.99) / 1e3,
	       (double)pauses->histogram.max / 1e3);
}

/* One object in a hundred stays: so there is something to compact, and addresses change in a pause. */
static void work(struct plx_thread *thread, const struct plx_layout *bytes)
{
	for (int i = 0; i < 100000; i++) {
		void *object = plx_alloc_array(thread, bytes, 100);

		if (i % 100 == 0)
			plx_handle_create(thread, object);
	}
	plx_collect(thread);
	plx_collect(thread);
}

int main(void)
{
	struct pauses *pauses = calloc(1, sizeof(*pauses)); /* large: not for the stack */
	struct plx_listener listener = {
		.context = pauses, .pause = on_pause, .flip = on_flip, .cycle_end = on_cycle_end};
	const struct plx_layout *bytes;
	struct plx_error error = {0};
	struct plx_thread *thread;
	struct plx_heap *heap;

	if (!pauses || plx_heap_create(NULL, &heap, &error) != PLX_OK ||
	    plx_heap_listener_add(heap, &listener) != PLX_OK ||
	    plx_thread_attach(heap, &thread, &error) != PLX_OK) {
		fprintf(stderr, "pause_listener: %s\n", error.message);
		return 1;
	}
	bytes = plx_layout_bytes(heap, &error);
	if (bytes)
		work(thread, bytes);
	plx_thread_detach(thread);
	plx_heap_listener_remove(heap, &listener);
	pauses_print(pauses);
	bytes = pauses->cycles ? bytes : NULL;
	free(pauses);
	return plx_heap_destroy(heap) != PLX_OK || !bytes;
}
