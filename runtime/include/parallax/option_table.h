/* parallax/option_table.h: the one table of options.
 *
 * X(field, NAME, type, default, lowest, highest, unit, help)
 *
 * From it come the fields of `struct plx_heap_config`, the environment parser, the `--help` text
 * and docs/options.md. Types: BYTES (suffixes K M G T), COUNT, TRISTATE (unset -1, 0, 1); ENUM,
 * whose words stand in `unit` separated by '|', the first being number 0; SET, any of such words and a
 * number up to `highest`, separated by commas: bit 32 + i is word i, the low half the number; STRING,
 * empty unless it is set: the field is an array that holds a copy of the text, so that nothing has to
 * outlive anything; what is set has one to `highest` bytes. A zero that means "choose for me" says so
 * in its help. */
#ifndef PARALLAX_OPTION_TABLE_H
#define PARALLAX_OPTION_TABLE_H

#define PLX_STRING_BYTES 512 /* of a STRING field, its NUL included */

/* clang-format off */
#define PLX_OPTION_TABLE(X) \
	X(heap_max_bytes, GC_HEAP_MAX, BYTES, 0, 0, (UINT64_C(1) << 44), "bytes", \
	  "Hard limit of the heap. 0: a quarter of the memory this process may use (cgroup or machine). At least 4M.") \
	X(heap_soft_max_bytes, GC_HEAP_SOFT_MAX, BYTES, 0, 0, (UINT64_C(1) << 44), "bytes", \
	  "Most memory the heap should use; above it, up to the hard limit, only while live data leave no choice. 0: as GC_HEAP_MAX.") \
	X(heap_initial_bytes, GC_HEAP_INITIAL, BYTES, 67108864, 0, (UINT64_C(1) << 44), "bytes", \
	  "What the heap may grow to before the first cycle, and need not shrink below later.") \
	X(heap_policy, GC_HEAP_POLICY, ENUM, 0, 0, 2, "balance|grow|fixed", \
	  "How the heap's size follows live data: balance weighs memory against CPU time, grow keeps GC_HEAP_GROWTH percent free, fixed uses all there may be.") \
	X(heap_balance_ppm, GC_HEAP_BALANCE, COUNT, 200, 1, 1000000, "ppm", \
	  "With balance: the heap grows as long as another MiB saves this many millionths of a CPU. Less: more memory, fewer cycles.") \
	X(heap_growth_percent, GC_HEAP_GROWTH, COUNT, 100, 1, 10000, "percent", \
	  "With grow: free memory after a cycle, in percent of the live data.") \
	X(region_bytes, GC_REGION_BYTES, BYTES, 0, 0, (UINT64_C(2) << 20), "bytes", \
	  "Size of a region, a power of two from 64K to 2M. 0: by heap size.") \
	X(tlab_bytes, GC_TLAB_BYTES, BYTES, 65536, 0, (UINT64_C(1) << 20), "bytes", \
	  "Largest size of a thread's allocation buffer; it starts at 4K and follows what the thread allocates. 0: one object each (torture).") \
	X(use_uffd_minor, GC_USE_UFFD_MINOR, TRISTATE, -1, -1, 1, "0|1", \
	  "1 demands userfaultfd minor faults, 0 forbids them (UFFDIO_COPY is used), unset takes the best plan there is.") \
	X(plan, GC_PLAN, ENUM, 0, 0, 3, "auto|minor|copy|stw", \
	  "How objects move: minor (UFFDIO_CONTINUE), copy (UFFDIO_COPY), stw (all inside the pause).") \
	X(delivery, GC_UFFD_DELIVERY, ENUM, 0, 0, 2, "auto|thread|sigbus", \
	  "Who resolves a fault: a thread of the collector, or the faulting mutator in a SIGBUS handler. auto: thread.") \
	X(kernel_ext, GC_KERNEL_EXT, COUNT, 1, 0, 1, "0|1", \
	  "1: use what a patched kernel offers beyond Linux (kernel/README.md; ./dev info shows it), where the probe finds that it works. 0: do not.") \
	X(flip, GC_FLIP, ENUM, 0, 0, 2, "auto|detach|zap", \
	  "How the flip takes pages away: detach moves all page tables, zap drops only dirty pages. auto: the cheaper.") \
	X(evacuate, GC_EVACUATE, ENUM, 0, 0, 2, "auto|all|none", \
	  "What to move: auto by cost, all wherever there is room (torture), none.") \
	X(compact_budget_percent, GC_COMPACT_BUDGET, COUNT, 40, 0, 100, "percent", \
	  "Most bytes one cycle copies, in percent of the heap limit.") \
	X(workers, GC_WORKERS, COUNT, 0, 0, 64, "threads", \
	  "Threads that mark, update and copy, the collector's own included. 0: half the CPUs, at least 1, at most 8.") \
	X(supply_regions, GC_SUPPLY, COUNT, 2, 0, 64, "regions", \
	  "Free regions whose pages a thread has the kernel make before mutators need them, while the heap grows. 0: no such thread; mutators wait for new pages themselves.") \
	X(spin_us, GC_SPIN_US, COUNT, 200, 0, 1000000, "us", \
	  "How long the fault thread spins for the next fault while units are outstanding and a CPU is free.") \
	X(cycle_every_bytes, GC_CYCLE_EVERY, BYTES, 0, 0, (UINT64_C(1) << 44), "bytes", \
	  "Start a cycle each time this much was allocated. 0: when pacing says so.") \
	X(resident_target_bytes, GC_RESIDENT_TARGET, BYTES, 0, 0, (UINT64_C(1) << 44), "bytes", \
	  "Memory the heap may keep resident while idle; free regions above it go back to the kernel. 0: keep a sixteenth above what is in use.") \
	X(resident_idle_ms, GC_RESIDENT_IDLE, COUNT, 1000, 0, 86400000, "ms", \
	  "How long free regions stay resident after the last cycle. 0: give them back after every cycle.") \
	X(stacks, GC_STACKS, ENUM, 0, 0, 1, "precise|ambiguous", \
	  "What native stacks hold: precise: no references, whatever has to survive is in handles and roots; ambiguous: any word may be one, so objects that C locals refer to stay alive and where they are.") \
	X(fork, GC_FORK, ENUM, 0, 0, 1, "forbid|copy", \
	  "What a child of fork gets: forbid: no heap, so it may exec or exit; copy: a heap of its own, a copy of this one (one heap of a process; mutators stand still meanwhile, and fork is a safepoint).") \
	X(stop_report_ms, GC_STOP_REPORT, COUNT, 2000, 0, 86400000, "ms", \
	  "Say on standard error which thread a collection waits for, and where it is, after this long, and again at doubled intervals. 0: wait in silence.") \
	X(yield_seed, GC_YIELD, COUNT, 0, 0, UINT32_MAX, "seed", \
	  "Non-zero: yield the CPU at random places, from this seed (torture).") \
	X(torture, GC_TORTURE, SET, 0, 0, UINT32_MAX, "sites|safepoints|bytes|gaps|mutator-first|collector-first|any-first|page-extents|small-regions|few-workers", \
	  "Make rare things common (slow): collect at each new backtrace of an allocation, at every safepoint, or exactly each GC_CYCLE_EVERY bytes; leave random gaps between objects that move; let mutators, the collector or either come first to a page after a flip; extents of one page (plan copy: of one region); regions of 64K; tasks done by a random number of the workers. A number: the seed.") \
	X(verify, GC_VERIFY, SET, 0, 0, UINT32_MAX, "before|mark|flip|after", \
	  "Stop the world and check the whole heap (slow) before marking, after it, in the flip's pause, and when all pages are back; a number N: at every Nth cycle, at all these places if none is named.") \
	X(verify_dump, GC_VERIFY_DUMP, STRING, 0, 1, PLX_STRING_BYTES - 1, "file", \
	  "Where GC_VERIFY leaves the heap when it has found something, for plx_info --dump.") \
	X(core, GC_CORE, ENUM, 0, 0, 1, "tables|heap", \
	  "What a core dump holds under the minor plan: tables: the collector's tables, but no heap pages; heap: them too, for which the kernel makes and writes all of the heap's address range, several times GC_HEAP_MAX.") \
	X(log, GC_LOG, COUNT, 0, 0, 2, "level", \
	  "1: a line per cycle on standard error; 2: decisions too.") \
	X(trace, GC_TRACE, STRING, 0, 1, PLX_STRING_BYTES - 1, "file", \
	  "Write a trace of cycles, pauses, faults and waits, for Perfetto or chrome://tracing, to this file. %p is replaced by the process's number; a second heap of the process writes to file.2 (docs/telemetry.md).") \
	X(trace_level, GC_TRACE_LEVEL, COUNT, 1, 1, 2, "level", \
	  "What is traced: 1 all but 2: every refill of an allocation buffer too.")
/* clang-format on */

#endif
