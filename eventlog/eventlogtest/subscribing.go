package eventlogtest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/hooklog/hooklog/eventlog"
)

func subscribeRules() []Rule {
	return []Rule{
		{Name: "a subscription catches up, tells so and goes on", check: catchesUp},
		{Name: "a subscription while others append has no gap and no repetition", check: subscribeWhileAppending},
		{Name: "a subscription resumes after a checkpoint", check: resumes},
		{Name: "a subscription to an empty log is live", check: liveAtOnce},
		{Name: "a subscription after the head fails with ErrAhead", check: subscribeAhead},
		{Name: "a subscription ends with the error of its receiver", check: receiverFails},
		{Name: "a subscription ends with its context", check: subscriptionEnds},
		{Name: "a subscription follows after a restart", check: followsRestarted, restarts: true},
	}
}

// follower is a subscription whose batches can be waited for.
type follower struct {
	x       *run
	batches chan eventlog.Batch
	done    chan error
	stop    context.CancelFunc
}

func (x *run) follow(after eventlog.Position) *follower {
	ctx, cancel := context.WithCancel(x.ctx)
	f := &follower{x: x, batches: make(chan eventlog.Batch, 4096), done: make(chan error, 1), stop: cancel}
	x.Cleanup(cancel)
	log := x.log
	var running atomic.Bool
	go func() {
		f.done <- log.Subscribe(ctx, after, func(_ context.Context, b eventlog.Batch) error {
			if !running.CompareAndSwap(false, true) {
				x.Errorf("receive was called concurrently")
			}
			defer running.Store(false)
			f.batches <- b
			return nil
		})
	}()
	return f
}

// until collects events until n are there, and until the subscription is live if live is wanted.
func (f *follower) until(n int, live bool) []eventlog.Recorded {
	f.x.Helper()
	var events []eventlog.Recorded
	is := false
	for len(events) < n || live && !is {
		b := receive(f.x, label("event %d of %d of a subscription", len(events)+1, n), f.batches)
		events, is = append(events, b.Events...), b.Live
	}
	return events
}

func catchesUp(x *run) {
	stream := unique("feed")
	past := newEvents("t", 700)
	for i := 0; i < len(past); i += 100 {
		x.append(stream, eventlog.Any, past[i:i+100]...)
	}
	f := x.follow(x.start)
	got := f.until(len(past), true)
	next := newEvent("t")
	x.append(stream, eventlog.Any, next)
	got = append(got, f.until(1, true)...)
	if x.backend.Features.SharedFeed {
		return
	}
	x.ordered(got)
	x.sameEvents(stream, 0, got, append(past, next))
	nothing(x, "a batch although nothing was appended", f.batches)
}

func subscribeWhileAppending(x *run) {
	const total = 2000
	stream := unique("feed")
	appended := make(chan error, 1)
	go func() {
		for i := 0; i < total; {
			n := min(1+i%7, total-i)
			if _, err := x.log.Append(x.ctx, stream, eventlog.Any, newEvents("t", n)...); err != nil {
				appended <- err
				return
			}
			i += n
		}
		appended <- nil
	}()
	followers := []*follower{x.follow(x.start), x.follow(x.start)}
	x.eventually("the first events", func() bool { return x.head().After(x.start) })
	followers = append(followers, x.follow(x.start))
	if err := receive(x, "the appender", appended); err != nil {
		x.Fatalf("append: %v", err)
	}
	for _, f := range followers {
		got := f.until(total, true)
		x.ordered(got)
		if len(got) != total && !x.backend.Features.SharedFeed {
			x.Errorf("a subscriber got %d events, want %d", len(got), total)
		}
	}
}

func resumes(x *run) {
	stream, events := unique("feed"), newEvents("t", 10)
	x.append(stream, eventlog.NoStream, events...)
	all := x.readAll()
	for _, at := range []int{0, 4, 8} {
		f := x.follow(all[at].Position)
		got := f.until(len(all)-at-1, true)
		if len(got) == 0 || got[0].Position != all[at+1].Position {
			x.Errorf("a subscription after event %d does not begin with the next", at)
		}
		f.stop()
		receive(x, "the end of a subscription", f.done)
	}
}

func liveAtOnce(x *run) {
	f := x.follow(x.head())
	b := receive(x, "the batch that tells that a subscription is live", f.batches)
	if !b.Live && !x.backend.Features.SharedFeed {
		x.Errorf("the first batch at the head is not live")
	}
	x.append(unique("feed"), eventlog.NoStream, newEvent("t"))
	f.until(1, true)
}

func subscribeAhead(x *run) {
	x.append(unique("feed"), eventlog.NoStream, newEvent("t"))
	high, low := x.head().Halves()
	f := x.follow(eventlog.PositionOf(high+1<<30, low+1<<30))
	if err := receive(x, "the end of a subscription after the head", f.done); !errors.Is(err, eventlog.ErrAhead) {
		x.Errorf("a subscription after the head: got %v, want ErrAhead", err)
	}
}

func receiverFails(x *run) {
	x.append(unique("feed"), eventlog.NoStream, newEvents("t", 3)...)
	own := errors.New("the receiver's own")
	calls := 0
	done := make(chan error, 1)
	go func() {
		done <- x.log.Subscribe(x.ctx, x.start, func(context.Context, eventlog.Batch) error {
			calls++
			return own
		})
	}()
	if err := receive(x, "the end of a subscription", done); !errors.Is(err, own) || calls != 1 {
		x.Errorf("a subscription whose receiver failed: got %v after %d calls", err, calls)
	}
}

func subscriptionEnds(x *run) {
	f := x.follow(x.start)
	x.append(unique("feed"), eventlog.NoStream, newEvent("t"))
	f.until(1, true)
	f.stop()
	if err := receive(x, "the end of a subscription", f.done); !errors.Is(err, context.Canceled) {
		x.Errorf("a cancelled subscription: got %v", err)
	}
}

func followsRestarted(x *run) {
	stream := unique("feed")
	x.append(stream, eventlog.NoStream, newEvents("t", 5)...)
	f := x.follow(x.start)
	got := f.until(5, true)
	f.stop()
	receive(x, "the end of a subscription", f.done)
	x.reopen()
	x.append(stream, eventlog.Exactly(4), newEvents("t", 2)...)
	again := x.follow(got[len(got)-1].Position).until(2, true)
	if len(again) != 2 || again[0].Revision != 5 {
		x.Errorf("after a restart: got %d events, want revisions 5 and 6", len(again))
	}
}
