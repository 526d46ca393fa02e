package commands

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/webhook"
)

func TestASubscriptionIsMadeDisabledEnabledAndDeleted(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	s, secret, at, err := w.CreateSubscription(w.ctx, by, o.ID, NewSubscription{URL: "https://a.example", Events: []string{"order.paid", "*"}})
	if err != nil || !s.Active() || s.Revision != 0 || at.IsZero() || len(s.Events) != 2 || !strings.HasPrefix(secret.Reveal(), "whsec_") {
		t.Fatalf("got %+v, %v", s, err)
	}
	if got := string(w.opened(o.ID, s.Secret, s.ID.String())); got != secret.Reveal() {
		t.Errorf("another secret was sealed")
	}
	disable := func() error {
		_, err := w.DisableSubscription(w.ctx, by, o.ID, s.ID, domain.ByOwner, "holidays")
		return err
	}
	enable := func() error { _, err := w.EnableSubscription(w.ctx, by, o.ID, s.ID); return err }
	for i, step := range []struct {
		do     func() error
		active bool
		facts  int
	}{{enable, true, 1}, {disable, false, 2}, {disable, false, 2}, {enable, true, 3}} {
		w.must(step.do())
		got, err := w.LoadSubscription(w.ctx, s.ID)
		if err != nil || got.Active() != step.active {
			t.Errorf("step %d: %+v, %v", i, got, err)
		}
		w.holds(domain.SubscriptionStream(s.ID), step.facts)
	}
	_, err = w.DeleteSubscription(w.ctx, by, o.ID, s.ID)
	w.must(err)
	for name, do := range map[string]func() error{"enable": enable, "disable": disable,
		"delete": func() error { _, err := w.DeleteSubscription(w.ctx, by, o.ID, s.ID); return err }} {
		wantCode(t, name+" a deleted one", do(), domain.NotFound)
	}
	if none, err := w.LoadSubscription(w.ctx, domain.SubscriptionID{1}); err != nil || none.Exists() {
		t.Errorf("load none: %+v, %v", none, err)
	}
}

func TestCreateRefusals(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	events := len(w.recorded())
	for name, c := range map[string]struct {
		n    NewSubscription
		want domain.Code
	}{
		"no url":          {NewSubscription{}, domain.Invalid},
		"a long url":      {NewSubscription{URL: "https://" + strings.Repeat("a", 2041)}, domain.Invalid},
		"a refused url":   {NewSubscription{URL: refusedURL}, domain.Invalid},
		"an unknown type": {NewSubscription{URL: "https://a.example", Events: []string{"nope"}}, domain.Invalid},
	} {
		_, secret, _, err := w.CreateSubscription(w.ctx, by, o.ID, c.n)
		wantCode(t, name, err, c.want)
		if !secret.IsZero() {
			t.Errorf("%s: refused with a secret", name)
		}
	}
	_, _, _, err := w.CreateSubscription(w.ctx, by, domain.OrganizationID{1}, NewSubscription{URL: "https://a.example"})
	wantCode(t, "no organization", err, domain.NotFound)
	if n := len(w.recorded()); n != events {
		t.Errorf("refusals left %d events", n-events)
	}
	_, err = w.CloseOrganization(w.ctx, by, o.ID)
	w.must(err)
	_, _, _, err = w.CreateSubscription(w.ctx, by, o.ID, NewSubscription{URL: "https://a.example"})
	wantCode(t, "a closed organization", err, domain.Conflict)
}

func TestAForeignSubscriptionIsNotFound(t *testing.T) {
	w := newWorld(t)
	o, other := w.acme(), w.register("other", "vantageclaw")
	s, secret := w.subscribe(o, "*")
	for name, do := range map[string]func() error{
		"delete": func() error { _, err := w.DeleteSubscription(w.ctx, by, other.ID, s.ID); return err },
		"enable": func() error { _, err := w.EnableSubscription(w.ctx, by, other.ID, s.ID); return err },
		"disable": func() error {
			_, err := w.DisableSubscription(w.ctx, by, other.ID, s.ID, domain.ByOwner, "")
			return err
		},
		"test": func() error { _, _, err := w.TestSubscription(w.ctx, by, other.ID, s.ID, &secret); return err },
		"of nobody": func() error {
			_, err := w.DeleteSubscription(w.ctx, by, domain.OrganizationID{}, domain.SubscriptionID{9})
			return err
		},
	} {
		wantCode(t, name, do(), domain.NotFound)
	}
	w.holds(domain.SubscriptionStream(s.ID), 1)
}

