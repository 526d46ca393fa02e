package commands

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

func TestAnOrganizationIsRegisteredFoundChangedAndClosed(t *testing.T) {
	w := newWorld(t)
	o, at, err := w.RegisterOrganization(w.ctx, by, "acme", "vantageclaw", domain.OrganizationSettings{Name: "Acme"})
	if err != nil || at.IsZero() || o.Slug != "acme" || !o.CreatedAt.Equal(noon) || !o.ID.Time().Equal(noon) {
		t.Fatalf("got %+v at %s, %v", o, at, err)
	}
	for _, lagging := range []bool{false, true} {
		if lagging {
			w.directory.held = true
			w.directory.organizations = map[domain.OrganizationID]domain.Organization{}
		}
		for _, ref := range []string{"acme", o.ID.String()} {
			if got, err := w.ResolveOrganization(w.ctx, ref); err != nil || got.ID != o.ID || got.Name != "Acme" {
				t.Errorf("%s, directory lagging %v: got %+v, %v", ref, lagging, got, err)
			}
		}
	}
	w.directory.held = false
	for _, ref := range []string{"", "other", "Acme", "org_" + strings.Repeat("0", 36), domain.OrganizationID{1}.String(), strings.Repeat("a", 64), "a/b"} {
		_, err := w.ResolveOrganization(w.ctx, ref)
		wantCode(t, "resolve "+ref, err, domain.NotFound)
	}
	rename := func(name string) func(domain.OrganizationSettings) domain.OrganizationSettings {
		return func(s domain.OrganizationSettings) domain.OrganizationSettings { s.Name = name; return s }
	}
	o, at2, err := w.ChangeOrganization(w.ctx, by, o.ID, rename("Acme 2"))
	if err != nil || o.Name != "Acme 2" || !at2.After(at) {
		t.Errorf("changed: got %+v, %v", o, err)
	}
	_, at3, err := w.ChangeOrganization(w.ctx, by, o.ID, rename("Acme 2"))
	if err != nil || at3 != at2 {
		t.Errorf("changed to the same: at %s, want %s, %v", at3, at2, err)
	}
	_, _, err = w.ChangeOrganization(w.ctx, by, o.ID, rename(""))
	wantCode(t, "no name", err, domain.Invalid)
	_, _, err = w.ChangeOrganization(w.ctx, by, domain.OrganizationID{1}, rename("x"))
	wantCode(t, "change none", err, domain.NotFound)
	_, err = w.CloseOrganization(w.ctx, by, domain.OrganizationID{1})
	wantCode(t, "close none", err, domain.NotFound)
	closed, err := w.CloseOrganization(w.ctx, by, o.ID)
	w.must(err)
	again, err := w.CloseOrganization(w.ctx, by, o.ID)
	if err != nil || again != closed {
		t.Errorf("closed twice: at %s, want %s, %v", again, closed, err)
	}
	_, _, err = w.ChangeOrganization(w.ctx, by, o.ID, rename("x"))
	wantCode(t, "change a closed one", err, domain.Conflict)
	_, _, err = w.RegisterOrganization(w.ctx, by, "acme", "standard", domain.OrganizationSettings{Name: "x"})
	wantCode(t, "the slug of a closed one", err, domain.Conflict)
	w.holds(domain.OrganizationStream(o.ID), 3)
	w.holds(domain.SlugStream("acme"), 1)
}

func TestRegisterRefusals(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ slug, profile, name string }{
		"slug": {"Acme", "standard", "x"}, "profile": {"acme", "none", "x"}, "name": {"acme", "standard", ""},
	} {
		_, _, err := w.RegisterOrganization(w.ctx, by, c.slug, c.profile, domain.OrganizationSettings{Name: c.name})
		wantCode(t, name, err, domain.Invalid)
	}
	if n := len(w.recorded()); n != 0 {
		t.Errorf("refusals left %d events", n)
	}
}

func TestOneOfManyRegistrationsOfASlugWins(t *testing.T) {
	w := newWorld(t)
	const racers = 8
	var race sync.WaitGroup
	won := make(chan domain.Organization, racers)
	for range racers {
		race.Go(func() {
			o, _, err := w.RegisterOrganization(w.ctx, by, "acme", "standard", domain.OrganizationSettings{Name: "x"})
			if err == nil {
				won <- o
			} else if domain.CodeOf(err) != domain.Conflict {
				t.Errorf("a loser got %v", err)
			}
		})
	}
	race.Wait()
	if len(won) != 1 {
		t.Fatalf("%d registrations won", len(won))
	}
	o := <-won
	if got, err := w.ResolveOrganization(w.ctx, "acme"); err != nil || got.ID != o.ID {
		t.Errorf("acme is %s, the winner was told %s (%v)", got.ID, o.ID, err)
	}
	if n := len(w.recorded()); n != 2 {
		t.Errorf("%d events, want the slug's and the organization's", n)
	}
}

// TestAReservedSlugIsRegisteredUnderItsID plays a node that died between the two appends.
func TestAReservedSlugIsRegisteredUnderItsID(t *testing.T) {
	w := newWorld(t)
	dying := w.another(troubled{Streams: w.log, before: func(stream string, _ []eventlog.Event) error {
		if strings.HasPrefix(stream, "hl_organization-") {
			return errCrash
		}
		return nil
	}})
	_, _, err := dying.RegisterOrganization(w.ctx, by, "acme", "standard", domain.OrganizationSettings{Name: "x"})
	if !errors.Is(err, errCrash) {
		t.Fatalf("got %v", err)
	}
	reserved := w.stream(domain.SlugStream("acme"))[0].(*domain.SlugReserved).Organization
	_, err = w.ResolveOrganization(w.ctx, "acme")
	wantCode(t, "a slug without organization", err, domain.NotFound)
	o, _, err := w.RegisterOrganization(w.ctx, by, "acme", "clawbook", domain.OrganizationSettings{Name: "y"})
	if err != nil || o.ID != reserved || o.Profile != "clawbook" {
		t.Errorf("got %+v, %v, want it under %s", o, err, reserved)
	}
	w.holds(domain.SlugStream("acme"), 1)
	w.holds(domain.OrganizationStream(reserved), 1)
}
