package projections

import (
	"slices"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
)

func TestWhoGetsAMessageAndWhy(t *testing.T) {
	t.Parallel()
	r := follow(t)
	s := newScribe(t)
	org, other := s.organization("standard"), s.organization("standard")
	gets := s.subscription(org, "a.b")
	off := s.subscription(org, "a.*")
	s.disable(org, off)
	failing := s.subscription(org, "a.b")
	s.write(domain.SubscriptionStream(failing), &domain.SubscriptionDisabled{Organization: org, By: domain.ByFailures})
	folder := domain.SubscriptionID(s.id())
	s.write(domain.SubscriptionStream(folder), &domain.SubscriptionCreated{Organization: org, SubscriptionSettings: domain.SubscriptionSettings{
		URL: "https://example.com", Events: []string{"a.b"}, Clients: []string{"eu"}}})
	s.subscription(org, "c.d")
	s.subscription(other, "a.b")
	goneBefore, goneAfter := s.subscription(org, "a.b"), s.subscription(org, "a.b")
	s.deleteSubscription(org, goneBefore)
	id, of := s.publish(org, "a.b", 10, domain.Target{Subscription: gets}, domain.Target{Subscription: goneAfter})
	s.succeed(deliveryTo(id, of, gets), 1)
	// What happens afterwards changes nothing.
	s.deleteSubscription(org, goneAfter)
	s.disable(org, gets)
	s.enable(org, off)
	s.subscription(org, "a.b")
	r.append(s, 0)
	e, err := r.WhoGets(t.Context(), org, id, nil, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	var targets []domain.SubscriptionID
	var states []domain.DeliveryState
	for _, target := range e.Targets {
		targets, states = append(targets, target.Subscription), append(states, target.Delivery.State)
	}
	if !slices.Equal(targets, []domain.SubscriptionID{gets, goneAfter}) || !slices.Equal(states, []domain.DeliveryState{domain.Succeeded, domain.Cancelled}) {
		t.Errorf("targets %v in states %v", targets, states)
	}
	want := []domain.Withheld{{Subscription: off, Why: domain.WithheldDisabled}, {Subscription: failing, Why: domain.WithheldFailures}, {Subscription: folder, Why: domain.WithheldClient}}
	if !slices.Equal(e.Withheld, want) {
		t.Errorf("withheld %v, want %v", e.Withheld, want)
	}
	if e.NotAsking != 1 {
		t.Errorf("%d do not ask for the type, want 1", e.NotAsking)
	}
	if e.Message != id || e.Published.EventType != "a.b" || e.Position.IsZero() || !e.Meta.At.Equal(of.PublishedAt) {
		t.Errorf("explained as %+v", e)
	}
	again, err := r.MatchAgain(t.Context(), id)
	if err != nil || len(again) != 2 {
		t.Errorf("matched again: %v, %v", again, err)
	}
	if _, err := r.WhoGets(t.Context(), other, id, nil, 0, ""); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("asked by another organization: %v, want NotFound", err)
	}
	if _, err := r.WhoGets(t.Context(), org, domain.MessageID(s.id()), nil, 0, ""); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("a message that is not there: %v, want NotFound", err)
	}
}

func TestWhoGetsATest(t *testing.T) {
	t.Parallel()
	r := follow(t)
	s := newScribe(t)
	org := s.organization("standard")
	sub := s.subscription(org)
	s.subscription(org, "*")
	only := func() domain.MessageID {
		id := domain.MessageID(s.id())
		s.publishAs(id, &domain.MessagePublished{Organization: org, EventType: testType, OccurredAt: s.now,
			Targets: []domain.Target{{Subscription: sub}}, Total: 1, Only: true})
		return id
	}
	sent := only()
	s.disable(org, sub)
	withheld := only()
	r.append(s, 0)
	e, err := r.WhoGets(t.Context(), org, sent, nil, 0, "")
	if err != nil || len(e.Targets) != 1 || !e.Targets[0].Begun || len(e.Withheld) != 0 || e.NotAsking != 1 {
		t.Errorf("while active: %+v, %v", e, err)
	}
	e, err = r.WhoGets(t.Context(), org, withheld, nil, 0, "")
	if err != nil || len(e.Targets) != 0 || len(e.Withheld) != 1 || e.NotAsking != 1 {
		t.Errorf("while disabled: %+v, %v", e, err)
	}
}

func TestADeliveryIsFoundByItsIDFromTheStart(t *testing.T) {
	t.Parallel()
	r := follow(t)
	s := newScribe(t)
	org := s.organization("standard")
	sub, second := s.subscription(org, "a.b"), s.subscription(org, "a.b")
	// Three messages of one millisecond, one of a publisher's own id, and one that misses a target.
	at := s.now
	var all []domain.DeliveryOf
	for range 3 {
		s.now = at
		id, of := s.publish(org, "a.b", 2, domain.Target{Subscription: sub}, domain.Target{Subscription: second})
		all = append(all, deliveryTo(id, of, sub), deliveryTo(id, of, second))
	}
	s.now = at.Add(time.Second)
	derived := domain.DeriveMessageID(org, "order-1")
	of := s.publishAs(derived, &domain.MessagePublished{Organization: org, EventType: "a.b", OccurredAt: s.now, Total: 1, Seen: 1,
		Targets: []domain.Target{{Subscription: sub}}})
	all = append(all, deliveryTo(derived, of, sub), deliveryTo(derived, of, second))
	r.append(s, 0)
	for i, of := range all {
		h, err := r.DeliveryByID(t.Context(), of.ID())
		if err != nil || h.Of != of || h.State != domain.Scheduled || len(h.Facts) != 0 {
			t.Errorf("delivery %d: %+v, %v", i, h, err)
		}
	}
	if _, err := r.DeliveryByID(t.Context(), domain.DeriveDeliveryID(all[0].Message, domain.SubscriptionID(s.id()))); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("a delivery that nothing began: %v, want NotFound", err)
	}
	before := len(s.events)
	s.fail(all[0], 1, time.Minute)
	s.write(domain.DeliveryStream(all[0].ID()), &domain.RetryDue{DeliveryOf: all[0], Round: 1, Number: 2, DueAt: s.now})
	s.succeed(all[0], 2)
	r.append(s, before)
	h, err := r.DeliveryByID(t.Context(), all[0].ID())
	if err != nil || h.State != domain.Succeeded || h.Attempts != 2 || len(h.Facts) != 3 {
		t.Fatalf("after two attempts: %+v, %v", h, err)
	}
	for i, f := range h.Facts {
		if f.Revision != uint64(i) || f.Position.IsZero() || f.ID.IsZero() || f.Meta.Actor != "node:a" {
			t.Errorf("fact %d: %+v", i, f)
		}
	}
}
