package projections

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// wire is a feed at the end of a wire that can swallow what it carries. Nobody is told: a subscription believes that it
// is live still.
type wire struct {
	eventlog.Feed
	noAnswers, noEvents atomic.Bool
}

func (w *wire) Head(ctx context.Context) (eventlog.Position, error) {
	if w.noAnswers.Load() {
		<-ctx.Done()
		return eventlog.Position{}, ctx.Err()
	}
	return w.Feed.Head(ctx)
}

func (w *wire) Subscribe(ctx context.Context, after eventlog.Position, receive func(context.Context, eventlog.Batch) error) error {
	return w.Feed.Subscribe(ctx, after, func(ctx context.Context, b eventlog.Batch) error {
		for w.noEvents.Load() && ctx.Err() == nil {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
		return receive(ctx, b)
	})
}

// onWire runs a fold at the end of a wire to a log that holds an organization, until the bubble's clock has proven it
// current.
func onWire(t *testing.T) (*running, *wire, *scribe) {
	t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatalf("open the log: %v", err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("close the log: %v", err)
		}
	})
	w := &wire{Feed: log}
	x, err := Open(Config{Dir: "projections", FS: vfs.NewMem(), Feed: w, Streams: log, Codec: codec(), ReconcileRate: -1})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	if got := x.Lag(); got < unproven {
		t.Errorf("a fold that has not run is %v behind", got)
	}
	r := start(t, x, log)
	s := newScribe(t)
	s.organization("vantageclaw")
	r.append(s, 0)
	time.Sleep(2 * askEvery)
	synctest.Wait()
	if r.Lag() != 0 || !r.Live() {
		t.Errorf("a fold at the head is %v behind, live %t", r.Lag(), r.Live())
	}
	return r, w, s
}

// goesStale checks that a fold that is cut off at this moment counts the time from there on, and no less.
func (r *running) goesStale() {
	r.t.Helper()
	for _, d := range []time.Duration{5 * time.Second, 10 * time.Second, time.Hour} {
		cut := time.Now()
		time.Sleep(d)
		synctest.Wait()
		if got, least := r.Lag(), time.Since(cut); got < least {
			r.t.Errorf("%v after it was cut off the fold is %v behind", least, got)
		}
	}
}

func (r *running) recovers() {
	r.t.Helper()
	time.Sleep(askPatience + 2*askEvery)
	synctest.Wait()
	if r.Lag() != 0 {
		r.t.Errorf("the fold is still %v behind", r.Lag())
	}
}

// The facts of these tests are of a writer whose clock is years ahead: that makes nobody current.

func TestALogThatFallsSilentMakesTheLagGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w, _ := onWire(t)
		w.noAnswers.Store(true)
		w.noEvents.Store(true)
		r.goesStale()
		if !r.Live() {
			t.Error("the subscription was to believe that it is live")
		}
		w.noAnswers.Store(false)
		w.noEvents.Store(false)
		r.recovers()
	})
}

func TestASubscriptionThatStandsStillMakesTheLagGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w, s := onWire(t)
		w.noEvents.Store(true)
		before := len(s.events)
		s.organization("standard")
		e := s.events[before]
		if _, err := r.log.Append(t.Context(), e.Stream, eventlog.NoStream, e.Event); err != nil {
			t.Fatal(err)
		}
		r.goesStale()
		w.noEvents.Store(false)
		r.recovers()
	})
}

// While nothing is appended a subscription says nothing, and the fold is current all the same.
func TestAQuietLogMakesNobodyLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, _ := onWire(t)
		time.Sleep(time.Hour)
		synctest.Wait()
		if r.Lag() != 0 {
			t.Errorf("after an hour of silence the fold is %v behind", r.Lag())
		}
	})
}

func TestTheLagBeforeTheHeadWasReachedIsTheAgeOfFacts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC)
	p := &progress{}
	for _, c := range []struct{ at, want time.Duration }{{0, unproven}, {-time.Hour, time.Hour}, {-time.Second, unproven}, {24 * time.Hour, unproven}} {
		if c.at != 0 {
			p.end(now.Add(c.at), true)
		}
		if got := p.lag(now); got != c.want {
			t.Errorf("with a fact of %v: %v, want %v", c.at, got, c.want)
		}
	}
	p.prove(time.Now())
	if got := p.lag(now); got != 0 {
		t.Errorf("once it was proven: %v", got)
	}
}
