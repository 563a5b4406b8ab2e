/* bench/gc_pause/work_trees.h: `trees`, short-lived binary trees beside a long-lived one.
 *
 * Each thread holds a tree of its share of --live and builds, walks and drops smaller ones, of
 * depth 4, 6, ... up to --depth, each depth making about as many nodes as any other. Since trees
 * differ in size a thousandfold, an operation is TREES_STEP_NODES nodes made or walked: equal
 * work, so that a long operation is a stall and nothing else. */
#ifndef BENCH_GC_PAUSE_WORK_TREES_H
#define BENCH_GC_PAUSE_WORK_TREES_H

#include "bench/gc_pause/work_thread.h"

#define TREES_STEP_NODES 128
#define TREES_LEAST_DEPTH 4

struct tree_node {
	struct plx_header header;
	struct tree_node *left;
	struct tree_node *right;
};

struct trees_part {
	mem_handle long_lived;
	unsigned long_lived_depth;
	uint64_t nodes; /* made or walked */
	bool measuring;
	bool done;
};

/* One node made or walked. */
static inline void trees_node(struct worker *worker)
{
	struct trees_part *part = worker->own;

	if (++part->nodes % TREES_STEP_NODES == 0 && part->measuring &&
	    !recorder_step(worker->recorder))
		part->done = true;
}

static void trees_prepare(struct work *work, struct mem *mem)
{
	static const size_t links[] = {8, 16};

	(void)mem;
	/* The type alone is shared. */
	work->shared = (void *)(uintptr_t)mem_type_fixed(work, sizeof(struct tree_node), links, 2);
}

static struct tree_node *trees_build(struct worker *worker, struct mem *mem, unsigned depth)
{
	struct tree_node *node;
	mem_handle left = NULL, right = NULL;
	mem_scope scope;

	mem_scope_enter(mem, &scope);
	if (depth > 0) {
		left = mem_hold(mem, trees_build(worker, mem, depth - 1));
		right = mem_hold(mem, trees_build(worker, mem, depth - 1));
	}
	node = mem_alloc(mem, (mem_type)worker->work->shared);
	if (depth > 0) {
		node->left = left->ref;
		node->right = right->ref;
	}
	mem_scope_exit(mem, &scope);
	trees_node(worker);
	return node;
}

/* Number of nodes. Polls, so the tree is held by handles on the way down. */
static uint64_t trees_count(struct worker *worker, struct mem *mem, struct tree_node *node)
{
	mem_handle held;
	mem_scope scope;
	uint64_t count = 1;

	trees_node(worker);
	if (node->left == NULL)
		return count;
	mem_scope_enter(mem, &scope);
	held = mem_hold(mem, node);
	mem_poll(mem);
	count += trees_count(worker, mem, ((struct tree_node *)held->ref)->left);
	count += trees_count(worker, mem, ((struct tree_node *)held->ref)->right);
	mem_scope_exit(mem, &scope);
	return count;
}

/* Give a whole tree back; nothing to do where memory is collected. */
static void trees_free(struct mem *mem, struct tree_node *node, unsigned depth)
{
#ifdef MEM_FREES
	if (depth > 0) {
		trees_free(mem, node->left, depth - 1);
		trees_free(mem, node->right, depth - 1);
	}
	mem_free(mem, node);
#else
	(void)mem;
	(void)node;
	(void)depth;
#endif
}

static void trees_setup(struct worker *worker, struct mem *mem)
{
	struct trees_part *part = calloc(1, sizeof(*part));
	uint64_t share_bytes = worker->work->options->live_bytes / worker->work->threads;

	if (part == NULL)
		mem_die("out of memory");
	worker->own = part;
	while (part->long_lived_depth < 30 &&
	       (UINT64_C(4) << part->long_lived_depth) * sizeof(struct tree_node) <= share_bytes)
		part->long_lived_depth++;
	part->long_lived = mem_root(mem, trees_build(worker, mem, part->long_lived_depth));
	part->measuring = true;
}

/* Build, check and drop one tree. */
static void trees_once(struct worker *worker, struct mem *mem, unsigned depth)
{
	struct tree_node *tree;
	mem_handle held;
	mem_scope scope;
	uint64_t count;

	mem_scope_enter(mem, &scope);
	tree = trees_build(worker, mem, depth);
	held = mem_hold(mem, tree);
	count = trees_count(worker, mem, tree);
	if (count != (UINT64_C(2) << depth) - 1)
		worker->wrong++;
	worker->checksum += random_mix(count + worker->number);
	trees_free(mem, held->ref, depth);
	mem_scope_exit(mem, &scope);
}

/* The work ends with a whole tree, so that it is the same however long each step took. */
static void trees_operate(struct worker *worker, struct mem *mem)
{
	struct trees_part *part = worker->own;
	unsigned most = worker->work->options->depth;

	while (!part->done) {
		for (unsigned depth = TREES_LEAST_DEPTH; depth <= most && !part->done; depth += 2) {
			uint64_t times = UINT64_C(1) << (most - depth);

			for (uint64_t i = 0; i < times && !part->done; i++)
				trees_once(worker, mem, depth);
		}
	}
}

static void trees_finish(struct worker *worker, struct mem *mem)
{
	struct trees_part *part = worker->own;
	uint64_t count;

	part->measuring = false;
	count = trees_count(worker, mem, part->long_lived->ref);
	if (count != (UINT64_C(2) << part->long_lived_depth) - 1)
		worker->wrong++;
	worker->checksum += random_mix(count);
	worker->live_bytes = count * sizeof(struct tree_node);
}

WORK_DEFINE(trees, false)

#endif
