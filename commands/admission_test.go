package commands

import (
	"errors"
	"strings"
	"testing"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// A process that dies between admission and creation takes no place for ever; and what was admitted is not created once
// its place was given away.
func TestAPlaceThatWasAdmittedAndNotUsedIsGivenAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.register("kit", "vantagekit")
	for range 9 {
		w.subscribe(o)
	}
	dying := w.another(troubled{Streams: w.log, before: func(stream string, _ []eventlog.Event) error {
		if strings.HasPrefix(stream, "hl_subscription-") {
			return errCrash
		}
		return nil
	}})
	create := func(c *Commands) error {
		_, _, _, err := c.CreateSubscription(w.ctx, by, o.ID, NewSubscription{URL: "https://receiver.example/in"})
		return err
	}
	if err := create(dying); !errors.Is(err, errCrash) {
		t.Fatalf("got %v", err)
	}
	var admitted domain.SubscriptionID
	for _, f := range w.stream(domain.OrganizationStream(o.ID)) {
		if f, ok := f.(*domain.SubscriptionAdmitted); ok {
			admitted = f.Subscription
		}
	}
	wantCode(t, "within the grace", create(w.Commands), domain.Conflict)
	w.clock.pass(domain.AdmissionGrace)
	wantCode(t, "after the grace", create(w.Commands), 0)
	wantCode(t, "one more", create(w.Commands), domain.Conflict)
	if facts := w.stream(domain.SubscriptionStream(admitted)); len(facts) != 1 || facts[0].FactType() != "hooklog.AdmissionWithdrawn.v1" {
		t.Errorf("the stream of the subscription that was never created holds %v", types(facts))
	}
	s, err := w.LoadSubscription(w.ctx, admitted)
	if w.must(err); s.Exists() || s.Active() {
		t.Errorf("a withdrawn subscription exists: %+v", s)
	}
}

// Whoever is so slow that its place was given away is told to try again, and creates nothing.
func TestASlowCreationDoesNotGoPastTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.register("kit", "vantagekit")
	for range 9 {
		w.subscribe(o)
	}
	once := false
	slow := w.another(troubled{Streams: w.log, before: func(stream string, _ []eventlog.Event) error {
		if strings.HasPrefix(stream, "hl_subscription-") && !once {
			once = true
			w.clock.pass(domain.AdmissionGrace)
			w.subscribe(o)
		}
		return nil
	}})
	_, _, _, err := slow.CreateSubscription(w.ctx, by, o.ID, NewSubscription{URL: "https://receiver.example/in"})
	wantCode(t, "the slow one", err, domain.Unavailable)
	live := 0
	w.directory.Organization(o.ID)
	for _, s := range w.directory.subscriptions {
		if s.Exists() && !s.Deleted {
			live++
		}
	}
	if live != 10 {
		t.Errorf("%d subscriptions, want 10", live)
	}
}

func TestADeletedSubscriptionMakesRoomWithoutReadingTheOthersAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.register("kit", "vantagekit")
	for range 25 {
		s, _ := w.subscribe(o)
		_, err := w.DeleteSubscription(w.ctx, by, o.ID, s.ID)
		w.must(err)
	}
	a, err := load(w.ctx, w.Commands, domain.OrganizationStream(o.ID), domain.Admissions{}, foldAdmission)
	if w.must(err); len(a.state.Held) > 10 {
		t.Errorf("%d places are held", len(a.state.Held))
	}
}
