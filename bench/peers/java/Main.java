/* bench/peers/java/Main.java: a run of one workload on whatever collector this Java machine was started
 * with. Takes gc_pause's options and writes a result of gc_pause's form; see docs/benchmarks.md.
 *
 * The collector's pauses are read from the machine's own safepoint log, whose path is the property
 * plx.safepoints; every safepoint counts, for a mutator cannot tell why it was stopped. */
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

final class Main {
	String workload = "cache", json = "-";
	int threads = 1, depth = 16;
	long heap, live, operations, seed = 1;
	double updateRatio = 0.5, seconds = 8;

	volatile boolean more, stopping;
	volatile long residentFull, residentBefore, residentAfter;
	private CyclicBarrier barrier;
	private long startNs, endNs, startCpu, endCpu, startCycles, endCycles, logStart, pssPeak;
	private final Histogram hiccup = new Histogram();
	private Thread sampler, sleeper;

	static void die(String message) {
		System.err.println("java: " + message);
		Runtime.getRuntime().halt(1);
	}

	/* As work_part_begin. */
	static long part(long total, int parts, int index) {
		return total / parts * index + total % parts * index / parts;
	}

	void await() {
		try {
			barrier.await();
		} catch (InterruptedException | BrokenBarrierException error) {
			die(error.toString());
		}
	}

	private static long field(String file, String name) {
		try {
			for (String line : Files.readAllLines(Path.of(file)))
				if (line.startsWith(name))
					return Long.parseLong(line.substring(name.length())
						.replace("kB", "").trim()) * 1024;
		} catch (IOException error) {
			die(error.toString());
		}
		return 0;
	}

	/* Exact, and slow. */
	static long pss() {
		return field("/proc/self/smaps_rollup", "Pss:");
	}

	/* A collector may map the same memory several times; no more of it exists than the heap has. */
	private static long resident() {
		long shared = Math.min(field("/proc/self/status", "RssShmem:"),
			Runtime.getRuntime().totalMemory());

		return field("/proc/self/status", "RssAnon:") + field("/proc/self/status", "RssFile:")
			+ shared;
	}

