package embedded

import "container/heap"

// window holds the unfinished events in the order of their positions, so that the first of them tells how far
// everything is finished. A finished one leaves an empty slot until all before it are finished.
type window struct {
	slots []*item
	base  uint64 // number of slots[0]
}

func (w *window) push(it *item) {
	it.slot = w.base + uint64(len(w.slots))
	w.slots = append(w.slots, it)
}

func (w *window) remove(it *item) {
	w.slots[it.slot-w.base] = nil
	for len(w.slots) > 0 && w.slots[0] == nil {
		w.slots = w.slots[1:]
		w.base++
	}
}

// queue is first in, first out.
type queue struct {
	items []*item
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(it *item) { q.items = append(q.items, it) }

func (q *queue) pop() *item {
	it := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	} else if q.head >= 1024 && q.head*2 >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return it
}

// delays is a heap of items, the earliest due first.
type delays []*item

func (d delays) Len() int           { return len(d) }
func (d delays) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d delays) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *delays) Push(x any)        { *d = append(*d, x.(*item)) }
func (d *delays) Pop() any {
	old := *d
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	return it
}

func (d *delays) add(it *item) { heap.Push(d, it) }
func (d *delays) take() *item  { return heap.Pop(d).(*item) }
