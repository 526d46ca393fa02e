package projections

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/domain"
)

// reopened folds what the scribe wrote and gives the fold as it was and as it is after a new start.
func reopened(t *testing.T, s *scribe) []*Fold {
	t.Helper()
	fs := vfs.NewMem()
	x := openOn(t, fs)
	foldOn(t, x, s)
	closeFold(t, x)
	x = openOn(t, fs)
	t.Cleanup(func() { closeFold(t, x) })
	return []*Fold{folded(t, s), x}
}

func TestTheDirectoryKnowsOrganizations(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	var ids []domain.OrganizationID
	for range 5 {
		ids = append(ids, s.organization("standard"))
	}
	changed := domain.OrganizationSettings{Name: "New", Timeout: domain.Duration(7 * time.Second), RetrySchedule: []domain.Duration{domain.Duration(time.Minute)}}
	sub := s.subscription(ids[0], "a.b")
	s.write(domain.OrganizationStream(ids[0]), &domain.OrganizationChanged{OrganizationSettings: changed})
	s.write(domain.OrganizationStream(ids[1]), &domain.OrganizationClosed{})
	slices.Reverse(ids)
	for _, x := range reopened(t, s) {
		o, ok := x.Organization(ids[4])
		if !ok || !reflect.DeepEqual(o.OrganizationSettings, changed) {
			t.Errorf("changed: %+v", o)
		}
		if bySlug, ok := x.OrganizationBySlug(o.Slug); !ok || bySlug.ID != o.ID {
			t.Errorf("by slug: %+v %t", bySlug, ok)
		}
		if o, _ := x.Organization(ids[3]); !o.Closed() {
			t.Error("closed: open")
		}
		if p, ok := x.Policy(sub); !ok || p.Timeout != 7*time.Second || !slices.Equal(p.Schedule, []time.Duration{time.Minute}) {
			t.Errorf("policy %+v %t", p, ok)
		}
		var got []domain.OrganizationID
		for cursor, next := "", "x"; next != ""; cursor = next {
			var page []domain.Organization
			var err error
			if page, next, err = x.Organizations(2, cursor); err != nil {
				t.Fatal(err)
			}
			for _, o := range page {
				got = append(got, o.ID)
			}
		}
		if !slices.Equal(got, ids) {
			t.Errorf("listed %v, want %v", got, ids)
		}
		if _, ok := x.Organization(domain.OrganizationID(s.id())); ok {
			t.Error("an organization out of nothing")
		}
		if _, ok := x.OrganizationBySlug("nobody"); ok {
			t.Error("a slug out of nothing")
		}
	}
}

// A policy that was asked for before the organization changed must not stay.
func TestAPolicyFollowsItsOrganization(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("standard")
	sub := s.subscription(org, "a.b")
	x := folded(t, s)
	before, _ := x.Policy(sub)
	s.write(domain.OrganizationStream(org), &domain.OrganizationChanged{OrganizationSettings: domain.OrganizationSettings{Name: "A", Timeout: domain.Duration(3 * time.Second)}})
	foldOn(t, x, s)
	if p, ok := x.Policy(sub); !ok || p.Timeout != 3*time.Second || before.Timeout == p.Timeout {
		t.Errorf("timeout %v, before %v; want 3s", p.Timeout, before.Timeout)
	}
}

func TestTheDirectoryKnowsKeys(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("standard")
	issue := func(id domain.KeyID, org domain.OrganizationID) {
		s.write(domain.KeyStream(id), &domain.KeyIssued{Organization: org, Scopes: []domain.Scope{domain.ScopeIdentity}, Mode: "live", SecretHash: "h-" + string(id)})
	}
	for i := range 5 {
		issue(domain.KeyID(fmt.Sprintf("live_%d", (i*3)%5)), org)
	}
	issue(domain.OperatorKeyID, domain.OrganizationID{})
	s.write(domain.KeyStream("live_3"), &domain.KeyRotated{SecretHash: "new", PreviousUntil: s.now.Add(time.Hour)})
	s.write(domain.KeyStream("live_1"), &domain.KeyRevoked{})
	for _, x := range reopened(t, s) {
		var got []domain.KeyID
		for cursor, next := "", "x"; next != ""; cursor = next {
			var page []domain.Key
			var err error
			if page, next, err = x.Keys(org, 2, cursor); err != nil {
				t.Fatal(err)
			}
			for _, k := range page {
				got = append(got, k.ID)
			}
		}
		if !slices.Equal(got, []domain.KeyID{"live_2", "live_4", "live_1", "live_3", "live_0"}) {
			t.Errorf("listed %v", got)
		}
		if k, ok := x.Key("live_3"); !ok || k.SecretHash != "new" || k.PreviousHash != "h-live_3" {
			t.Errorf("rotated: %+v %t", k, ok)
		}
		if k, ok := x.Key("live_1"); !ok || k.Live(s.now) {
			t.Errorf("revoked: %+v %t", k, ok)
		}
		page, next, err := x.Keys(domain.OrganizationID{}, 0, "")
		if err != nil || next != "" || len(page) != 1 || page[0].ID != domain.OperatorKeyID {
			t.Errorf("keys of nobody: %v, %v", page, err)
		}
		if _, ok := x.Key("live_9"); ok {
			t.Error("a key out of nothing")
		}
	}
}

