/* test/support/hostile.c: see hostile.h. */
#include "test/support/hostile.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/support/shadow.h"

#define WAIT_STEP_US 500

int hostile_main(const struct hostile_case *cases, size_t count, int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < count; i++) {
		int status;

		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		status = cases[i].run();
		printf("%s: %s\n", cases[i].name,
		       status == 0    ? "passed"
		       : status == 77 ? "skipped"
				      : "failed");
		return status;
	}
	fprintf(stderr, "usage: %s CASE, one of:", argv[0]);
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, " %s", cases[i].name);
	fprintf(stderr, "\n");
	return 2;
}

pid_t hostile_child(int (*body)(void *context), void *context)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	HOSTILE_CHECK(child >= 0);
	if (child == 0)
		exit(body(context));
	return child;
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int hostile_wait(pid_t child, unsigned seconds)
{
	uint64_t steps = (uint64_t)seconds * 1000000 / WAIT_STEP_US;
	int status = 0;

	for (uint64_t i = 0; i < steps; i++) {
		pid_t ended = waitpid(child, &status, WNOHANG);

		if (ended == child)
			return status_of(status);
		HOSTILE_CHECK(ended == 0 || errno == EINTR);
		usleep(WAIT_STEP_US);
	}
	fprintf(stderr, "child %d did not end in %u s\n", (int)child, seconds);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return status_of(status);
}

int hostile_in_child(int (*body)(void *context), void *context, unsigned seconds)
{
	return hostile_wait(hostile_child(body, context), seconds);
}

bool hostile_has_ended(pid_t child)
{
	siginfo_t info = {.si_pid = 0};

	usleep(WAIT_STEP_US);
	return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == child;
}

static void config_set(struct plx_heap_config *config, const char *name, const char *value)
{
	if (value != NULL)
		HOSTILE_CHECK(plx_config_set(config, name, value, NULL) == PLX_OK);
}

struct plx_heap *hostile_heap(const char *plan, const char *delivery, const char *heap_max,
			      struct plx_error *error)
{
	struct plx_heap_config config;
	struct plx_heap *heap = NULL;

	plx_config_init(&config);
	HOSTILE_CHECK(plx_config_from_environment(&config, error) == PLX_OK);
	config_set(&config, "GC_HEAP_MAX", heap_max);
	config_set(&config, "GC_PLAN", plan);
	config_set(&config, "GC_UFFD_DELIVERY", delivery);
	if (plx_heap_create(&config, &heap, error) != PLX_OK)
		fprintf(stderr, "no heap: %s\n", error->message);
	return heap;
}

void hostile_session(struct plx_heap *heap, uint64_t cycles)
{
	struct shadow_options options;
	struct shadow_tally tally;

	shadow_options_init(&options);
	options.cycles = cycles;
	options.objects = 3000;
	options.large = false;
	shadow_run(heap, &options, &tally);
	HOSTILE_CHECK(tally.cycles >= cycles);
}

int hostile_life(const char *plan, const char *delivery, uint64_t cycles)
{
	struct plx_error error = {0};
	struct plx_heap *heap = hostile_heap(plan, delivery, "16M", &error);

	if (heap == NULL)
		return error.status == PLX_ERROR_CAPABILITY ? 77 : 1;
	hostile_session(heap, cycles);
	return plx_heap_destroy(heap) == PLX_OK ? 0 : 1;
}

/* ---- a list ---- */

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
	char filler[1000];
};

void hostile_list_open(struct hostile_list *list, struct plx_heap *heap)
{
	static const size_t offsets[] = {offsetof(struct node, next)};

	*list = (struct hostile_list){.count = 0};
	HOSTILE_CHECK(plx_thread_attach(heap, &list->thread, NULL) == PLX_OK);
	list->layout = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	list->head = plx_handle_create(list->thread, NULL);
	HOSTILE_CHECK(list->layout != NULL && list->head != NULL);
}

uint64_t hostile_list_fill(struct hostile_list *list, uint64_t most)
{
	while (list->count < most) {
		struct node *node = plx_alloc(list->thread, list->layout);

		if (node == NULL)
			break;
		node->value = list->count++;
		memset(node->filler, (int)(node->value & 0xff), sizeof(node->filler));
		node->next = list->head->ref;
		plx_handle_set(list->thread, list->head, node);
	}
	return list->count;
}

void hostile_list_check(const struct hostile_list *list)
{
	const struct node *node = list->head->ref;

	for (uint64_t left = list->count; left-- > 0; node = node->next) {
		HOSTILE_CHECK(node != NULL && node->value == left);
		HOSTILE_CHECK(node->filler[0] == (char)left && node->filler[999] == (char)left);
	}
	HOSTILE_CHECK(node == NULL);
}

void hostile_list_close(struct hostile_list *list)
{
	plx_handle_release(list->thread, list->head);
	plx_thread_detach(list->thread);
}
