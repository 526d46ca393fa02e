package projections

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// progress says how far the fold is and wakes those who wait for it.
type progress struct {
	position atomic.Pointer[eventlog.Position]
	facts    atomic.Uint64 // how many there are up to that position
	live     atomic.Bool
	mu       sync.Mutex
	waiters  waiters
	// lastAt is the time of the last fact that was folded, as its writer told it.
	lastAt time.Time
	// current is the last time of which it is proven that everything recorded by then is folded; zero before the first.
	current time.Time
}

func (p *progress) reached() eventlog.Position { return *p.position.Load() }

// start takes over where a checkpoint stands.
func (p *progress) start(at checkpoint) {
	p.position.Store(&at.position)
	p.facts.Store(at.facts)
}

// pass makes a position the one that everything is folded up to.
func (p *progress) pass(at eventlog.Position) {
	p.position.Store(&at)
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.waiters) > 0 && !p.waiters[0].position.After(at) {
		close(heap.Pop(&p.waiters).(*waiter).passed)
	}
}

// end notes that a batch is folded. lastAt is zero if it held no fact.
func (p *progress) end(lastAt time.Time, live bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !lastAt.IsZero() {
		p.lastAt = lastAt
	}
	p.live.Store(live)
}

// stop notes that nothing will be folded any more.
func (p *progress) stop() { p.live.Store(false) }

// wait returns nil once everything up to the position is folded.
func (p *progress) wait(ctx context.Context, at eventlog.Position) error {
	if !at.After(p.reached()) {
		return nil
	}
	p.mu.Lock()
	if !at.After(p.reached()) {
		p.mu.Unlock()
		return nil
	}
	w := &waiter{position: at, passed: make(chan struct{})}
	heap.Push(&p.waiters, w)
	p.mu.Unlock()
	select {
	case <-w.passed:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.place < 0 {
		return nil
	}
	heap.Remove(&p.waiters, w.place)
	return ctx.Err()
}

// waiter waits for a position. passed is closed, after it left the heap, by whoever folds.
type waiter struct {
	position eventlog.Position
	passed   chan struct{}
	place    int // in the heap; -1 outside
}

// waiters is a heap, the earliest position first.
type waiters []*waiter

func (x waiters) Len() int           { return len(x) }
func (x waiters) Less(i, j int) bool { return x[j].position.After(x[i].position) }
func (x waiters) Swap(i, j int)      { x[i], x[j] = x[j], x[i]; x[i].place, x[j].place = i, j }
func (x *waiters) Push(w any)        { w.(*waiter).place = len(*x); *x = append(*x, w.(*waiter)) }
func (x *waiters) Pop() any {
	last := len(*x) - 1
	w := (*x)[last]
	(*x)[last] = nil
	*x, w.place = (*x)[:last], -1
	return w
}