func TestTheDirectoryKnowsEventTypes(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("clawbook")
	define := func(name, description string) {
		s.write(domain.EventTypeStream(org, name), &domain.EventTypeDefined{Organization: org, Name: name, EventTypeSettings: domain.EventTypeSettings{Description: description}})
	}
	define("a.one", "first")
	define("ai.error", "our own")
	define("a.two", "second")
	define("a.one", "described anew")
	s.write(domain.EventTypeStream(org, "a.two"), &domain.EventTypeRetired{Organization: org, Name: "a.two"})
	for _, x := range reopened(t, s) {
		if e, ok := x.EventType(org, "a.one"); !ok || e.Description != "described anew" {
			t.Errorf("described: %+v %t", e, ok)
		}
		if e, ok := x.EventType(org, "a.two"); !ok || !e.Retired() {
			t.Errorf("retired: %+v %t", e, ok)
		}
		if _, ok := x.EventType(org, "ai.request"); ok {
			t.Error("the profile's types are not the organization's own")
		}
		var got []string
		for cursor, next := "", "x"; next != ""; cursor = next {
			var page []domain.EventType
			var err error
			if page, next, err = x.EventTypes(org, 4, cursor); err != nil {
				t.Fatal(err)
			}
			for _, e := range page {
				got = append(got, e.Name)
			}
		}
		if len(got) != 3+14-1 || !slices.Equal(got[:4], []string{"a.two", "ai.error", "a.one", "message.received"}) || slices.Contains(got[4:], "ai.error") {
			t.Errorf("listed %d: %v", len(got), got)
		}
	}
}

func TestTheDirectoryKnowsSubscriptions(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("standard")
	var ids []domain.SubscriptionID
	for range 5 {
		ids = append(ids, s.subscription(org, "a.b"))
	}
	s.deleteSubscription(org, ids[1])
	s.disable(org, ids[2])
	s.write(domain.SubscriptionStream(ids[3]), &domain.SubscriptionChanged{Organization: org, SubscriptionSettings: domain.SubscriptionSettings{URL: "https://new.example", Events: []string{"c.d"}}})
	s.write(domain.SubscriptionStream(ids[4]), &domain.SecretRotated{Organization: org, Secret: []byte("new"), PreviousUntil: s.now.Add(time.Hour)})
	for _, x := range reopened(t, s) {
		m, seen := x.Match(org, "a.b", "")
		if seen != 9 || !slices.Equal(m.Targets, []domain.Target{{Subscription: ids[0]}, {Subscription: ids[4], Revision: 1}}) || len(m.Withheld) != 1 {
			t.Errorf("matched %+v, seen %d", m, seen)
		}
		if m, _ := x.Match(org, "c.d", ""); len(m.Targets) != 1 {
			t.Errorf("matched %+v after the change", m)
		}
		if got, ok := x.Subscription(ids[1]); !ok || !got.Deleted {
			t.Errorf("deleted: %+v %t", got, ok)
		}
		if _, ok := x.Policy(ids[1]); ok {
			t.Error("a deleted subscription has a policy")
		}
		if got, ok := x.Subscription(ids[4]); !ok || string(got.Secret) != "new" || string(got.PreviousSecret) != "sealed" {
			t.Errorf("rotated: %+v %t", got, ok)
		}
		var got []domain.SubscriptionID
		for cursor, next := "", "x"; next != ""; cursor = next {
			var page []SubscriptionRow
			var err error
			if page, next, err = x.Subscriptions(org, 3, cursor); err != nil {
				t.Fatal(err)
			}
			for _, row := range page {
				got = append(got, row.ID)
			}
		}
		if !slices.Equal(got, []domain.SubscriptionID{ids[4], ids[3], ids[2], ids[0]}) {
			t.Errorf("listed %v", got)
		}
		if _, ok := x.Subscription(domain.SubscriptionID(s.id())); ok {
			t.Error("a subscription out of nothing")
		}
		if m, seen := x.Match(domain.OrganizationID(s.id()), "a.b", ""); seen != 0 || len(m.Targets) != 0 {
			t.Error("a match out of nothing")
		}
	}
}

func TestHealthReachesItsLimitOnce(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub := s.subscription(org, "a.b")
	id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
	for n := range 19 {
		s.fail(deliveryTo(id, of, sub), n+1, time.Second)
	}
	x := folded(t, s)
	if h := x.Health(sub); h.Consecutive != 19 || len(x.AtLimit()) != 0 {
		t.Errorf("after 19: %+v, at the limit %v", h, x.AtLimit())
	}
	select {
	case <-x.LimitReached():
		t.Error("a pulse before the limit")
	default:
	}
	s.fail(deliveryTo(id, of, sub), 20, time.Second)
	twentieth := s.events[len(s.events)-1].ID.String()
	s.fail(deliveryTo(id, of, sub), 21, time.Second)
	foldOn(t, x, s)
	select {
	case <-x.LimitReached():
	default:
		t.Error("no pulse at the limit")
	}
	for _, x := range append(reopened(t, s), x) {
		limited := x.AtLimit()
		if len(limited) != 1 || limited[0].ID != sub || limited[0].Lifecycle != 0 || limited[0].Limit.Fact != twentieth {
			t.Errorf("at the limit %+v, want %s by %s", limited, sub, twentieth)
		}
		if h := x.Health(sub); h.Consecutive != 20 {
			t.Errorf("the counter stands at %d", h.Consecutive)
		}
	}
	s.write(domain.SubscriptionStream(sub), &domain.SubscriptionDisabled{Organization: org, By: domain.ByFailures, Cause: twentieth})
	foldOn(t, x, s)
	if len(x.AtLimit()) != 0 {
		t.Error("a disabled subscription is still to be disabled")
	}
	page, _, err := x.Subscriptions(org, 0, "")
	if err != nil || page[0].Consecutive != 20 || page[0].Active() {
		t.Errorf("listed as %+v, %v", page, err)
	}
	s.enable(org, sub)
	foldOn(t, x, s)
	if h := x.Health(sub); h.Consecutive != 0 {
		t.Errorf("after enabling the counter stands at %d", h.Consecutive)
	}
}
