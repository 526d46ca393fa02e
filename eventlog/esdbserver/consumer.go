package esdbserver

import (
	"sync/atomic"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// consumer is a client that reads from a group. What is below ready belongs to the group's mutex.
type consumer struct {
	name     string // of who reads
	from     string // where they are
	slots    int    // how many messages it may have in hand
	joined   time.Time
	ready    chan struct{} // capacity 1: there is something to send, or it was dropped
	heard    atomic.Uint64 // answers taken from it
	inHand   int
	outgoing []*message
	retries  []int // of outgoing, when they were handed out
	handed   int64
	dropped  bool
}

func (c *consumer) room() bool { return c.inHand < c.slots }

func (c *consumer) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// delivery is what one consumer is sent.
type delivery struct {
	found
	retries int
}

// take empties what is to be sent to a consumer; false if it was dropped.
func (g *group) take(c *consumer, into []delivery) ([]delivery, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, m := range c.outgoing {
		into = append(into, delivery{m.found, c.retries[i]})
	}
	clear(c.outgoing)
	c.outgoing, c.retries = c.outgoing[:0], c.retries[:0]
	return into, !c.dropped
}

// choose returns who gets a message, nil if nobody has room for it.
func (g *group) choose(m *message) *consumer {
	switch g.settings.Strategy {
	case pinned:
		return g.pins.owner(m.source())
	case dispatchToSingle:
		for _, c := range g.consumers {
			if c.room() {
				return c
			}
		}
		return nil
	}
	for range g.consumers {
		g.turn = (g.turn + 1) % len(g.consumers)
		if c := g.consumers[g.turn]; c.room() {
			return c
		}
	}
	return nil
}

// buckets is how many parts the streams of a pinned group fall into.
const buckets = 1024

// pins says which consumer has which bucket. Buckets move only when consumers come or go, and then as few as will do.
type pins struct{ owners [buckets]*consumer }

func (p *pins) owner(stream string) *consumer {
	c := p.owners[bucketOf(stream)]
	if c == nil || !c.room() {
		return nil
	}
	return c
}

func bucketOf(stream string) uint32 {
	const offset, prime = 2166136261, 16777619 // FNV-1a
	h := uint32(offset)
	for i := range len(stream) {
		h = (h ^ uint32(stream[i])) * prime
	}
	return h % buckets
}

// share gives each consumer its part of the buckets.
func (p *pins) share(consumers []*consumer) {
	if len(consumers) == 0 {
		p.owners = [buckets]*consumer{}
		return
	}
	most := (buckets + len(consumers) - 1) / len(consumers)
	counts := make(map[*consumer]int, len(consumers))
	for _, c := range consumers {
		counts[c] = 0
	}
	for i, c := range p.owners {
		if n, here := counts[c]; here && n < most {
			counts[c]++
		} else {
			p.owners[i] = nil
		}
	}
	next := 0
	for i, c := range p.owners {
		if c != nil {
			continue
		}
		for counts[consumers[next]] >= most {
			next++
		}
		p.owners[i] = consumers[next]
		counts[consumers[next]]++
	}
}

// verdict is what a consumer says of a message.
type verdict uint8

const (
	done verdict = iota
	again
	park
)

// answer takes what a consumer says of messages, whoever has them in hand. Unknown ids are passed over.
func (g *group) answer(ids []eventlog.ID, v verdict, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range ids {
		m := g.inHand[id]
		if m == nil {
			continue
		}
		g.takeBack(m)
		switch {
		case v == again:
			g.retry(m, reason)
		case v == park:
			g.park(m, reason)
		default:
			g.finish(m)
		}
	}
	g.dispatch()
}
