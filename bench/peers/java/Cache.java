/* bench/peers/java/Cache.java: `cache`, as bench/gc_pause/work_cache.h. An entry's payload is an array of
 * its own, for Java has no object with two references and a tail of numbers: one object more per entry. */
final class Cache extends Worker {
	static final class Entry {
		Entry link0, link1;
		long[] payload;
	}

	static final class Temporary {
		Temporary next;
		long value;
	}

	static final class Shared {
		final Entry[] table;

		Shared(Main run) {
			table = new Entry[(int) (run.live / (24 + 8 + (16 + 256) / 2))];
		}
	}

	private final Entry[] table;
	private final int begin, count, step0, step1;

	Cache(Main run, int number, Shared shared) {
		super(run, number);
		table = shared.table;
		begin = (int) Main.part(table.length, run.threads, number);
		count = (int) Main.part(table.length, run.threads, number + 1) - begin;
		step0 = 1 + chance.below(count - 1);
		step1 = 1 + chance.below(count - 1);
	}

	private static Entry make(long slot, long seed) {
		int words = 2 + (int) Chance.remainder(seed, 31);
		Entry entry = new Entry();
		long[] payload = new long[words];

		payload[0] = slot;
		payload[1] = seed;
		for (int i = 2; i < words; i++)
			payload[i] = Chance.mix(seed + i);
		entry.payload = payload;
		return entry;
	}

	private int wrap(int index) {
		return index < count ? index : index - count;
	}

	@Override
	void setup() {
		for (int i = 0; i < count; i++)
			table[begin + i] = make(begin + i, chance.next());
		for (int i = 0; i < count; i++) {
			table[begin + i].link0 = table[begin + wrap(i + step0)];
			table[begin + i].link1 = table[begin + wrap(i + step1)];
		}
	}

	private long temporaries() {
		Temporary last = null;
		long seed = 0;

		for (int i = 0; i < 3; i++) {
			Temporary temporary = new Temporary();

			temporary.next = last;
			temporary.value = chance.next();
			last = temporary;
		}
		for (Temporary at = last; at != null; at = at.next)
			seed = Chance.mix(seed ^ at.value);
		return seed;
	}

	private void replace(int index) {
		long seed = temporaries();
		Entry fresh = make(begin + index, seed), old = table[begin + index];

		checksum += seed ^ old.payload[1];
		fresh.link0 = table[begin + wrap(index + step0)];
		fresh.link1 = table[begin + wrap(index + step1)];
		table[begin + wrap(index + count - step0)].link0 = fresh;
		table[begin + wrap(index + count - step1)].link1 = fresh;
		table[begin + index] = fresh;
	}

	private void chase(int index) {
		Entry entry = table[begin + index];
		long sum = 0;

		for (int i = 0; i < 4; i++) {
			boolean second = (entry.payload[1] >>> i & 1) != 0;
			long own = 0;

			for (long word : entry.payload)
				own += word;
			sum = sum * 31 + own;
			index = wrap(index + (second ? step1 : step0));
			entry = second ? entry.link1 : entry.link0;
			if (entry.payload[0] != begin + index) {
				wrong++;
				return;
			}
		}
		checksum += sum;
	}

	@Override
	void operate() {
		long threshold = (long) (run.updateRatio * 4294967296.0);

		do {
			int index = chance.below(count);

			if (chance.chance(threshold))
				replace(index);
			else
				chase(index);
		} while (step());
	}

	@Override
	void finish() {
		for (int i = 0; i < count; i++) {
			Entry entry = table[begin + i];

			liveBytes += 24 + entry.payload.length * 8L + 8;
			if (entry.payload[0] != begin + i)
				wrong++;
			for (int w = 2; w < entry.payload.length; w++)
				if (entry.payload[w] != Chance.mix(entry.payload[1] + w))
					wrong++;
			if (entry.link0 != table[begin + wrap(i + step0)]
				|| entry.link1 != table[begin + wrap(i + step1)])
				wrong++;
			checksum += Chance.mix(entry.payload[1] + i);
		}
	}
}
