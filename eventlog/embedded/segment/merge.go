package segment

import (
	"container/heap"
	"iter"
	"math"
	"math/bits"
	"slices"
)

// fanIn is how many neighbouring tables of a size are merged into one.
const fanIn = 8

// size is the class of a table: the tables of one are within a factor of eight.
func (t *table) size() int { return bits.Len64(t.entries) / 3 }

// mergeable finds neighbouring tables of a size that are worth merging.
func mergeable(parts []part) []*table {
	var run []*table
	for _, p := range parts {
		t, ok := p.(*table)
		if !ok {
			break
		}
		if len(run) > 0 && run[0].size() != t.size() {
			run = run[:0]
		}
		if run = append(run, t); len(run) == fanIn {
			if spanOf(run).records() <= math.MaxUint32 {
				return run
			}
			run = run[:0]
		}
	}
	return nil
}

func spanOf(tables []*table) span {
	return span{tables[0].run.first, tables[len(tables)-1].run.last}
}

// merged yields the entries of neighbouring tables in order, their ordinals counted from the first.
func merged(tables []*table) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		var sources merging
		defer func() {
			for _, c := range sources {
				c.stop()
			}
		}()
		for _, t := range tables {
			next, stop := iter.Pull2(t.all())
			c := &cursor{next: next, stop: stop, shift: uint32(t.run.first - tables[0].run.first)}
			if err := c.advance(); err != nil {
				stop()
				yield(entry{}, err)
				return
			}
			sources = append(sources, c)
		}
		heap.Init(&sources)
		for len(sources) > 0 {
			c := sources[0]
			if !yield(c.entry, nil) {
				return
			}
			if err := c.advance(); err != nil {
				yield(entry{}, err)
				return
			}
			if c.ended {
				heap.Pop(&sources)
				c.stop()
				continue
			}
			heap.Fix(&sources, 0)
		}
	}
}

// all yields the entries of a table. It keeps no page: none is read twice.
func (t *table) all() iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		file, err := t.files.openAlone(t.name)
		if err != nil {
			yield(entry{}, err)
			return
		}
		defer file.close()
		w := walk{table: t, page: new([pageSize]byte)}
		for number := range t.firsts {
			if err := t.read(file, number, w.page); err != nil {
				yield(entry{}, err)
				return
			}
			for i := range entriesIn(w.page) {
				if !yield(w.entry(i), nil) {
					return
				}
			}
		}
	}
}

// cursor is a table at one of its entries.
type cursor struct {
	entry entry
	ended bool
	next  func() (entry, error, bool)
	stop  func()
	shift uint32
}

func (c *cursor) advance() error {
	e, err, ok := c.next()
	e.ordinal += c.shift
	c.entry, c.ended = e, !ok
	return err
}

// merging is a heap of cursors, the least entry first.
type merging []*cursor

func (m merging) Len() int           { return len(m) }
func (m merging) Less(i, j int) bool { return m[i].entry.compare(m[j].entry) < 0 }
func (m merging) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merging) Push(c any)        { *m = append(*m, c.(*cursor)) }
func (m *merging) Pop() any {
	last := len(*m) - 1
	c := (*m)[last]
	*m = slices.Delete(*m, last, last+1)
	return c
}
