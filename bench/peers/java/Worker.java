/* bench/peers/java/Worker.java: one thread of a run, and its clock: see bench/gc_pause/work_thread.h and
 * recorder.h, whose order of things and whose definition of an operation it keeps. */
abstract class Worker implements Runnable {
	static final int STALLS = 1 << 16;
	static final long STALL_NS = 20000;

	final Main run;
	final int number;
	final Chance chance;
	final Histogram operations = new Histogram();
	final long[] stallEnd = new long[STALLS], stallLength = new long[STALLS];
	long stallCount, lastNs, deadlineNs = Long.MAX_VALUE, target = Long.MAX_VALUE;
	long checksum, wrong, liveBytes;

	Worker(Main run, int number) {
		this.run = run;
		this.number = number;
		chance = new Chance(run.seed, number);
	}

	abstract void setup();

	abstract void operate();

	abstract void finish();

	/* An operation ends here. False when the run is to end. */
	final boolean step() {
		long now = System.nanoTime(), length = now - lastNs;

		lastNs = now;
		operations.record(length);
		if (length >= STALL_NS) {
			int at = (int) (stallCount++ & (STALLS - 1));
			stallEnd[at] = now;
			stallLength[at] = length;
		}
		return operations.count < target && now - deadlineNs < 0;
	}

	final void resume() {
		lastNs = System.nanoTime();
	}

	final boolean more() {
		return operations.count < target && lastNs - deadlineNs < 0;
	}

	/* `call` by thread 0 while all others wait. */
	final void alone(Runnable call) {
		run.await();
		if (number == 0)
			call.run();
		run.await();
	}

	@Override
	public void run() {
		try {
			setup();
			alone(run::onReady);
			if (run.operations == 0)
				deadlineNs = System.nanoTime() + (long) (run.seconds * 1e9);
			else
				target = Main.part(run.operations, run.threads, number + 1)
					- Main.part(run.operations, run.threads, number);
			resume();
			if (target > 0)
				operate();
			alone(run::onDone);
			finish();
		} catch (OutOfMemoryError error) {
			Main.die("out of memory: raise --heap or lower --live");
		}
	}

	private long lostBefore(long[] start, long[] end, long[] before, int count, long at) {
		int low = 0, high = count;

		while (low < high) {
			int middle = (low + high) >>> 1;

			if (start[middle] < at)
				low = middle + 1;
			else
				high = middle;
		}
		return low == 0 ? 0 : before[low - 1] + Math.min(at, end[low - 1]) - start[low - 1];
	}

	/* See recorder_utilisation. */
	final double utilisation(long windowNs) {
		long median = operations.quantile(0.5), threshold = Math.max(STALL_NS, 10 * median);
		int kept = (int) Math.min(stallCount, STALLS), count = 0;
		long[] start = new long[kept], end = new long[kept], before = new long[kept];
		long lost = 0, worst = 0;

		for (long i = stallCount - kept; i < stallCount; i++) {
			int at = (int) (i & (STALLS - 1));

			if (stallLength[at] <= threshold)
				continue;
			start[count] = stallEnd[at] - stallLength[at] + median;
			end[count] = stallEnd[at];
			before[count] = lost;
			lost += end[count] - start[count];
			count++;
		}
		for (int i = 0; i < count; i++) {
			worst = Math.max(worst, lostBefore(start, end, before, count, start[i] + windowNs)
				- lostBefore(start, end, before, count, start[i]));
			worst = Math.max(worst, lostBefore(start, end, before, count, end[i])
				- lostBefore(start, end, before, count, end[i] - windowNs));
		}
		return 1.0 - (double) worst / windowNs;
	}
}
