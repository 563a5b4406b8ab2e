/* test/system/signals.c: signals of the embedder's beside SIGBUS delivery: handlers of SIGBUS that come after
 * ours, masks, alternate stacks, errno, and handlers that read the heap while its pages are away, in every
 * plan and delivery. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/support/check.h"
#include "test/support/foreign.h"
#include "test/support/hold.h"
#include "test/support/inject.h"

struct node {
	struct plx_header header;
	struct node *next;
	uint64_t value;
	uint64_t filling[29];
};

#define NODES 3000

static struct plx_heap *heap;
static struct plx_thread *thread;
static struct plx_handle *list;
static const struct plx_layout *nodes;

/* False: the kernel has no such thing. */
static bool heap_open(const char *plan, const char *delivery)
{
	static const size_t offsets[] = {offsetof(struct node, next)};
	struct plx_heap_config config;

	plx_config_init(&config);
	CHECK(plx_config_from_environment(&config, NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_HEAP_MAX", "32M", NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_EVACUATE", "all", NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_WORKERS", "1", NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_CYCLE_EVERY", "1T", NULL) == PLX_OK);
	CHECK(plx_config_set(&config, "GC_PLAN", plan, NULL) == PLX_OK);
	if (delivery)
		CHECK(plx_config_set(&config, "GC_UFFD_DELIVERY", delivery, NULL) == PLX_OK);
	if (plx_heap_create(&config, &heap, NULL) != PLX_OK)
		return false;
	CHECK(plx_thread_attach(heap, &thread, NULL) == PLX_OK);
	nodes = plx_layout_fixed(heap, sizeof(struct node), offsets, 1, NULL);
	list = plx_handle_create(thread, NULL);
	return true;
}

static void heap_close(void)
{
	plx_handle_release(thread, list);
	plx_thread_detach(thread);
	CHECK(plx_heap_destroy(heap) == PLX_OK);
}

static void list_make(void)
{
	plx_handle_set(thread, list, NULL);
	for (uint64_t i = 0; i < NODES; i++) {
		struct node *node = plx_alloc(thread, nodes);

		CHECK(node != NULL);
		node->value = i;
		node->next = list->ref;
		plx_handle_set(thread, list, node);
		for (int k = 0; k < 2; k++) /* holes */
			CHECK(plx_alloc(thread, nodes) != NULL);
	}
}

/* Sum over the list; also what is right. No safepoint. */
static uint64_t list_sum(void)
{
	uint64_t sum = 0;

	for (const struct node *node = list->ref; node; node = node->next)
		sum += node->value + 1;
	return sum;
}

#define LIST_SUM ((uint64_t)NODES * (NODES + 1) / 2)

static uint64_t faults(void)
{
	struct plx_stats stats;

	plx_heap_stats(heap, &stats);
	return stats.faults;
}

/* Pages are away when `act` runs, which touches them. */
static void with_pages_away(void (*act)(void))
{
	uint64_t before = faults();

	hold_next(heap);
	hold_collect();
	CHECK(hold_wait(thread));
	act();
	hold_release(thread);
	CHECK(faults() > before);
	CHECK(list_sum() == LIST_SUM);
}

/* ---- a SIGBUS that is not ours ---- */

static volatile sig_atomic_t early_calls, late_calls;
static volatile sig_atomic_t late_mask_ok;
static struct sigaction before_late;

static void on_early(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
	early_calls++;
	siglongjmp(foreign_jump, 1);
}

/* Handles everything itself. */
static void on_late(int number, siginfo_t *info, void *context)
{
	sigset_t now;

	(void)number, (void)info, (void)context;
	late_calls++;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	late_mask_ok = sigismember(&now, SIGUSR2) == 1 && sigismember(&now, SIGUSR1) == 0;
	siglongjmp(foreign_jump, 1);
}

/* Looks, and calls the one before it: ours. */
static void on_late_chaining(int number, siginfo_t *info, void *context)
{
	late_calls++;
	before_late.sa_sigaction(number, info, context);
}

static void install(void (*handler)(int, siginfo_t *, void *), struct sigaction *before)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGUSR2);
	CHECK(sigaction(SIGBUS, &action, before) == 0);
}

static void read_list(void)
{
	volatile int *error = &errno;

	*error = 1234;
	CHECK(list_sum() == LIST_SUM);
	CHECK(*error == 1234); /* faults leave it alone */
}

