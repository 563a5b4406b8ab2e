/* bench/peers/java/Chance.java: splitmix64, as in bench/common/random.h: the same seed and stream give
 * the same numbers, so checksums can be compared with the C programs'. */
final class Chance {
	private long state;

	Chance(long seed, long stream) {
		state = mix(seed) ^ mix(~stream);
	}

	static long mix(long value) {
		value = (value ^ (value >>> 30)) * 0xbf58476d1ce4e5b9L;
		value = (value ^ (value >>> 27)) * 0x94d049bb133111ebL;
		return value ^ (value >>> 31);
	}

	long next() {
		state += 0x9e3779b97f4a7c15L;
		return mix(state);
	}

	/* Uniform below `limit`, which is below 2^31. */
	int below(long limit) {
		return (int) ((next() >>> 32) * limit >>> 32);
	}

	/* True with probability threshold / 2^32. */
	boolean chance(long threshold) {
		return next() >>> 32 < threshold;
	}

	/* Remainder of a number without sign, for a small positive divisor. */
	static long remainder(long value, long divisor) {
		long quotient = (value >>> 1) / divisor << 1;
		long rest = value - quotient * divisor;

		return rest >= divisor ? rest - divisor : rest;
	}
}
