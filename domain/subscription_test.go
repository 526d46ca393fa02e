package domain

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// subscription folds facts at revisions from 0 and a minute apart from noon on.
func subscription(facts ...Fact) Subscription {
	s := Subscription{ID: SubscriptionID{1}}
	for i, f := range facts {
		s = s.Apply(f, Meta{At: noon.Add(time.Duration(i) * time.Minute)}, uint64(i))
	}
	return s
}

var (
	created  = &SubscriptionCreated{OrganizationID{1}, []byte("first"), SubscriptionSettings{URL: "https://a.example", Events: []string{"a"}}}
	changed  = &SubscriptionChanged{OrganizationID{1}, SubscriptionSettings{URL: "https://b.example", Events: []string{"b"}}}
	disabled = &SubscriptionDisabled{Organization: OrganizationID{1}, By: ByOwner}
	enabled  = &SubscriptionEnabled{OrganizationID{1}}
	deleted  = &SubscriptionDeleted{OrganizationID{1}}
)

func TestALifeOfASubscription(t *testing.T) {
	for _, c := range []struct {
		name             string
		facts            []Fact
		exists, active   bool
		lifecycle        uint64
		closures, reason []string
	}{
		{name: "never made"},
		{"created", []Fact{created}, true, true, 0, nil, nil},
		{"changed", []Fact{created, changed}, true, true, 0, nil, nil},
		{"disabled", []Fact{created, changed, disabled}, true, false, 2, []string{"2"}, []string{"subscription_disabled"}},
		{"enabled", []Fact{created, disabled, enabled}, true, true, 2, []string{"1"}, []string{"subscription_disabled"}},
		{"deleted", []Fact{created, deleted}, true, false, 1, []string{"1"}, []string{"subscription_deleted"}},
		{"disabled and deleted", []Fact{created, disabled, enabled, disabled, changed, deleted}, true, false, 5,
			[]string{"1", "3", "5"}, []string{"subscription_disabled", "subscription_disabled", "subscription_deleted"}},
	} {
		s := subscription(c.facts...)
		var closures, reasons []string
		for _, x := range s.Closures {
			closures, reasons = append(closures, fmt.Sprint(x.Revision)), append(reasons, x.Reason())
			if want := noon.Add(time.Duration(x.Revision) * time.Minute); !x.At.Equal(want) {
				t.Errorf("%s: closed at %s, want %s", c.name, x.At, want)
			}
		}
		if s.Exists() != c.exists || s.Active() != c.active || s.Lifecycle != c.lifecycle || !slices.Equal(closures, c.closures) || !slices.Equal(reasons, c.reason) {
			t.Errorf("%s: got %+v", c.name, s)
		}
		if n := len(c.facts); n > 0 && s.Revision != uint64(n-1) {
			t.Errorf("%s: at revision %d", c.name, s.Revision)
		}
	}
}

func TestARotatedSecretIsKeptBeside(t *testing.T) {
	end := noon.Add(time.Hour)
	s := subscription(created, &SecretRotated{OrganizationID{1}, []byte("second"), end})
	if string(s.Secret) != "second" || string(s.PreviousSecret) != "first" || !s.PreviousUntil.Equal(end) || s.Lifecycle != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestFoldingNeverChangesAnEarlierState: states are shared with those who read them.
func TestFoldingNeverChangesAnEarlierState(t *testing.T) {
	before := subscription(created, disabled, enabled)
	before.Closures = append(make([]Closure, 0, 8), before.Closures...)
	copied := slices.Clone(before.Closures)
	one := before.Apply(disabled, ordinaryMeta, 3)
	two := before.Apply(deleted, ordinaryMeta, 3)
	if !slices.Equal(before.Closures, copied) || one.Closures[1].Deleted || !two.Closures[1].Deleted {
		t.Errorf("before %v, one %v, two %v", before.Closures, one.Closures, two.Closures)
	}
}

func TestClosedAfterIsTheFirstClosureLaterThanTheRound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := subscription(created)
		for range rapid.IntRange(0, 8).Draw(t, "facts") {
			f := rapid.SampledFrom([]Fact{changed, disabled, enabled}).Draw(t, "fact")
			s = s.Apply(f, ordinaryMeta, s.Revision+1)
		}
		opened := rapid.Uint64Range(0, 9).Draw(t, "opened at")
		var want Closure
		found := false
		for _, c := range s.Closures {
			if c.Revision > opened && !found {
				want, found = c, true
			}
		}
		if got, ok := s.ClosedAfter(opened); got != want || ok != found {
			t.Fatalf("after %d of %v: got %v, %v, want %v, %v", opened, s.Closures, got, ok, want, found)
		}
	})
}