static void test_later_handler(void)
{
	struct sigaction first, now;

	install(on_early, &first);
	if (!heap_open("minor", "sigbus")) {
		printf("signals: no SIGBUS delivery here\n");
		return;
	}
	list_make();
	with_pages_away(read_list);
	foreign_touch();
	CHECK(early_calls == 1 && late_calls == 0);

	install(on_late, NULL);
	with_pages_away(read_list); /* ours is in front again */
	CHECK(late_calls == 0);
	foreign_touch();
	CHECK(early_calls == 1 && late_calls == 1 && late_mask_ok);
	foreign_touch();
	CHECK(late_calls == 2);

	install(on_late_chaining, &before_late); /* before it is ours */
	with_pages_away(read_list);
	late_calls = 0;
	foreign_touch(); /* it, then ours, then on_late: not it again */
	CHECK(late_calls == 2 && early_calls == 1);
	foreign_touch(); /* after a jump out of all of them, too */
	CHECK(late_calls == 4);
	for (int i = 0; i < 100; i++) { /* those that are known already need no room */
		install(i % 2 ? on_late : on_late_chaining, NULL);
		if (i % 10 == 0)
			with_pages_away(read_list);
	}
	heap_close();
	CHECK(sigaction(SIGBUS, NULL, &now) == 0);
	CHECK(now.sa_sigaction == on_late); /* who came last has it */
	CHECK(sigaction(SIGBUS, &first, NULL) == 0);
}

/* Where SIGBUS cannot be had the flip goes without faults. */
static void test_refused(void)
{
	struct plx_stats stats;
	int rule;

	inject_install();
	if (!heap_open("minor", "sigbus"))
		return;
	list_make();
	rule = inject_arm(&(struct inject_rule){
		.entry = INJECT_sigaction, .mode = INJECT_ALWAYS, .error = EINVAL});
	plx_collect(thread);
	plx_collect(thread);
	inject_disarm(rule);
	plx_heap_stats(heap, &stats);
	CHECK(stats.flips > 0 && stats.faults == 0);
	CHECK(list_sum() == LIST_SUM);
	heap_close();
	inject_uninstall();
}

/* The default action is still the default. */
static void test_default(void)
{
	for (int sent = 0; sent < 2; sent++) {
		pid_t child = fork();
		int status = 0;

		CHECK(child >= 0);
		if (child == 0) {
			signal(SIGBUS, SIG_DFL);
			if (!heap_open("minor", "sigbus"))
				raise(SIGKILL);
			if (sent)
				raise(SIGBUS);
			else
				foreign_touch();
			_exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFSIGNALED(status) &&
		      (WTERMSIG(status) == SIGBUS || WTERMSIG(status) == SIGKILL));
	}
}

/* ---- masks ---- */

static void block_bus(void)
{
	sigset_t bus;

	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	CHECK(pthread_sigmask(SIG_BLOCK, &bus, NULL) == 0);
}

static bool bus_is_blocked(void)
{
	sigset_t now;

	CHECK(pthread_sigmask(SIG_BLOCK, NULL, &now) == 0);
	return sigismember(&now, SIGBUS) == 1;
}

/* Blocked when it attaches, and blocked again later. */
static void *masked_main(void *unused)
{
	struct plx_handle *mine;

	block_bus();
	if (!heap_open("minor", "sigbus"))
		return unused;
	CHECK(!bus_is_blocked());
	mine = list;
	list_make();
	with_pages_away(read_list);
	block_bus();
	with_pages_away(read_list);
	CHECK(list == mine);
	heap_close();
	CHECK(bus_is_blocked()); /* as it was */
	return unused;
}

static void test_masks(void)
{
	pthread_t other;

	CHECK(pthread_create(&other, NULL, masked_main, NULL) == 0);
	pthread_join(other, NULL);
}

/* ---- alternate stacks ---- */

static char small_stack[8192], own_stack[65536];

static void *stacks_main(void *unused)
{
	stack_t small = {.ss_sp = small_stack, .ss_size = sizeof(small_stack)}, now, first;
	stack_t own = {.ss_sp = own_stack, .ss_size = sizeof(own_stack)};

	CHECK(sigaltstack(&small, &first) == 0);
	if (!heap_open("minor", "sigbus"))
		return unused;
	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp != small_stack);
	list_make();
	with_pages_away(read_list);
	heap_close();
	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == small_stack); /* it has it back */

	CHECK(heap_open("minor", "sigbus"));
	CHECK(sigaltstack(&own, NULL) == 0);
	list_make();
	with_pages_away(read_list);
	heap_close();
	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == own_stack); /* not taken away */

	CHECK(heap_open("minor", "sigbus"));
	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == own_stack); /* large enough */
	list_make();
	with_pages_away(read_list);
	heap_close();
	CHECK(sigaltstack(&first, NULL) == 0); /* AddressSanitizer's, which it unmaps */
	return unused;
}

static void test_alternate_stacks(void)
{
	pthread_t other;

	CHECK(pthread_create(&other, NULL, stacks_main, NULL) == 0);
	pthread_join(other, NULL);
}

/* ---- handlers that touch the heap ---- */

static volatile sig_atomic_t alarms, reads, in_fault_free_code, storm;

