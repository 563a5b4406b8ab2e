/* bench/gc_pause/work_gcbench.h: `gcbench`, after the benchmark of J. Ellis and P. Kovac, in the
 * form H. Boehm gave it: a tree stretched once, a long-lived tree and a long-lived array of
 * doubles, and trees of rising depth built both from the root down (which stores into old objects)
 * and from the leaves up.
 *
 * As in `trees`, an operation is GCBENCH_STEP_NODES nodes; the work ends with a whole tree. */
#ifndef BENCH_GC_PAUSE_WORK_GCBENCH_H
#define BENCH_GC_PAUSE_WORK_GCBENCH_H

#include "bench/gc_pause/work_thread.h"

#define GCBENCH_STEP_NODES 128
#define GCBENCH_LEAST_DEPTH 4
#define GCBENCH_ARRAY 500000

struct gcbench_node {
	struct plx_header header;
	struct gcbench_node *left;
	struct gcbench_node *right;
	int32_t i, j;
};

struct gcbench_array {
	struct plx_header header;
	double values[];
};

struct gcbench_shared {
	mem_type node_type;
	mem_type array_type;
};

struct gcbench_part {
	mem_handle tree;
	mem_handle array;
	uint64_t nodes;
	bool measuring;
	bool done;
};

static inline struct gcbench_node *gcbench_node_make(struct worker *worker, struct mem *mem)
{
	const struct gcbench_shared *shared = worker->work->shared;
	struct gcbench_part *part = worker->own;

	if (++part->nodes % GCBENCH_STEP_NODES == 0 && part->measuring &&
	    !recorder_step(worker->recorder))
		part->done = true;
	return mem_alloc(mem, shared->node_type);
}

static void gcbench_prepare(struct work *work, struct mem *mem)
{
	static const size_t links[] = {8, 16};
	struct gcbench_shared *shared = calloc(1, sizeof(*shared));

	(void)mem;
	if (shared == NULL)
		mem_die("out of memory");
	shared->node_type = mem_type_fixed(work, sizeof(struct gcbench_node), links, 2);
	shared->array_type = mem_type_bytes(work);
	work->shared = shared;
}

static struct gcbench_node *gcbench_bottom_up(struct worker *worker, struct mem *mem,
					      unsigned depth)
{
	struct gcbench_node *node;
	mem_handle left = NULL, right = NULL;
	mem_scope scope;

	mem_scope_enter(mem, &scope);
	if (depth > 0) {
		left = mem_hold(mem, gcbench_bottom_up(worker, mem, depth - 1));
		right = mem_hold(mem, gcbench_bottom_up(worker, mem, depth - 1));
	}
	node = gcbench_node_make(worker, mem);
	node->i = (int32_t)depth;
	if (depth > 0) {
		node->left = left->ref;
		node->right = right->ref;
	}
	mem_scope_exit(mem, &scope);
	return node;
}

/* Grow a tree below the node that `root` holds: every link is a store into an older object. */
static void gcbench_top_down(struct worker *worker, struct mem *mem, mem_handle root,
			     unsigned depth)
{
	struct gcbench_node *fresh, *node;
	mem_handle child;
	mem_scope scope;

	((struct gcbench_node *)root->ref)->i = (int32_t)depth;
	if (depth == 0)
		return;
	fresh = gcbench_node_make(worker, mem);
	node = root->ref;
	MEM_STORE(mem, &node->left, fresh);
	fresh = gcbench_node_make(worker, mem);
	node = root->ref;
	MEM_STORE(mem, &node->right, fresh);
	for (unsigned side = 0; side < 2; side++) {
		node = root->ref;
		mem_scope_enter(mem, &scope);
		child = mem_hold(mem, side == 0 ? node->left : node->right);
		gcbench_top_down(worker, mem, child, depth - 1);
		mem_scope_exit(mem, &scope);
	}
}

/* Count the nodes that carry the depth they were made at. No safepoint: for trees of a bounded
 * number of nodes. */