func TestATestGoesToItsSubscriptionAlone(t *testing.T) {
	w := newWorld(t)
	for _, p := range webhook.Profiles() {
		o := w.register(p.Name(), p.Name())
		s, secret := w.subscribe(o)
		w.subscribe(o, "*")
		id, at, err := w.TestSubscription(w.ctx, by, o.ID, s.ID, &secret)
		w.must(err)
		m, err := w.LoadMessage(w.ctx, id)
		w.must(err)
		f := m.Published
		if !f.Only || f.EventType != "vc.test.ping" || f.Total != 1 || len(m.Targets) != 1 || m.Targets[0] != (domain.Target{Subscription: s.ID}) || m.Position != at {
			t.Errorf("%s: got %+v", p.Name(), f)
		}
		if got := string(w.opened(o.ID, f.Payload, id.String())); got != `{"message":"integration test"}` {
			t.Errorf("%s: data %s", p.Name(), got)
		}
		second, _, err := w.TestSubscription(w.ctx, by, o.ID, s.ID, &secret)
		if err != nil || second == id {
			t.Errorf("%s: a second test is %s, %v", p.Name(), second, err)
		}
	}
}

// TestTheOrderOfATestsRefusals holds docs/contract.md: 404, 409, 422, 401.
func TestTheOrderOfATestsRefusals(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	s, secret := w.subscribe(o)
	wrong := secret + "x"
	test := func(name string, id domain.SubscriptionID, secret *string, want domain.Code) {
		t.Helper()
		_, _, err := w.TestSubscription(w.ctx, by, o.ID, id, secret)
		wantCode(t, name, err, want)
	}
	test("no such, no secret", domain.SubscriptionID{1}, nil, domain.NotFound)
	test("no secret", s.ID, nil, domain.Invalid)
	test("wrong secret", s.ID, &wrong, domain.Unauthenticated)
	empty := ""
	test("empty secret", s.ID, &empty, domain.Unauthenticated)
	test("right secret", s.ID, &secret, 0)
	_, err := w.DisableSubscription(w.ctx, by, o.ID, s.ID, domain.ByOwner, "")
	w.must(err)
	test("disabled, no secret", s.ID, nil, domain.Conflict)
	test("disabled, wrong secret", s.ID, &wrong, domain.Conflict)
	_, err = w.EnableSubscription(w.ctx, by, o.ID, s.ID)
	w.must(err)
	_, err = w.CloseOrganization(w.ctx, by, o.ID)
	w.must(err)
	test("closed organization, wrong secret", s.ID, &wrong, domain.Conflict)
	test("closed organization", s.ID, &secret, domain.Conflict)
	_, err = w.DeleteSubscription(w.ctx, by, o.ID, s.ID)
	w.must(err)
	test("deleted", s.ID, &secret, domain.NotFound)
}

func TestATestAcceptsTheOldSecretForTheOverlap(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	s, old := w.subscribe(o)
	sealed, err := w.seal(w.ctx, o.ID, "whsec_new_secret", s.ID.String())
	w.must(err)
	_, _, err = change(w.ctx, w.Commands, by, domain.SubscriptionStream(s.ID), domain.Subscription{ID: s.ID}, foldSubscription,
		func(domain.Subscription) (domain.Fact, error) {
			return &domain.SecretRotated{Organization: o.ID, Secret: sealed, PreviousUntil: noon.Add(time.Hour)}, nil
		})
	w.must(err)
	next := "whsec_new_secret"
	for _, c := range []struct {
		name, secret string
		want         domain.Code
	}{{"new", next, 0}, {"old", old, 0}} {
		_, _, err := w.TestSubscription(w.ctx, by, o.ID, s.ID, &c.secret)
		wantCode(t, c.name+" within the overlap", err, c.want)
	}
	w.clock.pass(time.Hour)
	_, _, err = w.TestSubscription(w.ctx, by, o.ID, s.ID, &old)
	wantCode(t, "old after the overlap", err, domain.Unauthenticated)
	_, _, err = w.TestSubscription(w.ctx, by, o.ID, s.ID, &next)
	wantCode(t, "new after the overlap", err, 0)
}

func TestFailuresDisableOnce(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	s, _ := w.subscribe(o, "*")
	limit := domain.LimitReached{Fact: "019e5620-4c84-7abc-8def-0123456789ab", Why: "enough"}
	var nodes sync.WaitGroup
	for range 4 {
		nodes.Go(func() {
			if err := w.DisableFailing(w.ctx, by, s.ID, s.Lifecycle, limit); err != nil {
				t.Errorf("disable: %v", err)
			}
		})
	}
	nodes.Wait()
	w.holds(domain.SubscriptionStream(s.ID), 2)
	f, ok := w.stream(domain.SubscriptionStream(s.ID))[1].(*domain.SubscriptionDisabled)
	if !ok || f.By != domain.ByFailures || f.Cause != limit.Fact || f.Why != limit.Why {
		t.Errorf("got %+v", f)
	}
	_, err := w.EnableSubscription(w.ctx, by, o.ID, s.ID)
	w.must(err)
	w.must(w.DisableFailing(w.ctx, by, s.ID, s.Lifecycle, limit))
	w.must(w.DisableFailing(w.ctx, by, domain.SubscriptionID{9}, 0, limit))
	if got, err := w.LoadSubscription(w.ctx, s.ID); err != nil || !got.Active() {
		t.Errorf("failures of an earlier life disabled it: %+v, %v", got, err)
	}
}
