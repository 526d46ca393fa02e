package commands

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

var (
	failure = domain.Outcome{StartedAt: noon, Took: time.Millisecond, Status: 500, Reason: "http_500"}
	success = domain.Outcome{StartedAt: noon, Took: time.Millisecond, Status: 200}
)

// delivery publishes an order to one subscription and returns the delivery before its first attempt.
func (w *world) delivery() (domain.Delivery, domain.Policy) {
	w.t.Helper()
	o := w.acme()
	s, _ := w.subscribe(o, "order.paid")
	p, err := w.Publish(w.ctx, by, order(o, `{"n":1}`))
	w.must(err)
	m, err := w.LoadMessage(w.ctx, p.Message)
	w.must(err)
	policy, ok := o.PolicyFor(s.SubscriptionSettings)
	if !ok {
		w.t.Fatal("no policy")
	}
	of := domain.DeliveryOf{Message: p.Message, Subscription: s.ID, Organization: o.ID, EventType: "order.paid", PublishedAt: m.Meta.At}
	return domain.NewDelivery(of, s.Revision), policy
}

// record records an outcome and loads the delivery after it.
func (w *world) record(d domain.Delivery, o domain.Outcome, p domain.Policy, cause eventlog.ID) (domain.Delivery, domain.Fact) {
	w.t.Helper()
	f, at, err := w.RecordOutcome(w.ctx, by, d, o, p, cause)
	w.must(err)
	if at.IsZero() {
		w.t.Error("an outcome was recorded nowhere")
	}
	d, err = w.LoadDelivery(w.ctx, d.Of, d.RoundRevision)
	w.must(err)
	return d, f
}

// rounds demands of a delivery's stream: dense attempt numbers and at most one end.
func (w *world) rounds(of domain.DeliveryOf, attempts int) (extras int) {
	w.t.Helper()
	ends, n := 0, 0
	see := func(a domain.Attempt, end bool) {
		n++
		if a.Number != n {
			w.t.Errorf("attempt %d has the number %d", n, a.Number)
		}
		if a.Extra {
			extras++
		} else if end {
			ends++
		}
	}
	for _, f := range w.stream(domain.DeliveryStream(of.ID())) {
		switch f := f.(type) {
		case *domain.AttemptSucceeded:
			see(f.Attempt, true)
		case *domain.AttemptFailed:
			see(f.Attempt, f.Dead)
		}
	}
	if n != attempts || ends > 1 {
		w.t.Errorf("%d attempts with %d ends, want %d with one at most", n, ends, attempts)
	}
	return extras
}

