/* bench/peers/java/GcBench.java: `gcbench`, as bench/gc_pause/work_gcbench.h. */
final class GcBench extends Worker {
	static final int ARRAY = 500000;

	static final class Node {
		Node left, right;
		int i, j;
	}

	private Node tree;
	private double[] array;
	private long nodes;
	private boolean measuring, done;

	GcBench(Main run, int number) {
		super(run, number);
	}

	private Node make() {
		if (++nodes % 128 == 0 && measuring && !step())
			done = true;
		return new Node();
	}

	private Node bottomUp(int depth) {
		Node left = null, right = null;

		if (depth > 0) {
			left = bottomUp(depth - 1);
			right = bottomUp(depth - 1);
		}
		Node node = make();
		node.i = depth;
		node.left = left;
		node.right = right;
		return node;
	}

	private void topDown(Node root, int depth) {
		root.i = depth;
		if (depth == 0)
			return;
		root.left = make();
		root.right = make();
		topDown(root.left, depth - 1);
		topDown(root.right, depth - 1);
	}

	private static long count(Node node, int depth) {
		if (node.i != depth)
			return 0;
		if (depth == 0)
			return node.left == null && node.right == null ? 1 : 0;
		return 1 + count(node.left, depth - 1) + count(node.right, depth - 1);
	}

	private void once(int depth, boolean topDown) {
		Node root;

		if (topDown) {
			root = make();
			topDown(root, depth);
		} else {
			root = bottomUp(depth);
		}
		while (depth > 8) {
			root = root.left;
			depth--;
		}
		long count = count(root, depth);

		if (count != (2L << depth) - 1)
			wrong++;
		checksum += Chance.mix(count + number);
	}

	@Override
	void setup() {
		once(run.depth + 2, false);
		tree = make();
		topDown(tree, run.depth);
		array = new double[ARRAY];
		for (int i = 0; i < ARRAY; i++)
			array[i] = 1.0 / (i + 1);
		measuring = true;
	}

	@Override
	void operate() {
		while (!done)
			for (int depth = 4; depth <= run.depth && !done; depth += 2) {
				long times = 1L << (run.depth + 2 - depth);

				for (long i = 0; i < 2 * times && !done; i++)
					once(depth, i < times);
			}
	}

	@Override
	void finish() {
		measuring = false;
		for (int i = 0; i < ARRAY; i++)
			if (array[i] != 1.0 / (i + 1))
				wrong++;
		liveBytes = ((2L << run.depth) - 1) * 32 + ARRAY * 8L;
		if (count(tree, run.depth) != (2L << run.depth) - 1)
			wrong++;
	}
}
