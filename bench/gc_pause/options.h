/* bench/gc_pause/options.h: the command line. */
#ifndef BENCH_GC_PAUSE_OPTIONS_H
#define BENCH_GC_PAUSE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Programs of examples/lisp/programs that are workloads, each called lisp:NAME. Those that look at the whole
 * process (symbols, guardians, foreign) are not, for several threads run a program at once. */
#define RUN_LISP_PROGRAMS(X) \
	X(boyer)             \
	X(deep)              \
	X(deriv)             \
	X(destruct)          \
	X(earley)            \
	X(gcbench)           \
	X(hash)              \
	X(puzzle)            \
	X(queens)            \
	X(shallow)           \
	X(strings)           \
	X(tak)               \
	X(threads)           \
	X(vectors)

#define RUN_LISP_ENUM(name) RUN_LISP_##name,

enum run_workload {
	RUN_CACHE,
	RUN_TREES,
	RUN_GCBENCH,
	RUN_INDEX,
	RUN_FRAGMENT,
	RUN_OWN, /* how many of them are written for this program; the rest are Lisp */
	RUN_BEFORE_LISP = RUN_OWN - 1,
	RUN_LISP_PROGRAMS(RUN_LISP_ENUM) RUN_WORKLOADS
};
enum run_plan { RUN_MINOR, RUN_COPY, RUN_STW, RUN_NONE, RUN_PLANS };
enum run_delivery { RUN_THREAD, RUN_SIGBUS, RUN_NO_DELIVERY, RUN_DELIVERIES };

/* A zero in threads, heap_bytes, live_bytes or update_threshold means the workload's default,
 * which options_for_workload fills in. Sets are bit masks of the enumerations above. */
struct options {
	unsigned workloads;
	unsigned plans;
	unsigned deliveries;
	bool plans_given; /* then a plan the kernel cannot do is an error */
	bool deliveries_given;
	unsigned threads;
	uint64_t heap_bytes;
	uint64_t live_bytes;
	bool update_ratio_given;
	double update_ratio;
	double seconds;
	uint64_t operations; /* of the whole run; 0: run for `seconds` */
	uint64_t cycles;     /* to ask for, and wait for, during the run */
	uint64_t seed;
	unsigned rounds; /* how often each run is made, all plans in turn */
	unsigned depth;
	uint64_t handles;     /* more roots, over all threads */
	uint64_t range_slots; /* and slots of a root range */
	bool sweep;
	bool quick; /* of the sweep */
	const char *directory;
	const char *json_path;
	const char *heap_map_path;
	bool quiet;
	bool bare;
	bool help;
	int result_fd; /* in a child: where its result goes; else -1 */
};

/* False after a message on standard error. */
bool options_parse(struct options *options, int argc, char **argv);
void options_print_help(void);

/* A copy of `options` with the defaults of one workload. */
struct options options_for_workload(const struct options *options, enum run_workload workload);

const char *run_workload_name(enum run_workload workload);

static inline bool run_is_lisp(enum run_workload workload)
{
	return workload >= RUN_OWN;
}
const char *run_plan_name(enum run_plan plan);
const char *run_delivery_name(enum run_delivery delivery); /* "" if there is none */

#endif
