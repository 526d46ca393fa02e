package projections

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// sample is a history of a day: a delivery an hour, of which those of three hours fail until they are given up.
func sample(s *scribe) (org domain.OrganizationID, sub domain.SubscriptionID, from, to time.Time) {
	org = s.organization("vantageclaw")
	sub = s.subscription(org, "a.b")
	from = s.now
	for hour := range 24 {
		s.now = from.Add(time.Duration(hour) * time.Hour)
		id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
		if hour < 6 || hour > 8 {
			s.succeed(deliveryTo(id, of, sub), 1)
			continue
		}
		s.fail(deliveryTo(id, of, sub), 1, 0)
	}
	return org, sub, from, s.now
}

// inLog puts what a scribe wrote into a log.
func inLog(t testing.TB, s *scribe) *embedded.Log {
	t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, e := range s.events {
		if _, err := log.Append(t.Context(), e.Stream, eventlog.Any, e.Event); err != nil {
			t.Fatal(err)
		}
	}
	return log
}

func TestSimulateReadsTheLogAndNothingElse(t *testing.T) {
	s := newScribe(t)
	org, sub, from, to := sample(s)
	s.put("else-1", eventlog.Event{ID: eventlog.ID(s.id()), Type: "somebody.else", Data: []byte("{}"), Metadata: []byte("{}")})
	log := inLog(t, s)
	before, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(r domain.SimulationRequest) domain.SimulationReport {
		t.Helper()
		r.From, r.To = from, to
		got, err := Simulate(t.Context(), log, codec(), r)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := ask(domain.SimulationRequest{})
	if n := got.Total.Recorded.Ends; n[domain.EndSucceeded] != 21 || n[domain.EndDead] != 3 || got.Total.Simulated.Ends != n || got.Total.ExtraAttempts() != 0 {
		t.Errorf("as recorded: %+v", got.Total)
	}
	// Three hours later all of them would have arrived: the last of the failures was at 8, the next success at 9.
	longer := []domain.Duration{domain.Duration(3 * time.Hour)}
	for _, r := range []domain.SimulationRequest{{Schedule: longer}, {Schedule: longer, Organization: org}, {Schedule: longer, Subscription: sub}} {
		got = ask(r)
		if got.Total.Saved != 3 || got.Total.SavedEstimated != 0 || got.Total.Lost != 0 || got.Total.ExtraAttempts() != 3 || len(got.Subscriptions) != 1 {
			t.Errorf("longer, %+v: %+v", r, got.Total)
		}
	}
	if got = ask(domain.SimulationRequest{Organization: domain.OrganizationID{9}}); got.Total.Deliveries != 0 {
		t.Errorf("of nobody: %+v", got.Total)
	}
	if after, err := log.Head(t.Context()); err != nil || after != before {
		t.Errorf("the log went from %s to %s: %v", before, after, err)
	}
}

func TestSimulateBeginsWithAMessage(t *testing.T) {
	s := newScribe(t)
	_, _, from, to := sample(s)
	log := inLog(t, s)
	whole, err := Simulate(t.Context(), log, codec(), domain.SimulationRequest{From: from.Add(-time.Hour), To: to.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if whole.Total.Deliveries != 24 {
		t.Errorf("in all %d", whole.Total.Deliveries)
	}
	// Between a message and its outcome nothing that is observed begins the window.
	for hour := range 24 {
		at := from.Add(time.Duration(hour) * time.Hour)
		got, err := Simulate(t.Context(), log, codec(), domain.SimulationRequest{From: at, To: at.Add(time.Minute)})
		if err != nil || got.Total.Deliveries != 1 || got.Total.Recorded.Attempts != 1 {
			t.Errorf("hour %d: %v, %+v", hour, err, got.Total)
		}
	}
}

func TestSimulateStopsWithItsContext(t *testing.T) {
	s := newScribe(t)
	_, _, from, to := sample(s)
	log := inLog(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Simulate(ctx, log, codec(), domain.SimulationRequest{From: from, To: to}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := Simulate(t.Context(), log, codec(), domain.SimulationRequest{From: to, To: from}); domain.CodeOf(err) != domain.Invalid {
		t.Errorf("a window that ends before it begins: %v", err)
	}
}

// BenchmarkSimulate measures facts a second, both walks together: of five deliveries one fails at first.
func BenchmarkSimulate(b *testing.B) {
	for _, subs := range []int{1, 100} {
		b.Run(fmt.Sprintf("subscriptions=%d", subs), func(b *testing.B) {
			s := newScribe(b)
			org := s.organization("vantageclaw")
			from := s.now
			var all []domain.SubscriptionID
			for range subs {
				all = append(all, s.subscription(org, "a.b"))
			}
			for i := range 10_000 {
				id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: all[i%subs]})
				d := deliveryTo(id, of, all[i%subs])
				if i%5 == 0 {
					s.fail(d, 1, time.Minute)
				} else {
					s.succeed(d, 1)
				}
			}
			feed := written{events: s.events}
			r := domain.SimulationRequest{From: from, To: s.now, Schedule: []domain.Duration{domain.Duration(time.Second)}}
			for b.Loop() {
				if _, err := Simulate(b.Context(), feed, codec(), r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(s.events)*b.N)/b.Elapsed().Seconds(), "facts/s")
		})
	}
}
