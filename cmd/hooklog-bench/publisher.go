package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// window bounds the deliveries that were published and have not arrived: enough to saturate everybody, too few for
// Hooklog to leave first attempts to its clock.
const window = 10_000

// publisher posts messages to a relay or to Hooklog.
type publisher struct {
	poster      *poster
	connections int
	// batch is how many messages one request carries.
	batch int
	// targets is how many deliveries one message makes.
	targets int
	want    int
	// encode appends the body of a request with the messages from first on.
	encode func(b []byte, run, first, n int, at int64) []byte
	// check says how many messages an answer accepted; nil takes the status for all of them.
	check func(answer []byte) int
}

// flow is one run of a publisher; next and waiting are shared by its connections.
type flow struct {
	*publisher
	run  int
	next atomic.Int64
	// places are for requests that may be sent: so many that what is on its way stays within the window.
	places chan struct{}
}

// post publishes the next messages, beginning with first.
func (f *flow) post(ctx context.Context, body []byte, first int, at time.Time) ([]byte, error) {
	body = f.encode(body[:0], f.run, first, f.batch, at.UnixNano())
	accepted, err := f.poster.exchange(ctx, body, f.want, f.check)
	if err == nil && f.check != nil && accepted != f.batch {
		err = &refusedError{accepted, f.batch}
	}
	return body, err
}

// saturate publishes on all connections as fast as answers come, within the window, and returns how many messages
// were accepted: all that were sent, else it fails.
func (p *publisher) saturate(ctx context.Context, s *sink, run int, length time.Duration) (int, error) {
	f := &flow{publisher: p, run: run, places: make(chan struct{}, max(1, window/p.targets/p.batch))}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	until := time.Now().Add(length)
	var all sync.WaitGroup
	over := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		f.follow(ctx, s, over, cancel)
	}()
	for range p.connections {
		all.Go(func() {
			if err := f.connection(ctx, until); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	close(over)
	<-watched
	return int(f.next.Load()), context.Cause(ctx)
}

func (f *flow) connection(ctx context.Context, until time.Time) (err error) {
	var body []byte
	stuck := time.After(time.Until(until) + patience)
	for more := true; more; more = ctx.Err() == nil && time.Now().Before(until) { // once at least, however late it is
		select {
		case <-f.places:
		case <-stuck:
			return errors.New("deliveries stopped arriving")
		case <-ctx.Done():
			return ctx.Err()
		}
		first := f.next.Add(int64(f.batch)) - int64(f.batch)
		if body, err = f.post(ctx, body, int(first), time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// follow moves the window along with what has arrived. Whoever waits for that is woken: looking every millisecond, 64
// connections took a twentieth of the CPU that what is measured could have had.
func (f *flow) follow(ctx context.Context, s *sink, over <-chan struct{}, fail func(error)) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for given, arrived := 0, int64(0); ; {
		for ; given < cap(f.places)+int(arrived)/f.targets/f.batch; given++ {
			f.places <- struct{}{} // has room: no more than that many are on their way
		}
		select {
		case <-tick.C:
		case <-over:
			return
		case <-ctx.Done():
			return
		}
		var err error
		if arrived, err = s.arrived(ctx); err != nil {
			fail(err)
			return
		}
	}
}

// pace publishes at a steady rate whatever the answers take, and returns how many messages were accepted. The time in a
// message is when it was due to be sent and somebody woke up for it, so that waiting for a connection counts.
func (p *publisher) pace(ctx context.Context, run int, rate float64, length time.Duration) (int, error) {
	return p.paceFrom(ctx, run, 0, rate, length)
}

// paceFrom is pace for messages whose numbers begin with first.
func (p *publisher) paceFrom(ctx context.Context, run, first int, rate float64, length time.Duration) (int, error) {
	type due struct {
		seq int
		at  time.Time
	}
	f := &flow{publisher: p, run: run}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan due, 1<<16)
	var all sync.WaitGroup
	for range p.connections {
		all.Go(func() {
			var body []byte
			for d := range queue {
				var err error
				if body, err = f.post(ctx, body, first+d.seq, d.at); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	began, sent := time.Now(), 0
	total := int(rate * length.Seconds())
	for sent < total && ctx.Err() == nil {
		now := time.Now()
		for ; sent < total && float64(sent) <= now.Sub(began).Seconds()*rate; sent++ {
			queue <- due{sent, now}
		}
		next := began.Add(time.Duration(float64(sent) / rate * float64(time.Second)))
		if pause(ctx, time.Until(next)) != nil {
			break
		}
	}
	close(queue)
	all.Wait()
	return sent, context.Cause(ctx)
}
