// bench/peers/go/clock.go: chance, histograms and the clock of a thread, as bench/common/random.h,
// parallax/histogram.h and bench/gc_pause/recorder.h have them.
package main

import (
	"fmt"
	"math/bits"
	"time"
)

type chance struct{ state uint64 }

func mix(v uint64) uint64 {
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9
	v = (v ^ (v >> 27)) * 0x94d049bb133111eb
	return v ^ (v >> 31)
}

func newChance(seed, stream uint64) chance { return chance{mix(seed) ^ mix(^stream)} }

func (c *chance) next() uint64 {
	c.state += 0x9e3779b97f4a7c15
	return mix(c.state)
}

// Uniform below limit, which is below 2^32.
func (c *chance) below(limit uint64) uint64 { return (c.next() >> 32) * limit >> 32 }

// True with probability threshold / 2^32.
func (c *chance) chance(threshold uint64) bool { return c.next()>>32 < threshold }

const (
	subBits   = 10
	sub       = 1 << subBits
	valueBits = 42
	buckets   = (valueBits - subBits + 1) * sub
)

type histogram struct {
	count, max uint64
	bucket     [buckets]uint64
}

func bucketIndex(v uint64) int {
	if v >= 1<<valueBits {
		v = 1<<valueBits - 1
	}
	if v < 2*sub {
		return int(v)
	}
	shift := 63 - bits.LeadingZeros64(v) - subBits
	return shift<<subBits + int(v>>shift)
}

func bucketValue(i int) uint64 {
	if i < 2*sub {
		return uint64(i)
	}
	shift := i>>subBits - 1
	return uint64(i-shift<<subBits+1)<<shift - 1
}

func (h *histogram) record(v uint64) {
	h.bucket[bucketIndex(v)]++
	h.count++
	if v > h.max {
		h.max = v
	}
}

func (h *histogram) merge(from *histogram) {
	for i := range h.bucket {
		h.bucket[i] += from.bucket[i]
	}
	h.count += from.count
	if from.max > h.max {
		h.max = from.max
	}
}

func (h *histogram) arrival() *histogram {
	a := &histogram{count: h.count, max: h.max}
	longer := uint64(0)
	for i := buckets - 1; i >= 0; i-- {
		width := uint64(1)
		if i > 0 {
			width = bucketValue(i) - bucketValue(i-1)
		}
		a.bucket[i] = longer*width + h.bucket[i]*width/2
		longer += h.bucket[i]
	}
	return a
}

func (h *histogram) quantile(fraction float64) uint64 {
	var total, seen uint64
	for _, n := range h.bucket {
		total += n
	}
	if total == 0 {
		return 0
	}
	wanted := uint64(fraction * float64(total))
	if wanted < 1 {
		wanted = 1
	}
	for i, n := range h.bucket {
		seen += n
		if seen >= wanted {
			if v := bucketValue(i); v < h.max {
				return v
			}
			return h.max
		}
	}
	return h.max
}

func (h *histogram) json(name string) string {
	us := func(f float64) float64 { return float64(h.quantile(f)) / 1e3 }
	return fmt.Sprintf(`"%s":{"count":%d,"p50":%.3f,"p90":%.3f,"p99":%.3f,"p999":%.3f,`+
		`"p9999":%.3f,"max":%.3f}`, name, h.count, us(0.5), us(0.9), us(0.99), us(0.999),
		us(0.9999), float64(h.max)/1e3)
}

const (
	stalls  = 1 << 16
	stallNs = 20000
)

type stall struct{ end, length uint64 }

type recorder struct {
	last, deadline, target uint64
	operations             histogram
	stallCount             uint64
	stalls                 [stalls]stall
}

var epoch = time.Now()

func now() uint64 { return uint64(time.Since(epoch)) }

// An operation ends here. False when the run is to end.
func (r *recorder) step() bool {
	at := now()
	length := at - r.last
	r.last = at
	r.operations.record(length)
	if length >= stallNs {
		r.stalls[r.stallCount%stalls] = stall{at, length}
		r.stallCount++
	}
	return r.more()
}

func (r *recorder) more() bool {
	return r.operations.count < r.target && r.last < r.deadline
}

func (r *recorder) resume() { r.last = now() }

type loss struct{ start, end, before uint64 }

func lostBefore(losses []loss, at uint64) uint64 {
	low, high := 0, len(losses)
	for low < high {
		middle := (low + high) / 2
		if losses[middle].start < at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == 0 {
		return 0
	}
	l := losses[low-1]
	if at > l.end {
		at = l.end
	}
	return l.before + at - l.start
}

// See recorder_utilisation.
func (r *recorder) utilisation(window uint64) float64 {
	median := r.operations.quantile(0.5)
	threshold := 10 * median
	if threshold < stallNs {
		threshold = stallNs
	}
	first := uint64(0)
	if r.stallCount > stalls {
		first = r.stallCount - stalls
	}
	var losses []loss
	var lost, worst uint64
	for i := first; i < r.stallCount; i++ {
		s := r.stalls[i%stalls]
		if s.length <= threshold {
			continue
		}
		l := loss{s.end - s.length + median, s.end, lost}
		lost += l.end - l.start
		losses = append(losses, l)
	}
	for _, l := range losses {
		before := uint64(0)
		if l.end > window {
			before = lostBefore(losses, l.end-window)
		}
		for _, in := range []uint64{
			lostBefore(losses, l.start+window) - lostBefore(losses, l.start),
			lostBefore(losses, l.end) - before} {
			if in > worst {
				worst = in
			}
		}
	}
	return 1 - float64(worst)/float64(window)
}