func TestCreateAndSettingsRefusals(t *testing.T) {
	known := func(name string) bool { return name != "unknown" }
	url := "https://a.example"
	many := func(n int, format string) []string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf(format, i)
		}
		return names
	}
	for _, c := range []struct {
		name   string
		s      SubscriptionSettings
		fields []string
	}{
		{"good", SubscriptionSettings{URL: url, Events: []string{"a", "*", "a.b.*"}}, nil},
		{"no events", SubscriptionSettings{URL: url}, nil},
		{"no url", SubscriptionSettings{}, []string{"url"}},
		{"2048 characters", SubscriptionSettings{URL: strings.Repeat("é", 2048)}, nil},
		{"2049 characters", SubscriptionSettings{URL: strings.Repeat("é", 2049)}, []string{"url"}},
		{"an unknown type", SubscriptionSettings{URL: url, Events: []string{"a", "unknown"}}, []string{"events[1]"}},
		{"a bad pattern", SubscriptionSettings{URL: url, Events: []string{"a*", "*.a", "", "A"}}, []string{"events[0]", "events[1]", "events[2]", "events[3]"}},
		{"named twice", SubscriptionSettings{URL: url, Events: []string{"a", "b", "a"}}, []string{"events[2]"}},
		{"the most events", SubscriptionSettings{URL: url, Events: many(MaxEvents, "e%d")}, nil},
		{"too many events", SubscriptionSettings{URL: url, Events: many(MaxEvents+1, "e%d")}, []string{"events"}},
		{"the most clients", SubscriptionSettings{URL: url, Clients: many(MaxClients, "c%d")}, nil},
		{"too many clients", SubscriptionSettings{URL: url, Clients: many(MaxClients+1, "c%d")}, []string{"clients"}},
		{"an empty client", SubscriptionSettings{URL: url, Clients: []string{"ok", ""}}, []string{"clients[1]"}},
		{"a client with a control character", SubscriptionSettings{URL: url, Clients: []string{"a\nb"}}, []string{"clients[0]"}},
		{"the longest texts", SubscriptionSettings{URL: url, Name: strings.Repeat("é", 200), Description: strings.Repeat("é", 2000)}, nil},
		{"texts too long", SubscriptionSettings{URL: url, Name: strings.Repeat("é", 201), Description: strings.Repeat("é", 2001)}, []string{"name", "description"}},
		{"schedule and timeout", SubscriptionSettings{URL: url, RetrySchedule: []Duration{0}, Timeout: -1}, []string{"retry_schedule[0]", "timeout"}},
	} {
		f, err := DecideCreate(organization(acme), c.s, []byte("sealed"), known)
		wantFields(t, c.name, err, c.fields...)
		wantFields(t, c.name, c.s.Check(known), c.fields...)
		if err == nil && (f.Events == nil || string(f.Secret) != "sealed" || f.Organization != (OrganizationID{1})) {
			t.Errorf("%s: got %+v", c.name, f)
		}
	}
	_, err := DecideCreate(Organization{}, SubscriptionSettings{URL: url}, nil, known)
	wantCode(t, "no organization", err, NotFound)
	_, err = DecideCreate(organization(acme, &OrganizationClosed{}), SubscriptionSettings{URL: url}, nil, known)
	wantCode(t, "a closed organization", err, Conflict)
}

// TestClients holds the row webhooks.clients.
func TestClients(t *testing.T) {
	for c, ok := range map[string]bool{"": true, "folder é/1": true, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false,
		"\x00": false, "a\x7f": false, "\xff": false, "\u2028": true} {
		if got := CheckClient(c) == nil; got != ok {
			t.Errorf("%q: good %v, want %v", c, got, ok)
		}
	}
}

func TestLifecycleDecisions(t *testing.T) {
	none, active := Subscription{}, subscription(created)
	off, gone := subscription(created, disabled), subscription(created, deleted)
	type decision func(Subscription) (Fact, error)
	enable, remove := decision(Subscription.DecideEnable), decision(Subscription.DecideDelete)
	disable := func(s Subscription) (Fact, error) { return s.DecideDisable(ByOperator, "why") }
	for _, c := range []struct {
		name   string
		decide decision
		s      Subscription
		want   Fact
		code   Code
	}{
		{"enable none", enable, none, nil, NotFound}, {"enable a deleted one", enable, gone, nil, NotFound},
		{"enable an active one", enable, active, nil, 0}, {"enable a disabled one", enable, off, enabled, 0},
		{"disable none", disable, none, nil, NotFound}, {"disable a deleted one", disable, gone, nil, NotFound},
		{"disable a disabled one", disable, off, nil, 0},
		{"disable an active one", disable, active, &SubscriptionDisabled{OrganizationID{1}, ByOperator, "", "why"}, 0},
		{"delete none", remove, none, nil, NotFound}, {"delete a deleted one", remove, gone, nil, NotFound},
		{"delete an active one", remove, active, deleted, 0}, {"delete a disabled one", remove, off, deleted, 0},
	} {
		f, err := c.decide(c.s)
		wantCode(t, c.name, err, c.code)
		if !reflect.DeepEqual(f, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, f, c.want)
		}
	}
}

func TestFailuresDisableOnlyTheLifeTheyWereCountedIn(t *testing.T) {
	for _, c := range []struct {
		name      string
		s         Subscription
		lifecycle uint64
		want      bool
	}{
		{"the same life", subscription(created), 0, true},
		{"changed since", subscription(created, changed), 0, true},
		{"disabled since", subscription(created, disabled), 0, false},
		{"enabled since", subscription(created, disabled, enabled), 0, false},
		{"the life after enabling", subscription(created, disabled, enabled), 2, true},
		{"deleted since", subscription(created, deleted), 0, false},
		{"disabled, at that revision", subscription(created, disabled), 1, false},
		{"never made", Subscription{}, 0, false},
	} {
		f := c.s.DecideDisableFailing(c.lifecycle, "cause", "why")
		if (f != nil) != c.want {
			t.Errorf("%s: got %v", c.name, f)
		}
		if want := (&SubscriptionDisabled{OrganizationID{1}, ByFailures, "cause", "why"}); c.want && !reflect.DeepEqual(f, want) {
			t.Errorf("%s: got %+v, want %+v", c.name, f, want)
		}
	}
}

func TestSubscriptionFactsAreThoseOfItsStream(t *testing.T) {
	for name, f := range emptyFacts() {
		want := strings.HasPrefix(name, "hooklog.Subscription") && name != "hooklog.SubscriptionAdmitted.v1" || name == "hooklog.SecretRotated.v1"
		if got := IsSubscriptionFact(f); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
