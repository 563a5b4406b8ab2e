/* examples/threads.c: several mutator threads, polls, and blocking regions. Each worker leaves a
 * result in one shared table; the main thread waits for them outside of the heap. */
#include <parallax/parallax.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define WORKERS 4
#define LENGTH 20000

static struct plx_heap *heap;
static const struct plx_layout *table_layout, *text_layout;
static struct plx_handle *table; /* an array of references, one slot for each worker */

struct references {
	struct plx_header header;
	void *slots[];
};

/* Anything that may block happens between enter and exit: no cycle waits for this thread then, and
 * it must not touch the heap. */
static void wait_a_little(struct plx_thread *thread)
{
	struct timespec ms = {.tv_nsec = 1000000};

	plx_block_enter(thread);
	nanosleep(&ms, NULL);
	plx_block_exit(thread);
}

static void *work(void *argument)
{
	size_t slot = (size_t)argument;
	struct plx_thread *thread;

	if (plx_thread_attach(heap, &thread, NULL) != PLX_OK)
		return NULL;
	for (unsigned i = 1; i <= LENGTH; i++) {
		void *text = plx_alloc_array(thread, text_layout, i % 100 + slot);

		if (!text)
			break;
		/* Other threads read the table: the barrier's store publishes a complete object. */
		plx_store(thread, &((struct references *)table->ref)->slots[slot], text);
		plx_poll(thread); /* a loop that does not allocate needs this */
		if (i % (LENGTH / 4) == 0)
			wait_a_little(thread);
	}
	plx_thread_detach(thread); /* every attached thread must, before the heap can go */
	return NULL;
}

static int run(struct plx_thread *thread)
{
	pthread_t workers[WORKERS];
	uint64_t total = 0;

	for (size_t i = 0; i < WORKERS; i++)
		if (pthread_create(&workers[i], NULL, work, (void *)i) != 0)
			return 1;
	plx_block_enter(thread); /* pthread_join blocks */
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	plx_block_exit(thread);
	plx_collect(thread);
	for (size_t i = 0; i < WORKERS; i++)
		total += plx_object_length(((struct references *)table->ref)->slots[i]);
	printf("%d workers, last lengths add up to %lu\n", WORKERS, (unsigned long)total);
	return total != 0 + 1 + 2 + 3; /* LENGTH % 100 is 0 */
}

int main(void)
{
	struct plx_error error = {0};
	struct plx_thread *thread;
	int failed = 1;

	if (plx_heap_create(NULL, &heap, &error) != PLX_OK ||
	    plx_thread_attach(heap, &thread, &error) != PLX_OK) {
		fprintf(stderr, "threads: %s\n", error.message);
		return 1;
	}
	table_layout = plx_layout_references(heap, &error);
	text_layout = plx_layout_bytes(heap, &error);
	if (table_layout && text_layout) {
		table = plx_handle_create(thread, plx_alloc_array(thread, table_layout, WORKERS));
		failed = run(thread);
	}
	plx_thread_detach(thread);
	return plx_heap_destroy(heap) != PLX_OK || failed;
}