/* The next, counted from the end of the one before: were it counted from the beginning, a machine on which a walk of the
 * list takes longer than that would do nothing else any more. */
static void alarm_next(void)
{
	const struct itimerval once = {{0, 0}, {0, 300}};

	CHECK(!storm || setitimer(ITIMER_REAL, &once, NULL) == 0);
}

static void on_alarm(int number)
{
	int saved = errno;

	(void)number;
	alarms++;
	if (plx_thread_is_running(thread) && in_fault_free_code) {
		CHECK(list_sum() == LIST_SUM);
		reads++;
	}
	alarm_next();
	errno = saved;
}

/* Once, while nothing has been touched yet: every page of the list is away. */
static void read_in_handler(void)
{
	sig_atomic_t before = reads;

	in_fault_free_code = 1;
	raise(SIGALRM);
	CHECK(reads == before + 1);
}

static void alarm_storm(uint64_t flips)
{
	const struct itimerval never = {{0, 0}, {0, 0}};
	struct plx_stats stats;

	storm = 1;
	alarm_next();
	do {
		for (int i = 0; i < 2000; i++) {
			in_fault_free_code = 1;
			CHECK(plx_alloc(thread, nodes) != NULL);
		}
		in_fault_free_code = 1;
		CHECK(list_sum() == LIST_SUM);
		plx_heap_stats(heap, &stats);
	} while (stats.flips < flips || reads == 0);
	storm = 0;
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

static void *collect_main(void *flips)
{
	struct plx_stats stats;

	do {
		plx_heap_collect(heap);
		plx_heap_stats(heap, &stats);
	} while (stats.flips < *(uint64_t *)flips);
	return NULL;
}

/* The handler finds pages away, interrupts faults (and what they build), allocation, and safepoints. */
static void handlers(const char *plan, const char *delivery)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
	sigset_t alarm, old;
	pthread_t other;
	uint64_t flips = 12;

	if (!heap_open(plan, delivery)) {
		printf("signals: no plan %s, delivery %s here\n", plan, delivery ? delivery : "-");
		return;
	}
	list_make();
	alarms = reads = 0;
	CHECK(sigaction(SIGALRM, &action, &before) == 0);
	if (delivery)
		with_pages_away(read_in_handler);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	CHECK(pthread_sigmask(SIG_BLOCK, &alarm, &old) == 0); /* not the other thread's */
	CHECK(pthread_create(&other, NULL, collect_main, &flips) == 0);
	CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
	alarm_storm(flips);
	plx_block_enter(thread);
	pthread_join(other, NULL);
	plx_block_exit(thread);
	CHECK(sigaction(SIGALRM, &before, NULL) == 0);
	printf("signals: %s, %s: %d alarms, %d read the heap\n", plan, delivery ? delivery : "-",
	       (int)alarms, (int)reads);
	heap_close();
}

static pthread_t interrupted_thread;
static volatile sig_atomic_t interruptions;

/* In the middle of a fault, in the copy plan with the page claimed; or of moving an extent. */
static void interrupt(void)
{
	if (pthread_equal(pthread_self(), interrupted_thread)) {
		interruptions++;
		raise(SIGALRM);
	}
}

static void read_interrupted(void)
{
	in_fault_free_code = 1;
	hold_each_call = interrupt;
	CHECK(list_sum() == LIST_SUM);
	hold_each_call = NULL;
}

/* A handler that reads the list, and so every page that is being built, must not get in between. [SG-3] */
static void interrupted_faults(const char *plan)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;

	if (!heap_open(plan, "sigbus"))
		return;
	list_make();
	interrupted_thread = pthread_self();
	interruptions = reads = 0;
	CHECK(sigaction(SIGALRM, &action, &before) == 0);
	with_pages_away(read_interrupted);
	CHECK(interruptions > 0 && reads > 0);
	CHECK(sigaction(SIGALRM, &before, NULL) == 0);
	heap_close();
}

static void test_interrupted(void)
{
	interrupted_faults("minor");
	interrupted_faults("copy");
}

static void test_handlers(void)
{
	handlers("minor", "thread");
	handlers("minor", "sigbus");
	handlers("copy", "thread");
	handlers("copy", "sigbus");
	handlers("stw", NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"default", test_default},
	{"later handler", test_later_handler},
	{"refused", test_refused},
	{"masks", test_masks},
	{"alternate stacks", test_alternate_stacks},
	{"interrupted faults", test_interrupted},
	{"handlers", test_handlers},
};

int main(int argc, char **argv)
{
#ifdef __SANITIZE_THREAD__
	return 77; /* it puts signals off to moments of its own */
#endif
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc > 1 && strcmp(argv[1], cases[i].name) != 0)
			continue;
		printf("signals: %s\n", cases[i].name);
		fflush(stdout);
		hold_install();
		cases[i].run();
		hold_uninstall();
	}
	return 0;
}
