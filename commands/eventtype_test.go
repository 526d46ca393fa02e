package commands

import (
	"testing"

	"github.com/hooklog/hooklog/domain"
)

func TestAnEventTypeIsDefinedDescribedAndRetired(t *testing.T) {
	w := newWorld(t)
	o := w.register("acme", "vantageclaw")
	e, at, err := w.DefineEventType(w.ctx, by, o.ID, "order.paid", domain.EventTypeSettings{Description: "one"})
	if err != nil || e.Name != "order.paid" || e.Description != "one" || at.IsZero() {
		t.Fatalf("got %+v at %s, %v", e, at, err)
	}
	_, _, err = w.DefineEventType(w.ctx, by, o.ID, "order.paid", domain.EventTypeSettings{})
	wantCode(t, "again", err, domain.Conflict)
	e, _, err = w.DescribeEventType(w.ctx, by, o.ID, "order.paid", func(s domain.EventTypeSettings) domain.EventTypeSettings {
		s.Category = s.Description + " of two"
		return s
	})
	if err != nil || e.Description != "one" || e.Category != "one of two" {
		t.Errorf("described: got %+v, %v", e, err)
	}
	retired, err := w.RetireEventType(w.ctx, by, o.ID, "order.paid")
	w.must(err)
	if again, err := w.RetireEventType(w.ctx, by, o.ID, "order.paid"); err != nil || again != retired {
		t.Errorf("retired twice: at %s, want %s, %v", again, retired, err)
	}
	_, _, _, err = w.CreateSubscription(w.ctx, by, o.ID, NewSubscription{URL: "https://a.example", Events: []string{"order.paid"}})
	wantCode(t, "subscribe to a retired type", err, domain.Invalid)
	if _, err := w.Publish(w.ctx, by, order(o, `{}`)); err != nil {
		t.Errorf("publish a retired type: %v", err)
	}
	if _, _, err := w.DefineEventType(w.ctx, by, o.ID, "order.paid", domain.EventTypeSettings{}); err != nil {
		t.Errorf("brought back: %v", err)
	}
	w.holds(domain.EventTypeStream(o.ID, "order.paid"), 4)
}

func TestEventTypeRefusals(t *testing.T) {
	w := newWorld(t)
	o := w.register("acme", "vantageclaw")
	same := func(s domain.EventTypeSettings) domain.EventTypeSettings { return s }
	for name, want := range map[string]domain.Code{"": domain.Invalid, "A": domain.Invalid, "a.*": domain.Invalid,
		"hooklog.x": domain.Invalid, "vc.test.ping": domain.Invalid, "a/../b": domain.Invalid} {
		_, _, err := w.DefineEventType(w.ctx, by, o.ID, name, domain.EventTypeSettings{})
		wantCode(t, "define "+name, err, want)
		_, _, err = w.DescribeEventType(w.ctx, by, o.ID, name, same)
		wantCode(t, "describe "+name, err, domain.NotFound)
		_, err = w.RetireEventType(w.ctx, by, o.ID, name)
		wantCode(t, "retire "+name, err, domain.NotFound)
	}
	_, _, err := w.DefineEventType(w.ctx, by, domain.OrganizationID{1}, "a", domain.EventTypeSettings{})
	wantCode(t, "of no organization", err, domain.NotFound)
	_, err = w.CloseOrganization(w.ctx, by, o.ID)
	w.must(err)
	_, _, err = w.DefineEventType(w.ctx, by, o.ID, "a", domain.EventTypeSettings{})
	wantCode(t, "of a closed one", err, domain.Conflict)
}

// TestWhatMayBePublishedAndSubscribedTo goes through the catalogue: own, the profile's, reserved, the test's, unknown.
func TestWhatMayBePublishedAndSubscribedTo(t *testing.T) {
	w := newWorld(t)
	claw, kit := w.acme(), w.register("kit", "vantagekit")
	for _, c := range []struct {
		o                       domain.Organization
		name                    string
		publishable, subscribed bool
	}{
		{claw, "order.paid", true, true}, {claw, "order.unknown", false, false}, {kit, "order.paid", false, false},
		{kit, "deal_room.created", true, true}, {claw, "deal_room.created", false, false},
		{claw, "vc.lead.created", false, true}, {kit, "vc.lead.created", false, false},
		{claw, "vc.test.ping", false, true}, {kit, "vc.test.ping", false, true},
		{claw, "hooklog.x", false, false}, {claw, "*", false, true}, {claw, "order.*", false, true}, {claw, "unknown.*", false, true},
	} {
		_, err := w.Publish(w.ctx, by, domain.Publication{Organization: c.o.ID, EventType: c.name, Data: []byte(`{}`)})
		want := domain.Code(0)
		if !c.publishable {
			want = domain.Invalid
		}
		wantCode(t, c.o.Slug+" publishes "+c.name, err, want)
		_, _, _, err = w.CreateSubscription(w.ctx, by, c.o.ID, NewSubscription{URL: "https://a.example", Events: []string{c.name}})
		want = 0
		if !c.subscribed {
			want = domain.Invalid
		}
		wantCode(t, c.o.Slug+" subscribes to "+c.name, err, want)
	}
	if _, _, err := w.DefineEventType(w.ctx, by, claw.ID, "vc.lead.created", domain.EventTypeSettings{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Publish(w.ctx, by, domain.Publication{Organization: claw.ID, EventType: "vc.lead.created", Data: []byte(`{}`)}); err != nil {
		t.Errorf("a reserved type that an operator defined: %v", err)
	}
}