	private static long cpu() {
		return ((com.sun.management.OperatingSystemMXBean)
			ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
	}

	/* Beans that count pauses would count a concurrent cycle several times. */
	private static long cycles() {
		long cycles = 0;

		for (GarbageCollectorMXBean bean : ManagementFactory.getGarbageCollectorMXBeans())
			if (!bean.getName().contains("Pauses"))
				cycles += bean.getCollectionCount();
		return cycles;
	}

	private static Path log() {
		String path = System.getProperty("plx.safepoints");

		return path == null ? null : Path.of(path);
	}

	private Thread daemon(Runnable body) {
		Thread thread = new Thread(body);

		thread.setDaemon(true);
		thread.start();
		return thread;
	}

	private static void sleep(long ms) {
		try {
			Thread.sleep(ms);
		} catch (InterruptedException error) {
			die(error.toString());
		}
	}

	private void sample() {
		while (!stopping) {
			pssPeak = Math.max(pssPeak, resident());
			sleep(100);
		}
	}

	private void hiccups() {
		while (!stopping) {
			long start = System.nanoTime();

			sleep(1);
			hiccup.record(Math.max(0, System.nanoTime() - start - 1000000));
		}
	}

	void onReady() {
		sampler = daemon(this::sample);
		sleeper = daemon(this::hiccups);
		try {
			logStart = log() == null ? 0 : Files.size(log());
		} catch (IOException error) {
			die(error.toString());
		}
		startCycles = cycles();
		startCpu = cpu();
		startNs = System.nanoTime();
	}

	void onDone() {
		endNs = System.nanoTime();
		endCpu = cpu();
		endCycles = cycles();
		stopping = true;
		pssPeak = Math.max(pssPeak, pss());
	}

	private Histogram pauses() throws IOException {
		Pattern total = Pattern.compile("Total:\\s+(\\d+) ns");
		Histogram pauses = new Histogram();

		if (log() == null)
			return pauses;
		try (RandomAccessFile file = new RandomAccessFile(log().toFile(), "r")) {
			String line;

			file.seek(logStart);
			while ((line = file.readLine()) != null) {
				Matcher matcher = total.matcher(line);

				if (matcher.find())
					pauses.record(Long.parseLong(matcher.group(1)));
			}
		}
		return pauses;
	}

	private String result(Worker[] workers) throws IOException {
		Histogram all = new Histogram();
		double[] mmu = {1, 1, 1};
		long[] windows = {1000000, 5000000, 20000000};
		long checksum = 0, wrong = 0, liveBytes = 0;
		double elapsed = (endNs - startNs) / 1e9;

		for (Worker worker : workers) {
			all.merge(worker.operations);
			checksum += worker.checksum;
			wrong += worker.wrong;
			liveBytes += worker.liveBytes;
			for (int w = 0; w < 3; w++)
				mmu[w] = Math.min(mmu[w], worker.utilisation(windows[w]));
		}
		return String.format("{\"tool\":\"gc_pause\",\"runs\":[{\"workload\":\"%s\",\"plan\":\"java\","
			+ "\"delivery\":\"\",\"status\":\"%s\",\"message\":\"%s\",\"threads\":%d,"
			+ "\"seed\":\"%d\",\"heap_bytes\":%d,\"live_bytes\":%d,\"seconds\":%.6f,"
			+ "\"cycles\":%d,\"checksum\":\"%016x\",\"ops_per_second\":%.6f,%s,%s,%s,%s,"
			+ "\"mmu\":{\"1ms\":%.4f,\"5ms\":%.4f,\"20ms\":%.4f},\"rss_peak_bytes\":%d,"
			+ "\"pss_peak_bytes\":%d,\"fragment\":{\"resident_full_bytes\":%d,"
			+ "\"resident_before_bytes\":%d,\"resident_after_bytes\":%d},"
			+ "\"cpu_seconds\":%.6f}]}\n",
			workload, wrong == 0 ? "ok" : "wrong",
			wrong == 0 ? "" : wrong + " objects did not hold what was written", threads, seed,
			heap, liveBytes, elapsed, endCycles - startCycles, checksum, all.count / elapsed,
			pauses().json("pause_us"), all.json("op_us"), all.arrival().json("arrival_us"),
			hiccup.json("hiccup_us"), mmu[0], mmu[1], mmu[2],
			field("/proc/self/status", "VmHWM:"), pssPeak, residentFull, residentBefore,
			residentAfter, (endCpu - startCpu) / 1e9);
	}

	private static long bytes(String text) {
		int unit = "KMG".indexOf(Character.toUpperCase(text.charAt(text.length() - 1)));

		return unit < 0 ? Long.parseLong(text)
				: Long.parseLong(text.substring(0, text.length() - 1)) << 10 * (unit + 1);
	}

	private void options(String[] words) {
		for (int i = 0; i + 1 < words.length; i += 2) {
			String value = words[i + 1];

			switch (words[i]) {
			case "--workload" -> workload = value;
			case "--threads" -> threads = Integer.parseInt(value);
			case "--depth" -> depth = Integer.parseInt(value);
			case "--heap" -> heap = bytes(value);
			case "--live" -> live = bytes(value);
			case "--operations" -> operations = Long.parseLong(value);
			case "--seconds" -> seconds = Double.parseDouble(value);
			case "--seed" -> seed = Long.parseLong(value);
			case "--update-ratio" -> updateRatio = Double.parseDouble(value);
			case "--json" -> json = value;
			default -> die(words[i] + " is not an option");
			}
		}
	}

	private Worker[] workers() {
		Worker[] workers = new Worker[threads];
		Cache.Shared shared = workload.equals("cache") ? new Cache.Shared(this) : null;

		for (int i = 0; i < threads; i++)
			workers[i] = switch (workload) {
			case "cache" -> new Cache(this, i, shared);
			case "trees" -> new Trees(this, i);
			case "gcbench" -> new GcBench(this, i);
			case "fragment" -> new Fragment(this, i);
			default -> throw new IllegalArgumentException("no workload " + workload);
			};
		return workers;
	}

	public static void main(String[] words) throws Exception {
		Main run = new Main();

		Locale.setDefault(Locale.ROOT);
		run.options(words);
		run.barrier = new CyclicBarrier(run.threads);
		Worker[] workers = run.workers();

		Thread[] threads = new Thread[run.threads];

		for (int i = 0; i < run.threads; i++) {
			threads[i] = new Thread(workers[i]);
			threads[i].start();
		}
		for (Thread thread : threads)
			thread.join();
		String result = run.result(workers);

		if (run.json.equals("-"))
			System.out.print(result);
		else
			Files.writeString(Path.of(run.json), result);
	}
}
