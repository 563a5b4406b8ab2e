/* bench/peers/peers.h: who takes part, and how one run of each is started. */
#ifndef BENCH_PEERS_PEERS_H
#define BENCH_PEERS_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/common/json.h"

enum peer_work { PEER_CACHE, PEER_TREES, PEER_GCBENCH, PEER_FRAGMENT, PEER_WORKS };

/* A workload with everything that all peers have to agree on. */
struct peer_task {
	enum peer_work work;
	const char *name;
	unsigned threads, depth;
	uint64_t heap_bytes, live_bytes, operations;
	unsigned rounds;
};

enum peer_kind { PEER_C, PEER_JAVA, PEER_GO, PEER_GUILE };

struct peer {
	const char *name;     /* as on the command line and in the results */
	const char *describe; /* what it is */
	enum peer_kind kind;
	const char *program; /* C: beside this program */
	const char *plan;
	const char *preload;  /* a library that replaces malloc, or NULL */
	const char *variable; /* NAME=value for its environment, or NULL */
	const char *flags;    /* Java: what chooses the collector */
};

#define PEERS_MOST 16
extern const struct peer peers_known[PEERS_MOST];
extern const unsigned peers_count;

/* Empty, or why a peer cannot take part on this machine. */
const char *peer_absent(const struct peer *peer);

/* Run a task once, in a process of its own, and read its result, which is the caller's. NULL with `why`. */
json_t *peer_run(const struct peer *peer, const struct peer_task *task, uint64_t seed,
		 char why[VALUE_WHY_BYTES]);

#endif