static uint64_t gcbench_count(const struct gcbench_node *node, unsigned depth)
{
	if (node->i != (int32_t)depth)
		return 0;
	if (depth == 0)
		return node->left == NULL && node->right == NULL;
	return 1 + gcbench_count(node->left, depth - 1) + gcbench_count(node->right, depth - 1);
}

static void gcbench_free(struct mem *mem, struct gcbench_node *node, unsigned depth)
{
#ifdef MEM_FREES
	if (depth > 0) {
		gcbench_free(mem, node->left, depth - 1);
		gcbench_free(mem, node->right, depth - 1);
	}
	mem_free(mem, node);
#else
	(void)mem;
	(void)node;
	(void)depth;
#endif
}

/* A tree is checked on the way to being dropped, above a depth at which that takes a while only in
 * its lower left part. */
static void gcbench_check(struct worker *worker, const struct gcbench_node *node, unsigned depth)
{
	uint64_t count;

	while (depth > 8) {
		node = node->left;
		depth--;
	}
	count = gcbench_count(node, depth);
	if (count != (UINT64_C(2) << depth) - 1)
		worker->wrong++;
	worker->checksum += random_mix(count + worker->number);
}

static void gcbench_once(struct worker *worker, struct mem *mem, unsigned depth, bool top_down)
{
	mem_handle root;
	mem_scope scope;

	mem_scope_enter(mem, &scope);
	if (top_down) {
		root = mem_hold(mem, gcbench_node_make(worker, mem));
		gcbench_top_down(worker, mem, root, depth);
	} else {
		root = mem_hold(mem, gcbench_bottom_up(worker, mem, depth));
	}
	gcbench_check(worker, root->ref, depth);
	gcbench_free(mem, root->ref, depth);
	mem_scope_exit(mem, &scope);
}

static void gcbench_setup(struct worker *worker, struct mem *mem)
{
	const struct gcbench_shared *shared = worker->work->shared;
	struct gcbench_part *part = calloc(1, sizeof(*part));
	unsigned depth = worker->work->options->depth;
	struct gcbench_array *array;

	if (part == NULL)
		mem_die("out of memory");
	worker->own = part;
	gcbench_once(worker, mem, depth + 2, false);
	part->tree = mem_root(mem, gcbench_node_make(worker, mem));
	gcbench_top_down(worker, mem, part->tree, depth);
	array = mem_alloc_array(mem, shared->array_type, GCBENCH_ARRAY * sizeof(double));
	for (uint64_t i = 0; i < GCBENCH_ARRAY; i++)
		array->values[i] = 1.0 / (double)(i + 1);
	part->array = mem_root(mem, array);
	part->measuring = true;
}

static void gcbench_operate(struct worker *worker, struct mem *mem)
{
	struct gcbench_part *part = worker->own;
	unsigned most = worker->work->options->depth;

	while (!part->done) {
		for (unsigned depth = GCBENCH_LEAST_DEPTH; depth <= most && !part->done;
		     depth += 2) {
			uint64_t times = UINT64_C(1) << (most + 2 - depth);

			for (uint64_t i = 0; i < 2 * times && !part->done; i++)
				gcbench_once(worker, mem, depth, i < times);
		}
	}
}

static void gcbench_finish(struct worker *worker, struct mem *mem)
{
	struct gcbench_part *part = worker->own;
	unsigned depth = worker->work->options->depth;
	const struct gcbench_array *array = part->array->ref;

	(void)mem;
	part->measuring = false;
	for (uint64_t i = 0; i < GCBENCH_ARRAY; i++)
		if (array->values[i] != 1.0 / (double)(i + 1))
			worker->wrong++;
	worker->live_bytes = ((UINT64_C(2) << depth) - 1) * sizeof(struct gcbench_node) +
			     GCBENCH_ARRAY * sizeof(double);
	if (gcbench_count(part->tree->ref, depth) != (UINT64_C(2) << depth) - 1)
		worker->wrong++;
}

WORK_DEFINE(gcbench, false)

#endif
