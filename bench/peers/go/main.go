// bench/peers/go/main.go: a run of one workload on Go's collector. Takes gc_pause's options and writes a
// result of gc_pause's form; see docs/benchmarks.md. The limit of the heap is GOMEMLIMIT, which is soft.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type barrier struct {
	lock    sync.Mutex
	all     *sync.Cond
	parties int
	waiting int
	round   int
}

func (b *barrier) wait() {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.waiting++
	if b.waiting == b.parties {
		b.waiting = 0
		b.round++
		b.all.Broadcast()
		return
	}
	for round := b.round; round == b.round; {
		b.all.Wait()
	}
}

type run struct {
	name                         string
	threads, depth               int
	heap, live, operations, seed uint64
	updateRatio, seconds         float64
	barrier                      barrier
	more                         bool
	residentFull, residentBefore uint64
	residentAfter                uint64
	stop                         atomic.Bool
	watchers                     sync.WaitGroup
	pauses, hiccup               histogram
	seenGC, firstGC              int64
	startNs, endNs               uint64
	startCPU, endCPU             float64
	pssPeak                      uint64
}

type worker struct {
	run    *run
	number int
	chance chance
	recorder
	checksum, wrong, liveBytes uint64
	work                       workload
}

func part(total uint64, parts, index int) uint64 {
	p, i := uint64(parts), uint64(index)
	return total/p*i + total%p*i/p
}

// call by thread 0 while all others wait.
func (r *run) alone(w *worker, call func()) {
	r.barrier.wait()
	if w.number == 0 {
		call()
	}
	r.barrier.wait()
}

func field(path, name string) uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, name) {
			kib, _ := strconv.ParseUint(strings.Fields(line[len(name):])[0], 10, 64)
			return kib * 1024
		}
	}
	return 0
}

func pss() uint64 { return field("/proc/self/smaps_rollup", "Pss:") }

func cpu() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
}

// Pauses since the last look. Go keeps the latest 256 cycles, each with the sum of its two stops.
func (r *run) takePauses(keep bool) {
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	fresh := int(stats.NumGC - r.seenGC)
	for i := 0; i < fresh && i < len(stats.Pause) && keep; i++ {
		r.pauses.record(uint64(stats.Pause[i]))
	}
	r.seenGC = stats.NumGC
}

func (r *run) sample() {
	defer r.watchers.Done()
	for !r.stop.Load() {
		resident := field("/proc/self/status", "RssAnon:") + field("/proc/self/status", "RssFile:")
		if resident > r.pssPeak {
			r.pssPeak = resident
		}
		r.takePauses(true)
		time.Sleep(100 * time.Millisecond)
	}
}

func (r *run) hiccups() {
	defer r.watchers.Done()
	for !r.stop.Load() {
		start := now()
		time.Sleep(time.Millisecond)
		if over := now() - start; over > 1000000 {
			r.hiccup.record(over - 1000000)
		}
	}
}

func (r *run) onReady() {
	r.takePauses(false)
	r.firstGC = r.seenGC
	r.watchers.Add(2)
	go r.sample()
	go r.hiccups()
	r.startCPU = cpu()
	r.startNs = now()
}

func (r *run) onDone() {
	r.endNs = now()
	r.endCPU = cpu()
	r.stop.Store(true)
	r.watchers.Wait()
	r.takePauses(true)
	if exact := pss(); exact > r.pssPeak {
		r.pssPeak = exact
	}
}

func (w *worker) body() {
	r := w.run
	w.work.setup(w)
	r.alone(w, r.onReady)
	w.deadline, w.target = 1<<63, 1<<63
	if r.operations == 0 {
		w.deadline = now() + uint64(r.seconds*1e9)
	} else {
		w.target = part(r.operations, r.threads, w.number+1) - part(r.operations, r.threads, w.number)
	}
	w.resume()
	if w.target > 0 {
		w.work.operate(w)
	}
	r.alone(w, r.onDone)
	w.work.finish(w)
}

