package domain

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// organization folds facts that are recorded a minute apart from noon on.
func organization(facts ...Fact) Organization {
	o := Organization{ID: OrganizationID{1}}
	for i, f := range facts {
		o = o.Apply(f, Meta{At: noon.Add(time.Duration(i) * time.Minute)})
	}
	return o
}

var acme = &OrganizationRegistered{"acme", "vantageclaw", OrganizationSettings{Name: "Acme"}}

func TestRegisterRefusals(t *testing.T) {
	name := OrganizationSettings{Name: "Acme"}
	for _, c := range []struct {
		name, slug, profile string
		s                   OrganizationSettings
		fields              []string
	}{
		{"good", "acme", "vantageclaw", name, nil},
		{"one letter", "a", "standard", name, nil},
		{"63 letters", strings.Repeat("a", 63), "clawbook", name, nil},
		{"64 letters", strings.Repeat("a", 64), "clawbook", name, []string{"slug"}},
		{"no slug", "", "vntana", name, []string{"slug"}},
		{"a hyphen first", "-a", "vntana", name, []string{"slug"}},
		{"a hyphen last", "a-", "vntana", name, []string{"slug"}},
		{"a hyphen inside", "a-0", "vantagekit", name, nil},
		{"upper case", "Acme", "vantagekit", name, []string{"slug"}},
		{"a line after it", "acme\n", "vantagekit", name, []string{"slug"}},
		{"an unknown profile", "acme", "other", name, []string{"profile"}},
		{"no profile", "acme", "", name, []string{"profile"}},
		{"no name", "acme", "standard", OrganizationSettings{}, []string{"name"}},
		{"200 letters of a name", "acme", "standard", OrganizationSettings{Name: strings.Repeat("é", 200)}, nil},
		{"201 letters of a name", "acme", "standard", OrganizationSettings{Name: strings.Repeat("é", 201)}, []string{"name"}},
		{"everything", "", "", OrganizationSettings{RetrySchedule: []Duration{1}, Timeout: 1}, []string{"name", "retry_schedule[0]", "timeout", "slug", "profile"}},
	} {
		_, err := DecideRegister(c.slug, c.profile, c.s)
		wantFields(t, c.name, err, c.fields...)
	}
}

func TestAnOrganizationChangesAndCloses(t *testing.T) {
	o := organization(acme)
	if !o.Exists() || o.Closed() || o.Slug != "acme" || o.Profile != "vantageclaw" || o.Name != "Acme" || !o.CreatedAt.Equal(noon) {
		t.Errorf("registered: got %+v", o)
	}
	if f, err := o.DecideChange(o.OrganizationSettings); f != nil || err != nil {
		t.Errorf("nothing changed: got %v, %v", f, err)
	}
	next := OrganizationSettings{Name: "Acme 2", RetrySchedule: []Duration{MinDelay}, Timeout: MinTimeout}
	f, err := o.DecideChange(next)
	if err != nil || !reflect.DeepEqual(f, &OrganizationChanged{next}) {
		t.Errorf("changed: got %v, %v", f, err)
	}
	if got := organization(acme, f); !reflect.DeepEqual(got.OrganizationSettings, next) || got.Slug != "acme" {
		t.Errorf("got %+v", got)
	}
	closed := organization(acme, &OrganizationClosed{}, &OrganizationClosed{})
	if !closed.ClosedAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("closed at %s, not when it was closed first", closed.ClosedAt)
	}
	if f, err := closed.DecideClose(); f != nil || err != nil {
		t.Errorf("closed twice: got %v, %v", f, err)
	}
	if f, err := o.DecideClose(); f == nil || err != nil {
		t.Errorf("close: got %v, %v", f, err)
	}
	_, err = Organization{}.DecideClose()
	wantCode(t, "close none", err, NotFound)
	_, err = Organization{}.DecideChange(next)
	wantCode(t, "change none", err, NotFound)
	_, err = closed.DecideChange(next)
	wantCode(t, "change a closed one", err, Conflict)
	_, err = o.DecideChange(OrganizationSettings{Timeout: 1})
	wantFields(t, "change to nonsense", err, "name", "timeout")
	if got := organization(&SubscriptionEnabled{}); got.Exists() {
		t.Errorf("another's fact was folded: %+v", got)
	}
}

func TestAnOrganizationHasItsProfilesEventTypesAndPolicy(t *testing.T) {
	o := organization(&OrganizationRegistered{Slug: "a", Profile: "clawbook"})
	types := o.ProfileEventTypes()
	if len(types) != 14 || types[0].Name != "message.received" || types[0].Organization != o.ID || len(types[0].Example) == 0 || !types[0].CreatedAt.IsZero() {
		t.Errorf("got %d types, first %+v", len(types), types[0])
	}
	o.Timeout = Duration(7 * time.Second)
	p, ok := o.PolicyFor(SubscriptionSettings{RetrySchedule: []Duration{MinDelay}})
	if !ok || p.Timeout != 7*time.Second || len(p.Schedule) != 1 {
		t.Errorf("got %+v, %v", p, ok)
	}
	o.Profile = "later"
	if _, ok := o.PolicyFor(SubscriptionSettings{}); ok || o.ProfileEventTypes() != nil {
		t.Error("an unknown profile has a policy")
	}
}
