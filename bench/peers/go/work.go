// bench/peers/go/work.go: the four workloads, as bench/gc_pause/work_*.h have them. Payloads are slices,
// and so objects of their own.
package main

import "runtime/debug"

type workload interface {
	setup(w *worker)
	operate(w *worker)
	finish(w *worker)
}

// --- cache ---------------------------------------------------------------------------------------

type entry struct {
	link    [2]*entry
	payload []uint64
}

type temporary struct {
	next  *temporary
	value uint64
}

type cache struct {
	table []*entry // this thread's stretch
	begin uint64
	step  [2]uint64
}

func (c *cache) make(slot, seed uint64) *entry {
	payload := make([]uint64, 2+seed%31)
	payload[0], payload[1] = slot, seed
	for i := 2; i < len(payload); i++ {
		payload[i] = mix(seed + uint64(i))
	}
	return &entry{payload: payload}
}

func (c *cache) wrap(index uint64) uint64 {
	if index < uint64(len(c.table)) {
		return index
	}
	return index - uint64(len(c.table))
}

func (c *cache) setup(w *worker) {
	entries := w.run.live / (24 + 8 + (16+256)/2)
	c.begin = part(entries, w.run.threads, w.number)
	c.table = make([]*entry, part(entries, w.run.threads, w.number+1)-c.begin)
	count := uint64(len(c.table))
	c.step[0] = 1 + w.chance.below(count-1)
	c.step[1] = 1 + w.chance.below(count-1)
	for i := range c.table {
		c.table[i] = c.make(c.begin+uint64(i), w.chance.next())
	}
	for i := range c.table {
		for l := range c.step {
			c.table[i].link[l] = c.table[c.wrap(uint64(i)+c.step[l])]
		}
	}
}

// Of a package, so that the temporaries cannot stay on the stack, where no peer could put them.
var lastTemporary [256]*temporary

func (c *cache) temporaries(w *worker) uint64 {
	seed := uint64(0)
	lastTemporary[w.number] = nil
	for i := 0; i < 3; i++ {
		lastTemporary[w.number] = &temporary{lastTemporary[w.number], w.chance.next()}
	}
	for t := lastTemporary[w.number]; t != nil; t = t.next {
		seed = mix(seed ^ t.value)
	}
	return seed
}

func (c *cache) replace(w *worker, index uint64) {
	seed := c.temporaries(w)
	fresh, old := c.make(c.begin+index, seed), c.table[index]
	w.checksum += seed ^ old.payload[1]
	for l := range c.step {
		fresh.link[l] = c.table[c.wrap(index+c.step[l])]
	}
	for l := range c.step {
		c.table[c.wrap(index+uint64(len(c.table))-c.step[l])].link[l] = fresh
	}
	c.table[index] = fresh
}

func (c *cache) chase(w *worker, index uint64) {
	e, sum := c.table[index], uint64(0)
	for i := 0; i < 4; i++ {
		l, own := e.payload[1]>>i&1, uint64(0)
		for _, word := range e.payload {
			own += word
		}
		sum = sum*31 + own
		index = c.wrap(index + c.step[l])
		e = e.link[l]
		if e.payload[0] != c.begin+index {
			w.wrong++
			return
		}
	}
	w.checksum += sum
}

func (c *cache) operate(w *worker) {
	threshold := uint64(w.run.updateRatio * 4294967296)
	for {
		index := w.chance.below(uint64(len(c.table)))
		if w.chance.chance(threshold) {
			c.replace(w, index)
		} else {
			c.chase(w, index)
		}
		if !w.step() {
			return
		}
	}
}

func (c *cache) finish(w *worker) {
	for i, e := range c.table {
		w.liveBytes += 24 + uint64(len(e.payload))*8 + 8
		if e.payload[0] != c.begin+uint64(i) {
			w.wrong++
		}
		for k := 2; k < len(e.payload); k++ {
			if e.payload[k] != mix(e.payload[1]+uint64(k)) {
				w.wrong++
			}
		}
		for l := range c.step {
			if e.link[l] != c.table[c.wrap(uint64(i)+c.step[l])] {
				w.wrong++
			}
		}
		w.checksum += mix(e.payload[1] + uint64(i))
	}
}

// --- trees ---------------------------------------------------------------------------------------

type tree struct{ left, right *tree }

type trees struct {
	longLived       *tree
	longLivedDepth  int
	nodes           uint64
	measuring, done bool
}

func (t *trees) node(w *worker) {
	t.nodes++
	if t.nodes%128 == 0 && t.measuring && !w.step() {
		t.done = true
	}
}

func (t *trees) build(w *worker, depth int) *tree {
	var left, right *tree
	if depth > 0 {
		left = t.build(w, depth-1)
		right = t.build(w, depth-1)
	}
	t.node(w)
	return &tree{left, right}
}

func (t *trees) count(w *worker, at *tree) uint64 {
	t.node(w)
	if at.left == nil {
		return 1
	}
	return 1 + t.count(w, at.left) + t.count(w, at.right)
}

func (t *trees) setup(w *worker) {
	for t.longLivedDepth < 30 && 4<<t.longLivedDepth*24 <= w.run.live/uint64(w.run.threads) {
		t.longLivedDepth++
	}
	t.longLived = t.build(w, t.longLivedDepth)
	t.measuring = true
}

func (t *trees) operate(w *worker) {
	most := w.run.depth
	for !t.done {
		for depth := 4; depth <= most && !t.done; depth += 2 {
			for i := 0; i < 1<<(most-depth) && !t.done; i++ {
				count := t.count(w, t.build(w, depth))
				if count != 2<<depth-1 {
					w.wrong++
				}
				w.checksum += mix(count + uint64(w.number))
			}
		}
	}
}

