package esdb

import (
	"context"
	"sync"

	"github.com/hooklog/hooklog/eventlog"
)

// What is gathered before a slow receiver makes the connection wait; one event may pass the bytes.
const (
	gatheredEvents = 1024
	gatheredBytes  = 4 << 20
)

// gathering is what a subscription has got and its receiver has not taken yet.
type gathering struct {
	filled chan struct{} // capacity 1: there is something to take
	room   chan struct{} // capacity 1: it was taken

	mu     sync.Mutex
	events []eventlog.Recorded
	bytes  int
	live   bool
	err    error // why nothing more comes
}

func newGathering(live bool) *gathering {
	return &gathering{filled: make(chan struct{}, 1), room: make(chan struct{}, 1), live: live}
}

// add waits for room. It fails with the error of ctx.
func (g *gathering) add(ctx context.Context, e eventlog.Recorded) error {
	for {
		g.mu.Lock()
		if len(g.events) < gatheredEvents && g.bytes < gatheredBytes {
			g.events = append(g.events, e)
			g.bytes += len(e.Data) + len(e.Metadata)
			g.mu.Unlock()
			signal(g.filled)
			return nil
		}
		g.mu.Unlock()
		select {
		case <-g.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gathering) setLive(live bool) {
	g.mu.Lock()
	g.live = live
	g.mu.Unlock()
	signal(g.filled)
}

// end says why nothing more comes.
func (g *gathering) end(err error) {
	g.mu.Lock()
	g.err = err
	g.mu.Unlock()
	signal(g.filled)
}

// take waits for events or for a change of live, and takes all there are. The error comes after the last of them.
func (g *gathering) take(ctx context.Context, live bool) (eventlog.Batch, error) {
	for {
		g.mu.Lock()
		b, err := eventlog.Batch{Events: g.events, Live: g.live}, g.err
		g.events, g.bytes = nil, 0
		g.mu.Unlock()
		signal(g.room)
		if len(b.Events) > 0 || b.Live != live {
			return b, nil
		}
		if err != nil {
			return b, err
		}
		select {
		case <-g.filled:
		case <-ctx.Done():
			return eventlog.Batch{}, ctx.Err()
		}
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
