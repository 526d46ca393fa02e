package domain

import "container/heap"

// agenda holds the rounds that wait for an attempt which only the replay makes, the earliest first. Rounds that ended
// meanwhile are passed over when their time comes.
type agenda []*replayed

// Len is the number of rounds.
func (a agenda) Len() int { return len(a) }

// Less orders by time, and by opening where that is the same.
func (a agenda) Less(i, j int) bool {
	if c := a[i].due.Compare(a[j].due); c != 0 {
		return c < 0
	}
	return a[i].order < a[j].order
}

// Swap swaps two rounds.
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push is for package heap.
func (a *agenda) Push(r any) { *a = append(*a, r.(*replayed)) }

// Pop is for package heap.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	r := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return r
}

func (a *agenda) put(r *replayed) { heap.Push(a, r) }
func (a *agenda) take() *replayed { return heap.Pop(a).(*replayed) }
