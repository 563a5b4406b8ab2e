/* bench/peers/java/Trees.java: `trees`, as bench/gc_pause/work_trees.h. */
final class Trees extends Worker {
	static final class Node {
		final Node left, right;

		Node(Node left, Node right) {
			this.left = left;
			this.right = right;
		}
	}

	private Node longLived;
	private int longLivedDepth;
	private long nodes;
	private boolean measuring, done;

	Trees(Main run, int number) {
		super(run, number);
	}

	private void node() {
		if (++nodes % 128 == 0 && measuring && !step())
			done = true;
	}

	private Node build(int depth) {
		Node made;

		if (depth > 0) {
			Node left = build(depth - 1);
			made = new Node(left, build(depth - 1));
		} else {
			made = new Node(null, null);
		}
		node();
		return made;
	}

	private long count(Node at) {
		node();
		return at.left == null ? 1 : 1 + count(at.left) + count(at.right);
	}

	@Override
	void setup() {
		while (longLivedDepth < 30 && (4L << longLivedDepth) * 24 <= run.live / run.threads)
			longLivedDepth++;
		longLived = build(longLivedDepth);
		measuring = true;
	}

	private void once(int depth) {
		long count = count(build(depth));

		if (count != (2L << depth) - 1)
			wrong++;
		checksum += Chance.mix(count + number);
	}

	@Override
	void operate() {
		while (!done)
			for (int depth = 4; depth <= run.depth && !done; depth += 2)
				for (long i = 0; i < 1L << (run.depth - depth) && !done; i++)
					once(depth);
	}

	@Override
	void finish() {
		measuring = false;
		long count = count(longLived);

		if (count != (2L << longLivedDepth) - 1)
			wrong++;
		checksum += Chance.mix(count);
		liveBytes = count * 24;
	}
}