func (r *run) result(workers []*worker) string {
	all := &histogram{}
	mmu := []float64{1, 1, 1}
	var checksum, wrong, live uint64
	for _, w := range workers {
		all.merge(&w.operations)
		checksum += w.checksum
		wrong += w.wrong
		live += w.liveBytes
		for i, window := range []uint64{1000000, 5000000, 20000000} {
			if share := w.utilisation(window); share < mmu[i] {
				mmu[i] = share
			}
		}
	}
	status, message := "ok", ""
	if wrong != 0 {
		status, message = "wrong", fmt.Sprint(wrong, " objects did not hold what was written")
	}
	elapsed := float64(r.endNs-r.startNs) / 1e9
	return fmt.Sprintf(`{"tool":"gc_pause","runs":[{"workload":"%s","plan":"go","delivery":"",`+
		`"status":"%s","message":"%s","threads":%d,"seed":"%d","heap_bytes":%d,"live_bytes":%d,`+
		`"seconds":%.6f,"cycles":%d,"checksum":"%016x","ops_per_second":%.6f,%s,%s,%s,%s,`+
		`"mmu":{"1ms":%.4f,"5ms":%.4f,"20ms":%.4f},"rss_peak_bytes":%d,"pss_peak_bytes":%d,`+
		`"fragment":{"resident_full_bytes":%d,"resident_before_bytes":%d,`+
		`"resident_after_bytes":%d},"cpu_seconds":%.6f}]}`+"\n",
		r.name, status, message, r.threads, r.seed, r.heap, live, elapsed, r.seenGC-r.firstGC,
		checksum, float64(all.count)/elapsed, r.pauses.json("pause_us"), all.json("op_us"),
		all.arrival().json("arrival_us"), r.hiccup.json("hiccup_us"), mmu[0], mmu[1], mmu[2],
		field("/proc/self/status", "VmHWM:"), r.pssPeak, r.residentFull, r.residentBefore,
		r.residentAfter, r.endCPU-r.startCPU)
}

func bytes(text string) uint64 {
	unit := strings.IndexByte("KMG", text[len(text)-1])
	if unit >= 0 {
		text = text[:len(text)-1]
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(2)
	}
	return value << (10 * (unit + 1))
}

func main() {
	r := &run{}
	heap := flag.String("heap", "1536M", "")
	live := flag.String("live", "512M", "")
	json := flag.String("json", "-", "")
	flag.StringVar(&r.name, "workload", "cache", "")
	flag.IntVar(&r.threads, "threads", 1, "")
	flag.IntVar(&r.depth, "depth", 16, "")
	flag.Uint64Var(&r.operations, "operations", 0, "")
	flag.Uint64Var(&r.seed, "seed", 1, "")
	flag.Float64Var(&r.updateRatio, "update-ratio", 0.5, "")
	flag.Float64Var(&r.seconds, "seconds", 8, "")
	flag.Parse()
	r.heap, r.live = bytes(*heap), bytes(*live)
	r.barrier.parties = r.threads
	r.barrier.all = sync.NewCond(&r.barrier.lock)
	debug.SetMemoryLimit(int64(r.heap))

	workers := make([]*worker, r.threads)
	var ended sync.WaitGroup
	for i := range workers {
		w := &worker{run: r, number: i, chance: newChance(r.seed, uint64(i))}
		switch r.name {
		case "cache":
			w.work = &cache{}
		case "trees":
			w.work = &trees{}
		case "gcbench":
			w.work = &gcbench{}
		case "fragment":
			w.work = &fragment{}
		default:
			fmt.Fprintln(os.Stderr, "go: no workload", r.name)
			os.Exit(2)
		}
		workers[i] = w
	}
	for _, w := range workers {
		ended.Add(1)
		go func(w *worker) {
			defer ended.Done()
			runtime.LockOSThread()
			w.body()
		}(w)
	}
	ended.Wait()
	if *json == "-" {
		fmt.Print(r.result(workers))
	} else if err := os.WriteFile(*json, []byte(r.result(workers)), 0o666); err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(1)
	}
}
