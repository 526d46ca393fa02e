package embedded

import (
	"sort"
	"sync"

	"github.com/hooklog/hooklog/eventlog"
)

// What the tail keeps in memory at most, besides the newest group.
const (
	tailEvents = 32 << 10
	tailBytes  = 8 << 20
)

// tail is the durable end of the log: where it ends, who waits for it to grow, and its last events, so that who follows
// live reads from memory.
type tail struct {
	mu        sync.RWMutex
	head      uint64
	stretches []stretch // consecutive, the last ends at head
	events    int
	bytes     int
	grown     chan struct{} // closed when head grows; nil while nobody waits
}

// stretch is one group of appends. It never changes.
type stretch struct {
	first  uint64
	events []eventlog.Recorded
	bytes  int
}

// position returns the durable head.
func (t *tail) position() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.head
}

// publish lets readers see a group that is durable.
func (t *tail) publish(s stretch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.head = s.first + uint64(len(s.events)) - 1
	t.stretches = append(t.stretches, s)
	t.events += len(s.events)
	t.bytes += s.bytes
	for len(t.stretches) > 1 && (t.events > tailEvents || t.bytes > tailBytes) {
		t.events -= len(t.stretches[0].events)
		t.bytes -= t.stretches[0].bytes
		t.stretches[0] = stretch{}
		t.stretches = t.stretches[1:]
	}
	if t.grown != nil {
		close(t.grown)
		t.grown = nil
	}
}

// has reports whether a position is in memory, or is yet to come.
func (t *tail) has(position uint64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.stretches) > 0 && t.stretches[0].first <= position || position > t.head
}

// growth returns a channel that is closed when the head passes after; nil if it has.
func (t *tail) growth(after uint64) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head > after {
		return nil
	}
	if t.grown == nil {
		t.grown = make(chan struct{})
	}
	return t.grown
}

// read returns the events after a position, within limit, and says where the head is. It returns false if the first of
// them is no longer in memory. The events are shared: nobody may change them.
func (t *tail) read(after uint64, limit limit) (_ []eventlog.Recorded, head uint64, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	stretches, head := t.stretches, t.head
	if after >= head {
		return nil, head, true
	}
	if len(stretches) == 0 || stretches[0].first > after+1 {
		return nil, head, false
	}
	at := sort.Search(len(stretches), func(i int) bool { return stretches[i].first > after+1 }) - 1
	var events []eventlog.Recorded
	for ; at < len(stretches); at++ {
		s := stretches[at]
		some := s.events[max(after+1, s.first)-s.first:]
		n := limit.takeAll(some)
		if events == nil {
			events = some[:n:n] // mostly there is one stretch, which need not be copied
		} else {
			events = append(events, some[:n]...)
		}
		if n < len(some) {
			break
		}
	}
	return events, head, true
}

// limit bounds a batch. The first event always fits.
type limit struct {
	events, bytes int
	begun         bool
}

func (l *limit) take(bytes int) bool {
	if l.begun && (l.events <= 0 || l.bytes < bytes) {
		return false
	}
	l.begun = true
	l.events--
	l.bytes -= bytes
	return true
}

// takeAll says how many of the events fit.
func (l *limit) takeAll(events []eventlog.Recorded) int {
	for i := range events {
		if !l.take(len(events[i].Data) + len(events[i].Metadata)) {
			return i
		}
	}
	return len(events)
}
