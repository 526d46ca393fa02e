package commands

import (
	"context"
	"errors"
	"strings"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// errNoOrganization is the refusal for every organization that is not there.
var errNoOrganization = domain.Refuse(domain.NotFound, "no such organization")

// ResolveOrganization finds an organization by its id or slug: in the directory, else in its stream, so that one that
// was registered on another node a moment ago is found.
func (c *Commands) ResolveOrganization(ctx context.Context, ref string) (domain.Organization, error) {
	if id, err := domain.ParseOrganizationID(ref); err == nil {
		return c.organization(ctx, id)
	}
	if o, ok := c.Directory.OrganizationBySlug(ref); ok {
		return o, nil
	}
	if ref == "" || len(ref) > 63 || strings.ContainsFunc(ref, notSlug) {
		return domain.Organization{}, errNoOrganization
	}
	id, found, err := c.reservedBy(ctx, ref)
	if err != nil {
		return domain.Organization{}, err
	}
	if !found {
		return domain.Organization{}, errNoOrganization
	}
	return c.organization(ctx, id)
}

func notSlug(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }

// organization finds an organization by id, NotFound if there is none.
func (c *Commands) organization(ctx context.Context, id domain.OrganizationID) (domain.Organization, error) {
	if o, ok := c.Directory.Organization(id); ok {
		return o, nil
	}
	l, err := load(ctx, c, domain.OrganizationStream(id), domain.Organization{ID: id}, foldOrganization)
	if err == nil && !l.state.Exists() {
		err = errNoOrganization
	}
	return l.state, err
}

// openOrganization finds an organization that takes changes, Conflict if it is closed.
func (c *Commands) openOrganization(ctx context.Context, id domain.OrganizationID) (domain.Organization, error) {
	o, err := c.organization(ctx, id)
	if err == nil {
		err = o.CheckOpen()
	}
	return o, err
}

func foldOrganization(o domain.Organization, f recordedFact) domain.Organization {
	return o.Apply(f.Fact, f.Meta)
}

// reservedBy returns the organization that owns a slug.
func (c *Commands) reservedBy(ctx context.Context, slug string) (id domain.OrganizationID, found bool, err error) {
	for f, err := range c.facts(ctx, domain.SlugStream(slug)) {
		if err != nil {
			return id, false, err
		}
		if r, ok := f.Fact.(*domain.SlugReserved); ok {
			return r.Organization, true, nil
		}
	}
	return id, false, nil
}

// RegisterOrganization begins an organization under a slug that nobody ever had. A slug that was reserved by a
// registration that did not come through is registered under the id it was reserved for.
func (c *Commands) RegisterOrganization(ctx context.Context, by By, slug, profile string, s domain.OrganizationSettings) (domain.Organization, eventlog.Position, error) {
	registered, err := domain.DecideRegister(slug, profile, s)
	if err != nil {
		return domain.Organization{}, eventlog.Position{}, err
	}
	m := by.meta(c.Now())
	id := newID[domain.OrganizationID](c, m)
	_, err = c.append(ctx, domain.SlugStream(slug), eventlog.NoStream, &domain.SlugReserved{Organization: id, Slug: slug}, m)
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		var found bool
		if id, found, err = c.reservedBy(ctx, slug); err == nil && !found {
			err = domain.Refuse(domain.Conflict, "the slug %s is taken", slug)
		}
	}
	if err != nil {
		return domain.Organization{}, eventlog.Position{}, err
	}
	a, err := c.append(ctx, domain.OrganizationStream(id), eventlog.NoStream, registered, m)
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		err = domain.Refuse(domain.Conflict, "the slug %s is taken", slug)
	}
	return domain.Organization{ID: id}.Apply(registered, m), a.Position, err
}

// ChangeOrganization replaces an organization's settings with what edit makes of them.
func (c *Commands) ChangeOrganization(ctx context.Context, by By, id domain.OrganizationID, edit func(domain.OrganizationSettings) domain.OrganizationSettings) (domain.Organization, eventlog.Position, error) {
	return c.changeOrganization(ctx, by, id, func(o domain.Organization) (domain.Fact, error) {
		return o.DecideChange(edit(o.OrganizationSettings))
	})
}

// CloseOrganization ends an organization. One that has ended stays so.
func (c *Commands) CloseOrganization(ctx context.Context, by By, id domain.OrganizationID) (eventlog.Position, error) {
	_, at, err := c.changeOrganization(ctx, by, id, domain.Organization.DecideClose)
	return at, err
}

func (c *Commands) changeOrganization(ctx context.Context, by By, id domain.OrganizationID, decide func(domain.Organization) (domain.Fact, error)) (domain.Organization, eventlog.Position, error) {
	return change(ctx, c, by, domain.OrganizationStream(id), domain.Organization{ID: id}, foldOrganization, decide)
}