func TestOutcomesAndOffersOfADelivery(t *testing.T) {
	w := newWorld(t)
	d, p := w.delivery()
	of := d.Of
	cause := eventlog.ID{7}
	d, f := w.record(d, failure, p, cause)
	failed, ok := f.(*domain.AttemptFailed)
	if !ok || failed.Number != 1 || failed.NextAttemptAt.Before(noon.Add(time.Minute)) || d.Next != 1 {
		t.Fatalf("got %+v, %+v", d, f)
	}
	for r, err := range w.facts(w.ctx, domain.DeliveryStream(of.ID())) {
		if err != nil || r.Causation != cause.String() || r.Correlation != of.Message.String() || r.Actor != by.Actor {
			t.Errorf("metadata %+v, %v", r.Meta, err)
		}
	}
	if offered, err := w.OfferDelivery(w.ctx, by, d, domain.OfferGrace); offered || err != nil {
		t.Errorf("offered before it is due: %v, %v", offered, err)
	}
	w.clock.pass(2 * time.Minute)
	var nodes sync.WaitGroup
	offers := make(chan bool, 4)
	for range cap(offers) {
		nodes.Go(func() {
			offered, err := w.OfferDelivery(w.ctx, by, d, domain.OfferGrace)
			if err != nil {
				t.Error(err)
			}
			offers <- offered
		})
	}
	nodes.Wait()
	close(offers)
	count := 0
	for offered := range offers {
		if offered {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d nodes offered, want 1", count)
	}
	loaded, err := w.LoadDelivery(w.ctx, of, 0)
	if err != nil || loaded.Offered != 2 || loaded.Next != 2 || loaded.Attempts != 1 {
		t.Fatalf("got %+v, %v", loaded, err)
	}
	d, _ = w.record(loaded, success, p, eventlog.ID{})
	if d.State != domain.Succeeded || d.Attempts != 2 {
		t.Errorf("got %+v", d)
	}
	if again, err := w.LoadDelivery(w.ctx, of, 0); err != nil || again != d {
		t.Errorf("loaded %+v, %v, want %+v", again, err, d)
	}
	if offered, err := w.OfferDelivery(w.ctx, by, d, 0); offered || err != nil {
		t.Errorf("an ended delivery was offered: %v, %v", offered, err)
	}
	if none, err := w.LoadDelivery(w.ctx, domain.DeliveryOf{PublishedAt: noon}, 4); err != nil || none != domain.NewDelivery(domain.DeliveryOf{PublishedAt: noon}, 4) {
		t.Errorf("one without facts: got %+v, %v", none, err)
	}
}

// TestAnOutcomeMeetsAnother: whoever knows too little of the delivery still records what was answered.
func TestAnOutcomeMeetsAnother(t *testing.T) {
	w := newWorld(t)
	stale, p := w.delivery()
	w.record(stale, success, p, eventlog.ID{})
	d, f := w.record(stale, failure, p, eventlog.ID{})
	failed, ok := f.(*domain.AttemptFailed)
	if !ok || !failed.Extra || failed.Number != 2 || failed.Dead || d.State != domain.Succeeded || d.Attempts != 2 {
		t.Errorf("got %+v, %+v", d, f)
	}
	if extras := w.rounds(stale.Of, 2); extras != 1 {
		t.Errorf("%d extra attempts, want 1", extras)
	}
}

func TestManyOutcomesAtOnceEndARoundOnce(t *testing.T) {
	w := newWorld(t)
	stale, p := w.delivery()
	const nodes = 8
	var race sync.WaitGroup
	for i := range nodes {
		race.Go(func() {
			o := success
			if i%2 == 0 {
				o = failure
			}
			if _, _, err := w.RecordOutcome(w.ctx, by, stale, o, p, eventlog.ID{}); err != nil {
				t.Error(err)
			}
		})
	}
	race.Wait()
	w.rounds(stale.Of, nodes)
	d, err := w.LoadDelivery(w.ctx, stale.Of, 0)
	if err != nil || d.State != domain.Succeeded || d.Attempts != nodes {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestAnOutcomeOfUnknownFateIsRecordedOnce(t *testing.T) {
	w := newWorld(t)
	d, p := w.delivery()
	lost := 2
	c := w.another(troubled{Streams: w.log, after: func(string, []eventlog.Event) error {
		if lost--; lost >= 0 {
			return eventlog.ErrUnknownOutcome
		}
		return nil
	}})
	if f, at, err := c.RecordOutcome(w.ctx, by, d, success, p, eventlog.ID{}); err != nil || f == nil || at.IsZero() {
		t.Errorf("got %v at %s, %v", f, at, err)
	}
	w.rounds(d.Of, 1)
}

func TestAnOutcomeThatCannotBeRecordedIsAFault(t *testing.T) {
	w := newWorld(t)
	d, p := w.delivery()
	c := w.another(troubled{Streams: w.log, before: func(string, []eventlog.Event) error { return eventlog.ErrNoSpace }})
	f, _, err := c.RecordOutcome(w.ctx, by, d, success, p, eventlog.ID{})
	if !errors.Is(err, eventlog.ErrNoSpace) || f != nil || domain.CodeOf(err) != 0 {
		t.Errorf("got %v, %v", f, err)
	}
	if offered, err := c.OfferDelivery(w.ctx, by, d, 0); offered || !errors.Is(err, eventlog.ErrNoSpace) {
		t.Errorf("offer: %v, %v", offered, err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	if _, _, err := w.RecordOutcome(ctx, by, d, success, p, eventlog.ID{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	w.holds(domain.DeliveryStream(d.Of.ID()), 0)
}
