/* bench/peers/java/Histogram.java: the buckets of parallax/histogram.h, so that quantiles of all peers
 * have the same precision. */
final class Histogram {
	static final int SUB_BITS = 10, SUB = 1 << SUB_BITS, VALUE_BITS = 42;
	static final int BUCKETS = (VALUE_BITS - SUB_BITS + 1) * SUB;

	final long[] buckets = new long[BUCKETS];
	long count, max;

	static int index(long value) {
		if (value >= 1L << VALUE_BITS)
			value = (1L << VALUE_BITS) - 1;
		if (value < 2 * SUB)
			return value < 0 ? 0 : (int) value;
		int shift = 63 - Long.numberOfLeadingZeros(value) - SUB_BITS;
		return (shift << SUB_BITS) + (int) (value >> shift);
	}

	/* The largest value that falls into a bucket. */
	static long bucketValue(int index) {
		if (index < 2 * SUB)
			return index;
		int shift = (index >> SUB_BITS) - 1;
		return ((index - ((long) shift << SUB_BITS) + 1) << shift) - 1;
	}

	void record(long value) {
		buckets[index(value)]++;
		count++;
		if (value > max)
			max = value;
	}

	void merge(Histogram from) {
		for (int i = 0; i < BUCKETS; i++)
			buckets[i] += from.buckets[i];
		count += from.count;
		max = Math.max(max, from.max);
	}

	/* See recorder_arrival in bench/gc_pause/recorder.c. */
	Histogram arrival() {
		Histogram arrival = new Histogram();
		long longer = 0;

		for (int i = BUCKETS; i-- > 0;) {
			long width = i == 0 ? 1 : bucketValue(i) - bucketValue(i - 1);

			arrival.buckets[i] = longer * width + buckets[i] * width / 2;
			longer += buckets[i];
		}
		arrival.count = count;
		arrival.max = max;
		return arrival;
	}

	long quantile(double fraction) {
		long total = 0, seen = 0;

		for (long bucket : buckets)
			total += bucket;
		if (total == 0)
			return 0;
		long wanted = Math.max(1, (long) (fraction * total));
		for (int i = 0; i < BUCKETS; i++) {
			seen += buckets[i];
			if (seen >= wanted)
				return Math.min(bucketValue(i), max);
		}
		return max;
	}

	String json(String name) {
		return String.format(
			"\"%s\":{\"count\":%d,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,"
			+ "\"p9999\":%.3f,\"max\":%.3f}",
			name, count, quantile(0.5) / 1e3, quantile(0.9) / 1e3, quantile(0.99) / 1e3,
			quantile(0.999) / 1e3, quantile(0.9999) / 1e3, max / 1e3);
	}
}
