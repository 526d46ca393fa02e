package dispatcher

import "slices"

// fifo is a queue in an array that is used again and again. Its zero value is empty.
type fifo[T any] struct {
	items []T // the first of them were taken out
	taken int
}

// idleItems is how long an array may be that an empty queue keeps.
const idleItems = 64

func (q *fifo[T]) len() int { return len(q.items) - q.taken }

// at returns the one that i others are before.
func (q *fifo[T]) at(i int) T { return q.items[q.taken+i] }

func (q *fifo[T]) push(x T) { q.insert(q.len(), x) }

// insert puts x where i others are before it.
func (q *fifo[T]) insert(i int, x T) {
	if len(q.items) == cap(q.items) && q.taken > len(q.items)/2 {
		q.items = slices.Delete(q.items, 0, q.taken)
		q.taken = 0
	}
	q.items = slices.Insert(q.items, q.taken+i, x)
}

// pop takes the first one out.
func (q *fifo[T]) pop() T {
	first := q.items[q.taken]
	var none T
	q.items[q.taken] = none // so that it is held no longer
	q.taken++
	switch {
	case q.len() > 0:
	case cap(q.items) > idleItems:
		*q = fifo[T]{}
	default:
		q.items, q.taken = q.items[:0], 0
	}
	return first
}