func (t *trees) finish(w *worker) {
	t.measuring = false
	count := t.count(w, t.longLived)
	if count != 2<<t.longLivedDepth-1 {
		w.wrong++
	}
	w.checksum += mix(count)
	w.liveBytes = count * 24
}

// --- gcbench -------------------------------------------------------------------------------------

const gcbenchArray = 500000

type benchNode struct {
	left, right *benchNode
	i, j        int32
}

type gcbench struct {
	tree            *benchNode
	array           []float64
	nodes           uint64
	measuring, done bool
}

func (g *gcbench) make(w *worker) *benchNode {
	g.nodes++
	if g.nodes%128 == 0 && g.measuring && !w.step() {
		g.done = true
	}
	return &benchNode{}
}

func (g *gcbench) bottomUp(w *worker, depth int) *benchNode {
	var left, right *benchNode
	if depth > 0 {
		left = g.bottomUp(w, depth-1)
		right = g.bottomUp(w, depth-1)
	}
	node := g.make(w)
	node.left, node.right, node.i = left, right, int32(depth)
	return node
}

func (g *gcbench) topDown(w *worker, root *benchNode, depth int) {
	root.i = int32(depth)
	if depth == 0 {
		return
	}
	root.left = g.make(w)
	root.right = g.make(w)
	g.topDown(w, root.left, depth-1)
	g.topDown(w, root.right, depth-1)
}

func (n *benchNode) count(depth int) uint64 {
	if n.i != int32(depth) {
		return 0
	}
	if depth == 0 {
		if n.left == nil && n.right == nil {
			return 1
		}
		return 0
	}
	return 1 + n.left.count(depth-1) + n.right.count(depth-1)
}

func (g *gcbench) once(w *worker, depth int, topDown bool) {
	var root *benchNode
	if topDown {
		root = g.make(w)
		g.topDown(w, root, depth)
	} else {
		root = g.bottomUp(w, depth)
	}
	for ; depth > 8; depth-- {
		root = root.left
	}
	count := root.count(depth)
	if count != 2<<depth-1 {
		w.wrong++
	}
	w.checksum += mix(count + uint64(w.number))
}

func (g *gcbench) setup(w *worker) {
	g.once(w, w.run.depth+2, false)
	g.tree = g.make(w)
	g.topDown(w, g.tree, w.run.depth)
	g.array = make([]float64, gcbenchArray)
	for i := range g.array {
		g.array[i] = 1 / float64(i+1)
	}
	g.measuring = true
}

func (g *gcbench) operate(w *worker) {
	most := w.run.depth
	for !g.done {
		for depth := 4; depth <= most && !g.done; depth += 2 {
			times := 1 << (most + 2 - depth)
			for i := 0; i < 2*times && !g.done; i++ {
				g.once(w, depth, i < times)
			}
		}
	}
}

func (g *gcbench) finish(w *worker) {
	g.measuring = false
	for i, value := range g.array {
		if value != 1/float64(i+1) {
			w.wrong++
		}
	}
	w.liveBytes = (2<<w.run.depth-1)*32 + gcbenchArray*8
	if g.tree.count(w.run.depth) != 2<<w.run.depth-1 {
		w.wrong++
	}
}

// --- fragment ------------------------------------------------------------------------------------

type item struct {
	link  *item
	words []uint64
}

func (i *item) bytes() uint64 { return 16 + uint64(len(i.words))*8 }

type fragment struct{ table []*item }

func (f *fragment) setup(w *worker) {
	f.table = make([]*item, w.run.live/uint64(w.run.threads)/(16+8+32*8))
}

func (f *fragment) make(w *worker, slot int, words uint64) uint64 {
	made := &item{words: make([]uint64, words)}
	seed := w.chance.next()
	for k := range made.words {
		made.words[k] = mix(seed + uint64(k))
	}
	made.words[0] = seed
	made.link = made
	f.table[slot] = made
	w.step()
	return made.bytes()
}

func (f *fragment) round(w *worker) {
	full := uint64(0)
	for i := range f.table {
		f.table[i] = nil
		full += f.make(w, i, 1+w.chance.below(64))
	}
	w.run.alone(w, func() { w.run.residentFull = pss() })
	w.resume()
	held := full
	for i := range f.table {
		if w.chance.below(4) != 0 {
			held -= f.table[i].bytes()
			f.table[i] = nil
		}
	}
	w.run.alone(w, debug.FreeOSMemory)
	w.run.alone(w, func() { w.run.residentBefore = pss() })
	w.resume()
	for i := 0; i < len(f.table) && held < full; i++ {
		if f.table[i] == nil {
			held += f.make(w, i, 128+w.chance.below(128))
		}
	}
	w.run.alone(w, func() { w.run.residentAfter = pss() })
	w.resume()
}

func (f *fragment) operate(w *worker) {
	for again := true; again; w.resume() {
		f.round(w)
		w.run.alone(w, func() { w.run.more = w.more() })
		again = w.run.more
		w.run.barrier.wait()
	}
}

func (f *fragment) finish(w *worker) {
	for i, it := range f.table {
		if it == nil {
			continue
		}
		w.liveBytes += it.bytes()
		if it.link != it {
			w.wrong++
		}
		for k := 1; k < len(it.words); k++ {
			if it.words[k] != mix(it.words[0]+uint64(k)) {
				w.wrong++
			}
		}
		w.checksum += mix(it.words[0] + uint64(i))
	}
}
