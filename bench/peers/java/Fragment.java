/* bench/peers/java/Fragment.java: `fragment`, as bench/gc_pause/work_fragment.h; the words of an object
 * are an array of its own. */
final class Fragment extends Worker {
	static final class Item {
		Item link;
		long[] words;
	}

	private Item[] table;

	Fragment(Main run, int number) {
		super(run, number);
	}

	@Override
	void setup() {
		table = new Item[(int) (run.live / run.threads / (16 + 8 + 32 * 8))];
	}

	private static long bytes(Item item) {
		return 16 + item.words.length * 8L;
	}

	private long make(int slot, int words) {
		Item item = new Item();
		long[] array = new long[words];
		long seed = chance.next();

		for (int w = 0; w < words; w++)
			array[w] = w == 0 ? seed : Chance.mix(seed + w);
		item.words = array;
		item.link = item;
		table[slot] = item;
		step();
		return bytes(item);
	}

	private void round() {
		long full = 0, held;

		for (int i = 0; i < table.length; i++) {
			table[i] = null;
			full += make(i, 1 + chance.below(64));
		}
		alone(() -> run.residentFull = Main.pss());
		resume();
		held = full;
		for (int i = 0; i < table.length; i++) {
			if (chance.below(4) == 0)
				continue;
			held -= bytes(table[i]);
			table[i] = null;
		}
		alone(System::gc);
		alone(() -> run.residentBefore = Main.pss());
		resume();
		for (int i = 0; i < table.length && held < full; i++)
			if (table[i] == null)
				held += make(i, 128 + chance.below(128));
		alone(() -> run.residentAfter = Main.pss());
		resume();
	}

	@Override
	void operate() {
		do {
			round();
			if (number == 0)
				run.more = more();
			run.await();
			boolean again = run.more;
			run.await();
			resume();
			if (!again)
				return;
		} while (true);
	}

	@Override
	void finish() {
		for (int i = 0; i < table.length; i++) {
			Item item = table[i];

			if (item == null)
				continue;
			liveBytes += bytes(item);
			if (item.link != item)
				wrong++;
			for (int w = 1; w < item.words.length; w++)
				if (item.words[w] != Chance.mix(item.words[0] + w))
					wrong++;
			checksum += Chance.mix(item.words[0] + i);
		}
	}
}
